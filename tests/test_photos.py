"""Photos of one's own: which files a name stands for, and predictions in chunks."""

import dataclasses
import io
import os

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from catdog_helpers import CatdogError
from catdog_helpers import photos as photos_module
from catdog_helpers.photos import (
    ONLY_DRAWINGS,
    Classifier,
    answer_figure,
    find_photos,
    predict_photos,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with files of many names, and a folder in it."""
    monkeypatch.chdir(tmp_path)
    names = "b.jpg a.JPG ._a.jpg .hidden.png notes.txt x[1].png ~draft.gif c.heic"
    (tmp_path / "more.jpg").mkdir()
    for name in (*names.split(), "more.jpg/d.webp"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("*.jpg", "b.jpg"),
        ("[bc].*", "b.jpg c.heic"),
        (".", "a.JPG b.jpg c.heic x[1].png ~draft.gif"),
        ("**", "a.JPG b.jpg c.heic more.jpg/d.webp x[1].png ~draft.gif"),
        ("**/*.webp", "more.jpg/d.webp"),
        ("x[1].png", "x[1].png"),
        ("~draft.gif", "~draft.gif"),
        ("notes.txt", "notes.txt"),
        ("missing.jpg", "missing.jpg"),
    ],
)
def test_a_name_stands_for_a_file_or_the_images_of_a_folder_or_pattern(folder, name, found):
    listed = [os.path.normpath(path).replace(os.sep, "/") for path in find_photos(name)]
    assert listed == found.split()


def test_the_home_folder_is_expanded_in_patterns_and_folders(folder, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(folder))
    assert find_photos("~/*.jpg") == [folder / "b.jpg"]
    assert find_photos("~/more.jpg") == [folder / "more.jpg" / "d.webp"]


@pytest.mark.parametrize("name", ["*.txt", "[z].jpg", "empty"])
def test_a_name_without_images_is_an_error_with_the_name(folder, name):
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").write_text("no image")
    with pytest.raises(CatdogError, match="images") as caught:
        find_photos(name)
    assert str(caught.value).startswith(f"{name} ")


def brightness_classifier():
    """Make a model whose probability of the second class rises with the brightness."""
    front = [keras.Input((32, 32, 3)), layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*front, layers.Dense(2)])
    model.layers[-1].set_weights([np.array([[0, 1]] * 3), np.array([0, -1.5])])
    return Classifier(model, ("dark", "bright"), False)


@pytest.mark.parametrize("pays_from", [100, 1])
def test_predictions_come_in_the_order_of_the_photos_with_both_engines(
    tmp_path, monkeypatch, pays_from
):
    monkeypatch.setattr(photos_module, "_PAYS_FROM", pays_from)
    monkeypatch.setattr(photos_module, "_CHUNK", 3)
    paths = [tmp_path / f"{i}.png" for i in range(8)]
    for i, path in enumerate(paths):
        Image.new("RGB", (40, 30), (i * 30,) * 3).save(path)
    paths[3].write_text("no image")
    results = list(predict_photos(brightness_classifier(), paths))
    assert isinstance(results.pop(3), CatdogError)
    logits = np.array([3 * i * 30 / 255 - 1.5 for i in (0, 1, 2, 4, 5, 6, 7)])
    expected = 1 / (1 + np.exp(-logits))
    assert np.array(results)[:, 1] == pytest.approx(expected, abs=1e-4)
    assert np.array(results).sum(axis=1) == pytest.approx(1)


def test_a_chunk_without_a_readable_photo_predicts_nothing(tmp_path):
    (result,) = predict_photos(brightness_classifier(), [tmp_path / "missing.jpg"])
    assert str(result).endswith("No such file or directory")


def test_predictions_that_are_not_numbers_are_an_error(tmp_path):
    classifier = brightness_classifier()
    classifier.model.layers[-1].set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    Image.new("RGB", (40, 30)).save(tmp_path / "pet.png")
    with pytest.raises(CatdogError, match="not numbers"):
        list(predict_photos(classifier, [tmp_path / "pet.png"]))


def looking_classifier():
    front = [keras.Input((32, 32, 3)), layers.Rescaling(1 / 255), layers.Conv2D(2, 3)]
    model = keras.Sequential([*front, layers.GlobalAveragePooling2D(), layers.Dense(2)])
    return Classifier(model, ("<b>", "$x$"), False)


def png(color="red"):
    content = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(content, "PNG")
    return content.getvalue()


def test_an_answer_shows_the_photo_and_where_the_model_looked():
    figure = answer_figure(looking_classifier(), "my\ncat.png", png())
    assert figure.description.startswith("my\\ncat.png: ") and "%" in figure.description
    photo, looked = figure.axes
    assert photo.images[0].get_array()[0, 0].tolist() == [255, 0, 0] and len(photo.images) == 1
    assert len(looked.images) == 2
    assert photo.get_title() in figure.description
    with pytest.raises(CatdogError, match=r"^cat\.png cannot be decoded: unknown"):
        answer_figure(looking_classifier(), "cat.png", b"no image at all")


def test_an_answer_says_within_the_figure_if_the_model_has_only_seen_drawings():
    classifier = dataclasses.replace(looking_classifier(), only_drawings=True)
    figure = answer_figure(classifier, "cat.png", png())
    assert figure.description.endswith(f"Note: {ONLY_DRAWINGS}.")
    figure.draw_without_rendering()
    (note,) = figure.texts
    assert " ".join(note.get_text().split()) == f"Note: {ONLY_DRAWINGS}."
    box, whole = note.get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0
    assert box.y1 <= min(ax.get_window_extent().y0 for ax in figure.axes)
    assert answer_figure(looking_classifier(), "cat.png", png()).texts == []


def test_the_button_shows_the_last_answer_or_why_there_is_none(monkeypatch):
    shown = []

    class Handle:
        def update(self, answer, raw=False):
            shown.append(answer)

    def display(output, **options):
        shown.append(output)
        return Handle() if options else None

    monkeypatch.setattr("IPython.display.display", display)
    photos_module.upload_button(looking_classifier())
    first, button = shown
    assert first == {"text/plain": "No photo yet."}
    for content in (png(), b"broken"):
        button.notify_change(
            {"name": "value", "type": "change", "new": ({"name": "a.png", "content": content},)}
        )
    figure, text = shown[2:]
    assert figure.description.startswith("a.png: ")
    assert text["text/plain"].startswith("a.png cannot be decoded")
