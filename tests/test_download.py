import hashlib
import os
import shutil
import socket
import ssl
import stat
import subprocess
import threading
import time
import warnings
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trees

from catdog_helpers import CatdogError, checks, download


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep every test away from the user's cache, proxy and address."""
    for name in ("CATDOG_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return trees.official(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def archive(tree, tmp_path_factory):
    return trees.zipped(tree, tmp_path_factory.mktemp("zip") / "cats_and_dogs_filtered.zip")


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.content`` in the way that the next of ``server.ways`` names."""

    def do_GET(self):
        self.server.requests += 1
        way = self.server.ways.pop(0) if self.server.ways else "good"
        getattr(self, way)(self.server.content)

    def answer(self, content, length=None, status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def good(self, content):
        self.answer(content)

    def cut(self, content):
        self.answer(content[: len(content) // 2], length=len(content))

    def too_short(self, content):
        self.answer(content[:-100])

    def no_length(self, content):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def other_bytes(self, content):
        scan = content.index(b"\xff\xda") + 20  # in the pixels of the first JPEG
        self.answer(content[:scan] + bytes([content[scan] ^ 255]) + content[scan + 1 :])

    def missing(self, content):
        self.answer(b"gone", status=404)

    def login(self, content):
        self.answer(b"<html>403: log in first</html>")

    def redirect(self, content):
        self.answer(b"", status=302, Location="/elsewhere.zip")

    def redirect_to_login(self, content):
        self.server.ways.insert(0, "login")
        self.redirect(content)

    def slow(self, content):
        self.answer(content[:1000], length=len(content))
        for start in range(1000, len(content), 1 + len(content) // 5):
            time.sleep(0.01)
            self.wfile.write(content[start : start + 1 + len(content) // 5])

    def stalled(self, content):
        self.answer(content[:1000], length=len(content))
        self.server.over.wait(5)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(archive):
    """Run a web server on this computer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.ways, server.requests = archive.read_bytes(), [], 0
    server.over = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}/cats_and_dogs_filtered.zip"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def official_server(server, monkeypatch):
    """Let the server be the home of the official archive."""
    monkeypatch.setattr(download, "OFFICIAL_URL", server.url)
    monkeypatch.setattr(download, "OFFICIAL_SIZE", len(server.content))
    return server


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


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


