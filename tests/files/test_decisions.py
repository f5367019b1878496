from pathlib import Path

import pytest
import trees

from catdog_helpers import CatdogError
from catdog_helpers.files import decisions
from catdog_helpers.files.layouts import ImageFile

CLASSES = ("cats", "dogs", "=1+1")
NAMES = ("train/cats/1.jpg", "train/cats/ä, b.jpg", "=1+1/0.jpg")
IMAGES = {name: ImageFile(Path(name), "train", 0) for name in NAMES}


def applied(tmp_path, text, encoding="utf-8"):
    path = trees.put(tmp_path / "mine.csv", text.encode(encoding))
    return decisions.apply_decisions(path, IMAGES, CLASSES)


def test_images_are_kept_relabeled_and_dropped(tmp_path):
    text = (
        f'file,decision,class\n{NAMES[0]},keep,\n"./{NAMES[1]}",relabel,=1+1\n./{NAMES[2]},DROP,\n'
    )
    left = applied(tmp_path, text)
    assert {name: image.label for name, image in left.items()} == {NAMES[0]: 0, NAMES[1]: 2}
    assert [image.label for image in IMAGES.values()] == [0, 0, 0]


def test_without_a_file_all_stays_as_it_is():
    assert decisions.apply_decisions("", IMAGES, CLASSES) is IMAGES


def test_what_spreadsheets_write_is_read(tmp_path):
    text = "\ufefffile;decision;class;note\r\ntrain/cats/1.jpg;relabel;dogs;a dog\r\n"
    assert applied(tmp_path, text)[NAMES[0]].label == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("train/cats/9.jpg,drop,", r"line 2: there is no image train/cats/9\.jpg"),
        ("train/cats/1.jpg,delete,", "line 2: no decision 'delete'; possible: keep, relabel, drop"),
        ("train/cats/1.jpg", "line 2: no decision ''"),
        ("train/cats/1.jpg,relabel,owl", "line 2: no class 'owl' to relabel to; possible: cats, d"),
        ("train/cats/1.jpg,drop,\ntrain/cats/1.jpg,keep,", "line 3: .* is decided on twice"),
    ],
)
def test_a_line_that_does_not_fit_is_named(lines, message, tmp_path):
    with pytest.raises(CatdogError, match=message) as caught:
        applied(tmp_path, f"file,decision,class\n{lines}\n")
    assert "mine.csv" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column file and decision and class"),
        (b"file,class\nx,y\n", "no column decision"),
        (b"\xff\xfe\x00", "cannot read"),
    ],
)
def test_a_file_that_is_none_is_refused(content, message, tmp_path):
    path = trees.put(tmp_path / "mine.csv", content)
    with pytest.raises(CatdogError, match=message):
        decisions.apply_decisions(path, IMAGES, CLASSES)
    with pytest.raises(CatdogError, match=r"cannot read .*none.csv"):
        decisions.apply_decisions(tmp_path / "none.csv", IMAGES, CLASSES)


def test_a_template_keeps_all_and_never_replaces_one_that_was_edited(tmp_path):
    first = decisions.write_template(tmp_path, NAMES)
    assert decisions.apply_decisions(first, IMAGES, CLASSES) == IMAGES
    assert not any(line.startswith("=") for line in first.read_text("utf-8").splitlines())
    assert decisions.write_template(tmp_path, NAMES) == first
    first.write_text("file,decision,class\n./train/cats/1.jpg,drop,\n", "utf-8")
    second = decisions.write_template(tmp_path, NAMES)
    assert second.name == "doubted-2.csv" and "drop" in first.read_text("utf-8")
