"""The page to drop photos on: its answers, and the page itself in a browser without a network."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from keras import layers
from PIL import Image

from catdog_helpers import CatdogError, demo
from catdog_helpers.demo import Answers, introduction, serving
from catdog_helpers.machine import find_browser
from catdog_helpers.photos import Classifier
from catdog_helpers.results import save_model

NAMES = ("<b>red</b>", "{{green}} ${1+1}", "blue")
THIS_MACHINE = re.compile(r"(https?://127\.0\.0\.1[:/]|data:|blob:)")
TIMEOUT = 60_000  # ms, for a hopelessly busy machine


def color_classifier(*, drawings=False, convolution=True):
    """Make a model that tells red from green from blue, and is sure of it."""
    front = [keras.Input((32, 32, 3)), layers.Rescaling(1 / 255)]
    convolutions = [layers.Conv2D(3, 1, use_bias=False)] * convolution
    model = keras.Sequential(
        [*front, *convolutions, layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )
    if convolution:
        model.layers[1].set_weights([np.eye(3).reshape(1, 1, 3, 3)])
    model.layers[-1].set_weights([10 * np.eye(3), np.zeros(3)])
    return Classifier(model, NAMES, drawings)


@pytest.fixture
def photos(tmp_path):
    """Save a red, a green and a blue photo, and a file that is none."""
    for name in ("red", "green", "blue"):
        Image.new("RGB", (60, 40), name if name != "green" else (0, 255, 0)).save(
            tmp_path / f"{name}.png"
        )
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    return tmp_path


def test_each_photo_is_answered_in_order_and_a_broken_one_with_a_sentence(photos):
    paths = [photos / name for name in ("blue.png", "broken.jpg", "red.png")]
    text = Answers(color_classifier()).answer(paths)
    blue, red = re.findall("<article>.*?</article>", text)
    assert "<h2>Blue, over 99 % sure</h2>" in blue and "blue.png" in blue
    assert "<h2>&lt;b&gt;red&lt;/b&gt;, over 99 % sure</h2>" in red
    assert text.index(blue) < text.index("broken.jpg cannot be decoded") < text.index(red)
    assert str(photos) not in text


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such file names")
def test_nothing_in_a_name_is_taken_for_html_or_a_template(photos):
    name = "<img src=x onerror=alert(1)>{{x}}${x}`\u202e.png"
    os.rename(photos / "blue.png", photos / name)
    text = Answers(color_classifier()).answer([photos / name])
    assert "&lt;img src=x onerror=alert(1)&gt;&#123;&#123;x&#125;&#125;&#36;&#123;x" in text
    for page in (text, introduction(color_classifier(), 10)):
        assert not re.search(r"<b>red|<img src=x|[{}$`\u202e]", page)


def test_too_many_photos_are_refused_with_a_sentence(photos):
    text = Answers(color_classifier()).answer([photos / "red.png"] * 21)
    assert "You chose 21 photos, and 20 at once are the limit." in text
    assert "<article>" not in text


def test_a_model_without_a_convolution_shows_the_photo_alone(photos):
    text = Answers(color_classifier(convolution=False)).answer([photos / "red.png"])
    assert (text.count("<figure>"), "over 99 % sure" in text) == (1, True)


def test_a_model_whose_predictions_are_no_numbers_is_a_sentence(photos):
    classifier = color_classifier()
    classifier.model.layers[-1].set_weights([np.full((3, 3), np.nan), np.zeros(3)])
    text = Answers(classifier).answer([photos / "red.png"])
    assert text.startswith("<p class='warning'") and "not numbers" in text


def test_several_people_at_once_get_what_each_gets_alone(photos):
    answers = Answers(color_classifier())
    paths = [[photos / f"{name}.png"] for name in ("red", "green", "blue")] * 4
    alone = [answers.answer(each) for each in paths]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(answers.answer, paths)) == alone


def test_a_model_that_has_only_seen_drawings_says_that_first():
    text = introduction(color_classifier(drawings=True), 10)
    assert text.startswith("<p class='warning'") and "only seen drawings" in text
    assert "only seen drawings" not in introduction(color_classifier(), 10)
    assert "at most 10 MB" in text


def test_heat_lies_where_the_map_says():
    heat = np.zeros((8, 8), "float32")
    heat[:, :4] = 1
    image = np.asarray(demo._overlay(Image.new("RGB", (80, 40), "white"), heat))
    assert image.shape == (40, 80, 3)
    assert (image[20, 75] == 255).all()
    red, green, blue = image[20, 5].astype(int)
    assert red > 100 and green < 60 and blue < 80


# The page.


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Serve the page; no name is looked up and no other machine asked meanwhile."""
    pytest.importorskip("gradio", reason="needs the extra [demo]")
    hosts, connect, look_up = set(), socket.socket.connect, socket.getaddrinfo
    working = tmp_path_factory.mktemp("working")

    def noted_connect(self, address):
        hosts.add(address[0] if isinstance(address, tuple) else "127.0.0.1")
        return connect(self, address)

    def noted_look_up(host, *args, **kwargs):
        hosts.add(host)
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(working)
        for name in (*demo._SILENT, "GRADIO_TEMP_DIR"):
            patch.setenv(name, "")  # so that it is afterwards what it was before
        patch.setattr(socket.socket, "connect", noted_connect)
        patch.setattr(socket, "getaddrinfo", noted_look_up)
        with serving(color_classifier(drawings=True), max_megabytes=1) as address:
            uploads = Path(os.environ["GRADIO_TEMP_DIR"])
            yield address
        assert not uploads.exists()
        assert list(working.iterdir()) == []
        assert {str(host) for host in hosts} <= {"127.0.0.1", "localhost", "::1", "None"}


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if find_browser() is None:
        pytest.skip("no Chromium on the PATH")
    with (
        sync_api.sync_playwright() as driver,
        driver.chromium.launch(executable_path=find_browser()) as browser,
    ):
        yield browser