def files_below(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


# --- The cache folder


def test_the_cache_folder_is_created_where_the_variable_says(cache):
    assert download.cache_folder() == cache.resolve()
    assert cache.is_dir()


def test_a_cache_folder_that_cannot_be_created_is_named(tmp_path, monkeypatch):
    trees.put(tmp_path / "file", b"")
    monkeypatch.setenv("CATDOG_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CatdogError, match=r"file/cache: Not a directory; set CATDOG_CACHE"):
        download.cache_folder()


# --- P01 to P05


@pytest.mark.parametrize("name", ["cats_and_dogs_filtered.zip", "cats.v1.zip", "noending"])
def test_p01_the_layout_is_found_whatever_the_archive_is_called(name, tree, cache):
    trees.put(cache / name, b"an old file of this name")
    mine = trees.zipped(tree, cache.parent / name)
    root, layout = checks.find_layout(download.fetch(mine.as_uri()))
    assert layout == "official"
    assert trees.contents(root) == trees.contents(tree)


def test_p01_archives_with_dots_in_their_names_share_no_folder(tmp_path):
    first = make_zip(tmp_path / "cats.v1.zip", {"a.txt": b"1"})
    second = make_zip(tmp_path / "cats.v2.zip", {"a.txt": b"2"})
    assert (download.unpack(first) / "a.txt").read_bytes() == b"1"
    assert (download.unpack(second) / "a.txt").read_bytes() == b"2"


def test_p01_a_changed_archive_of_the_same_name_is_unpacked_anew(tmp_path):
    make_zip(tmp_path / "a.zip", {"a.txt": b"1"})
    download.unpack(tmp_path / "a.zip")
    make_zip(tmp_path / "a.zip", {"a.txt": b"2"})
    assert (download.unpack(tmp_path / "a.zip") / "a.txt").read_bytes() == b"2"


@pytest.mark.parametrize("content", ["half", "html"])
def test_p02_a_bad_archive_in_the_cache_is_replaced(content, official_server, archive, cache):
    half = archive.read_bytes()[:2000] if content == "half" else b"<html>login</html>"
    target = trees.put(cache / "cats_and_dogs_filtered.zip", half)
    assert download.fetch() == target.resolve()
    assert target.read_bytes() == archive.read_bytes()
    assert target.with_name(target.name + ".bad").read_bytes() == half


def test_p02_a_bad_archive_that_cannot_be_replaced_is_described(official_server, cache):
    official_server.ways = ["missing"] * 9
    target = trees.put(cache / "cats_and_dogs_filtered.zip", b"<html>login</html>")
    with pytest.raises(CatdogError) as caught:
        download.fetch()
    text = str(caught.value)
    assert "404" in text
    assert f"{target} is incomplete or corrupt: 18 bytes" in text
    assert "starts with '<html'" in text
    assert "put a good copy there" in text
    assert not target.exists()


def test_p02_a_bad_archive_in_a_cache_of_the_teacher_is_described(cache, monkeypatch, no_network):
    def refuse(*names):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    trees.put(cache / "cats_and_dogs_filtered.zip", b"PK half")
    with pytest.raises(CatdogError, match="incomplete or corrupt: 7 bytes, expected 68606236"):
        download.fetch()


FAILURES = {
    "cut": "the connection broke off half-way",
    "too_short": "no whole zip archive",
    "no_length": "no whole zip archive",
    "other_bytes": "incomplete or corrupt: the checksum of its member",
    "missing": "the server answers 404 Not Found",
    "login": r"looks like HTML, starts with '<html'",
    "redirect_to_login": r"looks like HTML, starts with '<html'",
    "stalled": "no answer within",
}


@pytest.mark.parametrize("way", FAILURES)
def test_p02_after_a_failed_download_the_next_one_is_complete(
    way, server, tree, cache, monkeypatch
):
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setattr(download, "TIMEOUT", 0.3 if way == "stalled" else 30)
    server.ways = [way]
    with pytest.raises(CatdogError, match=FAILURES[way]) as caught:
        download.fetch(server.url)
    assert server.url in str(caught.value)
    assert '"sample"' in str(caught.value)
    assert "CATDOG_URL" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files_below(cache) == []
    folder = download.unpack(download.fetch(server.url))
    assert trees.contents(folder / "cats_and_dogs_filtered") == trees.contents(tree)


@pytest.mark.parametrize("way", ["good", "slow", "redirect"])
def test_a_download_that_goes_well_is_kept_and_readable_by_all(way, server, archive, cache):
    server.ways = [way]
    path = download.fetch(server.url)
    assert path.read_bytes() == archive.read_bytes()
    assert files_below(cache) == [path]
    assert path.stat().st_mode & 0o044 == 0o044
    requests = server.requests
    assert download.fetch(server.url) == path
    assert server.requests == requests


def test_a_broken_connection_is_tried_again(server, archive):
    server.ways = ["cut", "cut"]
    assert download.fetch(server.url).read_bytes() == archive.read_bytes()
    assert server.requests == 3


def test_progress_goes_to_standard_output(server, capfd):
    download.fetch(server.url)
    out, err = capfd.readouterr()
    assert "100%" in out
    assert err == ""


def test_two_addresses_share_no_archive(server, tmp_path):
    first = download.fetch(server.url, tmp_path)
    assert download.fetch(server.url + "?version=2", tmp_path) != first


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    trees.put(tmp_path / "file", b"")
    with pytest.raises(CatdogError, match=r"cannot write .*file/here"):
        download.fetch(server.url, tmp_path / "file" / "here")


def test_p03_a_computer_without_network_is_told_how_to_get_on(monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(CatdogError) as caught:
        download.fetch("https://storage.invalid/x.zip")
    text = str(caught.value)
    assert text.startswith("cannot download https://storage.invalid/x.zip: the proxy")
    assert '"sample"' in text
    assert "CATDOG_URL" in text
    assert "\n" not in text


def test_p03_a_name_that_does_not_resolve_and_an_odd_address(monkeypatch):
    def fail(*arguments, **options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(CatdogError, match="no connection"):
        download.fetch("http://storage.invalid/x.zip")
    with pytest.raises(CatdogError, match=r"cannot download odd://x.zip"):
        download.fetch("odd://x.zip")


def test_p03_a_certificate_is_always_checked(archive, tmp_path, monkeypatch, server):
    if not shutil.which("openssl"):
        pytest.skip("needs openssl, to make a certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=x"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setattr(download, "RETRIES", 0)
    with pytest.raises(CatdogError, match="certificate cannot be verified"):
        download.fetch(server.url.replace("http:", "https:"))
    assert server.requests == 0


def test_p03_a_local_copy_needs_no_network(archive, monkeypatch, no_network):
    assert download.fetch(archive) == archive
    assert download.fetch(archive.as_uri()) == archive
    monkeypatch.setenv("CATDOG_URL", str(archive))
    assert download.fetch() == archive


def test_p03_a_copy_put_into_the_cache_needs_no_network(
    official_server, archive, cache, no_network
):
    cache.mkdir()
    shutil.copy(archive, cache)
    assert download.fetch() == (cache / archive.name).resolve()


def test_p03_a_local_copy_that_is_missing_is_named(tmp_path):
    with pytest.raises(CatdogError, match=r"cannot read the archive .*none.zip: No such file"):
        download.fetch(tmp_path / "none.zip")


@pytest.mark.parametrize(
    "name",
    ["../../evil.txt", "/abs_evil.txt", "..\\win.txt", "C:\\win.txt", "C:win.txt", "a/../../b",
     "\\\\server\\share\\x", "a\\..\\..\\b"],
)  # fmt: skip
def test_p04_members_that_escape_are_refused_before_anything_is_written(name, tmp_path, cache):
    archive = make_zip(tmp_path / "slip.zip", {"ok.txt": b"ok", name: b"evil"})
    with pytest.raises(CatdogError) as caught:
        download.unpack(archive)
    assert repr(name) in str(caught.value)
    assert "outside the folder" in str(caught.value)
    assert files_below(tmp_path) == [archive]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_p04_links_and_devices_are_refused(kind, tmp_path):
    members = {"ok.txt": b"ok", "link": (b"/etc/passwd", kind | 0o777)}
    archive = make_zip(tmp_path / "link.zip", members)
    with pytest.raises(CatdogError, match="'link' is a link or a device"):
        download.unpack(archive)
    assert files_below(tmp_path) == [archive]


def test_p04_an_absurd_ratio_is_refused(tmp_path, cache):
    archive = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(101_000_000)})
    with pytest.raises(CatdogError, match=r"would unpack to 0.1 GB, \d+ times its size"):
        download.unpack(archive)
    assert files_below(cache) == []


def test_p04_an_absurd_size_is_refused(archive, monkeypatch):
    monkeypatch.setattr(download, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(CatdogError, match="would unpack to"):
        download.unpack(archive)


@pytest.mark.parametrize("second", ["a/cat.0.jpg", "A/Cat.0.jpg", "a\\cat.0.jpg", "a/./cat.0.jpg"])
def test_p04_two_members_of_one_name_are_refused(second, tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"a/cat.0.jpg": b"1"})
    with zipfile.ZipFile(archive, "a") as members, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the double name
        members.writestr(second, b"2")
    with pytest.raises(CatdogError, match=r"'a/cat.0.jpg' 2 times"):
        download.unpack(archive)


def test_p04_members_with_a_password_are_refused(tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"a.txt": b"secret"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of the central directory
    archive.write_bytes(content)
    with pytest.raises(CatdogError, match="is encrypted; unpack it with its password"):
        download.unpack(archive)


def test_p05_a_wrong_hash_shows_both_and_leaves_no_archive(server, archive, cache, monkeypatch):
    actual = hashlib.sha256(archive.read_bytes()).hexdigest()
    with pytest.raises(CatdogError) as caught:
        download.fetch(server.url, sha256="0" * 64)
    assert "0" * 64 in str(caught.value)
    assert actual in str(caught.value)
    assert files_below(cache) == []


def test_p05_the_case_of_a_hash_does_not_matter(server, archive):
    good = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert download.fetch(server.url, sha256=good.upper()) == download.fetch(
        server.url, sha256=good
    )
    assert server.requests == 1


def test_p05_an_archive_that_fails_its_hash_is_never_used_again(server, cache):
    path = download.fetch(server.url)
    server.ways = ["missing"] * 3
    with pytest.raises(CatdogError, match="0" * 64):
        download.fetch(server.url, sha256="0" * 64)
    assert not path.exists()


def test_p05_a_wrong_size_shows_both(archive):
    with pytest.raises(CatdogError, match=f"{archive.stat().st_size} bytes, expected 7"):
        download.fetch(archive, size=7)


def test_p05_the_official_hash_is_recorded_and_held_to(official_server, archive, cache):
    path = download.fetch()
    good = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert path.with_name(path.name + ".sha256").read_text() == f"{good}  {path.name}\n"
    path.unlink()
    official_server.content = official_server.content[:-22] + b"PK\5\6" + bytes(18)  # same size
    with pytest.raises(CatdogError, match=f"expected SHA-256 {good}, actual"):
        download.fetch()
    assert not path.exists()


def test_p05_the_official_size_is_held_to(official_server, monkeypatch):
    monkeypatch.setattr(download, "OFFICIAL_SIZE", 68_606_236)
    with pytest.raises(CatdogError, match="expected 68606236"):
        download.fetch()


# --- Unpacking


def test_an_unpacked_folder_is_complete_and_readable_by_all(archive, tree, cache):
    folder = download.unpack(archive)
    assert folder.parent == cache.resolve()
    assert trees.contents(folder / "cats_and_dogs_filtered") == trees.contents(tree)
    assert folder.stat().st_mode & 0o055 == 0o055
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_unpacking_again_writes_nothing(archive, cache, monkeypatch):
    folder = download.unpack(archive)
    monkeypatch.setattr(download, "_unpack_members", None)
    assert download.unpack(archive) == folder


def test_unpacking_that_is_interrupted_leaves_nothing(archive, cache, monkeypatch):
    def interrupt(source, copy):
        assert cache.resolve() in Path(copy.name).parents  # renamed later, not copied
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(shutil, "copyfileobj", interrupt)
        with pytest.raises(KeyboardInterrupt):
            download.unpack(archive)
    assert list(cache.iterdir()) == []
    assert len(files_below(download.unpack(archive))) == 20


def test_a_member_whose_checksum_is_wrong_leaves_nothing(tmp_path, cache):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("good.txt", "first")
        members.writestr("bad.txt", "SECRET")
    archive.write_bytes(archive.read_bytes().replace(b"SECRET", b"SECRE7"))
    with pytest.raises(CatdogError, match=r"x.zip is incomplete or corrupt: .*bad.txt"):
        download.unpack(archive)
    assert list(cache.iterdir()) == []
    with pytest.raises(CatdogError, match=r"the checksum of its member 'bad.txt'"):
        download.verify(archive)


def test_a_member_whose_bytes_make_no_sense_is_one_line(tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"a.txt": bytes(range(256)) * 9})
    content = archive.read_bytes()
    archive.write_bytes(content[:40] + b"\xff" * 100 + content[140:])
    for act in (download.verify, download.unpack):
        with pytest.raises(
            CatdogError, match=r"x.zip is incomplete or corrupt: Error -3"
        ) as caught:
            act(archive)
        assert "\n" not in str(caught.value)


def test_a_folder_that_somebody_changed_is_refused(archive):
    folder = download.unpack(archive)
    victim = files_below(folder)[3]
    victim.write_bytes(b"shorter")
    with pytest.raises(CatdogError, match=f"changed: see {victim}; delete the folder"):
        download.unpack(archive)


def test_another_process_may_unpack_at_the_same_time(archive, monkeypatch):
    def faster(source, target):
        shutil.copytree(source, target)
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(os, "replace", faster)
    assert len(files_below(download.unpack(archive))) == 20


def test_a_full_disk_is_one_line(archive, cache, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(CatdogError, match=r"cannot unpack .*No space left on device"):
        download.unpack(archive)
    assert list(cache.iterdir()) == []


def test_backslashes_in_names_separate_folders(tmp_path):
    archive = make_zip(tmp_path / "windows.zip", {"train\\cats\\cat.0.jpg": b"x"})
    folder = download.unpack(archive, tmp_path / "out")
    assert trees.contents(folder) == {"train/cats/cat.0.jpg": b"x"}


def test_folders_and_odd_names_in_archives(tmp_path):
    archive = make_zip(tmp_path / "x.zip", {"empty/": b"", "a\nb/\u043a\u043e\u0442.jpg": b"x"})
    folder = download.unpack(archive)
    assert (folder / "empty").is_dir()
    assert (folder / "a\nb" / "\u043a\u043e\u0442.jpg").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"Rar!\x1a\x07", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"\x1f\x8b\x08", "gzip"),
     (b"<HTML>", "HTML, starts with '<html'"), (bytes(9), "zeros only"), (b"?", "nothing known")],
)  # fmt: skip
def test_an_archive_of_another_type_is_named(head, kind, tmp_path):
    path = trees.put(tmp_path / "x.zip", head)
    with pytest.raises(
        CatdogError, match=f"{len(head)} bytes, no whole zip archive, looks like {kind}"
    ):
        download.unpack(path)
