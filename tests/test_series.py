"""All six chapters on a handful of images: what they leave is complete, repeatable and correct.

The backbone is cut short and has random weights: nothing here asks how good a model is.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import nbformat
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import trees
from keras import layers

from catdog_helpers import CatdogError, data, models, results

CHAPTERS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SIZE = 32
SHORT = {
    "IMAGE_SIZE": SIZE,
    "EPOCHS": 1,
    "SCRATCH_EPOCHS": (1, 1),  # two of the three stages show that their histories are joined
    "ABLATION_EPOCHS": 1,
    "HEAD_EPOCHS": 2,
    "CURVE_STEPS": 3,
    "WEIGHTS": "drawn",
}
# The stored outputs are of cats and dogs. These names are in no order, and like formulas.
CLASSES = {"=1+1": 60, "\u732b": 150, "$5$ and $6$": 105}
# Chapter 2 compares losses in epoch 5.
LONGER = {"02_first_model": {"EPOCHS": 5}}
# Runs without this project: a saved model and a JPEG file are enough.
FRESH_PROCESS = """
import json, pathlib, sys
import keras
import numpy as np

folder, size, *photos = sys.argv[1:]
saved = {p.stem: keras.models.load_model(p) for p in sorted(pathlib.Path(folder).glob("*.keras"))}
images = np.stack([keras.utils.load_img(p, target_size=(int(size),) * 2) for p in photos])
report = {"models": {}, "backbone": []}
for name, model in saved.items():
    head = model.layers[-1].get_config()
    report["models"][name] = {
        "probabilities": keras.ops.softmax(model(images, training=False)).numpy().tolist(),
        "head": [type(model.layers[-1]).__name__, head["units"], head["activation"]],
        "parameters": model.count_params(),
    }
before, after = (saved[name].get_layer("backbone").layers for name in ("transfer", "fine_tuned"))
for old, new in zip(before, after, strict=True):
    pairs = list(zip(old.get_weights(), new.get_weights(), strict=True))
    moved = [not np.array_equal(*pair) for pair in pairs]
    report["backbone"].append([old.name, type(old).__name__, moved])
