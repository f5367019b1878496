"""What this machine has, and whether a class can work on it."""

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from catdog_helpers import CatdogError
from catdog_helpers.files.download import find_official_archive, find_weights
from catdog_helpers.files.paths import cache_folder

_PACKAGE = "catdog-helpers"
_CGROUPS, _OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_LOADING_LIMIT = 8  # seconds for TensorFlow, so that the whole answer comes within ten
# Measured: a run with its models and handouts takes 45 MB, the photos 165 MB unpacked and packed;
# a chapter at most 1.7 GB of memory.
_DISK, _DISK_SPARE = 0.3e9, 1e9
_MEMORY, _MEMORY_SPARE = 1e9, 2e9
_AVX_ON_WINDOWS = 39  # PF_AVX_INSTRUCTIONS_AVAILABLE of IsProcessorFeaturePresent
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
NO_BROWSER = (
    "no PDFs: they need Chromium (Debian and Ubuntu: apt install chromium), Chrome or Edge on "
    "the PATH; every browser prints the pages too"
)
NO_PLAYWRIGHT = (
    "no PDFs: they need Playwright (pip install playwright); every browser prints the pages too"
)


@dataclass(frozen=True)
class Condition:
    """One thing that a class needs.

    Attributes
    ----------
    state : ``"error"``, ``"note"`` or ``"ok"``
        With an error the series does not run; with a note something of it is missing.
    name : str
    text : str
        What there is or what is missing, and how to get it.
    """

    state: str
    name: str
    text: str


def free_memory():
    """Return the bytes of memory that are free, within the limit of a container if there is one.

    psutil does not know that limit, and a class's server often gives each student 1 or 2 GB of a
    large machine. File caches count as free (cgroup v2,
    https://docs.kernel.org/admin-guide/cgroup-v2.html).
    """
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # another system, or no limit ("max")
        group = _CGROUPS / _OWN_CGROUP.read_text().strip().rpartition("::/")[2]
        limit = int((group / "memory.max").read_text())
        facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        free = min(free, limit - int(facts["anon"]))
    return free


def find_browser():
    """Return the path of a browser of Chromium's family, which prints PDFs; None without one."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def examine():
    """Ask whether this machine is ready for a class, within ten seconds and without a network.

    Returns
    -------
    list of Condition
        Errors first, then notes.
    """
    conditions = [
        _python(),
        _processor(),
        _packages(),
        _loading(),
        _room("memory", free_memory(), _MEMORY, _MEMORY_SPARE, "close other programs"),
        _disk("disk", Path.cwd()),
        _cache(),
        _photos(),
        _weights(),
        _pdfs(),
    ]
    return sorted(conditions, key=lambda each: ("error", "note", "ok").index(each.state))


def _python():
    version = platform.python_version()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        from packaging.specifiers import SpecifierSet

        wanted = SpecifierSet(importlib.metadata.metadata(_PACKAGE)["Requires-Python"])
        if version not in wanted:
            return Condition("error", "Python", f"{version}: the course needs Python {wanted}")
    return Condition("ok", "Python", version)


def _processor():
    kind = platform.machine() or "unknown"
    if sys.platform == "darwin" and kind == "x86_64":
        text = "an Intel Mac, for which there is no TensorFlow 2.18 or later; use another machine"
        return Condition("error", "processor", text)
    if kind.lower() in ("x86_64", "amd64") and not _has_avx():
        text = "it has no AVX instructions, and TensorFlow ends without them; use another machine"
        return Condition("error", "processor", text)
    return Condition("ok", "processor", kind)


def _has_avx():
    if sys.platform == "win32":
        from ctypes import windll

        return bool(windll.kernel32.IsProcessorFeaturePresent(_AVX_ON_WINDOWS))
    try:
        return " avx " in Path("/proc/cpuinfo").read_text()
    except OSError:  # another system; TensorFlow itself will show it
        return True


def _packages():
    """Compare what is installed with what pyproject.toml asks for, extras left out."""
    try:
        lines = importlib.metadata.requires(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        text = 'this project is not installed; in its folder: python -m pip install -e ".[test]"'
        return Condition("error", "packages", text)
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in lines if "extra ==" not in line]
    faults = []
    for requirement in wanted:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            faults.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            faults.append(f"{requirement.name} {version} is not {requirement.specifier}")
    if faults:
        text = f"{', '.join(faults)}; in the project's folder: python -m pip install -e ."
        return Condition("error", "packages", text)
    return Condition("ok", "packages", f"all {len(wanted)}")


def _loading():
    """Load TensorFlow in a process of its own, since what fails there may end the process."""
    if importlib.util.find_spec("tensorflow") is None:
        return Condition("error", "TensorFlow", "not installed, see packages")
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import tensorflow; print(tensorflow.__version__)"],
            capture_output=True,
            text=True,
            timeout=_LOADING_LIMIT,
        )
    except subprocess.TimeoutExpired:
        text = (
            f"not loaded within {_LOADING_LIMIT} seconds; the first time after an installation "
            "is slow, so ask again"
        )
        return Condition("note", "TensorFlow", text)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Condition("error", "TensorFlow", f"it does not load: {last}")
    return Condition("ok", "TensorFlow", done.stdout.strip())


def _room(name, free, needed, spare, remedy):
    text = f"{free / 1e9:.1f} GB free"
    if free >= spare:
        return Condition("ok", name, text)
    if free >= needed:
        return Condition("note", name, f"{text}, which is just enough; {remedy}")
    return Condition("error", name, f"{text}, {needed / 1e9:.1f} GB are needed; {remedy}")


def _disk(name, folder):
    free = shutil.disk_usage(folder).free
    return _room(name, free, _DISK, _DISK_SPARE, f"make room where {folder} is")


def _cache():
    try:
        folder = cache_folder()
    except CatdogError as error:
        return Condition("error", "cache", str(error))
    if not os.access(folder, os.W_OK):
        text = f"{folder} cannot be written; set CATDOG_CACHE to a folder of your own"
        return Condition("error", "cache", text)
    room = _disk("cache", folder)
    return room if room.state != "ok" else Condition("ok", "cache", f"{room.text} in {folder}")


def _photos():
    how = (
        "runall.py --data photos downloads them (69 MB), or copy the archive from a memory stick "
        "and name it with --data or CATDOG_URL"
    )
    return _for_photos("photos", find_official_archive(), how)


def _weights():
    how = (
        "A run on photos downloads them (9 MB), or copy the file and name it with --weights or "
        "CATDOG_WEIGHTS"
    )
    return _for_photos("weights", find_weights(), how)


def _for_photos(name, path, how):
    if path:
        return Condition("ok", name, str(path))
    return Condition("note", name, f"not here; the sample needs none. {how}")


def _pdfs():
    browser = find_browser()
    if browser is None:
        return Condition("note", "PDFs", NO_BROWSER)
    if importlib.util.find_spec("playwright") is None:
        return Condition("note", "PDFs", NO_PLAYWRIGHT)
    return Condition("ok", "PDFs", browser)
