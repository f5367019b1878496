import json
import os

import pytest
import trees
from PIL import Image

from catdog_helpers.files.checks import check, report_lines


def texts(problems):
    return [str(problem) for problem in problems]


def test_all_empty_files_are_listed_at_once(tree):
    trees.put(tree / "train" / "cats" / "z.jpg", trees.ZERO)
    trees.put(tree / "train" / "dogs" / "z.jpg", trees.ZERO)
    trees.put(tree / "validation" / "dogs" / "y.jpg", trees.ZERO)
    assert texts(check(tree).errors) == [  # and they are no copies of each other
        "train/cats/z.jpg cannot be decoded: 0 bytes",
        "train/dogs/z.jpg cannot be decoded: 0 bytes",
        "validation/dogs/y.jpg cannot be decoded: 0 bytes",
    ]


def test_truncated_jpegs_are_named_and_padded_ones_kept(tree):
    trees.put(tree / "train" / "dogs" / "t.jpg", trees.TRUNCATED)
    trees.put(tree / "train" / "dogs" / "e.jpg", trees.WITHOUT_END)
    trees.put(tree / "train" / "dogs" / "padded.jpg", trees.PADDED)
    errors = check(tree).errors
    assert [error.path for error in errors] == ["train/dogs/e.jpg", "train/dogs/t.jpg"]
    assert all("truncated" in error.text for error in errors)


def test_only_what_cannot_be_decoded_is_an_error(tree):
    cats = tree / "train" / "cats"
    image = trees.image(30, "any")
    for name, kind in (("a.jpg", "PNG"), ("b.jpg", "WEBP"), ("h.jpg", "TIFF"), ("i.jpg", "AVIF")):
        trees.saved(cats / name, image, kind)
    trees.saved(cats / "c.jpg", image.convert("CMYK"), "JPEG")
    trees.saved(cats / "d.jpg", image.convert("L"), "JPEG")
    trees.put(cats / "e.gif", trees.two_frames())
    trees.saved(cats / "f.png", Image.new("RGBA", (40, 40)), "PNG")
    trees.saved(cats / "g.png", Image.new("I;16", (40, 40), 999), "PNG")
    trees.put(cats / "j.jpg", trees.HTML)
    report = check(tree)
    kinds = {error.path[-5:]: error.text.split(",")[0] for error in report.errors}
    assert kinds == {
        "h.jpg": "cannot be decoded: looks like TIFF",
        "i.jpg": "cannot be decoded: looks like AVIF",
        "j.jpg": "cannot be decoded: looks like HTML",
    }
    assert texts(report.notes) == [
        "train/cats/a.jpg is a PNG file by its contents",
        "train/cats/b.jpg is a WEBP file by its contents",
    ]


def test_a_name_that_is_no_text_is_shown_in_escaped_form(tree):
    cats = os.fsencode(tree / "train" / "cats")
    try:
        os.rename(cats + b"/cat.t0.jpg", cats + b"/cat\xe9.jpg")
    except (OSError, UnicodeError):
        pytest.skip("this file system refuses such names")
    report = check(tree)
    expected = "train/cats/cat\\udce9.jpg has a name that is not valid text; rename it"
    assert texts(report.errors) == [expected]
    assert "cat\\udce9.jpg" in report.to_json()
    assert "\n".join(report_lines(report)).isascii()


@trees.odd_names
def test_names_in_any_script_and_with_line_breaks_are_fine(tree):
    cats = tree / "train" / "cats"
    names = ["\u043a\u043e\u0442.jpg", "\u732b.jpg", "line\nbreak.jpg", "a%20b #?.JPG", "c.jpeg"]
    for name in names:
        trees.put(cats / name)
    report = check(tree)
    assert report.problems == ()
    assert {image.path.name for image in report.images} >= set(names)
    trees.put(cats / "line\nbreak.jpg", b"")
    expected = ["train/cats/line\\nbreak.jpg cannot be decoded: 0 bytes"]
    assert texts(check(tree).errors) == expected


def test_the_same_bytes_with_two_labels_are_an_error(tree):
    trees.put(tree / "train" / "cats" / "x.jpg", trees.GOOD)
    trees.put(tree / "train" / "dogs" / "x.jpg", trees.GOOD)
    assert texts(check(tree).errors) == [
        "train/cats/x.jpg has the same bytes as train/dogs/x.jpg, but another label",
        "train/dogs/x.jpg has the same bytes as train/cats/x.jpg, but another label",
    ]


def test_the_same_bytes_in_two_splits_are_a_warning(tree):
    for name in ("train/cats/x.jpg", "train/cats/y.jpg", "validation/cats/x.jpg"):
        trees.put(tree / name, trees.GOOD)
    dogs = tree / "validation" / "dogs"
    trees.put(dogs / "dog.v1.jpg", (dogs / "dog.v0.jpg").read_bytes())
    report = check(tree)
    assert texts(report.warnings) == [
        "validation/cats/x.jpg (test) has the same bytes as train/cats/x.jpg (train)",
        "validation/dogs/dog.v1.jpg (validation) has the same bytes as "
        "validation/dogs/dog.v0.jpg (test)",
    ]
    assert report.errors == ()


