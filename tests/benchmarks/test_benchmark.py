import json
import re
import subprocess
import sys
from pathlib import Path

import benchmark
import ours
import pytest
import straightforward
import trees
from job import Work

from catdog_helpers import models
from catdog_helpers.quiet_tensorflow import layers  # noqa: F401 (for the code of a chapter)
from catdog_helpers.series.chapters import read_notebook

SCRIPT = Path(benchmark.__file__)


@pytest.fixture
def options(tmp_path):
    trees.official(tmp_path / "photos", n=3)
    (tmp_path / "weights").touch()
    return {"--photos": str(tmp_path / "photos"), "--weights": str(tmp_path / "weights")}


def words(options):
    return [word for option in options.items() for word in option]


def test_two_stages_both_ways(options, tmp_path):
    options |= {"--repeats": "1", "--only": "package,check", "--json": str(tmp_path / "json")}
    command = [sys.executable, SCRIPT, *words(options)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stages = json.loads((tmp_path / "json").read_text())["stages"]
    assert stages["package"].keys() == {"title", "note", "ratio", "ours"}
    assert stages["package"]["ratio"] is None
    theirs, own = stages["check"]["theirs"], stages["check"]["ours"]
    assert stages["check"]["ratio"] == pytest.approx(theirs["median"] / own["median"])
    assert theirs["images"] == own["images"] == 12
    assert own["unit"] == "s" and len(own["values"]) == 1
    # TensorFlow alone takes more than this, and a check without it far less.
    assert own["peak_memory"] < 200e6 < theirs["peak_memory"]
    titles = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert titles[2:] == ["| import the package alone", "| check the photos"]


def test_the_straightforward_way_runs_without_the_package():
    assert "catdog_helpers" not in Path(straightforward.__file__).read_text()
    code = "import benchmark, sys; assert not {'catdog_helpers', 'tensorflow'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], cwd=SCRIPT.parent, check=True)


def test_our_way_loads_keras_through_the_package_which_sets_its_options():
    own_code = Path(ours.__file__).read_text()
    assert not re.search(r"^ *(import|from) (keras|tensorflow)", own_code, re.MULTILINE)


def test_both_ways_train_the_same_small_network():
    written, packaged = straightforward.small_network_layers(), models.convolutional_layers()

    def settings(layer):
        return {key: value for key, value in layer.get_config().items() if key != "name"}

    assert list(map(settings, written)) == list(map(settings, packaged))
    assert list(map(type, written)) == list(map(type, packaged))


def test_both_ways_augment_as_chapter_3_does():
    notebook = read_notebook(SCRIPT.parents[1] / "notebooks" / "03_augmentation.ipynb")
    model = next(x.source for x in notebook.cells if "models.build_small_network(" in x.source)
    in_chapter = [eval(layer) for layer in re.findall(r"layers\.Random\w+\(.*?\)", model)]
    written = straightforward.augmentation_layers()
    assert list(map(type, written)) == list(map(type, in_chapter))
    assert (written[0].mode, written[1].factor) == (in_chapter[0].mode, in_chapter[1].factor)


def test_drawings_are_counted_as_they_were_made():
    for way in (ours.draw_sample(None, train=8, validation=4), ours.draw_in_one_process(None, 12)):
        next(way)
        assert next(way).images == 12


def measurement(seconds, images=10, peak_memory=1_000_000_000):
    return {"seconds": seconds, "images": images, "peak_memory": peak_memory}


def test_the_machine_is_described_with_the_processors_that_were_used(monkeypatch):
    monkeypatch.setattr("catdog_helpers.n_cpus", lambda: 77)
    assert ", 77 cores, " in benchmark.machine()


def test_a_summary_has_medians_ranges_and_their_ratio():
    measured = {
        "theirs": [measurement(seconds) for seconds in (8.0, 6.0, 40.0)],
        "ours": [measurement(seconds, peak_memory=seconds * 1e9) for seconds in (1.0, 2.0, 3.0)],
    }
    result = benchmark.summary("decode", measured)
    assert result["theirs"]["median"] == 8 and result["theirs"]["range"] == [6, 40]
    assert result["ours"]["median"] == 2 and result["ours"]["peak_memory"] == 3e9
    assert result["ratio"] == 4
    row = benchmark.table({"decode": result}, 3).splitlines()[2]
    times = "8.00 s (6.00 to 40.0) | 2.00 s (1.00 to 3.00)"
    assert f" | {times} | 4.0 | 1.00 / 3.00 GB | " in row


def test_a_stage_for_each_image_counts_milliseconds():
    result = benchmark.summary("prediction", {"ours": [measurement(0.5, images=100)]})["ours"]
    assert (result["median"], result["unit"]) == (5, "ms")


def test_epochs_that_were_not_run_are_added(monkeypatch):
    def way(job):
        yield
        yield Work(images=1, added=1000.0)

    monkeypatch.setitem(benchmark.STAGES, "stub", benchmark.Stage("stub", None, way))
    assert 1000 < benchmark.measure("stub", "ours", None)["seconds"] < 1010


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--photos": "nowhere"}, "no such file or folder: nowhere"),
        ({"--weights": "nowhere"}, "no weights file at nowhere"),
        ({"--only": "decode,cook"}, "no stage cook; there are package, import"),
        ({"--repeats": "0"}, "--repeats is 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(options, changed, message, capsys):
    assert benchmark.main(words(options | changed)) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert message in captured.err


def test_other_layouts_are_refused(options, tmp_path, capsys):
    options["--photos"] = str(trees.kaggle(tmp_path / "kaggle", n=3))
    assert benchmark.main(words(options)) == 2
    assert "has the Kaggle layout; give the official one" in capsys.readouterr().err


def test_a_failed_measurement_says_which_and_why(tmp_path):
    job = benchmark.Job(tmp_path, "weights")
    with pytest.raises(benchmark.MeasurementError, match=r"\Acook, ours: KeyError: 'cook'\Z"):
        benchmark.measure_apart("cook", "ours", job)
