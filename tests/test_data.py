import dataclasses
import errno
import os
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf
import trees

from catdog_helpers import CatdogError, data
from catdog_helpers.drawing import sample
from catdog_helpers.files import layouts
from catdog_helpers.files.images import read_image

PHOTOS = Path(__file__).parents[2] / "shared" / "photos" / "cats_and_dogs_filtered.zip"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("CATDOG_URL", raising=False)
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tree(tmp_path):
    return trees.official(tmp_path / "tree", n=10)


@pytest.fixture
def splits(tree):
    return data.load_splits(tree)


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(data, "free_memory", lambda: 1_000_000)


def names(split):
    return [path.name for path in split.paths]


def one_pass(dataset):
    """Return all images and labels of a dataset, in the order of this pass."""
    batches = [(images.numpy(), labels.numpy()) for images, labels in dataset]
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_some_images_of_a_split_keep_their_labels(splits):
    train = splits[0]
    some = train.take(np.array([12, 3, 0]))
    assert names(some) == [names(train)[i] for i in (12, 3, 0)]
    assert some.labels.tolist() == train.labels[[12, 3, 0]].tolist()
    chunks = train.chunks(7)
    assert [len(chunk) for chunk in chunks] == [7, 7, 6] and names(chunks[2]) == names(train)[14:]


# --- Sources


def test_the_test_split_is_every_fifth_file_of_validation_by_name(splits):
    train, validation, test = splits
    assert [split.name for split in splits] == ["train", "validation", "test"]
    assert names(train)[:10] == [f"cat.t{i}.jpg" for i in range(10)]
    assert names(test) == ["cat.v0.jpg", "cat.v5.jpg", "dog.v0.jpg", "dog.v5.jpg"]
    assert names(validation)[:8] == [f"cat.v{i}.jpg" for i in (1, 2, 3, 4, 6, 7, 8, 9)]
    assert validation.labels.tolist() == [0] * 8 + [1] * 8
    assert validation.labels.dtype == np.int32
    assert validation.counts() == {"cats": 8, "dogs": 8}
    assert len(validation) == 16


