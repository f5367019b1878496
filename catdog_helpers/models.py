"""The models, compiled; the backbone; feature extraction; fine-tuning.

Every model takes raw pixels, 0..255, and ends in two logits: whatever scaling it needs is
inside it, so a saved model scores a photo with no recipe beside it.
"""

import contextlib
import os
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from catdog_helpers import CatdogError, standard_error_muted
from catdog_helpers.data import CLASS_NAMES, IMAGE_SIZE, load_images

DRAWN_WEIGHTS = Path(__file__).with_name("drawn_backbone.weights.h5")
DRAWN_WIDTH = 0.35
IMAGENET_SIZE, DRAWN_SIZE = 192, 96  # pixels
# The last layer of MobileNetV2 that always stays as it is; fine-tuning trains those after it.
CUT = "block_13_project_BN"


def compile_classifier(model, optimizer="adam"):
    """Compile a model that ends in two logits; loss and metric fit that head.

    Parameters
    ----------
    model : keras.Model
    optimizer : str or keras.optimizers.Optimizer

    Returns
    -------
    keras.Model
        The same model.

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
    """Refuse a model whose outputs are not the logits of the two classes.

    Raises
    ------
    CatdogError
        If it does not end in ``Dense(2)`` without an activation. The loss from logits and
        `scoring.predict_probabilities` apply softmax themselves: applied twice, it squeezes
        every answer towards one half.
    """
    head = model
    while isinstance(head, keras.Model):
        # A functional model also counts functions, such as ``keras.ops.softmax``.
        head = getattr(head, "operations", head.layers)[-1]
    wanted = f"Dense({len(CLASS_NAMES)}) without an activation"
    if not isinstance(head, layers.Dense):
        raise CatdogError(
            f"'{model.name}' ends in {type(head).__name__}; end it in {wanted}, "
            "with any Dropout before it and softmax left to loss and scoring"
        )
    if head.units != len(CLASS_NAMES) or head.activation is not keras.activations.linear:
        raise CatdogError(
            f"'{model.name}' ends in Dense({head.units}, activation='{head.activation.__name__}'); "
            f"loss and scoring from logits need {wanted}"
        )


def check_preprocessing(model):
    """Refuse a model that scales its pixels twice, or a backbone that gets them unscaled.

    Looks at what reaches the first convolution for a black and a white picture: -1 and 1 if
    there is a backbone; otherwise any two values that are not nearly the same. Says nothing
    about a model that does not take pictures.

    Raises
    ------
    CatdogError
        If the preprocessing is missing or applied twice.
    """
    first = next((x for x in flattened_layers(model) if isinstance(x, layers.Conv2D)), None)
    shape = getattr(model, "input_shape", ())
    if first is None or len(shape) != 4 or shape[-1] != 3:
        return
    black, white = _arriving(first, model, [side or DRAWN_SIZE for side in shape[1:3]])
    once = np.allclose([black, white], [-1, 1], atol=0.01)
    has_backbone = "backbone" in (model.name, *(layer.name for layer in model.layers))
    if not once and (has_backbone or abs(white - black) < 0.5):
        raise CatdogError(
            f"black and white reach the first convolution of '{model.name}' as {black:.3g} and "
            f"{white:.3g}, not as -1 and 1: apply the preprocessing once, no more and no less"
        )


def flattened_layers(model):
    """Yield the layers of a model in order, with those of nested models in their places."""
    for layer in model.layers:
        yield from flattened_layers(layer) if isinstance(layer, keras.Model) else [layer]


def _arriving(layer, model, size):
    """Return the mean values of a black and a white picture when they arrive at a layer."""
    seen = []
    pictures = np.stack([np.full((*size, 3), value, "float32") for value in (0, 255)])
    with observed(layer, lambda inputs, _: seen.append(keras.ops.mean(inputs, axis=(1, 2, 3)))):
        model(pictures, training=False)
    return np.asarray(seen[0])


@contextlib.contextmanager
def observed(layer, see):
    """Call ``see(inputs, outputs)`` whenever the layer runs, until the block ends.

    A model of its own that ends at the layer would be no use: a shared layer has several inputs,
    and one in a nested model has no path to the outer model's inputs.
    """

    def call(inputs, *arguments, **options):
        outputs = type(layer).call(layer, inputs, *arguments, **options)
        see(inputs, outputs)
        return outputs

    layer.call = call
    try:
        yield
    finally:
        del layer.call


def augmentation_layers():
    """Return the random layers of chapters 3 and 4; active in training only."""
    return [layers.RandomFlip("horizontal"), layers.RandomRotation(0.05)]


def preprocessing_layer():
    """Return the layer that maps pixels from 0..255 to [-1, 1], as MobileNetV2 expects them."""
    return layers.Rescaling(1 / 127.5, offset=-1, name="preprocessing")


def convolutional_layers():
    """Return the layers of the small network of chapters 2 to 4, from half the size to logits.

    Units of ``leaky_relu`` can't die, and a last layer of zeros begins with an even guess: so it
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
        layers.Dense(len(CLASS_NAMES), kernel_initializer="zeros"),
    ]


