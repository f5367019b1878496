"""Draws the built-in pictures: cats, dogs and other animals, as in a picture book.

What tells one kind from another is data: ``BREEDS`` gives each trait of each breed a
distribution, and one engine draws them all from the traits alone. Scene, coat, pose and light
depend on the seed only, so ``draw("cat", 7)`` and ``draw("dog", 7)`` show the same coat in the
same place and the same light.
"""

import dataclasses
import random
import signal
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFilter
from tqdm import tqdm

from catdog_helpers import CatdogError

SMALLEST_SIZE = 32
SUPERSAMPLING = 2
CELL = 4  # canvas pixels to one cell of the relief

# --------------------------------------------------------------------------------------------
# Outlines: arrays of complex numbers, x to the right, y down, in half heads
# --------------------------------------------------------------------------------------------


def _points(text):
    """Read points written as ``"x,y x,y"``."""
    return np.array([complex(*map(float, pair.split(","))) for pair in text.split()])


@lru_cache
def _spline_weights(count, steps):
    """Weights of the uniform Catmull-Rom spline through ``count`` points of a closed curve.

    E. Catmull and R. Rom, "A class of local interpolating splines", 1974.
    """
    t = np.arange(steps)[:, None] / steps
    basis = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    weights = np.zeros((count, steps, count))
    for i in range(count):
        for j, weight in enumerate(basis):
            weights[i, :, (i + j - 1) % count] += weight[:, 0] / 2
    return weights.reshape(count * steps, count)


def _smooth(points, steps=6):
    """Close a smooth curve through the points; a point given twice makes a corner."""
    # Not a matrix product: the threads of a BLAS cost more than they save on ten points.
    return np.einsum("ij,j", _spline_weights(len(points), steps), points)


def _smooth_line(points, steps=6):
    """Draw a smooth open curve through the points."""
    closed = _smooth(np.concatenate([points[:1], points, points[-1:]]), steps)
    return np.append(closed[steps : steps * len(points)], points[-1])


def _curve(text):
    return _smooth(_points(text))


def _mirrored(points):
    return -np.conj(points)


def _symmetric(right):
    """Close a smooth curve from its right half, given from top to bottom."""
    left = _mirrored(right[::-1])
    return _smooth(np.concatenate([right, left[left.real < 0]]))


def _ellipse(x, y, width, height=None, count=24):
    turn = 2 * np.pi * np.arange(count) / count
    return complex(x, y) + width * np.cos(turn) + 1j * (height or width) * np.sin(turn)


def _box(left, top, right, bottom):
    return _points(f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}")


def _ribbon(spine, start, end):
    """Widen a line to a band, ``start`` wide at its first point and ``end`` at its last."""
    direction = np.gradient(spine)
    direction /= np.abs(direction)
    half = 1j * direction * np.linspace(start, end, len(spine)) / 2
    tip = spine[-1:] + direction[-1:] * end / 2
    return _smooth(np.concatenate([spine - half, tip, (spine + half)[::-1]]))


def _rough(outline, amount, period):
    """Give an outline tufts or curls, one every ``period`` points."""
    direction = np.roll(outline, -1) - np.roll(outline, 1)
    outward = -1j * direction / np.maximum(np.abs(direction), 1e-9)
    return outline + amount * outward * np.abs(np.sin(np.pi * np.arange(len(outline)) / period))


@dataclass(frozen=True)
class _Frame:
    """Where an outline comes to lie: moved, turned, scaled and perhaps mirrored."""

    origin: complex
    unit: complex
    flipped: bool = False

    def __call__(self, points):
        return self.origin + self.unit * (_mirrored(points) if self.flipped else points)

    def inner(self, at, scale=1.0, angle=0.0, flipped=False):
        """Return a frame that lies at ``at`` inside this one; ``angle`` in degrees, clockwise."""
        unit = scale * np.exp(1j * np.radians(angle))
        unit = np.conj(unit) if self.flipped else unit
        return _Frame(complex(self(at)), complex(self.unit * unit), self.flipped != flipped)


# --------------------------------------------------------------------------------------------
# Colours
# --------------------------------------------------------------------------------------------

# fmt: off
FUR = {
    "black": "#35313a", "grey": "#8a8d98", "silver": "#c2c5cb", "white": "#f6f1e7",
    "cream": "#ecd5ac", "ginger": "#dd8a3e", "rust": "#a85c32", "chocolate": "#674432",
    "fawn": "#cda577", "blue": "#6c7d92",
}
SKIN = {"pink": "#f0b3ae", "leaf": "#7fb04f", "lime": "#b5cf5a", "teal": "#4f9c8f"}
EYES = {
    "green": "#8fbf4d", "yellow": "#f0c63f", "amber": "#cf8a2e", "blue": "#6db5e3",
    "brown": "#7a4a27", "dark": "#3f2a20",
}
NOSES = {
    "pink": "#e38d93", "brown": "#7d4a3b", "black": "#2a262b", "grey": "#625c66",
    "yellow": "#e9ae3c",
}
# fmt: on
PINK, TONGUE, MOUTH, WHITE, INK = "#eeb0a6", "#e9808a", "#7b2f35", "#fffaf0", "#2d2528"
GOLD, HORN = "#f4c542", "#d8c4a0"
BRIGHT = "#e4572e #f3a712 #3f88c5 #d1495b #7a5ea8 #46a08f #e9808a"
GREENS = "#5f9d4f #78b05a #4a8a55"


@lru_cache
def _rgb(colour):
    return ImageColor.getrgb(colour) if isinstance(colour, str) else colour


def _mix(first, second, share):
    pairs = zip(_rgb(first), _rgb(second), strict=True)
    return tuple(round(a + (b - a) * share) for a, b in pairs)


def _varied(rng, colour, amount=14):
    return tuple(min(255, max(0, c + rng.randint(-amount, amount))) for c in _rgb(colour))


def _brightness(colour):
    """Return the luma of a colour, 0 to 1 (weights of ITU-R BT.601)."""
    red, green, blue = _rgb(colour)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _line_colour(colour):
    """Return a colour for lines that can be seen on ``colour``."""
    return _mix(colour, INK, 0.62) if _brightness(colour) > 0.3 else _mix(colour, WHITE, 0.28)


# --------------------------------------------------------------------------------------------
# Coats: marks in the unit disc, for the head and the body alike, as (outline, colour number)
# --------------------------------------------------------------------------------------------

_STRIPE = _curve("-.09,0 0,-.04 .09,0 .06,.3 0,.62 -.03,.3")
_STREAK = _curve("-.02,-.22 .03,0 -.01,.22 -.06,.05")
_BLOBS = tuple(
    _curve(text)
    for text in (
        "1,0 .6,.8 -.1,.9 -.9,.6 -.8,-.2 -.5,-.9 .3,-.7 .9,-.6",
        ".8,.2 .8,.9 0,.7 -.7,.9 -1,0 -.7,-.7 .1,-1 .6,-.5",
        "1.1,-.1 .5,.6 .2,1 -.6,.7 -1,.3 -.9,-.6 -.1,-.7 .7,-.8",
    )
)


def _scattered(rng, outlines, count, size):
    """Place outlines at random in the square around the unit disc."""
    for _ in range(count):
        at = complex(rng.uniform(-1, 1), rng.uniform(-1, 1))
        frame = _Frame(at, rng.uniform(*size) * np.exp(1j * rng.uniform(0, 6.3)))
        yield frame(rng.choice(outlines))


def _solid(rng):
    return []


def _stripes(rng):
    """Draw stripes from the rim inwards, but none below."""
    angles = [angle + rng.uniform(-7, 7) for angle in (-75, -52, -22, 0, 22, 52, 75, 100, -100)]
    size = rng.uniform(0.7, 1.1)
    return [(_Frame(0j, np.exp(1j * np.radians(a)))(_STRIPE * size - 1.08j), 1) for a in angles]


def _streaks(rng):
    return [
        (_STREAK * rng.uniform(0.8, 1.5) + complex(rng.uniform(-1, 1), rng.uniform(-1, 1)), 1)
        for _ in range(26)
    ]


def _spots(rng):
    return [(spot, 1) for spot in _scattered(rng, _BLOBS, rng.randint(14, 24), (0.07, 0.17))]


def _flecks(rng):
    return [(f, 1 + i % 2) for i, f in enumerate(_scattered(rng, _BLOBS, 22, (0.1, 0.24)))]


def _patches(rng):
    turn = rng.uniform(0, 6.3)
    places = [_Frame(0.75 * np.exp(1j * (turn + 2.1 * i)), 0.55 + 0j) for i in range(3)]
    return [(place(rng.choice(_BLOBS)), 1 + i % 2) for i, place in enumerate(places)]


def _dark_face(rng):
    return [(0.62 * rng.choice(_BLOBS) + 0.36j, 1)]


def _bib(rng):
    top = rng.uniform(-0.2, 0.25)
    return [(_symmetric(_points(f"0,{top} .3,.35 .62,.9 .3,1.3 0,1.35")), 2)]


