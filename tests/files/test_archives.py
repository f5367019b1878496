import io
import os
import re
import shutil
import stat
import warnings
import zipfile
from pathlib import Path

import pytest
import trees

from catdog_helpers import CatdogError
from catdog_helpers.files import archives
from catdog_helpers.files.archives import unpack, verify


def make_zip(path, members):
    """Write an archive with members of any name, content and file type."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = name
            if isinstance(content, tuple):
                content, mode = content
                member = zipfile.ZipInfo(name)
                member.external_attr = mode << 16
            archive.writestr(member, content)
    return path


# --- What verify objects to


def test_a_wrong_size_shows_both(archive):
    with pytest.raises(CatdogError, match=f"{archive.stat().st_size} bytes, expected 7;"):
        verify(archive, size=7)


def test_an_archive_that_is_missing_is_named(tmp_path):
    with pytest.raises(CatdogError, match=r"cannot read the archive .*none.zip: No such file"):
        verify(tmp_path / "none.zip")


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"Rar!\x1a\x07", "looks like RAR"), (b"<HTML>", "looks like HTML, starts with '<html'"),
     (b"?", "unknown file type")],
)  # fmt: skip
def test_an_archive_of_another_type_is_named(head, kind, tmp_path):
    path = trees.put(tmp_path / "x.zip", head)
    with pytest.raises(CatdogError, match=f"{len(head)} bytes, no whole zip archive, {kind};"):
        unpack(path)


def test_a_member_whose_checksum_is_wrong_leaves_nothing(tmp_path, cache):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("good.txt", "first")
        members.writestr("bad.txt", "SECRET")
    archive.write_bytes(archive.read_bytes().replace(b"SECRET", b"SECRE7"))
    with pytest.raises(CatdogError, match=r"x.zip is incomplete or corrupt: .*bad.txt"):
        unpack(archive)
    assert list(cache.iterdir()) == []
    with pytest.raises(CatdogError, match=r"the checksum of its member 'bad.txt'"):
        verify(archive)


def test_a_member_whose_bytes_make_no_sense_is_one_line(tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"a.txt": bytes(range(256)) * 9})
    content = archive.read_bytes()
    archive.write_bytes(content[:40] + b"\xff" * 100 + content[140:])
    for act in (verify, unpack):
        with pytest.raises(CatdogError, match=r"x.zip is .* corrupt: Error -3") as caught:
            act(archive)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_members_of_other_compressions_are_one_line(kind, tmp_path):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", kind) as members:
        members.writestr("a.txt", bytes(range(256)) * 99)
    content = archive.read_bytes()
    archive.write_bytes(content[:60] + b"\xff" * 40 + content[100:])
    for act in (verify, unpack):
        with pytest.raises(CatdogError, match=r"x.zip is incomplete or corrupt: \w+") as caught:
            act(archive)
        assert "None" not in str(caught.value) and "\n" not in str(caught.value)


def with_compression(path, method):
    """Write an archive that says of its member that it is compressed in some other way."""
    content = bytearray(make_zip(path, {"a.txt": b"text"}).read_bytes())
    content[8] = content[content.index(b"PK\x01\x02") + 10] = method
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("method", "name"), [(9, "deflate64"), (93, "93")])
def test_a_compression_that_python_does_not_know_is_no_damage(method, name, tmp_path, cache):
    archive = with_compression(tmp_path / "x.zip", method)
    verify(archive)
    expected = f"is compressed by {name}, which Python does not know; unpack it with another"
    with pytest.raises(CatdogError, match=expected):
        unpack(archive)
    assert not cache.exists() or list(cache.iterdir()) == []


def test_a_password_is_no_damage(tmp_path):
    verify(with_password(tmp_path / "x.zip"))


@pytest.mark.parametrize("first_bad", [0, 1])  # byte
def test_a_disk_that_fails_is_not_called_a_corrupt_archive(first_bad, tmp_path, monkeypatch):
    class Failing(io.BufferedReader):
        def read(self, *arguments):
            if self.tell() >= first_bad:
                raise OSError(5, "Input/output error")
            return super().read(*arguments)

    archive = make_zip(tmp_path / "x.zip", {"a.txt": os.urandom(200_000)})
    monkeypatch.setattr("builtins.open", lambda path, mode: Failing(io.FileIO(path)))
    with pytest.raises(CatdogError, match=r"cannot read the archive .*x.zip: Input/output error$"):
        verify(archive)


# --- What is refused before anything is written


@pytest.mark.parametrize(
    "name",
    ["../../evil.txt", "/abs_evil.txt", "..\\win.txt", "C:\\win.txt", "C:win.txt", "a/../../b",
     "\\\\server\\share\\x", "a\\..\\..\\b"],
)  # fmt: skip
def test_members_that_escape_are_refused(name, tmp_path):
    archive = make_zip(tmp_path / "slip.zip", {"ok.txt": b"ok", name: b"evil"})
    with pytest.raises(CatdogError) as caught:
        unpack(archive)
    assert f"its member {name!r} would be written outside the folder" in str(caught.value)
    assert list(trees.contents(tmp_path)) == ["slip.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_links_and_devices_are_refused(kind, tmp_path):
    members = {"ok.txt": b"ok", "link": (b"/etc/passwd", kind | 0o777)}
    with pytest.raises(CatdogError, match="'link' is a link or a device"):
        unpack(make_zip(tmp_path / "link.zip", members))
    assert list(trees.contents(tmp_path)) == ["link.zip"]


def test_an_absurd_ratio_is_refused(tmp_path):
    archive = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(101_000_000)})
    with pytest.raises(CatdogError, match=r"would unpack to 0.1 GB, \d+ times its size"):
        unpack(archive)
    assert list(trees.contents(tmp_path)) == ["bomb.zip"]


def test_an_absurd_size_is_refused(archive, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(CatdogError, match="would unpack to"):
        unpack(archive)


@pytest.mark.parametrize("second", ["a/cat.0.jpg", "A/Cat.0.jpg", "a\\cat.0.jpg", "a/./cat.0.jpg"])
def test_two_members_of_one_name_are_refused(second, tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"a/cat.0.jpg": b"1"})
    with zipfile.ZipFile(archive, "a") as members, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the double name
        members.writestr(second, b"2")
    with pytest.raises(CatdogError, match=r"'a/cat.0.jpg' 2 times"):
        unpack(archive)


def with_password(path):
    """Write an archive that says of its member that it is encrypted."""
    content = bytearray(make_zip(path, {"a.txt": b"secret"}).read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of the central directory
    path.write_bytes(content)
    return path


def test_members_with_a_password_are_refused(tmp_path):
    with pytest.raises(CatdogError, match="is encrypted; unpack it with its password"):
        unpack(with_password(tmp_path / "x.zip"))


# --- The unpacked folder


def test_an_unpacked_folder_is_complete_and_readable_by_all(archive, cache):
    folder = unpack(archive)
    assert folder.parent == cache.resolve()
    expected = trees.contents(archive.parent / "tree")
    assert trees.contents(folder / "cats_and_dogs_filtered") == expected
    assert folder.stat().st_mode & 0o055 == 0o055
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_unpacking_again_writes_nothing(archive, monkeypatch):
    folder = unpack(archive)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert unpack(archive) == folder


@pytest.mark.parametrize("names", [("a.zip", "a.zip"), ("cats.v1.zip", "cats.v2.zip")])
def test_archives_with_other_contents_share_no_folder(names, tmp_path):
    for name, content in zip(names, (b"1", b"2"), strict=True):
        archive = make_zip(tmp_path / name, {"a.txt": content})
        assert (unpack(archive) / "a.txt").read_bytes() == content


def test_unpacking_that_is_interrupted_leaves_nothing(archive, cache, monkeypatch):
    def interrupt(source, copy):
        assert cache.resolve() in Path(copy.name).parents  # renamed later, not copied
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(shutil, "copyfileobj", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unpack(archive)
    assert list(cache.iterdir()) == []
    assert len(trees.contents(unpack(archive))) == 20


def test_a_folder_that_somebody_changed_is_refused(archive):
    victim = unpack(archive) / "cats_and_dogs_filtered" / "train" / "dogs" / "dog.t3.jpg"
    victim.write_bytes(b"shorter")
    with pytest.raises(
        CatdogError, match=f"changed: see {re.escape(str(victim))}; delete the folder"
    ):
        unpack(archive)


def test_another_process_may_unpack_at_the_same_time(archive, monkeypatch):
    def faster(source, target):
        shutil.copytree(source, target)
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(os, "replace", faster)
    assert len(trees.contents(unpack(archive))) == 20


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError(28, "No space left on device"), "No space left on device"),
     (PermissionError(13, "Permission denied", "some/folder"), "no permission: some/folder")],
)  # fmt: skip
def test_a_disk_that_is_full_or_protected_is_one_line(error, reason, archive, cache, monkeypatch):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(CatdogError) as caught:
        unpack(archive)
    assert str(caught.value) == f"cannot unpack {archive}: {reason}"
    assert list(cache.iterdir()) == []


@trees.odd_names
def test_empty_folders_backslashes_and_odd_names_in_archives(tmp_path):
    members = {"empty/": b"", "a\nb/\u043a\u043e\u0442.jpg": b"x", "train\\cats\\cat.0.jpg": b"y"}
    folder = unpack(make_zip(tmp_path / "x.zip", members), tmp_path / "out")
    assert (folder / "empty").is_dir()
    expected = {"a\nb/\u043a\u043e\u0442.jpg": b"x", "train/cats/cat.0.jpg": b"y"}
    assert trees.contents(folder) == expected
