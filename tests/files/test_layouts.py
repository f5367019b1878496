import os
from collections import Counter
from pathlib import Path

import pytest
import trees

from catdog_helpers import CatdogError
from catdog_helpers.files import layouts
from catdog_helpers.files.images import SUFFIXES, read_image
from catdog_helpers.files.layouts import count_images, find_layout, list_images


def problems(root, *grades):
    _, found = list_images(*find_layout(root))
    return [str(problem) for problem in found if problem.grade in grades]


def counts(root):
    root, layout = find_layout(root)
    images, found = list_images(root, layout)
    assert {problem.grade for problem in found} <= {"note"}
    by_split = count_images(images, layout.class_names).values()
    return layout.name, [list(of_split.values()) for of_split in by_split]


def test_the_official_layout(tree):
    assert counts(tree) == ("official", [[5, 5], [4, 4], [1, 1]])


def test_the_kaggle_layout(tmp_path):
    assert counts(trees.kaggle(tmp_path / "t")) == ("Kaggle", [[7, 7], [2, 2], [1, 1]])


@pytest.mark.parametrize("folder", [".", "PetImages"])
def test_the_plain_layout_of_asirras_archive(folder, tmp_path):
    root = trees.asirra(tmp_path / "t")
    trees.put(root / "readme[1].txt", b"x")
    assert counts(root / folder) == ("plain", [[7, 7], [2, 2], [1, 1]])


def test_the_test_split_is_every_fifth_validation_file_by_name(tmp_path):
    images, _ = list_images(*find_layout(trees.official(tmp_path / "t", n=12)))
    cats = [i for i in images if i.path.parent.parent.name == "validation" and i.label == 0]
    names = [image.path.name for image in cats]
    assert names == sorted(names)
    tested = [image.path.name for image in cats if image.split == "test"]
    assert tested == ["cat.v0.jpg", "cat.v3.jpg", "cat.v8.jpg"]  # v0 v1 v10 v11 v2 v3 v4 ... v9


@pytest.mark.parametrize("make", [trees.official, trees.kaggle, trees.asirra])
def test_an_archive_may_have_the_layout_anywhere_inside(make, tmp_path):
    root = make(tmp_path / "t")
    trees.put(root / "__MACOSX" / "train" / "._x", trees.APPLE_DOUBLE)
    for number, prefix in enumerate(("", "a/", "a/b/c/")):
        archive = trees.zipped(root, tmp_path / "mine" / f"{number}.zip", prefix)
        assert counts(archive) == counts(root)
        assert [path.name for path in archive.parent.iterdir()] == [f"{number}.zip"]
        archive.unlink()


@pytest.mark.parametrize("name", ["cats_and_dogs_filtered.zip", "cats.v1.zip", "noending"])
def test_the_layout_is_found_whatever_the_archive_is_called(name, tree, cache):
    trees.put(cache / name, b"an old file of this name")
    root, layout = find_layout(trees.zipped(tree, cache.parent / name))
    assert layout == layouts.Layout("official", ("cats", "dogs"))
    assert trees.contents(root) == trees.contents(tree)


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
def test_one_level_too_high_or_too_deep(make, given, meant, tmp_path):
    make(tmp_path / "here" / "t")
    with pytest.raises(CatdogError) as caught:
        find_layout(tmp_path / "here" / given)
    assert f"did you mean {(tmp_path / 'here' / meant).as_posix()}?" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_layout_is_described(tmp_path):
    root = tmp_path / "a" / "b" / "t"  # parents are looked at too: not those of other tests
    trees.put(root / "cats" / "a.jpg")
    trees.put(root / "loose.jpg")
    trees.put(root / "train.zip", b"PK")
    with pytest.raises(CatdogError) as caught:
        find_layout(root)
    assert f"{root.as_posix()} has no known layout: expected a folder for each class" in str(
        caught.value
    )
    assert "found cats/, train.zip, 1 loose image (unpack the archive" in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_an_archive_with_two_trees_names_both(tmp_path):
    both = tmp_path / "both"
    trees.official(both / "a")
    trees.official(both / "b")
    with pytest.raises(CatdogError, match=r"found a/, b/, 0 loose .*; did you mean a or b\?$"):
        find_layout(trees.zipped(both, tmp_path / "both.zip", ""))


def test_what_lies_beside_an_unpacked_archive_is_not_offered(tmp_path, cache):
    plain(cache, "owl", "fox")
    trees.put(tmp_path / "t" / "a.txt", b"no image")
    with pytest.raises(CatdogError) as caught:
        find_layout(trees.zipped(tmp_path / "t", tmp_path / "t.zip", ""))
    assert "did you mean" not in str(caught.value)


