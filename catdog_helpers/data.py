"""Where pictures come from, which file is in which split, and datasets made from those lists."""

import contextlib
import hashlib
from dataclasses import dataclass, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import psutil

from catdog_helpers import CatdogError
from catdog_helpers.checks import CLASS_NAMES, SPLIT_NAMES, Problem, check, read_picture, shown
from catdog_helpers.download import cache_folder, fetch

IMAGE_SIZE = 160
# Decoded pictures stay in memory while one split takes at most this share of what is free: the
# other splits, the model and its gradients need room too.
MEMORY_SHARE = 0.3
CHECK = "python -m catdog_helpers check PATH"
PROCESS_CGROUP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


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

    def portions(self, size):
        """Cut the list into lists of at most ``size`` pictures."""
        cuts = [slice(start, start + size) for start in range(0, len(self), size)]
        return [replace(self, paths=self.paths[cut], labels=self.labels[cut]) for cut in cuts]


def load_splits(source, *, skip=False):
    """Find the pictures of a source, check them, and list which file is in which split.

    Parameters
    ----------
    source : str or path-like
        ``"sample"``, ``"photos"``, or a folder or zip archive in the official, Kaggle or
        Asirra layout.
    skip : bool
        Go on without the files that have errors; they are printed, and kept in ``skipped``.

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
    skippable = bad.keys() <= pictures.keys()
    if bad and not (skip and skippable):
        raise CatdogError(_error_text(report, skippable))
    print(*_listed("warning", report.warnings), *_listed("left out", report.errors), sep="", end="")
    return tuple(_split(name, pictures, bad) for name in SPLIT_NAMES)


def _listed(grade, problems, most=10):
    """Return a line for each problem, and one more where there are too many for a notebook."""
    lines = [f"{grade}: {problem}\n" for problem in problems[:most]]
    if len(problems) > most:
        lines.append(f"{grade}: {len(problems) - most} more, listed by {CHECK}\n")
    return lines


def _locate(source):
    """Return the folder or archive that a source names."""
    if source == "photos":
        return fetch()
    if source == "sample":
        return _sample_folder()
    if not Path(source).expanduser().exists():
        raise CatdogError(
            f"no data source {shown(source)}: there are sample, photos, and the path of a "
            "folder or zip archive of your own"
        )
    return source


def _sample_folder():
    """Return the sample in the cache; drawn anew when the code that draws it has changed."""
    from catdog_helpers import sample

    version = hashlib.sha256(Path(sample.__file__).read_bytes()).hexdigest()[:12]
    return sample.make_sample(cache_folder() / f"sample-{version}", seed=0)


def _error_text(report, skippable, most=10):
    """Put the errors of a report and the way out on one line."""
    listed = "; ".join(map(str, report.errors[:most]))
    more = f"; and {len(report.errors) - most} more" if len(report.errors) > most else ""
    way_out = ", or leave these files out (SKIP_BAD_FILES = True in a chapter)" if skippable else ""
    return (
        f"{len(report.errors)} errors in {shown(report.root)}: {listed}{more}. Mend them "
        f"({CHECK} lists all){way_out}"
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


def load_images(split, image_size=IMAGE_SIZE):
    """Decode all pictures of a split once, in parallel.

    Parameters
    ----------
    split : Split
    image_size : int
        Side of the square that every picture is resized to.

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
        raise CatdogError(
            f"{len(split)} pictures of {split.name} take {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free; use make_dataset, which reads in portions"
        )
    images = np.empty((len(split), image_size, image_size, 3), dtype="uint8")

    def load(index):
        images[index] = read_picture(split.paths[index], image_size)

    with ThreadPool() as pool:
        pool.map(load, range(len(split)))
    return images


def make_dataset(split, *, image_size=IMAGE_SIZE, batch_size=32, shuffle=False, seed=0):
    """Make a ``tf.data.Dataset`` of (images, labels) batches from a list of files.

    Pictures are decoded once and kept in memory as uint8 while they take at most
    ``MEMORY_SHARE`` of what is free; otherwise every pass decodes them anew, and a printed
    line says so. The batches are the same either way.

    Parameters
    ----------
    split : Split
    image_size : int
        Side of the square that every picture is resized to.
    batch_size : int
    shuffle : bool
        Take the pictures in a new order in every pass.
    seed : int
        The same seed gives the same orders.

    Returns
    -------
    tf.data.Dataset of (uint8 (batch, image_size, image_size, 3), int32 (batch,))
        Images with values 0..255, and labels.
    """
    import tensorflow as tf

    def read(index):
        return read_picture(split.paths[index], image_size)

    def decode(index):
        image = tf.numpy_function(read, [index], tf.uint8, stateful=False)
        return tf.ensure_shape(image, (image_size, image_size, 3)), labels[index]

    labels = tf.constant(split.labels)
    pictures = _untuned(tf.data.Dataset.range(len(split)))
    in_memory = _fits_in_memory(split, image_size)
    if in_memory:
        pictures = pictures.map(decode, num_parallel_calls=tf.data.AUTOTUNE).cache()
        pictures.reduce(0, lambda count, _: count + 1)  # decodes now, not in the first epoch
    if shuffle:
        pictures = pictures.shuffle(len(split), seed=seed)
    if not in_memory:
        pictures = pictures.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return pictures.batch(batch_size).prefetch(2)


def batch_arrays(arrays, batch_size=32, *, shuffle=False):
    """Make a ``tf.data.Dataset`` of batches from arrays.

    Those that Keras 3.15 makes itself have one order for all epochs once a seed is set, and wait
    for TensorFlow's tuning.

    Parameters
    ----------
    arrays : array or tuple of arrays, shapes (n, ...)
    batch_size : int
    shuffle : bool
        Take the rows in a new order in every pass; `training.set_seed` repeats the orders.

    Returns
    -------
    tf.data.Dataset of arrays (batch, ...)
    """
    import tensorflow as tf

    rows = _untuned(tf.data.Dataset.from_tensor_slices(arrays))
    if shuffle:
        rows = rows.shuffle(len(rows))
    return rows.batch(batch_size).prefetch(2)


def _untuned(dataset):
    """Switch off the thread that tunes a pipeline while it runs, here and in what is made of it.

    The end of every pass waits for that thread, which sleeps twice as long each time, and mostly
    misses the call to wake up: it is called before it is told to stop (TensorFlow 2.21,
    ``Model::OptimizeLoop`` and ``CancellationManager::StartCancel``). A pass of 1.2 s can so take
    2.5 s.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _bytes_needed(split, image_size):
    return len(split) * image_size * image_size * 3


def _fits_in_memory(split, image_size):
    needed, free = _bytes_needed(split, image_size), free_memory()
    if needed <= MEMORY_SHARE * free:
        return True
    print(
        f"{split.name}: {len(split)} pictures take {needed / 1e9:.1f} GB, more than "
        f"{MEMORY_SHARE:.0%} of {free / 1e9:.1f} GB of free memory; every pass decodes them anew"
    )
    return False


def free_memory():
    """Return the bytes of memory that are free, within the limit of a container if there is one.

    Limits are read as Linux gives them (cgroup v2,
    https://docs.kernel.org/admin-guide/cgroup-v2.html); file caches count as free.
    """
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # another system, or no limit ("max")
        group = CGROUPS / PROCESS_CGROUP.read_text().strip().rpartition("::/")[2]
        limit = int((group / "memory.max").read_text())
        facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        free = min(free, limit - int(facts["anon"]))
    return free
