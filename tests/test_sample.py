import dataclasses
import errno
import hashlib
import shutil
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from catdog_helpers import CatdogError, sample
from catdog_helpers.sample import (
    BACKGROUNDS,
    KINDS,
    OTHER_KINDS,
    contact_sheet,
    draw,
    draw_traits,
    make_sample,
)

# Mean colour of each quarter of draw(kind, seed), to see a change of the drawings themselves.
# Another version of Pillow may round edges differently, which moves these by less than 1.
REFERENCE = {
    ("cat", 1): [[128, 115, 109], [169, 143, 129], [143, 116, 93], [161, 140, 114]],
    ("dog", 2): [[164, 135, 98], [177, 144, 109], [134, 106, 80], [134, 108, 87]],
    ("rabbit", 3): [[152, 135, 114], [145, 165, 145], [133, 139, 116], [73, 130, 112]],
    ("owl", 4): [[215, 180, 165], [247, 237, 193], [140, 100, 111], [194, 177, 141]],
}


@pytest.fixture(scope="module")
def traits():
    return {kind: [draw_traits(kind, seed) for seed in range(2000)] for kind in KINDS}


@pytest.fixture(scope="module")
def pictures():
    """Draw 400 pictures, cats at even and dogs at odd places, no scene twice."""
    return np.stack([draw(KINDS[i % 2], i, size=96) for i in range(400)])


@pytest.fixture(scope="module")
def small_sample(tmp_path_factory):
    return make_sample(tmp_path_factory.mktemp("cache") / "sample", seed=3, train=8, validation=4)


# --- pictures


@pytest.mark.parametrize("kind", [*KINDS, *OTHER_KINDS])
def test_draw_gives_a_colour_picture_of_every_kind(kind):
    picture = draw(kind, 5, size=64)
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10


@pytest.mark.parametrize("size", [32, 33, 45, 160, 161])
def test_draw_gives_the_size_that_is_asked_for(size):
    assert draw("dog", 1, size).shape == (size, size, 3)


def test_a_seed_gives_the_same_picture_again_and_another_seed_another():
    assert np.array_equal(draw("cat", 11), draw("cat", 11))
    assert not np.array_equal(draw("cat", 11), draw("cat", 12))


def test_size_changes_the_resolution_only():
    large, small = draw("cat", 4, 320), draw("cat", 4, 160)
    halved = large.reshape(160, 2, 160, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 4


@pytest.mark.parametrize(("kind", "seed"), REFERENCE)
def test_pictures_are_those_that_were_released(kind, seed):
    quarters = draw(kind, seed).reshape(2, 80, 2, 80, 3).mean(axis=(1, 3))
    assert np.abs(quarters - np.array(REFERENCE[kind, seed]).reshape(2, 2, 3)).max() < 3


def test_unknown_kind_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unicorn.*cat, dog, rabbit"):
        draw("unicorn", 0)
    with pytest.raises(ValueError, match=r"unicorn.*cat, dog, rabbit"):
        draw_traits("unicorn", 0)


def test_too_small_a_size_names_the_smallest():
    with pytest.raises(ValueError, match=r"31.*32"):
        draw("cat", 0, size=31)


def test_contact_sheet_lets_the_kinds_take_turns():
    sheet = np.asarray(contact_sheet(("cat", "frog"), seed=7, columns=2, rows=3, size=40))
    assert sheet.shape == (120, 80, 3)
    assert np.array_equal(sheet[:40, 40:], draw("cat", 8, 40))
    assert np.array_equal(sheet[40:80, :40], draw("frog", 7, 40))
    assert np.array_equal(sheet[80:, :40], draw("cat", 9, 40))


# --- traits


def test_there_is_variety(traits):
    cats = traits["cat"]
    assert len({cat.coat for cat in cats}) >= 8
    assert {cat.background for cat in cats} == set(BACKGROUNDS)
    assert len(BACKGROUNDS) >= 6
    assert {cat.number for cat in cats} == {1, 2, 3}
    assert len(OTHER_KINDS) >= 8
    assert not set(KINDS) & set(OTHER_KINDS)


def best_rule(cats, dogs):
    """Return the share that the best rule on one trait gets right, with ranges cut in 20."""
    if isinstance(cats[0], float):
        edges = np.quantile(cats + dogs, np.linspace(0, 1, 21)[1:-1])
        cats, dogs = np.digitize(cats, edges).tolist(), np.digitize(dogs, edges).tolist()
    cats, dogs = Counter(cats), Counter(dogs)
    return sum(max(cats[value], dogs[value]) for value in cats | dogs) / (cats + dogs).total()


def test_best_rule_on_known_answers():
    assert best_rule(["a", "a", "a", "b"], ["b", "b", "b", "a"]) == 0.75
    assert best_rule([0.0] * 10, [1.0] * 10) == 1.0


@pytest.mark.parametrize("trait", [f.name for f in dataclasses.fields(sample.Traits)][1:])
def test_no_trait_alone_gives_the_kind_away(traits, trait):
    cats, dogs = ([getattr(t, trait) for t in traits[kind]] for kind in KINDS)
    assert best_rule(cats, dogs) <= 0.75


def test_scene_and_coat_are_those_of_the_seed_whatever_the_kind(traits):
    names = [f.name for f in dataclasses.fields(sample.Traits)]
    shared = names[names.index("coat") :]
    assert {"coat", "fur_colour", "background", "light_angle", "pose"} <= set(shared)
    for cat, dog in zip(*traits.values(), strict=True):
        assert [getattr(cat, n) for n in shared] == [getattr(dog, n) for n in shared]


# --- shortcuts


def score(features):
    """Return the cross-validated accuracy of a regularised linear model, cats against dogs."""
    labels = np.arange(len(features)) % 2
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200))
    return cross_val_score(model, features, labels, cv=5).mean()


