import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest
import trees

from catdog_helpers import CatdogError
from catdog_helpers.files import download
from catdog_helpers.models import DRAWN_WEIGHTS


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Let pooch try again at once."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.content`` in the way that the next of ``server.ways`` names."""

    def do_GET(self):
        self.server.requests += 1
        way = self.server.ways.pop(0) if self.server.ways else "good"
        content = self.server.content
        scan = content.index(b"\xff\xda") + 20  # in the pixels of the first JPEG
        other = content[:scan] + bytes([content[scan] ^ 255]) + content[scan + 1 :]
        half = content[: len(content) // 2]
        login = b"<html>403: log in first</html>"
        bodies = {"cut": half, "no_length": half, "too_short": content[:-100], "other_bytes": other,
                  "missing": b"gone", "login": login, "redirect": b"", "stalled": half}  # fmt: skip
        body = bodies.get(way, content)
        self.send_response({"missing": 404, "redirect": 302}.get(way, 200))
        if way != "no_length":
            length = len(content if way in ("cut", "stalled") else body)
            self.send_header("Content-Length", str(length))
        if way == "redirect":
            self.send_header("Location", "/elsewhere.zip")
        self.end_headers()
        for start in range(0, len(body), 10_000):
            self.wfile.write(body[start : start + 10_000])
            time.sleep(0.01)  # as in a slow network
        if way == "stalled":
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
def good_hash(archive):
    return hashlib.sha256(archive.read_bytes()).hexdigest()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("bad", [b"PK half", b"<html>login</html>"])
def test_a_bad_archive_in_the_cache_is_replaced(bad, official_server, archive, cache):
    target = trees.put(cache / "cats_and_dogs_filtered.zip", bad)
    assert download.fetch() == target.resolve()
    assert target.read_bytes() == archive.read_bytes()
    assert target.with_name(target.name + ".bad").read_bytes() == bad


def test_a_bad_archive_that_cannot_be_replaced_is_described(official_server, cache):
    official_server.ways = ["missing"] * 9
    target = trees.put(cache / "cats_and_dogs_filtered.zip", b"<html>login</html>")
    with pytest.raises(CatdogError) as caught:
        download.fetch()
    parts = str(caught.value).split("; ")
    assert "404" in parts[0]
    assert parts[-2].startswith(f"{target} is incomplete or corrupt: 18 bytes")
    assert "starts with '<html'" in parts[-2]
    assert parts[-1] == f"put a good copy there (it is now called {target.name}.bad)"
    assert not target.exists()


def test_a_bad_archive_in_a_read_only_cache_is_described(cache, monkeypatch, no_network):
    def refuse(*names):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    trees.put(cache / "cats_and_dogs_filtered.zip", b"PK half")
    with pytest.raises(CatdogError, match="incomplete or corrupt: 7 bytes, expected 68606236"):
        download.fetch()


@pytest.mark.parametrize("error", [OSError(5, "disk error"), OSError(24, "Too many open files")])
def test_an_archive_that_cannot_be_read_just_now_stays(
    error, official_server, archive, cache, monkeypatch
):
    def fail(*arguments):
        raise error

    cache.mkdir()
    shutil.copy(archive, cache)
    with monkeypatch.context() as context:
        context.setattr("zipfile.ZipFile.testzip", fail)
        with pytest.raises(CatdogError, match=f"cannot read the archive .*: {error.strerror}$"):
            download.fetch()
    assert list(trees.contents(cache)) == [archive.name]
    assert download.fetch() == cache.resolve() / archive.name
    assert official_server.requests == 0


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"1234 half.zip\n"])
def test_a_record_without_a_hash_is_written_anew(content, official_server, good_hash, cache):
    record = trees.put(cache / "cats_and_dogs_filtered.zip.sha256", content)
    path = download.fetch()
    assert record.read_text() == f"{good_hash}  {path.name}\n"


def assert_says_how_to_get_on(error):
    assert '"sample"' in str(error)
    assert "CATDOG_URL" in str(error)
    assert "\n" not in str(error)


FAILURES = {
    "cut": "the connection broke off halfway",
    "too_short": "no whole zip archive",
    "no_length": "no whole zip archive",
    "other_bytes": "incomplete or corrupt: the checksum of its member",
    "missing": "the server answers 404 Not Found",
    "login": "looks like HTML, starts with '<html'",
    "redirect login": "looks like HTML, starts with '<html'",
    "stalled": "no answer within",
}


