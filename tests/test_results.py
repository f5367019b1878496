"""What one chapter leaves for the next."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from catdog_helpers import CatdogError, models, results

HISTORY = results.History(
    {"loss": [1.0], "accuracy": [0.5], "val_loss": [1.0], "val_accuracy": [0.5]}, 12.34
)


@pytest.fixture
def model():
    return models.compile_classifier(
        keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(2)]), "sgd"
    )


@pytest.fixture
def run(tmp_path):
    return results.start_run(tmp_path / "run", "sample", 0, 160)


def test_a_run_keeps_models_histories_and_scores(run, model):
    run.save("first", model, HISTORY, 0.75)
    assert run.load_history("first") == HISTORY
    assert run.load_model("first").count_params() == model.count_params()
    run.record("first", test_accuracy=0.7, test_interval=[0.6, 0.8])
    content = json.loads((run.folder / "scores.json").read_text(encoding="utf-8"))
    assert content == {
        "data": "sample",
        "seed": 0,
        "image_size": 160,
        "skip_bad_files": False,
        "models": {
            "first": {
                "val_accuracy": 0.75,
                "parameters": 98,
                "epochs": 1,
                "train_seconds": 12.3,
                "test_accuracy": 0.7,
                "test_interval": [0.6, 0.8],
            }
        },
        "findings": {},
    }
    assert sorted(p.name for p in run.folder.rglob("*") if p.is_file()) == [
        "first.json",
        "first.keras",
        "scores.json",
    ]


def test_starting_again_keeps_the_same_run_and_replaces_another(run, model):
    run.save("first", model, HISTORY, 0.75)
    again = results.start_run(run.folder, "sample", 0, 160)
    assert list(again.scores()) == ["first"]
    other = results.start_run(run.folder, "sample", 1, 160)
    assert other.scores() == {}
    with pytest.raises(CatdogError, match="run chapter 02 first"):
        other.load_model("first")  # the file is there, but of the other run


def test_a_missing_chapter_is_named(tmp_path, run):
    with pytest.raises(CatdogError, match="run chapter 01 first"):
        results.open_run(tmp_path / "nothing")
    with pytest.raises(CatdogError, match="run chapter 04 first"):
        run.load_model("scratch")


@pytest.mark.parametrize("values", [("photos", 3, 96, True), ("sample", 0, 160, False)])
def test_later_chapters_take_from_the_run_what_chapter_1_began_it_with(tmp_path, values):
    begun = results.start_run(tmp_path, *values)
    run = results.open_run(tmp_path)
    assert run == begun
    assert (run.data, run.seed, run.image_size, run.skip_bad_files) == values
    assert results.identity(tmp_path) == dict(zip(results.IDENTITY, values, strict=True))


def test_a_run_shows_of_a_path_the_last_part(tmp_path):
    run = results.start_run(tmp_path / "run", tmp_path / "private" / "pets", 1, 96)
    assert str(run) == "a run on pets, seed 1, images of 96 pixels"


def test_findings_are_kept_in_the_order_of_the_chapters(run):
    run.record_finding("06.turned", 1)
    run.record_finding("02.guess", np.float32(0.5))
    run.record_finding("02.guess", 0.25)
    assert list(results.open_run(run.folder).findings().items()) == [
        ("02.guess", 0.25),
        ("06.turned", 1.0),
    ]


@pytest.mark.parametrize(("name", "value"), [("02.a", float("nan")), ("a", 1), ("2.a", 1)])
def test_a_finding_needs_a_chapter_and_a_number(run, name, value):
    with pytest.raises(CatdogError, match=r"not a number|does not name a finding"):
        run.record_finding(name, value)
    assert run.findings() == {}


def test_damaged_scores_are_named(run):
    run.scores_file.write_text("{", encoding="utf-8")
    with pytest.raises(
        CatdogError, match=r"scores\.json is damaged .*: move it away and run chapter 01 again"
    ):
        results.open_run(run.folder)


def test_only_keras_files(tmp_path, model):
    with pytest.raises(CatdogError, match=r"\.keras"):
        results.save_model(model, tmp_path / "model.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "mine.keras"
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(CatdogError, match=r"mine\.keras is not a model of this series"):
        results.load_model(path)
    with pytest.raises(CatdogError, match="no model file"):
        results.load_model(tmp_path / "nothing.keras")


def test_a_relative_run_is_the_projects_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("CATDOG_ROOT", raising=False)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "runall.py").touch()
    for folder in (tmp_path, tmp_path / "notebooks"):
        monkeypatch.chdir(folder)
        assert results.resolve_run_dir("runs/latest") == tmp_path / "runs" / "latest"
    assert results.resolve_run_dir(tmp_path / "other") == tmp_path / "other"
    monkeypatch.setenv("CATDOG_ROOT", str(tmp_path / "elsewhere"))
    assert results.resolve_run_dir("runs/latest") == tmp_path / "elsewhere" / "runs" / "latest"


def test_two_trainings_in_a_row_are_one_history():
    values = {"loss": [3, 2, 1], "val_accuracy": [0.5, 0.8, 0.8]}
    history = results.History(values, 1.0)
    joined = history.joined(results.History(values, 2.0))
    assert (joined.epochs, joined.train_seconds) == (6, 3.0)


def test_the_score_table_shows_what_is_there(run):
    run.record("transfer", val_accuracy=0.9, parameters=2)  # as if chapter 2 had run again
    run.record("first", val_accuracy=0.8125, test_accuracy=0.75, test_interval=[0.686, 0.805])
    run.record("first", parameters=1234567, epochs=20, train_seconds=12.34)
    heads, *rows = (row.split() for row in results.score_table(run.folder).to_string().splitlines())
    assert heads == list(run.scores()["first"])
    assert rows == [
        ["first", "81.2%", "75.0%", "68.6%", "to", "80.5%", "1,234,567", "20", "12.3"],
        ["transfer", "90.0%", "2"],
    ]


def test_without_scores_the_table_is_empty(tmp_path):
    assert results.score_table(tmp_path).empty


@pytest.mark.parametrize(
    "content", ["{", "{\n", "[]", "{}", '{"models": []}', '{"models": {"first": {"epochs": "x"}}}']
)
def test_damaged_scores_are_one_line_that_names_the_file(run, content):
    run.scores_file.write_text(content, encoding="utf-8")
    with pytest.raises(CatdogError, match=r"\A\S+scores\.json is damaged \(.*\): move it away.*\Z"):
        results.score_table(run.folder)


def test_a_newly_saved_model_has_no_score_of_an_older_one(run, model):
    run.save("first", model, HISTORY, 0.75)
    run.record("first", test_accuracy=0.7, test_interval=[0.6, 0.8])
    for name in ("01.leak", "02.guess", "06.turned"):
        run.record_finding(name, 0.5)
    run.save("first", model, HISTORY, 0.55)
    assert list(run.findings()) == ["01.leak", "02.guess"]  # chapter 6 rests on the old model
    assert run.scores()["first"].keys() == {"val_accuracy", "parameters", "epochs", "train_seconds"}
    assert run.scores()["first"]["val_accuracy"] == 0.55


@pytest.mark.parametrize("position", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_damaged_model_file_is_one_line(run, model, position):
    run.save("first", model, HISTORY, 0.75)
    path = run.folder / "models" / "first.keras"
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 255
    path.write_bytes(content)
    with pytest.raises(CatdogError, match=r"\A\S+first\.keras is damaged, or not a model.*\Z"):
        run.load_model("first")


def test_scores_that_vanished_are_not_begun_anew_without_their_identity(run, model):
    run.scores_file.unlink()
    for act in (run.scores, lambda: run.record("first", val_accuracy=1)):
        with pytest.raises(CatdogError, match=r"no run in .*run chapter 01 first"):
            act()
    assert not run.scores_file.exists()
