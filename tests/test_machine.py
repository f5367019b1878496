"""Memory, and what `doctor` says of a machine: each thing there, short, and missing."""

import subprocess
from types import SimpleNamespace

import pytest
import trees

from catdog_helpers import __main__ as command_line
from catdog_helpers import machine
from catdog_helpers.files import download


@pytest.fixture
def ready(monkeypatch, tmp_path):
    """A machine that has everything, so that a test can take one thing away."""
    loaded = SimpleNamespace(returncode=0, stdout="2.21.0\n", stderr="")
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: loaded)
    monkeypatch.setattr(machine, "free_memory", lambda: 8e9)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=9e9))
    for name in ("find_official_archive", "find_weights"):
        monkeypatch.setattr(machine, name, lambda: tmp_path)
    monkeypatch.setattr(machine, "find_browser", lambda: "chromium")
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path))
    return monkeypatch


def doctor(capsys):
    exit_code = command_line.main(["doctor"])
    return exit_code, capsys.readouterr().out.splitlines()


def test_a_machine_that_has_everything_is_ready(ready, capsys):
    exit_code, lines = doctor(capsys)
    assert (exit_code, lines[-1]) == (0, "ready for the class")
    assert all(line.startswith("ok     ") for line in lines[:-1])
    assert len(lines) == 11


@pytest.mark.parametrize(
    ("free", "state", "words"),
    [
        (0.9e9, "error", "0.9 GB free, 1.0 GB are needed; close other programs"),
        (1.5e9, "note ", "1.5 GB free, which is just enough; close other programs"),
        (2.0e9, "ok   ", "2.0 GB free"),
    ],
)
def test_memory_is_enough_just_enough_or_too_little(free, state, words, ready, capsys):
    ready.setattr(machine, "free_memory", lambda: free)
    exit_code, lines = doctor(capsys)
    assert f"{state}  memory: {words}" in lines
    assert exit_code == (state == "error")


def test_a_full_disk_names_the_folder_that_is_on_it(ready, capsys, tmp_path):
    ready.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=0.2e9))
    ready.chdir(tmp_path)
    exit_code, lines = doctor(capsys)
    text = f"0.2 GB free, 0.3 GB are needed; make room where {tmp_path} is"
    assert lines[:2] == [f"error  disk: {text}", f"error  cache: {text}"]
    assert (exit_code, lines[-1]) == (1, "not ready: 2 errors")


def test_a_cache_that_cannot_be_made_is_an_error(ready, capsys, tmp_path):
    ready.setattr(machine, "find_official_archive", download.find_official_archive)
    ready.setenv("CATDOG_CACHE", str(trees.put(tmp_path / "file", b"") / "cache"))
    exit_code, lines = doctor(capsys)
    assert exit_code == 1 and lines[0].startswith("error  cache: ")


def test_a_cache_of_somebody_else_names_the_variable_that_helps(ready, capsys, tmp_path):
    ready.setattr(machine.os, "access", lambda *_: False)  # root may write everywhere
    exit_code, lines = doctor(capsys)
    text = f"{tmp_path} cannot be written; set CATDOG_CACHE to a folder of your own"
    assert (exit_code, lines[0]) == (1, f"error  cache: {text}")


def test_missing_and_wrong_packages_are_named_and_extras_are_not_asked_for(ready, capsys):
    lines = ["no-such-thing>=1", "numpy<1", "tensorflow>=2", 'absent; extra == "demo"']
    ready.setattr(machine.importlib.metadata, "requires", lambda _: lines)
    exit_code, shown = doctor(capsys)
    version = machine.importlib.metadata.version("numpy")
    faults = f"no-such-thing is missing, numpy {version} is not <1"
    command = "python -m pip install -e ."
    assert (exit_code, shown[0]) == (
        1,
        f"error  packages: {faults}; in the project's folder: {command}",
    )


def test_a_project_that_is_not_installed_says_how(ready, capsys):
    def absent(_):
        raise machine.importlib.metadata.PackageNotFoundError

    ready.setattr(machine.importlib.metadata, "requires", absent)
    exit_code, lines = doctor(capsys)
    assert exit_code == 1 and 'python -m pip install -e ".[test]"' in lines[0]


def test_another_python_is_an_error(ready, capsys):
    ready.setattr(machine.platform, "python_version", lambda: "3.10.4")
    exit_code, lines = doctor(capsys)
    assert exit_code == 1
    assert lines[0] == "error  Python: 3.10.4: the course needs Python <3.14,>=3.11"


