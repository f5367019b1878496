"""What a model says and how far to trust it: probabilities, accuracy, calibration, comparison."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import binomtest

from catdog_helpers import CatdogError
from catdog_helpers.data import CLASS_NAMES, batch_arrays
from catdog_helpers.models import check_head

# From how many percent on a prediction is called sure, and from how many it is given at all.
_SURE, _LIKELY = 90, 60


@dataclass(frozen=True)
class Score:
    """What one model predicts for one set of images, with the true labels beside it.

    Attributes
    ----------
    labels : int array, shape (n,), the true ones: 0 for cats, 1 for dogs
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
    def correct(self):
        """Whether each prediction is correct, shape (n,), bool."""
        return self.predictions == self.labels

    @property
    def accuracy(self):
        """Share of correct predictions, 0..1."""
        return float(self.correct.mean())

    @property
    def interval(self):
        """The 95 % Wilson interval of the accuracy."""
        return wilson_interval(int(self.correct.sum()), len(self.labels))

    def mistakes(self):
        """Return the indices of the wrong predictions, the most confident first."""
        wrong = np.flatnonzero(~self.correct)
        return wrong[np.argsort(-self.confidences[wrong], kind="stable")]


def predict_probabilities(model, images, batch_size=8):
    """Return the probabilities of the classes, float (n, 2); never augments, rows sum to 1.

    Parameters
    ----------
    model : keras.Model
        Ends in two logits.
    images : array of uint8 or float, shape (n, height, width, 3), values 0..255
    batch_size : int
        MobileNetV2 takes 0.2 GB less memory for 8 images at once than for 32, and no more time.

    Raises
    ------
    CatdogError
        If the model does not end in logits (see `models.check_head`), or they are not numbers.
    """
    check_head(model)
    logits = model.predict(batch_arrays(np.asarray(images), batch_size), verbose=0)
    if not np.isfinite(logits).all():
        raise CatdogError(f"the predictions of '{model.name}' are not numbers: train it again")
    return softmax(logits.astype("float64"), axis=1)


def score(model, dataset):
    """Return the Score of a model on (images, labels) batches, both from the same pass.

    The dataset is a ``tf.data.Dataset``, shuffled or not, or a list of pairs of arrays.

    Raises
    ------
    CatdogError
        If the dataset is empty, or the model does not end in logits.
    """
    labels, probabilities = [], []
    for images, batch_labels in dataset:
        labels.append(np.asarray(batch_labels))
        probabilities.append(predict_probabilities(model, np.asarray(images)))
    if not labels:
        raise CatdogError("there are no images to score")
    return Score(np.concatenate(labels), np.concatenate(probabilities))


def wilson_interval(n_correct, n):
    """Return the 95 % confidence interval of an accuracy, n_correct of n: (low, high), 0..1.

    Notes
    -----
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927).
    """
    interval = binomtest(n_correct, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar_p_value(first, second):
    """Return the two-sided p-value, 0..1, of the exact McNemar test of two models.

    Only images on which exactly one is correct say anything. If the models are equally good, each
    of those falls to either side like a coin.

    Raises
    ------
    CatdogError
        If the labels differ, so that the two Scores are not of the same images.

    Notes
    -----
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages", Psychometrika 12 (1947).
    """
    if not np.array_equal(first.labels, second.labels):
        raise CatdogError("a paired test needs two scores of the same images in the same order")
    only_first = int((first.correct & ~second.correct).sum())
    only_second = int((second.correct & ~first.correct).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def describe(probabilities):
    """Put the probabilities of one image, shape (2,), into a plain sentence.

    For example ``"a cat, 97 % sure"``; below 90 % it says "not sure", and below 60 % it names both.
    """
    label = int(np.argmax(probabilities))
    percent = round(100 * float(probabilities[label]))
    predicted, other = (CLASS_NAMES[i].removesuffix("s") for i in (label, 1 - label))
    if percent < _LIKELY:
        return f"cannot tell: {predicted} {percent} %, {other} {100 - percent} %"
    if percent < _SURE:
        return f"probably a {predicted}, {percent} %, but not sure"
    return f"a {predicted}, {percent if percent < 100 else 'over 99'} % sure"


def reliability(scored, bins=5):
    """Compare how sure a model is with how often it is correct, in equal bins of confidence.

    Returns
    -------
    pandas.DataFrame
        One row for each bin with an image in it: ``count``; ``confidence``, the mean, 0.5..1;
        ``accuracy``, 0..1, with its 95 % Wilson interval from ``low`` to ``high``. A model that
        is correct as often as it says has equal confidence and accuracy.

    Notes
    -----
    C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    inner_edges = np.linspace(0.5, 1, bins + 1)[1:-1]
    table = pd.DataFrame({"confidence": scored.confidences, "correct": scored.correct})
    groups = table.groupby(np.digitize(scored.confidences, inner_edges))
    rows = groups.agg(
        count=("correct", "size"), confidence=("confidence", "mean"), accuracy=("correct", "mean")
    )
    intervals = [wilson_interval(int(group.sum()), len(group)) for _, group in groups["correct"]]
    rows[["low", "high"]] = intervals
    return rows.reset_index(drop=True)
