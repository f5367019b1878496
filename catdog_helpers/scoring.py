"""Probabilities, accuracy with its interval, confusion, mistakes, and fair comparison."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest

from catdog_helpers import CatdogError
from catdog_helpers.models import check_head, extract_features


@dataclass(frozen=True)
class Score:
    """What one model said about one set of pictures, with the truth beside it.

    Attributes
    ----------
    labels : int array, shape (n,)
        The true labels: 0 for cats, 1 for dogs.
    probabilities : float array, shape (n, 2), rows sum to 1
    """

    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predictions(self):
        """The predicted labels, shape (n,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidences(self):
        """The probability of the predicted class, shape (n,), 0.5..1."""
        return self.probabilities.max(axis=1)

    @property
    def right(self):
        """Whether each prediction is right, shape (n,), bool."""
        return self.predictions == self.labels

    @property
    def accuracy(self):
        """Share of right predictions, 0..1."""
        return float(self.right.mean())

    @property
    def interval(self):
        """The 95 % Wilson interval of the accuracy."""
        return wilson_interval(int(self.right.sum()), len(self.labels))

    def mistakes(self):
        """Return the indices of the wrong predictions, the most confident first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidences[wrong], kind="stable")]


def predict_probabilities(model, images, batch_size=100):
    """Turn pictures into probabilities; never augments, never changes its argument.

    Parameters
    ----------
    model : keras.Model
        Takes (n, height, width, 3) in 0..255 and ends in two logits.
    images : array of uint8 or float, shape (n, height, width, 3), values 0..255
    batch_size : int

    Returns
    -------
    float array, shape (n, 2), rows sum to 1

    Raises
    ------
    CatdogError
        If the model does not end in logits, see `models.check_head`.
    """
    check_head(model)
    logits = extract_features(model, images, batch_size)
    return softmax(logits.astype("float64"), axis=1)


def score(model, dataset):
    """Score a model on labelled pictures, labels and predictions from the same pass.

    Parameters
    ----------
    model : keras.Model
    dataset : iterable of (images, labels) batches
        A ``tf.data.Dataset``, shuffled or not, or a list of pairs of arrays.

    Returns
    -------
    Score
    """
    labels, probabilities = [], []
    for images, batch_labels in dataset:
        labels.append(np.asarray(batch_labels))
        probabilities.append(predict_probabilities(model, np.asarray(images)))
    if not labels:
        raise CatdogError("there are no pictures to score")
    return Score(np.concatenate(labels), np.concatenate(probabilities))


def wilson_interval(right, total):
    """95 % confidence interval of an accuracy.

    Parameters
    ----------
    right, total : int
        Number of right predictions and of all predictions.

    Returns
    -------
    (low, high) : tuple of float, 0..1

    Notes
    -----
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927).
    """
    interval = binomtest(right, total).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar_p_value(first, second):
    """Return the p-value of the exact McNemar test of two models on the same pictures.

    Only pictures on which exactly one of the two is right say anything. If the models are
    equally good, each of those falls to either side like a coin.

    Parameters
    ----------
    first, second : Score
        Of the same pictures in the same order.

    Returns
    -------
    float, 0..1
        The two-sided p-value; 1.0 if the models never differ.

    Raises
    ------
    CatdogError
        If the labels differ, so that the scores are not of the same pictures.

    Notes
    -----
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages", Psychometrika 12 (1947).
    """
    if not np.array_equal(first.labels, second.labels):
        raise CatdogError("a paired test needs two scores of the same pictures in the same order")
    only_first = int((first.right & ~second.right).sum())
    only_second = int((second.right & ~first.right).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)