assert "catdog_helpers" not in sys.modules
print(json.dumps(report))
"""


def code_cells(chapter, *, all_cells):
    """Return the code cells; without ``all_cells``, up to the last that changes the run."""
    cells = [c for c in nbformat.read(chapter, as_version=4).cells if c.cell_type == "code"]
    recording = re.compile(r"start_run\(|run\.save\(|run\.record(_finding)?\(")
    last = max(i for i, cell in enumerate(cells) if recording.search(cell.source))
    return cells if all_cells else cells[: last + 1]


def run_chapter(chapter, parameters, *, all_cells):
    parameters = SHORT | parameters
    names = {"__name__": chapter.stem, "display": lambda shown: None}  # as IPython has it
    for cell in code_cells(chapter, all_cells=all_cells):
        exec(compile(cell.source, f"{chapter.stem}, cell {cell.id}", "exec"), names)
        if "parameters" in cell.metadata.get("tags", []):
            names.update({key: parameters[key] for key in names.keys() & parameters.keys()})


def run_series(folder, run_dir, seed, chapters=CHAPTERS, *, all_cells=False, **parameters):
    """Run chapters as ``-W error`` does: any warning is an error, but for one of Keras itself."""
    parameters |= {"DATA": str(folder), "RUN_DIR": str(run_dir), "SEED": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # From any look at a weight with NumPy 2 (Keras 3.15).
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        warnings.filterwarnings("ignore", ".*does not apply to tf.data functions")
        for chapter in chapters:
            run_chapter(chapter, parameters, all_cells=all_cells)
    return run_dir


def recorded(run_dir):
    """Return scores and histories without what the clock says."""
    scores = json.loads((run_dir / "scores.json").read_text())["models"]
    for values in scores.values():
        del values["train_seconds"]
    paths = sorted((run_dir / "histories").glob("*.json"))
    return scores, {path.stem: json.loads(path.read_text())["metrics"] for path in paths}


def short_mobilenet(input_tensor, alpha, include_top, weights):
    """Build a backbone with one block before the cut and one after it, which compile quickly."""
    assert not include_top
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="Conv1")(input_tensor)
    for name in (models.CUT, "Conv_1_bn"):
        x = layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
        x = layers.Conv2D(round(64 * alpha), 1, use_bias=False)(layers.ReLU()(x))
        x = layers.BatchNormalization(name=name)(x)
    backbone = keras.Model(keras.utils.get_source_inputs(input_tensor), x)
    if weights:
        backbone.load_weights(weights)
    return backbone


def measure_statistics(backbone):
    """Fill batch normalization from noise: with random weights alone the signal fades to zero."""
    backbone.trainable = True
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0
    noise = np.random.default_rng(0).uniform(0, 255, (32, SIZE, SIZE, 3))
    backbone(noise, training=True)


def put_odd_images(folder, name, level):
    """Write training images of every odd kind that is accepted; the first one by name has the odds.

    A warning that one of them causes in a chapter is an error, see `run_series`.
    """
    frame = trees.image(level, f"odd {name}", SIZE)
    turned = PIL.Image.Exif()
    turned[274] = 3  # upside down
    deep = np.asarray(frame.convert("L")).astype("uint16") * 257
    for file_name, odd, options in (
        (f" $5$ {name} \u732b.png", frame.quantize(16), {"kind": "PNG", "transparency": 0}),
        (f"{name}.cmyk.jpg", frame.convert("CMYK"), {}),
        (f"{name}.deep.png", PIL.Image.fromarray(deep), {"kind": "PNG"}),
        (f"{name}.turned.jpg", frame.rotate(180), {"exif": turned}),
        (f"{name}.moving.gif", frame.quantize(16), {"kind": "GIF", "append_images": [frame]}),
        (f"{name}.clear.png", frame.convert("RGBA"), {"kind": "PNG"}),
    ):
        moving = {"save_all": True} if "append_images" in options else {}
        trees.put(folder / file_name, trees.encoded(odd, **options, **moving))


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    """Three classes of different brightness, of the very size that the models take."""
    folder = tmp_path_factory.mktemp("images")
    for part, n in (("train", 10), ("validation", 50)):
        for number, (name, level) in enumerate(CLASSES.items()):
            if part == "train":
                put_odd_images(folder / part / name, f"kind{number}", level)
            for i in range(n):
                path = folder / part / name / f"kind{number}.{i}.jpg"
                trees.put(path, trees.encoded(trees.image(level, f"{part} {path.name}", SIZE)))
    return folder


@pytest.fixture(scope="module")
def patch(tmp_path_factory):
    """A short backbone of random weights, and no graphs: few steps are done before one is built."""
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "DRAWN_WEIGHTS", path)
        patch.setattr(models, "DRAWN_SIZE", SIZE)
        patch.setattr(keras.applications, "MobileNetV2", short_mobilenet)
        keras.utils.set_random_seed(0)
        backbone = models.build_backbone("drawn", SIZE, pretrained=False)
        measure_statistics(backbone)
        backbone.save_weights(path)
        tf.config.run_functions_eagerly(True)
        yield patch
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def scored_split(image_folder):
    return data.load_splits(image_folder)[2]


@pytest.fixture(scope="module")
def predictions():
    """The probabilities of each model at the moment when its chapter saves it."""
    return {}


@pytest.fixture(scope="module")
def run_dir(image_folder, scored_split, predictions, patch, tmp_path_factory):
    """One run of the whole series, every code cell of every chapter."""
    images, save = data.load_images(scored_split, SIZE), results.save_model

    def save_and_ask(model, path, class_names):
        save(model, path, class_names)
        predictions[path.stem] = keras.ops.softmax(model(images, training=False)).numpy()

    with patch.context() as noted:
        noted.setattr(results, "save_model", save_and_ask)
        return run_series(image_folder, tmp_path_factory.mktemp("run"), 0, all_cells=True)


@pytest.fixture(scope="module")
def fresh(run_dir, scored_split):
    """What a new process that knows only Keras says about the saved models."""
    command = [sys.executable, "-W", "error::UserWarning", "-c", FRESH_PROCESS]
    arguments = [str(run_dir / "models"), str(SIZE), *map(str, scored_split.paths)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_holds_every_model_history_and_score(run_dir, image_folder, fresh):
    scores = json.loads((run_dir / "scores.json").read_text())
    assert {key: scores[key] for key in ("data", "seed")} == {"data": str(image_folder), "seed": 0}
    assert scores["class_names"] == sorted(CLASSES)
    assert list(scores["models"]) == list(results.CHAPTERS)
    for name, values in scores["models"].items():
        low, high = values.pop("test_interval")
        assert 0 <= low <= values["test_accuracy"] <= high <= 1
        assert 0 <= values.pop("val_accuracy") <= 1
        n_correct = values.pop("test_accuracy") * 10 * len(CLASSES)
        assert n_correct == pytest.approx(round(n_correct))
        assert values.pop("train_seconds") > 0
        assert values.pop("parameters") == fresh["models"][name]["parameters"]
        epochs = {"scratch": 2, "transfer": 2}.get(name, 1)
        assert values == {"epochs": epochs}
        for path in (f"models/{name}.keras", f"histories/{name}.json"):
            assert (run_dir / path).is_file()


def test_a_saved_model_alone_scores_a_jpeg_as_its_chapter_did(fresh, predictions):
    assert list(predictions) == list(results.CHAPTERS)
    assert set(fresh["models"]) == set(predictions)
    for name, values in fresh["models"].items():
        np.testing.assert_allclose(
            values["probabilities"], predictions[name], atol=1e-5, err_msg=name
        )


def test_every_saved_model_ends_in_a_logit_for_each_class_and_names_them(fresh, run_dir):
    heads = {name: values["head"] for name, values in fresh["models"].items()}
    assert heads == {name: ["Dense", len(CLASSES), "linear"] for name in results.CHAPTERS}
    for name in results.CHAPTERS:
        path = run_dir / "models" / f"{name}.keras"
        assert results.read_class_names(path) == tuple(sorted(CLASSES))


def test_fine_tuning_moved_the_convolutions_above_the_cut_and_nothing_else(fresh):
    names = [name for name, _, _ in fresh["backbone"]]
    above = names[names.index(models.CUT) + 1 :]
    wrong = [
        (name, kind, moved)
        for name, kind, moved in fresh["backbone"]
        if moved != [name in above and kind in ("Conv2D", "DepthwiseConv2D")] * len(moved)
    ]
    assert wrong == []


def test_one_seed_repeats_the_run(run_dir, image_folder, patch, tmp_path):
    again = run_series(image_folder, tmp_path, 0)
    assert recorded(again) == recorded(run_dir)


def test_another_seed_gives_another_run(run_dir, image_folder, tmp_path):
    other = run_series(image_folder, tmp_path, 1, CHAPTERS[:2])
    assert recorded(other)[1]["first"] != recorded(run_dir)[1]["first"]


def test_a_chapter_goes_on_without_bad_files_only_when_told(tmp_path, capsys):
    folder = trees.official(tmp_path / "images", n=8)
    trees.put(folder / "train/cats/cat.t0.jpg", trees.TRUNCATED)
    with pytest.raises(CatdogError, match="SKIP_BAD_FILES = True"):
        run_series(folder, tmp_path / "run", 0, CHAPTERS[:1])
    run_series(folder, tmp_path / "run", 0, CHAPTERS[:1], SKIP_BAD_FILES=True)
    assert "left out: train/cats/cat.t0.jpg" in capsys.readouterr().out


def put_two_split(root, n):
    for part, name in itertools.product(("train", "test"), ("owl", "rabbit")):
        for i in range(n):
            path = root / part / name / f"{part}{i}.jpg"
            trees.put(path, trees.encoded(trees.image(90, str(path), SIZE)))
    return root


@pytest.mark.parametrize(
    ("put", "n", "words"),
    [
        (trees.kaggle, 4, "8 of 8 files are in the set that the rule gives"),  # the smallest
        (trees.asirra, 10, "20 of 20 files are in the set that the rule gives"),
        (trees.official, 6, "of 24 files are in the set that the rule gives"),
        (put_two_split, 8, "so the folders decide, for validation the number in a name"),
    ],
    ids=["kaggle", "asirra", "official", "two-split"],
)
def test_chapter_1_tells_the_rule_of_each_layout(put, n, words, tmp_path, capsys):
    run_series(put(tmp_path / "images", n), tmp_path / "run", 0, CHAPTERS[:1], all_cells=True)
    told = capsys.readouterr().out
    assert words in told
    assert "files left out: 0" in told


def test_the_rule_holds_where_a_bad_file_is_left_out(tmp_path, capsys):
    folder = trees.kaggle(tmp_path / "images", 10)
    trees.put(folder / "cat.3.jpg", trees.TRUNCATED)
    run_series(folder, tmp_path / "run", 0, CHAPTERS[:1], all_cells=True, SKIP_BAD_FILES=True)
    told = capsys.readouterr().out
    assert "19 of 19 files are in the set that the rule gives" in told
    assert "files left out: 1" in told
