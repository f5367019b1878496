"""What a trained network says of images: fast, in chunks, on workers, or elsewhere."""

import zipfile
from functools import cache, partial
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from catdog_helpers import CatdogError, muted_stderr, n_cpus
from catdog_helpers.data import IMAGE_SIZE, load_images
from catdog_helpers.files.paths import atomic, printable, reason
from catdog_helpers.models import build_backbone, check_head, split_backbone
from catdog_helpers.quiet_tensorflow import keras, layers, tf

# Of logits, between LiteRT and Keras; LiteRT adds up in another order.
_LARGEST_DIFFERENCE = 0.01


def feature_extractor(model):
    """Return a function that runs images through a model; make a new one after training.

    Without a GPU the work is done by LiteRT, which runs networks on phones: for MobileNetV2 on
    two cores it takes a third of TensorFlow's time (https://ai.google.dev/edge/litert). It folds
    the batch normalization into the convolutions.

    Parameters
    ----------
    model : keras.Model
        One input and one output, of known sizes but for the number of images.

    Returns
    -------
    callable
        From inputs (n, ...), such as images, to the model's outputs at inference, float32 (n, ...).
    """
    if tf.config.list_physical_devices("GPU"):
        return partial(model.predict, verbose=0)
    return _litert_extractor(_as_litert(model))


def _litert_extractor(content):
    """Return a function that runs images through a model for LiteRT, one at a time."""
    with muted_stderr():
        interpreter = Interpreter(model_content=content, num_threads=n_cpus())
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


def backbone_extractor(backbone):
    """Return a function that runs images through a backbone and keeps what fine-tuning needs.

    Parameters
    ----------
    backbone : keras.Model
        From `models.build_backbone`.

    Returns
    -------
    callable
        From images (n, size, size, 3), values 0..255, to two float32 arrays: the activations at
        the cut of `models.split_backbone`, (n, height, width, channels), and the features,
        (n, features), each the mean of a feature map over all places.
    """
    lower, upper = split_backbone(backbone)
    extract_activations = feature_extractor(lower)
    extract_features = feature_extractor(keras.Sequential([upper, layers.GlobalAveragePooling2D()]))

    def extract(images):
        activations = extract_activations(images)
        return activations, extract_features(activations)

    return extract


def _as_litert(model):
    """Convert a model for one image at a time, its weights as constants: as fast as batches."""
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


def export(model, path, class_names, images=None):
    """Write a model for LiteRT, complete or not at all, with the names of its classes inside.

    They are in ``labels.txt``, a line each, in a zip archive at the end of the file, as LiteRT's
    metadata keep them (https://ai.google.dev/edge/litert/models/metadata).

    Parameters
    ----------
    model : keras.Model
        Ends in logits.
    path : path-like
    class_names : sequence of str
    images : uint8 array, shape (n, height, width, 3), optional
        To compare with Keras on; eight images of random pixels where left out.

    Returns
    -------
    float
        The largest difference of a logit from Keras on these images.

    Raises
    ------
    CatdogError
        If the file exists or cannot be written, or the logits differ by more than 0.01.
    """
    check_head(model)
    path = Path(path)
    if path.exists():
        raise CatdogError(f"{printable(path)} exists already; give another name")
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (8, *model.input_shape[1:]), "uint8")
    content = _as_litert(model)
    logits = _litert_extractor(content)(images)
    difference = float(np.abs(logits - model.predict(images, verbose=0)).max())
    if not difference <= _LARGEST_DIFFERENCE:
        raise CatdogError(f"LiteRT's logits differ from those of Keras by {difference:.3g}")
    labels = "\n".join(map(printable, class_names)) + "\n"
    try:
        with atomic(path) as new:
            new.write_bytes(content)
            with zipfile.ZipFile(new, "a") as archive:
                archive.writestr("labels.txt", labels)
    except OSError as error:
        raise CatdogError(f"cannot write {printable(path)}: {reason(error)}") from error
    return difference


def extract_features_of_files(split, weights, image_size=IMAGE_SIZE, *, chunk_size=500, map=map):
    """Decode the images of a split and run them through a backbone, chunk by chunk.

    However many there are, the memory holds the pixels of one chunk. Other processes or
    machines can take chunks, if they see the same files: with ``map=executor.map`` of a Dask
    executor each chunk goes to a free worker, and to another one if that is lost
    (https://distributed.dask.org/en/stable/resilience.html).

    Returns
    -------
    float32 array, shape (n, features)
        Averaged over all places of the feature maps, in the order of the split.

    Raises
    ------
    CatdogError
        If the weights (see `models.build_backbone`) are missing or a file cannot be decoded.
    """
    extract = partial(_pooled_features, weights=weights, image_size=image_size)
    return np.concatenate(list(map(extract, split.chunks(chunk_size))))


def mirrored_features(model, split, image_size, chunk_size=500):
    """Extract the features of a split's images, averaged with those of their mirror images.

    The memory holds the pixels of one chunk.

    Parameters
    ----------
    model : keras.Model
        From images to features.
    split : data.Split, length n
    image_size : int
        Side of the images that the model takes, in pixels.
    chunk_size : int
        In images.

    Returns
    -------
    float32 array, shape (n, features)

    Raises
    ------
    CatdogError
        If a file cannot be decoded.
    """
    extract, averaged = feature_extractor(model), []
    for chunk in split.chunks(chunk_size):
        images = load_images(chunk, image_size)
        averaged.append((extract(images) + extract(images[:, :, ::-1])) / 2)
    return np.concatenate(averaged)


def _pooled_features(split, weights, image_size):  # of the module, since workers import it
    return _pooled_extractor(weights, image_size)(load_images(split, image_size))


@cache
def _pooled_extractor(weights, image_size):
    """Build a backbone with pooling, once in each process."""
    backbone = build_backbone(weights, image_size)
    return feature_extractor(keras.Sequential([backbone, layers.GlobalAveragePooling2D()]))