@pytest.mark.parametrize("way", FAILURES)
def test_after_a_failed_download_the_next_one_is_complete(way, server, archive, cache, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setattr(download, "TIMEOUT", 0.3 if way == "stalled" else 30)
    server.ways = way.split()
    with pytest.raises(CatdogError, match=FAILURES[way]) as caught:
        download.fetch(server.url)
    assert server.url in str(caught.value)
    assert_says_how_to_get_on(caught.value)
    assert trees.contents(cache) == {}
    assert download.fetch(server.url).read_bytes() == archive.read_bytes()


def test_a_killed_download_leaves_nothing_for_good(server, tmp_path):
    server.ways = ["stalled"]
    code = "import sys; from catdog_helpers.files.download import fetch; fetch(*sys.argv[1:])"
    folder = tmp_path / "downloads"
    with subprocess.Popen([sys.executable, "-c", code, server.url, folder]) as process:
        while not server.requests and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.3)  # in the midst of the archive
        process.kill()
    (unfinished,) = folder.iterdir()
    os.utime(unfinished, (0, 0))  # as if it were long ago
    server.over.set()
    path = download.fetch(server.url, folder)
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("way", ["good", "redirect"])
def test_a_download_that_goes_well_is_kept_and_readable_by_all(way, server, archive, cache):
    server.ways = [way]
    path = download.fetch(server.url)
    assert path.read_bytes() == archive.read_bytes()
    assert list(trees.contents(cache)) == [path.name]
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
    with pytest.raises(CatdogError, match=r"cannot write .*file.here"):
        download.fetch(server.url, tmp_path / "file" / "here")


