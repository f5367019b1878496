import os
import struct
import time

import pytest
from workers import owner_of, start_owner

from catdog_helpers import CatdogError
from catdog_helpers.files import locks

try:
    import fcntl
except ModuleNotFoundError:
    fcntl = None
linux = pytest.mark.skipif(not hasattr(fcntl, "F_OFD_SETLK"), reason="needs locks as of Linux")


@pytest.fixture
def owner(tmp_path):
    """Another process that owns the folder until it is told to end."""
    with owner_of(tmp_path) as process:
        yield process


def test_a_second_owner_is_refused_at_once_and_told_which_process_is_the_first(owner, tmp_path):
    begin = time.monotonic()
    with pytest.raises(CatdogError, match=rf"is in use by process {owner.pid} on .*: wait until"):
        locks.owned(tmp_path).__enter__()
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize("end", ["kill", "communicate"])
def test_an_owner_that_ended_or_was_killed_blocks_nobody(owner, tmp_path, end):
    getattr(owner, end)()
    owner.wait()
    with locks.owned(tmp_path):
        assert (tmp_path / ".owner").read_text().startswith(f"{os.getpid()} on ")
    assert (tmp_path / ".owner").read_text() == ""


def test_one_who_waits_gets_the_folder_when_it_is_free(owner, tmp_path):
    owner.stdin.close()
    with locks.owned(tmp_path, wait=30):
        pass


def test_what_the_owner_starts_owns_the_folder_too(tmp_path):
    with locks.owned(tmp_path), locks.owned(tmp_path):
        process = start_owner(tmp_path, "print('too')")
        assert process.communicate()[0] == "too\n"


def test_without_a_folder_or_locks_everybody_goes_on(tmp_path, monkeypatch):
    def fail(file):
        raise OSError(38, "Function not implemented")

    with locks.owned(tmp_path / "nothing"):
        pass
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(locks, "_lock", fail)
    with locks.owned(tmp_path):
        pass


class WindowsLocks:
    """Stands for msvcrt: locks of bytes, which also two files of one process hold apart."""

    LK_UNLCK, LK_NBLCK = 0, 2

    @staticmethod
    def locking(descriptor, mode, n_bytes):
        start = os.lseek(descriptor, 0, os.SEEK_CUR)
        kind = fcntl.F_UNLCK if mode == WindowsLocks.LK_UNLCK else fcntl.F_WRLCK
        region = struct.pack("hhqqi4x", kind, os.SEEK_SET, start, n_bytes, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, region)
        except BlockingIOError:
            raise PermissionError(13, "Permission denied") from None  # as msvcrt does


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(locks, "msvcrt", WindowsLocks, raising=False)
    monkeypatch.setattr(locks, "_lock", locks._lock_byte)
    monkeypatch.setattr(locks, "_unlock", locks._unlock_byte)


@linux
def test_on_windows_a_byte_behind_the_text_is_locked(tmp_path, windows):
    name = tmp_path / ".owner"
    with name.open("a+") as other:
        locks._lock(other)
        assert os.lseek(other.fileno(), 0, os.SEEK_CUR) > 10_000
        other.write("123 on another computer")
        other.flush()
        with pytest.raises(CatdogError, match="in use by process 123 on another computer"):
            locks.owned(tmp_path, wait=0.2).__enter__()
        locks._unlock(other)
        with locks.owned(tmp_path), locks.owned(tmp_path):
            assert name.read_text() == locks._name(os.getpid())
        with locks.owned(tmp_path):
            pass
    assert name.read_text() == ""


@linux
def test_on_windows_the_byte_is_unlocked_before_the_file_is_closed(tmp_path, windows, monkeypatch):
    modes, locking = [], WindowsLocks.locking

    def note(descriptor, mode, n_bytes):
        modes.append(mode)
        locking(descriptor, mode, n_bytes)

    monkeypatch.setattr(WindowsLocks, "locking", note)
    with locks.owned(tmp_path):
        assert modes == [WindowsLocks.LK_NBLCK]
    assert modes == [WindowsLocks.LK_NBLCK, WindowsLocks.LK_UNLCK]
