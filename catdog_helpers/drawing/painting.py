"""A canvas with light and shadow: filled outlines, lines, rounded shapes.

Outlines come in pixels of the canvas: complex arrays of shape (n,), x to the right, y down.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from catdog_helpers.drawing.palette import rgb

_SUPERSAMPLING = 2
_CELL = 4  # canvas pixels to one cell of the relief


def polygon(pen, points, color):
    """Fill an outline.

    Parameters
    ----------
    pen : PIL.ImageDraw.ImageDraw
    points : complex array, shape (n,), pixels
    color : str or tuple of int
    """
    pen.polygon(points.view(float).tolist(), fill=rgb(color))


class Painting:
    """A canvas larger than the drawing, and a coarse relief of light and shadow over it.

    Parameters
    ----------
    backdrop : PIL.Image.Image
        What is behind all; as large as the drawing.
    light_angle : float
        Where the light comes from, in degrees, clockwise from the right.

    Attributes
    ----------
    side : int
        Of the canvas, in pixels.
    pen : PIL.ImageDraw.ImageDraw
        Draws on the canvas, without light and shadow.
    fur, fur_pen : PIL.Image.Image, PIL.ImageDraw.ImageDraw
        A second canvas, from which shapes covered with fur are cut.
    """

    def __init__(self, backdrop, light_angle):
        self._size = backdrop.width
        self.side = -(-_SUPERSAMPLING * self._size // _CELL) * _CELL
        self._canvas = backdrop.resize((self.side, self.side), Image.Resampling.BILINEAR)
        self.pen = ImageDraw.Draw(self._canvas)
        self.fur = Image.new("RGB", self._canvas.size)
        self.fur_pen = ImageDraw.Draw(self.fur)
        self._relief = np.ones((self.side // _CELL,) * 2, "float32")
        self._light = np.exp(1j * np.radians(light_angle))

    def line(self, points, color, width=1.0):
        """Draw a line.

        Parameters
        ----------
        points : complex array, shape (n,), pixels
        color : str or tuple of int
        width : float
            In pixels of a canvas of 160.
        """
        width = max(1, round(width * self.side / 160))
        self.pen.line(points.view(float).tolist(), fill=rgb(color), width=width)

    def form(self, points, ink, color=None, depth=1.0):
        """Paint a rounded shape, lit and outlined.

        Parameters
        ----------
        points : complex array, shape (n,), pixels
        ink : str or tuple of int
            Color of its line.
        color : str or tuple of int, optional
            Without one, the shape is cut from the fur.
        depth : float
            How round it is; 0 is flat.
        """
        mask, box = self._mask(points)
        if mask is None:
            return
        self._canvas.paste(self.fur.crop(box) if color is None else rgb(color), box, mask)
        # The slope of the blurred mask, seen from the light, is the shade.
        cells, soft, inside = self._cells(mask, box)
        down, right = np.gradient(soft)
        slope = -(right * self._light.real + down * self._light.imag) * len(self._relief) / 14
        cells *= 1 - 0.28 * depth * soft
        cells += inside * (1 + 0.55 * depth * slope - cells)
        self.line(np.append(points, points[:1]), ink)

    def shadow(self, points, darkness):
        """Darken the ground under a shape.

        Parameters
        ----------
        points : complex array, shape (n,), pixels
        darkness : float, 0..1
        """
        mask, box = self._mask(points)
        if mask is not None:
            cells, soft, _ = self._cells(mask, box)
            cells *= 1 - darkness * soft

    def _mask(self, points):
        """Return the mask of a shape, and the box on whole cells that it and its shadow need.

        Both are None outside the canvas.
        """
        margin = self.side / 16
        low = min(points.real) - margin, min(points.imag) - margin
        high = max(points.real) + margin, max(points.imag) + margin
        box = [min(self.side, max(0, int(edge // _CELL) * _CELL)) for edge in (*low, *high)]
        left, top, right, bottom = box
        if min(right - left, bottom - top) <= _CELL:
            return None, None
        mask = Image.new("L", (right - left, bottom - top))
        polygon(ImageDraw.Draw(mask), points - complex(left, top), (255,))
        return mask, tuple(box)

    def _cells(self, mask, box):
        """Return the relief's cells in a box, and the mask there, blurred and sharp, 0 to 1."""
        small = mask.reduce(_CELL)
        blurred = small.filter(ImageFilter.GaussianBlur(len(self._relief) / 14))
        left, top, right, bottom = (edge // _CELL for edge in box)
        soft, sharp = (np.asarray(image, "float32") / 255 for image in (blurred, small))
        return self._relief[top:bottom, left:right], soft, sharp

    def finished(self, traits, rng):
        """Return the drawing at its final size, lit, grained and perhaps out of focus.

        Parameters
        ----------
        traits : breeds.Traits
            Its brightness, warmth and blur are used.
        rng : random.Random
            For the grain.

        Returns
        -------
        uint8 array, shape (size, size, 3), 0..255
        """
        size = (self._size, self._size)
        across = np.linspace(-1, 1, self._size, dtype="float32")
        shade = 1 + 0.13 * (across * self._light.real + across[:, None] * self._light.imag)
        shade *= Image.fromarray(self._relief).resize(size, Image.Resampling.BILINEAR)
        tint = traits.brightness * np.array([1 + traits.warmth, 1, 1 - traits.warmth])
        grain = np.frombuffer(rng.randbytes(self._size**2), "uint8").reshape(*size, 1)
        flat = self._canvas.resize(size, Image.Resampling.BOX)
        pixels = np.asarray(flat) * shade.astype("float32")[..., None] * tint.astype("float32")
        pixels += grain * np.float32(8 / 255) - np.float32(4)
        image = Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype("uint8"))
        if traits.blur:
            image = image.filter(ImageFilter.GaussianBlur(traits.blur * self._size / 160))
        return np.array(image)
