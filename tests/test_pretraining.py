"""Pre-training on drawings of other animals."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from catdog_helpers import models, pretraining
from catdog_helpers.drawing.breeds import KINDS, OTHER_KINDS, WILD_RELATIVES, draw_traits
from catdog_helpers.drawing.draw import draw


@pytest.fixture
def small_drawings(monkeypatch):
    monkeypatch.setattr(pretraining, "DRAWN_AT", 32)


def test_pretrain_writes_a_small_file_that_the_backbone_loads(
    small_drawings, tmp_path, monkeypatch
):
    path = tmp_path / "backbone.weights.h5"
    tf.config.run_functions_eagerly(True)  # few steps are done sooner than their graph is built
    try:
        accuracy, seconds = pretraining.pretrain(path, n_drawings=40, stages={32: 1})
    finally:
        tf.config.run_functions_eagerly(False)
    assert 0 <= accuracy <= 1 and seconds > 0
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_size < 2_000_000
    monkeypatch.setattr(models, "DRAWN_WEIGHTS", path)
    backbone = models.build_backbone("drawn", 32)
    assert all(np.isfinite(weight).all() for weight in backbone.get_weights())


def test_the_backbone_learns_from_every_kind_but_cats_and_dogs(small_drawings):
    images, targets = pretraining._drawings(
        seed=3, n_drawings=2 * len(OTHER_KINDS), kinds=OTHER_KINDS
    )
    assert set(KINDS).isdisjoint(OTHER_KINDS + WILD_RELATIVES)
    named = [OTHER_KINDS[i] for i in targets[:, : len(OTHER_KINDS)].argmax(axis=1)]
    assert named == 2 * list(OTHER_KINDS)
    expected = [draw(kind, seed, 32) for seed in (-8, -7) for kind in OTHER_KINDS]
    np.testing.assert_array_equal(images, expected)


def test_the_backbone_sees_no_scene_of_a_sample(small_drawings, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        pretraining, "draw_traits", lambda *each: drawn.append(each) or draw_traits(*each)
    )
    pretraining._drawings(seed=0, n_drawings=4, kinds=OTHER_KINDS[:2])
    assert len(drawn) == 4
    assert max(seed for _, seed in drawn) < 0  # the seeds of every sample start at zero


def test_targets_name_the_kind_and_compare_lengths_with_the_quarters():
    traits = [draw_traits(kind, seed) for seed in range(4) for kind in OTHER_KINDS]
    targets = pretraining._targets(traits, OTHER_KINDS)
    assert set(np.unique(targets)) == {0, 1}
    kinds = targets[:, : len(OTHER_KINDS)]
    assert [OTHER_KINDS[i] for i in kinds.argmax(axis=1)] == [each.kind for each in traits]
    assert (kinds.sum(axis=1) == 1).all()
    names = [field.name for field in dataclasses.fields(traits[0])]
    by_kind = names[names.index("ears") : names.index("fur") + 1]
    n_lengths = sum(isinstance(getattr(traits[0], name), float) for name in by_kind)
    shares = targets[:, -3 * n_lengths :].mean(axis=0).reshape(3, n_lengths)
    expected = np.repeat([[0.75], [0.5], [0.25]], n_lengths, axis=1)
    np.testing.assert_allclose(shares, expected, atol=0.1)
