"""Outlines of the parts of an animal: ears, horns, eyes, noses, tails, head, muzzle, body.

Lengths are half heads, or the part's own size for eyes and noses. An outline is a complex array
of shape (n,), x to the right, y down; parts that come in pairs are those on the right.
"""

from dataclasses import dataclass

import numpy as np

from catdog_helpers.drawing.geometry import curve, ellipse, smooth, symmetric, vertices


@dataclass(frozen=True)
class Ear:
    """A right ear with its base at 0, pointing up, and where on the head it grows.

    Attributes
    ----------
    outline : complex array, shape (n,)
    inside, flap : complex array, shape (n,), or None
        What is inside it; what hangs over in front of it.
    at : complex
        Where its base is on the head.
    angle : float
        In degrees, clockwise.
    in_front : bool
        Whether it hangs in front of the head.
    """

    outline: np.ndarray
    inside: np.ndarray | None = None
    flap: np.ndarray | None = None
    at: complex = 0.6 - 0.6j
    angle: float = 22.0
    in_front: bool = False


@dataclass(frozen=True)
class Body:
    """The body in a pose, with the neck at 0.

    Attributes
    ----------
    trunk, chest : complex array, shape (n,)
    middle : complex
        Of the trunk, and of the marks on its fur.
    reach : float
        How far the marks go from there.
    ground, thigh : complex array, shape (n,), or None
        The shadow below; a hind leg that lies.
    tail : complex or None
        Where its root is.
    paws, legs, far_legs : tuple of complex
        Paws without a leg; upper ends of legs in front of the trunk and behind it.
    paw_size, leg_length, far_leg_length : float
    """

    trunk: np.ndarray
    chest: np.ndarray
    middle: complex
    reach: float
    ground: np.ndarray | None = None
    thigh: np.ndarray | None = None
    tail: complex | None = None
    paws: tuple[complex, ...] = ()
    paw_size: float = 0.3
    legs: tuple[complex, ...] = ()
    leg_length: float = 0.0
    far_legs: tuple[complex, ...] = ()
    far_leg_length: float = 0.0


