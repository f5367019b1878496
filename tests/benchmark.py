"""Measure the straightforward Keras way against ours, stage by stage.

The straightforward way is what the public tutorials do, above all TensorFlow's "Transfer learning
and fine-tuning" (https://www.tensorflow.org/tutorials/images/transfer_learning): a dataset right
from the folders, prefetched but not cached; random layers in the model; every photo through the
frozen base in every epoch. TensorFlow is as it comes. Ours calls the package as the chapters do.
The two take turns, and every measurement has a fresh process of its own, so that none profits
from another's caches or settings and its peak memory is its own.

A way is a generator. What comes before its first ``yield`` gets ready and is not measured; what
comes after is, until it yields the work that it did.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import psutil

SIZE = (160, 160)  # pixels, in the tutorial and in the chapters
EPOCHS = 20  # in the blog post and in the chapters; the tutorial has 10
WAYS = ("theirs", "ours")


@dataclass(frozen=True)
class Job:
    """What every way works on: a folder in the official layout, and weights of MobileNetV2."""

    photos: Path
    weights: str

    def files(self, split):
        return sorted((self.photos / split).glob("*/*"))


@dataclass(frozen=True)
class Work:
    """How many photos were worked on, and the seconds to add to those between the yields.

    For epochs that were not run, or that the way has timed itself.
    """

    photos: int = 0
    added: float = 0.0


# --- The straightforward way. It must not import the package, which sets TensorFlow's options.


def their_import(job):
    yield
    import matplotlib.pyplot  # noqa: F401
    import tensorflow  # noqa: F401

    yield Work()


def their_dataset(job, split):
    import keras

    return keras.utils.image_dataset_from_directory(
        job.photos / split, shuffle=True, batch_size=32, image_size=SIZE
    )


def their_datasets(job):
    import tensorflow as tf

    train, validation = their_dataset(job, "train"), their_dataset(job, "validation")
    fifth = validation.cardinality() // 5
    datasets = train, validation.skip(fifth), validation.take(fifth)
    return [dataset.prefetch(tf.data.AUTOTUNE) for dataset in datasets]


def their_decode(job):
    train, _, _ = their_datasets(job)
    yield
    for _ in train:
        pass
    yield Work(len(job.files("train")))


def their_layers():
    """Return the small network of chapters 2 to 4, written out; a test holds it to the package."""
    from keras import layers

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
        layers.Dense(2, kernel_initializer="zeros"),
    ]


def their_augmentation():
    from keras import layers

    return [layers.RandomFlip("horizontal"), layers.RandomRotation(0.05)]


def their_compile(model, optimizer="adam"):
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def their_small_model(*front, halved=True):
    """Build the network of chapters 2 to 4, with random layers on the full picture if any.

    To look at half the width and height only is a choice of ours, for speed; no tutorial makes it.
    """
    import keras
    from keras import layers

    halving = [layers.AveragePooling2D(2)] if halved else []
    return their_compile(
        keras.Sequential([keras.Input((*SIZE, 3)), *front, *halving, *their_layers()])
    )


def their_transfer_model(job, first_trainable=None):
    """Build the tutorial's model; fine-tuning there trains the base from layer 100 on."""
    import keras
    from keras import layers

    base = keras.applications.MobileNetV2((*SIZE, 3), include_top=False, weights=job.weights)
    for layer in base.layers[:first_trainable]:
        layer.trainable = False
    inputs = keras.Input((*SIZE, 3))
    x = keras.Sequential(their_augmentation())(inputs)
    x = keras.applications.mobilenet_v2.preprocess_input(x)
    x = layers.GlobalAveragePooling2D()(base(x, training=False))
    outputs = layers.Dense(2)(layers.Dropout(0.2)(x))
    optimizer = keras.optimizers.RMSprop(1e-5) if first_trainable else keras.optimizers.Adam(1e-4)
    return their_compile(keras.Model(inputs, outputs), optimizer)


def their_warm_up(model, train, validation):
    """Let Keras build its functions, on one batch."""
    model.fit(train.take(1), validation_data=validation.take(1), verbose=0)


