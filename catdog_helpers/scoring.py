"""What a model says and how far to trust it: probabilities, accuracy, calibration, comparison."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import binomtest, t

from catdog_helpers import CatdogError
from catdog_helpers.data import CLASS_NAMES, batch_arrays
from catdog_helpers.files.paths import printable
from catdog_helpers.models import check_head

# From how many percent on a prediction is called sure, and from how many it is given at all.
_SURE, _LIKELY = 90, 60


@dataclass(frozen=True)
class Score:
    """What one model predicts for one set of images, with the true labels beside it.

    Attributes
    ----------
    labels : int array, shape (n,), the true ones
    probabilities : float array, shape (n, classes), rows sum to 1
    """

    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predictions(self):
        """The predicted labels, shape (n,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidences(self):
        """The probability of the predicted class, shape (n,), from 1 / classes to 1."""
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

    @property
    def balanced_accuracy(self):
        """Mean of the recall of the classes that have images, 0..1: each counts the same."""
        return float(np.mean([self.correct[self.labels == c].mean() for c in set(self.labels)]))

    def mistakes(self):
        """Return the indices of the wrong predictions, the most confident first."""
        wrong = np.flatnonzero(~self.correct)
        return wrong[np.argsort(-self.confidences[wrong], kind="stable")]


def predict_probabilities(model, images, batch_size=8):
    """Return the probabilities of the classes, float (n, classes); never augments, rows sum to 1.

    Parameters
    ----------
    model : keras.Model
        Ends in logits.
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
    return logits_to_probabilities(logits, model.name)


def logits_to_probabilities(logits, model_name):
    """Return the probabilities, float64 (n, classes), of logits, float (n, classes).

    Raises
    ------
    CatdogError
        If a logit is not a number.
    """
    if not np.isfinite(logits).all():
        raise CatdogError(f"the predictions of '{model_name}' are not numbers: train it again")
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
    only_first, only_second = _only_one_correct(first, second)
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def _only_one_correct(first, second):
    """Count the images on which only the first, and only the second of two models is correct."""
    if not np.array_equal(first.labels, second.labels):
        raise CatdogError("a paired test needs two scores of the same images in the same order")
    only_first = first.correct & ~second.correct
    only_second = second.correct & ~first.correct
    return int(only_first.sum()), int(only_second.sum())


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images: by how much the accuracy of the first is higher.

    Attributes
    ----------
    difference : float, -1..1
        Accuracy of the first less accuracy of the second.
    interval : (low, high)
        95 % interval of the difference.
    p_value : float, 0..1
        Of the exact McNemar test.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float

    @property
    def differs(self):
        """Whether chance alone would seldom give such a difference: p below 0.05."""
        return self.p_value < 0.05

    def __str__(self):
        low, high = (100 * bound for bound in self.interval)
        direction = "higher" if self.difference >= 0 else "lower"
        p_text = f"p = {self.p_value:.3f}" if self.p_value >= 0.001 else "p < 0.001"
        verdict = "" if self.differs else ", not shown to differ"
        points = f"{100 * abs(self.difference):.1f} points {direction}{verdict}"
        return f"{points} (95 % interval {low:.1f} to {high:.1f}, {p_text})"


def compare(first, second):
    """Compare two Scores of the same images in the same order; returns a Comparison.

    Raises
    ------
    CatdogError
        If the labels differ.

    Notes
    -----
    The interval adds one half to each count of the table of pairs, so that it holds for few images
    too: A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched
    proportions", Statistics in Medicine 24 (2005).
    """
    n = len(first.labels) + 2
    only_first, only_second = (count + 0.5 for count in _only_one_correct(first, second))
    middle = (only_first - only_second) / n
    half = 1.96 * np.sqrt((only_first + only_second) / n - middle**2) / np.sqrt(n)
    interval = (max(-1.0, middle - half), min(1.0, middle + half))
    difference = first.accuracy - second.accuracy
    return Comparison(difference, interval, mcnemar_p_value(first, second))


def percent(scored):
    """Put the accuracy of a Score into words: ``"84.5 % (95 % interval 80.6 to 87.7 %)"``."""
    low, high = (100 * bound for bound in scored.interval)
    return f"{100 * scored.accuracy:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"


def describe(probabilities, class_names=CLASS_NAMES):
    """Put the probabilities of one image, shape (classes,), into a plain sentence.

    For example ``"a cat, 97 % sure"``; below 90 % it says "not sure", and below 60 % it names the
    two most probable classes.
    """
    label, other = np.argsort(-np.asarray(probabilities), kind="stable")[:2]
    percent, other_percent = (round(100 * float(probabilities[i])) for i in (label, other))
    if len(probabilities) == 2:
        other_percent = 100 - percent
    names = class_words(class_names)
    article = "a " if tuple(class_names) == CLASS_NAMES else ""
    if percent < _LIKELY:
        return f"cannot tell: {names[label]} {percent} %, {names[other]} {other_percent} %"
    if percent < _SURE:
        return f"probably {article}{names[label]}, {percent} %, but not sure"
    return f"{article}{names[label]}, {percent if percent < 100 else 'over 99'} % sure"


def class_words(class_names):
    """Return what to call one image of each class, a list of str: ``"cat"`` for cats.

    The classes of one's own are called as their folders are.
    """
    if tuple(class_names) == CLASS_NAMES:
        return ["cat", "dog"]
    return [printable(name) for name in class_names]


def recall_table(scored, class_names):
    """Lay out for reading how many images of each class are predicted correctly.

    Returns
    -------
    pandas.DataFrame of str
        A row for each class: ``images``, ``correct``, ``recall`` (the share of them) and its
        ``95 % interval``.
    """
    rows = []
    for label in range(len(class_names)):
        correct = scored.correct[scored.labels == label]
        n_correct = int(correct.sum())
        low, high = wilson_interval(n_correct, len(correct)) if len(correct) else (0, 1)
        recall = f"{100 * correct.mean():.1f} %" if len(correct) else ""
        texts = (
            str(len(correct)),
            str(n_correct),
            recall,
            f"{100 * low:.1f} to {100 * high:.1f} %",
        )
        rows.append(texts)
    columns = ["images", "correct", "recall", "95 % interval"]
    return pd.DataFrame(rows, index=list(class_names), columns=columns)


def reliability(scored, bins=5, at_least=1):
    """Compare how sure a model is with how often it is correct, in equal bins of confidence.

    Parameters
    ----------
    scored : Score
    bins : int
    at_least : int
        A bin with fewer images is joined to the next one, the last to the one before.

    Returns
    -------
    pandas.DataFrame
        One row for each bin with an image in it: ``count``; ``confidence``, the mean;
        ``accuracy``, 0..1, with its 95 % Wilson interval from ``low`` to ``high``. A model that
        is correct as often as it says has equal confidence and accuracy.

    Notes
    -----
    C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    lowest = 1 / scored.probabilities.shape[1]
    inner_edges = np.linspace(lowest, 1, bins + 1)[1:-1]
    table = pd.DataFrame({"confidence": scored.confidences, "correct": scored.correct})
    indices = np.digitize(scored.confidences, inner_edges)
    groups = table.groupby(_joined(indices, bins, at_least))
    rows = groups.agg(
        count=("correct", "size"), confidence=("confidence", "mean"), accuracy=("correct", "mean")
    )
    intervals = [wilson_interval(int(group.sum()), len(group)) for _, group in groups["correct"]]
    rows[["low", "high"]] = intervals
    return rows.reset_index(drop=True)


def _joined(indices, bins, at_least):
    """Give the bins new numbers, so that each has enough images; see `reliability`."""
    joined, new, n = np.zeros(bins, int), 0, 0
    for index, count in enumerate(np.bincount(indices, minlength=bins)):
        joined[index] = new
        n += count
        if n >= at_least:
            new, n = new + 1, 0
    return np.minimum(joined, max(0, new - 1))[indices]


def holm(p_values):
    """Correct the p-values of several tests, so that all of them can be read together.

    If no two models differ, the chance that any corrected value is below 0.05 is at most 0.05.

    Parameters
    ----------
    p_values : sequence of float, length m, 0..1

    Returns
    -------
    float array, shape (m,), 0..1
        The smallest p-value times m, the next times m - 1, and so on; none above 1, and none below
        that of a smaller p-value.

    Notes
    -----
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979).
    """
    p_values = np.asarray(p_values, "float64")
    order = np.argsort(p_values, kind="stable")
    times = np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(1, np.maximum.accumulate(times * p_values[order]))
    return corrected


def overconfidence(scored):
    """Return mean confidence minus accuracy, -1..1, and its 95 % interval: (value, (low, high)).

    Above 0 a model is surer than it is correct. The interval is `mean_interval`, cut at -1 and 1.
    """
    gaps = scored.confidences - scored.correct
    low, high = mean_interval(gaps)
    return float(gaps.mean()), (max(-1.0, low), min(1.0, high))


def comparison_table(comparisons):
    """Lay out several Comparisons for reading, with Holm's correction for all of them.

    Parameters
    ----------
    comparisons : dict of str to Comparison

    Returns
    -------
    pandas.DataFrame of str
        A row for each: ``difference`` in points, its ``95 % interval``, which is for this row
        alone, ``p``, ``p, Holm`` (see `holm`) and the ``verdict``: "higher" or "lower" where
        ``p, Holm`` is below 0.05, else "not shown to differ".
    """
    rows, p_values = [], holm([each.p_value for each in comparisons.values()])
    for each, corrected in zip(comparisons.values(), p_values, strict=True):
        low, high = (100 * bound for bound in each.interval)
        direction = "higher" if each.difference > 0 else "lower"
        verdict = direction if corrected < 0.05 else "not shown to differ"
        texts = (f"{100 * each.difference:+.1f}", f"{low:+.1f} to {high:+.1f}")
        rows.append((*texts, _p_text(each.p_value), _p_text(corrected), verdict))
    columns = ["difference", "95 % interval", "p", "p, Holm", "verdict"]
    return pd.DataFrame(rows, index=list(comparisons), columns=columns)


def _p_text(p_value):
    return f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001"


def overconfidence_table(scores):
    """Lay out for reading how sure models are and how often they are correct.

    Parameters
    ----------
    scores : dict of str to Score

    Returns
    -------
    pandas.DataFrame of str
        A row for each: ``confidence``, its mean; ``accuracy``; ``difference``, see
        `overconfidence`, in points; and its ``95 % interval``.
    """
    rows = []
    for scored in scores.values():
        value, (low, high) = overconfidence(scored)
        texts = (f"{100 * value:+.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}")
        rows.append((f"{scored.confidences.mean():.1%}", f"{scored.accuracy:.1%}", *texts))
    columns = ["confidence", "accuracy", "difference", "95 % interval"]
    return pd.DataFrame(rows, index=list(scores), columns=columns)


def losses(scored):
    """Return the loss of each image: minus the logarithm of its true class's probability.

    Their mean is the cross-entropy that Keras prints.

    Returns
    -------
    float array, shape (n,), from 0 to about 37: a probability of zero counts as 1e-16
    """
    of_truth = scored.probabilities[np.arange(len(scored.labels)), scored.labels]
    return -np.log(np.maximum(of_truth, 1e-16))


def mean_interval(values):
    """Return the 95 % interval, (low, high), of a mean over images, such as a mean difference.

    Parameters
    ----------
    values : float array, shape (n,)
        One for each image; of a single one there is no spread, and the interval has no limits.

    Notes
    -----
    Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    values = np.asarray(values, "float64")
    if len(values) < 2:
        return -np.inf, np.inf
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def score_call(call, dataset):
    """Return the Score of whatever a function says of (images, labels) batches.

    Parameters
    ----------
    call : callable
        Takes images, shape (batch, height, width, 3), and returns logits, shape (batch, classes):
        a model itself, or a model with ``training=True``, where `score` would use ``predict``.
    dataset : iterable of (images, labels)

    Raises
    ------
    CatdogError
        If the dataset is empty, or a logit is not a number.
    """
    batches = [(np.asarray(labels), np.asarray(call(images))) for images, labels in dataset]
    if not batches:
        raise CatdogError("there are no images to score")
    labels, logits = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return Score(labels, logits_to_probabilities(logits, getattr(call, "name", "this model")))


def compare_gaps(first, second):
    """Return by how much the gap of a first model is larger, and its 95 % interval.

    The gap is accuracy on training images minus accuracy on validation images.

    Parameters
    ----------
    first, second : pair of Scores
        On training and on validation images, the same ones for both models.

    Returns
    -------
    (float, (low, high)), -2..2
        The two sets of images are independent, so the variances of their differences add up.
    """
    pairs = zip(first, second, strict=True)
    training, validation = (a.correct.astype(float) - b.correct for a, b in pairs)
    difference = float(training.mean() - validation.mean())
    half = 1.96 * np.sqrt(training.var() / len(training) + validation.var() / len(validation))
    return difference, (difference - float(half), difference + float(half))
