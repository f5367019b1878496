"""Patterns of the fur: marks in the unit disc, for the head and the body alike.

A mark is an outline and the index of its color among the animal's three: 0 is the fur, 1 the
second color, 2 the light one.
"""

from dataclasses import dataclass

import numpy as np

from catdog_helpers.drawing.geometry import Frame, curve, ellipse, mirrored, symmetric, vertices

_STRIPE = curve("-.09,0 0,-.04 .09,0 .06,.3 0,.62 -.03,.3")
_STREAK = curve("-.02,-.22 .03,0 -.01,.22 -.06,.05")
_BLOBS = (
    curve("1,0 .6,.8 -.1,.9 -.9,.6 -.8,-.2 -.5,-.9 .3,-.7 .9,-.6"),
    curve(".8,.2 .8,.9 0,.7 -.7,.9 -1,0 -.7,-.7 .1,-1 .6,-.5"),
    curve("1.1,-.1 .5,.6 .2,1 -.6,.7 -1,.3 -.9,-.6 -.1,-.7 .7,-.8"),
)
_HALF = curve("0,-1.4 1.4,-1.2 1.4,1.2 .2,1.4")
_CAP = symmetric(vertices("0,-1.3 1.3,-1 1.2,.1 .55,-.1 .3,.1 0,-.2"))
_BROW = ellipse(0.36, -0.36, 0.11, 0.08)
_EYE_PATCH = ellipse(0, 0, 0.24, 0.34) * np.exp(0.5j) + (0.45 - 0.04j)
_BAND = symmetric(vertices("0,-.3 .5,-.42 1.1,-.1 1,.25 .5,.2 .2,0 0,.02"))


@dataclass(frozen=True)
class Coat:
    """Which of the animal's three colors its parts have, and the marks that are always there.

    Attributes
    ----------
    fixed : tuple of (complex array, int)
        Marks.
    ears, paws, tail, chest, muzzle : int, 0..2
        Indices of their colors; a chest of 0 has no bib.
    """

    fixed: tuple = ()
    ears: int = 0
    paws: int = 0
    tail: int = 0
    chest: int = 0
    muzzle: int = 0


COATS = {
    "solid": Coat(),
    "tabby": Coat(muzzle=2),
    "brindle": Coat(),
    "spotted": Coat(ears=1),
    "tortoiseshell": Coat(tail=1),
    "calico": Coat(ears=1, paws=2, chest=2, muzzle=2),
    "points": Coat(ears=1, paws=1, tail=1, muzzle=1),
    "tuxedo": Coat(paws=2, chest=2, muzzle=2),
    "blaze": Coat(paws=2, chest=2, muzzle=2),
    "half": Coat(tail=1),
    "saddle": Coat(((_CAP, 1), (_BROW, 0), (mirrored(_BROW), 0)), ears=1, tail=1),
    "panda": Coat(((_EYE_PATCH, 1), (mirrored(_EYE_PATCH), 1)), ears=1, paws=1, chest=1),
    "mask": Coat(((_BAND, 1),), paws=1, muzzle=2),
}


def draw_marks(coat, rng):
    """Draw the marks of a coat on a head or a body.

    Parameters
    ----------
    coat : str
        A key of ``COATS``.
    rng : random.Random

    Returns
    -------
    sequence of (complex array, int)
        Outlines in the unit disc, back to front, and the indices of their colors, 0..2.
    """
    match coat:
        case "tabby":  # stripes from the rim inwards, but none below
            angles = [a + rng.uniform(-7, 7) for a in (-75, -52, -22, 0, 22, 52, 75, 100, -100)]
            stripe = _STRIPE * rng.uniform(0.7, 1.1) - 1.08j
            return [(Frame(0j, np.exp(1j * np.radians(a)))(stripe), 1) for a in angles]
        case "brindle":
            marks = []
            for _ in range(26):
                streak = _STREAK * rng.uniform(0.8, 1.5)
                marks.append((streak + complex(rng.uniform(-1, 1), rng.uniform(-1, 1)), 1))
            return marks
        case "spotted":
            return _scattered(rng, rng.randint(14, 24), (0.07, 0.17), colors=(1,))
        case "tortoiseshell":
            return _scattered(rng, 22, (0.1, 0.24), colors=(1, 2))
        case "calico":  # three large patches around the middle
            turn = rng.uniform(0, 6.3)
            places = [Frame(0.75 * np.exp(1j * (turn + 2.1 * i)), 0.55 + 0j) for i in range(3)]
            return [(place(rng.choice(_BLOBS)), 1 + i % 2) for i, place in enumerate(places)]
        case "points":  # dark around nose and mouth
            return [(0.62 * rng.choice(_BLOBS) + 0.36j, 1)]
        case "tuxedo":  # light from the mouth down
            top = rng.uniform(-0.2, 0.25)
            return [(symmetric(vertices(f"0,{top} .3,.35 .62,.9 .3,1.3 0,1.35")), 2)]
        case "blaze":  # a light band from the forehead down
            half = rng.uniform(0.07, 0.2)
            right = vertices(f"0,-1.1 {half},-.9 {half},-.2 .6,.5 .5,1.2 0,1.3")
            return [(symmetric(right) + rng.uniform(-0.1, 0.1), 2)]
        case "half":
            return [(_HALF + rng.uniform(-0.15, 0.15), 1)]
    return COATS[coat].fixed


def _scattered(rng, count, size, colors):
    """Scatter blobs of a size between two limits, whose colors take turns."""
    marks = []
    for i in range(count):
        at = complex(rng.uniform(-1, 1), rng.uniform(-1, 1))
        frame = Frame(at, rng.uniform(*size) * np.exp(1j * rng.uniform(0, 6.3)))
        marks.append((frame(rng.choice(_BLOBS)), colors[i % len(colors)]))
    return marks