def their_training(model, train, validation):
    """Train the first of 20 epochs; return what the others would take."""
    their_warm_up(model, train, validation)
    start = time.perf_counter()
    model.fit(train, validation_data=validation, verbose=0)
    return (EPOCHS - 1) * (time.perf_counter() - start)


def their_epoch(job, model):
    train, validation, _ = their_datasets(job)
    model.fit(train, validation_data=validation, verbose=0)
    yield
    model.fit(train, validation_data=validation, verbose=0)
    yield Work(len(job.files("train")))


def their_plain_epoch(job):
    return their_epoch(job, their_small_model())


def their_augmented_epoch(job):
    return their_epoch(job, their_small_model(*their_augmentation()))


def their_features(job):
    import keras

    train, _, _ = their_datasets(job)
    base = keras.applications.MobileNetV2(
        (*SIZE, 3), include_top=False, weights=job.weights, pooling="avg"
    )
    preprocess = keras.applications.mobilenet_v2.preprocess_input
    yield
    base.predict(train.map(lambda images, labels: preprocess(images)), verbose=0)
    yield Work(len(job.files("train")))


def their_transfer(job):
    train, validation, _ = their_datasets(job)
    yield
    model = their_transfer_model(job)
    yield Work(len(job.files("train")), their_training(model, train, validation))


def their_head_epoch(job):
    return their_epoch(job, their_transfer_model(job))


def their_fine_tuning(job):
    return their_epoch(job, their_transfer_model(job, first_trainable=100))


def their_prediction(job):
    model, dataset = their_transfer_model(job), their_dataset(job, "validation")
    model.predict(dataset, verbose=0)
    yield
    model.predict(dataset, verbose=0)
    yield Work(len(job.files("validation")))


def their_check(job):
    """Decode every file, one after the other, and collect those that fail."""
    import tensorflow as tf

    files = job.files("train") + job.files("validation")
    yield
    bad = []
    for path in files:
        try:
            tf.io.decode_image(tf.io.read_file(str(path)))
        except tf.errors.InvalidArgumentError:
            bad.append(path)
    yield Work(len(files))


def their_drawing(job, number=300):
    """Draw one picture after the other: no tutorial draws, so this is ours without its processes.

    A tenth of the whole sample, which has 3,000.
    """
    from PIL import Image

    from catdog_helpers import sample

    with tempfile.TemporaryDirectory() as folder:
        yield
        for seed in range(number):
            picture = sample.draw(("cat", "dog")[seed % 2], seed)
            Image.fromarray(picture).save(Path(folder, f"{seed}.jpg"), quality=92)
        yield Work(number)


def their_series(job):
    yield
    from keras import layers

    train, validation, test = their_datasets(job)
    scaling = layers.Rescaling(1 / 127.5, offset=-1)
    fronts = [], their_augmentation(), [*their_augmentation(), scaling]
    models = [their_small_model(*front, halved=False) for front in fronts]
    models.append(their_transfer_model(job))
    not_run = sum(their_training(model, train, validation) for model in models)
    for model in models:
        model.evaluate(test, verbose=0)
    yield Work(len(job.files("train")), not_run)


# --- Our way, as in the chapters


def our_import(job):
    yield
    from catdog_helpers import data, models, plots, results, scoring, training  # noqa: F401

    yield Work()


def our_import_alone(job):
    yield
    import catdog_helpers  # noqa: F401

    yield Work()


def our_datasets(job):
    from catdog_helpers import data

    train, validation, _ = data.load_splits(job.photos)
    return data.make_dataset(train, shuffle=True), data.make_dataset(validation)


def our_decode(job):
    import tensorflow  # noqa: F401

    from catdog_helpers import data

    train, _, _ = data.load_splits(job.photos)
    yield
    for _ in data.make_dataset(train, shuffle=True):
        pass
    yield Work(len(train))


def our_epoch(job, build):
    train, validation = our_datasets(job)
    model = build(steps=EPOCHS * len(train))
    seconds = our_training(model, train, validation)
    yield
    yield Work(len(job.files("train")), seconds)


def our_training(model, train, validation):
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


def our_plain_epoch(job):
    from catdog_helpers import models

    return our_epoch(job, models.build_first)


