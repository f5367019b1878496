"""Decodes image files: the one decoder of every chapter and command."""

import contextlib
import hashlib
import os
import re
import stat
import warnings

import numpy as np
from PIL import ExifTags, Image

from catdog_helpers import CatdogError
from catdog_helpers.files.paths import printable, reason

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
# The suffixes that keras.utils.image_dataset_from_directory takes for images.
SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF"}
_HEIC_ADVICE = ""
try:  # what iPhones save; the decoder is an extra of its own
    import pillow_heif
except ImportError:
    _HEIC_ADVICE = "; convert it to JPEG, or pip install pillow-heif"
else:
    pillow_heif.register_heif_opener()
    FORMATS = (*FORMATS, "HEIF")
    SUFFIXES |= {".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF"}
# A photo of one's own may come in more; a data set may not, since other tools can't read them.
PHOTO_FORMATS = (*FORMATS, "TIFF", "AVIF")
# What makes an image upright, by its orientation (EXIF 2.32, tag 0x0112).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MAX_PIXELS = Image.MAX_IMAGE_PIXELS  # 89,478,485: 256 MiB as RGB
_PILLOW = re.compile(r"PIL\.")

# (offset, bytes, name); the first match counts.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WEBP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif", "HEIC"),
    (4, b"ftyp", "MP4"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"\0\x05\x16\x07", "AppleDouble"),
    (0, b"%PDF", "PDF"),
    (0, b"PK", "ZIP"),
    (0, b"Rar!", "RAR"),
    (0, b"7z\xbc\xaf", "7z"),
    (0, b"\x1f\x8b", "gzip"),
)


def file_type(head):
    """Name the type of a file by its first bytes, of which 12 suffice, whatever its name says.

    For example ``"TIFF"``, ``"zeros only"`` or, for HTML, how it starts; None if it is unknown.
    """
    for offset, signature, name in _SIGNATURES:
        if head[offset:].startswith(signature):
            return name
    start = head.lstrip()[:5].lower()
    if start in (b"<html", b"<!doc"):
        return f"HTML, starts with '{start.decode()}'"
    return "zeros only" if head.count(0) == len(head) else None


def describe_type(head):
    """Say what `file_type` finds: for example "looks like TIFF", or "unknown file type"."""
    name = file_type(head)
    return f"looks like {name}" if name else "unknown file type"


def read_image(path, image_size=None, formats=FORMATS):
    """Decode one image, upright and in color.

    The EXIF orientation is applied. Transparency is dropped, not blended; 16 bits keep the
    high byte; of an animation the first frame counts.

    Parameters
    ----------
    path : path-like
    image_size : int, optional
        Side in pixels of the square that the image is resized to (bilinear, with antialiasing,
        aspect ratio not kept).
    formats : sequence of str
        Pillow's names of the formats to take, whatever the file's name ends in.

    Returns
    -------
    uint8 array, shape (height, width, 3), values 0..255

    Raises
    ------
    CatdogError
        If the file cannot be decoded to its end.
    """
    try:
        with _opened(path) as file:
            return _decode(file, image_size, formats)
    except ValueError as error:
        raise CatdogError(f"{printable(path)} {error}") from error


def inspect_image(path):
    """Decode one image in one of `FORMATS` to its end as `read_image` does; keep no pixels.

    Returns
    -------
    (str, (int, int), bool, str)
        The format; width and height in pixels, as stored; whether the EXIF orientation turns
        the image; and the SHA-256 of the file.

    Raises
    ------
    ValueError
        If the file cannot be decoded to its end; says why, without the path.
    """
    with _opened(path) as file:
        _decode(file)
        with Image.open(file, formats=FORMATS) as image:
            turned = _transposition(image) is not None
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return image.format, image.size, turned, sha256


@contextlib.contextmanager
def _opened(path):
    """Open a file for the decoder; what goes wrong is a ValueError that says why."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a named pipe would make us wait forever
            raise ValueError("cannot be read: not a regular file")
        with open(path, "rb") as file:
            head = file.read(64)
            file.seek(0)
            try:
                yield file
            except Exception as error:  # Pillow raises many kinds on damaged files
                # Not the file's fault: the memory, or a disk that fails, whose errors have numbers.
                if isinstance(error, MemoryError) or getattr(error, "errno", None):
                    raise
                size = os.fstat(file.fileno()).st_size
                kind = f"{describe_type(head)}, " if size else ""
                detail = f" ({error})" if file_type(head) in FORMATS else ""
                advice = _HEIC_ADVICE if file_type(head) == "HEIC" else ""
                text = f"cannot be decoded: {kind}{size} bytes{detail}{advice}"
                raise ValueError(text) from error
    except MemoryError as error:
        raise ValueError("cannot be read: not enough memory") from error
    except OSError as error:
        raise ValueError(f"cannot be read: {reason(error)}") from error


def _decode(file, image_size=None, formats=FORMATS):
    """Decode an open file; see `read_image`."""
    # Pillow warns of damaged EXIF blocks, which some of the Asirra photos have, of transparency,
    # which is dropped, and of huge images, an error below. Decoding runs in threads, where
    # `warnings.catch_warnings` is not safe: the filters stay, before a -W error meant for others.
    for category in (UserWarning, Image.DecompressionBombWarning):
        if ("ignore", None, category, _PILLOW, 0) not in warnings.filters:
            warnings.filterwarnings("ignore", category=category, module=_PILLOW.pattern)
    with Image.open(file, formats=formats) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels, the limit is {_MAX_PIXELS}")
        if image_size is not None:
            # libjpeg shrinks large photos while it decodes them; at twice the size or more
            # the bilinear step that follows hides it.
            image.draft(None, (2 * image_size, 2 * image_size))
        image.load()
        transposition = _transposition(image)
        if image.mode.startswith("I"):  # 16 bits, which convert() would clip at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
        image = image.convert("RGB")
        if image_size is not None:
            image = image.resize((image_size, image_size), Image.Resampling.BILINEAR)
        return np.asarray(image if transposition is None else image.transpose(transposition))


def _transposition(image):
    """Return what makes an image upright, None where there is nothing to do.

    Not ``PIL.ImageOps.exif_transpose``: it writes the EXIF block anew, and damaged ones make it
    fail (Pillow 13, 3 % of 20,000 blocks with bytes changed at random).
    """
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # a damaged block; the pixels are what counts
        return None
