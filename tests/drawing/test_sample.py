import hashlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from catdog_helpers import CatdogError
from catdog_helpers.drawing import sample
from catdog_helpers.drawing.breeds import BREEDS, KINDS
from catdog_helpers.drawing.sample import code_hash, make_kinds, make_sample


@pytest.fixture(scope="module")
def small_sample(tmp_path_factory):
    return make_sample(tmp_path_factory.mktemp("cache") / "sample", seed=3, train=8, validation=4)


def digests(folder):
    files = sorted(folder.rglob("*.jpg"))
    return {
        f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }


def test_sample_has_the_official_layout_with_equal_classes(small_sample):
    names = {path.relative_to(small_sample).as_posix() for path in small_sample.rglob("*.jpg")}
    assert names == {
        f"{split}/{kind}s/{kind}.{i}.jpg"
        for split, indices in (("train", range(4)), ("validation", range(4, 6)))
        for i in indices
        for kind in KINDS
    }
    with Image.open(small_sample / "train/cats/cat.0.jpg") as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (160, 160))


def test_sample_has_no_image_twice(small_sample):
    assert len(set(digests(small_sample).values())) == 12


def test_sample_has_the_same_bytes_for_the_same_seed(small_sample, tmp_path):
    again = make_sample(tmp_path / "again", seed=3, train=8, validation=4)
    assert digests(again) == digests(small_sample)


def test_sample_that_is_there_is_kept(small_sample):
    before = {path: path.stat().st_mtime_ns for path in small_sample.rglob("*")}
    assert make_sample(small_sample, seed=3, train=8, validation=4) == small_sample
    assert {path: path.stat().st_mtime_ns for path in small_sample.rglob("*")} == before


def test_sample_leaves_a_folder_with_something_else_alone(small_sample, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(CatdogError, match="mine holds something else"):
        make_sample(mine, train=2, validation=2)
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    with pytest.raises(CatdogError, match="holds something else"):
        make_sample(small_sample, seed=4, train=8, validation=4)


def test_sample_that_lost_an_image_is_not_taken_for_complete(small_sample, tmp_path):
    shutil.copytree(small_sample, tmp_path / "copy")
    (tmp_path / "copy/validation/dogs/dog.5.jpg").unlink()
    with pytest.raises(CatdogError, match="holds something else"):
        make_sample(tmp_path / "copy", seed=3, train=8, validation=4)


def test_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    folder = make_sample(tmp_path / "empty", train=2, validation=2)
    assert len(list(folder.rglob("*.jpg"))) == 4


def test_seeds_of_the_pretraining_are_refused(tmp_path):
    with pytest.raises(ValueError, match="a seed of 0 or above, not -1: the pre-training has"):
        make_sample(tmp_path / "s", seed=-1, train=2, validation=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("n_cpus", "n_workers"), [(1, 1), (3, 3), (200, 61)])
def test_as_many_processes_draw_as_this_one_may_use_processors(
    n_cpus, n_workers, tmp_path, monkeypatch
):
    asked = []

    def pool(workers, *_, **__):
        asked.append(workers)
        raise OSError("enough")

    monkeypatch.setattr(sample, "n_cpus", lambda: n_cpus)
    monkeypatch.setattr(sample, "ProcessPoolExecutor", pool)
    with pytest.raises(CatdogError, match="enough"):
        make_sample(tmp_path / "s", train=2, validation=2)
    assert asked == [n_workers]


def test_two_at_the_same_time_make_one_sample(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: make_sample(tmp_path / "s", train=2, validation=2), "ab"))
    assert made == [tmp_path / "s"] * 2
    assert list(tmp_path.iterdir()) == [tmp_path / "s"]


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The workers take over the limit, which is larger than some of the files.
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, hard))
    try:
        with pytest.raises(CatdogError) as caught:
            make_sample(tmp_path / "sample", train=8, validation=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value) == f"cannot draw the sample into {tmp_path}/sample: File too large"
    assert list(tmp_path.iterdir()) == []


