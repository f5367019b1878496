"""Looks a folder of pictures over before anyone trains on it."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")


def read_picture(path, image_size=None):
    """Decode one picture, upright and in colour; the decoder of every chapter and command.

    Parameters
    ----------
    path : path-like
    image_size : int, optional
        Side of the square that the picture is resized to (bilinear, aspect ratio not kept).

    Returns
    -------
    uint8 array, shape (height, width, 3), values 0..255
    """
    with Image.open(Path(path), formats=FORMATS) as picture:
        picture = ImageOps.exif_transpose(picture).convert("RGB")
        if image_size is not None:
            picture = picture.resize((image_size, image_size), Image.Resampling.BILINEAR)
        return np.asarray(picture)
