import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from catdog_helpers import runner

PROJECT = Path(__file__).parents[1]
PARAMETERS = 'DATA = "sample"\nSEED = 0\nRUN_DIR = "runs/latest"\nEPOCHS: int = 20'
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")


def write_notebook(path, *sources, kernel="python3", parameters=PARAMETERS):
    """Write a notebook: a title, the parameters as cell 2, then a code cell for each source."""
    cells = [new_markdown_cell("# Chapter 1"), *map(new_code_cell, sources)]
    if parameters:
        cells.insert(1, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel}} if kernel else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def run(project, *options):
    return runner.main(["--timeout", "60", *map(str, options)], project=project)


def copy_of(project, name):
    path = project / "runs" / "latest" / "notebooks" / f"{name}.ipynb"
    return nbformat.read(path, as_version=4)


def printed(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


FAILURES = {
    "exception": (["1 / 0"], "cell 3 of 3: ZeroDivisionError: division by zero;"),
    "error of ours": (
        ["from catdog_helpers import CatdogError; raise CatdogError('no cats: add some')"],
        "cell 3 of 3: no cats: add some;",
    ),
    "error of many lines": (["raise ValueError('one\\ntwo')"], "cell 3 of 3: ValueError: one two;"),
    "unicode": (["raise ValueError('\u043a\u043e\u0442')"], "ValueError: \u043a\u043e\u0442;"),
    "early exit": (["exit()", "1"], "cell 3 of 4: the cell ended the notebook early"),
    "early exit of Python": (
        ["import sys; sys.exit(0)", "1"],
        "cell 3 of 4: the cell ended the notebook early",
    ),
    "exit in the last cell": (["1", "exit()"], "cell 4 of 4: the cell ended the notebook early"),
    "process gone": (["import os; os._exit(0)"], "cell 3 of 3: the kernel died"),
    "kernel killed": (["import os; os.kill(os.getpid(), 9)", "1"], "cell 3 of 4: the kernel died"),
    "out of memory": (["bytearray(2**60)"], "cell 3 of 3: MemoryError;"),
    "endless loop": (
        ["while True: pass"],
        "cell 3 of 3: ran longer than the limit of 2 s; --timeout SECONDS raises it",
    ),
    "endless output": (["while True: print('x' * 10**6)"], "cell 3 of 3: ran longer than"),
    "huge output": (
        ["print('x' * 10**7)", "1"],
        "cell 3 of 4: the chapter printed more than 10 MB",
    ),
    "count out of order": (
        ["get_ipython().execution_count = 9", "1"],
        "cell 4 of 4: did not run in its turn",
    ),
    "read-only folder": (["open('/proc/nothing', 'w')"], "/proc/nothing"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_p22_p24_failed_cell_is_named_in_one_line_and_ends_the_run(name, tmp_path, capsys):
    sources, message = FAILURES[name]
    bad = write_notebook(tmp_path / "notebooks" / "01_bad.ipynb", *sources)
    good = write_notebook(tmp_path / "notebooks" / "02_good.ipynb", "1")
    before = bad.read_bytes(), good.read_bytes()

    assert run(tmp_path, "--timeout", 2) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("failed: 01_bad.ipynb, cell ")
    assert message in line
    copies = tmp_path / "runs" / "latest" / "notebooks"
    assert [path.name for path in copies.iterdir()] == ["01_bad.incomplete.ipynb"]
    assert (bad.read_bytes(), good.read_bytes()) == before
    assert psutil.Process().children(recursive=True) == []


UNREADABLE = {
    "bad JSON": ('{"cells": [', "01_bad.ipynb: not a readable notebook"),
    "not UTF-8": (b"\xff\xfe", "01_bad.ipynb: not a readable notebook"),
    "another format": ('{"cells": 3}', "01_bad.ipynb: not a readable notebook"),
    "unknown kind of cell": (
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {},'
        ' "cells": [{"cell_type": "poem", "metadata": {}}]}',
        "01_bad.ipynb: not a readable notebook",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_notebook_fails_before_any_chapter_runs(name, tmp_path, capsys):
    content, message = UNREADABLE[name]
    write_notebook(tmp_path / "notebooks" / "00_good.ipynb", "1")
    bad = tmp_path / "notebooks" / "01_bad.ipynb"
    bad.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run(tmp_path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [(None, "0 cells are tagged 'parameters'"), ("SEED = ", "the 'parameters' cell is not Python")],
)
def test_notebook_without_parameters_fails(parameters, message, tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_bad.ipynb", "1", parameters=parameters)
    assert run(tmp_path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "01_bad.ipynb" in line
    assert message in line


WRONG_USAGE = {
    "parameter": (["-p", "epoch=3"], ["'epoch'", "did you mean EPOCHS?", "Valid: EPOCHS, SEED"]),
    "parameter like none": (["-p", "WIDTH=3"], ["'WIDTH'", "Valid: EPOCHS, SEED"]),
    "parameter without value": (["-p", "EPOCHS"], ["NAME=VALUE"]),
    "parameter with an option": (["-p", "DATA=photos"], ["--data"]),
    "chapter": (["--only", "01,09"], ["'9'", "01_one, 02_two"]),
    "no chapter": (["--only", ""], ["01_one, 02_two"]),
    "data": (["--data", "phots"], ["phots", "sample or photos"]),
    "weights": (["--weights", "imagnet"], ["imagnet", "imagenet or drawn"]),
    "notebooks": (["--notebooks", "nowhere"], ["no notebooks in", "--notebooks"]),
    "seeds from no number": (["--seeds", "2", "-p", "SEED=x"], ["SEED", "'x'"]),
    "seeds below 0": (["--seeds", "2", "-p", "SEED=-1"], ["SEED", "-1"]),
    "cluster": (["--seeds", "2", "--cluster", "127.0.0.1:1"], ["no Dask scheduler at 127.0.0.1:1"]),
    "out is a file": (["--out", __file__], ["--out: cannot write in"]),
}


@pytest.mark.parametrize("name", WRONG_USAGE)
def test_p21_wrong_usage_is_one_line_with_what_is_valid(name, tmp_path, capsys):
    options, fragments = WRONG_USAGE[name]
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "1", parameters="SEED = 0")
    assert run(tmp_path, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(fragment in line for fragment in fragments)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--seeed", "1"],
        ["--timeout", "0"],
        ["--seeds", "1"],
        ["--seeds", "many"],
        ["--seeds", "2", "--handouts"],
        ["--cluster", "127.0.0.1:1"],
        ["--update", "-p", "SEED=1"],
        ["--update", "--seeds", "2"],
        ["--update", "--handouts"],
    ],
)
def test_unknown_or_contradicting_options_list_the_valid_ones(options, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, *options)
    assert ended.value.code == 2
    assert "--timeout SECONDS" in capsys.readouterr().err


def test_out_refuses_a_folder_with_notebooks_that_no_run_made(tmp_path, capsys):
    source = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    before = source.read_bytes()
    assert run(tmp_path, "--out", tmp_path) == 2
    assert f"would overwrite {source}" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_p21_parameters_reach_the_chapters_that_have_them(tmp_path, capsys):
    one = "print(repr(EPOCHS), repr(SEED), RUN_DIR, DATA)"
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", one)
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "SEED", parameters="SEED = None")
    assert run(tmp_path, "-p", "EPOCHS=3", "-p", "SEED=a=b", "--data", tmp_path) == 0
    run_dir = tmp_path / "runs" / "latest"
    assert printed(copy_of(tmp_path, "01_one")) == f"3 'a=b' {run_dir} {tmp_path}\n"
    assert copy_of(tmp_path, "02_two").cells[-1].outputs[0].data["text/plain"] == "'a=b'"
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"Models, scores and executed chapters: {run_dir}"


def test_only_keeps_the_copies_of_other_chapters_and_says_where_it_is(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "1", "2")
    (tmp_path / "runs" / "latest" / "notebooks").mkdir(parents=True)
    kept = tmp_path / "runs" / "latest" / "notebooks" / "01_one.ipynb"
    kept.write_bytes(b"kept")
    assert run(tmp_path, "--only", "2") == 0
    assert kept.read_bytes() == b"kept"
    out = capsys.readouterr().out
    places = re.findall(r"02_two.ipynb, (cell \d of \d) \[\d\d:\d\d\]", out)
    assert places == ["cell 2 of 4", "cell 3 of 4", "cell 4 of 4"]
    assert out.endswith("On the photos: python runall.py --data photos\n")


def test_failing_chapter_leaves_no_copy_of_an_earlier_run(tmp_path):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "assert SEED == 0")
    assert run(tmp_path) == 0
    assert run(tmp_path, "-p", "SEED=1") == 1
    copies = tmp_path / "runs" / "latest" / "notebooks"
    assert [path.name for path in copies.iterdir()] == ["01_one.incomplete.ipynb"]
    (copies / "01_one.incomplete.ipynb").write_text("{")  # As a power cut leaves it.
    assert run(tmp_path) == 0
    assert [path.name for path in copies.iterdir()] == ["01_one.ipynb"]


def test_terminal_shows_a_bar(tmp_path, capsys, monkeypatch):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(tmp_path) == 0
    out = capsys.readouterr().out
    assert re.search(r"\r01_one +\|#+\| cell 3 of 3 \[\d\d:\d\d\]", out)
    assert out.isascii()


def test_p21_p22_p25_hostile_surroundings(tmp_path):
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
    environment = {
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "cp1252",
    }
    command = [sys.executable, "-W", "error::UserWarning", PROJECT / "runall.py"]
    done = subprocess.run(
        [*command, "--notebooks", folder, "--out", folder / "out"],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
    )
    out, err = done.stdout.decode("cp1252"), done.stderr.decode("cp1252")
    assert done.returncode == 1
    assert out.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out.replace("\r\n", "\n"))
    (line,) = err.splitlines()
    assert "02_two.ipynb, cell 3 of 3: UserWarning: \\u2713;" in line
    executed = next((folder / "out" / "notebooks").glob("01_*.ipynb"))
    executed = nbformat.read(executed, as_version=4)
    assert printed(executed).startswith(f"{sys.executable} {folder}\n")
    assert printed(executed).endswith("\u043a\u043e\u0442\n")


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_p25_interrupt_ends_everything(number, tmp_path):
    write_notebook(tmp_path / "notebooks" / "01_sleep.ipynb", "import time; time.sleep(600)")
    write_notebook(tmp_path / "notebooks" / "02_good.ipynb", "1")
    options = ["--notebooks", tmp_path / "notebooks", "--out", tmp_path / "out"]
    process = subprocess.Popen(
        [sys.executable, PROJECT / "runall.py", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As a shell does for a program in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    while "cell 3 of 3" not in process.stdout.readline():
        assert process.poll() is None
    kernels = psutil.Process(process.pid).children(recursive=True)
    while process.poll() is None:  # An impatient user must not disturb the tidying up.
        process.send_signal(number)
        time.sleep(0.01)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines() == ["interrupted in 01_sleep.ipynb, cell 3 of 3"]
    assert kernels
    assert not any(kernel.is_running() for kernel in kernels)
    copies = [path.name for path in (tmp_path / "out" / "notebooks").iterdir()]
    assert copies == ["01_sleep.incomplete.ipynb"]


def test_help_imports_nothing_heavy():
    code = """if True:
        import sys
        from catdog_helpers import runner
        try:
            runner.main(["--help"])
        except SystemExit:
            print({"tensorflow", "keras", "papermill", "nbformat", "pandas"} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_update_writes_outputs_and_nothing_else(tmp_path):
    sources = [
        "import os; print('a', flush=True); print('b')",
        "'\u2713'",
        "assert os.environ['CATDOG_ROOT']",
    ]
    path = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", *sources)
    before = nbformat.read(path, as_version=4)
    before.cells[2].metadata = {"tags": ["solution"], "execution": {"started": "today"}}
    nbformat.write(before, path)
    del before.cells[2].metadata["execution"]
    assert run(tmp_path, "--update") == 0
    first = path.read_bytes()
    assert run(tmp_path, "--update") == 0
    assert path.read_bytes() == first

    after = nbformat.read(path, as_version=4)
    assert [c.get("execution_count") for c in after.cells] == [None, 1, 2, 3, 4]
    # One output, however the kernel cut the text up.
    assert [output.text for output in after.cells[2].outputs] == ["a\nb\n"]
    assert after.cells[3].outputs[0].data["text/plain"] == "'\u2713'"
    for cell in after.cells[1:]:
        assert cell.metadata.pop("source_hash") == runner.source_hash(cell.source)
        cell.outputs, cell.execution_count = [], None
    assert after.cells == before.cells
    assert after.metadata == runner.METADATA
    assert not (tmp_path / "runs" / "latest").exists()


def test_update_of_a_failing_chapter_leaves_it_alone(tmp_path):
    path = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1", "1 / 0")
    before = path.read_bytes()
    assert run(tmp_path, "--update") == 1
    assert path.read_bytes() == before


def test_source_hash_is_a_fixed_function_of_the_source():
    # The first digits of SHA-256 of "abc", FIPS 180-2, appendix B.1.
    assert runner.source_hash("abc") == "ba7816bf8f01cfea"


def test_score_table_shows_what_is_there(tmp_path):
    first = {
        "val_accuracy": 0.8125,
        "test_accuracy": 0.75,
        "test_interval": [0.686, 0.805],
        "parameters": 1234567,
        "epochs": 20,
        "train_seconds": 12.34,
    }
    models = {"first": first, "transfer": {"val_accuracy": 0.9, "parameters": 2}}
    (tmp_path / "scores.json").write_text(json.dumps({"data": "sample", "models": models}))
    text = runner.score_table(tmp_path).to_string()
    title, one, two = (row.split() for row in text.splitlines())
    assert title == list(first)
    assert one == ["first", "81.2%", "75.0%", "68.6%", "to", "80.5%", "1,234,567", "20", "12.3"]
    assert two == ["transfer", "90.0%", "2"]


def test_score_table_without_scores_is_empty(tmp_path):
    assert runner.score_table(tmp_path).empty


def test_damaged_scores_name_the_file(tmp_path):
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(runner.CatdogError, match=r"cannot read the scores in .*scores\.json"):
        runner.score_table(tmp_path)


def test_seeds_need_a_chapter_with_a_seed(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1", parameters='DATA = "sample"')
    assert run(tmp_path, "--seeds", "2") == 2
    assert "no chapter has a parameter SEED" in capsys.readouterr().err


# Leaves scores that depend on the seed; notes that it ran; fails with seed 2 and a file "broken".
SEEDED = """
import json, pathlib
folder = pathlib.Path(RUN_DIR)
print(SEED, file=open(folder.parent / "log", "a"))
assert not (SEED == 2 and (folder.parent / "broken").exists())
first = {"val_accuracy": 0.5 + SEED / 10, "test_accuracy": 0.6, "epochs": EPOCHS}
scores = {"data": DATA, "seed": SEED, "models": {"first": first}}
(folder / "scores.json").write_text(json.dumps(scores))
"""


def test_seeds_give_mean_and_spread_for_each_model(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    assert run(tmp_path, "--seeds", "3", "-p", "SEED=1") == 0
    run_dir = tmp_path / "runs" / "latest"
    assert {path.name for path in run_dir.glob("seed-*")} == {"seed-1", "seed-2", "seed-3"}
    stored = json.loads((run_dir / "seeds.json").read_text())
    assert (stored["data"], stored["seeds"], list(stored["models"])) == (
        "sample",
        [1, 2, 3],
        ["first"],
    )
    # By hand: 0.6, 0.7, 0.8 have the mean 0.7, and deviations -0.1, 0, 0.1 from it.
    validation = {"mean": 0.7, "std": 0.1, "min": 0.6, "max": 0.8}
    assert stored["models"]["first"]["val_accuracy"] == pytest.approx(validation)
    test = {"mean": 0.6, "std": 0, "min": 0.6, "max": 0.6}
    assert stored["models"]["first"]["test_accuracy"] == pytest.approx(test)
    out = capsys.readouterr().out
    row = next(line.split() for line in out.splitlines() if line.startswith("first"))
    assert row == ["first", "70.0%", "10.0%", "60.0%", "80.0%", "60.0%", "0.0%", "60.0%", "60.0%"]
    assert out.endswith(f"over the seeds 1 to 3: {run_dir / 'seeds.json'}\n")


def test_seeds_that_are_complete_are_not_run_again(tmp_path, capsys):
    path = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    run_dir = tmp_path / "runs" / "latest"
    run_dir.mkdir(parents=True)
    log, broken = run_dir / "log", run_dir / "broken"

    def seeds_run(*options, code=0):
        log.write_text("")
        assert run(tmp_path, "--seeds", "3", "-p", "SEED=1", *options) == code
        return log.read_text().split()

    broken.touch()
    assert seeds_run(code=1) == ["1", "2"]
    assert "seed-2" in capsys.readouterr().err
    assert not (run_dir / "seeds.json").exists()
    broken.unlink()
    assert seeds_run() == ["2", "3"]
    assert "seed 1: complete, kept" in capsys.readouterr().out
    # Other parameters, other chapters and lost results make another run.
    assert seeds_run("-p", "EPOCHS=(1, 2)") == ["1", "2", "3"]
    assert seeds_run("-p", "EPOCHS=(1, 2)") == []
    write_notebook(path, SEEDED, "1")
    assert seeds_run("-p", "EPOCHS=(1, 2)") == ["1", "2", "3"]
    # As chapter 1 leaves them at its start, and of another seed.
    for lost in ({"seed": 3, "models": {}}, {"seed": 4, "models": {"a": {"test_accuracy": 1}}}):
        (run_dir / "seed-3" / "scores.json").write_text(json.dumps(lost))
        assert seeds_run("-p", "EPOCHS=(1, 2)") == ["3"]
    assert seeds_run("-p", "EPOCHS=(1, 2)", "--only", "1") == ["1", "2", "3"]


def test_seeds_without_test_scores_show_validation_only(tmp_path):
    for seed in (0, 1):
        (tmp_path / f"{seed}").mkdir()
        content = {"models": {"first": {"val_accuracy": 0.5}}}
        (tmp_path / f"{seed}" / "scores.json").write_text(json.dumps(content))
    table = runner.seed_statistics([tmp_path / "0", tmp_path / "1"])
    assert table.columns.get_level_values(0).unique().tolist() == ["val_accuracy"]
    assert table.loc["first", ("val_accuracy", "std")] == 0


@pytest.fixture
def no_browser(monkeypatch):
    from catdog_helpers import handouts

    monkeypatch.setattr(handouts, "find_browser", lambda: None)


def test_handouts_hold_the_chapters_of_the_run(tmp_path, capsys, no_browser):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "'two'")
    handouts = tmp_path / "runs" / "latest" / "handouts"

    def pages():
        return sorted(path.stem for path in (handouts / "teacher").glob("0*.html"))

    assert run(tmp_path, "--handouts") == 0
    assert pages() == ["01_one", "02_two"]
    index = (handouts / "student" / "index.html").read_text(encoding="utf-8")
    assert "Pictures: sample. Seed: 0." in index
    assert "50.0%" in index
    out = capsys.readouterr().out
    assert f"Handouts: {handouts} (no PDFs" in out
    assert "Handouts without" not in out
    # From the chapters of the earlier run, without running them again.
    assert run(tmp_path, "--handouts", "--only", "2") == 0
    assert pages() == ["01_one", "02_two"]
    # Chapters of different seeds are not of one run.
    assert run(tmp_path, "--handouts", "--only", "2", "-p", "SEED=1") == 0
    assert pages() == ["02_two"]
    assert "Handouts without 01_one: not executed in this run" in capsys.readouterr().out


def test_handouts_refuse_the_folder_of_a_user_before_any_chapter_runs(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    notes = tmp_path / "runs" / "latest" / "handouts" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    assert run(tmp_path, "--handouts") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --handouts: {notes} is not as a run made it")
    assert notes.read_text() == "mine"
    assert [path.name for path in (tmp_path / "runs" / "latest").iterdir()] == ["handouts"]


def test_handouts_of_a_failing_run_are_not_made(tmp_path):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1 / 0")
    assert run(tmp_path, "--handouts") == 1
    assert not (tmp_path / "runs" / "latest" / "handouts").exists()
