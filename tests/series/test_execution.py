"""What becomes of a chapter in a real kernel, above all when something goes wrong."""

import os
import re
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from catdog_helpers.files.paths import printable
from notebooks import PROJECT, copy_of, printed, run, write_notebook

FAILURES = {
    "error": (["raise ValueError('a\\n\u2713')"], "cell 3 of 3: ValueError: a \u2713;"),
    "error of ours": (["import catdog_helpers as c", "raise c.CatdogError('A: b')"], "of 4: A: b;"),
    "out of memory": (["bytearray(2**60)"], "cell 3 of 3: MemoryError;"),
    "early exit": (["import sys; sys.exit(0)", "1"], "cell 3 of 4: the cell ended the notebook"),
    "exit in the last cell": (["1", "exit()"], "cell 4 of 4: the cell ended the notebook"),
    "kernel killed": (["import os; os.kill(os.getpid(), 9)", "1"], "died (often: out of memory)"),
    "CPU without AVX": (["import os; os.kill(os.getpid(), 4)", "1"], "died (often: a CPU without"),
    "kernel ended": (["import os; os._exit(3)", "1"], "cell 3 of 4: the kernel died (exit code 3)"),
    "endless loop": (["while True: pass"], "ran longer than the limit of 2 s; --timeout SECONDS"),
    "endless output": (["while True: print('x' * 10**6)"], "cell 3 of 3: ran longer than"),
    "huge output": (["print('x' * 10**7)", "1"], "of 4: the chapter printed more than 10 MB;"),
    "huge standard error": (["import sys; print('x' * 10**7, file=sys.stderr)"], "than 10 MB;"),
    "other order": (["get_ipython().execution_count = 9", "1"], "cell 4 of 4: did not run in"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failed_cell_is_named_in_one_line_and_ends_the_run(name, tmp_path, capsys):
    sources, message = FAILURES[name]
    if "os.kill" in sources[0] and os.name != "posix":
        pytest.skip("signals of POSIX systems")
    bad = write_notebook(tmp_path / "notebooks" / "01_bad.ipynb", *sources)
    good = write_notebook(tmp_path / "notebooks" / "02_good.ipynb", "1")
    before = bad.read_bytes(), good.read_bytes()
    # Other tests of this process may have started helpers that stay, such as multiprocessing's.
    processes = psutil.Process().children(recursive=True)

    assert run(tmp_path, "--timeout", 2, "--handouts") == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("failed: 01_bad.ipynb, cell ")
    assert message in line
    left = [path.name for path in (tmp_path / "runs" / "latest").rglob("*")]
    assert sorted(left) == [".owner", "01_bad.incomplete.ipynb", "notebooks"]
    assert (bad.read_bytes(), good.read_bytes()) == before
    assert psutil.Process().children(recursive=True) == processes


def test_a_run_clears_the_copies_of_its_chapters_and_no_others(tmp_path):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "assert SEED == 0")
    copies = tmp_path / "runs" / "latest" / "notebooks"
    assert run(tmp_path) == 0
    assert run(tmp_path, "--only", "2", "-p", "SEED=1") == 1
    names = [path.name for path in sorted(copies.iterdir())]
    assert names == ["01_one.ipynb", "02_two.incomplete.ipynb"]
    (copies / "02_two.incomplete.ipynb").write_text("{")  # As a power cut leaves it.
    assert run(tmp_path, "--only", "2") == 0
    assert sorted(copies.iterdir()) == [copies / "01_one.ipynb", copies / "02_two.ipynb"]


def test_notebooks_that_no_run_made_are_not_overwritten(tmp_path, capsys):
    source = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    before = source.read_bytes()
    assert run(tmp_path, "--out", tmp_path) == 2
    assert f"would overwrite {source}" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_parameters_reach_the_chapters_that_have_them(tmp_path, capsys):
    one = "print(repr(EPOCHS), repr(SEED), RUN_DIR, DATA)"
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", one)
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "NAME", parameters="NAME = None")
    options = ["-p", "EPOCHS=3", "-p", "SEED=4", "-p", "NAME=a=b"]
    assert run(tmp_path, *options, "--data", tmp_path) == 0
    run_dir = tmp_path / "runs" / "latest"
    assert printed(copy_of(tmp_path, "01_one")) == f"3 4 {run_dir} {tmp_path}\n"
    assert copy_of(tmp_path, "02_two").cells[-1].outputs[0].data["text/plain"] == "'a=b'"
    out = capsys.readouterr().out
    # One line for each code cell, and none for the cell that holds the given parameters.
    places = re.findall(r"0(\d)_\w+.ipynb, cell (\d) of 3 \[\d\d:\d\d\]", out)
    assert places == [("1", "2"), ("1", "3"), ("2", "2"), ("2", "3")]
    assert out.endswith(f"\nModels, scores and executed chapters: {run_dir}\n")


