"""A page for the classroom: drop photos on it, see what a model predicts and where it looked.

Gradio serves it, which the extra ``[demo]`` installs and which only `serving` imports. The page
asks no machine but this one for anything.
"""

import base64
import contextlib
import html
import io
import os
import socket
import tempfile
import threading
from pathlib import Path

import matplotlib as mpl
import numpy as np
import psutil
from PIL import Image

from catdog_helpers import CatdogError
from catdog_helpers.data import load_photo
from catdog_helpers.explain import grad_cam
from catdog_helpers.files.images import PHOTO_FORMATS, read_image
from catdog_helpers.files.paths import printable, reason
from catdog_helpers.photos import ONLY_DRAWINGS, predict_images
from catdog_helpers.plots import pale_gray
from catdog_helpers.scoring import describe

MAX_PHOTOS = 20  # at once
TITLE = "What does the model see?"
_SHOWN_SIDE = 480  # pixels of the longer side of a photo on the page
_SHOWN_CLASSES = 3
_LOOKED = "Where the model looked, most in red"
# Every so many seconds, uploads older than so many are removed. The same photo from two people is
# one file, so none is removed at once.
_REMOVAL = (60, 300)
# The browser itself then fetches nothing from another host, whatever stands on the page.
_POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
# What Gradio, and the library of Hugging Face that comes with it, read when they are imported. It
# asks itself whether it runs, which must not go through the proxy of a school.
_SILENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "NO_PROXY": "*",
    "no_proxy": "*",
}
_STYLE, _SCRIPT = Path(__file__).with_suffix(".css"), Path(__file__).with_suffix(".js")


class Answers:
    """What the page says of photos; several people may ask at once.

    Parameters
    ----------
    classifier : photos.Classifier
    """

    def __init__(self, classifier):
        self.classifier = classifier
        # Grad-CAM hooks into the model; and large photos, one after the other, fit in memory.
        self._lock = threading.Lock()

    def answer(self, paths):
        """Write the answers for photos as HTML, whatever is in the files.

        Parameters
        ----------
        paths : sequence of path-like

        Returns
        -------
        str
        """
        if len(paths) > MAX_PHOTOS:
            return _warning(
                f"You chose {len(paths)} photos, and {MAX_PHOTOS} at once are the limit. "
                "Choose fewer."
            )
        with self._lock:
            read = [self._read(Path(path)) for path in paths]
            photos = [each for each in read if not isinstance(each, str)]
            try:
                texts = iter(self._describe(photos))
            except CatdogError as error:  # the model's fault
                return _warning(str(error))
        return "".join(_warning(each) if isinstance(each, str) else next(texts) for each in read)

    def _read(self, path):
        """Return the name of a photo, as PIL image to show and as array for the model; or a text.

        The text says why it cannot be read.
        """
        try:
            image = load_photo(path, self.classifier.image_size)
            shown = Image.fromarray(read_image(path, formats=PHOTO_FORMATS))
        except CatdogError as error:  # not where the upload lies, which nobody knows
            return str(error).replace(printable(path), printable(path.name))
        shown.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
        return printable(path.name), shown, image

    def _describe(self, photos):
        """Write an article for each photo."""
        if not photos:
            return []
        images = np.concatenate([image for *_, image in photos])
        probabilities = predict_images(self.classifier, images)
        try:
            maps = grad_cam(self.classifier.model, images)
        except CatdogError:  # no convolution to look at
            maps = [None] * len(images)
        names = self.classifier.class_names
        return [
            _article(name, shown, heat, row, names)
            for (name, shown, _), heat, row in zip(photos, maps, probabilities, strict=True)
        ]


def _article(name, shown, heat, probabilities, class_names):
    """Write what the model says of one photo, as HTML."""
    figures = _figure(shown, name, name)
    if heat is not None:
        figures += _figure(_overlay(shown, heat), "a map of heat", _LOOKED)
    sentence = describe(probabilities, class_names)
    bars = ""
    for label in np.argsort(-probabilities, kind="stable")[:_SHOWN_CLASSES]:
        percent = 100 * float(probabilities[label])
        number = {0: "under 1", 100: "over 99"}.get(round(percent), round(percent))
        bars += (
            f"<li><span>{_text(class_names[label])}</span>"
            f"<div><i style='width:{percent:.1f}%'></i></div><b>{number} %</b></li>"
        )
    return (
        f"<article><h2>{_text(sentence[0].upper() + sentence[1:])}</h2>"
        f"<div class='figures'>{figures}</div><ul>{bars}</ul></article>"
    )


def _overlay(photo, heat):
    """Lay a map of heat, shape (height, width), 0..1, over a photo of any size.

    It looks as `plots.heat_overlays` draws it, but without a figure, which takes long.
    """
    heat = Image.fromarray(heat).resize(photo.size, Image.Resampling.BILINEAR)
    heat = np.clip(np.asarray(heat), 0, 1)[..., np.newaxis]
    color = 255 * mpl.colormaps["YlOrRd"](heat[..., 0])[..., :3]
    mixed = pale_gray(photo) * (1 - 0.85 * heat) + color * 0.85 * heat
    return Image.fromarray(mixed.astype("uint8"))


