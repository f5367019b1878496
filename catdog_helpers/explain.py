"""Where and why: what in an image a prediction rests on, and which labels it speaks against."""

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from catdog_helpers import CatdogError
from catdog_helpers.data import IMAGE_SIZE
from catdog_helpers.drawing.breeds import KINDS, draw_traits
from catdog_helpers.drawing.draw import draw
from catdog_helpers.models import check_head, flattened_layers, forward_hook
from catdog_helpers.quiet_tensorflow import layers, tf
from catdog_helpers.scoring import predict_probabilities

# Which traits `redraw` exchanges together, by their names in `drawing.breeds.Traits`. Those of the
# class have distributions that depend on it; coat and scene do not.
_OF_THE_CLASS = {
    "ears": ("ears", "ear_size", "ear_spread"),
    "eyes": ("eye_shape", "eye_size", "eye_spacing", "eye_height", "eye_color", "pupil"),
    "muzzle": ("muzzle_length", "muzzle_width"),
    "nose": ("nose", "nose_size", "nose_color"),
    "mouth": ("mouth",),
    "head": ("head_width", "cheeks"),
    "whiskers": ("whiskers",),
    "tail and fur": ("tail", "fur"),
}
_OF_THE_SEED = {
    "coat": ("coat", "fur_color", "second_color", "ear_color"),
    "scene": ("background", "clutter", "light_angle", "brightness", "warmth", "blur"),
}
_OF_THE_CLASS["all of these"] = tuple(name for names in _OF_THE_CLASS.values() for name in names)
TRAIT_GROUPS = _OF_THE_CLASS | _OF_THE_SEED
_OTHER_SEED = 1_000_000  # further on; no sample of seed 0 and no pre-training has it
_GRAY = 127


def redraw(drawings, group=None, size=IMAGE_SIZE):
    """Draw images, one group of traits exchanged in each and all other traits as they were.

    Ears, eyes and whatever else depends on the class become those that the other class has at the
    same seed. A coat or a scene, which says nothing of the class, becomes that of another seed; the
    fine random strokes, such as hairs and grain, then differ too.

    Parameters
    ----------
    drawings : sequence of (str, int), length n
        Class, one of ``drawing.breeds.KINDS``, and seed of each.
    group : str, optional
        A key of `TRAIT_GROUPS`; without one, nothing is exchanged.
    size : int, at least 32
        Side of the images in pixels.

    Returns
    -------
    uint8 array, shape (n, size, size, 3), values 0..255

    Raises
    ------
    CatdogError
        If there is no such group; the message lists those that there are.
    ValueError
        If there is no such class, or the size is too small.
    """
    if group is not None and group not in TRAIT_GROUPS:
        raise CatdogError(f"no group of traits {group!r}; possible: {', '.join(TRAIT_GROUPS)}")
    images = np.empty((len(drawings), size, size, 3), "uint8")
    for index, (kind, seed) in enumerate(drawings):
        images[index] = draw(kind, seed, size, traits=_exchanged(kind, seed, group))
    return images


def _exchanged(kind, seed, group):
    """Return the traits of a drawing, those of one group taken from its counterpart."""
    traits = draw_traits(kind, seed)
    if group is None:
        return traits
    if group in _OF_THE_CLASS:
        counterpart = draw_traits(KINDS[KINDS.index(kind) - 1], seed)
    else:
        counterpart = draw_traits(kind, seed + _OTHER_SEED)
    return replace(traits, **{name: getattr(counterpart, name) for name in TRAIT_GROUPS[group]})


def occlusion(model, images, patch, step):
    """Map how far the probability of the predicted class falls where a patch hides an image.

    A gray square slides over each image, and the model predicts again for every position.

    Parameters
    ----------
    model : keras.Model
        Ends in logits.
    images : array of uint8 or float, shape (n, height, width, 3), values 0..255
    patch : int
        Side of the square, in pixels.
    step : int, 1..patch
        From one position to the next, in pixels; the last ones lie at the edge. The cost is one
        prediction an image and position.

    Returns
    -------
    float32 array, shape (n, height, width), values -1..1
        For each pixel the mean fall over all positions that hide it: 0.3 if the probability goes
        from 0.9 to 0.6; below 0 where it rises.

    Raises
    ------
    CatdogError
        If the model does not end in logits, the patch does not fit or the steps leave gaps.

    Notes
    -----
    M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
    """
    images = np.asarray(images)
    height, width = images.shape[1:3]
    if not 1 <= step <= patch <= min(height, width):
        raise CatdogError(
            f"a patch of {patch} pixels in steps of {step} does not cover images of "
            f"{height} by {width} pixels: 1 <= step <= patch <= side"
        )
    squares = [
        (slice(top, top + patch), slice(left, left + patch))
        for top in _positions(height, patch, step)
        for left in _positions(width, patch, step)
    ]
    return np.stack([_falls(model, image, squares) for image in images])


