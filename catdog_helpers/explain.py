"""Where and why: what in an image a prediction rests on."""

import numpy as np

from catdog_helpers import CatdogError
from catdog_helpers.models import check_head, flattened_layers, forward_hook
from catdog_helpers.quiet_tensorflow import layers, tf


def grad_cam(model, images, labels=None):
    """Map where in each image a model found reasons for a class.

    Parameters
    ----------
    model : keras.Model
        Ends in two logits, and has a convolution, perhaps within a model inside it.
    images : array of uint8 or float, shape (n, height, width, 3), values 0..255
    labels : int array, shape (n,), optional
        The class to look for in each image; the model's own prediction where left out.

    Returns
    -------
    float32 array, shape (n, height, width), values 0..1
        1 at the strongest reason of each image; 0 where nothing speaks for the class.

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
