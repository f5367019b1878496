"""The models, compiled; the backbone; fine-tuning.

Every model takes raw pixels, 0..255, and ends in logits, one for each class: whatever scaling it
needs is inside it, so a saved model scores a photo with no recipe beside it.
"""

import contextlib
from pathlib import Path

import numpy as np

from catdog_helpers import CatdogError
from catdog_helpers.data import IMAGE_SIZE
from catdog_helpers.files.download import fetch_weights, find_weights_fault
from catdog_helpers.quiet_tensorflow import keras, layers

DRAWN_WEIGHTS = Path(__file__).with_name("drawn_backbone.weights.h5")
DRAWN_WIDTH = 0.35
_IMAGENET_SIZE, DRAWN_SIZE = 192, 96  # pixels
# The last layer of MobileNetV2 that always stays as it is; fine-tuning trains those after it.
CUT = "block_13_project_BN"
# A MobileNetV2 has these, wherever it was cut: the first of its blocks, and the cut.
_OF_MOBILENET = {"expanded_conv_project", CUT}


def compile_classifier(model, optimizer="adam"):
    """Compile a model that ends in logits and return it; loss and metric fit that head.

    Raises
    ------
    CatdogError
        As `check_head` and `check_preprocessing` do.
    """
    check_head(model)
    check_preprocessing(model)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def check_head(model):
    """Refuse a model whose outputs are not the logits of two or more classes.

    Raises
    ------
    CatdogError
        If it does not end in ``Dense(number of classes)`` without an activation. The loss from
        logits and `scoring.predict_probabilities` apply softmax themselves: applied twice, it
        squeezes every prediction toward an even guess.
    """
    head = model
    while isinstance(head, keras.Model):
        # A functional model also counts functions, such as ``keras.ops.softmax``.
        head = getattr(head, "operations", head.layers)[-1]
    wanted = "Dense(number of classes) without an activation"
    if not isinstance(head, layers.Dense):
        raise CatdogError(
            f"'{model.name}' ends in {type(head).__name__}; end it in {wanted}, "
            "with any Dropout before it and softmax left to loss and scoring"
        )
    if head.units < 2 or head.activation is not keras.activations.linear:
        raise CatdogError(
            f"'{model.name}' ends in Dense({head.units}, activation='{head.activation.__name__}'); "
            f"loss and scoring from logits need {wanted}"
        )


def check_preprocessing(model):
    """Refuse a model that scales its pixels twice, or a backbone that gets them unscaled.

    Looks at what reaches the first convolution for a black and a white image: -1 and 1 if
    there is a MobileNetV2; otherwise any two values that are not nearly the same. Says nothing
    about a model that does not take images.

    Raises
    ------
    CatdogError
        If the preprocessing is missing or applied twice.
    """
    first = next((x for x in flattened_layers(model) if isinstance(x, layers.Conv2D)), None)
    shape = getattr(model, "input_shape", ())
    if first is None or len(shape) != 4 or shape[-1] != 3:
        return
    height, width = (side or DRAWN_SIZE for side in shape[1:3])
    images = np.stack([np.full((height, width, 3), value, "float32") for value in (0, 255)])
    arriving = []
    with forward_hook(first, lambda inputs, _: arriving.append(np.asarray(inputs))):
        model(images, training=False)
    black, white = arriving[0].mean(axis=(1, 2, 3))
    once = np.allclose([black, white], [-1, 1], atol=0.01)
    has_backbone = any(layer.name in _OF_MOBILENET for layer in flattened_layers(model))
    if not once and (has_backbone or abs(white - black) < 0.5):
        raise CatdogError(
            f"black and white reach the first convolution of '{model.name}' as {black:.3g} and "
            f"{white:.3g}, not as -1 and 1: apply the preprocessing once, no more and no less"
        )


def flattened_layers(model):
    """Yield the layers of a Keras model in order, those of nested models in their places."""
    for layer in model.layers:
        yield from flattened_layers(layer) if isinstance(layer, keras.Model) else [layer]


@contextlib.contextmanager
def forward_hook(layer, hook):
    """Call ``hook(inputs, outputs)`` whenever the layer runs, until the block ends.

    Keras has no hooks, and a model of its own that ends at the layer would be no use: a shared
    layer has several inputs, and one in a nested model has no path to the outer model's inputs.
    """

    def call(inputs, *arguments, **options):
        outputs = type(layer).call(layer, inputs, *arguments, **options)
        hook(inputs, outputs)
        return outputs

    layer.call = call
    try:
        yield
    finally:
        del layer.call


