"""Files damaged at random are told by name, or give what they gave before; none is changed.

Bits are flipped, bytes cut off and inserted, from fixed seeds: 380 files in all.
"""

import io
import tarfile

import keras
import numpy as np
import pytest
import trees
from keras import layers

from catdog_helpers import CatdogError, __main__, data, models, results
from catdog_helpers.files.checks import check
from catdog_helpers.files.images import SUFFIXES
from catdog_helpers.files.paths import printable

SIZE = 32
HISTORY = results.History(
    {"loss": [1.25], "accuracy": [0.5], "val_loss": [1.5], "val_accuracy": [0.75]}, 12.34
)


def damaged(content, seed):
    """Return a copy of bytes with a bit of one to four flipped, the end cut off, or more put in."""
    rng = np.random.default_rng(seed)
    where = int(rng.integers(len(content)))
    if seed % 3 == 0:
        flipped = bytearray(content)
        for position in [where, *rng.integers(len(content), size=seed % 4)]:
            flipped[position] ^= 1 << int(rng.integers(8))
        return bytes(flipped)
    if seed % 3 == 1:
        return content[:where]
    return content[:where] + rng.bytes(rng.integers(1, 17)) + content[where:]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "cache"))
    return trees.official(tmp_path / "tree", n=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The bytes of a saved model."""
    keras.utils.set_random_seed(0)
    stack = [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)]
    path = tmp_path_factory.mktemp("model") / "first.keras"
    results.save_model(models.compile_classifier(keras.Sequential(stack), "sgd"), path)
    return path.read_bytes()


def encoded(seed):
    suffix, kind = sorted(SUFFIXES.items())[seed // 3 % len(SUFFIXES)]
    return suffix, trees.encoded(trees.image(30, f"{seed}"), kind)


@pytest.fixture
def photos(tmp_path):
    """Damaged images in all formats."""
    paths = []
    for seed in range(40):
        suffix, content = encoded(seed)
        paths.append(trees.put(tmp_path / "photos" / f"{seed}{suffix}", damaged(content, seed)))
    return paths


def test_a_check_names_the_images_that_cannot_be_loaded_and_keeps_the_labels(tree):
    for seed in range(100):
        suffix, content = encoded(seed)
        trees.put(tree / "train/cats" / f"x{seed}{suffix}", content)
    good = check(tree)
    run = results.start_run(tree.parent / "run", tree, 0, SIZE)
    for seed in range(100):
        suffix, content = encoded(seed)
        trees.put(tree / "train/cats" / f"x{seed}{suffix}", damaged(content, seed))
    before = trees.contents(tree)

    report = check(tree)
    assert report.images == good.images  # with their splits and labels
    bad = {error.path for error in report.errors}
    for image in report.images:
        one = data.Split(image.split, (image.path,), np.array([image.label]))
        if image.path.relative_to(tree).as_posix() in bad:
            with pytest.raises(CatdogError, match=image.path.name):
                data.load_images(one, SIZE)
        else:
            assert data.load_images(one, SIZE).shape == (1, SIZE, SIZE, 3)
    assert 30 < len(bad) < 100
    # Of other bytes that make an image too nothing can be told, except that they are other bytes.
    with pytest.raises(CatdogError, match="100 with other contents"):
        data.splits_of(run)
    assert trees.contents(tree) == before


def test_predictions_name_the_photos_that_cannot_be_read(photos, model, tmp_path, capsys):
    path = trees.put(tmp_path / "first.keras", model)
    before = trees.contents(tmp_path)
    assert __main__.main(["predict", *map(str, photos), "--model", str(path)]) == 1
    told = capsys.readouterr()
    lines = told.out.splitlines() + told.err.splitlines()
    named = [line.split()[0].removesuffix(":") for line in lines]
    assert sorted(named) == sorted(map(printable, photos))
    assert len(told.err.splitlines()) > 10
    assert trees.contents(tmp_path) == before


def images_of(source):
    """Return what a source gives: split, label and bytes by the name of an image."""
    report = check(source)
    if report.errors:
        raise CatdogError(report.errors)
    return {
        image.path.relative_to(report.root).as_posix(): (
            image.split,
            image.label,
            image.path.read_bytes(),
        )
        for image in report.images
    }


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_zip_archive_is_refused_or_unpacked_as_it_was(tree, tmp_path, seed):
    content = trees.zipped(tree, tmp_path / "good.zip").read_bytes()
    path = trees.put(tmp_path / "bad.zip", damaged(content, seed))
    before = path.read_bytes()
    try:
        found = images_of(path)
    except CatdogError:
        found = None
    assert found in (None, images_of(tree))
    assert path.read_bytes() == before


def test_a_damaged_tar_archive_is_refused(tree, tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(tree, "tree")
    for seed in range(20):
        path = trees.put(tmp_path / f"{seed}.tar.gz", damaged(packed.getvalue(), seed))
        with pytest.raises(CatdogError, match="no whole zip archive"):
            check(path)


def test_a_damaged_model_is_refused_or_predicts_as_it_did(model, tmp_path, capsys):
    photo = trees.put(tmp_path / "cat.png", trees.encoded(trees.image(30), "PNG"))

    def predict(name, content):
        path = trees.put(tmp_path / name, content)
        code = __main__.main(["predict", str(photo), "--model", str(path)])
        assert path.read_bytes() == content
        return code, capsys.readouterr()

    _, good = predict("good.keras", model)
    codes = []
    for seed in range(60):
        code, told = predict(f"{seed}.keras", damaged(model, seed))
        codes.append(code)
        assert (code == 0 and told == good) or (code == 1 and told.out == ""), seed
        if code:
            assert len(told.err.splitlines()) == 1 and f"{seed}.keras" in told.err, seed
    assert codes.count(1) > 40


@pytest.mark.parametrize("name", ["scores.json", "histories/first.json"])
def test_a_damaged_file_of_a_run_is_refused_or_tells_what_it_told(name, tree, model, tmp_path):
    folder = tmp_path / "run"
    run = results.start_run(folder, tree, 0, SIZE)
    run.save("first", keras.models.load_model(trees.put(tmp_path / "m.keras", model)), HISTORY, 0.8)
    run.record("first", test_accuracy=0.7, test_interval=[0.6, 0.8])
    run.record_finding("02.guess", 0.6931471)
    path = folder / name

    def told():
        opened = results.open_run(folder)
        return opened, opened.scores(), opened.findings(), opened.load_history("first")

    good, content, refused = told(), path.read_bytes(), 0
    for seed in range(60):
        path.write_bytes(damaged(content, seed))
        before = path.read_bytes()
        try:
            assert told() == good, seed
        except CatdogError as error:
            refused += 1
            assert "run chapter 0" in str(error), seed
        assert path.read_bytes() == before
    assert refused > 40