def test_pixels_alone_do_not_tell_cats_from_dogs(pictures):
    pixels = pictures.reshape(400, 32, 3, 32, 3, 3).mean(axis=(2, 4))
    assert score(pixels.reshape(400, -1)) <= 0.65


def test_colours_alone_do_not_tell_cats_from_dogs(pictures):
    bins = (pictures // 32).astype(int) @ np.array([64, 8, 1])
    assert score(np.stack([np.bincount(b.ravel(), minlength=512) for b in bins])) <= 0.60


# --- the data set


def digests(folder):
    files = sorted(folder.rglob("*.jpg"))
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_sample_has_the_official_layout_with_equal_classes(small_sample):
    names = {str(path.relative_to(small_sample)) for path in small_sample.rglob("*.jpg")}
    assert names == {
        f"{split}/{kind}s/{kind}.{i}.jpg"
        for split, numbers in (("train", range(4)), ("validation", range(4, 6)))
        for i in numbers
        for kind in KINDS
    }
    with Image.open(small_sample / "train/cats/cat.0.jpg") as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (160, 160))


def test_sample_has_no_picture_twice(small_sample):
    assert len(set(digests(small_sample).values())) == 12


def test_sample_has_the_same_bytes_for_the_same_seed(small_sample, tmp_path):
    again = make_sample(tmp_path / "again", seed=3, train=8, validation=4)
    assert digests(again) == digests(small_sample)
    files = sample._files(4, 8, 4)
    assert not sample._holds(small_sample, files)


def test_sample_that_is_there_is_kept(small_sample, monkeypatch):
    monkeypatch.setattr(sample, "_draw_beside", None)
    assert make_sample(small_sample, seed=3, train=8, validation=4) == small_sample


def test_sample_leaves_a_folder_with_something_else_alone(small_sample, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(CatdogError, match="mine holds something else"):
        make_sample(mine, train=2, validation=2)
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    with pytest.raises(CatdogError, match="holds something else"):
        make_sample(small_sample, seed=4, train=8, validation=4)


def test_sample_that_lost_a_picture_is_not_taken_for_complete(small_sample, tmp_path):
    shutil.copytree(small_sample, tmp_path / "copy")
    (tmp_path / "copy/validation/dogs/dog.5.jpg").unlink()
    with pytest.raises(CatdogError, match="holds something else"):
        make_sample(tmp_path / "copy", seed=3, train=8, validation=4)


def test_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    folder = make_sample(tmp_path / "empty", train=2, validation=2)
    assert len(list(folder.rglob("*.jpg"))) == 4


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def half(folder, files):
        sample._draw_portion((folder, files[: len(files) // 2]))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sample, "_draw_in_parallel", half)
    with pytest.raises(CatdogError) as caught:
        make_sample(tmp_path / "sample", train=4, validation=4)
    message = str(caught.value)
    assert str(tmp_path / "sample") in message
    assert "No space left on device" in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CatdogError, match=r"cannot draw the sample into .*file.sample: \w+"):
        make_sample(tmp_path / "file" / "sample", train=2, validation=2)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_error_in_a_worker_reaches_the_caller(tmp_path):
    files = [("no/such/folder/cat.0.jpg", "cat", 0)]
    with pytest.raises(FileNotFoundError):
        sample._draw_in_parallel(tmp_path, files)


def test_no_progress_where_nobody_looks(tmp_path, capfd):
    make_sample(tmp_path / "sample", train=2, validation=2)
    assert capfd.readouterr() == ("", "")


def test_progress_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    make_sample(tmp_path / "sample", train=2, validation=2)
    assert "4/4" in capsys.readouterr().err
