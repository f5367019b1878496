import json
import subprocess
import sys
from pathlib import Path

import benchmark
import pytest
import trees

from catdog_helpers import models

SCRIPT = Path(benchmark.__file__)


@pytest.fixture
def inputs(tmp_path):
    trees.official(tmp_path / "photos", number=3)
    (tmp_path / "weights").touch()
    return ["--photos", tmp_path / "photos", "--weights", tmp_path / "weights"]


def run(*arguments):
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def test_two_stages_both_ways(inputs, tmp_path):
    json_file = tmp_path / "numbers.json"
    done = run(*inputs, "--repeats", 1, "--only", "package,check", "--json", json_file)
    assert done.returncode == 0, done.stderr
    stages = json.loads(json_file.read_text())["stages"]
    assert stages["package"].keys() == {"title", "note", "ratio", "ours"}
    assert stages["package"]["ratio"] is None
    theirs, ours = stages["check"]["theirs"], stages["check"]["ours"]
    assert stages["check"]["ratio"] == pytest.approx(theirs["median"] / ours["median"])
    assert theirs["photos"] == ours["photos"] == 12
    assert ours["unit"] == "s" and len(ours["values"]) == 1
    # TensorFlow alone takes more than this, and a check without it far less.
    assert ours["peak_memory"] < 200e6 < theirs["peak_memory"]
    titles = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert titles[2:] == ["| import the package alone", "| check the photos"]


def test_both_ways_train_the_same_small_network():
    written, packaged = benchmark.their_layers(), models.convolutional_layers()

    def settings(layer):
        return {key: value for key, value in layer.get_config().items() if key != "name"}

    assert list(map(settings, written)) == list(map(settings, packaged))
    assert list(map(type, written)) == list(map(type, packaged))


def test_both_ways_augment_in_the_same_way():
    written, packaged = benchmark.their_augmentation(), models.augmentation_layers()
    assert list(map(type, written)) == list(map(type, packaged))
    assert written[1].factor == packaged[1].factor


def measurement(seconds, photos=10, peak_memory=1_000_000_000):
    return {"seconds": seconds, "photos": photos, "peak_memory": peak_memory}


def test_a_summary_has_medians_ranges_and_their_ratio():
    measured = {
        "theirs": [measurement(seconds) for seconds in (8.0, 6.0, 40.0)],
        "ours": [measurement(seconds, peak_memory=seconds * 1e9) for seconds in (1.0, 2.0, 3.0)],
    }
    result = benchmark.summary("decode", measured)
    assert result["theirs"]["median"] == 8 and result["theirs"]["range"] == [6, 40]
    assert result["ours"]["median"] == 2 and result["ours"]["peak_memory"] == 3e9
    assert result["ratio"] == 4
    row = benchmark.table_row(result)
    assert row[1:5] == ["8.00 s (6.00 to 40.0)", "2.00 s (1.00 to 3.00)", "4.0", "1.00 / 3.00 GB"]


def test_a_stage_for_each_photo_counts_milliseconds():
    result = benchmark.way_summary(benchmark.STAGES["prediction"], [measurement(0.5, photos=100)])
    assert (result["median"], result["unit"]) == (5, "ms")


def test_epochs_that_were_not_run_are_added(monkeypatch):
    def way(job):
        yield
        yield benchmark.Work(photos=1, added=1000.0)

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
def test_bad_input_is_one_line_and_exit_code_2(inputs, changed, message, capsys):
    options = dict(zip(inputs[::2], map(str, inputs[1::2]), strict=True)) | changed
    arguments = [word for option in options.items() for word in option]
    assert benchmark.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert message in captured.err


def test_other_layouts_are_refused(inputs, tmp_path, capsys):
    trees.kaggle(tmp_path / "kaggle", number=3)
    assert benchmark.main(["--photos", str(tmp_path / "kaggle"), *map(str, inputs[2:])]) == 2
    assert "has the Kaggle layout; give the official one" in capsys.readouterr().err


def test_a_failed_measurement_says_which_and_why(tmp_path):
    job = benchmark.Job(tmp_path, "weights")
    with pytest.raises(benchmark.MeasurementError, match=r"\Acook, ours: KeyError: 'cook'\Z"):
        benchmark.measure_apart("cook", "ours", job)
