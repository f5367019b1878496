"""Where pictures come from, which file is in which split, and datasets made from those lists."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog_helpers import CatdogError
from catdog_helpers.checks import read_picture

CLASS_NAMES = ("cats", "dogs")
IMAGE_SIZE = 160


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
    """

    name: str
    paths: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES

    def __len__(self):
        return len(self.paths)

    def counts(self):
        """Count the pictures of each class, as ``{class name: number}``."""
        numbers = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, numbers.tolist(), strict=True))


def load_splits(source):
    """Find the pictures of a source and list which file is in which split.

    Returns
    -------
    tuple of three Split: train, validation, test
    """
    root = locate(source)
    train = _split("train", [sorted((root / "train" / c).glob("*.jpg")) for c in CLASS_NAMES])
    held_out = [sorted((root / "validation" / c).glob("*.jpg")) for c in CLASS_NAMES]
    validation = _split("validation", [[p for i, p in enumerate(c) if i % 5] for c in held_out])
    test = _split("test", [c[::5] for c in held_out])
    return train, validation, test


def locate(source):
    """Return the folder with ``train/`` and ``validation/`` that a source names."""
    roots = [p.parent for p in Path(source).rglob("validation") if (p.parent / "train").is_dir()]
    if len(roots) != 1:
        raise CatdogError(f"no single folder with train/ and validation/ in {source}")
    return roots[0]


def _split(name, paths_by_class):
    paths = tuple(path for paths in paths_by_class for path in paths)
    labels = np.repeat(np.arange(len(paths_by_class)), [len(p) for p in paths_by_class])
    return Split(name, paths, labels.astype("int32"))


def load_images(split, image_size=IMAGE_SIZE):
    """Decode all pictures of a split once.

    Returns
    -------
    uint8 array, shape (n, image_size, image_size, 3), values 0..255
    """
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(lambda path: read_picture(path, image_size), split.paths)))


def make_dataset(split, *, image_size=IMAGE_SIZE, batch_size=32, shuffle=False, seed=0):
    """Make a ``tf.data.Dataset`` of (images, labels) batches from a list of files.

    Pictures are decoded once and kept as uint8; with ``shuffle`` they come in a new order in
    every pass, the same for the same seed.

    Returns
    -------
    tf.data.Dataset of (uint8 (batch, image_size, image_size, 3), int32 (batch,))
    """
    import tensorflow as tf

    images = tf.constant(load_images(split, image_size))
    labels = tf.constant(split.labels)
    order = tf.data.Dataset.range(len(split))
    if shuffle:
        order = order.shuffle(len(split), seed=seed)
    batches = order.batch(batch_size)
    return batches.map(lambda i: (tf.gather(images, i), tf.gather(labels, i))).prefetch(2)