def _blaze(rng):
    half = rng.uniform(0.07, 0.2)
    right = _points(f"0,-1.1 {half},-.9 {half},-.2 .6,.5 .5,1.2 0,1.3")
    return [(_symmetric(right) + rng.uniform(-0.1, 0.1), 2)]


def _half(rng):
    return [(_curve("0,-1.4 1.4,-1.2 1.4,1.2 .2,1.4") + rng.uniform(-0.15, 0.15), 1)]


def _saddle(rng):
    """Draw a dark cap or saddle, and spots above the eyes."""
    cap = _symmetric(_points("0,-1.3 1.3,-1 1.2,.1 .55,-.1 .3,.1 0,-.2"))
    brow = _ellipse(0.36, -0.36, 0.11, 0.08)
    return [(cap, 1), (brow, 0), (_mirrored(brow), 0)]


def _eye_patches(rng):
    patch = _ellipse(0, 0, 0.24, 0.34) * np.exp(0.5j) + (0.45 - 0.04j)
    return [(patch, 1), (_mirrored(patch), 1)]


def _mask(rng):
    """Draw a band over both eyes."""
    return [(_symmetric(_points("0,-.3 .5,-.42 1.1,-.1 1,.25 .5,.2 .2,0 0,.02")), 1)]


@dataclass(frozen=True)
class _Coat:
    """Marks, and which of the animal's three colours its parts have."""

    marks: object
    ears: int = 0
    paws: int = 0
    tail: int = 0
    chest: int = 0
    muzzle: int = 0


COATS = {
    "solid": _Coat(_solid),
    "tabby": _Coat(_stripes, muzzle=2),
    "brindle": _Coat(_streaks),
    "spotted": _Coat(_spots, ears=1),
    "tortoiseshell": _Coat(_flecks, tail=1),
    "calico": _Coat(_patches, ears=1, paws=2, chest=2, muzzle=2),
    "points": _Coat(_dark_face, ears=1, paws=1, tail=1, muzzle=1),
    "tuxedo": _Coat(_bib, paws=2, chest=2, muzzle=2),
    "blaze": _Coat(_blaze, paws=2, chest=2, muzzle=2),
    "half": _Coat(_half, tail=1),
    "saddle": _Coat(_saddle, ears=1, tail=1),
    "panda": _Coat(_eye_patches, ears=1, paws=1, chest=1),
    "mask": _Coat(_mask, paws=1, muzzle=2),
}

# --------------------------------------------------------------------------------------------
# Parts of the animal
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ear:
    """A right ear with its base at 0, pointing up, and where on the head it grows."""

    outline: np.ndarray
    inside: np.ndarray | None = None
    flap: np.ndarray | None = None
    at: complex = 0.6 - 0.6j
    angle: float = 22.0
    in_front: bool = False


# fmt: off
EARS = {
    "pointed": _Ear(_curve("-.4,.25 -.33,-.3 .02,-1 .02,-1 .33,-.3 .38,.3"),
                    _curve("-.2,.1 -.17,-.25 .02,-.75 .19,-.25 .2,.1")),
    "tufted": _Ear(_curve("-.4,.25 -.3,-.4 -.02,-.9 .06,-1.3 .06,-1.3 .12,-.9 .33,-.35 .4,.3"),
                   _curve("-.2,.1 -.17,-.25 .02,-.75 .19,-.25 .2,.1")),
    "rounded": _Ear(_curve("-.42,.3 -.34,-.2 0,-.72 .1,-.7 .36,-.2 .42,.3"),
                    _curve("-.22,.1 -.18,-.2 .04,-.5 .2,-.2 .2,.1")),
    "folded": _Ear(_curve("-.4,.3 -.36,-.3 0,-.62 .38,-.42 .42,.3"),
                   flap=_curve("-.34,-.34 .02,-.68 .42,-.46 .76,.4 .76,.4 .26,.1")),
    "floppy": _Ear(_curve("-.35,.1 0,-.25 .4,0 .58,.6 .34,1.2 -.08,.9"),
                   at=.74 - .58j, angle=-4, in_front=True),
    "long": _Ear(_curve("-.3,.1 0,-.2 .4,.1 .62,.9 .45,1.7 .02,1.6 -.1,.8"),
                 at=.8 - .45j, angle=-4, in_front=True),
    "upright": _Ear(_curve("-.2,.3 -.3,-.7 -.05,-1.75 .25,-1 .22,.3"),
                    _curve("-.1,0 -.17,-.7 -.03,-1.5 .14,-.9 .1,0"), at=.38 - .75j, angle=12),
    "round": _Ear(_ellipse(0, -.2, .42), _ellipse(0, -.18, .26), at=.72 - .72j, angle=30),
    "leaf": _Ear(_curve("-.1,.2 -.24,-.4 0,-.95 0,-.95 .26,-.4 .14,.2"),
                 _curve("-.04,0 -.12,-.4 0,-.75 .14,-.4 .06,0"), at=.82 - .5j, angle=72),
    "none": None,
}
HORNS = {  # the middle line of the right one
    "none": None,
    "short": _points("0,0 .3,-.1 .48,-.4"),
    "long": _points("0,0 .06,-.5 .34,-.95 .74,-1.05"),
    "curled": _points("0,0 .5,-.3 .95,-.1 1.05,.35 .75,.55 .55,.3"),
}
EYE_SHAPES = {
    "round": _ellipse(0, 0, 1),
    "almond": _curve("-1,.3 -.45,-.55 .4,-.85 1.1,-.5 .7,.45 -.2,.7"),
    "droopy": _curve("-.95,-.2 -.2,-.85 .7,-.5 1.05,.4 .2,.8 -.7,.55"),
}
PUPILS = {
    "round": _ellipse(0, 0, .6),
    "oval": _ellipse(0, 0, .42, .62),
    "slit": _curve("0,-.74 .2,0 0,.74 -.2,0"),
    "bar": _ellipse(0, 0, .62, .24),
}
NOSE_SHAPES = {
    "triangle": _curve("-1,-.5 0,-.68 1,-.5 .5,.25 0,.72 -.5,.25"),
    "heart": _curve("-.55,-.75 0,-.5 .55,-.75 1,-.2 0,.8 -1,-.2"),
    "oval": _curve("-1,-.2 -.6,-.75 .6,-.75 1,-.2 .5,.6 -.5,.6"),
    "snout": _ellipse(0, 0, 1.5, 1.1),
    "leather": _ellipse(0, .1, .9, 1.5),
    "beak": _curve("-.8,-.8 0,-1.1 .8,-.8 0,1.6 0,1.6"),
    "none": None,
}
TAILS = {  # the middle line, the width at its root and at its tip
    "long": (_points("0,0 .9,.1 1.4,-.6 1.25,-1.4 1.6,-1.9"), .34, .2),
    "wrapped": (_points("0,0 .9,.2 1,.75 .2,.95 -.6,.85"), .34, .22),
    "bushy": (_points("0,0 .7,-.1 1.2,-.7 1.25,-1.3"), .35, .75),
    "curled": (_points("0,0 .7,-.3 .9,-1 .4,-1.3 .1,-.9"), .4, .25),
    "short": (_points("0,0 .4,-.2 .6,-.5"), .35, .2),
    "whip": (_points("0,0 .7,-.2 1.2,-.9 1.3,-1.4"), .25, .1),
    "none": None,
}
WHISKERS = {"none": 0.0, "short": 0.35, "long": 0.85}
TRUNKS = {
    "portrait": _curve("0,.4 .6,.6 1,1.3 1.2,2.6 0,3.2 -1.2,2.6 -1,1.3 -.6,.6"),
    "sitting": _curve("0,.4 .55,.7 .75,1.5 1.05,2.3 .85,2.9 0,2.95 -.85,2.9 -1.05,2.3 -.75,1.5 "
                      "-.55,.7"),
    "lying": _curve("-.7,.8 .4,.2 1.8,.3 2.6,1 2.2,1.7 0,1.75"),
    "standing": _curve("-.3,.5 .6,.3 2.3,.3 2.8,.9 2.3,1.7 .2,1.7"),
}
COLLAR = _curve("-.72,.62 0,1 .72,.62 .76,.86 0,1.24 -.76,.86")
SCARF = _curve("-.5,.9 .5,.9 .1,1.75 .1,1.75")
BOW = _points("-.4,.95 0,1.15 .4,.95 .4,1.4 0,1.2 -.4,1.4")
GLINT = _ellipse(-.3, -.34, .26, count=10)

# --------------------------------------------------------------------------------------------
# Scenes: things, as (outline, colours to choose from), scattered over a backdrop
# --------------------------------------------------------------------------------------------