def test_many_copies_are_one_warning(tree):
    trees.put(tree / "train" / "cats" / "a.jpg", trees.GOOD)
    for i in range(120):
        trees.put(tree / "validation" / "cats" / f"{i:03}.jpg", trees.GOOD)
    assert [line for line in report_lines(check(tree)) if "same bytes" in line] == [
        "warning: validation/cats/000.jpg (test) has the same bytes as train/cats/a.jpg (train), "
        "and so have 119 more files"
    ]


def test_tiny_images_are_a_warning(tree):
    trees.saved(tree / "train" / "cats" / "x.jpg", Image.new("RGB", (31, 99)), "JPEG")
    trees.saved(tree / "train" / "cats" / "y.jpg", Image.new("RGB", (32, 99)), "JPEG")
    assert texts(check(tree).warnings) == ["train/cats/x.jpg is tiny: 31x99 pixels"]


def test_many_copies_with_two_labels_and_many_tiny_images_are_a_few_lines(tree):
    for i in range(100):
        trees.put(tree / "train" / "cats" / f"{i:03}.jpg", trees.GOOD)
        trees.put(tree / "train" / "dogs" / f"{i:03}.jpg", trees.GOOD)
        tiny = trees.image(30, f"{i}", side=10 + i % 20)
        kind = "cats" if i < 50 else "dogs"
        trees.saved(tree / "validation" / kind / f"{i:03}.jpg", tiny, "JPEG")
    report = check(tree)
    assert (len(report.errors), len(report.warnings)) == (200, 100)  # as JSON, and to skip them
    assert report_lines(report, limit=2)[4:] == [
        *(
            f"error: train/{here}/00{i}.jpg has the same bytes as train/{there}/000.jpg, but "
            "another label"
            for here, there in (("cats", "dogs"), ("dogs", "cats"))
            for i in range(2)
        ),
        "error: 98 more: has the same bytes as train/dogs/000.jpg, but another label",
        "error: 98 more: has the same bytes as train/cats/000.jpg, but another label",
        "warning: validation/cats/000.jpg is tiny: 10x10 pixels",
        "warning: validation/cats/001.jpg is tiny: 11x11 pixels",
        "warning: 98 more: is tiny",
        "200 errors, 100 warnings, 0 notes",
    ]


def test_images_that_are_turned_are_a_note(tree):
    trees.put(tree / "train" / "cats" / "x.jpg", trees.red_left(6))
    trees.put(tree / "train" / "cats" / "y.jpg", trees.red_left(1))
    notes = texts(check(tree).notes)
    assert notes == ["train/cats/x.jpg is turned upright, as its EXIF orientation says"]


def test_links_to_nothing_are_errors(tree):
    trees.link(tree / "train" / "cats" / "x.jpg", tree / "nothing")
    (error,) = texts(check(tree).errors)  # in the system's words
    assert error.startswith("train/cats/x.jpg cannot be read: ")


def test_a_file_that_cannot_be_read_is_named(tree, monkeypatch):
    forbidden, real = tree / "train" / "cats" / "cat.t0.jpg", open

    def guarded(path, *arguments):
        if path == forbidden:  # denied also to the superuser
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr("builtins.open", guarded)
    expected = ["train/cats/cat.t0.jpg cannot be read: no permission"]
    assert texts(check(tree).errors) == expected


def test_a_report_has_a_fixed_order_and_is_json(tree):
    for name in ("z", "a", "m"):
        trees.put(tree / "train" / "cats" / f"{name}.jpg", b"")
    report = check(tree)
    assert report == check(tree)
    found = json.loads(report.to_json())
    assert [e["path"] for e in found["errors"]] == [f"train/cats/{n}.jpg" for n in "amz"]
    assert found["images"]["train"] == {"cats": 8, "dogs": 5}
    assert found["layout"] == "official"
    assert found["warnings"] == found["notes"] == []
    assert found["root"] == str(tree)


def test_a_report_as_text_has_errors_first_and_notes_last(tree):
    trees.put(tree / "train" / "cats" / "a.jpg", b"")
    trees.put(tree / "train" / "x.jpg", b"")
    for i in range(7):
        trees.put(tree / "train" / "dogs" / f"{i}.jpg", trees.red_left(3) + bytes(i))
    assert report_lines(check(tree), limit=2) == [
        f"28 images in {tree.as_posix()} (official layout)",
        "train: 6 cats, 12 dogs",
        "validation: 4 cats, 4 dogs",
        "test: 1 cat, 1 dog",
        "error: train/cats/a.jpg cannot be decoded: 0 bytes",
        "warning: train has 1 image outside the class folders (not used)",
        "note: train/dogs/0.jpg is turned upright, as its EXIF orientation says",
        "note: train/dogs/1.jpg is turned upright, as its EXIF orientation says",
        "note: 5 more: is turned upright, as its EXIF orientation says",
        "1 error, 1 warning, 7 notes",
    ]


def test_a_check_changes_nothing(tree, cache):
    trees.put(tree / "train" / "cats" / "a.jpg", trees.TRUNCATED)
    before = trees.contents(tree), [path.stat().st_mtime_ns for path in tree.rglob("*")]
    check(tree)
    after = trees.contents(tree), [path.stat().st_mtime_ns for path in tree.rglob("*")]
    assert after == before
    assert not cache.exists()
