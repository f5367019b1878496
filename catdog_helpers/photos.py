"""Photos of one's own: which ones are meant, and what a saved model predicts for them."""

import contextlib
import glob
import os
import tempfile
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from catdog_helpers import CatdogError, n_cpus, plots
from catdog_helpers.data import load_photo
from catdog_helpers.explain import grad_cam
from catdog_helpers.features import feature_extractor
from catdog_helpers.files.images import SUFFIXES
from catdog_helpers.files.paths import printable, reason
from catdog_helpers.models import check_head
from catdog_helpers.quiet_tensorflow import keras
from catdog_helpers.results import identity, load_model, read_class_names
from catdog_helpers.scoring import describe, logits_to_probabilities

ONLY_DRAWINGS = (
    "this model has only seen drawings, so how sure it is of a photo means nothing; take the model "
    "of a run on photos"
)
# HEIC is named even where it cannot be read: the message then says what to install.
_SUFFIXES = {*SUFFIXES, ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"}
# From so many on LiteRT, 2 ms a photo (MobileNetV2 on two cores), makes up for the 4 s in which a
# model is converted; Keras takes 20 ms, and 3 s more where it first traces a graph.
_PAYS_FROM = 200
_CHUNK = 32  # photos that are in memory at a time


@dataclass(frozen=True)
class Classifier:
    """A saved model, with what it takes to ask it about photos.

    Attributes
    ----------
    model : keras.Model
        Takes square color images with values 0..255, and ends in logits.
    class_names : tuple of str, the name of each logit
    only_drawings : bool
        Whether it lies in the folder of a run on the sample.
    """

    model: keras.Model
    class_names: tuple[str, ...]
    only_drawings: bool

    @property
    def image_size(self):
        """Side of the images that the model takes, in pixels."""
        return self.model.input_shape[1]


def load_classifier(path):
    """Load a model that a chapter saved; returns a Classifier.

    Raises
    ------
    CatdogError
        If the file is missing, damaged, or not a model of this series.
    """
    path = Path(path).expanduser()
    model = load_model(path)
    try:
        check_head(model)
        match getattr(model, "input_shape", None):
            case (_, int(height), int(width), 3) if height == width:
                pass
            case shape:
                raise CatdogError(f"it takes {shape}, not square color images")
        class_names = read_class_names(path)
        if len(class_names) != model.output_shape[-1]:
            n_logits = model.output_shape[-1]
            raise CatdogError(f"it names {len(class_names)} classes and ends in Dense({n_logits})")
    except CatdogError as error:
        raise CatdogError(f"{path} is not a model of this series: {error}") from error
    return Classifier(model, class_names, _has_only_seen_drawings(path))


def _has_only_seen_drawings(path):
    with contextlib.suppress(CatdogError):
        return identity(path.resolve().parent.parent)["data"] == "sample"
    return False


def find_photos(name):
    """List the photos that a name stands for, by their names.

    Parameters
    ----------
    name : str
        A file; a folder, which stands for the images in it; or a pattern such as ``*.jpg`` or
        ``photos/**``, which a shell may not have expanded. ``~`` is the home folder.

    Returns
    -------
    list of Path, at least one
        A file is listed whatever it is, a file of a folder or pattern if its name ends as an
        image's does.

    Raises
    ------
    CatdogError
        If there is no image in the folder or for the pattern, or the folder cannot be read.
    """
    path = os.path.expanduser(name)  # unlike Path's, leaves the file ~draft.jpg as it is
    if os.path.isdir(path):
        try:
            found = [os.path.join(path, file) for file in os.listdir(path)]
        except OSError as error:
            raise CatdogError(f"{printable(name)} cannot be read: {reason(error)}") from error
        nothing = "has no images in it; for those in its folders, end it in /**"
    elif os.path.lexists(path) or not glob.has_magic(path):
        return [Path(path)]
    else:
        found = glob.glob(path, recursive=True)
        nothing = "matches no images"
    photos = sorted(Path(file) for file in found if _is_image(file))
    if not photos:
        raise CatdogError(f"{printable(name)} {nothing}")
    return photos


def _is_image(path):
    name = os.path.basename(path)
    return Path(name).suffix.lower() in _SUFFIXES and name[0] != "." and os.path.isfile(path)


def predict_photos(classifier, paths):
    """Predict the classes of photos, in chunks, so that the memory holds few at a time.

    Parameters
    ----------
    classifier : Classifier
    paths : sequence of path-like, length n

    Yields
    ------
    float array, shape (classes,), that sums to 1; or CatdogError
        For each photo in its order: the probabilities, or why it cannot be read.

    Raises
    ------
    CatdogError
        If the model's predictions are not numbers.
    """
    extract = None if len(paths) < _PAYS_FROM else feature_extractor(classifier.model)

    def load(path):
        try:
            return load_photo(path, classifier.image_size)
        except CatdogError as error:
            return error

    with ThreadPool(n_cpus()) as pool:
        for start in range(0, len(paths), _CHUNK):
            photos = pool.map(load, paths[start : start + _CHUNK])
            images = [photo for photo in photos if not isinstance(photo, CatdogError)]
            if images:
                predictions = iter(predict_images(classifier, np.concatenate(images), extract))
            for photo in photos:
                yield photo if isinstance(photo, CatdogError) else next(predictions)


def predict_images(classifier, images, extract=None):
    """Predict the classes of a few images at once.

    Parameters
    ----------
    classifier : Classifier
    images : uint8 array, shape (n, image_size, image_size, 3)
    extract : callable, optional
        From `features.feature_extractor` of the model, to take its place.

    Returns
    -------
    float array, shape (n, classes), rows sum to 1

    Raises
    ------
    CatdogError
        If the model's predictions are not numbers.
    """
    model, inputs = classifier.model, images.astype("float32")
    # Called without a graph, which takes longer to trace than a few images to predict.
    logits = extract(inputs) if extract else model(inputs, training=False).numpy()
    return logits_to_probabilities(logits, model.name)


def upload_button(classifier):
    """Show a button in JupyterLab that takes a photo, and above it what the model says of it.

    The answer is an output of its own, so a page made of the notebook shows the last one.

    Parameters
    ----------
    classifier : Classifier
    """
    # Slow to import, and of no use outside a notebook.
    from IPython.display import display
    from ipywidgets import FileUpload

    answer = display({"text/plain": "No photo yet."}, raw=True, display_id=True)

    def show(change):
        (photo,) = change["new"]
        try:
            answer.update(answer_figure(classifier, photo["name"], bytes(photo["content"])))
        except CatdogError as error:
            answer.update({"text/plain": str(error)}, raw=True)

    button = FileUpload(accept="image/*", description="Your photo")
    button.observe(show, "value")
    display(button)


def answer_figure(classifier, name, content):
    """Draw a photo, with what a model says of it, and where the model looked.

    Parameters
    ----------
    classifier : Classifier
    name : str
        Of the file, for messages.
    content : bytes

    Returns
    -------
    plots.DescribedFigure
        With a warning below where the model has only seen drawings.

    Raises
    ------
    CatdogError
        If the photo cannot be decoded, or the model has no convolution.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo")
        path.write_bytes(content)
        try:
            image = load_photo(path, classifier.image_size)
        except CatdogError as error:  # not where the upload lay
            raise CatdogError(str(error).replace(printable(path), printable(name))) from error
    sentence = describe(predict_images(classifier, image)[0], classifier.class_names)
    description = f"{printable(name)}: {sentence}. Beside it, where the model looked."
    note = f"Note: {ONLY_DRAWINGS}." if classifier.only_drawings else ""
    return plots.heat_overlays(
        [image[0], image[0]],
        [None, grad_cam(classifier.model, image)[0]],
        [sentence, "where it looked"],
        columns=2,
        note=note,
        description=f"{description} {note}".strip(),
    )
