"""Outlines, and frames that move, turn, scale and mirror them.

An outline is a complex128 array of shape (n,): x to the right and y down, in the units of the
frame that it is put into.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicHermiteSpline


def vertices(text):
    """Read points written as ``"x,y x,y"``.

    Parameters
    ----------
    text : str

    Returns
    -------
    complex array, shape (n,)
    """
    return np.array([complex(*map(float, pair.split(","))) for pair in text.split()])


@lru_cache
def _spline_weights(count, steps):
    """Return the weights of ``count`` points in their closed spline, (count * steps, count)."""
    knots = np.arange(count + 1)
    points = np.eye(count)[knots % count]
    slopes = (points[(knots + 1) % count] - points[(knots - 1) % count]) / 2
    return CubicHermiteSpline(knots, points, slopes)(np.arange(count * steps) / steps)


def smooth(points, steps=6):
    """Close a smooth curve through points: a uniform Catmull-Rom spline.

    Parameters
    ----------
    points : complex array, shape (n,)
        A point given twice makes a corner.
    steps : int
        Points of the curve for each given point.

    Returns
    -------
    complex array, shape (n * steps,)

    References
    ----------
    E. Catmull and R. Rom, "A class of local interpolating splines", 1974.
    """
    # Not a matrix product: the threads of a BLAS cost more than they save on ten points.
    return np.einsum("ij,j", _spline_weights(len(points), steps), points)


def smooth_line(points, steps=6):
    """Draw a smooth open curve through points.

    Parameters
    ----------
    points : complex array, shape (n,)
    steps : int
        Points of the curve for each stretch between two given points.

    Returns
    -------
    complex array, shape ((n - 1) * steps + 1,)
    """
    closed = smooth(np.concatenate([points[:1], points, points[-1:]]), steps)
    return np.append(closed[steps : steps * len(points)], points[-1])


def curve(text):
    """Close a smooth curve through points written as ``"x,y x,y"``.

    Parameters
    ----------
    text : str
        A point given twice makes a corner.

    Returns
    -------
    complex array, shape (6 n,)
    """
    return smooth(vertices(text))


def mirrored(points):
    """Swap left and right.

    Parameters
    ----------
    points : complex array or complex

    Returns
    -------
    complex array or complex
    """
    return -np.conj(points)


def symmetric(right):
    """Close a smooth curve from its right half.

    Parameters
    ----------
    right : complex array, shape (n,)
        From top to bottom.

    Returns
    -------
    complex array, shape (m,)
    """
    left = mirrored(right[::-1])
    return smooth(np.concatenate([right, left[left.real < 0]]))


def ellipse(x, y, width, height=None, count=24):
    """Draw an ellipse.

    Parameters
    ----------
    x, y : float
        Its center.
    width, height : float
        Half its width and half its height; without a height it is a circle.
    count : int
        How many points.

    Returns
    -------
    complex array, shape (count,)
    """
    turn = 2 * np.pi * np.arange(count) / count
    return complex(x, y) + width * np.cos(turn) + 1j * (height or width) * np.sin(turn)


def box(left, top, right, bottom):
    """Draw a rectangle from its edges.

    Returns
    -------
    complex array, shape (4,)
    """
    return vertices(f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}")


def ribbon(spine, start, end):
    """Widen a line to a band with a rounded tip.

    Parameters
    ----------
    spine : complex array, shape (n,)
        The middle line.
    start, end : float
        Width at its first and its last point.

    Returns
    -------
    complex array, shape (6 (2 n + 1),)
    """
    direction = np.gradient(spine)
    direction /= np.abs(direction)
    half = 1j * direction * np.linspace(start, end, len(spine)) / 2
    tip = spine[-1:] + direction[-1:] * end / 2
    return smooth(np.concatenate([spine - half, tip, (spine + half)[::-1]]))


def rough(outline, amount, period):
    """Give an outline tufts or curls.

    Parameters
    ----------
    outline : complex array, shape (n,)
        Clockwise.
    amount : float
        How far they stand out.
    period : float
        Points from one to the next.

    Returns
    -------
    complex array, shape (n,)
    """
    direction = np.roll(outline, -1) - np.roll(outline, 1)
    outward = -1j * direction / np.maximum(np.abs(direction), 1e-9)
    return outline + amount * outward * np.abs(np.sin(np.pi * np.arange(len(outline)) / period))


@dataclass(frozen=True)
class Frame:
    """Where an outline comes to lie: mirrored or not, turned and scaled, then moved.

    Attributes
    ----------
    origin : complex
        Where 0 goes.
    unit : complex
        Length and direction of one unit to the right.
    flipped : bool
    """

    origin: complex
    unit: complex
    flipped: bool = False

    def __call__(self, points):
        """Put points into the frame.

        Parameters
        ----------
        points : complex array or complex

        Returns
        -------
        complex array or complex
        """
        return self.origin + self.unit * (mirrored(points) if self.flipped else points)

    def inner(self, at, scale=1.0, angle=0.0, flipped=False):
        """Make a frame inside this one.

        Parameters
        ----------
        at : complex
            Where in this frame its origin lies.
        scale : float
        angle : float
            In degrees, clockwise.
        flipped : bool
            Whether left and right are swapped.

        Returns
        -------
        Frame
        """
        unit = scale * np.exp(1j * np.radians(angle))
        unit = np.conj(unit) if self.flipped else unit
        return Frame(complex(self(at)), complex(self.unit * unit), self.flipped != flipped)
