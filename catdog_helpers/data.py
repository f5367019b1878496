"""Where pictures come from, which file is in which split, and datasets made from those lists."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from catdog_helpers import CatdogError
from catdog_helpers.checks import CLASS_NAMES, SPLIT_NAMES, Problem, check, read_picture, shown
from catdog_helpers.download import cache_folder, fetch, unpack

IMAGE_SIZE = 160
# Decoded pictures stay in memory while they take at most this share of what is free: while a
# dataset is made there are two copies of them for a moment, and training needs room too.
MEMORY_SHARE = 0.25


@dataclass(frozen=True)
class Split:
    """One list of files with their labels: the single truth about who is in which split.

    Attributes
    ----------
    name : str
        ``"train"``, ``"validation"`` or ``"test"``.
    paths : tuple of Path, length n
    labels : int32 array, shape (n,)
        0 for cats, 1 for dogs.
    class_names : tuple of str
        The name of each label.
    skipped : tuple of Problem
        The bad files that were left out, with the reasons.
    """

    name: str
    paths: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES
    skipped: tuple[Problem, ...] = ()

    def __len__(self):
        return len(self.paths)

    def counts(self):
        """Count the pictures of each class, as ``{class name: number}``."""
        numbers = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, numbers.tolist(), strict=True))


def load_splits(source, *, skip=False):
    """Find the pictures of a source, check them, and list which file is in which split.

    Parameters
    ----------
    source : str or path-like
        ``"sample"``, ``"photos"``, or a folder or zip archive in the official, Kaggle or
        Asirra layout.
    skip : bool
        Go on without the files that have errors, and list them.

    Returns
    -------
    tuple of three Split: train, validation, test
        Official layout: ``train/``; four fifths of ``validation/``; every fifth file of each
        class there, sorted by name. Other layouts: 70, 20 and 10 in a hundred.

    Raises
    ------
    CatdogError
        If the source cannot be had, or has errors that are not to be skipped.
    """
    report = check(_locate(source), reuse=True)
    pictures = {p.path.relative_to(report.root).as_posix(): p for p in report.pictures}
    bad = {error.path: error for error in report.errors}
    if bad and not (skip and bad.keys() <= pictures.keys()):
        raise CatdogError(_summary(report))
    for problem in report.warnings:
        print(f"warning: {problem}")
    for problem in report.errors:
        print(f"left out: {problem}")
    return tuple(_split(name, pictures, bad) for name in SPLIT_NAMES)


def _locate(source):
    """Return the folder or archive that a source names."""
    if source == "photos":
        return unpack(fetch())
    if source == "sample":
        return _sample_folder()
    if not Path(source).expanduser().exists():
        raise CatdogError(
            f"no data source {shown(source)}: there are sample, photos, and the path of a "
            "folder or zip archive of your own"
        )
    return source


def _sample_folder():
    """Draw the sample where the cache has none that was drawn by the same code."""
    from catdog_helpers import sample

    version = hashlib.sha256(Path(sample.__file__).read_bytes()).hexdigest()[:12]
    folder = cache_folder() / f"sample-{version}"
    return folder if folder.is_dir() else sample.make_sample(folder, seed=0)


def _summary(report, most=10):
    """Put the errors of a report on one line."""
    listed = "; ".join(map(str, report.errors[:most]))
    more = f"; and {len(report.errors) - most} more" if len(report.errors) > most else ""
    return (
        f"{len(report.errors)} errors in {shown(report.root)}: {listed}{more}. "
        "Mend or remove these files, or skip them"
    )


def _split(name, pictures, bad):
    mine = [(key, p) for key, p in pictures.items() if p.split == name]
    good = sorted((p for key, p in mine if key not in bad), key=lambda p: p.label)
    skipped = tuple(bad[key] for key, _ in mine if key in bad)
    labels = np.array([p.label for p in good], dtype="int32")
    split = Split(name, tuple(p.path for p in good), labels, skipped=skipped)
    if 0 in split.counts().values():
        raise CatdogError(f"without the bad files {name} has only {split.counts()}")
    return split


def memory_needed(split, image_size=IMAGE_SIZE):
    """Return the bytes that the decoded pictures of a split take."""
    return len(split) * image_size * image_size * 3


def load_images(split, image_size=IMAGE_SIZE):
    """Decode all pictures of a split once.

    Returns
    -------
    uint8 array, shape (n, image_size, image_size, 3), values 0..255
    """
    images = np.empty((len(split), image_size, image_size, 3), dtype="uint8")

    def load(i):
        images[i] = read_picture(split.paths[i], image_size)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(load, range(len(split))):
            pass
    return images


def make_dataset(split, *, image_size=IMAGE_SIZE, batch_size=32, shuffle=False, seed=0):
    """Make a ``tf.data.Dataset`` of (images, labels) batches from a list of files.

    Pictures are decoded once and kept as uint8 where they take at most ``MEMORY_SHARE`` of the
    free memory; otherwise they are decoded anew in every pass, which a printed line says. With
    ``shuffle`` they come in a new order in every pass, the same for the same seed.

    Returns
    -------
    tf.data.Dataset of (uint8 (batch, image_size, image_size, 3), int32 (batch,))
    """
    import tensorflow as tf

    order = tf.data.Dataset.range(len(split))
    if shuffle:
        order = order.shuffle(len(split), seed=seed)
    labels = tf.constant(split.labels)
    free = psutil.virtual_memory().available
    if memory_needed(split, image_size) <= MEMORY_SHARE * free:
        images = tf.constant(load_images(split, image_size))
        batches = order.batch(batch_size)
        return batches.map(lambda i: (tf.gather(images, i), tf.gather(labels, i))).prefetch(2)
    print(
        f"{split.name}: {memory_needed(split, image_size) / 1e9:.1f} GB of pictures would fill "
        f"more than {MEMORY_SHARE:.0%} of the {free / 1e9:.1f} GB of free memory; they are "
        "decoded anew in every pass"
    )

    def decode(i):
        read = lambda index: read_picture(split.paths[index], image_size)  # noqa: E731
        image = tf.numpy_function(read, [i], tf.uint8)
        return tf.ensure_shape(image, (image_size, image_size, 3)), labels[i]

    return order.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size).prefetch(2)
