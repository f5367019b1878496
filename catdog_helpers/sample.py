"""Draws the built-in pictures: cats, dogs and other animals, as in a picture book.

Everything that tells one kind from another is a table: the breeds in ``BREEDS`` give each
trait a distribution, and one engine draws them all. What a picture shows besides (scene, coat,
pose, light) is drawn from the seed alone, so ``draw("cat", 7)`` and ``draw("dog", 7)`` are a cat
and a dog of the same coat in the same place.
"""

import dataclasses
import os
import random
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFilter
from tqdm import tqdm

from catdog_helpers import CatdogError

SMALLEST = 32
SUPERSAMPLING = 2
CELL = 4  # canvas pixels to a cell of the relief


# --------------------------------------------------------------------------------------------
# Outlines: arrays of complex numbers, x to the right, y down. One unit is half a head.
# --------------------------------------------------------------------------------------------


def _pairs(*pairs):
    return np.array([complex(x, y) for x, y in pairs])


@lru_cache
def _spline_weights(count, steps):
    """Weights of the uniform Catmull-Rom spline through ``count`` points of a closed curve."""
    t = np.arange(steps)[:, None] / steps
    basis = np.hstack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]
    )
    weights = np.zeros((count * steps, count), complex)
    for i in range(count):
        for j in range(4):
            weights[i * steps : (i + 1) * steps, (i + j - 1) % count] += basis[:, j] / 2
    return weights


def _smooth(points, steps=6):
    """Close a smooth curve through the points; a point given twice makes a corner."""
    return np.einsum("ij,j", _spline_weights(len(points), steps), points)


def _ellipse(x, y, width, height=None, count=28):
    turn = 2 * np.pi * np.arange(count) / count
    return complex(x, y) + width * np.cos(turn) + 1j * (height or width) * np.sin(turn)


def _box(left, top, right, bottom):
    return _pairs((left, top), (right, top), (right, bottom), (left, bottom))


def _mirrored(points):
    return -np.conj(points)


def _symmetric(*pairs):
    """Close a curve from its right half, given from top to bottom."""
    right = _pairs(*pairs)
    left = _mirrored(right[::-1])
    return _smooth(np.concatenate([right, left[np.abs(left.real) > 1e-9]]))


def _ribbon(spine, start, end):
    """Widen a line to a band, ``start`` wide at its first point and ``end`` at its last."""
    direction = np.gradient(spine)
    normal = 1j * direction / np.maximum(np.abs(direction), 1e-9)
    half = normal * np.linspace(start, end, len(spine)) / 2
    tip = spine[-1:] + direction[-1:] / np.abs(direction[-1]) * end / 2
    return _smooth(np.concatenate([spine - half, tip, (spine + half)[::-1]]), 4)


def _blob(rng, at, radius, roughness=0.3, corners=8):
    turn = np.exp(2j * np.pi * np.arange(corners) / corners)
    radii = np.array([radius * (1 + roughness * rng.uniform(-1, 1)) for _ in range(corners)])
    return _smooth(at + radii * turn, 4)


def _rough(outline, amount, teeth):
    """Give an outline tufts (``teeth`` = 2) or curls (more points a tuft)."""
    direction = np.roll(outline, -1) - np.roll(outline, 1)
    outward = -1j * direction / np.maximum(np.abs(direction), 1e-9)
    wave = np.abs(np.sin(np.pi * np.arange(len(outline)) / teeth))
    return outline + amount * wave * outward


@dataclass(frozen=True)
class _Frame:
    """Where an outline comes to lie: moved, turned, scaled and perhaps mirrored."""

    origin: complex
    unit: complex
    flipped: bool = False

    def __call__(self, points):
        return self.origin + self.unit * (-np.conj(points) if self.flipped else points)

    def inner(self, at, scale=1.0, angle=0.0, flipped=False):
        """Return a frame that lies at ``at`` inside this one; angles in degrees, clockwise."""
        unit = scale * np.exp(1j * np.radians(angle))
        unit = np.conj(unit) if self.flipped else unit
        return _Frame(complex(self(at)), self.unit * unit, self.flipped != flipped)


# --------------------------------------------------------------------------------------------
# Colours
# --------------------------------------------------------------------------------------------

FUR = {
    "black": "#35313a",
    "grey": "#8a8d98",
    "silver": "#c2c5cb",
    "white": "#f6f1e7",
    "cream": "#ecd5ac",
    "ginger": "#dd8a3e",
    "rust": "#a85c32",
    "chocolate": "#674432",
    "fawn": "#cda577",
    "blue": "#6c7d92",
    "pink": "#f0b3ae",
    "leaf": "#7fb04f",
    "lime": "#b5cf5a",
}
EYES = {
    "green": "#8fbf4d",
    "yellow": "#f0c63f",
    "amber": "#cf8a2e",
    "blue": "#6db5e3",
    "brown": "#7a4a27",
    "dark": "#3f2a20",
    "red": "#d9573f",
}
NOSES = {
    "pink": "#e38d93",
    "brown": "#7d4a3b",
    "black": "#2a262b",
    "grey": "#625c66",
    "yellow": "#e9ae3c",
}
PINK, TONGUE, MOUTH, WHITE, INK = "#eeb0a6", "#e9808a", "#7b2f35", "#fffaf0", "#2d2528"


@lru_cache
def _rgb(colour):
    return ImageColor.getrgb(colour) if isinstance(colour, str) else tuple(colour)


def _mix(first, second, share):
    return tuple(round(a + (b - a) * share) for a, b in zip(_rgb(first), _rgb(second), strict=True))


def _shifted(rng, colour, amount=14):
    return tuple(min(255, max(0, c + rng.randint(-amount, amount))) for c in _rgb(colour))


def _brightness(colour):
    red, green, blue = _rgb(colour)
    return (0.3 * red + 0.59 * green + 0.11 * blue) / 255


def _ink(colour):
    """Return a line colour that can be seen on ``colour``."""
    return _mix(colour, INK, 0.62) if _brightness(colour) > 0.3 else _mix(colour, WHITE, 0.28)


# --------------------------------------------------------------------------------------------
# Coats: marks in the unit disc, drawn on the head and on the body alike
# --------------------------------------------------------------------------------------------


def _bent(rng, start, end, bend=0.12):
    middle = (start + end) / 2 + bend * rng.uniform(-1, 1) * 1j * (end - start)
    return np.array([start, middle, end])


def _no_marks(rng):
    return []


def _stripes(rng):
    marks = []
    for angle in (-160, -130, -108, -90, -72, -50, -20, 5, 175):
        out = np.exp(1j * np.radians(angle + rng.uniform(-6, 6)))
        spine = _bent(rng, 1.1 * out, rng.uniform(0.5, 0.68) * out, 0.25)
        marks.append((_ribbon(spine, rng.uniform(0.13, 0.2), 0.03), 1))
    return marks


def _spots(rng):
    return [
        (_blob(rng, complex(rng.uniform(-1, 1), rng.uniform(-1, 1)), rng.uniform(0.06, 0.15)), 1)
        for _ in range(rng.randint(16, 26))
    ]


def _patches(rng):
    return [
        (_blob(rng, rng.uniform(0.5, 0.9) * np.exp(1j * rng.uniform(0, 6.28)), 0.48), 1 + i % 2)
        for i in range(rng.randint(3, 5))
    ]


def _streaks(rng):
    marks = []
    for _ in range(26):
        start = complex(rng.uniform(-1, 1), rng.uniform(-1, 0.8))
        spine = _bent(rng, start, start + complex(rng.uniform(-0.12, 0.12), 0.34), 0.4)
        marks.append((_ribbon(spine, 0.02, rng.uniform(0.05, 0.09)), 1))
    return marks


def _flecks(rng):
    return [
        (_blob(rng, complex(rng.uniform(-1, 1), rng.uniform(-1, 1)), 0.14, 0.6), 1 + i % 2)
        for i in range(24)
    ]


def _mask(rng):
    return [(_blob(rng, 0.36j, 0.62, 0.12), 1)]


def _bib(rng):
    top = rng.uniform(-0.2, 0.25)
    return [(_symmetric((0, top), (0.3, 0.35), (0.62, 0.9), (0.3, 1.3), (0, 1.35)), 2)]


def _blaze(rng):
    side = rng.uniform(-0.1, 0.1)
    half = rng.uniform(0.07, 0.2)
    wedge = _symmetric((0, -1.1), (half, -0.9), (half, -0.2), (0.6, 0.5), (0.5, 1.2), (0, 1.3))
    return [(wedge + side, 2)]


def _half(rng):
    edge = rng.uniform(-0.15, 0.15)
    return [(_smooth(_pairs((edge, -1.4), (1.4, -1.2), (1.4, 1.2), (edge + 0.2, 1.4))), 1)]