def test_splits_of_an_unknown_name_are_not_offered_as_a_whole_set(tmp_path):
    for split in ("Lernen", "Pr\u00fcfen"):
        plain(tmp_path / "t" / split, "owl", "fox")
    archive = trees.zipped(tmp_path / "t", tmp_path / "pets.zip", "pets/")
    for source, above in ((archive, "pets"), (tmp_path / "t", (tmp_path / "t").as_posix())):
        with pytest.raises(CatdogError) as caught:
            find_layout(source)
        line = str(caught.value)
        assert line.endswith(
            f"; if {above}/Lernen and {above}/Pr\u00fcfen are its splits, call them train, "
            "validation and test"
        )
        assert "did you mean" not in line
    with pytest.raises(CatdogError, match="found pets/Lernen/, pets/Pr\u00fcfen/, 0 loose images"):
        find_layout(archive)


def test_an_archive_in_an_archive_is_named(tree, tmp_path):
    inner = trees.zipped(tree, tmp_path / "outer" / "train.zip")
    outer = trees.zipped(inner.parent, tmp_path / "outer.zip", "")
    with pytest.raises(CatdogError, match=r"found train.zip, 0 loose images \(unpack the archive"):
        find_layout(outer)


def test_a_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(CatdogError, match=r"no such file or folder: .*none"):
        find_layout(tmp_path / "none")


def forbid(monkeypatch, forbidden):
    """Let the system deny the reading of one folder, also to the superuser."""
    real = os.scandir

    def scandir(folder):
        if Path(folder) == forbidden:
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_parent_that_cannot_be_read_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "t").mkdir()
    forbid(monkeypatch, tmp_path)
    with pytest.raises(CatdogError, match="has no known layout"):
        find_layout(tmp_path / "t")


def test_a_folder_that_cannot_be_read_is_named(tree, monkeypatch):
    forbid(monkeypatch, tree / "train")
    with pytest.raises(CatdogError, match=r"cannot read folder .*train: no permission$"):
        problems(tree)


def test_junk_is_one_note_and_no_class(tree):
    trees.put(tree / "train" / "__MACOSX" / "cats" / "._a.jpg", trees.APPLE_DOUBLE)
    (tree / "train" / ".ipynb_checkpoints").mkdir()
    for name in (".DS_Store", "Thumbs.db", "._cat.jpg", "._dog.jpg"):
        trees.put(tree / "validation" / "cats" / name, b"junk")
    text = "ignored system files: .DS_Store 1, ._* 2, .ipynb_checkpoints 1, Thumbs.db 1, __MACOSX 1"
    assert problems(tree, "error", "warning", "note") == [text]
    assert counts(tree) == ("official", [[5, 5], [4, 4], [1, 1]])


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@recycle", "@Recently-Snapshot"),
        *("$RECYCLE.BIN", "RECYCLER", "FOUND.000", "found.001", "System Volume Information"),
        *(".Trash-1000", ".Trashes", "lost+found", "Network Trash Folder"),
    ],
)
def test_folders_of_other_systems_are_junk_at_every_level(tree, name):
    for folder in (tree, tree / "train", tree / "validation" / "dogs"):
        trees.put(folder / name / "thumb.jpg", b"junk")
    assert problems(tree, "error", "warning", "note") == [f"ignored system files: {name} 3"]


def test_a_folder_nearby_that_cannot_be_read_is_no_error(tmp_path, monkeypatch):
    trees.official(tmp_path / "up" / "pets")
    (tmp_path / "up" / "private").mkdir()
    forbid(monkeypatch, tmp_path / "up" / "private")
    with pytest.raises(CatdogError, match=r"no known layout: .*did you mean .*/up/pets\?$"):
        find_layout(tmp_path / "up")


def test_files_that_are_skipped_are_counted_by_suffix(tree):
    cats = tree / "train" / "cats"
    trees.put(tree / "vectorize.py", b"")
    assert problems(tree, "error", "note") == ["ignored 1 file: .py 1"]
    trees.put(cats / "vectorize.py", b"")
    trees.put(tree / "train" / "README", b"")
    assert problems(tree, "warning", "note") == ["ignored 3 files: .py 2, README 1"]


