"""The drawn backbone, made anew: trained on drawings of other animals, never a cat or a dog."""

from dataclasses import asdict
from multiprocessing import get_context

import h5py
import numpy as np
import pandas as pd
from PIL import Image

from catdog_helpers import n_cpus
from catdog_helpers.drawing.breeds import OTHER_KINDS, WILD_RELATIVES, draw_traits
from catdog_helpers.drawing.draw import draw
from catdog_helpers.files.paths import atomic
from catdog_helpers.models import DRAWN_WEIGHTS, DRAWN_WIDTH, preprocessing_layer
from catdog_helpers.quiet_tensorflow import keras, layers
from catdog_helpers.training import fit, set_up

# Epochs on drawings of each size, in pixels: the coarse shapes come first, at half the cost.
STAGES = {64: 6, 96: 5}
# Drawn larger and then resized, as the chapters do with the sample.
DRAWN_AT = 128
# Epochs in which the learning rate would fall to zero. Stopped at about 0.6 of its peak, a network
# is not yet polished for its own kinds, and knows more of others.
_SCHEDULE = 24
_KINDS = OTHER_KINDS + WILD_RELATIVES


def pretrain(path=DRAWN_WEIGHTS, *, seed=0, n_drawings=24_000, stages=None, kinds=_KINDS):
    """Train the small backbone on drawings of other animals, never a cat or a dog, and save it.

    It learns to say which of the other animals it sees, and with which traits: which ears, nose,
    eyes and whiskers, how long a muzzle. Each of these is a yes-or-no question of its own.

    Parameters
    ----------
    path : path-like
        Where the weights go, as float16; the name ends in ``.weights.h5``.
    seed : int
    n_drawings : int
        Drawings in all, shared equally by the kinds; the first tenth is for validation.
    stages : dict of int to int, optional
        Epochs on drawings of each size, in pixels; `STAGES` where left out.
    kinds : sequence of str
        Of ``breeds.OTHER_KINDS`` and ``WILD_RELATIVES``. The relatives have the faces of cats and
        dogs; without them a backbone has less to transfer.

    Returns
    -------
    (accuracy, seconds) : tuple of float
        Validation accuracy for the kinds, 0..1, and how long the training alone took.
    """
    set_up(seed)
    images, targets = _drawings(seed, n_drawings, kinds)
    n_validation = len(targets) // 10
    batches = -(-(len(targets) - n_validation) // 32)
    backbone, model = _trait_model(targets.shape[1], len(kinds), _SCHEDULE * batches)
    seconds = 0
    for size, epochs in (stages or STAGES).items():
        print(f"{size} pixels")
        resized = np.stack([Image.fromarray(image).resize((size, size)) for image in images])
        train = resized[n_validation:], targets[n_validation:]
        validation = resized[:n_validation], targets[:n_validation]
        history = fit(model, train, validation, epochs)
        seconds += history.train_seconds
    _save_half_precision(backbone, path)
    return history.metrics["val_accuracy"][-1], seconds


def _drawings(seed, n_drawings, kinds):
    """Draw each of the kinds; images (n, size, size, 3) uint8, targets (n, m) 0 or 1.

    The seeds of these drawings are negative and those of every sample are not: scene, pose and coat
    depend on the seed alone, so a shared seed would show the backbone scenes of the sample.
    """
    n_each = n_drawings // len(kinds)
    first = -(seed + 1) * n_each
    drawings = [(kind, first + i) for i in range(n_each) for kind in kinds]
    # Spawned, not forked: a copy of a process that runs TensorFlow's threads can hang.
    with get_context("spawn").Pool(n_cpus()) as pool:
        arguments = [(*drawing, DRAWN_AT) for drawing in drawings]
        images = np.stack(pool.starmap(draw, arguments, chunksize=50))
    return images, _targets([draw_traits(*drawing) for drawing in drawings], kinds)


def _targets(traits, kinds):
    """Turn traits into yes-or-no targets, float32 (n, m): first the kinds, then what they show.

    A word becomes one target for each value that it takes, a length three: is it above the first,
    second, third quarter of all?
    """
    table = pd.DataFrame([asdict(each) for each in traits])
    by_kind = table.loc[:, "horns":"fur"]
    lengths = by_kind.select_dtypes("number")
    words = by_kind.drop(columns=lengths.columns)
    above = [lengths > lengths.quantile(quarter) for quarter in (0.25, 0.5, 0.75)]
    named = pd.get_dummies(table["kind"])[list(kinds)]
    return pd.concat([named, pd.get_dummies(words), *above], axis=1).to_numpy("float32")


def _trait_model(n_targets, n_kinds, steps):
    """Build the backbone, for images of any size, and a model that predicts traits with it."""
    backbone = keras.applications.MobileNetV2(
        input_shape=(None, None, 3), alpha=DRAWN_WIDTH, include_top=False, weights=None
    )
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # 0.999 would need more steps than this training has
    front = [keras.Input((None, None, 3)), layers.RandomFlip("horizontal"), preprocessing_layer()]
    head = [layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(n_targets)]
    model = keras.Sequential([*front, backbone, *head])
    warm_up = -(-steps // 40)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=4e-3, warmup_steps=warm_up
    )

    def accuracy(targets, logits):
        return keras.metrics.categorical_accuracy(targets[:, :n_kinds], logits[:, :n_kinds])

    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=0.02),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[accuracy],
    )
    return backbone, model


def _save_half_precision(model, path):
    """Save weights as float16, half the size; Keras reads them back as float32."""
    weights = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            weights[name] = item[()].astype("float16")

    with atomic(path) as new:
        model.save_weights(new)
        with h5py.File(new, "r") as file:
            file.visititems(collect)
        with h5py.File(new, "w", libver="latest") as file:  # the latest layout is the smallest
            for name, values in weights.items():
                file[name] = values
