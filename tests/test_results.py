"""What one chapter leaves for the next."""

import json
import re
import shlex

import keras
import numpy as np
import pytest
import trees
from keras import layers
from workers import owner_of, start_owner

from catdog_helpers import CatdogError, data, models, results
from catdog_helpers.files.paths import printable
from catdog_helpers.series.chapters import read_chapters
from notebooks import PROJECT

HISTORY = results.History(
    {"loss": [1.0], "accuracy": [0.5], "val_loss": [1.0], "val_accuracy": [0.5]}, 12.34
)


@pytest.fixture
def model():
    return models.compile_classifier(
        keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(2)]), "sgd"
    )


@pytest.fixture
def pets(tmp_path):
    return trees.official(tmp_path / "pets", n=3)


@pytest.fixture
def run(tmp_path, pets):
    return results.start_run(tmp_path / "run", pets, 0, 160)


def test_a_run_keeps_models_histories_and_scores(run, model):
    run.save("first", model, HISTORY, 0.75)
    assert run.load_history("first") == HISTORY
    assert run.load_model("first").count_params() == model.count_params()
    run.record("first", test_accuracy=0.7, test_interval=[0.6, 0.8])
    content = json.loads((run.folder / "scores.json").read_text(encoding="utf-8"))
    assert re.fullmatch("[0-9a-f]{12}", content.pop("checksum"))
    assert content == {
        "data": run.data,
        "seed": 0,
        "image_size": 160,
        "skip_bad_files": False,
        "files": run.files,
        "decisions": "",
        "class_names": ["cats", "dogs"],
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
        ".owner",
        "files.json",
        "first.json",
        "first.keras",
        "scores.json",
    ]


def test_starting_again_keeps_the_same_run_and_moves_another_aside(run, model, capsys):
    run.save("first", model, HISTORY, 0.75)
    again = results.start_run(run.folder, run.data, 0, 160)
    assert list(again.scores()) == ["first"]
    assert capsys.readouterr().out == ""
    other = results.start_run(run.folder, run.data, 1, 160)
    assert other.scores() == {}
    kept = run.folder / "earlier-1"
    assert (
        capsys.readouterr().out
        == f"The folder held another run, which is kept in {printable(kept)}\n"
    )
    assert results.open_run(kept).load_history("first") == HISTORY
    assert results.open_run(kept).load_model("first").count_params() == 98
    with pytest.raises(CatdogError, match="run chapter 02 first"):
        other.load_model("first")


def test_a_run_without_models_is_begun_anew_in_its_place(run, capsys):
    run.record_finding("01.leak", 0.5)
    assert results.start_run(run.folder, run.data, 1, 160).findings() == {}
    assert capsys.readouterr().out == ""
    assert not (run.folder / "earlier-1").exists()


def test_a_notebook_of_an_earlier_run_writes_nothing_into_the_new_one(run, model):
    other = results.start_run(run.folder, run.data, 1, 160)
    for act in (lambda: run.save("first", model, HISTORY, 0.75), run.scores):
        with pytest.raises(CatdogError, match=r"begun another run .* again from its first cell"):
            act()
    assert other.scores() == {}
    assert not (run.folder / "models").exists()


def test_a_missing_chapter_is_named(tmp_path, run):
    with pytest.raises(CatdogError, match="run chapter 01 first"):
        results.open_run(tmp_path / "nothing")
    with pytest.raises(CatdogError, match="run chapter 04 first"):
        run.load_model("scratch")


@pytest.mark.parametrize("values", [(3, 96, True), (0, 160, False)])
def test_later_chapters_take_from_the_run_what_chapter_1_began_it_with(tmp_path, pets, values):
    begun = results.start_run(tmp_path, pets, *values)
    run = results.open_run(tmp_path)
    assert run == begun
    assert (run.data, run.seed, run.image_size, run.skip_bad_files) == (str(pets), *values)
    assert list(results.identity(tmp_path).values()) == [str(pets), *values, run.files, ""]