def our_augmented_epoch(job):
    from catdog_helpers import models

    return our_epoch(job, models.build_augmented)


def our_features(job):
    from catdog_helpers import data, models

    train, _, _ = data.load_splits(job.photos)
    yield
    models.extract_features_of_files(train, job.weights)
    yield Work(len(train))


def our_activations(job, backbone):
    """Decode, mirror, and run everything up to the cut; returns two pairs with labels."""
    import numpy as np

    from catdog_helpers import data, models

    train, validation, _ = data.load_splits(job.photos)
    extract = models.feature_extractor(models.split_backbone(backbone)[0])
    images = data.load_images(train)
    activations = np.concatenate([extract(each) for each in (images, images[:, :, ::-1])])
    labelled = activations, np.concatenate([train.labels, train.labels])
    held_out = extract(data.load_images(validation))
    return labelled, (held_out, validation.labels)


def our_head(number_of_features):
    import keras
    from keras import layers

    from catdog_helpers import models

    inputs = keras.Input((number_of_features,))
    head = keras.Sequential([inputs, layers.Dropout(0.3), layers.Dense(2)], name="head")
    return models.compile_classifier(head, keras.optimizers.Adam(1e-3))


def our_whole_model(backbone, head):
    import keras
    from keras import layers

    from catdog_helpers import models

    parts = [backbone, layers.GlobalAveragePooling2D(), *head.layers]
    return models.compile_classifier(keras.Sequential(parts, name="transfer"), "sgd")


def our_pooled_features(job, backbone):
    """Two pairs with labels, the mirror images of the training photos included."""
    import keras
    from keras import layers

    from catdog_helpers import models

    _, upper = models.split_backbone(backbone)
    extract = models.feature_extractor(keras.Sequential([upper, layers.GlobalAveragePooling2D()]))
    return [
        (extract(activations), labels) for activations, labels in our_activations(job, backbone)
    ]


def our_head_epoch(job):
    from catdog_helpers import models

    train, validation = our_pooled_features(job, models.build_backbone(job.weights))
    seconds = our_training(our_head(train[0].shape[1]), train, validation)
    yield
    yield Work(len(train[1]), seconds)


def our_transfer_model(job):
    """Features once, then 20 epochs of the head: chapter 5 up to its transfer model."""
    from catdog_helpers import models, training

    backbone = models.build_backbone(job.weights)
    train, validation = our_pooled_features(job, backbone)
    head = our_head(train[0].shape[1])
    training.fit(head, train, validation, EPOCHS, progress=False)
    return our_whole_model(backbone, head)


def our_transfer(job):
    from catdog_helpers import data, training  # noqa: F401

    data.load_splits(job.photos)  # looks all photos over the first time
    yield
    our_transfer_model(job)
    yield Work(len(job.files("train")))


def our_fine_tuning(job):
    import keras
    from keras import layers

    from catdog_helpers import models

    backbone = models.build_backbone(job.weights)
    _, upper = models.split_backbone(backbone)
    train, validation = our_activations(job, backbone)
    models.unfreeze(upper)
    pool = layers.GlobalAveragePooling2D()
    top = keras.Sequential([keras.Input(train[0].shape[1:]), upper, pool, layers.Dense(2)])
    models.compile_classifier(top, keras.optimizers.Adam(3e-5))
    seconds = our_training(top, train, validation)
    yield
    yield Work(len(train[1]), seconds)


def our_prediction(job):
    from catdog_helpers import data, models, scoring

    _, validation, _ = data.load_splits(job.photos)
    backbone = models.build_backbone(job.weights)
    model = our_whole_model(backbone, our_head(backbone.output.shape[-1]))
    scoring.predict_probabilities(model, data.load_images(validation))
    yield
    scoring.predict_probabilities(model, data.load_images(validation))
    yield Work(len(validation))


def our_check(job):
    from catdog_helpers import checks

    yield
    report = checks.check(job.photos)
    yield Work(len(report.pictures))


def our_drawing(job):
    from catdog_helpers import sample

    with tempfile.TemporaryDirectory() as folder:
        yield
        sample.make_sample(Path(folder, "sample"))
        yield Work(3000)