def build_first(image_size=IMAGE_SIZE, *, steps=1000):
    """Build the first model: the small network on raw pixels.

    Parameters
    ----------
    image_size : int
        Side of the pictures in pixels.
    steps : int
        Number of batches in the whole training, over which the learning rate falls to zero.

    Returns
    -------
    keras.Model, compiled
        Input (n, image_size, image_size, 3) in 0..255, output (n, 2) logits.
    """
    return _small_network("first", [], image_size, steps)


def build_augmented(image_size=IMAGE_SIZE, *, steps=1000):
    """Build the first model with augmentation in front; see `build_first`."""
    return _small_network("augmented", augmentation_layers(), image_size, steps)


def build_preprocessed(image_size=IMAGE_SIZE, *, steps=1000):
    """Build the augmented model with preprocessing after the augmentation; see `build_first`."""
    front = [*augmentation_layers(), preprocessing_layer()]
    return _small_network("preprocessed", front, image_size, steps)


def _small_network(name, front, image_size, steps):
    # First half the size: what comes after, augmentation too, costs a quarter.
    halved = [keras.Input((image_size, image_size, 3)), layers.AveragePooling2D(2)]
    model = keras.Sequential([*halved, *front, *convolutional_layers()], name=name)
    schedule = keras.optimizers.schedules.CosineDecay(5e-4, steps)
    return compile_classifier(model, keras.optimizers.Adam(schedule))


def default_weights(source):
    """Return the backbone weights that fit a source of pictures.

    ``"drawn"`` for the sample; otherwise the file that the environment variable
    ``CATDOG_WEIGHTS`` names, or ``"imagenet"``.
    """
    if source == "sample":
        return "drawn"
    return os.environ.get("CATDOG_WEIGHTS", "imagenet")


def build_backbone(weights, image_size=IMAGE_SIZE, *, pretrained=True, preprocess=True):
    """Build a frozen MobileNetV2 without its top, with resizing and preprocessing before it.

    Pictures are resized inside the model to the size at which the weights work well: 192 pixels
    for ImageNet's, which were learnt on 224, and 96 for the drawn ones, which were learnt on 96.

    Parameters
    ----------
    weights : str or path
        ``"imagenet"`` (width 1.0, downloaded by Keras), ``"drawn"`` (width 0.35, shipped with
        this package, learnt from drawings of other animals) or a local weights file of width 1.0.
    image_size : int
    pretrained : bool
        False gives the same network with random weights, for comparison.
    preprocess : bool
        False leaves the preprocessing out: for the demonstration of that mistake only.

    Returns
    -------
    keras.Model
        Raw pixels (n, image_size, image_size, 3) in, feature maps out; not trainable.

    Raises
    ------
    CatdogError
        If the weights file is missing or does not fit.

    Notes
    -----
    M. Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018.
    """
    width, size, source = _weights_source(weights)
    inputs = keras.Input((image_size, image_size, 3))
    pixels = layers.Resizing(size, size)(inputs)
    try:
        base = keras.applications.MobileNetV2(
            input_tensor=preprocessing_layer()(pixels) if preprocess else pixels,
            alpha=width,
            include_top=False,
            weights=source if pretrained else None,
        )
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise CatdogError(f"the weights {weights} can't be loaded: {error}") from error
    backbone = keras.Model(inputs, base.output, name="backbone")
    backbone.trainable = False
    return backbone


