"""Fitting, histories and the random warp."""

import dataclasses
from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from catdog_helpers import CatdogError, models, sample, training

SIZE = 32


@pytest.fixture(scope="module")
def labelled():
    """Sixteen dark and sixteen bright noisy pictures."""
    labels = np.repeat([0, 1], 16)
    noise = np.random.default_rng(0).normal(0, 20, (32, SIZE, SIZE, 3))
    images = np.where(labels[:, None, None, None] == 1, 200, 60) + noise
    return images.clip(0, 255).astype("uint8"), labels


def trained_weights(labelled, seed):
    training.set_seed(seed)
    model = models.build_augmented(SIZE, steps=10)
    dataset = tf.data.Dataset.from_tensor_slices(labelled).shuffle(32, seed=seed).batch(8)
    training.fit(model, dataset.map(training.augment), labelled, epochs=1)
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def test_one_seed_repeats_a_training_and_another_does_not(labelled):
    first = trained_weights(labelled, 1)
    np.testing.assert_array_equal(first, trained_weights(labelled, 1))
    assert not np.array_equal(first, trained_weights(labelled, 2))


def test_fit_returns_the_history_and_prints_few_lines(labelled, capsys):
    model = models.compile_classifier(
        keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(2)])
    )
    history = training.fit(model, labelled, labelled, epochs=6)
    assert history.epochs == 6
    assert set(history.metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.train_seconds > 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["1/6", "5/6", "6/6"]


def test_arrays_reach_keras_as_datasets_that_nothing_holds_up(labelled):
    model = models.build_first(SIZE)
    with patch.object(model, "fit", wraps=model.fit) as fit:
        training.fit(model, labelled, labelled, 1, progress=False)
    seen = [*fit.call_args.args, fit.call_args.kwargs["validation_data"]]
    assert [each.options().autotune.enabled for each in seen] == [False, False]
    orders = [np.concatenate([labels for _, labels in each]).tolist() for each in seen]
    assert orders[1] == labelled[1].tolist() == sorted(orders[0]) != orders[0]


def test_an_accuracy_is_the_very_share_that_was_counted(capsys):
    inputs, labels = np.zeros((400, 1)), np.repeat([0, 1], [387, 13])
    network = [keras.Input((1,)), layers.Dense(2, kernel_initializer="zeros")]
    model = models.compile_classifier(keras.Sequential(network), keras.optimizers.SGD(0.0))
    history = training.fit(model, (inputs, labels), (inputs, labels), 1)
    assert history.metrics["val_accuracy"] == [387 / 400]
    assert "validation 96.8%" in capsys.readouterr().out


def test_many_steps_in_one_call_train_as_single_steps_do(labelled, monkeypatch):
    dataset = tf.data.Dataset.from_tensor_slices(labelled).batch(8)
    histories = []
    for steps in (1, 3):  # in two epochs of four batches
        monkeypatch.setattr(training, "STEPS_PER_CALL", steps)
        training.set_seed(0)
        layout = [keras.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(2)]
        model = models.compile_classifier(keras.Sequential(layout))
        histories.append(training.fit(model, dataset, labelled, 2, progress=False))
        assert model.steps_per_execution == 1
        model.evaluate(*labelled, verbose=0)  # as if nothing had been set
    one, three = (
        [history.metrics[name] for name in sorted(history.metrics)] for history in histories
    )
    np.testing.assert_allclose(three, one, rtol=1e-6)


def test_p26_an_empty_training_set_is_an_error(labelled):
    empty = tf.data.Dataset.from_tensor_slices(labelled).take(0).batch(8)
    with pytest.raises(CatdogError, match="empty"):
        training.fit(models.build_first(SIZE), empty, labelled, epochs=1)


def test_the_best_epoch_is_the_first_of_equals():
    values = {"loss": [3, 2, 1], "val_accuracy": [0.5, 0.8, 0.8]}
    history = training.History(values, 1.0)
    assert history.best_epoch == 2
    joined = history.joined(training.History(values, 2.0))
    assert (joined.epochs, joined.train_seconds) == (6, 3.0)


def test_warp_without_change_is_the_identity(labelled, monkeypatch):
    monkeypatch.setattr(
        tf.random,
        "uniform",
        lambda shape, low, high: tf.fill(shape, {0.75: 1.0, -1: 1.0}.get(low, (low + high) / 2)),
    )
    images, labels = labelled
    changed, same_labels = training.augment(tf.constant(images), labels)
    np.testing.assert_allclose(changed, images, atol=1e-2)
    assert same_labels is labels


def test_warp_mirrors_around_the_middle(labelled, monkeypatch):
    monkeypatch.setattr(
        tf.random,
        "uniform",
        lambda shape, low, high: tf.fill(shape, {0.75: 1.0, -1: -1.0}.get(low, (low + high) / 2)),
    )
    images, labels = labelled
    changed, _ = training.augment(tf.constant(images), labels)
    np.testing.assert_allclose(changed, images[:, :, ::-1], atol=1e-2)


def test_augmented_pictures_differ_and_keep_their_shape(labelled):
    images, labels = labelled
    first, _ = training.augment(tf.constant(images), labels)
    second, _ = training.augment(tf.constant(images), labels)
    assert first.shape == images.shape
    assert not np.allclose(first, second)
    np.testing.assert_allclose(np.mean(first), images.mean(), atol=15)


def test_the_small_network_learns_raw_pixels_whatever_the_seed(labelled):
    often = tuple(np.concatenate([array] * 20) for array in labelled)  # 20 batches an epoch
    for seed in range(5):
        training.set_seed(seed)
        model = models.build_first(SIZE, steps=120)
        history = training.fit(model, often, labelled, epochs=6)
        assert min(history.metrics["loss"]) < 0.5, f"seed {seed} stays at the loss of guessing"


def test_pretrain_writes_a_small_file_that_the_backbone_loads(tmp_path, monkeypatch):
    drawings = np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE, 3), dtype="uint8")
    monkeypatch.setattr(
        training,
        "_drawings",
        lambda *_: (drawings, np.eye(40, dtype="float32")[np.arange(40) % 11]),
    )
    path = tmp_path / "backbone.weights.h5"
    tf.config.run_functions_eagerly(True)  # two steps are done sooner than their graph is built
    try:
        accuracy, seconds = training.pretrain(path, stages={SIZE: 1})
    finally:
        tf.config.run_functions_eagerly(False)
    assert 0 <= accuracy <= 1 and seconds > 0
    assert path.stat().st_size < 2_000_000
    monkeypatch.setattr(models, "DRAWN_WEIGHTS", path)
    backbone = models.build_backbone("drawn", SIZE)
    assert all(np.isfinite(weight).all() for weight in backbone.get_weights())