def test_killed_drawing_leaves_no_process_and_nothing_for_good(tmp_path):
    script = tmp_path / "draw.py"  # workers import it, so it cannot be given with -c
    script.write_text(
        "from catdog_helpers.drawing.sample import make_sample\n"
        f"if __name__ == '__main__': make_sample({str(tmp_path / 'sample')!r}, train=2000)"
    )
    with subprocess.Popen([sys.executable, script]) as process:
        while not list(tmp_path.rglob("*.jpg")) and process.poll() is None:
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert workers
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    (unfinished,) = tmp_path.glob(".catdog-*")
    os.utime(unfinished, (0, 0))  # as if it were long ago
    make_sample(tmp_path / "sample", train=2, validation=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draw.py", "sample"]


def test_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CatdogError, match=r"cannot draw the sample into .*file.sample: \w+"):
        make_sample(tmp_path / "file" / "sample", train=2, validation=2)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_progress_where_nobody_looks(tmp_path, capfd):
    make_sample(tmp_path / "sample", train=2, validation=2)
    assert capfd.readouterr() == ("", "")


def test_progress_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    make_sample(tmp_path / "sample", train=2, validation=2)
    assert "4/4" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["breeds.py", "sample.py"])
def test_code_hash_changes_with_every_module(tmp_path, monkeypatch, module):
    copy = shutil.copytree(Path(sample.__file__).parent, tmp_path / "drawing")
    before = code_hash()
    assert len(before) == 12
    monkeypatch.setattr(sample, "__file__", str(copy / "sample.py"))
    assert code_hash() == before
    (copy / module).write_bytes((copy / module).read_bytes() + b"#")
    assert code_hash() != before


# Other kinds.


def test_kinds_lie_in_the_plain_layout_whatever_their_order(tmp_path):
    folder = make_kinds(tmp_path / "a", ["rabbit", "owl", "wolf"], count=2)
    names = [f"{kind}/{kind}.{i}.jpg" for kind in ("owl", "rabbit", "wolf") for i in range(2)]
    assert sorted(digests(folder)) == names
    assert len(set(digests(folder).values())) == 6
    again = make_kinds(tmp_path / "b", ["wolf", "owl", "rabbit"], count=2)
    assert digests(again) == digests(folder)
    other_seed = make_kinds(tmp_path / "c", ["wolf", "owl", "rabbit"], count=2, seed=1)
    assert not set(digests(other_seed).values()) & set(digests(folder).values())


def test_cats_and_dogs_among_the_kinds_are_those_of_the_sample(small_sample, tmp_path):
    folder = make_kinds(tmp_path / "kinds", ["dog", "cat"], count=2, seed=3)
    of_the_sample = digests(small_sample)
    for name, digest in digests(folder).items():
        kind, file = Path(name).parts
        assert of_the_sample[f"train/{kind}s/{file}"] == digest


@pytest.mark.parametrize(
    ("kinds", "options", "reason"),
    [
        (["owl", "unicorn"], {}, "no kind 'unicorn': there are bear, cat, cow, dog, .*wolf$"),
        (["owl", "../owl"], {}, "no kind '../owl'"),
        (["owl", "fox", "owl"], {}, "owl is named twice"),
        (["owl"], {}, "2 to 10 kinds, not 1"),
        (sorted(BREEDS)[:11], {}, "2 to 10 kinds, not 11"),
        (["owl", "fox"], {"count": 0}, "1 to 100,000 images of each kind, not 0"),
        (["owl", "fox"], {"count": 100_001}, "not 100,001"),
        (["owl", "fox"], {"seed": -1}, "0 or above, not -1"),
    ],
)
def test_kinds_that_cannot_be_drawn_are_refused(tmp_path, kinds, options, reason):
    with pytest.raises(ValueError, match=reason):
        make_kinds(tmp_path / "kinds", kinds, **options)
    assert list(tmp_path.iterdir()) == []


def test_kinds_leave_a_folder_that_is_not_empty_alone(tmp_path):
    folder = make_kinds(tmp_path / "kinds", ["owl", "fox"], count=1)
    before = digests(folder)
    with pytest.raises(CatdogError, match="kinds holds something else"):
        make_kinds(folder, ["owl", "fox"], count=1)
    assert digests(folder) == before


def test_kinds_that_cannot_be_written_leave_nothing(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CatdogError, match="cannot draw the sample into"):
        make_kinds(tmp_path / "file" / "kinds", ["owl", "fox"], count=1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
