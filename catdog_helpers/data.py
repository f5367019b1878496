"""A source's splits, and arrays and datasets made from them."""

import errno
import stat
import zlib
from dataclasses import dataclass, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from catdog_helpers import CatdogError, n_cpus
from catdog_helpers.drawing import sample
from catdog_helpers.files.checks import check
from catdog_helpers.files.decisions import apply_decisions
from catdog_helpers.files.download import fetch
from catdog_helpers.files.images import PHOTO_FORMATS, read_image
from catdog_helpers.files.layouts import (
    CLASS_NAMES,
    FEWEST,
    SPLIT_NAMES,
    Problem,
    find_layout,
    list_images,
)
from catdog_helpers.files.paths import cache_folder, counted, printable, reason
from catdog_helpers.machine import free_memory
from catdog_helpers.quiet_tensorflow import tf

IMAGE_SIZE = 160
# Decoded images stay in memory while one split takes at most this share of what is free: the
# other splits, the model and its gradients need room too.
_MEMORY_SHARE = 0.3
_CHECK = "python -m catdog_helpers check PATH"
# A link to nothing or to itself, or no permission.
_UNREADABLE = (errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM)
_LISTED = 10  # problems that a chapter shows before it says how many more there are


@dataclass(frozen=True)
class Split:
    """One list of files with their labels: the single truth about who is in which split.

    Attributes
    ----------
    name : ``"train"``, ``"validation"`` or ``"test"``
    paths : tuple of Path, length n
    labels : int32 array, shape (n,)
        Cats and dogs are always 0 and 1.
    class_names : tuple of str, the name of each label
    skipped : tuple of Problem, the bad files that were left out
    """

    name: str
    paths: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES
    skipped: tuple[Problem, ...] = ()

    def __len__(self):
        return len(self.paths)

    def counts(self):
        """Count the images of each class, as ``{class name: n}``."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def chunks(self, size):
        """Cut the list into lists of at most ``size`` images."""
        starts = range(0, len(self), size)
        return [self.take(range(start, min(start + size, len(self)))) for start in starts]

    def take(self, indices):
        """Return the list of some of the images, in the order of their indices, n of them."""
        paths = tuple(self.paths[i] for i in indices)
        return replace(self, paths=paths, labels=self.labels[list(indices)])


def load_splits(source, *, skip=False, decisions=""):
    """Find the images of a source, check them, and list which file is in which split.

    Parameters
    ----------
    source : str or path-like
        ``"sample"``, ``"photos"``, or a folder or zip archive, see `files.layouts`.
    skip : bool
        Go on without the files that have errors; they are printed, and kept in ``skipped``.
    decisions : str or path-like
        A file that changes labels or leaves images out, see `files.decisions`.

    Returns
    -------
    tuple of three Split: train, validation, test
        Dealt out by the rule in `files.layouts`.

    Raises
    ------
    CatdogError
        If the source cannot be had, or has errors that are not to be skipped; or if the
        decisions do not fit.
    """
    report = check(_locate(source))
    images = {image.path.relative_to(report.root).as_posix(): image for image in report.images}
    bad = {error.path: error for error in report.errors}
    skippable = bad.keys() <= images.keys()
    if bad and not (skip and skippable):
        listed = "; ".join(map(str, report.errors[:_LISTED]))
        n = len(report.errors)
        listed += f"; and {n - _LISTED} more" if n > _LISTED else ""
        if not skippable:  # of a folder: a warning about files that are not used may say why
            listed += "".join(f"; warning: {each}" for each in report.warnings[:_LISTED])
        leave_out = ", or leave these files out (SKIP_BAD_FILES = True in a chapter)"
        raise CatdogError(
            f"{counted(n, 'error')} in {printable(report.root)}: {listed}. "
            f"Fix {'it' if n == 1 else 'them'} ({_CHECK} lists all){leave_out if skippable else ''}"
        )
    for grade, problems in (("warning", report.warnings), ("left out", report.errors)):
        for problem in problems[:_LISTED]:
            print(f"{grade}: {problem}")
        if len(problems) > _LISTED:
            print(f"{grade}: {len(problems) - _LISTED} more, listed by {_CHECK}")
    class_names = report.layout.class_names
    decided = apply_decisions(decisions, images, class_names)
    if decisions:
        n_relabeled = sum(images[name].label != decided[name].label for name in decided)
        texts = counted(n_relabeled, "label"), counted(len(images) - len(decided), "image")
        print("{} changed and {} left out, as {} says".format(*texts, Path(decisions).name))
    images = decided
    return tuple(_split(name, images, bad, class_names) for name in SPLIT_NAMES)


def splits_of(run):
    """List the files of a run, see `load_splits`, by what chapter 1 began it with.

    Raises
    ------
    CatdogError
        As `load_splits` does, and if files were added, removed or changed since chapter 1.
    """
    run.check_files(list_files(run.data, run.decisions))
    return load_splits(run.data, skip=run.skip_bad_files, decisions=run.decisions)


def list_files(source, decisions=""):
    """Describe all images of a source, bad ones too, to tell later whether anything has changed.

    Returns
    -------
    dict of str to str
        By the name in the folder: split, label and CRC-32 of the bytes, as ``"train 0 3b1f90c2"``.

    Raises
    ------
    CatdogError
        If the source cannot be had, the decisions do not fit (see `files.decisions`), or a file
        cannot be read just now.
    """
    root, layout = find_layout(_locate(source))
    images = {each.path.relative_to(root).as_posix(): each for each in list_images(root, layout)[0]}
    images = apply_decisions(decisions, images, layout.class_names)
    with ThreadPool(n_cpus()) as pool:
        checksums = pool.map(_checksum, (image.path for image in images.values()))
    return {
        name: f"{image.split} {image.label} {checksum:08x}"
        for (name, image), checksum in zip(images.items(), checksums, strict=True)
    }


def find_class_names(source):
    """Return the names of the classes of a source, a tuple of str; raises as `list_files` does."""
    return find_layout(_locate(source))[1].class_names


def find_root(source):
    """Return the folder with the images of a source, a Path; raises as `list_files` does."""
    return find_layout(_locate(source))[0]


def _checksum(path):
    """Return the CRC-32 of a file, 0 for what `check` refuses: a file that nobody can read.

    Any other error may be gone in a moment, and a run must not remember it as the contents.
    """
    try:
        regular = stat.S_ISREG(path.stat().st_mode)  # a named pipe would make us wait forever
        return zlib.crc32(path.read_bytes()) if regular else 0
    except OSError as error:
        if error.errno in _UNREADABLE:
            return 0
        raise CatdogError(
            f"cannot read {printable(path)}: {reason(error)}; try again, or take the file away"
        ) from error


def _locate(source):
    """Return the folder or archive that a source names."""
    if source == "photos":
        return fetch()
    if source == "sample":  # drawn anew when the code that draws it has changed
        return sample.make_sample(cache_folder() / f"sample-{sample.code_hash()}", seed=0)
    if not Path(source).expanduser().exists():
        raise CatdogError(
            f"no data source {printable(source)}: there are sample, photos, and the path of a "
            "folder or zip archive of your own"
        )
    return source


def _split(name, images, bad, class_names):
    mine = [(key, image) for key, image in images.items() if image.split == name]
    good = sorted((image for key, image in mine if key not in bad), key=lambda each: each.label)
    skipped = tuple(bad[key] for key, _ in mine if key in bad)
    labels = np.array([image.label for image in good], dtype="int32")
    split = Split(name, tuple(image.path for image in good), labels, class_names, skipped)
    fewest, counts = FEWEST[name], split.counts()
    if min(counts.values()) < fewest:
        raise CatdogError(
            f"without the files left out, {name} has only {counts}: it needs {fewest} of each "
            "class, so add images"
        )
    return split


def load_images(split, image_size=IMAGE_SIZE):
    """Decode all images of a split once, in parallel, each resized to a square.

    Returns
    -------
    uint8 array, shape (n, image_size, image_size, 3), values 0..255

    Raises
    ------
    CatdogError
        If a file cannot be decoded, or the memory does not hold them all.
    """
    needed, free = _bytes_needed(split, image_size), free_memory()
    if needed > free:
        n_images = counted(len(split), "image")
        raise CatdogError(
            f"{n_images} of {split.name} would take {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free; use make_dataset, which reads in batches"
        )
    images = np.empty((len(split), image_size, image_size, 3), dtype="uint8")

    def load(index):
        images[index] = read_image(split.paths[index], image_size)

    with ThreadPool(n_cpus()) as pool:
        pool.map(load, range(len(split)))
    return images


def load_photo(path, image_size=IMAGE_SIZE):
    """Decode one photo of the user's own, which may come in more formats than a data set.

    Returns and raises as `load_images` does, with n = 1.
    """
    return read_image(path, image_size, PHOTO_FORMATS)[np.newaxis]


def make_dataset(split, *, image_size=IMAGE_SIZE, batch_size=32, shuffle=False, seed=0):
    """Make a ``tf.data.Dataset`` of (images, labels) batches from a list of files.

    Images are decoded once and kept in memory as uint8 while they take less than a third of what
    is free; otherwise every pass decodes them anew, and a printed line says so. The batches are
    the same either way. Shuffled, they come in a new order in every pass, fixed by the seed.

    Returns
    -------
    tf.data.Dataset of (uint8 (batch, image_size, image_size, 3), int32 (batch,))
        Images with values 0..255, and labels.

    Raises
    ------
    CatdogError
        If a file cannot be decoded (while the dataset is read, where it decodes in every pass).
    """

    def read(index):
        return read_image(split.paths[index], image_size)

    def decode(index):
        image = tf.numpy_function(read, [index], tf.uint8, stateful=False)
        return tf.ensure_shape(image, (image_size, image_size, 3)), labels[index]

    labels = tf.constant(split.labels)
    images = _untuned(tf.data.Dataset.range(len(split)))
    needed, free = _bytes_needed(split, image_size), free_memory()
    in_memory = needed <= _MEMORY_SHARE * free
    if in_memory:
        images = images.map(decode, num_parallel_calls=tf.data.AUTOTUNE).cache()
        images.reduce(0, lambda count, _: count + 1)  # decodes now, not in the first epoch
    if shuffle:
        images = images.shuffle(len(split), seed=seed)
    if not in_memory:
        print(
            f"{split.name}: {counted(len(split), 'image')} would take {needed / 1e9:.1f} GB, more "
            f"than {_MEMORY_SHARE:.0%} of {free / 1e9:.1f} GB of free memory; "
            "every pass decodes them anew"
        )
        images = images.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return images.batch(batch_size).prefetch(2)


def batch_arrays(arrays, batch_size=32, *, shuffle=False):
    """Make a ``tf.data.Dataset`` of batches from arrays (n, ...), or a tuple of them.

    Those that Keras 3.15 makes itself have one order for all epochs once a seed is set, and wait
    for TensorFlow's tuning. Shuffled, these come in a new order in every pass, which
    `training.set_seed` repeats.
    """
    rows = _untuned(tf.data.Dataset.from_tensor_slices(arrays))
    if shuffle:
        rows = rows.shuffle(len(rows))
    return rows.batch(batch_size).prefetch(2)


def _untuned(dataset):
    """Switch off the thread that tunes a pipeline while it runs, here and in what is made of it.

    It sleeps twice as long each time, misses the call to stop, and the end of every pass waits for
    it: 2.5 s for a pass of 1.2 s (TensorFlow 2.21, ``Model::OptimizeLoop``).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _bytes_needed(split, image_size):
    return len(split) * image_size * image_size * 3
