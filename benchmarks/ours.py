"""Our way: the package as the chapters call it.

Imports stand inside the functions, because every measurement loads only what its way needs, and
those of the straightforward way must not load the package. Keras comes from the package, never
before it: TensorFlow reads the options that the package sets when it is first imported.
"""

import tempfile
from pathlib import Path

from job import EPOCHS, Work
from straightforward import augmentation_layers  # the same both ways


def import_package(job):
    """Import the package alone."""
    yield
    import catdog_helpers  # noqa: F401

    yield Work()


def import_all(job):
    """Import what a chapter imports."""
    yield
    from catdog_helpers import (  # noqa: F401
        data,
        features,
        models,
        plots,
        results,
        scoring,
        training,
    )

    yield Work()


def decode(job):
    """Make the training dataset, which decodes the photos, and read it once."""
    from catdog_helpers import data

    train, _, _ = data.load_splits(job.photos)
    yield
    dataset = data.make_dataset(train, shuffle=True)
    yield Work(sum(len(labels) for _, labels in dataset))


def _datasets(job):
    """Make the datasets for training and validation."""
    from catdog_helpers import data

    train, validation, _ = data.load_splits(job.photos)
    return data.make_dataset(train, shuffle=True), data.make_dataset(validation)


def _epoch_seconds(model, train, validation):
    """Train for one epoch and for four; return the seconds of one of the three more.

    Each training builds its functions anew, which the difference leaves out; the very first one
    does more than that.
    """
    from catdog_helpers import training

    _, one, four = (
        training.fit(model, train, validation, epochs, progress=False).train_seconds
        for epochs in (1, 1, 4)
    )
    return (four - one) / 3


def _epoch(job, *, augmented):
    from catdog_helpers import models

    train, validation = _datasets(job)
    front = augmentation_layers() if augmented else []
    model = models.build_small_network(front=front, steps=EPOCHS * len(train))
    seconds = _epoch_seconds(model, train, validation)
    yield
    yield Work(len(job.files("train")), seconds)


def plain_epoch(job):
    """Train the first model for one epoch."""
    return _epoch(job, augmented=False)


def augmented_epoch(job):
    """Train the augmented model for one epoch."""
    return _epoch(job, augmented=True)


def extract_features(job):
    """Decode all training photos and run them through the backbone."""
    from catdog_helpers import data, features

    train, _, _ = data.load_splits(job.photos)
    yield
    yield Work(len(features.extract_features_of_files(train, job.weights)))


def _activations(train, validation, backbone):
    """Decode and run everything up to the cut, the training photos mirrored too.

    Returns pairs of activations and labels, for training and validation.
    """
    import numpy as np

    from catdog_helpers import data, features, models

    extract = features.feature_extractor(models.split_backbone(backbone)[0])
    images = data.load_images(train)
    activations = np.concatenate([extract(each) for each in (images, images[:, :, ::-1])])
    labels = np.concatenate([train.labels, train.labels])
    return (activations, labels), (extract(data.load_images(validation)), validation.labels)


def _pooled_features(train, validation, backbone):
    """Return pairs of features and labels, as `_activations` returns activations."""
    from catdog_helpers import features, models
    from catdog_helpers.quiet_tensorflow import keras, layers

    _, upper = models.split_backbone(backbone)
    extract = features.feature_extractor(keras.Sequential([upper, layers.GlobalAveragePooling2D()]))
    pairs = _activations(train, validation, backbone)
    return [(extract(activations), labels) for activations, labels in pairs]


def _head(n_features):
    from catdog_helpers import models
    from catdog_helpers.quiet_tensorflow import keras, layers

    parts = [keras.Input((n_features,)), layers.Dropout(0.3), layers.Dense(2)]
    return models.compile_classifier(
        keras.Sequential(parts, name="head"), keras.optimizers.Adam(1e-3)
    )


def _whole_model(backbone, head):
    from catdog_helpers import models
    from catdog_helpers.quiet_tensorflow import keras, layers

    parts = [backbone, layers.GlobalAveragePooling2D(), *head.layers]
    return models.compile_classifier(keras.Sequential(parts, name="transfer"), "sgd")