def test_images_of_other_types_are_a_warning(tree):
    for i in range(3):
        trees.put(tree / "train" / "cats" / f"IMG_{i}.HEIC", b"")
    trees.put(tree / "validation" / "dogs" / "x.webp", b"")
    advice = "convert to JPEG, or for HEIC pip install pillow-heif"
    text = f"does not use 4 images of other types, {advice}: .HEIC 3, .webp 1"
    if ".heic" in SUFFIXES:  # pillow-heif is installed
        text = "does not use 1 image of other types, convert to JPEG: .webp 1"
    assert problems(tree, "error", "warning", "note") == [text]


@pytest.mark.parametrize(
    "suffix", [".CR3", ".cr2", ".DNG", ".nef", ".arw", ".orf", ".RW2", ".raf", ".psd", ".jxl"]
)
def test_images_as_cameras_and_programs_save_them_are_a_warning(tree, suffix):
    trees.put(tree / "train" / "cats" / f"a{suffix}", b"")
    text = f"does not use 1 image of other types, convert to JPEG: {suffix} 1"
    assert problems(tree, "error", "warning", "note") == [text]


def test_heic_as_cameras_name_it_has_its_own_advice(tree):
    if ".hif" in SUFFIXES:
        pytest.skip("pillow-heif is installed")
    trees.put(tree / "train" / "cats" / "a.HIF", b"")
    (text,) = problems(tree, "error", "warning", "note")
    assert text.endswith("pip install pillow-heif: .HIF 1")


def test_classes_that_differ_between_the_splits_are_an_error(tree):
    (tree / "train" / "birds").mkdir()
    text = (
        "validation has the wrong classes: expected folders cats, dogs, birds under "
        f"{tree.as_posix()}/validation, found: cats, dogs, 0 loose images"
    )
    assert problems(tree, "error") == ["train/birds has no images", text]


def test_an_empty_class(tree):
    for path in (tree / "train" / "dogs").iterdir():
        path.unlink()
    assert problems(tree, "error") == ["train/dogs has no images"]


def test_a_missing_class_and_flat_folders(tree):
    (tree / "train" / "dogs").rename(tree.parent / "dogs")
    [error] = problems(tree, "error")
    assert (
        f"expected folders cats, dogs under {tree.as_posix()}/train, found: cats, 0 loose" in error
    )
    flat = tree.parent / "flat"
    for name in ("a", "b", "c"):
        trees.put(flat / "train" / f"{name}.jpg")
    (flat / "validation").mkdir()
    assert problems(flat, "error") == [
        "has 0 classes, not two to 10: (none)",
        "train has no folders for classes, only 3 loose images",
        "validation has no folders for classes, only 0 loose images",
    ]


def test_too_few_images_for_three_splits(tmp_path):
    one = trees.official(tmp_path / "one", n=1)
    assert problems(one, "error") == [
        "train/cats has 1 cat, too few for train",
        "train/dogs has 1 dog, too few for train",
        "validation/cats has 1 cat, too few for validation",
        "validation/dogs has 1 dog, too few for validation",
    ]
    assert problems(trees.official(tmp_path / "two", n=2), "error") == []
    assert problems(trees.kaggle(tmp_path / "k3", n=3), "error") == [
        f"has 3 {kind}, too few for train (by the numbers in their names: 0 at the end is for the "
        "test, 1 and 6 are for validation, all others for training)"
        for kind in ("cats", "dogs")
    ]
    assert problems(trees.kaggle(tmp_path / "k4", n=4), "error") == []


def test_the_number_of_a_file_is_the_last_one_in_its_name():
    numbers = {"cat.12.jpg": 12, "7.jpg": 7, "cat.3 (copy 45).png": 45, "IMG_2040.JPG": 2040}
    assert {name: layouts.number_in(name) for name in numbers} == numbers
    composed, decomposed = "K\u00e4tzchen.jpg", "Ka\u0308tzchen.jpg"  # as on Windows, on a Mac
    assert layouts.number_in(composed) == layouts.number_in(decomposed)
    assert layouts.number_in("k\udce4tzchen.jpg") >= 0  # a byte that is no UTF-8, on Linux
    named = Counter(layouts.number_in(f"{a}{b}.jpg") % 10 for a in "bcdfgh" for b in "aeiouklmnr")
    assert len(named) == 10


def test_extreme_imbalance_is_a_warning(tree):
    for i in range(15):
        trees.put(tree / "train" / "dogs" / f"more{i}.jpg")
    assert problems(tree, "warning") == []  # 5 to 20
    trees.put(tree / "train" / "dogs" / "one_more.jpg")
    assert problems(tree, "warning") == ["train is out of balance: 21 dogs, 5 cats"]


