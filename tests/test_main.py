"""The command line: what it prints, where, and its exit codes."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from catdog_helpers import __main__ as command_line
from catdog_helpers import pretraining
from catdog_helpers.files.images import PHOTO_FORMATS
from catdog_helpers.files.paths import printable
from catdog_helpers.results import save_model


def save_classifier(path, units=2, shape=(32, 32, 3)):
    """Save a model that takes what is bright for a dog and what is dark for a cat."""
    pool = layers.GlobalAveragePooling2D() if len(shape) == 3 else layers.Flatten()
    front = [keras.Input(shape), layers.Rescaling(1 / 255), pool]
    model = keras.Sequential([*front, layers.Dense(units)])
    kernel = np.zeros((shape[-1], units))
    kernel[:, 1] = 10
    model.layers[-1].set_weights([kernel, np.array([0, -15, *[0] * (units - 2)])])
    model.save(path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("models") / "brightness.keras")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder with a dark, a gray and a bright photo, and one that is none."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("dark.jpg", 20), ("gray.png", 142), ("bright.webp", 230)):
        Image.new("RGB", (60, 40), (value,) * 3).save(name)
    (tmp_path / "bad.jpg").write_text("no image")
    (tmp_path / "folder").mkdir()
    return tmp_path


def predict(model, *photos):
    return command_line.main(["predict", *map(str, photos), "--model", str(model)])


def save_three_classes(path):
    """Save a model that tells red from green from blue, and is sure of it."""
    pool = [keras.Input((32, 32, 3)), layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*pool, layers.Dense(3)])
    model.layers[-1].set_weights([10 * np.eye(3), np.zeros(3)])
    save_model(model, path, ("<b>red</b>", "green", "blue"))
    return path


def test_predict_takes_the_classes_of_the_model(photos, capsys):
    path = save_three_classes(photos / "colors.keras")
    Image.new("RGB", (60, 40), (0, 0, 255)).save("sky.png")
    Image.new("RGB", (60, 40), (255, 0, 0)).save("rose.png")
    assert predict(path, "sky.png", "rose.png") == 0
    sky, rose = capsys.readouterr().out.splitlines()
    assert sky == "sky.png: blue, over 99 % sure"
    assert rose == "rose.png: <b>red</b>, over 99 % sure"
    assert command_line.main(["predict", "sky.png", "--model", str(path), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert list(answer["probabilities"]) == ["<b>red</b>", "green", "blue"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_predict_takes_folders_and_patterns_in_the_order_given(model, photos, capsys):
    (photos / "folder" / "bright.png").write_bytes((photos / "bright.webp").read_bytes())
    assert predict(model, "gray.png", "folder", "*r*.webp", "dark.jpg") == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["gray.png", os.path.join("folder", "bright.png"), "bright.webp", "dark.jpg"]
    assert [line.split(":")[0] for line in lines] == [Path(name).as_posix() for name in names]


def test_a_pattern_or_folder_without_images_is_one_line(model, photos, capsys):
    assert predict(model, "*.bmp", "folder", "dark.jpg") == 1
    out, err = capsys.readouterr()
    assert out.startswith("dark.jpg: a cat")
    assert err.splitlines() == [
        "*.bmp matches no images",
        "folder has no images in it; for those in its folders, end it in /**",
    ]
    options = ["--model", str(model), "--json"]
    assert command_line.main(["predict", "*.bmp", "dark.jpg", *options]) == 1
    bmp, dark = json.loads(capsys.readouterr().out)
    assert bmp == {"photo": "*.bmp", "error": "*.bmp matches no images"}
    assert dark["photo"] == "dark.jpg"


def test_predict_prints_a_line_for_each_photo_in_order(model, photos, capsys):
    assert predict(model, "bright.webp", "dark.jpg", "gray.png") == 0
    assert capsys.readouterr().out.splitlines() == [
        "bright.webp: a dog, over 99 % sure",
        "dark.jpg: a cat, over 99 % sure",
        "gray.png: probably a dog, 85 %, but not sure",
    ]


def test_predict_gives_numbers_as_json(model, photos, capsys):
    options = ["--model", str(model), "--json"]
    assert command_line.main(["predict", "bright.webp", "bad.jpg", *options]) == 1
    bright, bad = json.loads(capsys.readouterr().out)
    assert bright["photo"] == "bright.webp"
    assert bright["probabilities"] == {
        "cats": pytest.approx(6e-6, rel=0.5),
        "dogs": pytest.approx(1, abs=1e-4),
    }
    assert bad["error"].startswith("bad.jpg cannot be decoded")


def test_predict_as_json_is_json_whatever_is_wrong_with_the_model(model, photos, capsys):
    not_numbers = keras.models.load_model(model)
    not_numbers.layers[-1].set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    not_numbers.save("nan.keras")
    (photos / "damaged.keras").write_bytes(model.read_bytes()[:-9])
    for name in ("missing.keras", "damaged.keras", "nan.keras"):
        options = ["--model", name, "--json"]
        assert command_line.main(["predict", "dark.jpg", "*.webp", *options]) == 1
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert json.loads(out) == [
            {"photo": "dark.jpg", "error": line},
            {"photo": "*.webp", "error": line},
        ]
    assert "not numbers" in line


def test_predict_expands_the_home_folder(model, photos, capsys, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(photos))
    assert predict(model, "~/bright.webp") == 0
    assert capsys.readouterr().out == "~/bright.webp: a dog, over 99 % sure\n"


@pytest.mark.parametrize(("source", "told"), [("sample", True), ("photos", False)])
def test_a_model_that_has_only_seen_drawings_says_so(source, told, model, photos, capsys):
    path = photos / "run" / "models" / "first.keras"
    path.parent.mkdir(parents=True)
    shutil.copy(model, path)
    scores = path.parents[1] / "scores.json"
    scores.write_text(json.dumps({"data": source, "models": {}}))
    assert predict(path, "bright.webp") == 0
    out, err = capsys.readouterr()
    assert out == "bright.webp: a dog, over 99 % sure\n"
    assert ("has only seen drawings" in err, err.count("\n")) == (told, told)
    scores.write_text("{")
    assert predict(path, "bright.webp") == 0


def test_bad_photos_are_named_and_the_others_predicted(model, photos, capsys):
    assert predict(model, "bad.jpg", "dark.jpg", "folder", "missing.jpg", "bright.webp") == 1
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["dark.jpg", "bright.webp"]
    assert [line.split()[0] for line in err.splitlines()] == ["bad.jpg", "folder", "missing.jpg"]


@pytest.mark.parametrize("kind", PHOTO_FORMATS)
def test_predict_takes_every_format(model, photos, kind, capsys):
    Image.new("RGB", (60, 40), (230,) * 3).save("pet", kind)
    assert predict(model, "pet") == 0
    assert capsys.readouterr().out == "pet: a dog, over 99 % sure\n"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_predict_takes_transparency_palettes_and_gray(model, photos, mode, capsys):
    bright = Image.new("L", (60, 40), 255)
    if mode == "I;16":
        bright = Image.fromarray(np.full((40, 60), 65535, "uint16"))
    bright.convert(mode).save("pet.png")
    assert predict(model, "pet.png") == 0
    assert capsys.readouterr().out == "pet.png: a dog, over 99 % sure\n"


def test_predict_turns_a_photo_upright(photos, capsys):
    path = photos / "top.keras"
    top = keras.Sequential([keras.Input((32, 32, 3)), layers.Cropping2D(((0, 16), (0, 0)))])
    bright = [layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    for layer in bright:
        top.add(layer)
    bright[-1].set_weights([np.array([[0, 10]] * 3), np.array([0, -15])])
    top.save(path)
    image = Image.new("RGB", (64, 64))
    image.paste((255, 255, 255), (0, 32, 64, 64))  # bright below, so stored upside down
    exif = Image.Exif()
    exif[274] = 3
    image.save("turned.jpg", exif=exif)
    image.save("stored.jpg")
    assert predict(path, "turned.jpg", "stored.jpg") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["dog,", "cat,"]


def refusal(model, capsys):
    """Return the one line that a model is refused with."""
    assert predict(model, "dark.jpg") == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert str(model) in line
    return line


def test_a_model_that_is_not_ours_is_refused_in_one_line(model, photos, capsys):
    assert "Dense(10" in refusal(save_classifier("ten.keras", units=10), capsys)
    assert "(None, 3)" in refusal(save_classifier("flat.keras", shape=(3,)), capsys)
    assert "(None, 8, 9, 3)" in refusal(save_classifier("oblong.keras", shape=(8, 9, 3)), capsys)
    assert "(None, 8, 8, 1)" in refusal(save_classifier("gray.keras", shape=(8, 8, 1)), capsys)
    (photos / "text.keras").write_text("no model")
    assert "no .keras file" in refusal("text.keras", capsys)
    with zipfile.ZipFile("other.keras", "w") as archive:
        archive.writestr("readme.txt", "no model")
    assert "not a model of this series" in refusal("other.keras", capsys)
    assert "no model file" in refusal("missing.keras", capsys)
    shutil.copy(model, "named.keras")
    with zipfile.ZipFile("named.keras", "a") as archive:
        archive.writestr("class_names.json", '["owl", "fox", "bear"]')
    assert "names 3 classes and ends in Dense(2)" in refusal("named.keras", capsys)


def test_predict_writes_nothing_but_its_predictions(model, photos):
    command = [sys.executable, "-m", "catdog_helpers", "predict", "dark.jpg", "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "dark.jpg: a cat, over 99 % sure\n"


def test_the_help_says_that_a_model_has_to_choose(capsys):
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["predict", "--help"])
    assert stopped.value.code == 0
    assert "toaster" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kept.weights.h5", "exists already"),
        ("weights.txt", "end it in .weights.h5"),
        ("nowhere/new.weights.h5", "no folder nowhere"),
    ],
)
def test_pretrain_refuses_before_it_trains(photos, monkeypatch, capsys, name, reason):
    (photos / "kept.weights.h5").write_bytes(b"precious")
    monkeypatch.setattr(pretraining, "pretrain", lambda *_, **__: pytest.fail("trained"))
    assert command_line.main(["pretrain", "--to", name]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert name in line and reason in line
    assert (photos / "kept.weights.h5").read_bytes() == b"precious"


# The other commands


def test_no_command_is_wrong_usage():
    with pytest.raises(SystemExit) as stopped:
        command_line.main([])
    assert stopped.value.code == 2


def test_a_contact_sheet_is_drawn_and_never_over_another_file(tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert command_line.main(["sample", "--sheet", str(sheet)]) == 0
    drawn = sheet.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert command_line.main(["sample", "--sheet", str(sheet)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert sheet.read_bytes() == drawn


def test_sample_needs_a_folder_or_a_sheet(capsys):
    assert command_line.main(["sample"]) == 2
    assert "FOLDER" in capsys.readouterr().err


def test_sample_draws_other_kinds(tmp_path, capsys):
    folder = tmp_path / "kinds"
    command = ["sample", str(folder), "--kinds", "rabbit, owl", "--count", "2"]
    assert command_line.main(command) == 0
    assert capsys.readouterr().out == f"4 drawings lie in {folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == ["owl", "rabbit"]
    assert command_line.main(command) == 1
    assert "holds something else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["FOLDER", "--kinds", "owl,unicorn"], "no kind 'unicorn'"),
        (["FOLDER", "--kinds", "owl"], "2 to 10 kinds"),
        (["FOLDER", "--kinds", ""], "no kind ''"),
        (["FOLDER", "--kinds", "owl,fox", "--seed", "-1"], "a seed of 0 or above, not -1"),
        (["FOLDER", "--seed", "-1"], "a seed of 0 or above, not -1: the pre-training has those"),
        (["--sheet", "sheet.png", "--seed", "-1"], "a seed of 0 or above, not -1"),
        (["FOLDER", "--kinds", "owl,fox", "--count", "0"], "1 to 100,000"),
        (["FOLDER", "--count", "5"], "--count with --kinds"),
        (["--sheet", "sheet.png", "--kinds", "owl,fox"], "goes with a FOLDER"),
    ],
)
def test_wrong_kinds_and_seeds_are_one_line_and_draw_nothing(
    tmp_path, monkeypatch, capsys, options, reason
):
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["sample", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert list(tmp_path.iterdir()) == []


def test_check_says_what_is_wrong_and_exits_with_1(tmp_path, capsys):
    for name in ("train/cats", "train/dogs", "validation/cats", "validation/dogs"):
        (tmp_path / name).mkdir(parents=True)
    assert command_line.main(["check", str(tmp_path)]) == 1
    assert "train/cats" in capsys.readouterr().out


def test_a_console_of_few_characters_shows_the_others_escaped(tmp_path, monkeypatch):
    for name in ("\u043a\u043e\u0442", "owl"):
        (tmp_path / "sample" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "sample" / name / f"{number}.jpg").touch()
    for name, stream in (("sample", "stdout"), ("\u043a\u043e\u0442", "stderr")):
        console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", write_through=True)
        monkeypatch.setattr(sys, stream, console)
        assert command_line.main(["check", str(tmp_path / name)]) == 1
        assert rb"\u043a\u043e\u0442" in console.buffer.getvalue()


def test_check_as_json_is_json_whatever_is_wrong(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "none"):
        assert command_line.main(["check", str(path), "--json"]) == 1
        out, err = capsys.readouterr()
        found = json.loads(out)
        assert found["layout"] is None
        assert printable(path) in found["errors"][0]["text"]
        assert err == ""


def test_demo_without_gradio_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert command_line.main(["demo", "--model", "no.keras"]) == 2
    assert capsys.readouterr().err == 'the page needs Gradio: pip install -e ".[demo]"\n'


@pytest.mark.parametrize(
    "options",
    [("--port", "70000"), ("--port", "0"), ("--max-megabytes", "0")],
)
def test_demo_refuses_numbers_that_make_no_sense(monkeypatch, capsys, options):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: "found")
    assert command_line.main(["demo", "--model", "no.keras", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert options[0] in line


def test_predict_names_a_missing_model(tmp_path, capsys):
    photo = str(tmp_path / "pet.jpg")
    assert command_line.main(["predict", photo, "--model", str(tmp_path / "no.keras")]) == 1
    assert "no.keras" in capsys.readouterr().err


def test_pretrain_never_takes_an_empty_name_for_the_weights_of_the_package(monkeypatch, capsys):
    monkeypatch.setattr(pretraining, "pretrain", lambda *_, **__: pytest.fail("trained"))
    assert command_line.main(["pretrain", "--to", ""]) == 1
    assert "end it in .weights.h5" in capsys.readouterr().err


def test_export_writes_a_file_for_litert_once(photos, capsys):
    path = save_three_classes(photos / "colors.keras")
    command = ["export", "--model", str(path), "colors.tflite"]
    assert command_line.main(command) == 0
    shown = capsys.readouterr().out
    assert " MB in colors.tflite\n" in shown and "from Keras, on 8 random images: " in shown
    with zipfile.ZipFile("colors.tflite") as archive:
        assert archive.read("labels.txt").decode().splitlines()[0] == "<b>red</b>"
    assert command_line.main(command) == 1
    assert capsys.readouterr().err == "colors.tflite exists already; give another name\n"