THINGS = {
    "cloud": ((_ellipse(0, 0, 1, .4), "#ffffff #f4f1ee"), (_ellipse(-.3, -.25, .5, .4), "#ffffff"),
              (_ellipse(.35, -.2, .45, .35), "#ffffff")),
    "sun": ((_ellipse(0, 0, 1), "#ffe28a #ffc46b"),),
    "moon": ((_ellipse(0, 0, 1), "#fff3c4"), (_ellipse(-.3, .1, .2), "#efdca0"),
             (_ellipse(.35, -.3, .14), "#efdca0")),
    "star": ((_ellipse(0, 0, 1, count=6), "#fff6cf #ffe9a8"),),
    "hill": ((_ellipse(0, 1, 2.4, 1.2), GREENS),),
    "sea": ((_box(-20, 0, 20, 2), "#4fa3bf #69b7c6 #3d86ad"),),
    "mound": ((_ellipse(0, .8, 2, .9), "#f4f8fc #e3edf5"),),
    "tree": ((_box(-.12, 0, .12, 1), "#7a5a3c"),
             (_ellipse(0, -.3, .75, .85), GREENS + " #d9903d #c96f3d"),
             (_ellipse(-.2, -.5, .4), "#8cbd6a #e0a850")),
    "fir": ((_box(-.1, .6, .1, 1), "#6d5140"), (_points("0,-1.2 .7,.7 -.7,.7"), "#3f7560 #57866f"),
            (_points("0,-1.2 .3,-.4 -.3,-.4"), "#f3f7fb")),
    "flower": ((_box(-.07, 0, .07, 1.6), "#4a8a55"), (_ellipse(0, 0, .5, count=10), BRIGHT),
               (_ellipse(0, 0, .2, count=8), "#ffe08a")),
    "grass": ((_points("-.4,.2 -.6,-1 -.15,.2"), GREENS),
              (_points("-.15,.2 .05,-1.4 .2,.2"), GREENS),
              (_points(".1,.2 .6,-.9 .4,.2"), GREENS)),
    "house": ((_box(-.8, -1, .8, 2), "#e7b58c #d98673 #9fb7c9 #efdca5"),
              (_points("-1,-1 0,-1.8 1,-1"), "#8c4a3e #5c5f73"),
              (_box(-.5, -.6, -.1, 0), "#ffe9a8 #6b87a3"),
              (_box(.15, -.6, .55, 0), "#ffe9a8 #6b87a3")),
    "parasol": ((_box(-.05, 0, .05, 2), "#8b6b4e"),
                (_curve("-1.2,.2 0,-.8 1.2,.2 1.2,.2 -1.2,.2"), BRIGHT),
                (_points("-.3,.15 0,-.75 .3,.15"), "#fff4dd")),
    "window": ((_box(-1, -1.2, 1, 1.2), "#fdf6e3 #b98b5e"),
               (_box(-.85, -1.05, .85, 1.05), "#a9d6ea #f6c9a0 #34466e"),
               (_ellipse(.2, .8, .6, .35), GREENS), (_box(-.06, -1.1, .06, 1.1), "#fdf6e3"),
               (_box(-.9, -.06, .9, .06), "#fdf6e3"),
               (_points("-1.2,-1.3 -.6,-1.3 -.95,1.3 -1.25,1.3"), BRIGHT),
               (_points("1.2,-1.3 .6,-1.3 .95,1.3 1.25,1.3"), BRIGHT)),
    "frame": ((_box(-.8, -1, .8, 1), "#8b5e3c #f0e2c4"),
              (_box(-.62, -.8, .62, .8), "#f9f1df #9fc9c4 #efb8a2"),
              (_ellipse(0, .1, .35, .45), BRIGHT)),
    "lamp": ((_box(-.06, 0, .06, 3), "#6b5a4e"),
             (_points("-.35,-.9 .35,-.9 .7,.1 -.7,.1"), "#ffd98a #f7e7c6")),
    "sofa": ((_curve("-3,-1 3,-1 3.2,2 -3.2,2"), BRIGHT), (_box(-3, .4, 3, .5), "#5a3a44"),
             (_ellipse(-3, .6, .7, 1.2), BRIGHT), (_ellipse(3, .6, .7, 1.2), BRIGHT)),
    "cushion": ((_curve("-1,-1 1,-1 1,1 -1,1"), BRIGHT),),
    "dot": ((_ellipse(0, 0, 1, count=12), "#ffffff #f6e3c4"),),
    "diamond": ((_points("0,-1.3 1,0 0,1.3 -1,0"), "#ffffff #f3c9b5"),),
    "leaf": ((_curve("-1,0 0,-.5 1,0 0,.5"), "#d9772f #c94f2c #e8b04a"),),
    "pebble": ((_ellipse(0, 0, .6, .4, count=10), "#b9a88f #8f8a86 #d8c8a8"),),
    "ball": ((_ellipse(0, 0, 1), BRIGHT), (_ellipse(-.1, 0, .4, .95), "#fff4dd"),
             (_ellipse(-.4, -.45, .2), "#ffffff")),
    "bowl": ((_points("-1.1,.9 -.8,0 .8,0 1.1,.9"), BRIGHT), (_ellipse(0, 0, .8, .2), "#6b4a36")),
    "mug": ((_ellipse(.7, .3, .45), "#efe5d0"), (_box(-.6, -.4, .7, 1), BRIGHT),
            (_ellipse(.05, -.4, .65, .15), "#5a3a2c")),
    "book": ((_box(-1.2, .3, 1.2, .8), BRIGHT), (_box(-1.1, .4, 1.2, .7), "#fbf3df"),
             (_box(-1, -.1, 1.1, .3), BRIGHT)),
}


@dataclass(frozen=True)
class _Scene:
    """A wall or sky, a ground from the horizon down, and rows of things.

    A row is (thing, fewest, most, highest, lowest, smallest, largest), in shares of the picture.
    """

    sky: str
    ground: str
    horizon: tuple[float, float]
    things: tuple[tuple, ...]
    clutter: str
    wallpaper: str = ""


BACKGROUNDS = {
    "meadow": _Scene("#a9dcf0 #f6dcb5 #cfe8e4", "#8cc063 #a3c25e #6ba35c", (.45, .65), (
        ("sun", 0, 1, .05, .3, .06, .1), ("cloud", 1, 3, .05, .35, .1, .2),
        ("hill", 1, 3, .4, .5, .12, .2), ("tree", 0, 3, .3, .5, .1, .2),
        ("flower", 5, 18, .65, 1, .02, .045)), "grass flower ball"),
    "room": _Scene("#f2dfc0 #c9dcd2 #e8c3b4 #b9c4de", "#b98a5f #8f6a52 #d3b38c", (.65, .8), (
        ("window", 1, 1, .25, .4, .2, .3), ("frame", 0, 2, .15, .4, .07, .14),
        ("lamp", 0, 1, .4, .5, .1, .15)), "ball book mug bowl"),
    "sofa": _Scene("#efe0c8 #cbd8e2 #dcc7d4 #c8d6b9", "#a9805f #7d6255", (.8, .9), (
        ("frame", 0, 3, .1, .25, .08, .14), ("sofa", 1, 1, .5, .65, .16, .24),
        ("cushion", 0, 3, .5, .7, .08, .13)), "cushion book mug"),
    "night": _Scene("#1f2a52 #2b2348 #173a52", "#26443f #2d3550", (.6, .8), (
        ("star", 12, 30, 0, .6, .006, .014), ("moon", 0, 1, .1, .3, .08, .13),
        ("fir", 0, 4, .55, .65, .1, .2), ("house", 0, 2, .55, .6, .1, .15)), "grass pebble"),
    "beach": _Scene("#9fdcf2 #f9d3a7 #c6e6ee", "#ecd6a2 #e2c48d #f1e1bb", (.5, .6), (
        ("sun", 0, 1, .05, .3, .06, .1), ("cloud", 0, 2, .05, .3, .1, .18),
        ("sea", 1, 1, .36, .48, .1, .12), ("parasol", 0, 2, .35, .5, .12, .2),
        ("pebble", 4, 12, .7, 1, .015, .04)), "ball pebble parasol"),
    "snow": _Scene("#cfdcea #aebfd8 #eadfe6", "#f3f7fb #e2ebf4", (.5, .7), (
        ("fir", 1, 5, .4, .6, .1, .24), ("house", 0, 1, .4, .5, .1, .15),
        ("mound", 1, 3, .6, .8, .1, .2), ("dot", 20, 45, 0, 1, .006, .014)), "mound ball"),
    "street": _Scene("#bcd7e6 #f2cfa9 #c9c6d6", "#8f8d93 #a59a8e #77757d", (.6, .75), (
        ("cloud", 0, 2, .05, .2, .1, .15), ("house", 3, 6, .35, .5, .13, .2),
        ("tree", 0, 2, .5, .6, .1, .16), ("lamp", 0, 2, .3, .4, .06, .1)), "ball leaf pebble"),
    "autumn": _Scene("#f3d9a8 #e7c7b0 #c9d5d3", "#b98a4b #a9743f #8f8a4d", (.5, .7), (
        ("tree", 2, 5, .2, .5, .15, .28), ("leaf", 10, 26, 0, 1, .02, .04)), "leaf grass pebble"),
    "wallpaper": _Scene("#e9b7a4 #9cc3b5 #e8cf8f #a9b6d9 #c7a6c4", "#c49a6c #8a6a58", (.78, 1.2), (
        ("frame", 0, 1, .15, .4, .08, .14),), "cushion mug book bowl",
        wallpaper="dot diamond flower leaf"),
}

