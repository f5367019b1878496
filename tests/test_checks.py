import json
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import trees
from PIL import Image

from catdog_helpers import CatdogError, checks


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tree(tmp_path):
    return trees.official(tmp_path / "tree")


def texts(problems):
    return [str(problem) for problem in problems]


def errors_of(root):
    return texts(checks.check(root).errors)


def saved(path, image, kind, **options):
    return trees.put(path, trees.encoded(image, kind, **options))


# --- read_picture


def test_a_picture_keeps_its_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 11, 3)).astype("uint8")
    path = saved(tmp_path / "a.png", Image.fromarray(pixels), "PNG")
    picture = checks.read_picture(path)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, pixels)


def test_a_picture_is_resized_to_a_square_with_antialiasing(tmp_path):
    stripes = np.zeros((64, 128, 3), "uint8")
    stripes[:, ::2] = 200
    path = saved(tmp_path / "a.png", Image.fromarray(stripes), "PNG")
    picture = checks.read_picture(path, 16)
    assert picture.shape == (16, 16, 3)
    assert abs(picture[:, 1:-1].astype(int) - 100).max() <= 2


@pytest.mark.parametrize("side", [96, 200, 400])
def test_a_large_jpeg_is_shrunk_faithfully_while_it_is_decoded(side, tmp_path):
    blocks = np.random.default_rng(0).integers(0, 256, (side // 4, side // 4, 3)).astype("uint8")
    pixels = np.kron(blocks, np.ones((4, 4, 1), "uint8"))
    path = saved(tmp_path / "a.jpg", Image.fromarray(pixels), "JPEG", quality=95)
    plain = Image.open(path).resize((25, 25), Image.Resampling.BILINEAR)
    difference = np.abs(checks.read_picture(path, 25).astype(int) - np.asarray(plain))
    assert difference.mean() < 4  # of sharp blocks; 15 and more if shrunk too far


def colour(path):
    """Return the mean colour of a picture."""
    return checks.read_picture(path).mean((0, 1)).round().astype(int).tolist()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_p08_formats_that_training_takes_are_decoded_whatever_their_name(kind, tmp_path):
    options = {"lossless": True} if kind == "WEBP" else {}
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (9, 5), (255, 0, 0)), kind, **options)
    np.testing.assert_allclose(colour(path), [255, 0, 0], atol=1)
    assert checks.read_picture(path).shape == (5, 9, 3)


@pytest.mark.parametrize("mode", ["L", "P", "LA", "1", "CMYK"])
def test_p08_pixel_modes_become_colour(mode, tmp_path):
    image = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    path = saved(tmp_path / "a", image, "JPEG" if mode == "CMYK" else "PNG")
    np.testing.assert_allclose(colour(path), [255] * 3, atol=2)


def test_p08_transparency_is_dropped_not_blended(tmp_path):
    red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert colour(saved(tmp_path / "a.png", red, "PNG")) == [255, 0, 0]


def test_p08_of_16_bits_the_high_byte_is_kept(tmp_path):
    values = np.array([[0, 255, 256, 40_000, 65_535]], "uint16")
    path = saved(tmp_path / "a.png", Image.fromarray(values), "PNG")
    assert checks.read_picture(path)[0, :, 1].tolist() == [0, 0, 1, 156, 255]


