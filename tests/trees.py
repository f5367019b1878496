"""Builds tiny trees of images and odd files: dark cats, bright dogs, no two alike."""

import io
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE = 40
odd_names = pytest.mark.skipif(os.name == "nt", reason="Windows refuses such names")


def image(level, name="", side=SIDE):
    """Return a noisy image around one brightness, different for each name."""
    rng = np.random.default_rng(zlib.crc32(name.encode("utf-8", "surrogateescape")))
    pixels = np.clip(level + rng.integers(-20, 20, (side, side, 3)), 0, 255)
    return Image.fromarray(pixels.astype("uint8"))


def encoded(frame, kind="JPEG", **options):
    file = io.BytesIO()
    frame.save(file, kind, **options)
    return file.getvalue()


def put(path, content=None, level=30):
    """Write a file and the folders above it; without content, a good JPEG."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(image(level, str(path))) if content is None else content)
    return path


def saved(path, frame, kind, **options):
    return put(path, encoded(frame, kind, **options))


def official(root, n=5):
    """Write ``n`` images for each class of train/ and validation/."""
    for part in ("train", "validation"):
        for name, level in (("cat", 30), ("dog", 220)):
            for i in range(n):
                put(Path(root, part, f"{name}s", f"{name}.{part[0]}{i}.jpg"), level=level)
    return Path(root)


def kaggle(root, n=10):
    for i in range(n):
        put(Path(root, f"cat.{i}.jpg"))
        put(Path(root, f"dog.{i}.jpg"), level=220)
    return Path(root)


def asirra(root, n=10):
    for i in range(n):
        put(Path(root, "PetImages", "Cat", f"{i}.jpg"))
        put(Path(root, "PetImages", "Dog", f"{i}.jpg"), level=220)
    return Path(root)


def zipped(root, archive, prefix="cats_and_dogs_filtered/"):
    """Put all files of a folder into a zip archive."""
    Path(archive).parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as members:
        for path in sorted(Path(root).rglob("*")):
            if path.is_file():
                members.write(path, f"{prefix}{path.relative_to(root).as_posix()}")
    return Path(archive)


def contents(root):
    """Return all files of a folder with their bytes, by relative path."""
    paths = [path for path in Path(root).rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def link(path, target):
    """Make a symbolic link, or skip the test where the system does not allow it."""
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("this system does not let us make links")


def two_frames():
    frames = [Image.new("RGB", (SIDE, SIDE), (level,) * 3).convert("P") for level in (10, 240)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)


def red_left(orientation):
    """Return a 60 x 40 JPEG (width x height), left half red, with an EXIF orientation."""
    pixels = np.zeros((40, 60, 3), "uint8")
    pixels[:, :30, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(pixels), quality=95, exif=exif)


GOOD = encoded(image(30, "good", 2 * SIDE))
ZERO = b""
TRUNCATED = GOOD[: len(GOOD) // 2]
WITHOUT_END = GOOD[:-2]
PADDED = GOOD + bytes(300)
HTML = b"<!doctype html><title>404</title>"
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(60)
