"""Options, exit codes and messages of ``runall.py``."""

import io
import os
import signal
import subprocess
import sys
import time
import tomllib

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_markdown_cell

from catdog_helpers import __main__
from catdog_helpers.files import download
from catdog_helpers.series import command_line
from notebooks import PROJECT, SEEDED, copy_of, printed, run, write_notebook

WRONG_USAGE = {
    "parameter": (
        ["-p", "epoch=3"],
        ["'epoch'", "did you mean EPOCHS?", "Valid: DECISIONS, EPOCHS"],
    ),
    "parameter without value": (["-p", "EPOCHS"], ["NAME=VALUE"]),
    "parameter with an option": (["-p", "DATA=photos"], ["--data"]),
    "parameter like none": (["-p", "WIDTH=3"], ["'WIDTH'", "Valid: DECISIONS, EPOCHS"]),
    "type of a parameter": (["-p", "EPOCHS=abc"], ["a whole number, such as 20; 'abc' is text"]),
    "count": (["-p", "EPOCHS=0"], ["a whole number from 1, such as 20; not '0'"]),
    "list of counts": (
        ["-p", "SCRATCH_EPOCHS=8"],
        ["a list of 3", "such as [26, 20, 16]; not '8'"],
    ),
    "decisions": (["-p", "DECISIONS=mine.csv"], ["DECISIONS: no file", "mine.csv", "DECISIONS="]),
    "folder of decisions": (["-p", "DECISIONS=."], ["DECISIONS: no file"]),
    "data": (["--data", "phots"], ["phots", "sample or photos"]),
    "weights": (["--weights", "imagnet"], ["imagnet", "imagenet or drawn"]),
    "notebooks": (["--notebooks", "nowhere"], ["no notebooks in", "--notebooks"]),
    "seeds from no number": (["--seeds", "2", "-p", "SEED=x"], ["SEED", "'x'"]),
    "seeds below 0": (["--seeds", "2", "-p", "SEED=-1"], ["SEED", "-1"]),
    "seeds without a chapter": (["--seeds", "2", "--only", "3"], ["no chapter has", "SEED"]),
    "cluster": (["--seeds", "2", "--cluster", "127.0.0.1:1"], ["no Dask scheduler at 127.0.0.1:1"]),
    "out is a file": (["--out", __file__], ["--out: cannot write in"]),
}


@pytest.mark.parametrize("name", WRONG_USAGE)
def test_wrong_usage_is_one_line_with_what_is_valid(name, tmp_path, capsys):
    options, fragments = WRONG_USAGE[name]
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "1", parameters="SEED = 0")
    others = 'DATA = "sample"\nDECISIONS = ""\nSCRATCH_EPOCHS = None'
    write_notebook(tmp_path / "notebooks" / "03_three.ipynb", "1", parameters=others)
    assert run(tmp_path, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(fragment in line for fragment in fragments)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "options",
    [
        "--seed=1",
        "--timeout=0",
        "--seeds=1",
        "--seeds=2 --handouts",
        "--cluster=a",
        "--update -pA",
        "--update --seeds=2",
        "--update --handouts",
    ],
)
def test_unknown_or_contradicting_options_list_the_valid_ones(options, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, *options.split())
    assert ended.value.code == 2
    assert "--timeout SECONDS" in capsys.readouterr().err


