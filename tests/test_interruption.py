"""A run that is stopped at any moment is whole, or says what to run again, and loses nothing.

What the chapters do with a run happens in processes of its own. Each counts its steps on files
(openings, renamings, makings and removals, and first halves of texts) and ends itself at another
one, as a kill does.
"""

import os
import subprocess
import sys

import pytest

from catdog_helpers import CatdogError, results

if not hasattr(os, "fork"):
    pytest.skip("needs processes that are copies of this one", allow_module_level=True)

# Stands for the chapters: a run with two trainings of one model and test scores, then another run.
CHAPTERS = """
import itertools, os, pathlib, shutil, sys, types

files = types.ModuleType("catdog_helpers.data")  # without TensorFlow, which is slow to import
files.list_files = lambda source, decisions: {"cat.0.jpg": f"train 0 {source}"}
files.find_class_names = lambda source: ("cats", "dogs")
sys.modules[files.__name__] = files
from catdog_helpers import results

EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")
KILLED = 9
parent = pathlib.Path(sys.argv[1])
steps = last = 0

def step():
    global steps
    steps += 1
    if steps == last:
        os._exit(KILLED)

def notice(event, arguments):
    if event in EVENTS and any(str(parent) in str(each) for each in arguments[:2]):
        step()

def write_text(path, text, encoding=None):
    with open(path, "w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        step()
        file.write(text[len(text) // 2 :])

class Model:
    output_shape = (None, 2)
    def __init__(self, version):
        self.version = version

    def count_params(self):
        return self.version

    def save(self, path):
        path.write_text(str(self.version) * 100)

def run_chapters(folder):
    for source, version in (("pets", 1), ("pets", 2), ("others", 3)):
        run = results.start_run(folder, source, 0, 160)
        history = results.History({"loss": [version]}, version)
        run.save("first", Model(version), history, version / 10)
        run.record("first", test_accuracy=version / 10)
        run.record_finding("06.tested", version / 10)

def run_copy(folder, moment):
    global last
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    last = moment
    pathlib.Path.write_text = write_text
    sys.addaudithook(notice)
    run_chapters(folder)
    os._exit(0)

for moment in itertools.count(1, 4):
    killed = parent / f"{moment}"
    code = run_copy(killed, moment)
    shutil.copytree(killed, parent / f"{moment} again") if killed.exists() else None
    again = run_copy(parent / f"{moment} again", 0)
    assert (code, again) in ((KILLED, 0), (0, 0)), (code, again)
    if code == 0:
        break
"""


@pytest.fixture(scope="module")
def moments(tmp_path_factory):
    """For each moment the folder that the kill left, and it when the chapters have run again."""
    folder = tmp_path_factory.mktemp("moments")
    command = [sys.executable, "-c", CHAPTERS, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [(path.with_name(path.name.split()[0]), path) for path in folder.glob("* again")]


def version(folder):
    """Return which training a run in a folder shows, None if it says what to run instead.

    Model, history, scores and findings must all be of the same training.
    """
    try:
        run = results.open_run(folder)
        if "first" not in run.scores():
            run.load_model("first")
        scores = run.scores()["first"]
        history = run.load_history("first")
        model = run._path("models", "first.keras", "first").read_bytes()
    except CatdogError as error:
        assert "run chapter 0" in str(error)
        return None
    number = scores["parameters"]
    assert model.startswith(str(number).encode() * 100 + b"PK")
    assert history == results.History({"loss": [number]}, number)
    assert scores["val_accuracy"] == number / 10
    assert scores.get("test_accuracy", number / 10) == number / 10
    assert run.findings().get("06.tested", number / 10) == number / 10
    assert run.data == {1: "pets", 2: "pets", 3: "others"}[number]
    run.check_files({"cat.0.jpg": f"train 0 {run.data}"})
    return number


def trained(folder):
    """Return the versions of all models that are left anywhere in a folder."""
    return {path.read_text(errors="replace")[0] for path in folder.rglob("first.keras")}


def test_a_run_killed_at_any_moment_is_whole_or_says_what_to_run_again(moments):
    shown = [version(killed) for killed, _ in moments]
    assert set(shown) == {None, 1, 2, 3}
    assert len(moments) > 40


def test_after_a_kill_the_chapters_run_again_and_nothing_that_was_trained_is_lost(moments):
    for killed, again in moments:
        assert version(again) == 3, again
        assert version(again / "earlier-1") in (None, 1, 2), again
        assert trained(again) >= {"2", "3"} | (trained(killed) - {"1"}), again