@contextlib.contextmanager
def open_page(browser, address, width):
    """Open the page in a tab that reaches this machine only; afterwards, nothing went wrong."""
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.set_default_timeout(TIMEOUT)
    urls, faults = [], []
    tab.on("request", lambda request: urls.append(request.url))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.extend([message.text] * (message.type == "error")))
    tab.on("dialog", lambda dialog: faults.append(dialog.message) or dialog.dismiss())
    tab.route(re.compile(f"^(?!{THIS_MACHINE.pattern})"), lambda route: route.abort())
    tab.goto(address)
    yield tab
    assert [url for url in urls if not THIS_MACHINE.match(url)] == []
    assert faults == []
    tab.close()


def upload(tab, *paths):
    tab.locator("#photos input[type=file]").set_input_files(paths)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_photo_is_answered_and_a_wrong_file_gets_a_sentence(
    browser, address, photos, width, tmp_path
):
    with open_page(browser, address, width) as tab:
        upload(tab, photos / "red.png", photos / "broken.jpg")
        tab.get_by_role("heading", name="<b>red</b>, over 99 % sure").wait_for()
        assert tab.locator("#answers figure img").count() == 2
        assert tab.locator("#answers li span").all_inner_texts() == list(NAMES)
        assert "broken.jpg cannot be decoded" in tab.locator("#answers p.warning").inner_text()
        assert "only seen drawings" in tab.locator("p.warning").first.inner_text()
        element = "document.documentElement"
        assert not tab.evaluate(f"{element}.scrollWidth > {element}.clientWidth")
        upload(tab, photos / "blue.png")  # the place for photos is ready again
        tab.get_by_role("heading", name="Blue, over 99 % sure").wait_for()
        tab.screenshot(path=tmp_path / f"demo_{width}.png", full_page=True)