def test_unreadable_notebook_fails_before_any_chapter_runs(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "00_good.ipynb", "1")
    (tmp_path / "notebooks" / "01_bad.ipynb").write_text("{")
    assert run(tmp_path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("failed: 01_bad.ipynb: not a readable notebook")
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_everything(number, tmp_path):
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
        from catdog_helpers.series import command_line
        try:
            command_line.main(["--help"])
        except SystemExit:
            print({"tensorflow", "keras", "papermill", "nbformat", "pandas"} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_handouts_hold_the_chapters_of_the_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # without a browser
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "'two'")
    handouts = tmp_path / "runs" / "latest" / "handouts"

    def pages():
        return sorted(path.stem for path in (handouts / "teacher").glob("0*.html"))

    assert run(tmp_path, "--handouts") == 0
    assert pages() == ["01_one", "02_two"]
    index = (handouts / "teacher" / "index.html").read_text(encoding="utf-8")
    assert "Images: sample. Seed: 0." in index
    assert "50.0%" in index
    out = capsys.readouterr().out
    assert f"Handouts: {handouts} (no PDFs" in out
    assert "Handouts without" not in out
    # From the chapters of the earlier run, without running them again.
    assert run(tmp_path, "--handouts", "--only", "2") == 0
    assert pages() == ["01_one", "02_two"]
    # A chapter that was executed before chapter 1 began another run is not of this one.
    assert run(tmp_path, "--handouts", "--only", "1", "-p", "SEED=1") == 0
    assert pages() == ["01_one"]
    assert "Handouts without 02_two: not executed in this run" in capsys.readouterr().out


def test_handouts_leave_out_chapters_with_models_from_before(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # without a browser
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    for name in ("02_two", "03_three"):
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", "1", parameters="EPOCHS = 1")
    assert run(tmp_path, "--handouts", "--only", "1,2,3") == 0
    assert run(tmp_path, "--handouts", "--only", "1") == 0  # trains no model of a later chapter
    assert "Handouts without" not in capsys.readouterr().out
    assert run(tmp_path, "--handouts", "--only", "2", "-p", "EPOCHS=2") == 0
    out = capsys.readouterr().out
    assert "Handouts without 03_three: not executed in this run" in out
    assert "show the run before" not in out
    assert run(tmp_path, "--only", "2") == 0
    stale = f"The handouts in {tmp_path / 'runs' / 'latest' / 'handouts'} show the run before; to "
    assert stale in capsys.readouterr().out


def test_other_data_needs_chapter_1(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", SEEDED)
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "1", parameters="EPOCHS = 1")
    assert run(tmp_path) == 0
    assert run(tmp_path, "--only", "2", "--data", "sample") == 0
    capsys.readouterr()
    assert run(tmp_path, "--only", "2", "--data", "photos") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is on sample, and only chapter 01 begins another; add it to --only" in line


@pytest.mark.parametrize("given", ["mine.csv", ""])
def test_a_file_of_decisions_is_found_from_where_the_command_was_typed(
    given, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").touch()
    parameters = 'RUN_DIR = "runs/latest"\nDECISIONS = "other"'
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "DECISIONS", parameters=parameters)
    assert run(tmp_path, "-p", f"DECISIONS={given}") == 0
    shown = copy_of(tmp_path, "01_one").cells[-1].outputs[0].data["text/plain"]
    assert shown == repr(str(tmp_path / given) if given else "")


def test_handouts_keep_the_folder_of_a_user_before_any_chapter_runs(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    notes = tmp_path / "runs" / "latest" / "handouts" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    assert run(tmp_path, "--handouts") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --handouts: {notes} is not as a run made it")
    assert notes.read_text() == "mine"
    assert [path.name for path in (tmp_path / "runs" / "latest").iterdir()] == ["handouts"]


def test_a_broken_note_for_the_teacher_is_told_before_any_chapter_runs(tmp_path, capsys):
    path = write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_markdown_cell("No minutes.", metadata={"tags": ["teacher"]}))
    nbformat.write(notebook, path)
    assert run(tmp_path, "--handouts") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "01_one: the note for the teacher needs one line such as" in line
    assert not (tmp_path / "runs").exists()


WEIGHTS = {"DATA": "sample", "RUN_DIR": "runs/latest", "WEIGHTS": None}


@pytest.fixture
def needs_weights(tmp_path, monkeypatch):
    """A chapter that takes weights, on a computer without them and without a network."""
    monkeypatch.delenv("CATDOG_WEIGHTS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(download, "WEIGHTS_URL", "http://127.0.0.1:9/w.h5")
    monkeypatch.setattr(download, "RETRIES", 0)
    parameters = "\n".join(f"{name} = {value!r}" for name, value in WEIGHTS.items())
    write_notebook(tmp_path / "notebooks" / "05_five.ipynb", "1", parameters=parameters)
    return tmp_path


@pytest.mark.parametrize("options", [["--data", "."], ["--weights", "imagenet"]])
def test_weights_that_cannot_be_had_are_told_before_any_chapter_runs(
    options, needs_weights, capsys
):
    assert run(needs_weights, *options) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("failed: cannot download http://127.0.0.1:9/w.h5: no connection")
    assert "--weights FILE" in line and "CATDOG_WEIGHTS" in line
    assert not (needs_weights / "runs").exists()


@pytest.mark.parametrize(
    ("weights", "fault"), [("none.h5", "no such file"), (__file__, "no whole HDF5 file")]
)
def test_weights_that_are_none_are_told_before_any_chapter_runs(
    weights, fault, needs_weights, monkeypatch, capsys
):
    monkeypatch.setenv("CATDOG_WEIGHTS", weights)
    assert run(needs_weights, "--data", ".") == 2
    (line,) = capsys.readouterr().err.splitlines()
    path = os.path.abspath(weights)
    assert line.startswith(f"error: CATDOG_WEIGHTS: {path}: {fault}; give")
    assert not (needs_weights / "runs").exists()


def test_weights_under_a_name_that_keras_does_not_read_are_told_before_any_chapter_runs(
    needs_weights, monkeypatch, capsys
):
    drawn = PROJECT / "catdog_helpers" / "drawn_backbone.weights.h5"
    (needs_weights / "weights.h5").write_bytes(drawn.read_bytes())
    monkeypatch.setenv("CATDOG_WEIGHTS", str(needs_weights / "weights.h5"))
    assert run(needs_weights, "--data", ".") == 2
    assert "weights.h5: Keras finds no weights in it unless its name ends in .weights.h5" in (
        capsys.readouterr().err
    )


def test_relative_paths_of_the_environment_mean_the_same_in_a_chapter(needs_weights, monkeypatch):
    monkeypatch.chdir(needs_weights)
    names = {"CACHE": "cache", "URL": "pets.zip", "WEIGHTS": "mine.weights.h5"}
    for name, value in names.items():
        monkeypatch.setenv(f"CATDOG_{name}", value)
    drawn = PROJECT / "catdog_helpers" / "drawn_backbone.weights.h5"
    (needs_weights / "mine.weights.h5").write_bytes(drawn.read_bytes())
    expected = [os.path.abspath(value) for value in names.values()]
    source = f"import os; assert [os.environ['CATDOG_' + n] for n in {[*names]}] == {expected}"
    parameters = "\n".join(f"{name} = {value!r}" for name, value in WEIGHTS.items())
    write_notebook(needs_weights / "notebooks" / "05_five.ipynb", source, parameters=parameters)
    assert run(needs_weights, "--data", "photos") == 0


def test_the_sample_needs_no_weights(needs_weights):
    assert run(needs_weights) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
def test_after_an_interrupt_a_session_can_be_interrupted_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)  # as in Jupyter and IDLE
    interrupt = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", interrupt)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run(tmp_path) == 130
    assert capsys.readouterr().err == "interrupted in 01_one.ipynb, cell 3 of 3\n"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_runall_in_a_notebook(tmp_path):
    write_notebook(tmp_path / "chapters" / "01_one.ipynb", "print(6 * 7)")
    options = f"--notebooks '{tmp_path / 'chapters'}' --out '{tmp_path / 'out'}'"
    path = write_notebook(tmp_path / "n.ipynb", f"%run '{PROJECT / 'runall.py'}' {options}")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120).execute()
    assert "Models, scores and executed chapters" in printed(notebook)
    assert (tmp_path / "out" / "notebooks" / "01_one.ipynb").is_file()


def test_the_version_is_that_of_the_project(capsys):
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    for main in (command_line.main, __main__.main):
        with pytest.raises(SystemExit) as ended:
            main(["--version"])
        assert ended.value.code == 0
        assert capsys.readouterr().out.strip() == tomllib.loads(text)["project"]["version"]


def test_a_stream_without_reconfigure_as_in_jupyter_will_do(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert command_line.main(["--notebooks", str(tmp_path)], project=tmp_path) == 2
    assert "no notebooks" in sys.stderr.getvalue()