def _saddle(rng):
    cap = _symmetric((0, -1.3), (1.3, -1), (1.2, 0.1), (0.55, -0.1), (0.3, 0.1), (0, -0.2))
    brows = _ellipse(0.36, -0.3, 0.11, 0.08)
    return [(cap, 1), (brows, 0), (_mirrored(brows), 0)]


def _eye_patches(rng):
    patch = _ellipse(0, 0, 0.24, 0.34) * np.exp(0.5j) + (0.45 - 0.02j)
    return [(patch, 1), (_mirrored(patch), 1)]


@dataclass(frozen=True)
class _Coat:
    """How a coat is laid out; numbers are places in the animal's three colours."""

    marks: object
    ears: int = 0
    paws: int = 0
    tail: int = 0
    chest: int = 0
    muzzle: int = 0


COATS = {
    "solid": _Coat(_no_marks),
    "tabby": _Coat(_stripes, muzzle=2),
    "spotted": _Coat(_spots, ears=1),
    "calico": _Coat(_patches, muzzle=2, chest=2, paws=2, ears=1),
    "brindle": _Coat(_streaks),
    "tortoiseshell": _Coat(_flecks, tail=1),
    "points": _Coat(_mask, ears=1, paws=1, tail=1, muzzle=1),
    "tuxedo": _Coat(_bib, chest=2, paws=2, muzzle=2),
    "blaze": _Coat(_blaze, chest=2, muzzle=2, paws=2),
    "half": _Coat(_half, ears=0, tail=1),
    "saddle": _Coat(_saddle, ears=1, tail=1),
    "panda": _Coat(_eye_patches, ears=1, paws=1, chest=1),
}


# --------------------------------------------------------------------------------------------
# Parts of the head and the tail
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ear:
    """An ear with its base at 0, pointing up; x grows away from the middle of the head."""

    outline: np.ndarray
    inside: np.ndarray | None = None
    flap: np.ndarray | None = None
    at: complex = 0.6 - 0.6j
    angle: float = 22.0
    in_front: bool = False


def _corner(*pairs):
    return _smooth(_pairs(*pairs), 5)


EARS = {
    "pointed": _Ear(
        _corner((-0.4, 0.25), (-0.33, -0.3), (0.02, -1), (0.02, -1), (0.33, -0.3), (0.38, 0.3)),
        _corner((-0.2, 0.1), (-0.17, -0.25), (0.02, -0.75), (0.19, -0.25), (0.2, 0.1)),
    ),
    "tufted": _Ear(
        _corner((-0.4, 0.25), (-0.3, -0.4), (0.04, -1.3), (0.04, -1.3), (0.3, -0.4), (0.4, 0.3)),
        _corner((-0.2, 0.1), (-0.17, -0.25), (0.02, -0.75), (0.19, -0.25), (0.2, 0.1)),
    ),
    "rounded": _Ear(
        _corner((-0.38, 0.3), (-0.38, -0.25), (0, -0.66), (0.36, -0.25), (0.38, 0.3)),
        _corner((-0.2, 0.1), (-0.2, -0.2), (0, -0.44), (0.2, -0.2), (0.2, 0.1)),
    ),
    "folded": _Ear(
        _corner((-0.4, 0.3), (-0.38, -0.3), (0.1, -0.52), (0.42, -0.2), (0.4, 0.3)),
        flap=_corner((-0.38, -0.3), (0.1, -0.56), (0.45, -0.2), (0.3, 0.22), (0.3, 0.22)),
    ),
    "floppy": _Ear(
        _corner((-0.35, 0.1), (0, -0.25), (0.4, 0), (0.55, 0.6), (0.3, 1.15), (-0.1, 0.85)),
        at=0.72 - 0.58j,
        angle=-4,
        in_front=True,
    ),
    "long": _Ear(
        _corner((-0.3, 0.1), (0, -0.2), (0.4, 0.1), (0.6, 0.9), (0.4, 1.7), (0, 1.6), (-0.1, 0.8)),
        at=0.78 - 0.45j,
        angle=-4,
        in_front=True,
    ),
    "upright": _Ear(
        _corner((-0.2, 0.3), (-0.3, -0.7), (-0.05, -1.75), (0.25, -1), (0.22, 0.3)),
        _corner((-0.1, 0), (-0.17, -0.7), (-0.03, -1.5), (0.14, -0.9), (0.1, 0)),
        at=0.38 - 0.75j,
        angle=12,
    ),
    "round": _Ear(_ellipse(0, -0.2, 0.42), _ellipse(0, -0.18, 0.26), at=0.72 - 0.72j, angle=30),
    "leaf": _Ear(
        _corner((-0.1, 0.2), (-0.24, -0.4), (0, -0.95), (0, -0.95), (0.26, -0.4), (0.14, 0.2)),
        _corner((-0.04, 0), (-0.12, -0.4), (0, -0.75), (0.14, -0.4), (0.06, 0)),
        at=0.82 - 0.5j,
        angle=72,
    ),
    "none": None,
}

EYE_SHAPES = {
    "round": _ellipse(0, 0, 1),
    "almond": _corner(
        (-1, 0.3), (-0.45, -0.55), (0.4, -0.85), (1.1, -0.5), (0.7, 0.45), (-0.2, 0.7)
    ),
    "droopy": _corner(
        (-0.95, -0.2), (-0.2, -0.85), (0.7, -0.5), (1.05, 0.4), (0.2, 0.8), (-0.7, 0.55)
    ),
}
PUPILS = {
    "round": _ellipse(0, 0, 0.6),
    "oval": _ellipse(0, 0, 0.42, 0.66),
    "slit": _smooth(_pairs((0, -0.78), (0.2, 0), (0, 0.78), (-0.2, 0))),
    "bar": _ellipse(0, 0, 0.62, 0.24),
}
NOSE_SHAPES = {
    "triangle": _corner((-1, -0.5), (0, -0.68), (1, -0.5), (0.5, 0.25), (0, 0.72), (-0.5, 0.25)),
    "heart": _corner((-0.55, -0.75), (0, -0.5), (0.55, -0.75), (1, -0.2), (0, 0.8), (-1, -0.2)),
    "oval": _corner((-1, -0.2), (-0.6, -0.75), (0.6, -0.75), (1, -0.2), (0.5, 0.6), (-0.5, 0.6)),
    "snout": _ellipse(0, 0, 1.5, 1.1),
    "koala": _ellipse(0, 0.1, 0.9, 1.5),
    "beak": _corner((-0.8, -0.8), (0, -1.1), (0.8, -0.8), (0, 1.6), (0, 1.6)),
    "none": None,
}
TAILS = {
    "long": (_pairs((0, 0), (0.9, 0.1), (1.4, -0.6), (1.25, -1.4), (1.6, -1.9)), 0.34, 0.2),
    "wrapped": (_pairs((0, 0), (0.9, 0.2), (1.0, 0.75), (0.2, 0.95), (-0.6, 0.85)), 0.34, 0.22),
    "bushy": (_pairs((0, 0), (0.7, -0.1), (1.2, -0.7), (1.25, -1.3)), 0.35, 0.75),
    "curled": (_pairs((0, 0), (0.7, -0.3), (0.9, -1), (0.4, -1.3), (0.1, -0.9)), 0.4, 0.25),
    "short": (_pairs((0, 0), (0.4, -0.2), (0.6, -0.5)), 0.35, 0.2),
    "whip": (_pairs((0, 0), (0.7, -0.2), (1.2, -0.9), (1.3, -1.4)), 0.25, 0.1),
    "none": None,
}


# --------------------------------------------------------------------------------------------
# Scenes: things are outlines with colours, scattered over a backdrop
# --------------------------------------------------------------------------------------------