def test_what_is_not_used_is_a_warning(tree):
    trees.put(tree / "test" / "1.jpg")
    trees.put(tree / "train" / "loose.jpg")
    trees.put(tree / "train" / "cats" / "more" / "1.jpg")
    assert problems(tree, "warning") == [
        "test has no class folders, so it is not used; the test is every fifth of validation",
        "train has 1 image outside the class folders (not used)",
        "train/cats/more is a folder inside a class; its files are not used",
    ]


def test_images_without_a_label_in_the_kaggle_layout_are_a_warning(tmp_path):
    root = trees.kaggle(tmp_path / "t")
    trees.put(root / "1.jpg")
    trees.put(root / "catalogue.jpg")
    assert problems(root, "warning") == ["2 images are not named cat.N or dog.N (not used)"]


def test_a_class_folder_may_be_a_link(tree):
    (tree / "train" / "cats").rename(tree.parent / "elsewhere")
    trees.link(tree / "train" / "cats", tree.parent / "elsewhere")
    assert counts(tree) == ("official", [[5, 5], [4, 4], [1, 1]])


def test_a_link_to_itself_is_no_folder(tree):
    for path in (tree / "loop", tree / "train" / "cats" / "loop"):
        trees.link(path, "loop")
    assert problems(tree, "error", "warning", "note") == ["ignored 2 files: loop 2"]
    trees.link(tree / "train" / "dogs" / "loop.jpg", "loop.jpg")
    with pytest.raises(CatdogError, match=r"dogs/loop.jpg cannot be read: "):
        read_image(tree / "train" / "dogs" / "loop.jpg")
    (tree.parent / "none").mkdir()
    trees.link(tree.parent / "none" / "loop", "loop")
    with pytest.raises(CatdogError, match="has no known layout"):
        find_layout(tree.parent / "none")


def test_links_in_circles(tree):
    trees.link(tree / "train" / "cats" / "circle", tree / "train")
    assert "cats/circle is a folder inside a class" in problems(tree, "warning")[0]
    assert len(list_images(*find_layout(tree))[0]) == 20  # nothing from inside it
    outside = tree.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    trees.link(outside / "sub" / "circle", outside)
    with pytest.raises(CatdogError, match="has no known layout"):
        find_layout(outside)


# --- Any classes


def plain(root, *class_names, n=10):
    for name in class_names:
        for i in range(n):
            trees.put(root / name / f"{i}.jpg", level=10 * len(name))
    return root


def labels(root):
    """Return the name of each class with the folders that it was found in."""
    root, layout = find_layout(root)
    images, found = list_images(root, layout)
    assert [str(each) for each in found if each.grade == "error"] == []
    pairs = {(image.label, image.path.parent.name) for image in images}
    return layout.class_names, sorted(pairs)


def test_classes_are_named_by_their_folders_and_sorted(tmp_path):
    root = plain(tmp_path / "t", "rabbit", "Owl", "fox")
    assert labels(root) == (("fox", "Owl", "rabbit"), [(0, "fox"), (1, "Owl"), (2, "rabbit")])
    assert counts(root) == ("plain", [[7] * 3, [2] * 3, [1] * 3])
    archive = trees.zipped(root, tmp_path / "mine.zip", "deep/down/")
    assert counts(archive) == counts(root)


@pytest.mark.parametrize(
    "names", [("Cat", "Dog"), ("DOGS", "cats"), ("dog", "CATS"), ("dogs", "cat")]
)
def test_cats_and_dogs_in_any_usual_spelling_are_0_and_1(names, tmp_path):
    class_names, pairs = labels(plain(tmp_path / "t", *names))
    assert class_names == ("cats", "dogs")
    assert [(label, name[:3].lower()) for label, name in pairs] == [(0, "cat"), (1, "dog")]


def test_other_animals_come_after_cats_and_dogs(tmp_path):
    assert labels(plain(tmp_path / "t", "ant", "Dog", "cat"))[0] == ("cats", "dogs", "ant")