def _figure(image, description, caption):
    """Write a figure that holds its image itself, so that nothing is left on the disk."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=88)
    source = "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
    return (
        f"<figure><img src='{source}' alt='{_text(description)}'>"
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _text(text):
    """Write a name so that nothing in it is taken for HTML, nor for a template of the page."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return html.escape(shown).translate({ord(c): f"&#{ord(c)};" for c in "{}$`"})


def _warning(text):
    return f"<p class='warning' role='alert'>{_text(text)}</p>"


def introduction(classifier, max_megabytes):
    """Write what stands above the place for photos, as HTML: what the model cannot know first."""
    *most, last = map(_text, classifier.class_names)
    known = f"<strong>{'</strong>, <strong>'.join(most)}</strong> and <strong>{last}</strong>"
    warning = _warning(f"{ONLY_DRAWINGS[0].upper()}{ONLY_DRAWINGS[1:]}.")
    return (
        f"{warning if classifier.only_drawings else ''}<h1>{TITLE}</h1>"
        f"<p>This model knows {known}, and nothing else. Shown a toaster, it still has to choose "
        "one of them, and may be sure of its choice.</p>"
        f"<p class='small'>Up to {MAX_PHOTOS} photos at once, each of at most {max_megabytes} MB. "
        "On a phone you can take one. They stay on the machine that serves this page, and are "
        "removed within minutes.</p><p class='warning' id='refused' role='alert' hidden></p>"
    )


@contextlib.contextmanager
def serving(classifier, *, host="127.0.0.1", port=None, max_megabytes=10):
    """Serve the page until the block ends; then nothing of it is left on the disk.

    Parameters
    ----------
    classifier : photos.Classifier
    host : str
        The address to listen on; ``"0.0.0.0"`` lets everybody in the network in.
    port : int, optional
        The first free one from 7860 on, where left out.
    max_megabytes : int
        Limit for the file of a photo.

    Yields
    ------
    str
        The address of the page; with ``"0.0.0.0"`` those that others can use.

    Raises
    ------
    ImportError
        If Gradio is not installed.
    CatdogError
        If the page cannot be served there.
    """
    try:  # Gradio would go on trying
        socket.create_server((host, port or 0)).close()
    except OSError as error:
        where = host if port is None else f"{host}, port {port}"
        raise CatdogError(f"cannot serve the page on {where}: {reason(error)}") from error
    os.environ.update(_SILENT)
    with tempfile.TemporaryDirectory(prefix="catdog-", ignore_cleanup_errors=True) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        import gradio
        from starlette.middleware import Middleware

        page = _page(gradio, classifier, max_megabytes)
        limits = f"const MAX_PHOTOS = {MAX_PHOTOS}, MAX_MEGABYTES = {max_megabytes};\n"
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=max_megabytes * 10**6,
            footer_links=[],
            theme=gradio.themes.Base(font="system-ui", font_mono="monospace"),
            css_paths=_STYLE,
            head=f"<script>{limits}{_SCRIPT.read_text(encoding='utf-8')}</script>",
            app_kwargs={"middleware": [Middleware(_WithPolicy)]},
        )
        try:
            yield _reachable(address) if host == "0.0.0.0" else address
        finally:
            page.close(verbose=False)


def _reachable(address):
    """Write this machine's addresses in its networks for one that stands for all of them."""
    found = [each for addresses in psutil.net_if_addrs().values() for each in addresses]
    hosts = [each.address for each in found if each.family == socket.AF_INET]
    others = [host for host in hosts if not host.startswith("127.")]
    return " or ".join(address.replace("0.0.0.0", host) for host in others or hosts)


def _page(gradio, classifier, max_megabytes):
    """Lay out the page: what it is, the place for photos, the answers."""
    answers = Answers(classifier)
    with gradio.Blocks(title=TITLE, analytics_enabled=False, delete_cache=_REMOVAL) as page:
        gradio.HTML(introduction(classifier, max_megabytes), elem_id="introduction")
        photos = gradio.File(file_count="multiple", label="Photos", height=150, elem_id="photos")
        answered = gradio.HTML(elem_id="answers")
        photos.upload(
            lambda paths: (None, answers.answer(paths)),
            photos,
            [photos, answered],
            api_visibility="private",
        )
    return page.queue(max_size=100)  # one at a time


class _WithPolicy:
    """Sends a policy along with every answer of the server, see ``_POLICY``."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with_policy(message):
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY)
                message = {**message, "headers": [*message["headers"], policy]}
            await send(message)

        await self.app(scope, receive, send_with_policy)