def preprocessing_layer():
    """Return the layer that maps pixels from 0..255 to [-1, 1], as MobileNetV2 expects them."""
    return layers.Rescaling(1 / 127.5, offset=-1, name="preprocessing")


def convolutional_layers(n_classes=2):
    """Return the layers of the small network of chapters 2 to 4, from half the size to logits.

    Units of ``leaky_relu`` cannot die, and a last layer of zeros begins with an even guess: so it
    learns raw pixels too, whatever the seed.
    """
    return [
        layers.Conv2D(32, 5, strides=2, padding="same", activation="leaky_relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="leaky_relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="leaky_relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="leaky_relu"),
        layers.Flatten(),
        layers.Dense(64, activation="leaky_relu"),
        layers.Dropout(0.5),
        layers.Dense(n_classes, kernel_initializer="zeros"),
    ]


def build_small_network(image_size=IMAGE_SIZE, n_classes=2, *, front=(), name="first", steps=1000):
    """Build and compile the small network of chapters 2 to 4.

    Parameters
    ----------
    image_size : int
        Side of the images in pixels.
    n_classes : int, at least 2
    front : sequence of layers
        What comes before the first convolution: augmentation, preprocessing.
    name : str
    steps : int
        Batches in the whole training, over which the learning rate falls to zero.
    """
    # First half the size: what comes after, augmentation too, costs a quarter.
    halved = [keras.Input((image_size, image_size, 3)), layers.AveragePooling2D(2)]
    model = keras.Sequential([*halved, *front, *convolutional_layers(n_classes)], name=name)
    schedule = keras.optimizers.schedules.CosineDecay(5e-4, steps)
    return compile_classifier(model, keras.optimizers.Adam(schedule))


def build_backbone(weights, image_size=IMAGE_SIZE, *, pretrained=True, preprocess=True):
    """Build a frozen MobileNetV2 without its top, with resizing and preprocessing before it.

    Raw pixels (n, image_size, image_size, 3) come in, feature maps out. Images are resized inside
    to what the weights work well with: 192 pixels for ImageNet's, learned on 224, and 96 for the
    drawn ones, learned on 64 and 96.

    Parameters
    ----------
    weights : str or path
        ``"imagenet"`` (width 1.0, downloaded), ``"drawn"`` (width 0.35, shipped with
        this package, learned from drawings of other animals) or a local weights file of width 1.0.
    pretrained : bool
        False gives the same network with random weights, for comparison.
    preprocess : bool
        False leaves the preprocessing out: for the demonstration of that mistake only.

    Raises
    ------
    CatdogError
        If the weights cannot be had or do not fit.

    References
    ----------
    M. Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018.
    """
    if weights == "drawn":
        width, size, source = DRAWN_WIDTH, DRAWN_SIZE, DRAWN_WEIGHTS
    elif weights == "imagenet" or Path(weights).is_file():
        width, size, source = 1.0, _IMAGENET_SIZE, weights
        if weights == "imagenet" and pretrained:
            source = fetch_weights()
    else:
        raise CatdogError(
            f"no weights file at {weights}: give 'drawn', 'imagenet' or the path of a "
            "MobileNetV2 weights file without top"
        )
    if pretrained and (fault := find_weights_fault(Path(source))):
        raise CatdogError(f"the weights {weights} cannot be loaded: {fault}")
    inputs = keras.Input((image_size, image_size, 3))
    pixels = layers.Resizing(size, size)(inputs)
    try:
        base = keras.applications.MobileNetV2(
            input_tensor=preprocessing_layer()(pixels) if preprocess else pixels,
            alpha=width,
            include_top=False,
            weights=source if pretrained else None,
        )
    except Exception as error:  # Keras and h5py raise many kinds on files that do not fit
        raise CatdogError(f"the weights {weights} cannot be loaded: {error}") from error
    backbone = keras.Model(inputs, base.output, name="backbone")
    backbone.trainable = False
    return backbone


def split_backbone(backbone, cut=CUT):
    """Cut a backbone after a layer: (pixels to activations, activations to maps), shared layers."""
    activations = backbone.get_layer(cut).output
    lower = keras.Model(backbone.input, activations, name="lower")
    upper = keras.Model(activations, backbone.output, name="upper")
    return lower, upper


def unfreeze(model):
    """Let training change a model's weights, except those of batch normalization.

    A frozen batch normalization layer also keeps its running mean and variance and runs as it
    does at prediction (https://keras.io/guides/transfer_learning/). Compile the model afterwards.
    """
    # Layer by layer: setting ``trainable`` on a model that shares its layers with a frozen one
    # leaves them frozen (Keras 3.15).
    for layer in model.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