def test_a_run_shows_of_a_path_the_last_part(tmp_path, pets):
    run = results.start_run(tmp_path / "run", pets, 1, 96)
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


@pytest.mark.parametrize("content", ["{", "[]", '{"models": {}, "data": "pets"}', "[" * 10**5])
def test_the_advice_for_damaged_scores_works_and_loses_nothing(run, model, content):
    run.save("first", model, HISTORY, 0.75)
    run.scores_file.write_text(content, encoding="utf-8")
    advice = re.escape(f'run chapter 01 first (python runall.py --only 01 --out "{run.folder}"')
    with pytest.raises(CatdogError, match=rf"scores\.json is damaged .*: {advice}"):
        results.open_run(run.folder)
    again = results.start_run(run.folder, run.data, 0, 160)
    assert again == run
    assert again.scores() == {}
    assert (run.folder / "earlier-1" / "models" / "first.keras").is_file()
    assert (run.folder / "earlier-1" / "scores.json").read_text(encoding="utf-8") == content


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"metrics": 1}'])
def test_a_damaged_history_names_its_chapter(run, model, content):
    run.save("first", model, HISTORY, 0.75)
    (run.folder / "histories" / "first.json").write_text(content, encoding="utf-8")
    with pytest.raises(CatdogError, match=r"first\.json is damaged .*: run chapter 02 first"):
        run.load_history("first")


def test_a_changed_digit_in_the_scores_is_seen(run):
    run.record("first", val_accuracy=0.81)
    text = run.scores_file.read_text(encoding="utf-8").replace("0.81", "0.91")
    run.scores_file.write_text(text, encoding="utf-8")
    with pytest.raises(CatdogError, match=r"scores\.json is damaged .its checksum"):
        run.scores()


def test_scores_of_an_earlier_version_are_read(run):
    content = json.loads(run.scores_file.read_text(encoding="utf-8"))
    del content["checksum"], content["files"]
    run.scores_file.write_text(json.dumps(content), encoding="utf-8")
    old = results.open_run(run.folder)
    old.record("first", val_accuracy=0.81)
    assert [len(split) for split in data.splits_of(old)] == [6, 4, 2]


def test_a_run_refuses_other_images_and_says_which(run, pets, capsys):
    shown = [split.paths for split in data.splits_of(run)]
    trees.put(pets / "validation/cats/cat.0.jpg")  # the first by name, so the test gets another
    (pets / "train/dogs/dog.t0.jpg").unlink()
    trees.put(pets / "train/dogs/dog.t1.jpg", level=200)
    with pytest.raises(CatdogError) as caught:
        data.splits_of(results.open_run(run.folder))
    assert (
        "the images of a run on pets, seed 0, images of 160 pixels have changed since chapter 01 "
        "began it: 1 added (validation/cats/cat.0.jpg), 1 removed (train/dogs/dog.t0.jpg), "
        "1 with other contents (train/dogs/dog.t1.jpg), "
        "1 now in another split (validation/cats/cat.v0.jpg). Put them back"
    ) in str(caught.value)
    assert f'(python runall.py --only 01 --out "{run.folder}" --data "{pets}", or' in str(
        caught.value
    )
    # What it says to do helps.
    assert results.start_run(run.folder, pets, 0, 160).files != run.files
    assert [split.paths for split in data.splits_of(results.open_run(run.folder))] != shown


def test_the_advice_begins_a_run_of_the_same_kind(tmp_path, pets, monkeypatch):
    monkeypatch.chdir(tmp_path)
    decisions = tmp_path / "my labels.csv"
    decisions.write_text("file,decision,class\ntrain/cats/cat.t0.jpg,drop,\n")
    run = results.start_run("run", "pets", 3, 96, True, decisions)
    with pytest.raises(CatdogError) as caught:
        run.check_files({})
    command = re.search(r"\((python runall.py .*), or its notebook\)", str(caught.value))[1]
    options = shlex.split(command)[2:]
    assert options[:6] == ["--only", "01", "--out", str(run.folder), "--data", str(pets)]
    others = ["SEED=3", "IMAGE_SIZE=96", "SKIP_BAD_FILES=True", f"DECISIONS={decisions}"]
    assert options[6:] == [part for other in others for part in ("-p", other)]