def test_no_drawing_of_the_backbone_is_a_cat_or_a_dog(monkeypatch):
    drawn = []
    monkeypatch.setattr(training, "get_context", lambda _: FakeContext(drawn))
    images, answers = training._drawings(0, 2, SIZE)
    assert {kind for kind, *_ in drawn} == set(sample.OTHER_KINDS)
    assert {"cat", "dog"}.isdisjoint(sample.OTHER_KINDS)
    assert len(images) == len(answers) == len(drawn) == 2 * len(sample.OTHER_KINDS)


def test_answers_name_the_kind_and_compare_lengths_with_the_quarters():
    traits = [sample.draw_traits(kind, seed) for seed in range(4) for kind in sample.OTHER_KINDS]
    answers = training._answers(traits)
    number = len(sample.OTHER_KINDS)
    assert set(np.unique(answers)) == {0, 1}
    assert [sample.OTHER_KINDS[i] for i in answers[:, :number].argmax(axis=1)] == [
        each.kind for each in traits
    ]
    assert (answers[:, :number].sum(axis=1) == 1).all()
    lengths = sum(isinstance(value, float) for value in shown(traits[0]).values())
    shares = answers[:, -3 * lengths :].mean(axis=0).reshape(3, lengths)
    np.testing.assert_allclose(
        shares, [[0.75] * lengths, [0.5] * lengths, [0.25] * lengths], atol=0.1
    )


def shown(traits):
    """Return the traits from the ears to the fur, which depend on the kind."""
    values = dataclasses.asdict(traits)
    names = list(values)
    return {name: values[name] for name in names[names.index("ears") : names.index("fur") + 1]}


class FakeContext:
    """Stands for a pool of processes; notes what it is asked to draw."""

    def __init__(self, drawn):
        self.drawn = drawn

    def Pool(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def starmap(self, function, arguments, chunksize):
        self.drawn += arguments
        return [np.zeros((size, size, 3), "uint8") for *_, size in arguments]