# fmt: off
EARS = {
    "pointed": Ear(curve("-.4,.25 -.33,-.3 .02,-1 .02,-1 .33,-.3 .38,.3"),
                    curve("-.2,.1 -.17,-.25 .02,-.75 .19,-.25 .2,.1")),
    "tufted": Ear(curve("-.4,.25 -.3,-.4 -.02,-.9 .06,-1.3 .06,-1.3 .12,-.9 .33,-.35 .4,.3"),
                   curve("-.2,.1 -.17,-.25 .02,-.75 .19,-.25 .2,.1")),
    "rounded": Ear(curve("-.42,.3 -.34,-.2 0,-.72 .1,-.7 .36,-.2 .42,.3"),
                    curve("-.22,.1 -.18,-.2 .04,-.5 .2,-.2 .2,.1")),
    "folded": Ear(curve("-.4,.3 -.36,-.3 0,-.62 .38,-.42 .42,.3"),
                   flap=curve("-.34,-.34 .02,-.68 .42,-.46 .76,.4 .76,.4 .26,.1")),
    "floppy": Ear(curve("-.35,.1 0,-.25 .4,0 .58,.6 .34,1.2 -.08,.9"),
                   at=.74 - .58j, angle=-4, in_front=True),
    "long": Ear(curve("-.3,.1 0,-.2 .4,.1 .62,.9 .45,1.7 .02,1.6 -.1,.8"),
                 at=.8 - .45j, angle=-4, in_front=True),
    "upright": Ear(curve("-.2,.3 -.3,-.7 -.05,-1.75 .25,-1 .22,.3"),
                    curve("-.1,0 -.17,-.7 -.03,-1.5 .14,-.9 .1,0"), at=.38 - .75j, angle=12),
    "round": Ear(ellipse(0, -.2, .42), ellipse(0, -.18, .26), at=.72 - .72j, angle=30),
    "leaf": Ear(curve("-.1,.2 -.24,-.4 0,-.95 0,-.95 .26,-.4 .14,.2"),
                 curve("-.04,0 -.12,-.4 0,-.75 .14,-.4 .06,0"), at=.82 - .5j, angle=72),
    "none": None,
}
HORNS = {  # the middle line of the right one
    "none": None,
    "short": vertices("0,0 .3,-.1 .48,-.4"),
    "long": vertices("0,0 .06,-.5 .34,-.95 .74,-1.05"),
    "curled": vertices("0,0 .5,-.3 .95,-.1 1.05,.35 .75,.55 .55,.3"),
}
EYE_SHAPES = {
    "round": ellipse(0, 0, 1),
    "almond": curve("-1,.3 -.45,-.55 .4,-.85 1.1,-.5 .7,.45 -.2,.7"),
    "droopy": curve("-.95,-.2 -.2,-.85 .7,-.5 1.05,.4 .2,.8 -.7,.55"),
}
PUPILS = {
    "round": ellipse(0, 0, .6),
    "oval": ellipse(0, 0, .42, .62),
    "slit": curve("0,-.74 .2,0 0,.74 -.2,0"),
    "bar": ellipse(0, 0, .62, .24),
}
NOSE_SHAPES = {
    "triangle": curve("-1,-.5 0,-.68 1,-.5 .5,.25 0,.72 -.5,.25"),
    "heart": curve("-.55,-.75 0,-.5 .55,-.75 1,-.2 0,.8 -1,-.2"),
    "oval": curve("-1,-.2 -.6,-.75 .6,-.75 1,-.2 .5,.6 -.5,.6"),
    "snout": ellipse(0, 0, 1.5, 1.1),
    "leather": ellipse(0, .1, .9, 1.5),
    "beak": curve("-.8,-.8 0,-1.1 .8,-.8 0,1.6 0,1.6"),
    "none": None,
}
TAILS = {  # the middle line, the width at its root and at its tip
    "long": (vertices("0,0 .9,.1 1.4,-.6 1.25,-1.4 1.6,-1.9"), .34, .2),
    "wrapped": (vertices("0,0 .9,.2 1,.75 .2,.95 -.6,.85"), .34, .22),
    "bushy": (vertices("0,0 .7,-.1 1.2,-.7 1.25,-1.3"), .35, .75),
    "curled": (vertices("0,0 .7,-.3 .9,-1 .4,-1.3 .1,-.9"), .4, .25),
    "short": (vertices("0,0 .4,-.2 .6,-.5"), .35, .2),
    "whip": (vertices("0,0 .7,-.2 1.2,-.9 1.3,-1.4"), .25, .1),
    "none": None,
}
WHISKERS = {"none": 0.0, "short": 0.35, "long": 0.85}
COLLAR = curve("-.72,.62 0,1 .72,.62 .76,.86 0,1.24 -.76,.86")
SCARF = curve("-.5,.9 .5,.9 .1,1.75 .1,1.75")
BOW = vertices("-.4,.95 0,1.15 .4,.95 .4,1.4 0,1.2 -.4,1.4")
GLINT = ellipse(-.3, -.34, .26, count=10)
# fmt: on
_PORTRAIT = Body(
    trunk=curve("0,.4 .6,.6 1,1.3 1.2,2.6 0,3.2 -1.2,2.6 -1,1.3 -.6,.6"),
    middle=1.8j,
    reach=1.3,
    chest=ellipse(0, 1.7, 0.5, 0.9),
)
BODIES = {
    "portrait": _PORTRAIT,
    "peeking": _PORTRAIT,
    "sitting": Body(
        trunk=curve(
            "0,.4 .55,.7 .75,1.5 1.05,2.3 .85,2.9 0,2.95 -.85,2.9 -1.05,2.3 -.75,1.5 -.55,.7"
        ),
        middle=1.8j,
        reach=1.2,
        chest=ellipse(0, 1.4, 0.38, 0.6),
        ground=ellipse(0, 3, 1.3, 0.35),
        tail=0.75 + 2.6j,
        paws=(-0.85 + 2.85j, 0.85 + 2.85j),
        paw_size=0.36,
        legs=(-0.3 + 1.7j, 0.3 + 1.7j),
        leg_length=1.1,
    ),
    "lying": Body(
        trunk=curve("-.7,.8 .4,.2 1.8,.3 2.6,1 2.2,1.7 0,1.75"),
        middle=1 + 1j,
        reach=1.5,
        chest=ellipse(0, 0.9, 0.5, 0.5),
        ground=ellipse(1, 1.75, 2, 0.35),
        tail=2.2 + 1.3j,
        thigh=ellipse(1.85, 1.3, 0.62, 0.55),
        paws=(1.5 + 1.75j, -0.55 + 1.65j, 0.25 + 1.7j),
        paw_size=0.34,
    ),
    "standing": Body(
        trunk=curve("-.3,.5 .6,.3 2.3,.3 2.8,.9 2.3,1.7 .2,1.7"),
        middle=1.3 + 1j,
        reach=1.5,
        chest=ellipse(0.1, 1.1, 0.32, 0.5),
        ground=ellipse(1.2, 2.75, 1.8, 0.35),
        tail=2.6 + 0.7j,
        far_legs=(0.4 + 1.2j, 2.2 + 1.2j),
        far_leg_length=1.35,
        legs=(-0.02 + 1.3j, 2.4 + 1.3j),
        leg_length=1.4,
    ),
}


def skull(traits):
    """Return the outline of the head; a long muzzle goes with a narrow jaw.

    Parameters
    ----------
    traits : breeds.Traits

    Returns
    -------
    complex array, shape (60,), half heads
    """
    width, long = traits.head_width, traits.muzzle_length
    cheek, jaw = 0.95 + traits.cheeks - 0.14 * long, 0.64 - 0.22 * long
    right = np.array([-0.95j, 0.6 - 0.82j, 0.97 - 0.2j, cheek + 0.35j, jaw + 0.84j, 0.98j])
    return symmetric(width * right.real + 1j * right.imag)


def muzzle_tip(traits):
    """Return the middle of the muzzle's front; the longer, the further to where it points.

    Parameters
    ----------
    traits : breeds.Traits

    Returns
    -------
    complex, half heads
    """
    length = traits.muzzle_length
    return complex(traits.turn * (0.16 + 0.55 * length), 0.38 + 0.36 * length)


def muzzle(traits, height):
    """Return a bridge that comes down from between the eyes, and the front below it.

    Parameters
    ----------
    traits : breeds.Traits
    height : float
        Half the height of the front, in half heads.

    Returns
    -------
    complex array, shape (54,), half heads
    """
    width, tip = traits.muzzle_width, muzzle_tip(traits)
    brow = complex(traits.turn * 0.2, tip.imag - 0.25 - 0.7 * traits.muzzle_length)
    bridge = 0.16 + 0.2 * width
    front = vertices("-.5,.95 -1,.35 -.86,-.3 .86,-.3 1,.35 .5,.95")
    front = tip + width * front.real + 1j * height * front.imag
    top = brow + np.array([-bridge, -0.06j, bridge])
    return smooth(np.concatenate([front[:3], top, front[3:]]))