def test_a_computer_without_network_is_told_how_to_get_on(monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(CatdogError) as caught:
        download.fetch("https://storage.invalid/x.zip")
    assert str(caught.value).startswith("cannot download https://storage.invalid/x.zip: the proxy")
    assert_says_how_to_get_on(caught.value)


def test_a_name_that_does_not_resolve_and_an_odd_address(monkeypatch):
    def fail(*arguments, **options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(CatdogError, match="no connection"):
        download.fetch("http://storage.invalid/x.zip")
    with pytest.raises(CatdogError, match=r"cannot download odd://x.zip"):
        download.fetch("odd://x.zip")


def test_a_certificate_is_always_checked(archive, tmp_path, monkeypatch, server):
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


def test_a_local_copy_needs_no_network(archive, monkeypatch, no_network):
    assert download.fetch(archive) == archive
    assert download.fetch(archive.as_uri()) == archive
    monkeypatch.setenv("CATDOG_URL", str(archive))
    assert download.fetch() == archive


def test_the_archive_is_found_wherever_fetch_takes_it_from(archive, monkeypatch):
    monkeypatch.setattr(download, "OFFICIAL_SIZE", archive.stat().st_size)
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(archive.parent))
    monkeypatch.chdir(archive.parent)
    for given in (archive.as_uri(), archive.name, f"~/{archive.name}"):
        monkeypatch.setenv("CATDOG_URL", given)
        assert download.find_official_archive() == download.fetch() == archive


def test_an_archive_of_a_mirror_is_found_once_it_is_downloaded(server, archive, monkeypatch):
    monkeypatch.setattr(download, "OFFICIAL_SIZE", archive.stat().st_size)
    monkeypatch.setenv("CATDOG_URL", server.url)
    assert download.find_official_archive() is None
    assert download.fetch() == download.find_official_archive()


def test_an_address_of_a_share_keeps_its_server(archive):
    with pytest.raises(CatdogError, match=r"cannot read the archive \S*teacher.\S*pets.zip"):
        download.fetch("file://teacher/share/pets.zip")
    assert download.fetch(archive.as_uri().replace("file://", "file://localhost")) == archive


def test_a_copy_put_into_the_cache_needs_no_network(official_server, archive, cache, no_network):
    cache.mkdir()
    shutil.copy(archive, cache)
    assert download.fetch() == (cache / archive.name).resolve()


def test_a_wrong_hash_shows_both_and_leaves_no_archive(server, good_hash, cache):
    with pytest.raises(CatdogError, match=f"expected SHA-256 {'0' * 64}, actual {good_hash}"):
        download.fetch(server.url, sha256="0" * 64)
    assert trees.contents(cache) == {}


def test_the_case_of_a_hash_does_not_matter(server, good_hash):
    first = download.fetch(server.url, sha256=good_hash.upper())
    assert download.fetch(server.url, sha256=good_hash) == first
    assert server.requests == 1


def test_an_archive_that_fails_its_hash_is_never_used_again(server, cache):
    path = download.fetch(server.url)
    server.ways = ["missing"] * 3
    with pytest.raises(CatdogError, match="0" * 64):
        download.fetch(server.url, sha256="0" * 64)
    assert not path.exists()


def test_the_official_hash_is_recorded_and_held_to(official_server, good_hash):
    path = download.fetch()
    assert path.with_name(path.name + ".sha256").read_text() == f"{good_hash}  {path.name}\n"
    path.unlink()
    official_server.content = official_server.content[:-22] + b"PK\5\6" + bytes(18)  # same size
    with pytest.raises(CatdogError, match=f"expected SHA-256 {good_hash}, actual"):
        download.fetch()
    assert not path.exists()


def test_the_official_size_is_held_to(official_server, monkeypatch):
    monkeypatch.setattr(download, "OFFICIAL_SIZE", 68_606_236)
    with pytest.raises(CatdogError, match="expected 68606236"):
        download.fetch()


@pytest.fixture
def weights_server(server, tmp_path, monkeypatch):
    """Let the server be the home of the weights."""
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["a"] = np.arange(5000)
    server.content = (tmp_path / "w.h5").read_bytes() + b"\xff\xda" + bytes(30)
    monkeypatch.setattr(download, "WEIGHTS_URL", server.url.replace(".zip", ".h5"))
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return server


def test_weights_are_downloaded_once_to_where_keras_keeps_them(weights_server, tmp_path):
    path = tmp_path / "keras" / "models" / "cats_and_dogs_filtered.h5"
    assert download.fetch_weights() == download.fetch_weights() == path
    assert path.read_bytes() == weights_server.content
    assert weights_server.requests == 1


@pytest.mark.parametrize(
    ("way", "reason"),
    [("missing", "404"), ("cut", "halfway"), ("login", "no whole HDF5 file"),
     ("no_length", "no whole HDF5 file")],
)  # fmt: skip
def test_weights_that_cannot_be_had_say_how_to_get_on(way, reason, weights_server, tmp_path):
    weights_server.ways = [way]
    with pytest.raises(CatdogError, match=f"{reason}.*; .*--weights FILE .* CATDOG_WEIGHTS; or"):
        download.fetch_weights()
    assert trees.contents(tmp_path / "keras") == {}


def test_checks_and_downloads_import_neither_tensorflow_nor_pandas():
    code = (
        "import sys, catdog_helpers.files.checks, catdog_helpers.files.download; "
        "print({'tensorflow', 'keras', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_local_copy_is_verified(archive, tmp_path):
    with pytest.raises(CatdogError, match="bytes, expected 7"):
        download.fetch(archive, size=7)
    with pytest.raises(CatdogError, match=r"cannot read the archive .*none.zip"):
        download.fetch(tmp_path / "none.zip")


def test_the_default_weights_fit_the_source(monkeypatch):
    monkeypatch.delenv("CATDOG_WEIGHTS", raising=False)
    assert download.default_weights("sample") == "drawn"
    assert download.default_weights("photos") == "imagenet"
    for unset in ("", "imagenet"):
        monkeypatch.setenv("CATDOG_WEIGHTS", unset)
        assert download.default_weights("photos") == "imagenet"
    monkeypatch.setenv("CATDOG_WEIGHTS", "drawn")
    assert download.default_weights("photos") == "drawn"
    assert download.find_weights() == DRAWN_WEIGHTS


@pytest.mark.parametrize("given", ["mine.weights.h5", "~/mine.weights.h5"])
def test_weights_are_those_of_the_working_or_home_folder(given, tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CATDOG_WEIGHTS", given)
    path = tmp_path / "mine.weights.h5"
    path.write_bytes(DRAWN_WEIGHTS.read_bytes())
    assert download.default_weights("photos") == str(path)
    assert download.find_weights() == path