_GREENS = ("#5f9d4f", "#78b05a", "#4a8a55")
_BRIGHT = ("#e4572e", "#f3a712", "#3f88c5", "#d1495b", "#7a5ea8", "#46a08f")
THINGS = {
    "cloud": (
        (_ellipse(0, 0, 1, 0.4), ("#ffffff", "#f4f1ee")),
        (_ellipse(-0.3, -0.25, 0.5, 0.4), ("#ffffff",)),
        (_ellipse(0.35, -0.2, 0.45, 0.35), ("#ffffff",)),
    ),
    "hill": ((_ellipse(0, 1, 2.4, 1.2), _GREENS),),
    "tree": (
        (_box(-0.12, 0, 0.12, 1), ("#7a5a3c",)),
        (_ellipse(0, -0.3, 0.75, 0.85), (*_GREENS, "#d9903d")),
        (_ellipse(-0.2, -0.5, 0.4, 0.4), ("#8cbd6a",)),
    ),
    "fir": (
        (_box(-0.1, 0.6, 0.1, 1), ("#6d5140",)),
        (_pairs((0, -1.2), (0.7, 0.7), (-0.7, 0.7)), ("#3f7560", "#57866f")),
        (_pairs((0, -1.2), (0.3, -0.4), (-0.3, -0.4)), ("#f3f7fb",)),
    ),
    "flower": (
        (_box(-0.07, 0, 0.07, 1.6), ("#4a8a55",)),
        (_ellipse(0, 0, 0.5), _BRIGHT),
        (_ellipse(0, 0, 0.2), ("#ffe08a",)),
    ),
    "grass": (
        (_pairs((-0.4, 0.2), (-0.6, -1), (-0.15, 0.2)), _GREENS),
        (_pairs((-0.15, 0.2), (0.05, -1.4), (0.2, 0.2)), _GREENS),
        (_pairs((0.1, 0.2), (0.6, -0.9), (0.4, 0.2)), _GREENS),
    ),
    "window": (
        (_box(-1, -1.2, 1, 1.2), ("#fdf6e3", "#b98b5e")),
        (_box(-0.85, -1.05, 0.85, 1.05), ("#a9d6ea", "#f6c9a0", "#34466e")),
        (_ellipse(0.2, 0.8, 0.6, 0.35), _GREENS),
        (_box(-0.06, -1.1, 0.06, 1.1), ("#fdf6e3",)),
        (_box(-0.9, -0.06, 0.9, 0.06), ("#fdf6e3",)),
        (_pairs((-1.2, -1.3), (-0.6, -1.3), (-0.95, 1.3), (-1.25, 1.3)), _BRIGHT),
        (_pairs((1.2, -1.3), (0.6, -1.3), (0.95, 1.3), (1.25, 1.3)), _BRIGHT),
    ),
    "frame": (
        (_box(-0.8, -1, 0.8, 1), ("#8b5e3c", "#f0e2c4")),
        (_box(-0.62, -0.8, 0.62, 0.8), ("#f9f1df", "#9fc9c4", "#efb8a2")),
        (_ellipse(0, 0.1, 0.35, 0.45), _BRIGHT),
    ),
    "lamp": (
        (_box(-0.06, 0, 0.06, 3), ("#6b5a4e",)),
        (_pairs((-0.35, -0.9), (0.35, -0.9), (0.7, 0.1), (-0.7, 0.1)), ("#ffd98a", "#f7e7c6")),
    ),
    "sofa": (
        (_smooth(_pairs((-3, -1), (3, -1), (3.2, 2), (-3.2, 2))), _BRIGHT),
        (_box(-3, 0.4, 3, 0.5), ("#5a3a44",)),
        (_ellipse(-3, 0.6, 0.7, 1.2), _BRIGHT),
        (_ellipse(3, 0.6, 0.7, 1.2), _BRIGHT),
    ),
    "cushion": ((_smooth(_pairs((-1, -1), (1, -1), (1, 1), (-1, 1))), _BRIGHT),),
    "star": ((_ellipse(0, 0, 1, count=6), ("#fff6cf", "#ffe9a8")),),
    "moon": (
        (_ellipse(0, 0, 1), ("#fff3c4",)),
        (_ellipse(-0.3, 0.1, 0.2), ("#efdca0",)),
        (_ellipse(0.35, -0.3, 0.14), ("#efdca0",)),
    ),
    "sun": ((_ellipse(0, 0, 1), ("#ffe28a", "#ffc46b")),),
    "house": (
        (_box(-0.8, -1, 0.8, 2), ("#e7b58c", "#d98673", "#9fb7c9", "#efdca5")),
        (_pairs((-1, -1), (0, -1.8), (1, -1)), ("#8c4a3e", "#5c5f73")),
        (_box(-0.5, -0.6, -0.1, 0), ("#ffe9a8", "#6b87a3")),
        (_box(0.15, -0.6, 0.55, 0), ("#ffe9a8", "#6b87a3")),
    ),
    "sea": ((_box(-9, 0, 9, 2), ("#4fa3bf", "#69b7c6", "#3d86ad")),),
    "parasol": (
        (_box(-0.05, 0, 0.05, 2), ("#8b6b4e",)),
        (_smooth(_pairs((-1.2, 0.2), (0, -0.8), (1.2, 0.2), (1.2, 0.2), (-1.2, 0.2))), _BRIGHT),
        (_pairs((-0.3, 0.15), (0, -0.75), (0.3, 0.15)), ("#fff4dd",)),
    ),
    "dot": ((_ellipse(0, 0, 1, count=12), ("#ffffff", "#f6e3c4")),),
    "diamond": ((_pairs((0, -1.3), (1, 0), (0, 1.3), (-1, 0)), ("#ffffff", "#f3c9b5")),),
    "leaf": (
        (_smooth(_pairs((-1, 0), (0, -0.5), (1, 0), (0, 0.5))), ("#d9772f", "#c94f2c", "#e8b04a")),
    ),
    "ball": (
        (_ellipse(0, 0, 1), _BRIGHT),
        (_ellipse(-0.1, 0, 0.4, 0.95), ("#fff4dd",)),
        (_ellipse(-0.4, -0.45, 0.2), ("#ffffff",)),
    ),
    "bowl": (
        (_pairs((-1.1, 0.9), (-0.8, 0), (0.8, 0), (1.1, 0.9)), _BRIGHT),
        (_ellipse(0, 0, 0.8, 0.2), ("#6b4a36",)),
    ),
    "mug": (
        (_ellipse(0.7, 0.3, 0.45), ("#efe5d0",)),
        (_box(-0.6, -0.4, 0.7, 1), _BRIGHT),
        (_ellipse(0.05, -0.4, 0.65, 0.15), ("#5a3a2c",)),
    ),
    "book": (
        (_box(-1.2, 0.3, 1.2, 0.8), _BRIGHT),
        (_box(-1.1, 0.4, 1.2, 0.7), ("#fbf3df",)),
        (_box(-1, -0.1, 1.1, 0.3), _BRIGHT),
    ),
    "mound": ((_ellipse(0, 0.8, 2, 0.9), ("#f4f8fc", "#e3edf5")),),
    "pebble": ((_ellipse(0, 0, 0.6, 0.4), ("#b9a88f", "#8f8a86", "#d8c8a8")),),
}


@dataclass(frozen=True)
class _Scatter:
    """Some things, somewhere: ranges in shares of the picture's side."""

    thing: str
    count: tuple[int, int]
    x: tuple[float, float]
    y: tuple[float, float]
    size: tuple[float, float]


@dataclass(frozen=True)
class _Scene:
    sky: tuple[str, ...]
    ground: tuple[str, ...]
    horizon: tuple[float, float]
    things: tuple[_Scatter, ...]
    clutter: tuple[str, ...]
    lattice: tuple[str, ...] = ()