def _transfer_model(train, validation, weights):
    """Compute features once, then train the head on them: chapter 5 up to its transfer model."""
    from catdog_helpers import models, training

    backbone = models.build_backbone(weights)
    train_pair, validation_pair = _pooled_features(train, validation, backbone)
    head = _head(backbone.output.shape[-1])
    training.fit(head, train_pair, validation_pair, EPOCHS, progress=False)
    return _whole_model(backbone, head)


def head_epoch(job):
    """Train the head for one epoch on features that are there already."""
    from catdog_helpers import data, models

    train, validation, _ = data.load_splits(job.photos)
    backbone = models.build_backbone(job.weights)
    train_pair, validation_pair = _pooled_features(train, validation, backbone)
    head = _head(backbone.output.shape[-1])
    seconds = _epoch_seconds(head, train_pair, validation_pair)
    yield
    yield Work(len(train_pair[1]), seconds)


def transfer_learning(job):
    """Compute the features and train the head on them for 20 epochs."""
    from catdog_helpers import data, features, training  # noqa: F401

    train, validation, _ = data.load_splits(job.photos)
    yield
    _transfer_model(train, validation, job.weights)
    yield Work(len(train))


def fine_tuning_epoch(job):
    """Train the backbone above the cut for one epoch, on activations that are there already."""
    from catdog_helpers import data, models
    from catdog_helpers.quiet_tensorflow import keras, layers

    train, validation, _ = data.load_splits(job.photos)
    backbone = models.build_backbone(job.weights)
    _, upper = models.split_backbone(backbone)
    train_pair, validation_pair = _activations(train, validation, backbone)
    models.unfreeze(upper)
    ending = [layers.GlobalAveragePooling2D(), layers.Dense(2)]
    top = keras.Sequential([keras.Input(train_pair[0].shape[1:]), upper, *ending])
    models.compile_classifier(top, keras.optimizers.Adam(3e-5))
    seconds = _epoch_seconds(top, train_pair, validation_pair)
    yield
    yield Work(len(train_pair[1]), seconds)


def predict(job):
    """Decode all validation photos and predict them with the transfer model."""
    from catdog_helpers import data, models, scoring

    _, validation, _ = data.load_splits(job.photos)
    backbone = models.build_backbone(job.weights)
    model = _whole_model(backbone, _head(backbone.output.shape[-1]))
    scoring.predict_probabilities(model, data.load_images(validation))
    yield
    yield Work(len(scoring.predict_probabilities(model, data.load_images(validation))))


def check_photos(job):
    """Check the folder, which also finds copies."""
    from catdog_helpers.files import checks

    yield
    yield Work(len(checks.check(job.photos).images))


def draw_sample(job, train=1000, validation=500):
    """Draw the sample, in several processes."""
    from catdog_helpers.drawing import sample

    with tempfile.TemporaryDirectory() as folder:
        yield
        made = sample.make_sample(Path(folder, "sample"), train=train, validation=validation)
        yield Work(sum(path.is_file() for path in made.rglob("*")))


def draw_in_one_process(job, n=300):
    """Draw one image after the other: no tutorial draws, so this stands in for their way."""
    from PIL import Image

    from catdog_helpers.drawing.draw import draw

    with tempfile.TemporaryDirectory() as folder:
        yield
        for seed in range(n):
            image = Image.fromarray(draw(("cat", "dog")[seed % 2], seed))
            image.save(Path(folder, f"{seed}.jpg"), quality=92)
        yield Work(sum(path.is_file() for path in Path(folder).iterdir()))


def run_series(job):
    """Train and test the models of chapters 2 to 5, without the best network from scratch."""
    yield
    from catdog_helpers import data, models, scoring, training

    finished = []
    scaling = models.preprocessing_layer()
    for front in ([], augmentation_layers(), [*augmentation_layers(), scaling]):
        train_dataset, validation_dataset = _datasets(job)  # each chapter makes its own
        steps = EPOCHS * len(train_dataset)
        finished.append(models.build_small_network(front=front, steps=steps))
        training.fit(finished[-1], train_dataset, validation_dataset, EPOCHS, progress=False)
    train, validation, _ = data.load_splits(job.photos)
    finished.append(_transfer_model(train, validation, job.weights))
    _, _, test = data.load_splits(job.photos)
    images = data.load_images(test)
    for model in finished:
        scoring.score(model, [(images, test.labels)])
    yield Work(len(train))