def test_flat_layouts_are_split_by_a_fixed_rule(tmp_path):
    cats = [names(split)[: len(split) // 2] for split in data.load_splits(trees.kaggle(tmp_path))]
    expected = [[2, 3, 4, 5, 7, 8, 9], [1, 6], [0]]
    assert cats == [[f"cat.{i}.jpg" for i in split] for split in expected]


@pytest.mark.parametrize("make", [trees.kaggle, trees.asirra])
def test_where_folders_do_not_say_an_added_photo_moves_no_other(make, tmp_path):
    root = make(tmp_path / "t", 40)
    before = [set(split.paths) for split in data.load_splits(root)]
    folder = next(root.rglob("*0.jpg")).parent
    for name in ("cat.00.jpg", "cat.000.jpg", "cat.7.6.jpg", "cat.1.5.jpg"):
        trees.put(folder / name)
    after = [set(split.paths) for split in data.load_splits(root)]
    assert all(old < new or old == new for old, new in zip(before, after, strict=True))
    assert sum(map(len, after)) == 84


@pytest.mark.parametrize("make", [trees.official, trees.kaggle, trees.asirra])
@pytest.mark.parametrize("n", [4, 5, 11, 26])
def test_splits_are_disjoint_and_complete_at_any_size(make, n, tmp_path):
    root = make(tmp_path / "t", n)
    splits = data.load_splits(root)
    paths = [path for split in splits for path in split.paths]
    assert len(paths) == len(set(paths))
    assert set(paths) == set(root.rglob("*.jpg"))
    assert all(0 not in split.counts().values() for split in splits)
    for split in splits:
        wanted = ["cat" in str(path.relative_to(root)).lower() for path in split.paths]
        assert [label == 0 for label in split.labels] == wanted


def test_too_few_images_are_an_error_with_the_numbers(tmp_path):
    root = trees.official(tmp_path / "t", n=1)
    with pytest.raises(CatdogError, match="validation/cats has 1 cat, too few for validation"):
        data.load_splits(root)


def test_the_order_of_the_file_system_does_not_matter(tree, monkeypatch):
    expected = [names(split) for split in data.load_splits(tree)]
    real = layouts.os.scandir

    class Reversed(list):
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(layouts.os, "scandir", lambda path: Reversed(reversed(list(real(path)))))
    assert [names(split) for split in data.load_splits(tree)] == expected


def test_class_names_travel_with_every_split(splits):
    assert {split.class_names for split in splits} == {("cats", "dogs")} == {data.CLASS_NAMES}
    for split in splits:
        for path, label in zip(split.paths, split.labels, strict=True):
            assert path.parent.name == split.class_names[label]


def test_the_source_photos_is_the_archive_that_the_address_names(tree, tmp_path, monkeypatch):
    archive = trees.zipped(tree, tmp_path / "mine" / "archive.zip")
    monkeypatch.setenv("CATDOG_URL", str(archive))
    splits = data.load_splits("photos")
    assert [len(split) for split in splits] == [20, 16, 4]
    assert all(tmp_path / "cache" in path.parents for path in splits[0].paths)


def test_the_source_sample_is_drawn_into_the_cache(cache, monkeypatch):
    def draw(folder, seed):
        assert (seed, folder.name) == (0, f"sample-{sample.code_hash()}")
        return folder if folder.exists() else trees.official(folder)

    monkeypatch.setattr(sample, "make_sample", draw)
    train, *_ = data.load_splits("sample")
    assert cache.resolve() in train.paths[0].parents
    assert train.paths == data.load_splits("sample")[0].paths


@pytest.mark.parametrize("source", ["phots", Path("sample"), "no/such/folder"])
def test_an_unknown_source_is_an_error_that_lists_what_there_is(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatdogError) as caught:
        data.load_splits(source)
    assert str(caught.value) == (
        f"no data source {source}: there are sample, photos, and the path of a folder or zip "
        "archive of your own"
    )


@pytest.mark.skipif(not PHOTOS.exists(), reason=f"there is no {PHOTOS}")
def test_the_official_counts_of_photos():
    splits = data.load_splits(PHOTOS)
    assert [len(split) for split in splits] == [2000, 800, 200]
    assert [split.counts()["cats"] for split in splits] == [1000, 400, 100]
    assert names(splits[2])[:3] == ["cat.4001.jpg", "cat.4006.jpg", "cat.4011.jpg"]


# --- Bad files


@pytest.fixture
def bad_tree(tree):
    trees.put(tree / "train" / "cats" / "a.jpg", b"")
    trees.put(tree / "validation" / "dogs" / "dog.v0.jpg", trees.TRUNCATED)
    trees.put(tree / "validation" / "dogs" / "dog.v1.jpg", trees.HTML)
    return tree


def test_bad_files_are_found_before_training_all_at_once(bad_tree):
    with pytest.raises(CatdogError) as caught:
        data.load_splits(bad_tree)
    text = str(caught.value)
    assert text.startswith(
        f"3 errors in {bad_tree.as_posix()}: train/cats/a.jpg cannot be decoded: 0 bytes;"
    )
    assert "validation/dogs/dog.v0.jpg" in text
    assert "validation/dogs/dog.v1.jpg" in text
    assert text.endswith("or leave these files out (SKIP_BAD_FILES = True in a chapter)")
    assert "\n" not in text


def test_of_many_errors_ten_are_listed(tree):
    for i in range(13):
        trees.put(tree / "train" / "cats" / f"{i:02}.jpg", b"")
    with pytest.raises(CatdogError) as caught:
        data.load_splits(tree)
    assert "09.jpg cannot be decoded: 0 bytes; and 3 more. Fix them" in str(caught.value)


def test_skipped_files_are_listed_and_move_no_other(bad_tree, capsys):
    train, validation, test = data.load_splits(bad_tree, skip=True)
    assert [problem.path for problem in train.skipped] == ["train/cats/a.jpg"]
    assert [problem.path for problem in validation.skipped] == ["validation/dogs/dog.v1.jpg"]
    assert [problem.path for problem in test.skipped] == ["validation/dogs/dog.v0.jpg"]
    assert names(test) == ["cat.v0.jpg", "cat.v5.jpg", "dog.v5.jpg"]
    assert validation.counts() == {"cats": 8, "dogs": 7}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "left out: train/cats/a.jpg cannot be decoded: 0 bytes"
    assert len(lines) == 3


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_an_error_that_may_pass_is_never_taken_for_the_contents_of_a_file(
    tree, monkeypatch, number
):
    bad, real, files = (
        tree / "train" / "cats" / "cat.t0.jpg",
        Path.read_bytes,
        data.list_files(tree),
    )

    def failing(path):
        if path == bad:
            raise OSError(number, os.strerror(number))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        with pytest.raises(CatdogError) as caught:
            data.list_files(tree)
    assert f"cannot read {bad.as_posix()}: {os.strerror(number)}; try" in str(caught.value)
    assert data.list_files(tree) == files


def test_files_that_nobody_can_read_are_listed_as_such(tree, monkeypatch):
    cats, real = tree / "train" / "cats", Path.read_bytes

    def denied(path):
        if path.name == "cat.t1.jpg":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    trees.link(cats / "nothing.jpg", cats / "none")
    trees.link(cats / "circle.jpg", cats / "circle.jpg")
    files = data.list_files(tree)
    for name in ("cat.t1", "nothing", "circle"):
        assert files[f"train/cats/{name}.jpg"] == "train 0 00000000"
    assert files["train/cats/cat.t0.jpg"] != "train 0 00000000"


def test_wrong_folders_cannot_be_skipped(bad_tree):
    (bad_tree / "train" / "birds").mkdir()
    with pytest.raises(CatdogError, match="5 errors") as caught:
        data.load_splits(bad_tree, skip=True)
    assert "SKIP_BAD_FILES" not in str(caught.value)


def test_a_class_that_has_only_bad_files_cannot_be_skipped(tree):
    for name in ("dog.v0.jpg", "dog.v5.jpg"):
        trees.put(tree / "validation" / "dogs" / name, b"")
    with pytest.raises(CatdogError, match=r"test has only .*'cats': 2, 'dogs': 0"):
        data.load_splits(tree, skip=True)


@pytest.mark.parametrize("suffix", [".webp", ".CR3", ".heic"])
def test_a_class_of_other_types_is_an_error_that_says_what_to_do(tree, suffix):
    if suffix in layouts.SUFFIXES:
        pytest.skip("pillow-heif is installed")
    for path in (tree / "train" / "dogs").iterdir():
        path.rename(path.with_suffix(suffix))
    with pytest.raises(CatdogError) as caught:
        data.load_splits(tree)
    line = str(caught.value)
    assert "1 error in" in line and "train/dogs has no images; warning: does not use 10" in line
    advice = ", or for HEIC pip install pillow-heif" if suffix == ".heic" else ""
    assert f"10 images of other types, convert to JPEG{advice}: {suffix} 10. Fix it" in line


def test_skipping_leaves_two_training_images_of_each_class_or_is_refused(tree):
    for i in range(8):
        trees.put(tree / "train" / "cats" / f"cat.t{i}.jpg", b"")
    train, *_ = data.load_splits(tree, skip=True)
    assert train.counts() == {"cats": 2, "dogs": 10}
    trees.put(tree / "train" / "cats" / "cat.t8.jpg", b"")
    with pytest.raises(CatdogError, match=r"train has only .*'cats': 1.*: it needs 2 of each"):
        data.load_splits(tree, skip=True)


def test_copies_in_two_splits_are_told(tree, capsys):
    for name in ("train/cats/x.jpg", "validation/cats/x.jpg"):
        trees.put(tree / name, trees.GOOD)
    data.load_splits(tree)
    assert capsys.readouterr().out.startswith("warning: validation/cats/x.jpg (test) has the same")


def test_of_many_skipped_files_ten_are_printed(tree, capsys):
    for i in range(13):
        trees.put(tree / "train" / "cats" / f"{i:02}.jpg", b"")
    train, *_ = data.load_splits(tree, skip=True)
    assert len(train.skipped) == 13
    lines = capsys.readouterr().out.splitlines()
    assert lines[9] == "left out: train/cats/09.jpg cannot be decoded: 0 bytes"
    assert lines[10:] == ["left out: 3 more, listed by python -m catdog_helpers check PATH"]


def test_a_source_without_problems_prints_nothing(tree, capsys):
    data.load_splits(tree)
    assert capsys.readouterr() == ("", "")


# --- Images and datasets


def test_images_are_decoded_in_the_order_of_the_list(splits):
    train = splits[0]
    images = data.load_images(train, 20)
    assert images.shape == (20, 20, 20, 3)
    assert images.dtype == np.uint8
    for image, path in zip(images, train.paths, strict=True):
        np.testing.assert_array_equal(image, read_image(path, 20))


def test_a_file_that_went_bad_after_the_check_is_named(splits):
    train = splits[0]
    trees.put(train.paths[3], trees.ZERO)
    with pytest.raises(
        CatdogError, match=f"{train.paths[3].as_posix()} cannot be decoded: 0 bytes"
    ):
        data.load_images(train)


def test_images_that_memory_does_not_hold_are_refused(splits, little_memory):
    with pytest.raises(
        CatdogError, match=r"20 images of train would take 0.0 GB.*use make_dataset"
    ):
        data.load_images(splits[0])
    with pytest.raises(CatdogError, match=r"^1 image of train would take 0.0 GB"):
        data.load_images(splits[0].take([0]), 600)


def test_a_dataset_has_the_images_in_batches(splits):
    batches = list(data.make_dataset(splits[0], image_size=20, batch_size=8))
    assert [tuple(images.shape) for images, _ in batches] == [(n, 20, 20, 3) for n in (8, 8, 4)]
    images, labels = one_pass(batches)
    assert (images.dtype, labels.dtype) == (np.uint8, np.int32)
    np.testing.assert_array_equal(images, data.load_images(splits[0], 20))
    np.testing.assert_array_equal(labels, splits[0].labels)


def test_a_dataset_tells_its_shapes_and_length(splits):
    dataset = data.make_dataset(splits[0], image_size=20, batch_size=8)
    assert dataset.element_spec[0].shape.as_list() == [None, 20, 20, 3]
    assert int(dataset.cardinality()) == 3


def test_a_shuffled_dataset_has_a_new_order_in_every_pass_fixed_by_the_seed(splits):
    def orders(seed):
        dataset = data.make_dataset(splits[0], image_size=8, shuffle=True, seed=seed)
        passes = [one_pass(dataset)[0].reshape(20, -1).mean(1) for _ in range(3)]
        assert all(sorted(order) == sorted(passes[0]) for order in passes)
        return [order.tolist() for order in passes]

    first = orders(1)
    assert first == orders(1)
    assert first != orders(2)
    assert first[0] != first[1] != first[2]


def test_images_and_labels_stay_together_when_shuffled(splits):
    dataset = data.make_dataset(splits[0], image_size=20, batch_size=4, shuffle=True)
    for _ in range(3):
        images, labels = one_pass(dataset)
        np.testing.assert_array_equal(images.mean((1, 2, 3)) > 128, labels == 1)
        assert sorted(labels) == [0] * 10 + [1] * 10


def test_no_image_is_in_two_splits_in_any_pass(splits):
    datasets = [data.make_dataset(split, image_size=20, shuffle=True) for split in splits]
    for _ in range(3):
        found = [{image.tobytes() for image in one_pass(dataset)[0]} for dataset in datasets]
        assert [len(images) for images in found] == [20, 16, 4]
        assert len(set.union(*found)) == 40


@pytest.mark.parametrize("shuffle", [False, True])
def test_streaming_gives_the_same_batches(splits, shuffle, monkeypatch, capsys):
    def passes():
        dataset = data.make_dataset(splits[0], image_size=200, shuffle=shuffle, seed=3)
        return [one_pass(dataset) for _ in range(2)]

    in_memory = passes()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(data, "free_memory", lambda: 7_900_000)
    streamed = passes()
    assert capsys.readouterr().out == (
        "train: 20 images would take 0.0 GB, more than 30% of 0.0 GB of free memory; every pass "
        "decodes them anew\n"
    )
    for first, second in zip(in_memory, streamed, strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_images_in_memory_are_decoded_once(splits, monkeypatch):
    read, real = [], data.read_image

    def count(path, image_size):
        read.append(path)
        return real(path, image_size)

    monkeypatch.setattr(data, "read_image", count)
    dataset = data.make_dataset(splits[0], image_size=20)
    assert len(read) == 20
    one_pass(dataset)
    one_pass(dataset)
    assert len(read) == 20


def test_arrays_are_batched_in_order_or_in_a_new_one_in_every_pass():
    arrays = np.arange(20).reshape(10, 2), np.arange(10)
    batches = list(data.batch_arrays(arrays, 4))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    for together, array in zip(one_pass(batches), arrays, strict=True):
        np.testing.assert_array_equal(together, array)
    tf.random.set_seed(0)  # with a seed, Keras' own shuffling repeats one order
    shuffled = data.batch_arrays(arrays, 4, shuffle=True)
    (rows, labels), (_, later) = one_pass(shuffled), one_pass(shuffled)
    np.testing.assert_array_equal(rows, arrays[0][labels])  # they stay together
    assert sorted(labels) == sorted(later) == list(range(10))
    assert labels.tolist() != later.tolist()


@pytest.mark.parametrize(("free", "streamed"), [(1_000_000, True), (10**9, False)])
def test_no_pass_waits_for_the_thread_that_tunes(splits, free, streamed, monkeypatch, capsys):
    monkeypatch.setattr(data, "free_memory", lambda: free)
    for dataset in (
        data.make_dataset(splits[0], image_size=200, shuffle=True),
        data.batch_arrays(np.zeros((8, 2)), shuffle=True),
    ):
        made_of_it = dataset.unbatch().map(lambda *row: row).batch(2).prefetch(1)
        assert made_of_it.options().autotune.enabled is False
    assert ("decodes them anew" in capsys.readouterr().out) == streamed


@trees.odd_names
def test_names_in_any_script_can_be_trained_on(tree):
    trees.put(tree / "train" / "cats" / "\u043a\u043e\u0442\n.jpg")
    train, *_ = data.load_splits(tree)
    assert one_pass(data.make_dataset(train, image_size=20))[0].shape[0] == 21


def test_orientation_is_the_same_in_the_dataset_and_for_one_image(splits, tmp_path):
    path = trees.put(tmp_path / "a.jpg", trees.red_left(6))
    split = dataclasses.replace(splits[0], paths=(path,), labels=np.zeros(1, "int32"))
    images, _ = one_pass(data.make_dataset(split, image_size=20))
    np.testing.assert_array_equal(images[0], read_image(path, 20))
    assert images[0, :8, :, 0].min() > 200  # upright, red is at the top
    assert images[0, 12:, :, 0].max() < 50


def test_a_bad_file_ends_the_dataset_with_its_name(splits):
    trees.put(splits[0].paths[3], trees.ZERO)
    with pytest.raises(Exception, match=r"cat.t3.jpg cannot be decoded: 0 bytes"):
        data.make_dataset(splits[0])


# --- Many images

MANY = 25_000  # on 32 x 32 pixels they take 77 MB


@pytest.fixture
def many(tmp_path):
    """A split of many images: four files, over and over."""
    files = [trees.put(tmp_path / f"{i}.jpg") for i in range(4)]
    return data.Split("train", tuple(files) * (MANY // 4), np.zeros(MANY, "int32"))


def growth_of_memory(split):
    """Return by how many bytes this process grew in one pass at most, and how long the pass was."""
    process = psutil.Process()
    before = peak = process.memory_info().rss
    n = 0
    for images, _ in data.make_dataset(split, image_size=32, batch_size=250, shuffle=True):
        n += len(images)
        peak = max(peak, process.memory_info().rss)
    return peak - before, n


def test_many_images_stream_through_little_memory_decoded_once_each(many, monkeypatch):
    reads = Counter()

    def read(path, size):
        reads[path] += 1
        return np.zeros((size, size, 3), "uint8")

    monkeypatch.setattr(data, "free_memory", lambda: 10_000_000)
    growth_of_memory(data.Split("train", many.paths[:1000], many.labels[:1000]))  # warms up
    monkeypatch.setattr(data, "read_image", read)
    growth, n = growth_of_memory(many)
    assert n == MANY
    assert set(reads.values()) == {MANY // 4}  # the work of one image, however many there are
    assert growth < 25_000_000
