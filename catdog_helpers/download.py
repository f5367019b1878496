"""Fetches an archive of pictures, verifies it, and unpacks it safely.

What lies under its final name is complete: archives and folders are written under a temporary
name, verified, and renamed.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import struct
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
from tqdm import tqdm

from catdog_helpers import CatdogError

OFFICIAL_URL = "https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip"
OFFICIAL_SIZE = 68_606_236

RETRIES = 2
TIMEOUT = 30  # seconds without a byte

# Photos do not shrink in a zip; Kaggle's 25,000 take 0.6 GB. The largest ratio that deflate
# reaches is 1032 (https://zlib.net/zlib_tech.html), so a bomb needs one far above 100.
MAX_UNPACKED_BYTES = 20 * 10**9
MAX_RATIO = 100
RATIO_APPLIES_FROM_BYTES = 10**8

GET_ON = (
    'go on with the data source "sample", or give the path of a copy of the archive as data '
    "source or in CATDOG_URL"
)

# What zipfile raises on damaged archives, and on compressions that it does not know.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error)

# (offset, bytes, name); the first match counts.
SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WEBP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif", "HEIC"),
    (4, b"ftyp", "MP4"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"\0\x05\x16\x07", "AppleDouble"),
    (0, b"%PDF", "PDF"),
    (0, b"PK", "ZIP"),
    (0, b"Rar!", "RAR"),
    (0, b"7z\xbc\xaf", "7z"),
    (0, b"\x1f\x8b", "gzip"),
)


def looks_like(head):
    """Name the type of a file by its first bytes, whatever its name says.

    Parameters
    ----------
    head : bytes
        At least 12 bytes, where the file has them.

    Returns
    -------
    str
        For example ``"TIFF"``, ``"zeros only"`` or, for HTML, how it starts.
    """
    for offset, signature, name in SIGNATURES:
        if head[offset:].startswith(signature):
            return name
    start = head.lstrip()[:5].lower()
    if start in (b"<html", b"<!doc"):
        return f"HTML, starts with '{start.decode()}'"
    if head.count(0) == len(head):
        return "zeros only"
    return "nothing known"


def cache_folder():
    """Return the folder for downloads and unpacked archives, and create it where missing.

    It is named by the environment variable ``CATDOG_CACHE``, else the operating system's
    cache folder of the user.

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
            f"cannot create the cache folder {folder}: {error.strerror}; "
            "set CATDOG_CACHE to a folder that you may write to"
        ) from error
    return folder.resolve()


def fetch(url=None, folder=None, *, sha256=None, size=None):
    """Return a verified local archive; download it only where none lies in the folder.

    Parameters
    ----------
    url : str, optional
        An address, or the path of a local copy, which is used where it lies. Default:
        ``CATDOG_URL``, else the official archive, whose size is known and whose hash is
        recorded at first use and held to afterwards.
    folder : path-like, optional
        Default: ``cache_folder()``.
    sha256 : str, optional
        Expected hash, 64 hexadecimal digits, upper or lower case.
    size : int, optional
        Expected number of bytes.

    Returns
    -------
    Path

    Raises
    ------
    CatdogError
        If the archive cannot be had, or what came is not what was expected.
    """
    url = str(url or os.environ.get("CATDOG_URL") or OFFICIAL_URL)
    local = _local_path(url)
    if local is not None:
        verify(local, sha256=sha256, size=size)
        return local
    archive = (cache_folder() if folder is None else Path(folder)) / _archive_name(url)
    record = archive.with_name(archive.name + ".sha256")
    if url == OFFICIAL_URL:
        size = size or OFFICIAL_SIZE
        sha256 = sha256 or _recorded_hash(record)
    bad = _set_aside(archive, sha256, size)
    if not archive.exists():
        try:
            _download(url, archive, sha256, size)
        except CatdogError as error:
            raise CatdogError("; ".join(filter(None, (str(error), bad)))) from error
    if url == OFFICIAL_URL and not record.exists():
        with contextlib.suppress(OSError):  # a cache that only the teacher may write to
            record.write_text(f"{_hash(archive)}  {archive.name}\n", encoding="utf-8")
    return archive


