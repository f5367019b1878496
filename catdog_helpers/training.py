"""Seeds, fitting and histories."""

import contextlib
import time
from dataclasses import asdict, dataclass
from multiprocessing import get_context

import h5py
import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from PIL import Image

from catdog_helpers import CatdogError, sample
from catdog_helpers.data import batch_arrays
from catdog_helpers.models import DRAWN_WEIGHTS, DRAWN_WIDTH, preprocessing_layer

# Epochs of pre-training on drawings of each size, in pixels: the coarse shapes come first, at half
# the cost.
PRETRAIN_STAGES = {64: 6, 96: 5}
# Drawn larger and then resized, as the chapters do with the sample.
PRETRAIN_SIZE = 128
# Epochs in which the learning rate would fall to zero. Stopped at about 0.6 of its peak, a network
# is not yet polished for its own kinds, and knows more of others.
PRETRAIN_SCHEDULE = 24
# Steps of a training that TensorFlow runs in one call. Small models would else wait for Python.
STEPS_PER_CALL = 32


@dataclass(frozen=True)
class History:
    """What happened in each epoch of one training.

    Attributes
    ----------
    metrics : dict of str to list of float, length epochs
        ``loss``, ``accuracy`` (0..1), ``val_loss``, ``val_accuracy``.
    train_seconds : float
        Wall-clock time of the training alone.
    """

    metrics: dict[str, list[float]]
    train_seconds: float

    @property
    def epochs(self):
        """Number of epochs."""
        return len(self.metrics["loss"])

    @property
    def best_epoch(self):
        """The epoch, counted from 1, with the highest validation accuracy; the first of equals."""
        accuracies = self.metrics["val_accuracy"]
        return accuracies.index(max(accuracies)) + 1

    def joined(self, later):
        """Return one history for two trainings of the same model in a row."""
        metrics = {name: self.metrics[name] + later.metrics[name] for name in self.metrics}
        return History(metrics, self.train_seconds + later.train_seconds)