@pytest.mark.browser
def test_too_large_or_too_many_files_are_refused_before_they_are_sent(browser, address, photos):
    (photos / "large.jpg").write_bytes(bytes(1_200_000))
    with open_page(browser, address, 1280) as tab:
        sent = []
        tab.on("request", lambda request: sent.append(request.url))
        for paths, text in (
            ([photos / "large.jpg"], "large.jpg has 2 MB, and 1 MB are the limit."),
            ([photos / "red.png"] * 21, "You chose 21 photos, and 20 at once are the limit."),
        ):
            upload(tab, *paths)
            tab.get_by_role("alert").filter(has_text=text).wait_for()
        assert [url for url in sent if "upload" in url] == []
        upload(tab, photos / "blue.png")
        tab.get_by_role("heading", name="Blue, over 99 % sure").wait_for()
        assert not tab.locator("#refused").is_visible()


@pytest.mark.browser
def test_two_tabs_at_once_get_their_own_answers(browser, address, photos):
    with open_page(browser, address, 1280) as one, open_page(browser, address, 390) as two:
        upload(one, photos / "red.png", photos / "blue.png")
        upload(two, photos / "red.png")
        for tab, count in ((one, 2), (two, 1)):
            tab.locator("#answers article").first.wait_for()
            assert tab.locator("#answers article").count() == count


def test_the_server_holds_the_limits_too_and_serves_nothing_else(address, photos):
    httpx = pytest.importorskip("httpx", reason="needs the extra [demo]")
    reply = httpx.get(address)
    assert "default-src 'self'" in reply.headers["content-security-policy"]
    upload_url = f"{address}gradio_api/upload"
    assert httpx.post(upload_url, files={"files": ("a.jpg", bytes(1_200_000))}).status_code == 413
    secret = photos / "secret.txt"
    secret.write_text("secret")
    assert httpx.get(f"{address}gradio_api/file={secret}").status_code in (403, 404)


def test_the_address_for_a_whole_network_is_one_that_others_can_use():
    text = demo._reachable("http://0.0.0.0:7860/")
    for address in text.split(" or "):
        host = re.fullmatch(r"http://([\d.]+):7860/", address)[1]
        assert host != "0.0.0.0"


def test_uploads_are_removed_after_a_while(photos, monkeypatch):
    pytest.importorskip("gradio", reason="needs the extra [demo]")
    httpx = pytest.importorskip("httpx", reason="needs the extra [demo]")
    for name in (*demo._SILENT, "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(demo, "_REMOVAL", (1, 1))
    with serving(color_classifier()) as address:
        content = (photos / "red.png").read_bytes()
        (path,) = httpx.post(
            f"{address}gradio_api/upload", files={"files": ("red.png", content)}
        ).json()
        assert Path(path).read_bytes() == content
        deadline = time.monotonic() + 30
        while Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not Path(path).exists()


def test_an_address_that_cannot_be_had_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for settings, where in (
            ({"port": port}, f"127.0.0.1, port {port}: .*in use"),
            ({"host": "192.0.2.1"}, "192.0.2.1: "),
        ):
            with (
                pytest.raises(CatdogError, match=f"cannot serve the page on {where}"),
                serving(color_classifier(), **settings),
            ):
                pass


@pytest.mark.skipif(os.name == "nt", reason="sends Ctrl-C as POSIX does")
def test_the_command_serves_this_machine_only_until_it_is_interrupted(tmp_path):
    pytest.importorskip("gradio", reason="needs the extra [demo]")
    save_model(color_classifier().model, tmp_path / "colors.keras", NAMES)
    home = tmp_path / "home"
    home.mkdir()
    # A proxy, as schools have, that cannot reach this machine.
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "catdog_helpers", "demo", "--model", "../colors.keras"]
    with subprocess.Popen(
        command,
        cwd=home,
        env=os.environ | proxy | {"HOME": str(home), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            assert re.fullmatch(r"the page is at http://127\.0\.0\.1:\d+/ until .* Ctrl-C\n", line)
            listening = psutil.Process(process.pid).net_connections()
            assert {each.laddr.ip for each in listening if each.status == "LISTEN"} == {"127.0.0.1"}
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60) == ("", "")
        finally:
            process.kill()
    assert process.returncode == 0
    left = {path.relative_to(tmp_path).parts[0] for path in tmp_path.iterdir()}
    assert left == {"colors.keras", "home"}
    assert not [path for path in home.rglob("*") if re.search("gradio|huggingface", str(path))]
