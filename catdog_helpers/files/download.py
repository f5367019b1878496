"""Fetches an archive of images, and weights; what lies under its final name is complete."""

import contextlib
import hashlib
import os
import re
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
from tqdm import tqdm

from catdog_helpers import CatdogError
from catdog_helpers.files.archives import find_fault, verify
from catdog_helpers.files.paths import atomic, cache_folder, reason

OFFICIAL_URL = "https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip"
OFFICIAL_SIZE = 68_606_236  # bytes
# What ``keras.applications.MobileNetV2`` loads for images of any size, and in which file it keeps
# them. Fetched here, they are known to be there before hours of training.
WEIGHTS_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
)
_PACKAGE = Path(__file__).parents[1]
RETRIES = 2
TIMEOUT = 30  # seconds without a byte
_GET_ON = (
    'go on with the data source "sample", or give the path of a copy of the archive as data '
    "source or in CATDOG_URL"
)
_GET_ON_WITHOUT_WEIGHTS = (
    "download it elsewhere and give it as --weights FILE or, for all runs of this computer, in "
    "CATDOG_WEIGHTS; or go on with --weights drawn"
)


def fetch(url=None, folder=None, *, sha256=None, size=None):
    """Return a verified local archive; download it only where none lies in the folder.

    Parameters
    ----------
    url : str, optional
        An address, or the path of a local copy, which is used where it lies. Default:
        ``CATDOG_URL``, else the official archive, whose size is known and whose hash is
        recorded at first use and held to afterwards.
    folder : path-like, optional
        Default: `cache_folder()`.
    sha256, size : str, int, optional
        What to expect; see `verify`.

    Raises
    ------
    CatdogError
        If the archive cannot be had, or what came is not what was expected.
    """
    url = str(url or _given("CATDOG_URL") or OFFICIAL_URL)
    archive, local = _locate(url, folder)
    if local:
        verify(archive, sha256=sha256, size=size)
        return archive
    official = url == OFFICIAL_URL
    record = archive.with_name(f"{archive.name}.sha256")
    recorded = _recorded_hash(record) if official else None
    if official:
        size, sha256 = size or OFFICIAL_SIZE, sha256 or recorded
    quarantined = _quarantine(archive, sha256, size) if archive.exists() else ""
    if not archive.exists():
        try:
            _download(url, archive, lambda part: find_fault(part, sha256, size), _GET_ON, size)
        except CatdogError as error:
            raise CatdogError(f"{error}{quarantined}") from error
    if official and recorded is None:
        # A cache that only the teacher may write to does without the record.
        with contextlib.suppress(OSError), atomic(record) as part:
            part.write_text(f"{pooch.file_hash(archive)}  {archive.name}\n", encoding="utf-8")
    return archive


def find_official_archive():
    """Return where `fetch` would find the official archive without a download; else None."""
    try:
        path, _ = _locate(_given("CATDOG_URL") or OFFICIAL_URL)
    except CatdogError:  # no cache
        return None
    return path if path.is_file() and path.stat().st_size == OFFICIAL_SIZE else None


def _locate(url, folder=None):
    """Return where the archive of an address lies, and whether that is a local copy.

    What is downloaded lies in the folder, by default the cache.
    """
    if "://" not in url:
        return Path(url).expanduser(), True
    parts = urlsplit(url)
    if parts.scheme == "file":
        host = "" if parts.netloc == "localhost" else parts.netloc  # of a Windows share
        return Path(url2pathname(f"//{host}{parts.path}" if host else parts.path)), True
    name = PurePosixPath(parts.path).name or "archive.zip"
    if url != OFFICIAL_URL:  # named by its address, so that no other archive is taken for it
        name = f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"
    return (cache_folder() if folder is None else Path(folder)) / name, False


def _given(variable):
    """Return the value of an environment variable, a path made absolute; None if it is empty."""
    value = os.environ.get(variable)
    if not value or "://" in value or value in ("imagenet", "drawn"):
        return value or None
    return os.path.abspath(os.path.expanduser(value))


def absolute_environment():
    """Return the variables that name paths, dict of str, for a process in another folder."""
    variables = ("CATDOG_CACHE", "CATDOG_URL", "CATDOG_WEIGHTS")
    return {name: value for name in variables if (value := _given(name))}