def test_the_defaults_are_those_of_chapter_1():
    (chapter,) = read_chapters(PROJECT / "notebooks", "1")
    given = {name.lower(): value for name, value in chapter.parameters.items()}
    assert {name: given[name] for name in results.DEFAULTS} == results.DEFAULTS


def test_added_photos_do_not_wander_into_the_test_unseen(tmp_path):
    pets = trees.official(tmp_path / "pets", 20)
    run = results.start_run(tmp_path / "run", pets, 0, 160)
    trees.put(pets / "validation/cats/cat.00.jpg")
    with pytest.raises(CatdogError, match=r"1 added \(\S+00\.jpg\), \d+ now in another split"):
        data.splits_of(run)


def test_copied_images_are_the_same(pets, tmp_path, monkeypatch):
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "cache"))
    copy = trees.zipped(pets, tmp_path / "pets.zip")
    assert data.list_files(copy) == data.list_files(pets)


def test_a_list_of_images_that_was_damaged_is_named(run, pets):
    trees.put(pets / "train/cats/cat.x.jpg")
    (run.folder / "files.json").write_text("{}", encoding="utf-8")
    advice = re.escape(f'--only 01 --out "{run.folder}" --data "{pets}", or')
    with pytest.raises(CatdogError, match=rf"files\.json is damaged .*{advice}"):
        data.splits_of(run)
    (run.folder / "files.json").unlink()
    with pytest.raises(CatdogError, match=r"cannot read .*files\.json: No such file"):
        data.splits_of(run)


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
    with pytest.raises(
        CatdogError, match=r"\A\S+scores\.json is damaged \(.*\): run chapter 01 .*\Z"
    ):
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
    advice = re.escape(f'run chapter 02 first (python runall.py --only 02 --out "{run.folder}", or')
    with pytest.raises(
        CatdogError,
        match=rf"\A\S+first\.keras is damaged, or not a model.*; {advice} its notebook\)\Z",
    ):
        run.load_model("first")


def test_a_run_that_another_process_owns_is_refused_and_stays_as_it_is(run, model, monkeypatch):
    monkeypatch.setattr(results, "_WAIT", 0)
    before = run.scores_file.read_bytes()
    acts = {
        "start": lambda: results.start_run(run.folder, run.data, 1, 160),
        "open": lambda: results.open_run(run.folder),
        "save": lambda: run.save("first", model, HISTORY, 0.75),
        "record": lambda: run.record("first", val_accuracy=0.75),
        "record_finding": lambda: run.record_finding("01.leak", 0.5),
    }
    with owner_of(run.folder) as owner:
        for act in acts.values():
            with pytest.raises(CatdogError, match=f"is in use by process {owner.pid} on"):
                act()
    assert run.scores_file.read_bytes() == before
    assert not (run.folder / "models").exists()


def test_a_notebook_waits_while_another_writes_to_the_run(run):
    with start_owner(run.folder, "print('owned', flush=True); time.sleep(0.5)") as owner:
        assert owner.stdout.readline() == "owned\n"
        run.record("first", val_accuracy=0.75)
    assert run.scores() == {"first": {"val_accuracy": 0.75}}


def test_scores_that_vanished_are_not_begun_anew_without_their_identity(run, model):
    run.scores_file.unlink()
    for act in (run.scores, lambda: run.record("first", val_accuracy=1)):
        with pytest.raises(CatdogError, match=r"no run in .*run chapter 01 first .* --data "):
            act()
    assert not run.scores_file.exists()


# --- The classes of a run