# --------------------------------------------------------------------------------------------
# Kinds: a pair of numbers is a range, a dictionary gives weights, the rest is the value itself
# --------------------------------------------------------------------------------------------

# The whole vocabulary. Other animals draw from it what is not their own, so that whoever learns
# to tell them apart meets every trait with every other.
_ANY_EARS = {"pointed": 3, "rounded": 1, "tufted": 1, "folded": 2, "floppy": 3, "long": 1}
_ANIMAL = dict(
    horns="none",
    ears="pointed", ear_size=(.8, 1.4), ear_spread=(.76, 1.14), head_width=(.88, 1.26),
    cheeks=(0.0, .26), muzzle_length=(0.0, 1.1), muzzle_width=(.34, .76),
    nose={"triangle": 1, "heart": 1, "oval": 1}, nose_size=(.11, .23),
    nose_colour={"pink": 1, "brown": 1, "black": 1, "grey": 1},
    eye_shape={"round": 1, "almond": 1, "droopy": 1}, eye_size=(.15, .33),
    eye_spacing=(.4, .54), eye_height=(.04, .24),
    eye_colour={"green": 1, "yellow": 1, "amber": 1, "blue": 1, "brown": 1, "dark": 1},
    pupil={"round": 3, "slit": 2, "oval": 1}, whiskers={"none": 1, "short": 1, "long": 1},
    mouth={"closed": 1, "smile": 1, "open": 1, "tongue": 1},
    tail={"long": 1, "wrapped": 1, "bushy": 1, "curled": 1, "short": 1},
    fur={"smooth": 2, "fluffy": 1, "curly": 1},
)
_CAT = _ANIMAL | dict(
    ear_size=(.9, 1.3), ear_spread=(.86, 1.1), head_width=(1.0, 1.25), cheeks=(.02, .22),
    muzzle_length=(.08, .5), muzzle_width=(.38, .56), nose={"triangle": 4, "heart": 3, "oval": 3},
    nose_size=(.12, .21), nose_colour={"pink": 3, "brown": 2, "black": 2, "grey": 1},
    eye_shape={"almond": 3, "round": 2}, eye_size=(.18, .29), eye_spacing=(.44, .54),
    eye_height=(.04, .18), eye_colour={"green": 3, "yellow": 3, "amber": 3, "blue": 3, "brown": 3},
    pupil={"slit": 3, "oval": 1, "round": 7}, whiskers={"long": 3, "short": 4, "none": 3},
    mouth={"closed": 4, "smile": 4, "open": 3},
    tail={"long": 4, "wrapped": 3, "bushy": 2, "curled": 1, "short": 1},
    fur={"smooth": 3, "fluffy": 1},
)
_DOG = _ANIMAL | dict(
    ears="floppy", ear_size=(.9, 1.25), ear_spread=(.8, 1.04), head_width=(.9, 1.14),
    cheeks=(0.0, .14), muzzle_length=(.35, .8), muzzle_width=(.4, .57),
    nose={"oval": 4, "heart": 3, "triangle": 3}, nose_size=(.14, .21),
    nose_colour={"pink": 1, "brown": 3, "black": 4, "grey": 1},
    eye_shape={"round": 3, "droopy": 4, "almond": 2}, eye_size=(.18, .26), eye_spacing=(.4, .5),
    eye_height=(.1, .24), eye_colour={"green": 2, "yellow": 2, "amber": 4, "blue": 2, "brown": 4},
    pupil={"round": 6, "oval": 1}, whiskers={"none": 3, "short": 4, "long": 2},
    mouth={"closed": 3, "smile": 3, "open": 2, "tongue": 3},
    tail={"long": 2, "bushy": 2, "curled": 3, "short": 3, "wrapped": 1},
    fur={"smooth": 3, "fluffy": 1},
)
# Of pointed ears, of a long muzzle, of whiskers and so on each breed has some and lacks others:
# no trait gives the kind away, the whole does. Each breed comes with its weight.
BREEDS = {
    "cat": (
        (3, _CAT | dict(  # shorthair
            muzzle_length=(.08, .28), nose_size=(.12, .19),
            whiskers={"long": 1, "short": 5, "none": 5}, pupil={"slit": 1, "round": 4},
            mouth={"closed": 3, "smile": 4, "open": 4})),
        (2.5, _CAT | dict(  # Abyssinian
            ear_size=(1.05, 1.35), muzzle_length=(.25, .56), muzzle_width=(.36, .48),
            nose={"triangle": 3, "heart": 1}, nose_size=(.12, .18), pupil={"slit": 2, "round": 3},
            whiskers={"long": 2, "short": 1}, mouth={"closed": 1, "smile": 1})),
        (2, _CAT | dict(  # Siamese
            ear_size=(1.2, 1.45), head_width=(.96, 1.1), muzzle_length=(.46, .75),
            muzzle_width=(.34, .46), eye_shape="almond", eye_size=(.25, .31),
            pupil={"slit": 2, "round": 1}, whiskers={"long": 2, "short": 1},
            nose={"triangle": 3, "oval": 1}, nose_size=(.12, .18),
            mouth={"closed": 1, "smile": 1})),
        (2, _CAT | dict(  # Persian
            ears={"rounded": 2, "pointed": 1}, ear_size=(.8, 1), cheeks=(.14, .28),
            head_width=(1.12, 1.28), muzzle_length=(0.0, .1), eye_shape="round",
            eye_size=(.25, .33), fur="fluffy", tail={"bushy": 2, "curled": 1})),
        (2, _CAT | dict(  # Scottish fold
            ears="folded", ear_size=(.6, .76), ear_spread=(1.02, 1.15), cheeks=(.1, .22),
            head_width=(1.14, 1.28), muzzle_length=(.02, .14), nose_size=(.11, .15),
            nose={"triangle": 1, "heart": 1}, eye_size=(.28, .33), pupil={"slit": 4, "round": 1},
            whiskers={"long": 3, "short": 1}, mouth={"closed": 1, "smile": 1})),
        (1.5, _CAT | dict(  # Maine coon
            ears={"tufted": 3, "pointed": 1}, cheeks=(.14, .28), muzzle_length=(.36, .62),
            muzzle_width=(.34, .44), pupil={"slit": 3, "round": 1}, eye_shape="almond",
            eye_size=(.23, .3), whiskers="long", fur="fluffy", nose="triangle",
            nose_size=(.12, .18), tail="bushy", mouth={"closed": 1, "smile": 1})),
    ),
    "dog": (
        (3.5, _DOG | dict(  # retriever
            muzzle_length=(.25, .75), fur={"smooth": 3, "fluffy": 1, "curly": 1})),
        (1.5, _DOG | dict(  # spaniel
            ears={"long": 3, "floppy": 1}, muzzle_length=(.2, .55), eye_size=(.22, .3),
            nose_size=(.13, .19), eye_shape={"droopy": 2, "round": 1},
            fur={"fluffy": 1, "curly": 1})),
        (2.5, _DOG | dict(  # shepherd
            ears="pointed", ear_size=(.85, 1.1), ear_spread=(.74, .92), head_width=(.86, 1),
            cheeks=(0.0, .1), muzzle_length=(.9, 1.1), eye_size=(.16, .23),
            eye_shape={"almond": 1, "round": 1}, nose={"oval": 2, "heart": 1}, nose_size=(.16, .21),
            whiskers={"none": 3, "short": 1}, pupil="round",
            mouth={"closed": 2, "open": 2, "tongue": 3})),
        (2, _DOG | dict(  # spitz
            ears="pointed", ear_size=(.8, 1), ear_spread=(.76, .96), cheeks=(.08, .2),
            muzzle_length=(.78, 1), nose={"oval": 2, "heart": 1}, nose_size=(.16, .21),
            eye_size=(.16, .23), pupil="round", whiskers={"none": 3, "short": 1}, fur="fluffy",
            mouth={"smile": 1, "open": 1, "tongue": 3}, tail="curled")),
        (2, _DOG | dict(  # pug
            ears={"folded": 1, "floppy": 2}, ear_size=(.95, 1.15), head_width=(1.02, 1.2),
            cheeks=(.08, .2), muzzle_length=(.02, .3), muzzle_width=(.62, .78),
            nose={"oval": 2, "heart": 1}, nose_size=(.15, .21), eye_shape={"round": 1, "droopy": 2},
            eye_size=(.22, .3), pupil="round", whiskers={"none": 4, "short": 1},
            mouth={"closed": 1, "open": 1, "tongue": 3})),
        (1.5, _DOG | dict(  # terrier
            ears={"folded": 2, "pointed": 1}, ear_size=(.95, 1.2), ear_spread=(.8, 1),
            muzzle_length=(.6, .95), muzzle_width=(.46, .58), nose={"oval": 2, "heart": 1},
            nose_size=(.16, .21), eye_size=(.16, .24), pupil="round",
            whiskers={"none": 3, "short": 1}, fur={"fluffy": 1, "smooth": 1})),
    ),
    "rabbit": ((1, _ANIMAL | dict(
        ears="upright", muzzle_length=(0.0, .4), nose={"triangle": 2, "heart": 1},
        nose_size=(.1, .16), tail="short")),),
    "bear": ((1, _ANIMAL | dict(
        ears="round", ear_size=(.75, 1), head_width=(1.04, 1.26), tail="short",
        fur_colour={"chocolate": 2, "rust": 2, "black": 1, "white": 1, "fawn": 1},
        coat={"solid": 3, "tuxedo": 1})),),
    "fox": ((1, _ANIMAL | dict(
        ear_size=(1, 1.4), head_width=(1.08, 1.26), cheeks=(.22, .36), muzzle_length=(.7, 1.1),
        muzzle_width=(.22, .32), nose_size=(.1, .15), eye_size=(.15, .22), tail="bushy",
        fur_colour={"ginger": 4, "rust": 3, "grey": 1},
        coat={"tuxedo": 3, "blaze": 1})),),
    "mouse": ((1, _ANIMAL | dict(
        ears="round", ear_size=(1.35, 1.8), muzzle_length=(.2, .9), muzzle_width=(.22, .34),
        nose_size=(.08, .14), tail="whip")),),
    "pig": ((1, _ANIMAL | dict(
        ears=_ANY_EARS, nose="snout", nose_size=(.2, .27),
        nose_colour="pink", fur="smooth", tail="curled", fur_colour="pink",
        coat={"solid": 3, "spotted": 1})),),
    "owl": ((1, _ANIMAL | dict(
        ears={"tufted": 2, "none": 1}, muzzle_length=0.0, nose="beak", nose_size=(.18, .24),
        nose_colour={"yellow": 2, "grey": 1}, eye_size=(.25, .38), whiskers="none", mouth="none",
        tail="none", fur="fluffy", pose={"portrait": 2, "sitting": 2, "peeking": 1},
        coat={"spotted": 2, "brindle": 2, "solid": 1})),),
    "frog": ((1, _ANIMAL | dict(
        ears="none", head_width=(1.2, 1.4), muzzle_length=0.0, muzzle_width=(.8, 1),
        nose="none", nose_size=(.1, .14), eye_size=(.25, .36), eye_spacing=(.55, .7),
        eye_height=(.7, .85), pupil={"bar": 3, "round": 1, "slit": 1}, tail="none", fur="smooth",
        fur_colour={"leaf": 4, "lime": 2, "teal": 2, "rust": 1},
        coat={"spotted": 2, "solid": 2, "brindle": 1})),),
    "panda": ((1, _ANIMAL | dict(
        ears="round", fur_colour="white", second_colour="black", tail="short", coat="panda")),),
    "koala": ((1, _ANIMAL | dict(
        ears="round", ear_size=(1.3, 1.8), nose="leather", nose_size=(.18, .26), tail="none",
        fur_colour={"grey": 3, "silver": 2, "fawn": 1}, coat={"solid": 2, "tuxedo": 1})),),
    "cow": ((1, _ANIMAL | dict(
        horns="short", ears=_ANY_EARS | {"leaf": 6}, muzzle_length=(.5, 1.1),
        muzzle_width=(.56, .76), nose="none", nose_size=(.18, .26), tail="whip",
        coat={"calico": 2, "blaze": 2, "solid": 1})),),
    "sheep": ((1, _ANIMAL | dict(
        horns="curled", ears=_ANY_EARS | {"leaf": 3}, tail="short",
        fur_colour={"white": 4, "cream": 2, "chocolate": 1, "black": 1},
        coat={"solid": 1, "points": 2})),),
    "goat": ((1, _ANIMAL | dict(
        horns="long", ears=_ANY_EARS,
        pupil={"bar": 2, "slit": 1, "round": 1}, tail="short")),),
    "raccoon": ((1, _ANIMAL | dict(
        ears=_ANY_EARS, tail="bushy",
        fur_colour={"grey": 3, "silver": 2, "fawn": 1}, second_colour="black", coat="mask")),),
    # Wild relatives, with the faces of cats and dogs and coats of their own.
    "tiger": ((1, _CAT | dict(
        ears="rounded", ear_size=(.7, .9), fur_colour={"ginger": 3, "white": 1},
        second_colour="black", coat="tabby")),),
    "leopard": ((1, _CAT | dict(
        ears={"rounded": 1, "pointed": 1}, ear_size=(.7, .9), fur_colour={"fawn": 2, "cream": 1},
        second_colour="black", coat="spotted")),),
    "lynx": ((1, _CAT | dict(
        ears="tufted", cheeks=(.2, .34), tail="short", fur="fluffy",
        fur_colour={"fawn": 2, "grey": 1}, second_colour="chocolate", coat="spotted")),),
    "wolf": ((1, _DOG | dict(
        ears="pointed", fur="fluffy", tail="bushy", muzzle_length=(.6, 1.1),
        fur_colour={"grey": 3, "black": 1, "white": 1}, coat={"tuxedo": 1, "saddle": 2})),),
    "jackal": ((1, _DOG | dict(
        ears="pointed", ear_size=(1.1, 1.4), tail="bushy",
        fur_colour={"fawn": 1, "rust": 1}, second_colour="black", coat="saddle")),),
    "hyena": ((1, _DOG | dict(
        ears="rounded", ear_size=(1, 1.3), tail="short",
        fur_colour={"fawn": 2, "grey": 1}, second_colour="chocolate",
        coat={"spotted": 2, "brindle": 1})),),
    "squirrel": ((1, _ANIMAL | dict(
        ears={"tufted": 3, "rounded": 1}, ear_size=(.55, .8), cheeks=(.2, .34),
        head_width=(.86, 1.04), muzzle_length=(0.0, .4), nose_size=(.08, .13), eye_colour="dark",
        eye_shape="round", pupil="round", mouth="teeth", tail="bushy",
        fur_colour={"rust": 3, "ginger": 1, "grey": 1}, coat={"solid": 1, "tuxedo": 2})),),
}
# What depends on the seed alone, unless a kind brings its own coat or pose.
_PICTURE = dict(
    coat={
        "solid": 4, "tabby": 2, "brindle": 1, "spotted": 1, "tortoiseshell": 1, "calico": 2,
        "points": 2, "tuxedo": 2, "blaze": 2, "half": 1, "saddle": 2,
    },
    fur_colour=dict.fromkeys(FUR, 1),
    second_colour=dict.fromkeys(FUR, 1),
    ear_colour={"pink": 2, "dark": 1, "pale": 1},
    collar={"none": 5, "plain": 2, "bell": 2, "scarf": 1, "bow": 1},
    collar_colour=dict.fromkeys(BRIGHT.split(), 1),
    background=dict.fromkeys(BACKGROUNDS, 1),
    number={1: 17, 2: 2, 3: 1},
    pose={"portrait": 9, "sitting": 5, "lying": 4, "standing": 3, "peeking": 3},
    scale=(.95, 1.3),
    x=(.3, .7),
    y=(-.1, .1),
    rotation=(-12.0, 12.0),
    turn=(-1.0, 1.0),
    tilt=(-10.0, 10.0),
    mirrored={False: 1, True: 1},
    light_angle=(-160.0, -20.0),
    brightness=(.78, 1.12),
    warmth=(-.14, .14),
    blur={0.0: 6, 0.6: 2, 1.0: 1},
    clutter={0: 2, 1: 2, 2: 1, 3: 1},
)
# fmt: on
KINDS = ("cat", "dog")
OTHER_KINDS = tuple(kind for kind in BREEDS if kind not in KINDS)