BACKGROUNDS = {
    "meadow": _Scene(
        ("#a9dcf0", "#f6dcb5", "#cfe8e4"),
        ("#8cc063", "#a3c25e", "#6ba35c"),
        (0.45, 0.65),
        (
            _Scatter("sun", (0, 1), (0, 1), (0.05, 0.3), (0.06, 0.1)),
            _Scatter("cloud", (1, 3), (0, 1), (0.05, 0.35), (0.1, 0.2)),
            _Scatter("hill", (1, 3), (0, 1), (0.4, 0.5), (0.12, 0.2)),
            _Scatter("tree", (0, 3), (0, 1), (0.3, 0.5), (0.1, 0.2)),
            _Scatter("flower", (5, 18), (0, 1), (0.65, 1), (0.02, 0.045)),
        ),
        ("grass", "flower", "ball"),
    ),
    "room": _Scene(
        ("#f2dfc0", "#c9dcd2", "#e8c3b4", "#b9c4de"),
        ("#b98a5f", "#8f6a52", "#d3b38c"),
        (0.65, 0.8),
        (
            _Scatter("window", (1, 1), (0.1, 0.9), (0.25, 0.4), (0.2, 0.3)),
            _Scatter("frame", (0, 2), (0, 1), (0.15, 0.4), (0.07, 0.14)),
            _Scatter("lamp", (0, 1), (0, 1), (0.4, 0.5), (0.1, 0.15)),
        ),
        ("ball", "book", "mug", "bowl"),
    ),
    "sofa": _Scene(
        ("#efe0c8", "#cbd8e2", "#dcc7d4", "#c8d6b9"),
        ("#a9805f", "#7d6255"),
        (0.8, 0.9),
        (
            _Scatter("frame", (0, 3), (0, 1), (0.1, 0.25), (0.08, 0.14)),
            _Scatter("sofa", (1, 1), (0.4, 0.6), (0.5, 0.65), (0.16, 0.24)),
            _Scatter("cushion", (0, 3), (0, 1), (0.5, 0.7), (0.08, 0.13)),
        ),
        ("cushion", "book", "mug"),
    ),
    "night": _Scene(
        ("#1f2a52", "#2b2348", "#173a52"),
        ("#26443f", "#2d3550"),
        (0.6, 0.8),
        (
            _Scatter("star", (12, 30), (0, 1), (0, 0.6), (0.006, 0.014)),
            _Scatter("moon", (0, 1), (0, 1), (0.1, 0.3), (0.08, 0.13)),
            _Scatter("fir", (0, 4), (0, 1), (0.55, 0.65), (0.1, 0.2)),
            _Scatter("house", (0, 2), (0, 1), (0.55, 0.6), (0.1, 0.15)),
        ),
        ("grass", "pebble"),
    ),
    "beach": _Scene(
        ("#9fdcf2", "#f9d3a7", "#c6e6ee"),
        ("#ecd6a2", "#e2c48d", "#f1e1bb"),
        (0.5, 0.6),
        (
            _Scatter("sun", (0, 1), (0, 1), (0.05, 0.3), (0.06, 0.1)),
            _Scatter("cloud", (0, 2), (0, 1), (0.05, 0.3), (0.1, 0.18)),
            _Scatter("sea", (1, 1), (0.5, 0.5), (0.36, 0.48), (0.1, 0.12)),
            _Scatter("parasol", (0, 2), (0, 1), (0.35, 0.5), (0.12, 0.2)),
            _Scatter("pebble", (4, 12), (0, 1), (0.7, 1), (0.015, 0.04)),
        ),
        ("ball", "pebble", "parasol"),
    ),
    "snow": _Scene(
        ("#cfdcea", "#aebfd8", "#eadfe6"),
        ("#f3f7fb", "#e2ebf4"),
        (0.5, 0.7),
        (
            _Scatter("fir", (1, 5), (0, 1), (0.4, 0.6), (0.1, 0.24)),
            _Scatter("house", (0, 1), (0, 1), (0.4, 0.5), (0.1, 0.15)),
            _Scatter("mound", (1, 3), (0, 1), (0.6, 0.8), (0.1, 0.2)),
            _Scatter("dot", (20, 45), (0, 1), (0, 1), (0.006, 0.014)),
        ),
        ("mound", "ball"),
    ),
    "street": _Scene(
        ("#bcd7e6", "#f2cfa9", "#c9c6d6"),
        ("#8f8d93", "#a59a8e", "#77757d"),
        (0.6, 0.75),
        (
            _Scatter("cloud", (0, 2), (0, 1), (0.05, 0.2), (0.1, 0.15)),
            _Scatter("house", (3, 6), (0, 1), (0.35, 0.5), (0.13, 0.2)),
            _Scatter("tree", (0, 2), (0, 1), (0.5, 0.6), (0.1, 0.16)),
            _Scatter("lamp", (0, 2), (0, 1), (0.3, 0.4), (0.06, 0.1)),
        ),
        ("ball", "leaf", "pebble"),
    ),
    "wallpaper": _Scene(
        ("#e9b7a4", "#9cc3b5", "#e8cf8f", "#a9b6d9", "#c7a6c4"),
        ("#c49a6c", "#8a6a58"),
        (0.78, 1.2),
        (_Scatter("frame", (0, 1), (0, 1), (0.15, 0.4), (0.08, 0.14)),),
        ("cushion", "mug", "book", "bowl"),
        lattice=("dot", "diamond", "flower", "leaf"),
    ),
    "autumn": _Scene(
        ("#f3d9a8", "#e7c7b0", "#c9d5d3"),
        ("#b98a4b", "#a9743f", "#8f8a4d"),
        (0.5, 0.7),
        (
            _Scatter("tree", (2, 5), (0, 1), (0.2, 0.5), (0.15, 0.28)),
            _Scatter("leaf", (10, 26), (0, 1), (0, 1), (0.02, 0.04)),
        ),
        ("leaf", "grass", "pebble"),
    ),
}


# --------------------------------------------------------------------------------------------
# Kinds and breeds: each trait has a distribution
# --------------------------------------------------------------------------------------------