def _local_path(url):
    """Return the path that a ``file:`` address or a plain path names, None for the web."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if "://" in url else Path(url).expanduser()


def _archive_name(url):
    """Name the archive in the cache; by its address, so that no other one is taken for it."""
    name = PurePosixPath(urlsplit(url).path).name or "archive.zip"
    if url == OFFICIAL_URL:
        return name
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"


def _hash(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recorded_hash(record):
    return record.read_text(encoding="utf-8").split()[0] if record.exists() else None


def verify(archive, *, sha256=None, size=None):
    """Compare a zip archive with what is known of it: size and hash, else its own checksums.

    Parameters
    ----------
    archive : path-like
    sha256 : str, optional
        64 hexadecimal digits, upper or lower case.
    size : int, optional
        In bytes.

    Raises
    ------
    CatdogError
        With the path, what was expected and what is there.
    """
    try:
        fault = _fault(Path(archive), sha256, size)
    except OSError as error:
        raise CatdogError(f"cannot read the archive {archive}: {error.strerror}") from error
    if fault:
        raise CatdogError(f"{archive} is incomplete or corrupt: {fault}; put a good copy there")


def _fault(archive, sha256, size):
    """Say in words what is wrong with an archive, None where nothing is."""
    actual_size = archive.stat().st_size
    if size not in (None, actual_size):
        return f"{actual_size} bytes, expected {size}{_start(archive)}"
    if not zipfile.is_zipfile(archive):
        return f"{actual_size} bytes, no whole zip archive{_start(archive)}"
    if sha256 is None:
        return _corrupt_member(archive)
    actual = _hash(archive)
    if actual != sha256.lower():
        return f"expected SHA-256 {sha256.lower()}, actual {actual}"
    return None


def _start(archive):
    """Add what a file looks like where that is not a zip."""
    with open(archive, "rb") as file:
        kind = looks_like(file.read(64))
    return "" if kind == "ZIP" else f", looks like {kind}"


def _corrupt_member(archive):
    """Read all members of an archive to their ends, which compares their checksums."""
    try:
        with zipfile.ZipFile(archive) as members:
            name = members.testzip()
    except UNREADABLE as error:
        return str(error)
    return f"the checksum of its member {name!a} does not match" if name else None


def _set_aside(archive, sha256, size):
    """Rename a bad archive in the cache, so that nothing trusts it again; say why."""
    if not archive.exists():
        return ""
    try:
        verify(archive, sha256=sha256, size=size)
    except CatdogError as error:
        aside = archive.with_name(archive.name + ".bad")
        try:
            os.replace(archive, aside)
        except OSError:  # a cache that only the teacher may write to
            raise error from None
        return f"{error} (it is now called {aside.name})"
    return ""


def _download(url, archive, sha256, size):
    """Download to a temporary name, verify, rename; try again after a broken connection."""
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel("WARNING")
    names = {"registry": {archive.name: None}, "urls": {archive.name: url}}
    store = pooch.create(archive.parent, "", retry_if_failed=RETRIES, **names)
    transfer = partial(_transfer, name=archive.name, sha256=sha256, size=size)
    try:
        store.fetch(archive.name, downloader=transfer)
    except RequestException as error:
        raise CatdogError(f"cannot download {url}: {_reason(error)}; {GET_ON}") from error
    except OSError as error:
        raise CatdogError(f"cannot write {archive}: {error}") from error


def _transfer(url, part, _, *, name, sha256, size):
    """Download one file with a progress bar and verify it; a downloader as pooch wants it."""
    options = {"unit": "B", "unit_scale": True, "ascii": True, "ncols": 79, "mininterval": 1}
    with tqdm(total=size or 1, desc=name, file=sys.stdout, **options) as bar:
        pooch.HTTPDownloader(bar, chunk_size=2**16, timeout=TIMEOUT)(url, part, None)
    fault = _fault(Path(part), sha256, size)
    if fault:
        raise CatdogError(f"what {url} sends is incomplete or corrupt: {fault}; {GET_ON}")
    os.chmod(part, 0o644)  # a temporary file is for its owner only


def _reason(error):
    """Say in words why a transfer failed."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError):
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if "timed out" in str(error):
        return f"no answer within {TIMEOUT} seconds"
    reasons = {
        exceptions.ProxyError: "the proxy does not answer",
        exceptions.SSLError: "the server's certificate cannot be verified",
        exceptions.ChunkedEncodingError: "the connection broke off half-way",
        exceptions.ConnectionError: "no connection (is this computer offline?)",
    }
    return next((text for kind, text in reasons.items() if isinstance(error, kind)), str(error))