@pytest.mark.parametrize(
    ("layout", "train", "validation", "test", "expected"),
    [
        ("official", "train", "val", None, [[10, 10], [8, 8], [2, 2]]),
        ("three-split", "Training_Set", "VALID", "Test_Set", [[10, 10], [10, 10], [10, 10]]),
        ("three-split", "training", "validation", "testing", [[10, 10], [10, 10], [10, 10]]),
        ("two-split", "training_set", None, "test_set", [[8, 8], [2, 2], [10, 10]]),
    ],
)
def test_splits_in_any_usual_spelling(layout, train, validation, test, expected, tmp_path):
    for name in filter(None, (train, validation, test)):
        plain(tmp_path / "t" / name, "owl", "Fox" if name == train else "fox")
    assert counts(tmp_path / "t") == (layout, expected)
    assert find_layout(tmp_path / "t")[1].class_names == ("Fox", "owl")


def test_a_file_that_is_added_to_the_training_folder_moves_no_other(tmp_path):
    root = tmp_path / "t"
    for split in ("train", "test"):
        plain(root / split, "owl", "fox", n=12)
    before = {image.path: image.split for image in list_images(*find_layout(root))[0]}
    trees.put(root / "train" / "owl" / "0000.jpg")
    after = {image.path: image.split for image in list_images(*find_layout(root))[0]}
    assert before.items() <= after.items() and len(after) == len(before) + 1


def test_one_class_and_eleven_are_refused_in_one_line(tmp_path):
    with pytest.raises(CatdogError, match="has no known layout: expected a folder for each class"):
        find_layout(plain(tmp_path / "one", "owl"))
    for split in ("train", "validation"):
        plain(tmp_path / "split" / split, "owl")
    assert problems(tmp_path / "split", "error") == ["has 1 class, not two to 10: owl"]
    eleven = plain(tmp_path / "eleven", *"abcdefghijk", n=4)
    assert problems(eleven, "error")[0] == (
        "has 11 classes, not two to 10: a, b, c, d, e, f, g, h, i, j, k"
    )
    assert labels(plain(tmp_path / "ten", *"abcdefghij"))[0] == tuple("abcdefghij")


def test_a_class_with_one_image_is_named(tmp_path):
    root = plain(tmp_path / "t", "owl", "fox")
    for path in (root / "owl").glob("[1-9].jpg"):
        path.unlink()
    [error] = problems(root, "error")
    assert error.startswith("owl has 1 of owl, too few for train and validation (by the numbers")


def test_where_a_folder_holds_the_test_no_number_is_said_to_be_for_it(tmp_path):
    for split in ("train", "test"):
        plain(tmp_path / "t" / split, "owl", "fox", n=1)
    lines = problems(tmp_path / "t", "error")
    assert len(lines) == 2
    assert all("(by the numbers in their names: 1 and 6 are for validation" in x for x in lines)


def test_two_folders_for_one_class_or_split_are_named(tmp_path):
    root = plain(tmp_path / "t", "owl", "fox", "Fox")
    if len(list(root.iterdir())) == 2:
        pytest.skip("this file system takes both names for one")
    assert "has two folders for one class: Fox and fox" in problems(root, "error")
    for name in ("train", "val", "validation"):
        plain(tmp_path / "s" / name, "owl", "fox")
    assert "has two folders for validation: val and validation" in problems(tmp_path / "s", "error")


def test_folders_of_folders_are_no_classes(tmp_path):
    for group in ("a", "b"):
        plain(tmp_path / "t" / group, "owl", "fox" if group == "a" else "hen")
    with pytest.raises(CatdogError, match=r"no known layout: .*did you mean .*/t/a or .*/t/b\?$"):
        find_layout(tmp_path / "t")
    for name in ("owl", "fox"):
        trees.put(tmp_path / "u" / name / "more" / "1.jpg")
    with pytest.raises(CatdogError, match=r"no known layout: .*found fox/, owl/"):
        find_layout(tmp_path / "u")


def test_a_split_alone_is_not_taken_for_a_set(tmp_path):
    for name in ("train", "validation"):
        plain(tmp_path / "t" / name, "owl", "fox")
    with pytest.raises(CatdogError, match=r"did you mean .*/t\?$"):
        find_layout(tmp_path / "t" / "train")
    plain(tmp_path / "alone" / "train", "owl", "fox")
    assert find_layout(tmp_path / "alone" / "train")[1].name == "plain"


@trees.odd_names
def test_a_name_of_a_class_is_never_more_than_text(tmp_path):
    odd = ("<b>bold</b>".replace("/", ""), "=1+1", "$x$", "a\nb")
    root = plain(tmp_path / "t", *odd)
    assert labels(root)[0] == tuple(sorted(odd))
    (root / "a\nb" / "0.jpg").unlink()
    [error] = problems(root, "error")
    assert error.startswith("a\\nb has 9 of a\\nb, too few for test") and "\n" not in error