# A pair of numbers is a range, a dictionary gives weights, anything else is the value itself.
_COMMON = {
    "ears": "pointed",
    "ear_size": (0.85, 1.15),
    "head_width": (0.98, 1.14),
    "cheeks": (0.0, 0.14),
    "muzzle_length": (0.2, 0.5),
    "muzzle_width": (0.4, 0.5),
    "nose": "oval",
    "nose_size": (0.14, 0.22),
    "nose_colour": "black",
    "eye_shape": "round",
    "eye_size": (0.17, 0.23),
    "eye_spacing": (0.4, 0.5),
    "eye_colour": {"brown": 2, "dark": 2, "amber": 1},
    "pupil": "round",
    "whiskers": "none",
    "mouth": {"closed": 3, "smile": 3, "open": 1},
    "tail": "short",
    "fur": "smooth",
}
_CAT = _COMMON | {
    "ears": "pointed",
    "head_width": (1.02, 1.2),
    "muzzle_length": (0.08, 0.36),
    "muzzle_width": (0.34, 0.48),
    "nose": {"triangle": 5, "heart": 3, "oval": 2},
    "nose_size": (0.1, 0.17),
    "nose_colour": {"pink": 5, "brown": 2, "black": 2, "grey": 1},
    "eye_shape": {"almond": 5, "round": 4},
    "eye_size": (0.2, 0.29),
    "eye_spacing": (0.42, 0.52),
    "eye_colour": {"green": 4, "yellow": 3, "amber": 2, "blue": 2, "brown": 1},
    "pupil": {"slit": 4, "oval": 3, "round": 3},
    "whiskers": {"long": 6, "short": 3, "none": 1},
    "mouth": {"closed": 4, "smile": 5, "open": 1},
    "tail": {"long": 4, "wrapped": 4, "bushy": 2},
}
_DOG = _COMMON | {
    "ears": "floppy",
    "head_width": (0.92, 1.08),
    "muzzle_length": (0.4, 0.9),
    "muzzle_width": (0.4, 0.56),
    "nose": {"oval": 6, "heart": 2, "triangle": 2},
    "nose_size": (0.17, 0.26),
    "nose_colour": {"black": 6, "brown": 3, "pink": 1, "grey": 1},
    "eye_shape": {"round": 5, "droopy": 4, "almond": 2},
    "eye_size": (0.15, 0.22),
    "eye_colour": {"brown": 4, "dark": 3, "amber": 2, "blue": 1, "green": 0.5},
    "pupil": {"round": 5, "oval": 1},
    "whiskers": {"none": 5, "short": 4, "long": 1},
    "mouth": {"closed": 3, "smile": 3, "open": 2, "tongue": 4},
    "tail": {"long": 2, "bushy": 2, "curled": 3, "short": 3},
}
BREEDS = {
    "cat": (
        (4, _CAT),
        (
            2,
            _CAT
            | {
                "ear_size": (1.1, 1.35),
                "head_width": (0.9, 1.02),
                "muzzle_length": (0.3, 0.55),
                "eye_shape": "almond",
            },
        ),
        (
            2,
            _CAT
            | {
                "ears": {"rounded": 3, "pointed": 1},
                "ear_size": (0.75, 1),
                "cheeks": (0.1, 0.25),
                "muzzle_length": (0.0, 0.12),
                "eye_shape": "round",
                "eye_size": (0.26, 0.32),
                "fur": "fluffy",
                "tail": "bushy",
            },
        ),
        (
            2,
            _CAT
            | {
                "ears": "folded",
                "ear_size": (0.8, 1),
                "cheeks": (0.08, 0.2),
                "eye_shape": "round",
                "eye_size": (0.24, 0.3),
            },
        ),
        (
            1.5,
            _CAT
            | {
                "ears": "tufted",
                "cheeks": (0.1, 0.25),
                "muzzle_length": (0.3, 0.5),
                "fur": "fluffy",
                "tail": "bushy",
            },
        ),
        (1, _CAT | {"ears": {"rounded": 1, "pointed": 1}, "fur": "curly"}),
    ),
    "dog": (
        (2, _DOG | {"ears": "floppy"}),
        (
            1.5,
            _DOG
            | {
                "ears": {"long": 2, "floppy": 1},
                "eye_shape": "droopy",
                "fur": {"smooth": 1, "fluffy": 1},
            },
        ),
        (
            2,
            _DOG
            | {"ears": "pointed", "muzzle_length": (0.6, 0.95), "tail": {"bushy": 2, "long": 1}},
        ),
        (
            1.5,
            _DOG
            | {
                "ears": "pointed",
                "cheeks": (0.1, 0.22),
                "muzzle_length": (0.4, 0.65),
                "fur": "fluffy",
                "tail": "curled",
            },
        ),
        (
            1.5,
            _DOG
            | {
                "ears": {"folded": 3, "rounded": 1},
                "muzzle_length": (0.35, 0.7),
                "fur": {"fluffy": 1, "curly": 1, "smooth": 1},
            },
        ),
        (
            1.5,
            _DOG
            | {
                "ears": {"folded": 2, "floppy": 1},
                "ear_size": (0.65, 0.9),
                "head_width": (1.02, 1.16),
                "cheeks": (0.08, 0.2),
                "muzzle_length": (0.12, 0.3),
                "muzzle_width": (0.54, 0.66),
                "eye_size": (0.2, 0.27),
                "nose_size": (0.15, 0.22),
            },
        ),
        (
            1,
            _DOG
            | {
                "ears": "pointed",
                "ear_size": (1.1, 1.4),
                "muzzle_length": (0.3, 0.5),
                "eye_size": (0.2, 0.28),
                "head_width": (0.98, 1.12),
            },
        ),
        (1.5, _DOG | {"ears": "floppy", "fur": "curly"}),
    ),
    "rabbit": (
        (
            3,
            _COMMON
            | {
                "ears": "upright",
                "muzzle_length": (0.1, 0.3),
                "nose": {"triangle": 2, "heart": 1},
                "nose_size": (0.09, 0.13),
                "nose_colour": {"pink": 3, "brown": 1},
                "whiskers": {"long": 1, "short": 1},
            },
        ),
        (
            1,
            _COMMON
            | {
                "ears": "long",
                "muzzle_length": (0.1, 0.3),
                "nose": "triangle",
                "nose_size": (0.09, 0.13),
                "nose_colour": "pink",
                "whiskers": "long",
                "fur": "fluffy",
            },
        ),
    ),
    "bear": (
        (
            1,
            _COMMON
            | {
                "ears": "round",
                "ear_size": (0.8, 1),
                "head_width": (1.08, 1.2),
                "muzzle_length": (0.4, 0.6),
                "muzzle_width": (0.44, 0.54),
                "nose_size": (0.18, 0.24),
                "eye_size": (0.1, 0.14),
                "fur": {"smooth": 1, "fluffy": 1},
                "colours": {"chocolate": 2, "rust": 2, "black": 1, "white": 1, "fawn": 1},
                "coat": {"solid": 3, "tuxedo": 1},
            },
        ),
    ),
    "fox": (
        (
            1,
            _COMMON
            | {
                "ears": "pointed",
                "ear_size": (1.1, 1.35),
                "head_width": (1.08, 1.2),
                "cheeks": (0.2, 0.34),
                "muzzle_length": (0.7, 1),
                "muzzle_width": (0.24, 0.32),
                "nose_size": (0.11, 0.15),
                "eye_shape": "almond",
                "eye_colour": "amber",
                "tail": "bushy",
                "fur": "fluffy",
                "colours": {"ginger": 4, "rust": 3, "grey": 1, "white": 1},
                "coat": {"tuxedo": 3, "blaze": 1},
            },
        ),
    ),
    "mouse": (
        (
            1,
            _COMMON
            | {
                "ears": "round",
                "ear_size": (1.35, 1.8),
                "head_width": (0.88, 1),
                "muzzle_length": (0.5, 0.8),
                "muzzle_width": (0.24, 0.32),
                "nose_size": (0.09, 0.13),
                "nose_colour": {"pink": 3, "black": 1},
                "eye_colour": {"dark": 3, "red": 1},
                "whiskers": "long",
                "tail": "whip",
            },
        ),
    ),
    "pig": (
        (
            1,
            _COMMON
            | {
                "ears": {"folded": 2, "pointed": 1},
                "ear_size": (0.7, 0.9),
                "head_width": (1.06, 1.2),
                "muzzle_length": (0.3, 0.5),
                "nose": "snout",
                "nose_size": (0.18, 0.24),
                "nose_colour": {"pink": 4, "brown": 1},
                "eye_size": (0.11, 0.16),
                "tail": "curled",
                "colours": {"pink": 5, "fawn": 1, "black": 1, "rust": 1},
                "coat": {"solid": 3, "spotted": 1, "calico": 1},
            },
        ),
    ),
    "owl": (
        (
            1,
            _COMMON
            | {
                "ears": {"tufted": 2, "none": 1},
                "ear_size": (0.5, 0.7),
                "head_width": (1.12, 1.25),
                "muzzle_length": (0.0, 0.1),
                "nose": "beak",
                "nose_size": (0.16, 0.22),
                "nose_colour": {"yellow": 2, "grey": 1},
                "eye_size": (0.3, 0.38),
                "eye_spacing": (0.44, 0.52),
                "eye_colour": {"yellow": 3, "amber": 2, "dark": 1},
                "mouth": "none",
                "tail": "none",
                "fur": "fluffy",
                "coat": {"spotted": 2, "brindle": 2, "solid": 1},
            },
        ),
    ),
    "frog": (
        (
            1,
            _COMMON
            | {
                "ears": "none",
                "head_width": (1.2, 1.4),
                "muzzle_length": (0.0, 0.1),
                "muzzle_width": (0.7, 0.9),
                "nose": "none",
                "eye_size": (0.26, 0.34),
                "eye_spacing": (0.55, 0.7),
                "eye_colour": {"yellow": 2, "amber": 1, "green": 1},
                "pupil": {"bar": 3, "round": 1},
                "mouth": {"smile": 3, "open": 1},
                "tail": "none",
                "colours": {"leaf": 4, "lime": 2, "blue": 1, "rust": 1},
                "coat": {"spotted": 2, "solid": 2, "brindle": 1},
            },
        ),
    ),
    "panda": (
        (
            1,
            _COMMON
            | {
                "ears": "round",
                "head_width": (1.12, 1.25),
                "cheeks": (0.08, 0.2),
                "muzzle_length": (0.25, 0.45),
                "nose_size": (0.15, 0.2),
                "eye_size": (0.12, 0.16),
                "colours": "white",
                "coat": "panda",
            },
        ),
    ),
    "koala": (
        (
            1,
            _COMMON
            | {
                "ears": "round",
                "ear_size": (1.4, 1.8),
                "head_width": (1.1, 1.22),
                "muzzle_length": (0.1, 0.25),
                "nose": "koala",
                "nose_size": (0.2, 0.26),
                "eye_size": (0.11, 0.15),
                "fur": "fluffy",
                "tail": "none",
                "colours": {"grey": 3, "silver": 2, "fawn": 1},
                "coat": {"solid": 2, "tuxedo": 1},
            },
        ),
    ),
    "cow": (
        (
            1,
            _COMMON
            | {
                "ears": "leaf",
                "head_width": (0.86, 0.98),
                "muzzle_length": (0.7, 0.95),
                "muzzle_width": (0.56, 0.68),
                "nose": "none",
                "tail": "whip",
                "coat": {"calico": 2, "blaze": 2, "solid": 1},
            },
        ),
    ),
    "sheep": (
        (
            1,
            _COMMON
            | {
                "ears": "leaf",
                "head_width": (0.82, 0.95),
                "muzzle_length": (0.5, 0.7),
                "muzzle_width": (0.36, 0.44),
                "nose": "triangle",
                "nose_size": (0.1, 0.14),
                "fur": "curly",
                "colours": {"white": 4, "cream": 2, "chocolate": 1, "black": 1},
                "coat": {"solid": 1, "points": 2},
            },
        ),
    ),
}

KINDS = ("cat", "dog")
OTHER_KINDS = tuple(kind for kind in BREEDS if kind not in KINDS)

# What does not depend on the kind. A kind may bring its own coat and colours.
_SCENE = {
    "background": dict.fromkeys(BACKGROUNDS, 1),
    "coat": {name: 1 for name in COATS if name != "panda"},
    "colours": {name: 1 for name in list(FUR)[:10]},
    "second_colour": {name: 1 for name in list(FUR)[:10]},
    "collar": {"none": 5, "plain": 2, "bell": 2, "scarf": 1, "bow": 1},
    "collar_colour": dict.fromkeys(_BRIGHT, 1),
    "number": {1: 14, 2: 4, 3: 2},
    "pose": {"portrait": 4, "sitting": 3, "lying": 2, "standing": 2, "peeking": 1.5},
    "scale": (0.85, 1.25),
    "x": (0.3, 0.7),
    "y": (-0.1, 0.1),
    "rotation": (-16.0, 16.0),
    "turn": (-1.0, 1.0),
    "tilt": (-14.0, 14.0),
    "mirrored": {False: 1, True: 1},
    "light_angle": (-160.0, -20.0),
    "brightness": (0.82, 1.1),
    "warmth": (-0.12, 0.12),
    "blur": {0.0: 6, 0.6: 2, 1.1: 1},
    "clutter": {0: 2, 1: 2, 2: 1, 3: 1},
}


@dataclass(frozen=True)
class Traits:
    """What one picture shows; lengths are in half heads, angles in degrees clockwise.

    ``kind`` is the answer. The traits from ``ears`` to ``fur`` are drawn from distributions that
    depend on the kind; a cat's and a dog's overlap in each of them. The others do not depend on
    whether the animal is a cat or a dog.
    """

    kind: str
    ears: str
    ear_size: float
    head_width: float
    cheeks: float
    muzzle_length: float
    muzzle_width: float
    nose: str
    nose_size: float
    nose_colour: str
    eye_shape: str
    eye_size: float
    eye_spacing: float
    eye_colour: str
    pupil: str
    whiskers: str
    mouth: str
    tail: str
    fur: str
    coat: str
    colours: str
    second_colour: str
    collar: str
    collar_colour: str
    background: str
    number: int
    pose: str
    scale: float
    x: float
    y: float
    rotation: float
    turn: float
    tilt: float
    mirrored: bool
    light_angle: float
    brightness: float
    warmth: float
    blur: float
    clutter: int


