"""Paths and counts in messages, the cache folder, and the one way to write atomically."""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pooch

from catdog_helpers import CatdogError

_ABANDONED = 24 * 3600  # seconds; nothing here takes a day to write


def printable(path):
    """Write a path on one line, with forward slashes; what cannot be printed with Python's escapes.

    Letters of all languages stay. Line ends, marks that turn the direction of text and bytes that
    are no text are escaped.
    """
    text = Path(path).as_posix()
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def escape_what_streams_cannot_show():
    """Let no character end a command: a console with a small character set shows its escape."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Jupyter's streams have no such method
            stream.reconfigure(errors="backslashreplace")


def counted(n, noun):
    """Write a count with its noun, given in the singular: ``"1 error"``, ``"2 errors"``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def reason(error):
    """Say why the system raised an error: ``"no permission"``, or in the system's own words."""
    if isinstance(error, PermissionError):
        return "no permission"
    return getattr(error, "strerror", None) or str(error)


def cache_folder():
    """Return the folder for downloads and unpacked archives; create it where it is missing.

    The environment variable ``CATDOG_CACHE`` names it; the default is in the user's cache folder.

    Raises
    ------
    CatdogError
        If the folder cannot be created.
    """
    folder = Path(os.environ.get("CATDOG_CACHE") or pooch.os_cache("catdog")).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatdogError(
            f"cannot create the cache folder {folder}: {reason(error)}; "
            "set CATDOG_CACHE to a folder that you may write to"
        ) from error
    return folder.resolve()


@contextlib.contextmanager
def atomic(path):
    """Write a file or a folder that appears under its name only when it is complete.

    The parent folders are made; a file of that name is replaced. What a process that was killed
    left there more than a day ago is removed.

    Yields
    ------
    Path
        A new path of the same name, in a hidden temporary folder beside `path`. What the block
        puts there takes the name `path` when the block ends; after an error nothing is left.

    Raises
    ------
    OSError
        If it cannot be written, or if `path` is a folder that is not empty.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = ".catdog-unfinished-"
    for old in path.parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another process may remove it too
            if time.time() - old.stat().st_mtime > _ABANDONED:
                shutil.rmtree(old)
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir=path.parent, ignore_cleanup_errors=True
    ) as scratch:
        part = Path(scratch, path.name)
        yield part
        os.replace(part, path)
