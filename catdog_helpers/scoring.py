"""What a model says and how far to trust it: probabilities, accuracy, calibration, comparison."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from scipy.special import softmax
from scipy.stats import binomtest

from catdog_helpers import CatdogError
from catdog_helpers.data import CLASS_NAMES, batch_arrays
from catdog_helpers.models import check_head, flattened_layers, observed

# From how many percent on an answer is called sure, and from how many it is given at all.
SURE, LIKELY = 90, 60


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


def predict_probabilities(model, images, batch_size=8):
    """Turn pictures into probabilities; never augments, never changes its argument.

    Parameters
    ----------
    model : keras.Model
        Takes (n, height, width, 3) in 0..255 and ends in two logits.
    images : array of uint8 or float, shape (n, height, width, 3), values 0..255
    batch_size : int
        MobileNetV2 takes 0.2 GB less memory for 8 pictures at once than for 32, and no more time.

    Returns
    -------
    float array, shape (n, 2), rows sum to 1

    Raises
    ------
    CatdogError
        If the model does not end in logits, see `models.check_head`.
    """
    check_head(model)
    logits = model.predict(batch_arrays(np.asarray(images), batch_size), verbose=0)
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


def describe(probabilities):
    """Put the probabilities of one picture into a plain sentence.

    Parameters
    ----------
    probabilities : array, shape (2,), sum 1
        Of cat and dog.

    Returns
    -------
    str
        For example ``"a cat, 97 % sure"``; a probability below `SURE` percent is called no sure
        answer, and one below `LIKELY` percent no answer.
    """
    label = int(np.argmax(probabilities))
    percent = round(100 * float(probabilities[label]))
    answer, other = (CLASS_NAMES[i].removesuffix("s") for i in (label, 1 - label))
    if percent < LIKELY:
        return f"cannot tell: {answer} {percent} %, {other} {100 - percent} %"
    if percent < SURE:
        return f"probably a {answer}, {percent} %; not a sure answer"
    return f"a {answer}, {percent if percent < 100 else 'over 99'} % sure"


def reliability(score, bins=5):
    """Compare how sure a model is with how often it is right.

    Parameters
    ----------
    score : Score
    bins : int
        Number of equal intervals that the confidences, 0.5..1, are sorted into.

    Returns
    -------
    pandas.DataFrame
        One row for each bin with a picture in it: ``count``; ``confidence``, the mean, 0.5..1;
        ``accuracy``, 0..1, with its 95 % Wilson interval from ``low`` to ``high``. A model that
        is right as often as it says has equal confidence and accuracy.

    Notes
    -----
    C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    inner_edges = np.linspace(0.5, 1, bins + 1)[1:-1]
    table = pd.DataFrame({"confidence": score.confidences, "right": score.right})
    groups = table.groupby(np.digitize(score.confidences, inner_edges))
    rows = groups.agg(
        count=("right", "size"), confidence=("confidence", "mean"), accuracy=("right", "mean")
    )
    intervals = [wilson_interval(int(group.sum()), len(group)) for _, group in groups["right"]]
    rows[["low", "high"]] = intervals
    return rows.reset_index(drop=True)


def grad_cam(model, images, labels=None):
    """Map where in each picture a model found reasons for a class.

    Parameters
    ----------
    model : keras.Model
        Ends in two logits, and has a convolution, if need be within a model inside it.
    images : array of uint8 or float, shape (n, height, width, 3), values 0..255
    labels : int array, shape (n,), optional
        The class to look for in each picture; the model's own answer where not given.

    Returns
    -------
    float32 array, shape (n, height, width), values 0..1
        1 at the strongest reason of each picture; 0 where nothing speaks for the class.

    Raises
    ------
    CatdogError
        If the model does not end in logits or has no convolution.

    Notes
    -----
    R. R. Selvaraju et al., "Grad-CAM: Visual explanations from deep networks via gradient-based
    localization", ICCV 2017. The maps are those of the last convolution, after the normalization
    and activation that follow it.
    """
    check_head(model)
    images = np.asarray(images, "float32")
    maps, gradients = _maps_and_gradients(model, images, labels)
    importance = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)  # (n, 1, 1, channels)
    heat = tf.nn.relu(tf.reduce_sum(importance * maps, axis=-1, keepdims=True))
    heat = tf.image.resize(heat, images.shape[1:3])[..., 0].numpy()
    highest = heat.max(axis=(1, 2), keepdims=True)
    return np.divide(heat, highest, out=np.zeros_like(heat), where=highest > 0)


def _maps_and_gradients(model, images, labels):
    """Return the last maps (n, rows, columns, channels) and how a class's logit grows with them."""
    seen = []

    def see(_, maps):
        tape.watch(maps)
        seen.append(maps)

    # The tape follows the calculation from the maps on only.
    with (
        tf.GradientTape(watch_accessed_variables=False) as tape,
        observed(_last_maps_layer(model), see),
    ):
        logits = model(images, training=False)
        wanted = tf.argmax(logits, axis=1) if labels is None else labels
        chosen = tf.gather(logits, wanted, axis=1, batch_dims=1)
    return seen[0], tape.gradient(chosen, seen[0])


def _last_maps_layer(model):
    """Return the last convolution, or the normalization or activation that ends its block."""
    followers = (layers.BatchNormalization, layers.Activation, layers.ReLU)
    flat = list(flattened_layers(model))
    convolutions = [i for i, layer in enumerate(flat) if isinstance(layer, layers.Conv2D)]
    if not convolutions:
        raise CatdogError(f"'{model.name}' has no convolution, so there are no maps to look at")
    last = convolutions[-1]
    while isinstance(flat[last + 1], followers):
        last += 1
    return flat[last]
