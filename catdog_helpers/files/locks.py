"""One owner at a time for a folder: a process, and those that it started."""

import contextlib
import os
import socket
import time

import psutil

from catdog_helpers import CatdogError
from catdog_helpers.files.paths import printable

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    import msvcrt


@contextlib.contextmanager
def owned(folder, wait=0):
    """Own a folder until the block ends; the processes that its owner starts own it too.

    The lock is the system's, which frees it when the owner ends in whatever way. The file
    ``.owner``, which stays, says who it is. Where there are no locks (some network drives, Colab's
    Google Drive), or the folder is missing or read-only, everybody may own it.

    Raises
    ------
    CatdogError
        If another process owns the folder, still after `wait` seconds.
    """
    try:
        file = (folder / ".owner").open("a+", encoding="utf-8")
    except OSError:  # what is written here will fail, and say so
        yield
        return
    with file:
        end = time.monotonic() + wait
        while not _is_locked(file):
            file.seek(0)
            owner = file.read()
            if owner in _family():
                yield
                return
            if time.monotonic() > end:
                raise CatdogError(
                    f"{printable(folder)} is in use by process {owner}: wait until that has "
                    "ended, or choose another folder"
                )
            time.sleep(0.05)
        file.truncate(0)
        file.write(_name(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            _unlock(file)


def _lock_file(file):
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_byte(file):
    # On Windows nobody else reads what is locked, so it is a byte far behind the text.
    os.lseek(file.fileno(), 2**30, os.SEEK_SET)
    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def _unlock_byte(file):
    # Windows frees what a closed file had locked, but not always at once.
    with contextlib.suppress(OSError):  # a file system without locks
        os.lseek(file.fileno(), 2**30, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)


def _leave_to_close(file):
    """Do nothing: closing the file unlocks it, once forked workers have closed theirs too."""


if os.name == "nt":
    _lock, _unlock = _lock_byte, _unlock_byte
else:
    _lock, _unlock = _lock_file, _leave_to_close


def _is_locked(file):
    """Try to lock a file for this process; tell whether it may go on."""
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # this file system has no locks
        return True
    return True


def _name(process_id):
    return f"{process_id} on {socket.gethostname()}"  # folders may be shared between computers


def _family():
    """Name this process and those that it descends from."""
    return {_name(process.pid) for process in [psutil.Process(), *psutil.Process().parents()]}