def our_series(job):
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CATDOG_CACHE"] = cache  # nothing is known yet of these photos
        yield
        from catdog_helpers import data, models, scoring, training

        finished = []
        for build in (models.build_first, models.build_augmented, models.build_preprocessed):
            train, validation = our_datasets(job)  # each chapter makes its own
            finished.append(build(steps=EPOCHS * len(train)))
            training.fit(finished[-1], train, validation, EPOCHS, progress=False)
        finished.append(our_transfer_model(job))
        _, _, test = data.load_splits(job.photos)
        images = data.load_images(test)
        for model in finished:
            scoring.score(model, [(images, test.labels)])
        yield Work(len(job.files("train")))


# --- Stages


@dataclass(frozen=True)
class Stage:
    """One piece of work, done both ways."""

    title: str
    theirs: Callable | None
    ours: Callable
    note: str = ""
    each: bool = False  # milliseconds for each photo, instead of seconds for all


TWENTY = "theirs: 20 x one epoch"
STAGES = {
    "package": Stage("import the package alone", None, our_import_alone, "loads no TensorFlow"),
    "import": Stage("import all for a chapter", their_import, our_import),
    "decode": Stage(
        "decode the training photos", their_decode, our_decode, "ours: upright, smoothed, once"
    ),
    "plain": Stage("plain epoch", their_plain_epoch, our_plain_epoch, "after the first"),
    "augmented": Stage(
        "augmented epoch", their_augmented_epoch, our_augmented_epoch, "after the first"
    ),
    "features": Stage(
        "features of the training photos", their_features, our_features, "ours on 192 pixels"
    ),
    "head": Stage(
        "head epoch, frozen backbone", their_head_epoch, our_head_epoch, "ours: on features"
    ),
    "transfer": Stage(
        "transfer learning", their_transfer, our_transfer, f"{TWENTY}; ours: also mirror images"
    ),
    "fine-tuning": Stage(
        "fine-tuning epoch", their_fine_tuning, our_fine_tuning, "ours: also mirror images"
    ),
    "prediction": Stage(
        "prediction, a photo", their_prediction, our_prediction, "ours on 192 pixels", each=True
    ),
    "check": Stage("check the photos", their_check, our_check, "ours also finds copies"),
    "drawing": Stage(
        "drawing, a picture", their_drawing, our_drawing, "theirs: in one process", each=True
    ),
    "series": Stage(
        "the blog post's series", their_series, our_series, f"{TWENTY}, on full pictures"
    ),
}


# --- Measuring


def measure(stage, way, job):
    """Run one way of a stage in this process."""
    steps = getattr(STAGES[stage], way)(job)
    next(steps)
    start = time.perf_counter()
    work = next(steps)
    seconds = time.perf_counter() - start + work.added
    return {"seconds": seconds, "photos": work.photos, "peak_memory": peak_memory()}