def test_p08_of_an_animation_the_first_frame_counts(tmp_path):
    path = trees.put(tmp_path / "a.gif", trees.two_frames())
    assert checks.read_picture(path).max() < 60


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (trees.ZERO, "cannot be decoded: 0 bytes"),
        (trees.TRUNCATED, f"looks like JPEG, {len(trees.TRUNCATED)} bytes (image file is trunc"),
        (trees.WITHOUT_END, f"looks like JPEG, {len(trees.WITHOUT_END)} bytes (image file is t"),
        (trees.HTML, "looks like HTML, starts with '<!doc', 33 bytes"),
        (trees.APPLE_DOUBLE, f"looks like AppleDouble, {len(trees.APPLE_DOUBLE)} bytes"),
        (bytes(50), "looks like zeros only, 50 bytes"),
        (b"....ftypheic....", "looks like HEIC, 16 bytes"),
        (trees.encoded(Image.new("RGB", (9, 9)), "TIFF"), "looks like TIFF"),
        (trees.encoded(Image.new("RGB", (9, 9)), "PNG")[:-30], "looks like PNG"),
    ],
)
def test_what_cannot_be_decoded_is_described(content, reason, tmp_path):
    path = trees.put(tmp_path / "a.jpg", content)
    with pytest.raises(CatdogError) as caught:
        checks.read_picture(path, 16)
    assert str(caught.value).startswith(f"{path} cannot be decoded")
    assert reason in str(caught.value)


def test_a_file_that_is_missing_or_a_folder_is_described(tmp_path):
    with pytest.raises(CatdogError, match=r"none.jpg cannot be read: No such file"):
        checks.read_picture(tmp_path / "none.jpg")
    with pytest.raises(CatdogError, match="cannot be read: not a regular file"):
        checks.read_picture(tmp_path)


def test_a_named_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(CatdogError, match="not a regular file"):
        checks.read_picture(tmp_path / "a.jpg")


def huge_png(side):
    """Return a small PNG file that says it is huge."""

    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 30_000])
def test_a_huge_picture_is_refused_before_it_fills_the_memory(side, tmp_path):
    path = trees.put(tmp_path / "a.png", huge_png(side))
    with pytest.raises(CatdogError, match=r"looks like PNG, \d+ bytes \(.*pixels"):
        checks.read_picture(path)


@pytest.mark.parametrize(
    ("orientation", "red"),
    [(1, "left"), (2, "right"), (3, "right"), (4, "left"),
     (5, "top"), (6, "top"), (7, "bottom"), (8, "bottom")],
)  # fmt: skip
def test_p12_the_exif_orientation_is_applied_at_any_size(orientation, red, tmp_path):
    path = trees.put(tmp_path / "a.jpg", trees.red_left(orientation))
    shape = (40, 60, 3) if red in ("left", "right") else (60, 40, 3)
    assert checks.read_picture(path).shape == shape
    for picture in (checks.read_picture(path), checks.read_picture(path, 20)):
        rows, columns = picture.shape[0] // 2, picture.shape[1] // 2
        halves = {
            "left": picture[:, :columns], "right": picture[:, columns:],
            "top": picture[:rows], "bottom": picture[rows:],
        }  # fmt: skip
        assert max(halves, key=lambda half: halves[half][..., 0].mean()) == red