def test_a_model_knows_its_classes_and_is_of_as_many_as_the_run(tmp_path, model):
    for name in ("owl", "Fox"):
        for i in range(10):
            trees.put(tmp_path / "t" / name / f"{i}.jpg")
    run = results.start_run(tmp_path / "run", tmp_path / "t", 0, 160)
    assert run.class_names == results.open_run(run.folder).class_names == ("Fox", "owl")
    run.save("first", model, HISTORY, 0.75)
    path = run.folder / "models" / "first.keras"
    assert results.read_class_names(path) == ("Fox", "owl")
    assert run.goal_text("first", 0.9) == "no goal"
    three = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="three")
    with pytest.raises(CatdogError, match=r"'three' ends in 3 logits, .* have 2 classes: Fox, owl"):
        run.save("first", three, HISTORY, 0.75)
    assert run.load_model("first").count_params() == model.count_params()


def test_a_model_file_without_class_names_is_of_cats_and_dogs(tmp_path, model):
    model.save(tmp_path / "old.keras")
    assert results.read_class_names(tmp_path / "old.keras") == ("cats", "dogs")
    for content in (b"", b"PK\3\4 not whole"):
        (tmp_path / "bad.keras").write_bytes(content)
        with pytest.raises(CatdogError, match=r"bad\.keras is damaged"):
            results.read_class_names(tmp_path / "bad.keras")


def test_class_names_with_any_bit_flipped_are_one_line_or_the_same(tmp_path, model):
    path = tmp_path / "first.keras"
    results.save_model(model, path, ("Fox", "owl"))
    content = path.read_bytes()
    name = b"class_names.json"  # 30 bytes after the start of its entry, 46 in the list at the end
    first, last = content.index(name) - 30, content.rindex(name) - 46
    entry = range(first, first + 30 + len(name) + len(b'["Fox", "owl"]'))
    for where in (*entry, *range(last, last + 46 + len(name))):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[where] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                assert results.read_class_names(path) == ("Fox", "owl")
            except CatdogError as error:
                assert f"{path} is damaged" in str(error) and "\n" not in str(error)


def test_goals_are_for_cats_and_dogs(run):
    assert run.goal_text("first", 0.52) == "goal of 52 %: met"
    assert run.goal_text("transfer", 0.9) == "goal of 95 %: not met"
    assert run.goal_text("fine_tuned", 0.9) == "no goal"


def test_decisions_belong_to_the_run_and_other_decisions_begin_another(tmp_path, pets, model):
    decisions = tmp_path / "mine.csv"
    decisions.write_text("file,decision,class\ntrain/cats/cat.t0.jpg,relabel,dogs\n")
    run = results.start_run(tmp_path / "run", pets, 0, 160, decisions=decisions)
    run.save("first", model, HISTORY, 0.75)
    before, after = data.load_splits(pets)[0].counts(), data.splits_of(run)[0].counts()
    assert after == {"cats": before["cats"] - 1, "dogs": before["dogs"] + 1}
    decisions.write_text("file,decision,class\ntrain/cats/cat.t0.jpg,drop,\n")
    with pytest.raises(CatdogError, match=r"the images of .* have changed"):
        data.splits_of(run)
    again = results.start_run(tmp_path / "run", pets, 0, 160, decisions=decisions)
    assert sum(data.splits_of(again)[0].counts().values()) == sum(before.values()) - 1
    assert (tmp_path / "run" / "earlier-1" / "models" / "first.keras").is_file()


def test_a_chapter_of_ones_own_saves_a_model_beside_the_others(run, model):
    run.record_finding("06.x", 1)
    for accuracy in (0.5, 0.6):
        run.save("mine", model, HISTORY, accuracy)
    run.save("first", model, HISTORY, 0.75)
    assert list(run.scores()) == ["first", "mine"] and run.scores()["mine"]["val_accuracy"] == 0.6
    assert run.findings() == {"06.x": 1}
    assert run.load_model("mine").count_params() == model.count_params()
    (run.folder / "models" / "mine.keras").unlink()
    with pytest.raises(CatdogError, match="run the chapter that saves it first"):
        run.load_model("mine")
    for name in ("../mine", "a b", ""):
        with pytest.raises(CatdogError, match="does not name a model; for example 'my_model'"):
            run.save(name, model, HISTORY, 0.5)
