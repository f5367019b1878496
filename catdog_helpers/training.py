"""Seeds, fitting and histories."""

import time
from dataclasses import dataclass

import keras

from catdog_helpers import CatdogError


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
        print(
            f"epoch {number:2}/{self.epochs}   loss {logs['loss']:.3f}"
            f"   accuracy {logs['accuracy']:.3f}   validation {logs['val_accuracy']:.3f}",
            flush=True,
        )


def set_seed(seed):
    """Seed Python, NumPy and TensorFlow: the same seed repeats a run on the same machine.

    On a CPU this alone gives equal weights in separate processes (Keras 3.15).
    """
    keras.utils.set_random_seed(seed)


def fit(model, train, validation, epochs, callbacks=()):
    """Train a compiled model, print a line every few epochs and return the history.

    Parameters
    ----------
    model : compiled keras.Model
    train, validation : tf.data.Dataset of (images, labels) batches
        The training set does its own shuffling.
    epochs : int
    callbacks : sequence of keras.callbacks.Callback

    Returns
    -------
    History

    Raises
    ------
    CatdogError
        If a dataset is empty: Keras itself would return an empty history with a warning.
    """
    for name, dataset in (("training", train), ("validation", validation)):
        if dataset.cardinality() == 0:
            raise CatdogError(f"the {name} set is empty: there is nothing to fit")
    start = time.perf_counter()
    # shuffle=False: Keras warns when it is asked to shuffle a dataset, which shuffles itself.
    record = model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        callbacks=[_Progress(epochs), *callbacks],
        shuffle=False,
        verbose=0,
    )
    return History(record.history, time.perf_counter() - start)