def test_p12_a_damaged_exif_block_hurts_nobody(tmp_path):
    content = trees.red_left(6)
    start = content.index(b"Exif\0\0") + 6
    for position in range(start, start + 26):
        damaged = content[:position] + b"\xff" + content[position + 1 :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = checks.read_picture(trees.put(tmp_path / "a.jpg", damaged))
        assert sorted(picture.shape) == [3, 40, 60]


def test_p12_an_orientation_that_cannot_be_read_is_none():
    class Damaged:
        def getexif(self):
            raise SyntaxError("not a TIFF file")

    assert checks._turn(Damaged()) is None


# --- Layouts


def numbers(root):
    report = checks.check(root)
    assert report.errors == ()
    return report.layout, [
        list(c.values()) for c in checks.count_pictures(report.pictures).values()
    ]


def test_the_official_layout(tree):
    assert numbers(tree) == ("official", [[5, 5], [4, 4], [1, 1]])


def test_the_kaggle_layout(tmp_path):
    assert numbers(trees.kaggle(tmp_path / "t")) == ("Kaggle", [[7, 7], [2, 2], [1, 1]])


@pytest.mark.parametrize("folder", [".", "PetImages"])
def test_the_asirra_layout(folder, tmp_path):
    root = trees.asirra(tmp_path / "t")
    trees.put(root / "readme[1].txt", b"x")
    assert numbers(root / folder) == ("Asirra", [[7, 7], [2, 2], [1, 1]])


@pytest.mark.parametrize("make", [trees.official, trees.kaggle, trees.asirra])
def test_an_archive_may_have_the_layout_anywhere_inside(make, tmp_path, cache):
    root = make(tmp_path / "t")
    trees.put(root / "__MACOSX" / "train" / "._x", trees.APPLE_DOUBLE)
    for number, prefix in enumerate(("", "a/", "a/b/c/")):
        archive = trees.zipped(root, tmp_path / "mine" / f"{number}.zip", prefix)
        assert numbers(archive) == numbers(root)
        assert [path.name for path in archive.parent.iterdir()] == [f"{number}.zip"]
        archive.unlink()


@pytest.mark.parametrize(
    ("make", "given", "meant"),
    [
        (trees.official, "", "t"),
        (trees.official, "t/train", "t"),
        (trees.official, "t/train/cats", "t"),
        (trees.kaggle, "", "t"),
        (trees.asirra, "", "t/PetImages"),
        (trees.asirra, "t/PetImages/Cat", "t/PetImages"),
    ],
)
def test_p11_one_level_too_high_or_too_deep(make, given, meant, tmp_path):
    make(tmp_path / "here" / "t")
    with pytest.raises(CatdogError) as caught:
        checks.check(tmp_path / "here" / given)
    assert f"did you mean {tmp_path / 'here' / meant}?" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_p11_a_folder_without_layout_is_described(tmp_path):
    root = tmp_path / "t"
    trees.put(root / "cats" / "a.jpg")
    trees.put(root / "loose.jpg")
    trees.put(root / "train.zip", b"PK")
    with pytest.raises(CatdogError) as caught:
        checks.check(root)
    assert f"{root} has no known layout: expected train/ and validation/" in str(caught.value)
    assert "found cats/, train.zip, 1 loose images (unpack the archive" in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_p01_an_archive_with_two_trees_names_both(tmp_path):
    both = tmp_path / "both"
    trees.official(both / "a")
    trees.official(both / "b")
    with pytest.raises(CatdogError, match=r"did you mean .*/a or .*/b\?"):
        checks.check(trees.zipped(both, tmp_path / "both.zip", ""))


def test_an_archive_in_an_archive_is_named(tree, tmp_path):
    inner = trees.zipped(tree, tmp_path / "outer" / "train.zip")
    outer = trees.zipped(inner.parent, tmp_path / "outer.zip", "")
    with pytest.raises(CatdogError, match=r"found train.zip, 0 loose images \(unpack the archive"):
        checks.check(outer)


def test_a_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(CatdogError, match=r"no such file or folder: .*none"):
        checks.check(tmp_path / "none")


def test_a_parent_that_cannot_be_read_is_passed_over(tmp_path, monkeypatch):
    real = os.scandir

    def scandir(folder):
        if Path(folder) == tmp_path:
            raise PermissionError(13, "Permission denied")
        return real(folder)

    (tmp_path / "t").mkdir()
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(CatdogError, match="has no known layout"):
        checks.check(tmp_path / "t")


# --- Errors


def test_p06_all_empty_files_are_listed_at_once(tree):
    trees.put(tree / "train" / "cats" / "z.jpg", trees.ZERO)
    trees.put(tree / "validation" / "dogs" / "y.jpg", trees.ZERO)
    assert errors_of(tree) == [
        "train/cats/z.jpg cannot be decoded: 0 bytes",
        "validation/dogs/y.jpg cannot be decoded: 0 bytes",
    ]


def test_p07_truncated_jpegs_are_named_and_padded_ones_kept(tree):
    trees.put(tree / "train" / "dogs" / "t.jpg", trees.TRUNCATED)
    trees.put(tree / "train" / "dogs" / "e.jpg", trees.WITHOUT_END)
    trees.put(tree / "train" / "dogs" / "padded.jpg", trees.PADDED)
    report = checks.check(tree)
    assert [e.path for e in report.errors] == ["train/dogs/e.jpg", "train/dogs/t.jpg"]
    assert all("truncated" in error.text for error in report.errors)


def test_p08_only_what_cannot_be_decoded_is_an_error(tree):
    cats = tree / "train" / "cats"
    image = trees.picture(30, "p08")
    for name, kind in (("a.jpg", "PNG"), ("b.jpg", "WEBP"), ("h.jpg", "TIFF"), ("i.jpg", "AVIF")):
        saved(cats / name, image, kind)
    saved(cats / "c.jpg", image.convert("CMYK"), "JPEG")
    saved(cats / "d.jpg", image.convert("L"), "JPEG")
    trees.put(cats / "e.gif", trees.two_frames())
    saved(cats / "f.png", Image.new("RGBA", (40, 40)), "PNG")
    saved(cats / "g.png", Image.new("I;16", (40, 40), 999), "PNG")
    trees.put(cats / "j.jpg", trees.HTML)
    report = checks.check(tree)
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


def test_p09_junk_is_one_note_and_no_class(tree):
    trees.put(tree / "train" / "__MACOSX" / "cats" / "._a.jpg", trees.APPLE_DOUBLE)
    (tree / "train" / ".ipynb_checkpoints").mkdir()
    for name in (".DS_Store", "Thumbs.db", "._cat.jpg", "._dog.jpg"):
        trees.put(tree / "validation" / "cats" / name, b"junk")
    report = checks.check(tree)
    assert report.errors + report.warnings == ()
    text = "ignored system files: .DS_Store 1, ._* 2, .ipynb_checkpoints 1, Thumbs.db 1, __MACOSX 1"
    assert texts(report.notes) == [text]
    assert len(report.pictures) == 20


def test_p09_any_other_folder_is_an_error(tree):
    (tree / "train" / "birds").mkdir()
    [error] = errors_of(tree)
    expected = f"expected folders cats, dogs under {tree}/train, found: birds, cats, dogs"
    assert error == f"train has the wrong classes: {expected}, 0 loose images"


def test_p10_a_name_that_is_no_text_is_shown_in_escaped_form(tree):
    cats = os.fsencode(tree / "train" / "cats")
    try:
        os.rename(cats + b"/cat.t0.jpg", cats + b"/cat\xe9.jpg")
    except OSError:
        pytest.skip("this file system refuses such names")
    report = checks.check(tree)
    expected = "train/cats/cat\\udce9.jpg has a name that is not valid text; rename it"
    assert texts(report.errors) == [expected]
    assert "cat\\udce9.jpg" in report.to_json()
    assert "\n".join(checks.report_lines(report)).isascii()


def test_p10_names_in_any_script_and_with_line_breaks_are_fine(tree):
    cats = tree / "train" / "cats"
    names = ["\u043a\u043e\u0442.jpg", "\u732b.jpg", "line\nbreak.jpg", "a%20b #?.JPG", "c.jpeg"]
    for name in names:
        trees.put(cats / name)
    report = checks.check(tree)
    assert report.problems == ()
    assert {picture.path.name for picture in report.pictures} >= set(names)
    trees.put(cats / "line\nbreak.jpg", b"")
    assert errors_of(tree) == ["train/cats/line\\nbreak.jpg cannot be decoded: 0 bytes"]


def test_p10_files_that_are_skipped_are_counted_by_suffix(tree):
    cats = tree / "train" / "cats"
    (cats / "cat.t0.jpg").rename(cats / "cat.t0.jpe")
    report = checks.check(tree)
    assert report.errors == ()
    assert texts(report.notes) == ["ignored 1 file: .jpe 1"]
    trees.put(cats / "x.webp")
    trees.put(tree / "vectorize.py", b"")
    trees.put(tree / "train" / "README", b"")
    notes = texts(checks.check(tree).notes)
    assert notes == ["ignored 4 files: .jpe 1, .py 1, .webp 1, README 1"]


def test_p11_an_empty_class(tree):
    for path in (tree / "train" / "dogs").iterdir():
        path.unlink()
    assert errors_of(tree) == ["train/dogs has no images"]


def test_p11_a_missing_class_and_flat_folders(tree):
    (tree / "train" / "dogs").rename(tree.parent / "dogs")
    [error] = errors_of(tree)
    assert f"expected folders cats, dogs under {tree}/train, found: cats, 0 loose" in error
    flat = tree.parent / "flat"
    for name in ("a", "b", "c"):
        trees.put(flat / "train" / f"{name}.jpg")
    (flat / "validation").mkdir()
    expected = f"expected folders cats, dogs under {flat}/train, found: (none), 3 loose images"
    assert errors_of(flat)[0] == f"train has the wrong classes: {expected}"


def test_p11_too_few_pictures_for_three_splits(tmp_path):
    one = trees.official(tmp_path / "one", number=1)
    assert errors_of(one) == [
        "validation/cats has 1 cats, too few for validation",
        "validation/dogs has 1 dogs, too few for validation",
    ]
    assert errors_of(trees.official(tmp_path / "two", number=2)) == []
    assert errors_of(trees.kaggle(tmp_path / "k2", number=2)) == [
        "has 2 cats, too few for train",
        "has 2 dogs, too few for train",
    ]
    assert errors_of(trees.kaggle(tmp_path / "k3", number=3)) == []


def test_the_same_bytes_with_two_labels_are_an_error(tree):
    trees.put(tree / "train" / "cats" / "x.jpg", trees.GOOD)
    trees.put(tree / "train" / "dogs" / "x.jpg", trees.GOOD)
    assert errors_of(tree) == [
        "train/cats/x.jpg has the same bytes as train/dogs/x.jpg, but another label",
        "train/dogs/x.jpg has the same bytes as train/cats/x.jpg, but another label",
    ]


def test_empty_files_are_not_taken_for_copies(tree):
    trees.put(tree / "train" / "cats" / "x.jpg", b"")
    trees.put(tree / "train" / "dogs" / "x.jpg", b"")
    assert len(errors_of(tree)) == 2
    assert "same bytes" not in "".join(errors_of(tree))


# --- Warnings and notes


def test_p13_the_same_bytes_in_two_splits_are_a_warning(tree):
    for name in ("train/cats/x.jpg", "train/cats/y.jpg", "validation/cats/x.jpg"):
        trees.put(tree / name, trees.GOOD)
    report = checks.check(tree)
    expected = "validation/cats/x.jpg (test) has the same bytes as train/cats/x.jpg (train)"
    assert texts(report.warnings) == [expected]
    assert report.errors == ()


def test_p13_a_copy_between_validation_and_test_is_a_warning(tree):
    cats = tree / "validation" / "cats"
    trees.put(cats / "cat.v1.jpg", (cats / "cat.v0.jpg").read_bytes())
    [warning] = texts(checks.check(tree).warnings)
    assert warning.startswith("validation/cats/cat.v1.jpg (validation) has the same bytes")


def test_extreme_imbalance_is_a_warning(tree):
    for i in range(15):
        trees.put(tree / "train" / "dogs" / f"more{i}.jpg")
    assert checks.check(tree).warnings == ()  # 5 to 20
    trees.put(tree / "train" / "dogs" / "one_more.jpg")
    assert texts(checks.check(tree).warnings) == ["train is out of balance: 21 dogs, 5 cats"]


def test_tiny_pictures_are_a_warning(tree):
    saved(tree / "train" / "cats" / "x.jpg", Image.new("RGB", (31, 99)), "JPEG")
    saved(tree / "train" / "cats" / "y.jpg", Image.new("RGB", (32, 99)), "JPEG")
    warnings = texts(checks.check(tree).warnings)
    assert warnings == ["train/cats/x.jpg is tiny: 31x99 pixels"]


def test_p11_what_is_not_used_is_a_warning(tree):
    trees.put(tree / "test" / "1.jpg")
    trees.put(tree / "train" / "loose.jpg")
    trees.put(tree / "train" / "cats" / "more" / "1.jpg")
    assert texts(checks.check(tree).warnings) == [
        "test is not used; the test split is every fifth file of validation",
        "train has 1 images outside the class folders; they are not used",
        "train/cats/more is a folder inside a class; its files are not used",
    ]


def test_pictures_without_a_label_in_the_kaggle_layout_are_a_warning(tmp_path):
    root = trees.kaggle(tmp_path / "t")
    trees.put(root / "1.jpg")
    trees.put(root / "catalogue.jpg")
    expected = "2 images are not named cat.N or dog.N; they are not used"
    assert texts(checks.check(root).warnings) == [expected]


def test_p12_pictures_that_are_turned_are_a_note(tree):
    trees.put(tree / "train" / "cats" / "x.jpg", trees.red_left(6))
    trees.put(tree / "train" / "cats" / "y.jpg", trees.red_left(1))
    notes = texts(checks.check(tree).notes)
    assert notes == ["train/cats/x.jpg is turned upright, as its EXIF orientation says"]


def link(path, target):
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("this system does not let us make links")


def test_a_class_folder_may_be_a_link(tree):
    (tree / "train" / "cats").rename(tree.parent / "elsewhere")
    link(tree / "train" / "cats", tree.parent / "elsewhere")
    assert numbers(tree) == ("official", [[5, 5], [4, 4], [1, 1]])


def test_links_to_nothing_and_in_circles(tree):
    link(tree / "train" / "cats" / "x.jpg", tree / "nothing")
    assert errors_of(tree) == ["train/cats/x.jpg cannot be read: No such file or directory"]
    link(tree / "train" / "cats" / "circle", tree / "train")
    assert len(checks.check(tree, reuse=True).pictures) == 21
    outside = tree.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    link(outside / "sub" / "circle", outside)
    with pytest.raises(CatdogError, match="has no known layout"):
        checks.check(outside)


def test_permissions_that_forbid_reading(tree, monkeypatch):
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("permissions do not bind this user")
    (tree / "train" / "cats" / "cat.t0.jpg").chmod(0)
    assert errors_of(tree) == ["train/cats/cat.t0.jpg cannot be read: Permission denied"]


def test_a_file_and_a_folder_that_cannot_be_read_are_named(tree, monkeypatch):
    real_open, real_scandir = open, os.scandir
    forbidden = [tree / "train" / "cats" / "cat.t0.jpg"]

    def guarded(real):
        def call(path, *arguments):
            if path in forbidden:
                raise PermissionError(13, "Permission denied")
            return real(path, *arguments)

        return call

    monkeypatch.setattr("builtins.open", guarded(real_open))
    monkeypatch.setattr(os, "scandir", guarded(real_scandir))
    assert errors_of(tree) == ["train/cats/cat.t0.jpg cannot be read: Permission denied"]
    forbidden.append(tree / "train")
    with pytest.raises(CatdogError, match=r"cannot read the folder .*train: Permission denied"):
        checks.check(tree)


# --- The report


def test_a_report_has_a_fixed_order_and_is_json(tree):
    for name in ("z", "a", "m"):
        trees.put(tree / "train" / "cats" / f"{name}.jpg", b"")
    report = checks.check(tree)
    assert report == checks.check(tree)
    found = json.loads(report.to_json())
    assert [e["path"] for e in found["errors"]] == [f"train/cats/{n}.jpg" for n in "amz"]
    assert found["pictures"]["train"] == {"cats": 8, "dogs": 5}
    assert found["layout"] == "official"
    assert found["warnings"] == found["notes"] == []
    assert found["root"] == str(tree)


def test_a_report_as_text(tree):
    trees.put(tree / "train" / "cats" / "a.jpg", b"")
    trees.put(tree / "train" / "x.jpg", b"")
    for i in range(7):
        trees.put(tree / "train" / "dogs" / f"{i}.jpg", trees.red_left(3) + bytes(i))
    assert checks.report_lines(checks.check(tree), most=2) == [
        f"28 pictures in {tree} (official layout)",
        "train: 6 cats, 12 dogs",
        "validation: 4 cats, 4 dogs",
        "test: 1 cats, 1 dogs",
        "error: train/cats/a.jpg cannot be decoded: 0 bytes",
        "note: train/dogs/0.jpg is turned upright, as its EXIF orientation says",
        "note: train/dogs/1.jpg is turned upright, as its EXIF orientation says",
        "warning: train has 1 images outside the class folders; they are not used",
        "note: 5 more: is turned upright, as its EXIF orientation says",
        "1 errors, 1 warnings, 7 notes",
    ]


def test_a_check_changes_nothing(tree, cache):
    trees.put(tree / "train" / "cats" / "a.jpg", trees.TRUNCATED)
    before = trees.contents(tree), [path.stat().st_mtime_ns for path in tree.rglob("*")]
    checks.check(tree)
    after = trees.contents(tree), [path.stat().st_mtime_ns for path in tree.rglob("*")]
    assert after == before
    assert not cache.exists()


# --- Remembering


@pytest.fixture
def looks(monkeypatch):
    """Count the files that are decoded."""
    seen, real = [], checks._look

    def look(path):
        seen.append(path)
        return real(path)

    monkeypatch.setattr(checks, "_look", look)
    return seen


def test_a_second_check_of_the_same_files_decodes_none(tree, looks):
    trees.put(tree / "train" / "cats" / "a.jpg", b"")
    first = checks.check(tree, reuse=True)
    number = len(looks)
    assert checks.check(tree, reuse=True) == first
    assert len(looks) == number == 21
    checks.check(tree)
    assert len(looks) == 42


def test_a_changed_file_is_looked_at_again(tree):
    checks.check(tree, reuse=True)
    path = tree / "train" / "cats" / "cat.t0.jpg"
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    assert len(checks.check(tree, reuse=True).errors) == 1
    (tree / "train" / "birds").mkdir()
    assert len(checks.check(tree, reuse=True).errors) == 2


def test_a_folder_at_another_place_is_looked_at_again(tree, looks):
    checks.check(tree, reuse=True)
    checks.check(tree.rename(tree.with_name("elsewhere")), reuse=True)
    assert len(looks) == 40


@pytest.mark.parametrize("change", ["st_size", "st_mtime_ns", "st_ctime_ns"])
def test_size_and_both_times_tell_files_apart(change, tree):
    def memory(**changed):
        status = {"st_size": 1, "st_mtime_ns": 1, "st_ctime_ns": 1} | changed
        path = SimpleNamespace(stat=lambda: SimpleNamespace(**status))
        picture = SimpleNamespace(path=path)
        listing = SimpleNamespace(root=tree, pictures=[picture], name=lambda path: "a.jpg")
        return checks._memory(listing)

    assert memory() == memory()
    assert memory() != memory(**{change: 2})


@pytest.mark.parametrize("content", [b"", b"[[1]]", b"\xff", b"{"])
def test_a_damaged_memory_is_not_trusted(content, tree, cache, looks):
    report = checks.check(tree, reuse=True)
    [memory] = (cache / "checks").iterdir()
    memory.write_bytes(content)
    assert checks.check(tree, reuse=True) == report
    assert len(looks) == 40


def test_a_check_needs_no_cache_folder(tree, monkeypatch, tmp_path):
    trees.put(tmp_path / "file", b"")
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "file" / "x"))
    assert checks.check(tree, reuse=True).problems == ()


def test_checking_imports_no_tensorflow():
    code = "import sys, catdog_helpers.checks; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