@dataclass(frozen=True)
class Traits:
    """What one picture shows; lengths in half heads, angles in degrees, clockwise.

    ``kind`` is the answer. The traits from ``horns`` to ``fur`` have distributions that depend on
    the kind, those of cats and dogs overlapping in each; the others are the same for both.
    """

    kind: str
    horns: str
    ears: str
    ear_size: float
    ear_spread: float
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
    eye_height: float
    eye_colour: str
    pupil: str
    whiskers: str
    mouth: str
    tail: str
    fur: str
    coat: str
    fur_colour: str
    second_colour: str
    ear_colour: str
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
    return rng.uniform(*distribution) if isinstance(distribution, tuple) else distribution


def _pick_all(rng, distributions):
    return {name: _pick(rng, distribution) for name, distribution in distributions.items()}


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
    picture = _pick_all(random.Random(f"picture {seed}"), _PICTURE)
    rng = random.Random(f"{kind} {seed}")
    weights, breeds = zip(*BREEDS[kind], strict=True)
    return Traits(kind, **picture | _pick_all(rng, rng.choices(breeds, weights)[0]))


# --------------------------------------------------------------------------------------------
# Painting
# --------------------------------------------------------------------------------------------


def _polygon(draw, points, colour):
    draw.polygon(points.view(float).tolist(), fill=_rgb(colour))


