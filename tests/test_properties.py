"""What holds for any input: 2,550 examples, the same ones in every run.

Each test states a property, and hypothesis looks for the input that breaks it.
"""

import contextlib
import math
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from catdog_helpers import CatdogError, plots, scoring
from catdog_helpers.files import archives
from catdog_helpers.files.images import read_image
from catdog_helpers.files.layouts import SPLIT_NAMES, find_layout, list_images
from catdog_helpers.files.paths import counted, printable
from catdog_helpers.series.chapters import typed_value


def examples(n):
    """Run a property on n examples, the same ones every time."""
    return settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@contextlib.contextmanager
def files(names):
    """Make empty files in a new folder; those that the file system refuses are left out."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        yield Path(folder)


# --- Layouts and splits

NAME = st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1)
NAME = NAME.filter(lambda name: name.strip(".") and len(name.encode()) < 200)
# Trees of the names that have a meaning, and of others.
PART = st.sampled_from(
    ["train", "validation", "cats", "dogs", "PetImages", "Cat", "Dog", "cat.1.jpg", "dog.1.jpg",
     "cat.02.PNG", "dog.2.jpeg", "a.jpg", ".hidden.jpg", "Thumbs.db", "a.webp", "Val", "test_set",
     "CATS", "owl", "<i>", "=1"]
) | NAME  # fmt: skip
TREE = st.lists(st.lists(PART, min_size=1, max_size=4).map("/".join), min_size=1, max_size=12)
STEMS = st.lists(NAME.filter(lambda name: not name.startswith(".")), min_size=1, max_size=7)


@examples(200)
@given(TREE, st.lists(st.sampled_from(["official", "Kaggle", "plain"]), max_size=1))
def test_in_any_tree_each_image_is_listed_once_or_one_line_says_why_not(names, layouts):
    needed = {
        "official": ["train/cats/1.jpg", "validation/dogs/1.jpg"],
        "Kaggle": ["cat.0.jpg", "dog.0.jpg"],
        "plain": ["PetImages/Cat/1.jpg", "PetImages/Dog/1.jpg"],
    }
    with files([name for layout in layouts for name in needed[layout]] + names) as folder:
        try:
            root, layout = find_layout(folder)
            images, problems = list_images(root, layout)
        except CatdogError as error:
            assert "\n" not in str(error) and not layouts
            return
        paths = [image.path for image in images]
        assert len(set(paths)) == len(paths)
        assert all(path.is_file() and folder in path.parents for path in paths)
        assert {image.split for image in images} <= set(SPLIT_NAMES)
        assert {image.label for image in images} <= set(range(len(layout.class_names)))
        assert all(str(problem).isprintable() for problem in problems)


@examples(120)
@given(STEMS, STEMS, st.randoms(use_true_random=False))
def test_the_official_layout_keeps_training_apart_whatever_the_names(train, validation, random):
    names = [
        f"{split}/{kind}/{stem}.jpg"
        for split, stems in (("train", train), ("validation", validation))
        for kind in ("cats", "dogs")
        for stem in stems
    ]
    listings = []
    for _ in range(2):
        random.shuffle(names)  # in whatever order they are made
        with files(names) as folder:
            images, _ = list_images(*find_layout(folder))
            listings.append([(i.path.relative_to(folder), i.split, i.label) for i in images])
    assert listings[0] == listings[1]
    for path, split, label in listings[0]:
        assert (split == "train") == (path.parts[0] == "train")
        assert label == ["cats", "dogs"].index(path.parts[1])
    tested = [path for path, split, _ in listings[0] if split == "test"]
    held_back = [path for path, split, _ in listings[0] if split != "train"]
    per_class = len(held_back) // 2
    assert len(tested) == 2 * math.ceil(per_class / 5)


# --- File names in messages and figures

ANY_TEXT = st.text(max_size=60)  # half of a surrogate pair too: bytes of a name that are no text


@examples(400)
@given(ANY_TEXT.filter(lambda text: "\0" not in text))
def test_any_name_is_one_printable_line_and_ordinary_letters_stay(name):
    shown = printable(name)
    assert shown.isprintable()
    if name.isprintable():
        assert shown == Path(name).as_posix()


@examples(150)
@given(NAME)
def test_an_error_names_any_file_on_one_line(name):
    with tempfile.TemporaryDirectory() as folder, pytest.raises(CatdogError) as caught:
        read_image(Path(folder, name))
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(f"{printable(Path(folder, name))} cannot be read: ")


@examples(30)
@pytest.mark.filterwarnings("error")
@given(NAME | st.text("$^_{}\\%&#", min_size=1, max_size=9))
def test_a_figure_shows_any_name_and_warns_of_no_letter(name):
    shown = printable(name)
    figure = plots.image_grid([np.zeros((2, 2, 3))], [shown], columns=1, description="")
    figure.draw_without_rendering()
    (ax,) = figure.axes
    title = ax.get_title()
    assert not ax.title.get_parse_math()
    if all(character < "\u0250" for character in shown):  # Latin letters, which every font has
        assert title == shown
    assert len(title) >= len(shown)


@examples(100)
@given(st.integers(0, 10**6), st.sampled_from(["image", "error"]))
def test_only_one_is_singular(n, noun):
    assert counted(n, noun) == f"{n} {noun}{'s' * (n != 1)}"


# --- Archives

MEMBER = st.lists(st.sampled_from(["a", "A", "b.jpg", "..", ".", "", "c:", "d e"]) | NAME,
                  min_size=1, max_size=3)  # fmt: skip
MEMBERS = st.dictionaries(
    st.tuples(MEMBER, st.sampled_from("/\\")).map(lambda each: each[1].join(each[0])).filter(bool),
    st.binary(max_size=20),
    max_size=5,
)


@examples(200)
@given(MEMBERS)
def test_an_archive_is_unpacked_whole_and_inside_its_folder_or_not_at_all(members):
    with tempfile.TemporaryDirectory() as folder:
        archive, target = Path(folder, "a.zip"), Path(folder, "inner", "target")
        with zipfile.ZipFile(archive, "w") as packed:
            for name, content in members.items():
                packed.writestr(name, content)
            stored = {each.filename: packed.read(each) for each in packed.infolist()}
        packed_bytes = archive.read_bytes()
        try:
            archives.unpack(archive, target)
        except CatdogError as error:
            assert "\n" not in str(error)
            assert not target.exists()
            found = []
        else:
            found = sorted(trees.contents(target).values())
            assert found == sorted(content for name, content in stored.items() if name[-1] != "/")
        assert archive.read_bytes() == packed_bytes
        assert len(trees.contents(folder)) == len(found) + 1  # nothing beside the folder


# --- EXIF

PIXELS = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1)).map(
    lambda sizes: np.random.default_rng(sizes[2]).integers(0, 256, (*sizes[:2], 3), "uint8")
)


@examples(150)
@given(PIXELS, st.integers(0, 65_535))
def test_any_orientation_turns_the_pixels_as_pillow_does(pixels, orientation):
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = orientation
    with tempfile.TemporaryDirectory() as folder:
        path = trees.saved(Path(folder, "a.png"), image, "PNG", exif=exif)
        with Image.open(path) as stored:
            expected = np.asarray(ImageOps.exif_transpose(stored))
        np.testing.assert_array_equal(read_image(path), expected)


@examples(100)
@given(PIXELS, st.binary(max_size=60))
def test_any_damaged_exif_block_leaves_the_pixels(pixels, block):
    with tempfile.TemporaryDirectory() as folder:
        exif = b"Exif\0\0" + block
        path = trees.saved(Path(folder, "a.png"), Image.fromarray(pixels), "PNG", exif=exif)
        assert sorted(read_image(path).ravel()) == sorted(pixels.ravel())


# --- Values for -p

VALUES = {
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(),
    list: st.lists(st.integers() | st.text()),
    dict: st.dictionaries(st.text(), st.integers()),
}
PAIRS = st.sampled_from(sorted(VALUES, key=str)).flatmap(
    lambda kind: st.tuples(VALUES[kind], VALUES[kind])
)


@examples(300)
@given(PAIRS)
def test_a_value_as_python_writes_it_reaches_the_chapter(pair):
    value, default = pair
    given_value = typed_value(repr(value), default)
    assert given_value == value and type(given_value) is type(default)


@examples(300)
@given(st.text() | st.one_of(*VALUES.values()).map(repr), st.one_of(*VALUES.values()))
def test_any_text_has_the_type_of_the_default_or_is_refused_with_both_types(text, default):
    try:
        value = typed_value(text, default)
    except ValueError as error:
        assert str(error).startswith("wants ") and repr(text) in str(error)
    else:
        assert type(value) is type(default)


# --- Statistics


@examples(200)
@given(st.integers(1, 5000), st.floats(0, 1))
def test_wilson_as_in_his_paper(n, share):
    n_correct, z = round(share * n), 1.959963984540054
    low, high = scoring.wilson_interval(n_correct, n)
    # The bounds are the accuracies that lie z standard errors away from what was seen.
    for bound in (low, high):
        error = math.sqrt(bound * (1 - bound) / n)
        assert abs(n_correct / n - bound) == pytest.approx(z * error, abs=1e-9)
    assert 0 <= low <= n_correct / n <= high <= 1


COUNT = st.integers(0, 80)


@examples(300)
@given(COUNT, COUNT, COUNT, st.integers(1, 80))
def test_mcnemar_counts_coins_and_comparisons_have_two_sides(both, only_first, only_second, none):
    counts = (both, only_first, only_second, none)
    first, second = (
        scoring.Score(np.zeros(sum(counts), int), np.stack([right, 1 - right], axis=1))
        for right in (np.repeat(table, counts) for table in ([1, 1, 0, 0], [1, 0, 1, 0]))
    )
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1)) / 2**n
    there, back = scoring.compare(first, second), scoring.compare(second, first)
    assert there.p_value == pytest.approx(min(1, 2 * tail))
    assert there.difference == pytest.approx((only_first - only_second) / sum(counts))
    assert (back.difference, back.p_value) == pytest.approx((-there.difference, there.p_value))
    assert back.interval == pytest.approx(tuple(-bound for bound in reversed(there.interval)))
    assert -1 <= there.interval[0] <= there.interval[1] <= 1
    if there.differs:
        assert there.interval[0] * there.interval[1] > 0