def unpack(archive, folder=None):
    """Unpack a zip archive into a folder that did not exist before.

    The folder appears under its name only when every member is there and its checksum is
    right; where it exists already, nothing is written.

    Parameters
    ----------
    archive : path-like
    folder : path-like, optional
        Default: a folder in the cache, named by the contents of the archive.

    Returns
    -------
    Path of the folder

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
        with zipfile.ZipFile(archive) as members:
            if folder is None:
                folder = cache_folder() / f"{archive.stem}-{_contents_key(members)}"
            folder = Path(folder)
            if not folder.is_dir():
                _refuse_unsafe(archive, members.infolist())
                _unpack_members(members, folder)
            _refuse_changed(folder, members.infolist())
    except UNREADABLE as error:
        raise CatdogError(f"{archive} is incomplete or corrupt: {error}") from error
    except OSError as error:
        raise CatdogError(f"cannot unpack {archive}: {error}") from error
    return folder


def _contents_key(members):
    """Hash names, sizes and checksums of all members: quick, and the same for equal contents."""
    listing = [(m.filename, m.file_size, m.CRC) for m in members.infolist()]
    return hashlib.sha256(repr(listing).encode()).hexdigest()[:12]


def _refuse_unsafe(archive, members):
    """Raise unless every member of the archive may be written."""
    for member in members:
        fault = _member_fault(member)
        if fault:
            raise CatdogError(f"{archive} is refused: its member {member.filename!a} {fault}")
    times = Counter(PureWindowsPath(member.filename) for member in members)
    for path, number in times.items():
        if number > 1:
            raise CatdogError(f"{archive} is refused: it has {path.as_posix()!a} {number} times")
    unpacked = sum(member.file_size for member in members)
    ratio = unpacked / max(1, archive.stat().st_size)
    absurd = ratio > MAX_RATIO and unpacked > RATIO_APPLIES_FROM_BYTES
    if unpacked > MAX_UNPACKED_BYTES or absurd:
        raise CatdogError(
            f"{archive} is refused: it would unpack to {unpacked / 1e9:.1f} GB, "
            f"{ratio:.0f} times its size"
        )


def _member_fault(member):
    """Say in words why a member may not be written, None where it may.

    Windows' rules are the strictest, and hold everywhere: both slashes separate, and upper
    and lower case are equal.
    """
    path = PureWindowsPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if path.anchor or ".." in path.parts:
        return "would be written outside the folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file"
    if member.flag_bits & 1:
        return "is encrypted; unpack it with its password and give the folder instead"
    return None


def _target(member, folder):
    return folder.joinpath(*PureWindowsPath(member.filename).parts)


def _unpack_members(members, folder):
    """Write all members below a temporary folder, then give it its name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incomplete-", dir=folder.parent) as temporary:
        root = Path(temporary) / folder.name
        root.mkdir()
        for member in members.infolist():
            target = _target(member, root)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with members.open(member) as source, open(target, "xb") as copy:
                shutil.copyfileobj(source, copy)  # compares the checksum at the end
        try:
            os.replace(root, folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster
                raise


def _refuse_changed(folder, members):
    """Raise unless all members lie in the folder, with their sizes."""
    for member in members:
        file = _target(member, folder)
        if not member.is_dir() and not (file.is_file() and file.stat().st_size == member.file_size):
            raise CatdogError(f"{folder} has been changed: see {file}; delete the folder")