def _pick(rng, distribution):
    if isinstance(distribution, dict):
        return rng.choices(list(distribution), list(distribution.values()))[0]
    if isinstance(distribution, tuple):
        return rng.uniform(*distribution)
    return distribution


def draw_traits(kind, seed):
    """Draw the traits of one picture.

    Parameters
    ----------
    kind : str
        One of ``KINDS`` or ``OTHER_KINDS``.
    seed : int

    Returns
    -------
    Traits

    Raises
    ------
    ValueError
        If the kind is unknown; the message lists those that are known.
    """
    if kind not in BREEDS:
        raise ValueError(f"unknown kind {kind!r}; possible: {', '.join(BREEDS)}")
    rng = random.Random(f"scene {seed}")
    scene = {name: _pick(rng, distribution) for name, distribution in _SCENE.items()}
    rng = random.Random(f"{kind} {seed}")
    weights, breeds = zip(*BREEDS[kind], strict=True)
    breed = rng.choices(breeds, weights)[0]
    return Traits(kind, **scene | {name: _pick(rng, d) for name, d in breed.items()})


# --------------------------------------------------------------------------------------------
# Painting
# --------------------------------------------------------------------------------------------


class _Painting:
    """A canvas at twice the final size, and a relief of light and shadow at half of it."""

    def __init__(self, size, backdrop, light_angle):
        self.side = -(-SUPERSAMPLING * size // CELL) * CELL
        self.image = backdrop.resize((self.side, self.side), Image.Resampling.BILINEAR)
        self.draw = ImageDraw.Draw(self.image)
        self.fur = Image.new("RGB", self.image.size)
        self.fur_draw = ImageDraw.Draw(self.fur)
        self.relief = np.ones((self.side // CELL,) * 2, "float32")
        self.light = np.exp(1j * np.radians(light_angle))

    def fill(self, points, colour, on_fur=False):
        draw = self.fur_draw if on_fur else self.draw
        draw.polygon(points.view(float).tolist(), fill=_rgb(colour))

    def line(self, points, colour, width=1.0, closed=False):
        points = np.append(points, points[:1]) if closed else points
        width = max(1, round(width * self.side / 160))
        self.draw.line(points.view(float).tolist(), fill=_rgb(colour), width=width)

    def form(self, points, ink, colour=None, depth=1.0):
        """Paint a rounded shape, in one colour or in the fur, with light, shadow and outline."""
        box = self._around(points)
        if box is None:
            return
        left, top, right, bottom = box
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon((points - complex(left, top)).view(float).tolist(), fill=255)
        paint = self.fur.crop(box) if colour is None else _rgb(colour)
        self.image.paste(paint, box, mask)
        self._round_off(mask, box, depth)
        self.line(points, ink, closed=True)

    def _around(self, points):
        """Return the box that the points and their shadow take up, on whole cells of the relief."""
        margin = self.side / 16
        x, y = points.real, points.imag
        edges = (x.min() - margin, y.min() - margin, x.max() + margin, y.max() + margin)
        cells = [min(len(self.relief), max(0, int(edge // CELL))) for edge in edges]
        left, top, right, bottom = (CELL * cell for cell in cells)
        return (left, top, right, bottom) if right > left + CELL and bottom > top + CELL else None

    def _round_off(self, mask, box, depth):
        small = mask.reduce(CELL)
        radius = len(self.relief) / 14
        soft = np.asarray(small.filter(ImageFilter.GaussianBlur(radius)), "float32") / 255
        inside = np.asarray(small, "float32") / 255
        down, right = np.gradient(soft)
        slope = -radius * (right * self.light.real + down * self.light.imag)
        left, top, right, bottom = (edge // CELL for edge in box)
        relief = self.relief[top:bottom, left:right]
        relief *= 1 - 0.28 * depth * soft
        relief += inside * (1 + 0.55 * depth * slope - relief)

    def finished(self, traits, rng):
        """Return the picture at its final size, lit, as a uint8 array."""
        size = self.side // SUPERSAMPLING
        across = np.linspace(-1, 1, size, dtype="float32")
        relief = Image.fromarray(self.relief).resize((size, size), Image.Resampling.BILINEAR)
        shade = 1 + 0.13 * (across * self.light.real + across[:, None] * self.light.imag)
        shade = shade.astype("float32") * np.asarray(relief)
        tint = traits.brightness * np.array([1 + traits.warmth, 1, 1 - traits.warmth], "float32")
        grain = np.frombuffer(rng.randbytes(size * size), "uint8").astype("float32")
        pixels = np.asarray(self.image.reduce(SUPERSAMPLING)) * shade[..., None] * tint
        pixels += (grain.reshape(size, size, 1) - 127.5) * np.float32(12 / 255)
        picture = Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype("uint8"))
        if traits.blur:
            picture = picture.filter(ImageFilter.GaussianBlur(traits.blur * size / 160))
        return np.asarray(picture)


def _backdrop(size, scene, rng):
    """Paint a scene out of focus."""
    image = Image.new("RGB", (size, size), _shifted(rng, rng.choice(scene.sky)))
    draw = ImageDraw.Draw(image)
    frame = _Frame(0j, complex(size))
    if scene.lattice:
        _lattice(draw, frame, rng.choice(scene.lattice), rng)
    horizon = rng.uniform(*scene.horizon)
    ground = _box(-0.1, horizon, 1.1, 1.1 + horizon)
    draw.polygon(frame(ground).view(float).tolist(), _shifted(rng, rng.choice(scene.ground)))
    for scatter in scene.things:
        _scatter(draw, frame, scatter, rng)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.6) * size / 160))


def _scatter(draw, frame, scatter, rng):
    for _ in range(rng.randint(*scatter.count)):
        at = complex(rng.uniform(*scatter.x), rng.uniform(*scatter.y))
        _thing(draw, frame.inner(at, rng.uniform(*scatter.size)), scatter.thing, rng)


def _lattice(draw, frame, thing, rng):
    columns = rng.randint(4, 9)
    colours = [_shifted(rng, rng.choice(choices)) for _, choices in THINGS[thing]]
    for i in range(columns):
        for j in range(columns):
            at = complex(i + 0.5 * (j % 2), j + 0.5) / columns
            _thing(draw, frame.inner(at, 0.22 / columns), thing, rng, colours)


def _thing(draw, frame, thing, rng, colours=None):
    for i, (outline, choices) in enumerate(THINGS[thing]):
        colour = colours[i] if colours else _shifted(rng, rng.choice(choices), 8)
        draw.polygon(frame(outline).view(float).tolist(), colour)


# --------------------------------------------------------------------------------------------
# The animal
# --------------------------------------------------------------------------------------------


class _Animal:
    """One animal on a painting: head frame, body frame and colours, and how to paint each part."""

    def __init__(self, painting, frame, traits, rng):
        self.painting, self.traits, self.rng = painting, traits, rng
        self.frame = frame
        self.turn = traits.turn
        self.head = frame.inner(0j, angle=traits.tilt)
        base, second = traits.colours, traits.second_colour
        if second == base:
            second = "white" if _brightness(FUR[base]) < 0.6 else "chocolate"
        third = "white" if base != "white" else "ginger"
        self.colours = [_shifted(rng, FUR[name], 8) for name in (base, second, third)]
        self.coat = COATS[traits.coat]
        self.ink = _ink(self.colours[0])

    # --- coat

    def wear(self, frame, stretch=1.0):
        """Paint the fur layer for a head or a body."""
        painting, rng = self.painting, self.rng
        painting.fur.paste(self.colours[0], (0, 0, painting.side, painting.side))
        for outline, colour in self.coat.marks(rng):
            painting.fill(frame(outline * stretch), self.colours[colour], on_fur=True)
        self.hairs(frame, stretch)

    def hairs(self, frame, stretch, count=40):
        x, y = np.array([self.rng.uniform(-1.1, 1.1) for _ in range(2 * count)]).reshape(2, count)
        roots = stretch * (x + 1j * y)
        hairs = frame(np.stack([roots, roots + 0.16j + 0.08 * roots.real], axis=1))
        width = max(1, self.painting.side // 200)
        tones = [_mix(self.colours[0], tone, 0.13) for tone in (WHITE, INK)]
        for i, hair in enumerate(hairs.view(float).tolist()):
            self.painting.fur_draw.line(hair, tones[i % 2], width)

    def edge(self, outline, amount=0.05):
        """Give an outline the edge of the animal's fur."""
        if self.traits.fur == "fluffy":
            return _rough(outline, amount * 1.3, 3)
        if self.traits.fur == "curly":
            return _rough(outline, amount * 1.7, 6)
        return outline

    def part(self, frame, outline, colour=None, depth=1.0):
        self.painting.form(frame(outline), self.ink, colour, depth)

    # --- body

    def paws(self, *places, size=0.3):
        for at in places:
            frame = self.frame.inner(at, size)
            self.part(frame, _ellipse(0, 0, 1.1, 0.75), self.colours[self.coat.paws], 0.6)
            for x in (-0.35, 0.35):
                self.painting.line(frame(_pairs((x, 0.1), (x, 0.65))), self.ink)

    def leg(self, top, bottom, width=0.5):
        spine = np.linspace(top, bottom, 4)
        self.part(self.frame, self.edge(_ribbon(spine, width * 1.15, width), 0.03), depth=0.7)

    def tail(self, at, scale=1.0, flipped=False):
        if TAILS[self.traits.tail] is None:
            return
        spine, start, end = TAILS[self.traits.tail]
        outline = self.edge(_ribbon(_open_smooth(spine), start, end), 0.07)
        self.part(
            self.frame.inner(at, scale, flipped=flipped), outline, self.colours[self.coat.tail]
        )

    def chest(self, at, width, height):
        if self.coat.chest:
            bib = self.frame(_rough(_ellipse(at.real, at.imag, width, height), 0.06, 3))
            self.painting.fill(bib, self.colours[self.coat.chest])

    def trunk(self, outline, centre, stretch):
        self.wear(self.frame.inner(centre), stretch)
        self.part(self.frame, self.edge(outline, 0.07))

    def portrait(self):
        self.trunk(_symmetric((0, 0.4), (0.6, 0.6), (1.0, 1.3), (1.2, 2.6), (0, 3.2)), 1.8j, 1.3)
        self.chest(1.7j, 0.5, 0.9)

    def sitting(self):
        self.tail(0.75 + 2.6j, 0.9)
        body = _symmetric((0, 0.4), (0.55, 0.7), (0.75, 1.5), (1.05, 2.3), (0.85, 2.9), (0, 2.95))
        self.trunk(body, 1.8j, 1.2)
        self.chest(1.4j, 0.38, 0.6)
        self.paws(-0.85 + 2.85j, 0.85 + 2.85j, size=0.36)
        self.leg(-0.3 + 1.7j, -0.3 + 2.8j)
        self.leg(0.3 + 1.7j, 0.3 + 2.8j)
        self.paws(-0.32 + 2.9j, 0.32 + 2.9j)

    def lying(self):
        self.tail(2.2 + 1.3j, 0.9)
        body = _smooth(
            _pairs((-0.7, 0.8), (0.4, 0.2), (1.8, 0.3), (2.6, 1.0), (2.2, 1.7), (0, 1.75))
        )
        self.trunk(body, 1.0 + 1.0j, 1.5)
        self.chest(0.9j, 0.5, 0.5)
        self.part(self.frame, self.edge(_ellipse(1.85, 1.3, 0.62, 0.55), 0.06), depth=0.7)
        self.paws(1.5 + 1.75j, -0.55 + 1.65j, 0.25 + 1.7j, size=0.34)

    def standing(self):
        self.tail(2.6 + 0.7j)
        for x in (0.35, 2.15):
            self.leg(x + 1.3j, x + 0.1 + 2.6j, 0.44)
            self.paws(x + 2.65j)
        body = _smooth(
            _pairs((-0.3, 0.5), (0.6, 0.3), (2.3, 0.3), (2.8, 0.9), (2.3, 1.7), (0.2, 1.7))
        )
        self.trunk(body, 1.3 + 1.0j, 1.5)
        self.chest(0.1 + 1.1j, 0.32, 0.5)
        for x in (-0.02, 2.4):
            self.leg(x + 1.3j, x + 2.7j, 0.48)
            self.paws(x - 0.08 + 2.75j)

    def peeking(self):
        self.portrait()

    # --- head

    def paint(self):
        """Paint the whole animal, back to front."""
        getattr(self, self.traits.pose)()
        self.collar()
        self.wear(self.head)
        self.ears(in_front=False)
        self.part(self.head, self.edge(self.skull()))
        self.ears(in_front=True)
        self.muzzle()
        self.eyes()
        self.whiskers()

    def skull(self):
        width, cheeks = self.traits.head_width, self.traits.cheeks
        return _symmetric(
            (0, -0.95),
            (0.6 * width, -0.82),
            (0.97 * width, -0.2),
            ((0.92 + cheeks) * width, 0.35),
            (0.58 * width, 0.84),
            (0, 0.98),
        )

    def ears(self, in_front):
        ear = EARS[self.traits.ears]
        if ear is None or ear.in_front != in_front:
            return
        colour = self.colours[self.coat.ears]
        for flipped in (True, False):
            at = complex(ear.at.real * self.traits.head_width, ear.at.imag)
            at = _mirrored(at) if flipped else at
            at += 0.12 * self.turn
            frame = self.head.inner(
                at, self.traits.ear_size, -ear.angle if flipped else ear.angle, flipped
            )
            self.part(frame, self.edge(ear.outline), colour)
            if ear.inside is not None:
                self.painting.fill(frame(ear.inside), _mix(colour, PINK, 0.7))
            if ear.flap is not None:
                self.part(frame, ear.flap, _mix(colour, INK, 0.12), 0.7)

    def muzzle(self):
        traits = self.traits
        length, width = traits.muzzle_length, traits.muzzle_width
        tip = complex(self.turn * (0.18 + 0.42 * length), 0.42 + 0.16 * length)
        height = 0.24 + 0.16 * length
        brow = complex(self.turn * 0.2, tip.imag - 0.3 - 0.75 * length)
        narrow = 0.2 + 0.25 * width
        outline = _smooth(
            np.array(
                [
                    brow - narrow * 0.8,
                    brow - 0.06j,
                    brow + narrow * 0.8,
                    tip + complex(0.86 * width, -0.3 * height),
                    tip + complex(width, 0.35 * height),
                    tip + complex(0.5 * width, height),
                    tip + 0.95j * height,
                    tip + complex(-0.5 * width, height),
                    tip + complex(-width, 0.35 * height),
                    tip + complex(-0.86 * width, -0.3 * height),
                ]
            )
        )
        base = self.colours[self.coat.muzzle]
        frame = self.head
        colour = _mix(base, WHITE, 0.16)
        if length > 0.05:
            self.part_soft(frame, outline, colour, 0.5 + 0.7 * length)
        nose_at = tip - 1j * (0.4 * height)
        self.mouth(frame.inner(nose_at), width, height + 0.1, colour)
        self.nose(frame.inner(nose_at, traits.nose_size))

    def part_soft(self, frame, outline, colour, depth):
        self.painting.form(frame(outline), _mix(colour, INK, 0.12), colour, depth)

    def nose(self, frame):
        outline = NOSE_SHAPES[self.traits.nose]
        if outline is None:
            for x in (-0.9, 0.9):
                self.painting.fill(frame(_ellipse(x, 0, 0.3, 0.4)), self.ink)
            return
        colour = NOSES[self.traits.nose_colour]
        self.painting.form(frame(outline), _mix(colour, INK, 0.5), colour, 0.5)
        if self.traits.nose == "snout":
            for x in (-0.5, 0.5):
                self.painting.fill(frame(_ellipse(x, 0, 0.22, 0.4)), _mix(colour, INK, 0.6))
        self.painting.fill(frame(_ellipse(-0.3, -0.35, 0.28, 0.16)), _mix(colour, WHITE, 0.55))

    def mouth(self, frame, width, height, colour):
        style = self.traits.mouth
        if style == "none":
            return
        ink = _ink(colour)
        low = 0.62 * height + 0.1
        corner = complex(0.62 * width, low - (0.06 if style != "closed" else -0.04))
        if style in ("open", "tongue"):
            drop = 0.28 if style == "open" else 0.22
            gape = _smooth(
                np.array(
                    [
                        -corner,
                        -0.3 * width + low * 1j + 0.03j,
                        low * 1j,
                        0.3 * width + low * 1j + 0.03j,
                        corner,
                        complex(0.3 * width, low + drop),
                        complex(-0.3 * width, low + drop),
                    ]
                ).real
                * 1
                + 1j
                * np.array(
                    [corner.imag, low + 0.05, low, low + 0.05, corner.imag, low + drop, low + drop]
                )
            )
            self.painting.fill(frame(gape), MOUTH)
            long = 0.2 if style == "open" else 0.42
            tongue = _ellipse(0, low + drop * 0.45 + long * 0.35, 0.25 * width + 0.04, long * 0.6)
            self.painting.form(frame(tongue), _mix(TONGUE, INK, 0.3), TONGUE, 0.5)
        side = _open_smooth(np.array([low * 1j, complex(0.32 * width, low + 0.09), corner]))
        self.painting.line(frame(np.array([0j, low * 1j])), ink)
        self.painting.line(frame(side), ink)
        self.painting.line(frame(_mirrored(side)), ink)

    def eyes(self):
        traits = self.traits
        height = -0.14
        for side in (-1, 1):
            narrow = 1 - 0.22 * self.turn * side
            x = side * traits.eye_spacing * (1 - 0.12 * self.turn * side) + 0.2 * self.turn
            frame = self.head.inner(complex(x, height), traits.eye_size, flipped=side < 0)
            self.eye(frame, narrow)

    def eye(self, frame, narrow):
        outline = EYE_SHAPES[self.traits.eye_shape]
        iris = EYES[self.traits.eye_colour]
        squeeze = lambda points: points.real * narrow + 1j * points.imag  # noqa: E731
        self.painting.fill(frame(squeeze(outline) * 1.14), _mix(self.ink, INK, 0.7))
        self.painting.fill(frame(squeeze(outline)), iris)
        self.painting.fill(frame(squeeze(PUPILS[self.traits.pupil])), "#15110f")
        self.painting.fill(frame(_ellipse(-0.3, -0.34, 0.24) * (-1 if frame.flipped else 1)), WHITE)

    def whiskers(self):
        length = {"none": 0, "short": 0.35, "long": 0.8}[self.traits.whiskers]
        if not length:
            return
        tip = complex(self.turn * (0.18 + 0.42 * self.traits.muzzle_length), 0.5)
        colour = WHITE if _brightness(self.colours[0]) < 0.75 else _mix(self.colours[0], INK, 0.5)
        for side in (-1, 1):
            for slope in (-0.22, 0.0, 0.22):
                start = tip + complex(side * self.traits.muzzle_width * 0.6, slope * 0.35)
                bend = start + side * length * 0.55 + 1j * slope * length * 0.6 - 0.04j
                end = start + side * length + 1j * slope * length * 1.2
                self.painting.line(self.head(np.array([start, bend, end])), colour, 0.5)

    def collar(self):
        style = self.traits.collar
        if style == "none":
            return
        colour = self.traits.collar_colour
        band = _smooth(
            _pairs((-0.72, 0.62), (0, 1.0), (0.72, 0.62), (0.76, 0.86), (0, 1.24), (-0.76, 0.86))
        )
        if style == "scarf":
            self.part(
                self.frame, _corner((-0.5, 0.9), (0.5, 0.9), (0.1, 1.75), (0.1, 1.75)), colour
            )
        self.painting.form(self.frame(band), _mix(colour, INK, 0.4), colour)
        if style == "bell":
            self.painting.form(self.frame(_ellipse(0, 1.28, 0.17)), "#8a6420", "#f4c542")
        if style == "bow":
            bow = _pairs((-0.4, 0.95), (0, 1.15), (0.4, 0.95), (0.4, 1.4), (0, 1.2), (-0.4, 1.4))
            self.painting.form(self.frame(bow), _mix(colour, INK, 0.4), colour)


def _open_smooth(points, steps=6):
    """Draw a smooth open curve through the points."""
    weights = _spline_weights(len(points) + 2, steps)
    padded = np.concatenate([points[:1], points, points[-1:]])
    return np.append(np.einsum("ij,j", weights, padded)[steps : steps * len(points)], points[-1])


# --------------------------------------------------------------------------------------------
# A picture
# --------------------------------------------------------------------------------------------

# Half a head in shares of the picture's side, and where the head lies, for each pose.
_POSES = {
    "portrait": (0.25, 0.46),
    "sitting": (0.17, 0.34),
    "lying": (0.17, 0.48),
    "standing": (0.16, 0.38),
    "peeking": (0.22, 0.5),
}


def draw(kind, seed, size=160):
    """Draw one picture.

    Parameters
    ----------
    kind : str
        One of ``KINDS`` or ``OTHER_KINDS``.
    seed : int
    size : int, at least 32
        Side of the picture in pixels.

    Returns
    -------
    uint8 array, shape (size, size, 3), values 0..255

    Raises
    ------
    ValueError
        If the kind is unknown or the size too small; the message says what is possible.
    """
    if size < SMALLEST:
        raise ValueError(f"size is {size}; possible: {SMALLEST} pixels or more")
    traits = draw_traits(kind, seed)
    scene = BACKGROUNDS[traits.background]
    rng = random.Random(f"strokes {seed}")
    painting = _Painting(size, _backdrop(size, scene, rng), traits.light_angle)
    for frame, turned in _places(painting, traits, rng):
        _Animal(painting, frame, turned, rng).paint()
    _foreground(painting, traits, scene, rng)
    return painting.finished(traits, rng)


def _places(painting, traits, rng):
    """List the frames of the animals, back to front, each with its own turn and tilt."""
    unit, height = _POSES[traits.pose]
    unit *= traits.scale * {1: 1, 2: 0.8, 3: 0.68}[traits.number]
    where = complex(traits.x, height + traits.y)
    page = _Frame(0j, complex(painting.side))
    away = {1: [0], 2: [-2.3, 0], 3: [-2.2, 2.2, 0]}[traits.number]
    places = []
    for step in away:
        at = where + unit * complex(step, -0.3 * abs(step) * rng.random())
        angle = traits.rotation if step == 0 else rng.uniform(-10, 10)
        own = {} if step == 0 else {"turn": rng.uniform(-1, 1), "tilt": rng.uniform(-14, 14)}
        frame = page.inner(at, unit, angle, traits.mirrored != (step > 0))
        places.append((frame, dataclasses.replace(traits, **own)))
    return places


def _foreground(painting, traits, scene, rng):
    page = _Frame(0j, complex(painting.side))
    if traits.pose == "peeking":
        edge = page(_pairs((-0.1, 0.78), (1.1, 0.75), (1.1, 1.2), (-0.1, 1.2)))
        colour = _shifted(rng, rng.choice(scene.ground))
        painting.form(edge, _ink(colour), colour, 0.6)
    for _ in range(traits.clutter):
        at = complex(rng.random(), rng.uniform(0.86, 1))
        frame = page.inner(at, rng.uniform(0.06, 0.13))
        _thing(painting.draw, frame, rng.choice(scene.clutter), rng)


def contact_sheet(kinds=KINDS, seed=0, columns=10, rows=6, size=160):
    """Lay pictures out on one sheet; the kinds take turns from row to row.

    Returns
    -------
    PIL.Image.Image, of ``columns * size`` by ``rows * size`` pixels
    """
    sheet = Image.new("RGB", (columns * size, rows * size))
    for row in range(rows):
        for column in range(columns):
            kind = kinds[row % len(kinds)]
            picture = draw(kind, seed + row // len(kinds) * columns + column, size)
            sheet.paste(Image.fromarray(picture), (column * size, row * size))
    return sheet


# --------------------------------------------------------------------------------------------
# The data set
# --------------------------------------------------------------------------------------------

_PER_SEED = 1_000_000


def _files(seed, train, validation):
    """List (file name, kind, picture seed) of the whole sample."""
    files = []
    start = 0
    for split, number in (("train", train), ("validation", validation)):
        for i in range(start, start + number // 2):
            for offset, kind in enumerate(KINDS):
                name = f"{split}/{kind}s/{kind}.{i}.jpg"
                files.append((name, kind, seed * _PER_SEED + len(KINDS) * i + offset))
        start += number // 2
    return files


def _write(folder, files):
    for name, kind, seed in files:
        Image.fromarray(draw(kind, seed)).save(Path(folder, name), quality=92)
    return len(files)


def make_sample(folder, seed=0, train=1000, validation=500):
    """Draw the sample into a folder, in the official layout; complete or not at all.

    Parameters
    ----------
    folder : path-like
        Where ``train/`` and ``validation/`` go. A folder that is there already is kept as it is.
    seed : int
    train, validation : int
        Numbers of pictures, half of them cats.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CatdogError
        If the folder cannot be written; nothing is left behind.
    """
    folder = Path(folder)
    files = _files(seed, train, validation)
    if folder.exists():
        if all((folder / name).is_file() for name, *_ in files):
            return folder
        raise CatdogError(f"{folder} is there already and is no complete sample; name another")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        half_done = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write_all(half_done, files)
            half_done.chmod(0o755)
            half_done.rename(folder)
        finally:
            shutil.rmtree(half_done, ignore_errors=True)
    except OSError as error:
        raise CatdogError(f"cannot write the sample to {folder}: {error.strerror}") from error
    return folder


def _write_all(folder, files):
    for name, *_ in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    portions = [files[i : i + 25] for i in range(0, len(files), 25)]
    silent = not sys.stderr.isatty()
    with (
        ProcessPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(files), desc="drawing", unit="picture", disable=silent) as bar,
    ):
        for done in pool.map(_write, [folder] * len(portions), portions):
            bar.update(done)