def _positions(side, patch, step):
    """List where a patch begins along one side; the last one ends at the edge."""
    return [*range(0, side - patch, step), side - patch]


def _falls(model, image, squares):
    """Return the map of one image: for each pixel the mean fall over the squares that hide it."""
    variants = np.repeat(image[np.newaxis], len(squares) + 1, axis=0)  # the last one stays whole
    for variant, square in zip(variants, squares, strict=False):
        variant[square] = _GRAY
    probabilities = predict_probabilities(model, variants)
    *hidden, whole = probabilities[:, probabilities[-1].argmax()]
    total, count = np.zeros((2, *image.shape[:2]), "float32")
    for square, probability in zip(squares, hidden, strict=True):
        total[square] += whole - probability
        count[square] += 1
    return total / count


def grad_cam(model, images, labels=None):
    """Map where in each image the features lie that speak for a class.

    The maps of the last convolution are added up, each weighted by how much the logit of the class
    rises with it on average over all places. That suits models that average these maps over all
    places (global average pooling). After ``Flatten`` each place has weights of its own; their
    average belongs to none, and the heat may lie where nothing speaks for the class.

    Parameters
    ----------
    model : keras.Model
        Ends in logits, and has a convolution, perhaps within a model inside it.
    images : array of uint8 or float, shape (n, height, width, 3), values 0..255
    labels : int array, shape (n,), optional
        The class to look for in each image; the model's own prediction where left out.

    Returns
    -------
    float32 array, shape (n, height, width), values 0..1
        1 where the weighted sum is highest in its image; 0 where it is not positive. It is no
        share of anything, and says nothing of what a change there would do.

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
    maps = []

    def watch(_, outputs):
        tape.watch(outputs)
        maps.append(outputs)

    # The tape follows the calculation from the maps on only.
    with (
        tf.GradientTape(watch_accessed_variables=False) as tape,
        forward_hook(_last_maps_layer(model), watch),
    ):
        logits = model(images, training=False)
        wanted = tf.argmax(logits, axis=1) if labels is None else labels
        chosen = tf.gather(logits, wanted, axis=1, batch_dims=1)  # (n,)
    gradients = tape.gradient(chosen, maps[0])  # (n, rows, columns, channels)
    importance = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)  # (n, 1, 1, channels)
    heat = tf.nn.relu(tf.reduce_sum(importance * maps[0], axis=-1, keepdims=True))
    heat = tf.image.resize(heat, images.shape[1:3])[..., 0].numpy()
    highest = heat.max(axis=(1, 2), keepdims=True)
    return np.divide(heat, highest, out=np.zeros_like(heat), where=highest > 0)


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


def concentration(maps, masks):
    """Measure how many times as dense the heat of a map is in one region as in the whole image.

    Parameters
    ----------
    maps : float array, shape (n, height, width), 0 or above
    masks : bool array, shape (n, height, width)
        The region of each image, at least one pixel.

    Returns
    -------
    float array, shape (n,)
        1 for heat that lies anywhere alike, 2 if the region holds twice its share; 0 for a map
        without heat.
    """
    inside = np.mean(maps, axis=(1, 2), where=masks)
    overall = np.mean(maps, axis=(1, 2))
    return np.divide(inside, overall, out=np.zeros(len(maps)), where=overall > 0)


def label_probabilities(features, labels, folds=5, seed=0):
    """Estimate how probable each label is, from the features of the other images.

    A logistic regression learns from all folds but one and judges the labels of that one, so
    no label speaks for itself.

    Parameters
    ----------
    features : float array, shape (n, features)
        Such as `features.feature_extractor` gives of a frozen backbone.
    labels : int array, shape (n,)
    folds : int, at least 2
        Fewer where a class has fewer images.
    seed : int
        Of the division into folds.

    Returns
    -------
    float array, shape (n,), 0..1
        Sort by it to see the most doubtful labels first. A low one is no proof.

    Raises
    ------
    CatdogError
        If a class has a single image, or there is only one class.

    Notes
    -----
    C. Northcutt, L. Jiang and I. Chuang, "Confident learning: Estimating uncertainty in dataset
    labels", Journal of Artificial Intelligence Research 70 (2021).
    """
    classes, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2 or counts.min() < 2:
        raise CatdogError("to judge labels takes two classes of at least two images each")
    # Strong regularization: there are about as many features as images.
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.001, max_iter=1000))
    divide = StratifiedKFold(min(folds, int(counts.min())), shuffle=True, random_state=seed)
    probabilities = cross_val_predict(regression, features, own, cv=divide, method="predict_proba")
    return probabilities[np.arange(len(own)), own]