class _Progress(keras.callbacks.Callback):
    """Prints one line at the first, the last and every fifth epoch."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        number = epoch + 1
        if number not in (1, self.epochs) and number % 5:
            return
        shown = {name: _exact(value) for name, value in logs.items()}
        print(
            f"epoch {number:2}/{self.epochs}   loss {shown['loss']:.3f}"
            f"   accuracy {shown['accuracy']:.1%}   validation {shown['val_accuracy']:.1%}",
            flush=True,
        )


def _exact(value):
    """Undo the rounding to float32, which would show 387 of 400 as 96.7 %, not as 96.8 %."""
    return round(value, 7)


def set_seed(seed):
    """Seed Python, NumPy and TensorFlow: the same seed repeats a run on the same machine.

    On a CPU this alone gives equal weights in separate processes (Keras 3.15).
    """
    keras.utils.set_random_seed(seed)


def use_all_gpus():
    """Let models that are made from now on train on all graphics cards, if there are several.

    Each takes its share of every batch, and the gradients of the shares are averaged
    (https://www.tensorflow.org/guide/distributed_training).
    """
    if len(tf.config.list_physical_devices("GPU")) > 1:
        tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy())


use_all_gpus()


def fit(model, train, validation, epochs, *, progress=True):
    """Train a compiled model, print a line every few epochs and return the history.

    Parameters
    ----------
    model : compiled keras.Model
    train : tf.data.Dataset of (images, labels) batches, or pair of arrays
        A dataset does its own shuffling; arrays are shuffled anew in every epoch.
    validation : tf.data.Dataset or pair of arrays
    epochs : int
    progress : bool
        Whether to print.

    Returns
    -------
    History

    Raises
    ------
    CatdogError
        If a set is empty: Keras itself would return an empty history with a warning.
    """
    if isinstance(train, tuple):
        train = batch_arrays(train, shuffle=True)
    if isinstance(validation, tuple):
        validation = batch_arrays(validation)
    if len(train) == 0:
        raise CatdogError("the training set is empty: there is nothing to learn from")
    start = time.perf_counter()
    with _many_steps_per_call(model):
        record = model.fit(
            train,
            validation_data=validation,
            epochs=epochs,
            callbacks=[_Progress(epochs)] if progress else [],
            shuffle=False,  # a dataset does its own, and Keras would warn
            verbose=0,
        )
    seconds = time.perf_counter() - start
    metrics = {name: [_exact(value) for value in values] for name, values in record.history.items()}
    return History(metrics, seconds)


@contextlib.contextmanager
def _many_steps_per_call(model):
    """Set what ``compile`` would set for good: prediction would build a far larger graph."""

    def set_steps(number):
        model.steps_per_execution = number
        model.train_function = model.test_function = None  # built for another number

    # Over several graphics cards Keras 3.15 fails at the end of the data.
    alone = model.distribute_strategy.num_replicas_in_sync == 1
    set_steps(STEPS_PER_CALL if alone else 1)
    try:
        yield
    finally:
        set_steps(1)


def augment(images, labels):
    """Change a batch of training pictures at random, all geometry in a single warp.

    Mirrors half of them, turns by up to 14 degrees, shifts by up to 12 % and scales by 0.75 to
    1.125, with a slight stretch; the border is filled with a reflection. Then changes contrast by
    up to 30 %, brightness by up to 24 and each colour by up to 9 of 255.

    Parameters
    ----------
    images : tensor, shape (n, size, size, 3), values 0..255
    labels : tensor, shape (n,)

    Returns
    -------
    (images, labels)
        Images as float32, of the same shape; labels unchanged.
    """
    number, size = tf.shape(images)[0], images.shape[1]
    images = keras.ops.image.affine_transform(
        tf.cast(images, "float32"), _random_warps(number, size), fill_mode="reflect"
    )
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    contrast = tf.random.uniform((number, 1, 1, 1), 0.7, 1.3)
    brightness = tf.random.uniform((number, 1, 1, 1), -24, 24)
    tint = tf.random.uniform((number, 1, 1, 3), -9, 9)
    return (images - mean) * contrast + mean + brightness + tint, labels


def _random_warps(number, size, rotation=0.25, shift=0.12):
    """Draw affine maps, shape (number, 8), from each output pixel to the input pixel it shows.

    Rotation in radians, shift as a share of the size. The map turns around the centre c of the
    picture: input = A (output - c) + c + shift.
    """

    def uniform(low, high):
        return tf.random.uniform((number,), low, high)

    angle, zoom, stretch = uniform(-rotation, rotation), uniform(0.75, 1.125), uniform(0.9, 1.1)
    mirror = tf.sign(uniform(-1, 1))
    right, down = uniform(-shift, shift) * size, uniform(-shift, shift) * size
    a, b = mirror * tf.cos(angle) * zoom * stretch, -tf.sin(angle) * zoom
    c, d = mirror * tf.sin(angle) * zoom * stretch, tf.cos(angle) * zoom
    centre, zero = (size - 1) / 2, tf.zeros_like(angle)
    x, y = centre * (1 - a - b) + right, centre * (1 - c - d) + down
    return tf.stack([a, b, x, c, d, y, zero, zero], axis=1)


def pretrain(path=DRAWN_WEIGHTS, *, seed=0, pictures=1200, stages=None):
    """Train the small backbone on drawings of other animals, never a cat or a dog, and save it.

    It learns to say which of the other animals it sees, and with which traits: which ears, nose,
    eyes and whiskers, how long a muzzle. Each of these is a yes-or-no question of its own.

    Parameters
    ----------
    path : path-like
        Where the weights go, as float16; the name ends in ``.weights.h5``.
    seed : int
    pictures : int
        Drawings of each kind; the first tenth is held out to measure the accuracy.
    stages : dict of int to int, optional
        Epochs on drawings of each size, in pixels; `PRETRAIN_STAGES` where left out.

    Returns
    -------
    (accuracy, seconds) : tuple of float
        Share of held-out drawings whose animal is named right, 0..1; of the training alone.
    """
    stages = stages or PRETRAIN_STAGES
    set_seed(seed)
    images, answers = _drawings(seed, pictures, PRETRAIN_SIZE)
    held_out = len(answers) // 10
    batches = -(-(len(answers) - held_out) // 32)
    base, model = _trait_reader(answers.shape[1], PRETRAIN_SCHEDULE * batches)
    seconds = 0
    for size, epochs in stages.items():
        print(f"{size} pixels")
        resized = _resized(images, size)
        train = resized[held_out:], answers[held_out:]
        validation = resized[:held_out], answers[:held_out]
        history = fit(model, train, validation, epochs)
        seconds += history.train_seconds
    base.save_weights(path)
    _halve_precision(path)
    return history.metrics["val_accuracy"][-1], seconds


def _resized(images, size):
    return np.stack([Image.fromarray(image).resize((size, size)) for image in images])


def _trait_reader(number, steps):
    """Build the backbone, for pictures of any size, and a model that gives answers with it."""
    base = keras.applications.MobileNetV2(
        input_shape=(None, None, 3), alpha=DRAWN_WIDTH, include_top=False, weights=None
    )
    for layer in base.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # 0.999 would need more steps than this training has
    front = [keras.Input((None, None, 3)), layers.RandomFlip("horizontal"), preprocessing_layer()]
    head = [layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(number)]
    model = keras.Sequential([*front, base, *head])
    warm_up = -(-steps // 40)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=4e-3, warmup_steps=warm_up
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=0.02),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[_kind_accuracy()],
    )
    return base, model


def _kind_accuracy():
    number = len(sample.OTHER_KINDS)

    def accuracy(answers, logits):
        return keras.metrics.categorical_accuracy(answers[:, :number], logits[:, :number])

    return accuracy


def _drawings(seed, pictures, image_size):
    """Draw each of the other kinds; images (n, size, size, 3) uint8, answers (n, m) 0 or 1."""
    kinds = sample.OTHER_KINDS
    drawings = [(kind, seed * pictures + i) for i in range(pictures) for kind in kinds]
    # Spawned, not forked: a copy of a process that runs TensorFlow's threads can hang.
    with get_context("spawn").Pool() as pool:
        arguments = [(*drawing, image_size) for drawing in drawings]
        images = np.stack(pool.starmap(sample.draw, arguments, chunksize=50))
    return images, _answers([sample.draw_traits(*drawing) for drawing in drawings])


def _answers(traits):
    """Turn traits into yes-or-no answers, float32 (n, m): first the kinds, then what they show.

    A word becomes one answer for each value that it takes, a length three: is it above the first,
    second, third quarter of all?
    """
    table = pd.DataFrame([asdict(each) for each in traits])
    shown = table.loc[:, "horns":"fur"]
    lengths = shown.select_dtypes("number")
    words = shown.drop(columns=lengths.columns)
    above = [lengths > lengths.quantile(quarter) for quarter in (0.25, 0.5, 0.75)]
    kinds = pd.get_dummies(table["kind"])[list(sample.OTHER_KINDS)]
    return pd.concat([kinds, pd.get_dummies(words), *above], axis=1).to_numpy("float32")


def _halve_precision(path):
    """Write the numbers of a weights file anew as float16; Keras reads them back as float32."""
    values = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            values[name] = item[()].astype("float16")

    with h5py.File(path, "r") as file:
        file.visititems(collect)
    with h5py.File(path, "w", libver="latest") as file:  # the latest layout is the smallest
        for name, value in values.items():
            file[name] = value