def peak_memory():
    """Return the most bytes of memory that this process has had; its children do not count."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


class MeasurementError(Exception):
    """A measurement that failed; the message is one line."""


def measure_apart(stage, way, job):
    """Run one way of a stage in a fresh process, with TensorFlow's options as they come."""
    arguments = ["--measure", stage, way, "--photos", job.photos, "--weights", job.weights]
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        env=environment | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise MeasurementError(f"{stage}, {way}: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_all(stages, job, repeats):
    """Let the ways of each stage take turns; returns {stage: {way: list of measurements}}."""
    measured = {}
    for stage in stages:
        ways = [way for way in WAYS if getattr(STAGES[stage], way)]
        measured[stage] = {way: [] for way in ways}
        for _ in range(repeats):
            for way in ways:
                measured[stage][way].append(measure_apart(stage, way, job))
                seconds = measured[stage][way][-1]["seconds"]
                print(f"{stage}, {way}: {seconds:.2f} s", file=sys.stderr, flush=True)
    return measured


# --- Results


def summary(stage, measured):
    """Return median, range and peak of each way, and the ratio of the medians."""
    ways = {way: way_summary(STAGES[stage], each) for way, each in measured.items()}
    ratio = ways["theirs"]["median"] / ways["ours"]["median"] if "theirs" in ways else None
    title, note = STAGES[stage].title, STAGES[stage].note
    return {"title": title, "note": note, "ratio": ratio, **ways}


def way_summary(stage, measured):
    values = [
        1000 * each["seconds"] / each["photos"] if stage.each else each["seconds"]
        for each in measured
    ]
    return {
        "unit": "ms" if stage.each else "s",
        "median": statistics.median(values),
        "range": [min(values), max(values)],
        "peak_memory": max(each["peak_memory"] for each in measured),
        "photos": measured[0]["photos"],
        "values": values,
    }


def machine():
    """Describe the machine in one line."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras")]
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GB"
    cores = f"{os.cpu_count()} cores"
    python = f"Python {platform.python_version()}"
    return ", ".join([platform.platform(), processor(), cores, memory, python, *versions])


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # another system, or another kind of processor
        return platform.processor() or platform.machine()


def table(summaries, repeats):
    """Write the results as a Markdown table with the machine below it."""
    rows = [
        ["stage", "straightforward", "ours", "ratio", "peak memory", "remarks"],
        ["---"] * 6,
        *(table_row(each) for each in summaries.values()),
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    about = f"Median of {repeats} (lowest to highest), each in a process of its own."
    return "\n".join([*lines, "", f"{about} {machine()}."])


def table_row(summary):
    ways = [summary.get(way) for way in WAYS]
    times = [time_text(way) if way else "" for way in ways]
    ratio = f"{summary['ratio']:.1f}" if summary["ratio"] else ""
    peaks = " / ".join(f"{way['peak_memory'] / 1e9:.2f}" for way in ways if way)
    return [summary["title"], *times, ratio, f"{peaks} GB", summary["note"]]


def time_text(way):
    values = [way["median"], *way["range"]]
    median, low, high = (f"{value:.0f}" if value >= 100 else f"{value:#.3g}" for value in values)
    return f"{median} {way['unit']} ({low} to {high})"


# --- Command line


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", required=True, metavar="PATH", help="folder or zip archive")
    parser.add_argument("--weights", required=True, metavar="PATH", help="MobileNetV2 without top")
    parser.add_argument("--json", metavar="FILE", help="also write all numbers there")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--only", metavar="STAGE,...", help=", ".join(STAGES))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def checked(options):
    """Return the stages and the job that were asked for.

    Raises
    ------
    ValueError
        If something is wrong with the options; the message is one line.
    """
    from catdog_helpers import checks

    stages = options.only.split(",") if options.only else list(STAGES)
    if unknown := ", ".join(name for name in stages if name not in STAGES):
        raise ValueError(f"no stage {unknown}; there are {', '.join(STAGES)}")
    if options.repeats < 1:
        raise ValueError(f"--repeats is {options.repeats}; give 1 or more")
    if options.weights != "imagenet" and not Path(options.weights).is_file():
        raise ValueError(f"no weights file at {options.weights}; give its path, or imagenet")
    root, layout = checks.find_layout(options.photos)
    if layout != "official":
        raise ValueError(f"{options.photos} has the {layout} layout; give the official one")
    return stages, Job(root.resolve(), options.weights)


def main(arguments=None):
    """Measure and print; exit code 0, 1 if a measurement failed, 2 for bad input."""
    options = parse(arguments)
    if options.measure:
        job = Job(Path(options.photos), options.weights)
        print(json.dumps(measure(*options.measure, job)))
        return 0
    from catdog_helpers import CatdogError

    with tempfile.TemporaryDirectory() as cache, patch.dict(os.environ, CATDOG_CACHE=cache):
        try:
            stages, job = checked(options)
            return report(measure_all(stages, job, options.repeats), options)
        except (CatdogError, MeasurementError, ValueError) as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return 1 if isinstance(error, MeasurementError) else 2


def report(measured, options):
    summaries = {stage: summary(stage, ways) for stage, ways in measured.items()}
    print(table(summaries, options.repeats))
    if options.json:
        about = {"machine": machine(), "repeats": options.repeats, "stages": summaries}
        Path(options.json).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
