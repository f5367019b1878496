"""Seeds, fitting and augmentation."""

import logging
import math
import time

import pandas as pd

from catdog_helpers import CatdogError
from catdog_helpers.data import batch_arrays
from catdog_helpers.quiet_tensorflow import keras, tf
from catdog_helpers.results import History

# Training steps that TensorFlow runs in one call; small models would otherwise wait for Python.
STEPS_PER_CALL = 32


def set_up(seed):
    """Get ready for a chapter: seeds, TensorFlow's log and devices, tables.

    Models that are made from now on train on all GPUs, if there are several: each takes its share
    of every batch, and the gradients of the shares are averaged
    (https://www.tensorflow.org/guide/distributed_training).
    """
    set_seed(seed)
    # Every model compiles its own functions; after the fifth in a notebook TensorFlow would warn.
    tf.get_logger().setLevel(logging.ERROR)
    # Between two "$" in the names of classes, JupyterLab would set formulas.
    pd.set_option("display.html.use_mathjax", False)
    if len(tf.config.list_physical_devices("GPU")) > 1 and not tf.distribute.has_strategy():
        tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy())


def set_seed(seed):
    """Seed Python, NumPy and TensorFlow: the same seed repeats a run on the same machine.

    On a CPU this alone gives equal weights in separate processes (Keras 3.15).
    """
    keras.utils.set_random_seed(seed)


def fit(model, train, validation, epochs, *, progress=True, callbacks=()):
    """Train a compiled model, print a line every few epochs and return the History.

    Parameters
    ----------
    model : compiled keras.Model
    train, validation : tf.data.Dataset of (images, labels) batches, or pairs of arrays
        A dataset does its own shuffling; training arrays are shuffled anew in every epoch.
    callbacks : sequence of keras.callbacks.Callback
        They are called beside our own.

    Raises
    ------
    CatdogError
        If a set is empty, where Keras would only warn, or if the loss is not a number any more.
    """
    for name, images in (("training", train), ("validation", validation)):
        # Of a filtered dataset the number of batches is not known, and negative.
        n = len(images[0]) if isinstance(images, tuple) else int(images.cardinality())
        if n == 0:
            raise CatdogError(f"the {name} set is empty")
    if isinstance(train, tuple):
        train = batch_arrays(train, shuffle=True)
    if isinstance(validation, tuple):
        validation = batch_arrays(validation)
    # Over several GPUs Keras 3.15 fails at the end of the data if a call has several steps.
    alone = model.distribute_strategy.num_replicas_in_sync == 1
    start = time.perf_counter()
    _set_steps_per_call(model, STEPS_PER_CALL if alone else 1)
    try:
        record = model.fit(
            train,
            validation_data=validation,
            epochs=epochs,
            callbacks=[_EpochLines(epochs, progress), *callbacks],
            shuffle=False,  # a dataset does its own, and Keras would warn
            verbose=0,
        )
    finally:
        _set_steps_per_call(model, 1)  # prediction would build a far larger graph
    seconds = time.perf_counter() - start
    metrics = {name: list(map(_exact, values)) for name, values in record.history.items()}
    return History(metrics, seconds)


def _set_steps_per_call(model, n):
    model.steps_per_execution = n
    model.train_function = model.test_function = None  # Keras builds them anew


class _EpochLines(keras.callbacks.Callback):
    """Prints one line at the first, the last and every fifth epoch; stops at a loss of NaN."""

    def __init__(self, epochs, shown):
        super().__init__()
        self.epochs, self.shown = epochs, shown

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        if not math.isfinite(logs["loss"]):
            raise CatdogError(f"epoch {done}: the loss is {logs['loss']}; lower the learning rate")
        if not self.shown or (done not in (1, self.epochs) and done % 5):
            return
        values = {name: _exact(value) for name, value in logs.items()}
        print(
            f"epoch {done:2}/{self.epochs}   loss {values['loss']:.3f}"
            f"   accuracy {values['accuracy']:.1%}   validation {values['val_accuracy']:.1%}",
            flush=True,
        )


class LastWeights(keras.callbacks.Callback):
    """Keeps the weights as the last step left them, as `Model.get_weights` lists them.

    An optimizer that averages the weights puts the average in their place when `fit` ends.
    """

    weights = None

    def on_epoch_end(self, epoch, logs=None):
        """Copy the weights; Keras calls this before `fit` ends."""
        self.weights = self.model.get_weights()


def _exact(value):
    """Undo the rounding to float32, which would show 387 of 400 as 96.7 %, not as 96.8 %."""
    return round(value, 7)


def augment(images, labels):
    """Change a batch of training images at random, all geometry in a single warp.

    Mirrors half of them, turns by up to 14 degrees, shifts by up to 12 % and shows them at 0.89 to
    1.33 times their size, with a slight stretch; the border is filled with a reflection. Then
    changes contrast by up to 30 %, brightness by up to 24 and each color by up to 9 of 255.

    Parameters
    ----------
    images : tensor, shape (n, size, size, 3), values 0..255; returned as float32
    labels : tensor, shape (n,); returned unchanged
    """
    n, size = tf.shape(images)[0], images.shape[1]
    images = keras.ops.image.affine_transform(
        tf.cast(images, "float32"), _random_warps(n, size), fill_mode="reflect"
    )
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    contrast = tf.random.uniform((n, 1, 1, 1), 0.7, 1.3)
    brightness = tf.random.uniform((n, 1, 1, 1), -24, 24)
    tint = tf.random.uniform((n, 1, 1, 3), -9, 9)
    return (images - mean) * contrast + mean + brightness + tint, labels


def _random_warps(n, size, rotation=0.25, shift=0.12):
    """Draw affine maps, shape (n, 8), from each output pixel to the input pixel it shows.

    Rotation in radians, shift as a share of the size. The map turns around the center c of the
    image: input = A (output - c) + c + shift.
    """

    def uniform(low, high):
        return tf.random.uniform((n,), low, high)

    angle, step, stretch = uniform(-rotation, rotation), uniform(0.75, 1.125), uniform(0.9, 1.1)
    mirror = tf.sign(uniform(-1, 1))
    right, down = uniform(-shift, shift) * size, uniform(-shift, shift) * size
    a, b = mirror * tf.cos(angle) * step * stretch, -tf.sin(angle) * step
    c, d = mirror * tf.sin(angle) * step * stretch, tf.cos(angle) * step
    center, zero = (size - 1) / 2, tf.zeros_like(angle)
    x, y = center * (1 - a - b) + right, center * (1 - c - d) + down
    return tf.stack([a, b, x, c, d, y, zero, zero], axis=1)


def restart(model, fresh, learning_rate=None):
    """Put a compiled model back to its beginning: weights, random layers and optimizer.

    What follows is what training ``fresh`` would give, but TensorFlow does not build its graph
    again, which takes longer than a short training.

    Parameters
    ----------
    model : compiled keras.Model
    fresh : keras.Model
        Just built of the same layers, after `set_seed`; it stays as it is.
    learning_rate : float, optional
        Where left out, the optimizer keeps its own, and a schedule begins again.

    Raises
    ------
    ValueError
        If the layers differ.
    """
    for variable, start in zip(model.variables, fresh.variables, strict=True):
        variable.assign(start)
    model.optimizer.build(model.trainable_variables)
    for variable in model.optimizer.variables:
        if variable.name != "learning_rate":
            variable.assign(keras.ops.zeros_like(variable))
    if learning_rate is not None:
        model.optimizer.learning_rate = learning_rate