def _weights_source(weights):
    if weights == "imagenet":
        return 1.0, IMAGENET_SIZE, "imagenet"
    if weights == "drawn":
        return DRAWN_WIDTH, DRAWN_SIZE, DRAWN_WEIGHTS
    if not Path(weights).is_file():
        raise CatdogError(
            f"no weights file at {weights}: give 'drawn', 'imagenet' or the path of a "
            "MobileNetV2 weights file without top"
        )
    return 1.0, IMAGENET_SIZE, weights


def split_backbone(backbone, cut=CUT):
    """Cut a backbone in two models that share its layers.

    Parameters
    ----------
    backbone : keras.Model
    cut : str
        Name of the last layer of the lower part.

    Returns
    -------
    (lower, upper) : tuple of keras.Model
        Pixels to activations at the cut, and from there to the feature maps.
    """
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


def feature_extractor(model):
    """Return a function that runs pictures through a model; make a new one after training.

    Without a graphics card the work is done by LiteRT, which runs networks on phones: for
    MobileNetV2 on two cores it takes a third of TensorFlow's time
    (https://ai.google.dev/edge/litert). It folds the batch normalization into the convolutions.

    Parameters
    ----------
    model : keras.Model
        One input and one output, of known sizes but for the number of pictures.

    Returns
    -------
    callable
        From (n, ...) inputs, such as pictures with values 0..255, to the float32 array (n, ...)
        of the model's outputs at prediction.
    """
    if tf.config.list_physical_devices("GPU"):
        return partial(model.predict, verbose=0)
    with standard_error_muted():  # it greets, and the converter chats
        interpreter = Interpreter(model_content=_as_litert(model), num_threads=os.cpu_count())
        interpreter.allocate_tensors()
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def extract(inputs):
        outputs = np.empty((len(inputs), *result["shape"][1:]), "float32")
        for i in range(len(inputs)):
            one = np.ascontiguousarray(inputs[i : i + 1], "float32")
            interpreter.set_tensor(entry["index"], one)
            interpreter.invoke()
            outputs[i] = interpreter.get_tensor(result["index"])[0]
        return outputs

    return extract


def _as_litert(model):
    """Convert a model for one picture at a time, its weights as constants: as fast as batches."""
    weights = [
        [variable.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    @tf.function(input_signature=[tf.TensorSpec((1, *model.input_shape[1:]), "float32")])
    def predict(inputs):
        return model.stateless_call(*weights, inputs, training=False)[0]

    function = predict.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    # Straight from the graph: the detour over a saved model takes 0.1 GB more.
    converter.experimental_lower_to_saved_model = False
    return converter.convert()


def extract_features_of_files(split, weights, image_size=IMAGE_SIZE, *, portion=500, map=map):
    """Decode the pictures of a split and run them through a backbone, portion by portion.

    However many there are, the memory holds the pixels of one portion. Other processes or
    machines can take portions, if they see the same files: ``map`` of a Dask executor gives each
    portion to a free worker, and to another one if that is lost
    (https://distributed.dask.org/en/stable/resilience.html)::

        with Client("tcp://scheduler:8786") as client, client.get_executor() as executor:
            features = extract_features_of_files(split, weights, map=executor.map)

    Parameters
    ----------
    split : Split
    weights, image_size
        See `build_backbone`.
    portion : int
        Number of pictures that are in memory at once.
    map : callable
        Like the built-in function.

    Returns
    -------
    float32 array, shape (n, features)
        Averaged over all places of the feature maps, in the order of the split.

    Raises
    ------
    CatdogError
        If the weights are missing or a file cannot be decoded.
    """
    work = partial(_pooled_features, weights=weights, image_size=image_size)
    return np.concatenate(list(map(work, split.portions(portion))))


def _pooled_features(split, weights, image_size):
    return _pooled_extractor(weights, image_size)(load_images(split, image_size))


@cache
def _pooled_extractor(weights, image_size):
    """Build a backbone with pooling, once in each process."""
    backbone = build_backbone(weights, image_size)
    return feature_extractor(keras.Sequential([backbone, layers.GlobalAveragePooling2D()]))
