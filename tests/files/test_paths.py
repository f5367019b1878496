import io
import os
import sys

import pytest
import trees

from catdog_helpers import CatdogError
from catdog_helpers.files import paths


def test_paths_are_shown_on_one_line_in_the_letters_of_their_language():
    assert paths.printable("J\u00fcrgen/\u043a.jpg") == "J\u00fcrgen/\u043a.jpg"
    # A line end, a byte that is no text, and the mark that turns the direction of what follows.
    assert paths.printable("a\n\udce9\u202egpj.exe") == "a\\n\\udce9\\u202egpj.exe"


def test_no_character_ends_a_command(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # as in Jupyter, without reconfigure
    paths.escape_what_streams_cannot_show()
    print("J\u00fcrgen \u043a", end="", flush=True)
    assert console.buffer.getvalue() == b"J\xfcrgen \\u043a"


def test_counts_with_their_nouns():
    assert [paths.counted(n, "error") for n in range(3)] == ["0 errors", "1 error", "2 errors"]


def test_the_cache_folder_is_created_where_the_variable_says(cache):
    assert paths.cache_folder() == cache.resolve()
    assert cache.is_dir()


def test_a_cache_folder_that_cannot_be_created_is_named(tmp_path, monkeypatch):
    trees.put(tmp_path / "file", b"")
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CatdogError, match=r"file.cache: .+; set CATDOG_CACHE"):
        paths.cache_folder()


def test_a_file_appears_complete_and_replaces_the_old_one(tmp_path):
    target = tmp_path / "new" / "model.keras"
    for content in ("first", "second"):
        with paths.atomic(target) as part:
            assert part.name == target.name and target.parent in part.parents
            part.write_text(content)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == content
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o044 == trees.put(tmp_path / "x", b"").stat().st_mode & 0o044


def test_a_folder_appears_complete(tmp_path):
    with paths.atomic(tmp_path / "folder") as part:
        trees.put(part / "sub" / "a", b"1")
        assert not (tmp_path / "folder").exists()
    assert trees.contents(tmp_path) == {"folder/sub/a": b"1"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_nothing_is_left_and_the_old_file_stays(error, tmp_path):
    target = trees.put(tmp_path / "a.json", b"old")
    with pytest.raises(error), paths.atomic(target) as part:
        part.write_text("half")
        raise error
    assert trees.contents(tmp_path) == {"a.json": b"old"}


def test_what_a_killed_process_left_goes_after_a_day(tmp_path):
    old, new = (tmp_path / f".catdog-unfinished-{name}" for name in ("old", "new"))
    mine = tmp_path / ".a.json-mine"
    for folder in (old, new, mine):
        trees.put(folder / "sub" / "half", b"1")
    for folder in (old, mine):
        os.utime(folder, (0, 0))
    with paths.atomic(tmp_path / "a.json") as part:
        part.write_text("1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [mine.name, new.name, "a.json"]


def test_a_folder_with_files_is_never_replaced(tmp_path):
    trees.put(tmp_path / "folder" / "mine", b"1")
    with pytest.raises(OSError), paths.atomic(tmp_path / "folder") as part:
        part.mkdir()
    assert trees.contents(tmp_path) == {"folder/mine": b"1"}
