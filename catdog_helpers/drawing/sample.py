"""The sample: a data set of drawings of cats and dogs, in a folder of the official layout."""

import hashlib
import io
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from catdog_helpers import CatdogError, n_cpus
from catdog_helpers.drawing.breeds import BREEDS, KINDS
from catdog_helpers.drawing.draw import draw
from catdog_helpers.files.paths import atomic, reason

_IMAGES_PER_SEED = 1_000_000
FEWEST_KINDS, MOST_KINDS = 2, 10
_MOST_WORKERS = 61  # that Windows can wait for
_CHUNK = 25  # images that a worker draws at a time


def code_hash():
    """Name the state of the code that draws, to tell samples of different versions apart.

    Returns
    -------
    str
        12 hex digits, from the bytes of all modules of this folder.
    """
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:12]


def check_seed(seed):
    """Raise a ValueError for a seed, an int, below 0: the pre-training has those."""
    if seed < 0:
        raise ValueError(f"take a seed of 0 or above, not {seed}: the pre-training has those below")


def make_sample(folder, seed=0, train=1000, validation=500):
    """Draw the sample into a folder in the official layout, completely or not at all.

    The images are drawn in processes beside this one, so a script that calls this needs
    ``if __name__ == "__main__":``; a notebook does not.

    Parameters
    ----------
    folder : path-like
        Where ``train/`` and ``validation/`` go, each with ``cats/`` and ``dogs/``. If this very
        sample is there already, it is kept as it is.
    seed : int, 0 or above
        Below it lie the seeds of the pre-training.
    train, validation : int
        How many images, half of them cats and half of them dogs.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the seed is below 0.
    CatdogError
        If the folder has something else in it or cannot be written; no half sample is left.
    """
    check_seed(seed)
    folder = Path(folder)
    files = _files(seed, train, validation)
    return folder if _holds(folder, files) else _make(folder, files)


def make_kinds(folder, kinds, count=100, seed=0):
    """Draw a data set of any animals into a folder in the plain layout, complete or not at all.

    `make_sample` tells what a script needs. The order of the kinds makes no difference; cats and
    dogs alone are those of the sample with the same seed.

    Parameters
    ----------
    folder : path-like
        Where ``<kind>/<kind>.0.jpg`` and so on go; not there yet, or empty.
    kinds : sequence of str
        Two to ten keys of `drawing.breeds.BREEDS`, each once.
    count : int
        How many images of each kind, 1 to 100,000.
    seed : int, 0 or above
        Below it lie the seeds of the pre-training.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If kinds, count or seed are not as above; the message lists the kinds that there are.
    CatdogError
        If the folder is not empty or cannot be written; nothing is left there.
    """
    unknown = [kind for kind in kinds if kind not in BREEDS]
    if unknown:
        raise ValueError(f"no kind {unknown[0]!r}: there are {', '.join(sorted(BREEDS))}")
    doubled = [kind for kind in kinds if kinds.count(kind) > 1]
    if doubled:
        raise ValueError(f"{doubled[0]} is named twice; name each kind once")
    if not FEWEST_KINDS <= len(kinds) <= MOST_KINDS:
        raise ValueError(f"name {FEWEST_KINDS} to {MOST_KINDS} kinds, not {len(kinds)}")
    most = _IMAGES_PER_SEED // MOST_KINDS  # more would be images of the next seed
    if not 1 <= count <= most:
        raise ValueError(f"draw 1 to {most:,} images of each kind, not {count:,}")
    check_seed(seed)
    first = seed * _IMAGES_PER_SEED
    kinds = sorted(kinds)
    files = [
        (f"{kind}/{kind}.{i}.jpg", kind, first + len(kinds) * i + kinds.index(kind))
        for i in range(count)
        for kind in kinds
    ]
    return _make(Path(folder), files)


def _make(folder, files):
    """Draw files into a folder that is not there yet, or empty; return the folder."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CatdogError(f"{folder} holds something else; name a folder that is not there yet")
        with atomic(folder) as unfinished:
            _draw_in_parallel(unfinished, files)
            if folder.is_dir():
                folder.rmdir()  # only if empty: Windows renames onto nothing
    except (OSError, BrokenProcessPool) as error:
        # Another process may have put the same sample there meanwhile.
        if _holds(folder, files):
            return folder
        if isinstance(error, BrokenProcessPool):
            why = 'a drawing process ended early; a script needs `if __name__ == "__main__":`'
        else:
            why = reason(error)
        raise CatdogError(f"cannot draw the sample into {folder}: {why}") from error
    return folder


def _files(seed, train, validation):
    """List the sample as (name in the folder, kind, seed of the drawing)."""
    splits = {
        "train": range(train // 2),
        "validation": range(train // 2, train // 2 + validation // 2),
    }
    first = seed * _IMAGES_PER_SEED
    return [
        (f"{split}/{kind}s/{kind}.{i}.jpg", kind, first + len(KINDS) * i + KINDS.index(kind))
        for split, indices in splits.items()
        for i in indices
        for kind in KINDS
    ]


def _holds(folder, files):
    """Tell whether a folder holds these images; it compares the first one."""
    if not all((folder / name).is_file() for name, *_ in files):
        return False
    name, kind, seed = files[0]
    try:
        with Image.open(folder / name) as image:
            difference = np.asarray(image.convert("RGB"), float) - draw(kind, seed)
    except (OSError, ValueError):
        return False
    # JPEG and other versions of Pillow change an image a little, another seed changes it all.
    return np.abs(difference).mean() < 12


def _draw_in_parallel(folder, files):
    """Draw all files into a folder that is not there yet, with progress on a terminal."""
    for name, *_ in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    chunks = [(folder, files[i : i + _CHUNK]) for i in range(0, len(files), _CHUNK)]
    # Spawned, not forked: a copy of a process that runs TensorFlow's threads can hang.
    workers = min(n_cpus(), _MOST_WORKERS)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_prepare_worker)
    bar = tqdm(total=len(files), desc="drawing", unit="image", disable=not sys.stderr.isatty())
    with pool, bar:
        for count in pool.map(_draw_chunk, chunks):
            bar.update(count)


def _prepare_worker():
    """Leave an interrupt to the parent, and end when it does, killed or not."""

    def end_with_parent():
        parent_process().join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def _draw_chunk(chunk):
    """Draw files into a folder; return how many."""
    folder, files = chunk
    for name, kind, seed in files:
        # Pillow writes past Python, and on a full disk it would cut a file short without an error.
        content = io.BytesIO()
        Image.fromarray(draw(kind, seed)).save(content, "JPEG", quality=92)
        (folder / name).write_bytes(content.getvalue())
    return len(files)