class _Painting:
    """A canvas larger than the picture, and a coarse relief of light and shadow over it.

    ``fur`` is a second canvas, from which shapes covered with fur are cut.
    """

    def __init__(self, backdrop, light_angle):
        self.size = backdrop.width
        self.side = -(-SUPERSAMPLING * self.size // CELL) * CELL
        self.image = backdrop.resize((self.side, self.side), Image.Resampling.BILINEAR)
        self.draw = ImageDraw.Draw(self.image)
        self.fur = Image.new("RGB", self.image.size)
        self.fur_draw = ImageDraw.Draw(self.fur)
        self.relief = np.ones((self.side // CELL,) * 2, "float32")
        self.light = np.exp(1j * np.radians(light_angle))

    def fill(self, points, colour):
        _polygon(self.draw, points, colour)

    def line(self, points, colour, width=1.0):
        """Draw a line; its width is in pixels of a picture of 160."""
        width = max(1, round(width * self.side / 160))
        self.draw.line(points.view(float).tolist(), fill=_rgb(colour), width=width)

    def form(self, points, ink, colour=None, depth=1.0):
        """Paint a rounded shape, in one colour or cut from the fur, lit and outlined."""
        box = self._box_around(points)
        if box is None:
            return
        mask = self._mask(points, box)
        self.image.paste(self.fur.crop(box) if colour is None else _rgb(colour), box, mask)
        self._shade(mask, box, depth)
        self.line(np.append(points, points[:1]), ink)

    def shadow(self, points, darkness):
        """Darken the ground under a shape."""
        box = self._box_around(points)
        if box is not None:
            cells, soft, _ = self._cells(self._mask(points, box), box)
            cells *= 1 - darkness * soft

    def _box_around(self, points):
        """Return the box of a shape and its shadow, on whole cells; None outside the canvas."""
        margin = self.side / 16
        low = min(points.real) - margin, min(points.imag) - margin
        high = max(points.real) + margin, max(points.imag) + margin
        box = [min(self.side, max(0, int(edge // CELL) * CELL)) for edge in (*low, *high)]
        return tuple(box) if min(box[2] - box[0], box[3] - box[1]) > CELL else None

    def _mask(self, points, box):
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        _polygon(ImageDraw.Draw(mask), points - complex(*box[:2]), (255,))
        return mask

    def _cells(self, mask, box):
        """Return the relief's cells in a box, and the mask there, blurred and sharp, 0 to 1."""
        small = mask.reduce(CELL)
        blurred = small.filter(ImageFilter.GaussianBlur(len(self.relief) / 14))
        left, top, right, bottom = (edge // CELL for edge in box)
        soft, sharp = (np.asarray(image, "float32") / 255 for image in (blurred, small))
        return self.relief[top:bottom, left:right], soft, sharp

    def _shade(self, mask, box, depth):
        """Round a shape off: the slope of its blurred mask, seen from the light, is its shade."""
        cells, soft, inside = self._cells(mask, box)
        down, right = np.gradient(soft)
        slope = -(right * self.light.real + down * self.light.imag) * len(self.relief) / 14
        cells *= 1 - 0.28 * depth * soft
        cells += inside * (1 + 0.55 * depth * slope - cells)

    def finished(self, traits, rng):
        """Return the picture at its final size, lit and grained, as a uint8 array."""
        size = (self.size, self.size)
        across = np.linspace(-1, 1, self.size, dtype="float32")
        shade = 1 + 0.13 * (across * self.light.real + across[:, None] * self.light.imag)
        shade *= Image.fromarray(self.relief).resize(size, Image.Resampling.BILINEAR)
        tint = traits.brightness * np.array([1 + traits.warmth, 1, 1 - traits.warmth])
        grain = np.frombuffer(rng.randbytes(self.size**2), "uint8").reshape(*size, 1)
        image = self.image.resize(size, Image.Resampling.BOX)
        pixels = np.asarray(image) * shade.astype("float32")[..., None] * tint.astype("float32")
        pixels += grain * np.float32(8 / 255) - np.float32(4)
        picture = Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype("uint8"))
        if traits.blur:
            picture = picture.filter(ImageFilter.GaussianBlur(traits.blur * self.size / 160))
        return np.array(picture)


def _backdrop(size, scene, rng):
    """Paint a scene, a little out of focus."""
    image = Image.new("RGB", (size, size), _chosen(rng, scene.sky))
    draw = ImageDraw.Draw(image)
    page = _Frame(0j, complex(size))
    if scene.wallpaper:
        _paper(draw, page, rng.choice(scene.wallpaper.split()), rng)
    horizon = rng.uniform(*scene.horizon)
    _polygon(draw, page(_box(-0.1, horizon, 1.1, horizon + 1)), _chosen(rng, scene.ground))
    for thing, fewest, most, *place in scene.things:
        for _ in range(rng.randint(fewest, most)):
            at = complex(rng.random(), rng.uniform(*place[:2]))
            _thing(draw, page.inner(at, rng.uniform(*place[2:])), thing, _colours(rng, thing))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.6) * size / 160))


def _chosen(rng, colours, amount=14):
    return _varied(rng, rng.choice(colours.split()), amount)


def _colours(rng, thing):
    return [_chosen(rng, choices, 8) for _, choices in THINGS[thing]]


def _thing(draw, frame, thing, colours):
    for (outline, _), colour in zip(THINGS[thing], colours, strict=True):
        _polygon(draw, frame(outline), colour)


def _paper(draw, page, thing, rng):
    columns, colours = rng.randint(4, 9), _colours(rng, thing)
    for i in range(columns):
        for j in range(columns):
            at = complex(i + 0.5 * (j % 2), j + 0.5) / columns
            _thing(draw, page.inner(at, 0.22 / columns), thing, colours)


# --------------------------------------------------------------------------------------------
# The animal
# --------------------------------------------------------------------------------------------


class _Animal:
    """One animal on a painting: where it sits, its colours, and how each part is painted."""

    def __init__(self, painting, frame, traits, rng):
        self.painting, self.traits, self.rng = painting, traits, rng
        self.body, self.head = frame.inner(0.08j, 0.8), frame.inner(0j, angle=traits.tilt)
        self.coat = COATS[traits.coat]
        self.colours = self._three_colours()
        self.ink = _line_colour(self.colours[0])

    def _three_colours(self):
        palette = FUR | SKIN
        base, second = palette[self.traits.fur_colour], palette[self.traits.second_colour]
        light = _brightness(base) > 0.6
        if abs(_brightness(base) - _brightness(second)) < 0.12:
            second = FUR["chocolate"] if light else FUR["cream"]
        second = _mix(second, base, 0.3)
        third = FUR["fawn"] if _brightness(base) > 0.85 else FUR["white"]
        return [_varied(self.rng, colour, 8) for colour in (base, second, third)]

    def paint(self):
        """Paint the whole animal, back to front."""
        getattr(self, f"_{self.traits.pose}")()
        self._collar()
        self._wear(self.head)
        self._ears(in_front=False)
        self._part(self.head, self._skull())
        self._horns()
        self._ears(in_front=True)
        self._muzzle()
        self._eyes()
        self._whiskers()

    def _wear(self, frame, stretch=1.0):
        """Lay out the fur for the head or the body."""
        painting = self.painting
        painting.fur.paste(self.colours[0], (0, 0, painting.side, painting.side))
        for outline, colour in self.coat.marks(self.rng):
            _polygon(painting.fur_draw, frame(outline * stretch), self.colours[colour])
        self._hairs(frame, stretch)

    def _hairs(self, frame, stretch, count=40):
        x, y = np.array([self.rng.uniform(-1.1, 1.1) for _ in range(2 * count)]).reshape(2, count)
        roots = stretch * (x + 1j * y)
        hairs = frame(np.stack([roots, roots + 0.16j + 0.08 * roots.real], axis=1))
        width = max(1, self.painting.side // 200)
        tones = [_mix(self.colours[0], tone, 0.13) for tone in (WHITE, INK)]
        for i, hair in enumerate(hairs.view(float).tolist()):
            self.painting.fur_draw.line(hair, tones[i % 2], width)

    def _part(self, frame, outline, colour=None, depth=1.0):
        """Paint a part with the edge that the fur has."""
        amount, period = {"smooth": (0, 1), "fluffy": (0.05, 3), "curly": (0.08, 6)}[
            self.traits.fur
        ]
        if amount:
            outline = _rough(outline, amount, period)
        self.painting.form(frame(outline), self.ink, colour, depth)

    # --- body

    def _portrait(self):
        self._trunk(1.8j, 1.3)
        self._chest(1.7j, 0.5, 0.9)

    _peeking = _portrait

    def _sitting(self):
        self._ground(3j, 1.3)
        self._tail(0.75 + 2.6j)
        self._trunk(1.8j, 1.2)
        self._chest(1.4j, 0.38, 0.6)
        self._paws(-0.85 + 2.85j, 0.85 + 2.85j, size=0.36)
        self._legs(-0.3 + 1.7j, 0.3 + 1.7j, length=1.1)

    def _lying(self):
        self._ground(1 + 1.75j, 2.0)
        self._tail(2.2 + 1.3j)
        self._trunk(1 + 1j, 1.5)
        self._chest(0.9j, 0.5, 0.5)
        self._part(self.body, _ellipse(1.85, 1.3, 0.62, 0.55), depth=0.7)
        self._paws(1.5 + 1.75j, -0.55 + 1.65j, 0.25 + 1.7j, size=0.34)

    def _standing(self):
        self._ground(1.2 + 2.75j, 1.8)
        self._tail(2.6 + 0.7j)
        self._legs(0.4 + 1.2j, 2.2 + 1.2j, length=1.35, colour=_mix(self.colours[0], INK, 0.25))
        self._trunk(1.3 + 1j, 1.5)
        self._chest(0.1 + 1.1j, 0.32, 0.5)
        self._legs(-0.02 + 1.3j, 2.4 + 1.3j, length=1.4)

    def _ground(self, at, width):
        self.painting.shadow(self.body(_ellipse(at.real, at.imag, width, 0.35)), 0.45)

    def _trunk(self, centre, stretch):
        self._wear(self.body.inner(centre), stretch)
        pose = "portrait" if self.traits.pose == "peeking" else self.traits.pose
        self._part(self.body, TRUNKS[pose])

    def _chest(self, at, width, height):
        if self.coat.chest:
            bib = _rough(_ellipse(at.real, at.imag, width, height), 0.06, 3)
            self.painting.fill(self.body(bib), self.colours[self.coat.chest])

    def _legs(self, *tops, length, colour=None):
        for top in tops:
            spine = top + 1j * np.linspace(0, length, 4)
            self._part(self.body, _ribbon(spine, 0.55, 0.48), colour, 0.7)
            self._paws(spine[-1] + 0.08j)

    def _paws(self, *places, size=0.3):
        for at in places:
            paw = self.body.inner(at, size)
            self._part(paw, _ellipse(0, 0, 1.1, 0.75), self.colours[self.coat.paws], 0.6)
            for x in (-0.35, 0.35):
                self.painting.line(paw(np.array([x + 0.1j, x + 0.65j])), self.ink)

    def hold_on(self, edge):
        """Put the paws on an edge, so far below the neck."""
        self._paws(-0.85 + 1j * edge, 0.85 + 1j * edge, size=0.36)

    def _tail(self, at):
        if TAILS[self.traits.tail] is not None:
            spine, start, end = TAILS[self.traits.tail]
            outline = _ribbon(_smooth_line(spine, 3), start, end)
            self._part(self.body.inner(at, 0.9), outline, self.colours[self.coat.tail])

    def _collar(self):
        style, colour = self.traits.collar, self.traits.collar_colour
        if style == "none":
            return
        shapes = {"scarf": [(SCARF, colour)], "bow": [(BOW, colour)]}.get(style, [])
        bell = [(_ellipse(0, 1.28, 0.17), GOLD)] if style == "bell" else []
        for outline, paint in [*shapes, (COLLAR, colour), *bell]:
            self.painting.form(self.body(outline), _mix(paint, INK, 0.4), paint)

    # --- head

    def _skull(self):
        """Return the outline of the head; a long muzzle goes with a narrow jaw."""
        width, long = self.traits.head_width, self.traits.muzzle_length
        cheek, jaw = 0.95 + self.traits.cheeks - 0.14 * long, 0.64 - 0.22 * long
        right = [-0.95j, 0.6 - 0.82j, 0.97 - 0.2j, cheek + 0.35j, jaw + 0.84j, 0.98j]
        right = np.array(right)
        return _symmetric(width * right.real + 1j * right.imag)

    def _ears(self, in_front):
        ear = EARS[self.traits.ears]
        if ear is None or ear.in_front != in_front:
            return
        spread = self.traits.head_width * (1 if in_front else self.traits.ear_spread)
        for side in (-1, 1):
            at = complex(side * ear.at.real * spread + 0.12 * self.traits.turn, ear.at.imag)
            place = self.head.inner(at, self.traits.ear_size, side * ear.angle, side < 0)
            self._ear(ear, place)

    def _ear(self, ear, place):
        colour = self.colours[self.coat.ears]
        self.painting.form(place(ear.outline), self.ink, colour)
        if ear.inside is not None:
            inside = {"pink": PINK, "dark": INK, "pale": WHITE}[self.traits.ear_colour]
            self.painting.fill(place(ear.inside), _mix(colour, inside, 0.55))
        if ear.flap is not None:
            self.painting.form(place(ear.flap), self.ink, _mix(colour, INK, 0.12), 0.7)

    def _horns(self):
        spine = HORNS[self.traits.horns]
        if spine is None:
            return
        for side in (-1, 1):
            at = complex(side * 0.34 + 0.12 * self.traits.turn, -0.82)
            outline = _ribbon(_smooth_line(spine), 0.3, 0.06)
            self.painting.form(
                self.head.inner(at, flipped=side < 0)(outline), _mix(HORN, INK, 0.5), HORN
            )

    def _muzzle_tip(self):
        """Return the middle of the muzzle's front; the longer, the further to where it points."""
        length = self.traits.muzzle_length
        return complex(self.traits.turn * (0.16 + 0.55 * length), 0.38 + 0.36 * length)

    def _muzzle(self):
        length, width = self.traits.muzzle_length, self.traits.muzzle_width
        tip, height = self._muzzle_tip(), 0.2 + 0.22 * length
        colour = _mix(self.colours[self.coat.muzzle], WHITE, 0.1 + 0.2 * length)
        if length:
            outline = self._muzzle_outline(tip, width, height)
            shade = _mix(colour, INK, 0.2)
            self.painting.form(self.head(outline), shade, colour, 0.5 + 0.8 * length)
        # What comes nearer looks larger.
        nose = self.head.inner(tip - 0.5j * height, self.traits.nose_size * (0.75 + 0.75 * length))
        self._mouth(self.head.inner(tip - 0.4j * height), width, height + 0.08, colour)
        self._nose(nose)

    def _muzzle_outline(self, tip, width, height):
        """Return a bridge that comes down from between the eyes, and the front below it."""
        length = self.traits.muzzle_length
        brow = complex(self.traits.turn * 0.2, tip.imag - 0.25 - 0.7 * length)
        bridge = 0.16 + 0.2 * width
        front = _points("-.5,.95 -1,.35 -.86,-.3 .86,-.3 1,.35 .5,.95")
        front = tip + width * front.real + 1j * height * front.imag
        top = brow + np.array([-bridge, -0.06j, bridge])
        return _smooth(np.concatenate([front[:3], top, front[3:]]))

    def _nose(self, frame):
        outline, colour = NOSE_SHAPES[self.traits.nose], NOSES[self.traits.nose_colour]
        if outline is not None:
            self.painting.form(frame(outline), _mix(colour, INK, 0.5), colour, 0.5)
            self.painting.fill(frame(_ellipse(-0.3, -0.35, 0.28, 0.16)), _mix(colour, WHITE, 0.5))
        if self.traits.nose in ("snout", "none"):
            for x in (-0.6, 0.6):
                self.painting.fill(frame(_ellipse(x, 0, 0.22, 0.4)), _mix(colour, INK, 0.6))

    def _mouth(self, frame, width, height, colour):
        style, low = self.traits.mouth, 0.62 * height + 0.1
        if style == "none":
            return
        corner = complex(0.66 * width, low + (0.04 if style == "closed" else -0.06))
        if style in ("open", "tongue"):
            self._gape(frame, width, low, corner)
        if style == "teeth":
            self.painting.form(frame(_box(-0.11, low, 0.11, low + 0.26)), INK, WHITE, 0.3)
        side = _smooth_line(np.array([1j * low, 0.32 * width + 1j * (low + 0.09), corner]))
        for line in (np.array([0j, 1j * low]), side, _mirrored(side)):
            self.painting.line(frame(line), _line_colour(colour))

    def _gape(self, frame, width, low, corner):
        drop, length = (0.28, 0.12) if self.traits.mouth == "open" else (0.2, 0.24)
        lip = 0.3 * width + 1j * (low + 0.05)
        chin = 0.34 * width + 1j * (low + drop)
        right = np.array([1j * low, lip, corner, chin, 1j * (low + drop + 0.03)])
        self.painting.fill(frame(_symmetric(right)), MOUTH)
        tongue = _ellipse(0, low + drop * 0.5 + length * 0.6, 0.24 * width + 0.04, length)
        self.painting.form(frame(tongue), _mix(TONGUE, INK, 0.3), TONGUE, 0.5)

    def _eyes(self):
        traits = self.traits
        for side in (-1, 1):
            away = side * traits.turn
            x = side * traits.eye_spacing * (1 - 0.12 * away) + 0.2 * traits.turn
            place = self.head.inner(complex(x, -traits.eye_height), traits.eye_size, 0, side < 0)
            self._eye(place, 1 - 0.2 * away)

    def _eye(self, place, width):
        def fill(points, colour):
            self.painting.fill(place(width * points.real + 1j * points.imag), colour)

        outline = EYE_SHAPES[self.traits.eye_shape]
        iris = EYES[self.traits.eye_colour]
        fill(outline * 1.16 - 0.06j, _mix(self.ink, INK, 0.7))
        fill(outline, _mix(iris, INK, 0.25))
        fill(outline * 0.84 + 0.14j, iris)
        fill(PUPILS[self.traits.pupil], "#15110f")
        fill(_mirrored(GLINT) if place.flipped else GLINT, WHITE)

    def _whiskers(self):
        length = WHISKERS[self.traits.whiskers]
        if not length:
            return
        pale = _brightness(self.colours[0]) > 0.75
        colour = _mix(self.colours[0], INK, 0.5) if pale else WHITE
        bend = np.array([0, 0.5 - 0.04j, 1]) * length
        for flipped in (False, True):
            for slope in (-0.22, 0.0, 0.22):
                root = 0.6 * self.traits.muzzle_width + 0.35j * slope
                at = self._muzzle_tip() + (_mirrored(root) if flipped else root)
                hair = self.head.inner(at, flipped=flipped)(bend * (1 + 1j * slope))
                self.painting.line(hair, colour, 0.8)


# --------------------------------------------------------------------------------------------
# A picture
# --------------------------------------------------------------------------------------------

# For each pose half a head in shares of the picture's side, and how far down the head is.
_POSES = {
    "portrait": (0.3, 0.46),
    "sitting": (0.245, 0.36),
    "lying": (0.25, 0.46),
    "standing": (0.235, 0.38),
    "peeking": (0.28, 0.48),
}
_EDGE = 1.05  # of what an animal peeks over, in the frame of its body
# Where the companions are, in half heads, and how small the animals become.
_GROUPS = {1: ((0,), 1.0), 2: ((-2.1, 0), 0.8), 3: ((-2.0, 2.0, 0), 0.7)}


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
    if size < SMALLEST_SIZE:
        raise ValueError(f"size is {size}; possible: {SMALLEST_SIZE} pixels or more")
    traits = draw_traits(kind, seed)
    scene = BACKGROUNDS[traits.background]
    rng = random.Random(f"strokes {seed}")
    painting = _Painting(_backdrop(size, scene, rng), traits.light_angle)
    animals = _animals(painting, traits, rng)
    for animal in animals:
        animal.paint()
    if traits.pose == "peeking":
        _edge(painting, animals, _chosen(rng, scene.ground))
    _clutter(painting, traits.clutter, scene.clutter.split(), rng)
    return painting.finished(traits, rng)


def _animals(painting, traits, rng):
    """Make the animals of a picture, back to front, each with its own turn and tilt."""
    unit, height = _POSES[traits.pose]
    steps, smaller = _GROUPS[traits.number]
    unit *= traits.scale * smaller
    page = _Frame(0j, complex(painting.side))
    animals = []
    for step in steps:
        at = complex(traits.x, height + traits.y) + unit * step
        own = dict(turn=rng.uniform(-1, 1), tilt=rng.uniform(-10, 10)) if step else {}
        angle = traits.rotation if traits.pose != "peeking" else 0.0
        frame = page.inner(at, unit, angle, traits.mirrored != (step > 0))
        animals.append(_Animal(painting, frame, dataclasses.replace(traits, **own), rng))
    return animals


def _edge(painting, animals, colour):
    """Paint what the animals peek over, and their paws on it."""
    top = animals[-1].body(1j * _EDGE).imag
    margin = 0.1 * painting.side
    board = _box(-margin, top, painting.side + margin, painting.side + margin)
    painting.form(board, _line_colour(colour), colour, 0.6)
    for animal in animals:
        animal.hold_on(_EDGE)


def _clutter(painting, count, things, rng):
    page = _Frame(0j, complex(painting.side))
    for _ in range(count):
        thing = rng.choice(things)
        frame = page.inner(complex(rng.random(), rng.uniform(0.86, 1)), rng.uniform(0.06, 0.13))
        painting.shadow(frame(_ellipse(0, 0.8, 1.2, 0.5)), 0.3)
        _thing(painting.draw, frame, thing, _colours(rng, thing))


def contact_sheet(kinds=KINDS, seed=0, columns=10, rows=6, size=160):
    """Lay pictures out on one sheet; from row to row the kinds take turns.

    Parameters
    ----------
    kinds : sequence of str
        Of ``KINDS`` and ``OTHER_KINDS``.
    seed : int
        The seed of the first picture; those of a column count up with the rows of a kind.
    columns, rows : int
    size : int, at least 32
        Side of each picture in pixels.

    Returns
    -------
    PIL.Image.Image, of ``columns * size`` by ``rows * size`` pixels

    Raises
    ------
    ValueError
        As ``draw``.
    """
    sheet = Image.new("RGB", (columns * size, rows * size))
    for row in range(rows):
        again, kind = divmod(row, len(kinds))
        for column in range(columns):
            picture = draw(kinds[kind], seed + again * columns + column, size)
            sheet.paste(Image.fromarray(picture), (column * size, row * size))
    return sheet


# --------------------------------------------------------------------------------------------
# The data set
# --------------------------------------------------------------------------------------------

PICTURES_PER_SEED = 1_000_000
PORTION = 25  # pictures that a worker draws at a time


def make_sample(folder, seed=0, train=1000, validation=500):
    """Draw the sample into a folder in the official layout, completely or not at all.

    The pictures are drawn in processes beside this one, so a script that calls this needs
    ``if __name__ == "__main__":``; a notebook does not.

    Parameters
    ----------
    folder : path-like
        Where ``train/`` and ``validation/`` go, each with ``cats/`` and ``dogs/``. If this very
        sample is there already, it is kept as it is.
    seed : int
    train, validation : int
        Numbers of pictures, half of them cats and half of them dogs.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CatdogError
        If the folder has something else in it or cannot be written; no half sample is left.
    """
    folder = Path(folder)
    files = _files(seed, train, validation)
    if _holds(folder, files):
        return folder
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CatdogError(f"{folder} holds something else; name a folder that is not there yet")
        _draw_beside(folder, files)
    except (OSError, BrokenProcessPool) as error:
        # Another process may have put the same sample there meanwhile.
        if not _holds(folder, files):
            raise CatdogError(f"cannot draw the sample into {folder}: {_reason(error)}") from error
    return folder


def _reason(error):
    if isinstance(error, OSError):
        return error.strerror or error
    return 'a drawing process ended early; a script needs `if __name__ == "__main__":`'


def _files(seed, train, validation):
    """List the sample as (name in the folder, kind, seed of the picture)."""
    numbers = {"train": range(train // 2)}
    numbers["validation"] = range(train // 2, train // 2 + validation // 2)
    first = seed * PICTURES_PER_SEED
    return [
        (f"{split}/{kind}s/{kind}.{i}.jpg", kind, first + len(KINDS) * i + KINDS.index(kind))
        for split in numbers
        for i in numbers[split]
        for kind in KINDS
    ]


def _holds(folder, files):
    """Tell whether a folder holds these pictures; it compares the first one."""
    if not all((folder / name).is_file() for name, *_ in files):
        return False
    name, kind, seed = files[0]
    try:
        with Image.open(folder / name) as picture:
            difference = np.asarray(picture.convert("RGB"), float) - draw(kind, seed)
    except (OSError, ValueError):
        return False
    # JPEG and other versions of Pillow change a picture a little, another seed changes it all.
    return np.abs(difference).mean() < 12


def _draw_beside(folder, files):
    """Draw all pictures into a temporary folder, which becomes ``folder`` when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
    ) as beside:
        unfinished = Path(beside) / folder.name
        for name, *_ in files:
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
        _draw_in_parallel(unfinished, files)
        if folder.is_dir():
            folder.rmdir()  # only if empty: Windows renames onto nothing
        unfinished.rename(folder)


def _draw_in_parallel(folder, files):
    portions = [(folder, files[i : i + PORTION]) for i in range(0, len(files), PORTION)]
    # Spawned, not forked: a copy of a process that runs TensorFlow's threads can hang. The
    # workers leave an interrupt to the parent.
    pool = ProcessPoolExecutor(
        mp_context=get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    bar = tqdm(total=len(files), desc="drawing", unit="picture", disable=not sys.stderr.isatty())
    with pool, bar:
        for number in pool.map(_draw_portion, portions):
            bar.update(number)


def _draw_portion(portion):
    folder, files = portion
    for name, kind, seed in files:
        Image.fromarray(draw(kind, seed)).save(folder / name, quality=92)
    return len(files)