@pytest.mark.parametrize(
    ("system", "kind", "avx", "words"),
    [
        ("darwin", "x86_64", True, "an Intel Mac"),
        ("linux", "x86_64", False, "no AVX instructions"),
        ("win32", "AMD64", False, "no AVX instructions"),
        ("darwin", "arm64", False, ""),
        ("linux", "aarch64", False, ""),
        ("linux", "x86_64", True, ""),
    ],
)
def test_processors_without_tensorflow_are_errors(system, kind, avx, words, ready):
    ready.setattr(machine, "sys", SimpleNamespace(platform=system, executable="python"))
    ready.setattr(machine.platform, "machine", lambda: kind)
    ready.setattr(machine, "_has_avx", lambda: avx)
    processor = next(each for each in machine.examine() if each.name == "processor")
    assert processor.state == ("error" if words else "ok") and words in processor.text


def test_tensorflow_that_does_not_load_shows_its_last_line(ready, capsys):
    text = "Traceback\nImportError: DLL load failed\n"
    failed = SimpleNamespace(returncode=1, stdout="", stderr=text)
    ready.setattr(machine.subprocess, "run", lambda *_, **__: failed)
    exit_code, lines = doctor(capsys)
    assert exit_code == 1
    assert lines[0] == "error  TensorFlow: it does not load: ImportError: DLL load failed"


def test_tensorflow_that_ends_its_process_is_an_error(ready, capsys):
    killed = SimpleNamespace(returncode=-4, stdout="", stderr="")
    ready.setattr(machine.subprocess, "run", lambda *_, **__: killed)
    assert doctor(capsys)[1][0] == "error  TensorFlow: it does not load: exit code -4"


def test_a_slow_start_is_a_note_and_holds_nobody_up(ready, capsys):
    def slow(*arguments, timeout, **_):
        assert timeout < 10
        raise subprocess.TimeoutExpired(arguments, timeout)

    ready.setattr(machine.subprocess, "run", slow)
    exit_code, lines = doctor(capsys)
    assert exit_code == 0 and lines[0].startswith("note   TensorFlow: not loaded within 8 seconds")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("find_official_archive", "photos: not here; the sample needs none"),
        ("find_weights", "weights: not here; the sample needs none"),
    ],
)
def test_what_only_the_photos_need_is_a_note(name, words, ready, capsys):
    ready.setattr(machine, name, lambda: None)
    exit_code, lines = doctor(capsys)
    assert exit_code == 0 and lines[0].startswith(f"note   {words}")


def test_no_browser_is_a_note(ready, capsys):
    ready.setattr(machine, "find_browser", lambda: None)
    assert doctor(capsys)[1][0].startswith("note   PDFs: no PDFs: they need Chromium")


# --- Photos and weights that are there already


def test_the_archive_is_found_where_fetch_would_take_it_and_only_whole(monkeypatch, tmp_path):
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CATDOG_URL", raising=False)
    assert download.find_official_archive() is None
    archive = trees.put(tmp_path / "cache" / "cats_and_dogs_filtered.zip", b"1234")
    assert download.find_official_archive() is None
    monkeypatch.setattr(download, "OFFICIAL_SIZE", 4)
    assert download.find_official_archive() == archive
    copy = trees.put(tmp_path / "stick" / "copy.zip", b"1234")
    monkeypatch.setenv("CATDOG_URL", str(copy))
    assert download.find_official_archive() == copy


def test_weights_are_found_only_whole(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("CATDOG_WEIGHTS", raising=False)
    assert download.find_weights() is None
    monkeypatch.setenv("CATDOG_WEIGHTS", str(trees.put(tmp_path / "cut.h5", b"1234")))
    assert download.find_weights() is None
    from catdog_helpers.models import DRAWN_WEIGHTS

    monkeypatch.setenv("CATDOG_WEIGHTS", str(DRAWN_WEIGHTS))
    assert download.find_weights() == DRAWN_WEIGHTS


# --- Memory


def test_free_memory_is_what_the_system_says(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "_OWN_CGROUP", tmp_path / "none")
    assert 0 < machine.free_memory() <= machine.psutil.virtual_memory().total


@pytest.mark.parametrize(("limit", "free"), [("5000", 3000), ("max", None), ("9" * 20, None)])
def test_free_memory_keeps_to_the_limit_of_a_container(limit, free, monkeypatch, tmp_path):
    group = tmp_path / "system.slice" / "a.scope"
    trees.put(group / "memory.max", limit.encode())
    trees.put(group / "memory.stat", b"anon 2000\nfile 3000\n")
    own = trees.put(tmp_path / "own", b"1:name=systemd:/\n0::/system.slice/a.scope\n")
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_OWN_CGROUP", own)
    available = machine.psutil.virtual_memory()._replace(available=10**9)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: available)
    assert machine.free_memory() == (free or 10**9)