def _recorded_hash(record):
    """Return the hash in a file; None if there is none, as after a full disk or a power cut."""
    try:
        found = re.match(rb"[0-9a-f]{64}\b", record.read_bytes())
    except OSError:
        return None
    return found and found[0].decode()


def _quarantine(archive, sha256, size):
    """Rename a bad archive in the cache, so that nothing trusts it again; say why."""
    try:
        verify(archive, sha256=sha256, size=size)
    except CatdogError as error:
        if isinstance(error.__cause__, OSError):  # says nothing about the archive, which stays
            raise
        bad = archive.with_name(f"{archive.name}.bad")
        try:
            os.replace(archive, bad)
        except OSError:  # a cache that only the teacher may write to
            raise error from None
        return f"; {error} (it is now called {bad.name})"
    return ""


def default_weights(source):
    """Return weights that fit a source: drawn, the file that CATDOG_WEIGHTS names, or imagenet."""
    return "drawn" if source == "sample" else _given("CATDOG_WEIGHTS") or "imagenet"


def fetch_weights():
    """Return the file with MobileNetV2's ImageNet weights; download it only where it is missing.

    Keras itself takes it from there too, or has put it there.

    Raises
    ------
    CatdogError
        If it cannot be had; says how to get on.
    """
    path = _path_of_weights()
    if not path.exists():
        _download(WEIGHTS_URL, path, find_weights_fault, _GET_ON_WITHOUT_WEIGHTS)
    return path


def find_weights():
    """Return the weights that a run on photos would find without a download; else None."""
    weights = default_weights("photos")
    # The drawn ones are `models.DRAWN_WEIGHTS`, without loading Keras.
    own = {"imagenet": _path_of_weights(), "drawn": _PACKAGE / "drawn_backbone.weights.h5"}
    path = own.get(weights) or Path(weights)
    return None if find_weights_fault(path) else path


def _path_of_weights():
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    return home / "models" / PurePosixPath(WEIGHTS_URL).name


def find_weights_fault(path):
    """Say in words why a path cannot be a weights file, None where it may be one."""
    import h5py

    try:
        with h5py.File(path) as file:  # sees a file that is cut short
            of_keras_3 = "layers" in file
    except OSError:
        return "no whole HDF5 file" if path.is_file() else "no such file"
    if of_keras_3 and not path.name.endswith(".weights.h5"):
        return "Keras finds no weights in it unless its name ends in .weights.h5; rename it"


def _download(url, target, find_fault, get_on, size=None):
    """Download to a temporary name, verify, rename; try again after a broken connection.

    `find_fault` says in words what is wrong with a file, `get_on` what else the user can do.
    pooch could compare a hash itself, but neither sizes nor archives of unknown hash, and it
    would download again what was sent whole and is wrong.
    """
    from requests.exceptions import RequestException

    def transfer(url, part, _):  # as pooch calls a downloader
        options = {"unit": "B", "unit_scale": True, "ascii": True, "ncols": 79, "mininterval": 1}
        with tqdm(total=size or 1, desc=target.name, file=sys.stdout, **options) as bar:
            pooch.HTTPDownloader(bar, chunk_size=2**16, timeout=TIMEOUT)(url, part, None)
        if fault := find_fault(Path(part)):
            raise CatdogError(f"what {url} sends is incomplete or corrupt: {fault}; {get_on}")
        os.chmod(part, 0o644)  # a temporary file is for its owner only

    pooch.get_logger().setLevel("WARNING")
    names = {"registry": {target.name: None}, "urls": {target.name: url}}
    try:
        with atomic(target) as part:
            store = pooch.create(part.parent, "", retry_if_failed=RETRIES, **names)
            store.fetch(target.name, downloader=transfer)
    except RequestException as error:
        raise CatdogError(f"cannot download {url}: {_network_reason(error)}; {get_on}") from error
    except OSError as error:
        raise CatdogError(f"cannot write {target}: {reason(error)}") from error


def _network_reason(error):
    """Say in words why a transfer failed."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError):
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if "timed out" in str(error):
        return f"no answer within {TIMEOUT} seconds"
    reasons = {
        exceptions.ProxyError: "the proxy does not answer",
        exceptions.SSLError: "the server's certificate cannot be verified",
        exceptions.ChunkedEncodingError: "the connection broke off halfway",
        exceptions.ConnectionError: "no connection (is this computer offline?)",
    }
    return next((text for kind, text in reasons.items() if isinstance(error, kind)), str(error))