def test_terminal_shows_a_bar(tmp_path, capsys, monkeypatch):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(tmp_path) == 0
    out = capsys.readouterr().out
    assert out.endswith("On the photos: python runall.py --data photos\n")
    assert re.search(r"\r01_one +\|#+\| cell 3 of 3 \[\d\d:\d\d\]", out)
    assert out.isascii()


def test_hostile_surroundings(tmp_path):
    """Another registered kernel, a console of few characters, odd paths, a strict -W."""
    folder = tmp_path / "b{r}aces and spaces"
    write_notebook(
        folder / "01_\u043a\u043e\u0442.ipynb",
        "import os, sys, warnings; print(sys.executable, os.getcwd()); os.write(2, b'noise')",
        "print('\u043a\u043e\u0442', file=sys.stderr)",
        kernel="tf2-class-env",
    )
    write_notebook(folder / "02_two.ipynb", "import warnings; warnings.warn('\u2713')", kernel=None)
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["false", "{connection_file}"], "display_name": "x"}')
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    environment["JUPYTER_PATH"] = str(tmp_path / "jupyter")
    command = [sys.executable, "-W", "error::UserWarning", PROJECT / "runall.py"]
    options = ["--notebooks", folder, "--out", folder / "out"]
    done = subprocess.run([*command, *options], cwd=tmp_path, env=environment, capture_output=True)
    out, err = done.stdout.decode("cp1252"), done.stderr.decode("cp1252")
    assert done.returncode == 1
    assert out.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out.replace("\r\n", "\n"))
    (line,) = err.splitlines()
    assert "02_two.ipynb, cell 3 of 3: UserWarning: \\u2713;" in line
    executed = nbformat.read(next((folder / "out" / "notebooks").glob("01_*.ipynb")), as_version=4)
    assert printed(executed).startswith(f"{sys.executable} {folder}\n")
    assert printed(executed).endswith("\u043a\u043e\u0442\n")


def test_a_second_run_into_the_same_folder_is_refused_and_the_first_ends_well(tmp_path, capsys):
    sources = [
        "import pathlib, time; pathlib.Path(RUN_DIR, 'mine').write_text(str(SEED))",
        "while not pathlib.Path(RUN_DIR, 'go').exists(): time.sleep(0.05)",
        "assert pathlib.Path(RUN_DIR, 'mine').read_text() == str(SEED)",
    ]
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", *sources)
    folder = tmp_path / "runs" / "latest"
    command = [sys.executable, PROJECT / "runall.py", "--notebooks", tmp_path / "notebooks"]
    with subprocess.Popen([*command, "--out", folder], stdout=subprocess.DEVNULL) as first:
        while not (folder / "mine").exists() and first.poll() is None:
            time.sleep(0.05)
        assert run(tmp_path, "-p", "SEED=1") == 2
        err = capsys.readouterr().err
        assert re.match(rf"error: --out: {re.escape(printable(folder))} is in use by process", err)
        assert f"process {first.pid} on" in err
        (folder / "go").touch()
    assert first.returncode == 0
    assert run(tmp_path) == 0


def test_a_run_says_where_an_earlier_one_is_kept(tmp_path, capsys):
    make = "import pathlib; pathlib.Path(RUN_DIR, 'earlier-1').mkdir(exist_ok=True)"
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", make)
    kept = f"is kept in {tmp_path / 'runs' / 'latest' / 'earlier-1'}\n"
    for told in (True, False):
        assert run(tmp_path) == 0
        assert (kept in capsys.readouterr().out) == told
