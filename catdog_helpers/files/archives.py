"""Verifies zip archives, and unpacks them safely."""

import hashlib
import lzma
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PureWindowsPath

import pooch

from catdog_helpers import CatdogError
from catdog_helpers.files.images import describe_type, file_type
from catdog_helpers.files.paths import atomic, cache_folder, printable, reason

# Photos do not shrink in a zip; Kaggle's 25,000 take 0.6 GB. The largest ratio that deflate
# reaches is 1032 (https://zlib.net/zlib_tech.html), so a bomb needs one far above 100.
MAX_UNPACKED_BYTES = 20 * 10**9
_MAX_RATIO = 100
_RATIO_APPLIES_FROM_BYTES = 10**8

# What zipfile raises on damaged archives. For bzip2 it is an OSError, but without a number.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, struct.error)
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_BY_HAND = "unpack it with another program and give the folder instead"


def verify(archive, *, sha256=None, size=None):
    """Compare a zip archive with its size in bytes and its hash, where they are known.

    The hash has 64 hexadecimal digits, upper or lower case. Without one, the checksums of the
    archive's members must match, as far as Python can unpack them.

    Raises
    ------
    CatdogError
        With the path, what was expected and what is there.
    """
    try:
        fault = find_fault(archive, sha256, size)
    except OSError as error:
        raise CatdogError(f"cannot read the archive {archive}: {reason(error)}") from error
    if fault:
        raise CatdogError(f"{archive} is incomplete or corrupt: {fault}; put a good copy there")


def find_fault(archive, sha256=None, size=None):
    """Say in words what `verify` objects to, None where nothing is wrong.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open(archive, "rb") as file:
        head = file.read(64)
        actual_size = file.seek(0, os.SEEK_END)
        # zipfile takes a disk that fails here, where the list of members is, for a bad archive.
        file.seek(max(0, actual_size - 2**17))
        file.read()
    found = "" if file_type(head) == "ZIP" else f", {describe_type(head)}"
    if size not in (None, actual_size):
        return f"{actual_size} bytes, expected {size}{found}"
    if not zipfile.is_zipfile(archive):
        return f"{actual_size} bytes, no whole zip archive{found}"
    if sha256 is not None:
        actual = pooch.file_hash(archive)
        expected = sha256.lower()
        return None if actual == expected else f"expected SHA-256 {expected}, actual {actual}"
    try:
        with zipfile.ZipFile(archive) as zip_file:
            name = zip_file.testzip()  # reads all members to their ends
    except RuntimeError:  # encrypted, or compressed in an unknown way: no damage, see `unpack`
        return None
    except (*_DAMAGED, OSError) as error:
        if getattr(error, "errno", None):
            raise
        return str(error)
    return f"the checksum of its member {name!a} does not match" if name else None


def unpack(archive, folder=None):
    """Unpack a zip archive into a folder, and return the folder's path.

    The folder appears under its name only when every member is there and its checksum is
    correct; where it exists already, nothing is written. By default it is in the cache, and
    named by the contents of the archive.

    Raises
    ------
    CatdogError
        If the archive is corrupt, or unsafe to unpack (members that escape from the folder,
        links, an absurd size), and then nothing has been written; or if files of an existing
        folder are missing.
    """
    archive = Path(archive)
    try:
        if not zipfile.is_zipfile(archive):
            verify(archive)  # says what it is instead
        with zipfile.ZipFile(archive) as zip_file:
            members = zip_file.infolist()
            if folder is None:  # its key is quick to get, and the same for equal contents
                listing = [(m.filename, m.file_size, m.CRC) for m in members]
                key = hashlib.sha256(repr(listing).encode()).hexdigest()[:12]
                folder = cache_folder() / f"{archive.stem}-{key}"
            folder = Path(folder)
            if not folder.is_dir():
                if danger := _find_danger(archive, members):
                    raise CatdogError(f"{archive} is refused: {danger}")
                _write_members(zip_file, folder)
            for member in members:
                file = _target(member, folder)
                same = file.is_file() and file.stat().st_size == member.file_size
                if not (same or member.is_dir()):
                    raise CatdogError(f"{folder} has been changed: see {file}; delete the folder")
    except RuntimeError as error:
        raise CatdogError(f"cannot unpack {archive}: {error}; {_BY_HAND}") from error
    except (*_DAMAGED, OSError) as error:
        if not getattr(error, "errno", None):
            raise CatdogError(f"{archive} is incomplete or corrupt: {error}") from error
        where = f": {printable(error.filename)}" if error.filename else ""
        raise CatdogError(f"cannot unpack {archive}: {reason(error)}{where}") from error
    return folder


def _find_danger(archive, members):
    """Say in words why an archive may not be unpacked, None where it may.

    Windows' rules for names are the strictest, and hold everywhere: both slashes separate, and
    upper and lower case are equal.
    """
    for member in members:
        path = PureWindowsPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        about = f"its member {member.filename!a}"
        if path.anchor or ".." in path.parts:
            return f"{about} would be written outside the folder"
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            return f"{about} is a link or a device, not a file"
        if member.flag_bits & 1:
            return f"{about} is encrypted; unpack it with its password and give the folder instead"
        if member.compress_type not in _COMPRESSIONS:
            way = zipfile.compressor_names.get(member.compress_type, member.compress_type)
            return f"{about} is compressed by {way}, which Python does not know; {_BY_HAND}"
    names = Counter(PureWindowsPath(member.filename) for member in members)
    for name, n in names.items():
        if n > 1:
            return f"it has {name.as_posix()!a} {n} times"
    unpacked = sum(member.file_size for member in members)
    ratio = unpacked / max(1, archive.stat().st_size)
    absurd = ratio > _MAX_RATIO and unpacked > _RATIO_APPLIES_FROM_BYTES
    if unpacked > MAX_UNPACKED_BYTES or absurd:
        return f"it would unpack to {unpacked / 1e9:.1f} GB, {ratio:.0f} times its size"
    return None


def _target(member, folder):
    return folder.joinpath(*PureWindowsPath(member.filename).parts)


def _write_members(zip_file, folder):
    """Write all members into a new folder, complete or not at all.

    ``ZipFile.extractall`` would overwrite one member with another where the file system takes
    their names for the same, and keep backslashes in names.
    """
    try:
        with atomic(folder) as part:
            part.mkdir()
            for member in zip_file.infolist():
                target = _target(member, part)
                if member.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with zip_file.open(member) as source, open(target, "xb") as copy:
                    shutil.copyfileobj(source, copy)  # compares the checksum at the end
    except OSError:
        if not folder.is_dir():  # otherwise another process was faster
            raise
