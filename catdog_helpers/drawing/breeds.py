"""Which traits a breed has, and how often; the traits of a drawing, drawn from its seed.

In the tables, a pair of numbers is a range, a dictionary gives weights, and anything else is the
value itself. The order of their entries is part of what a seed draws.
"""

import random
from dataclasses import dataclass

from catdog_helpers.drawing.palette import BRIGHT, FUR
from catdog_helpers.drawing.scenes import BACKGROUNDS

# fmt: off
# The whole vocabulary. Other animals draw from it what is not their own, so that whoever learns
# to tell them apart meets every trait with every other.
_ANY_EARS = {"pointed": 3, "rounded": 1, "tufted": 1, "folded": 2, "floppy": 3, "long": 1}
_ANIMAL = dict(
    horns="none",
    ears="pointed", ear_size=(.8, 1.4), ear_spread=(.76, 1.14), head_width=(.88, 1.26),
    cheeks=(0.0, .26), muzzle_length=(0.0, 1.1), muzzle_width=(.34, .76),
    nose={"triangle": 1, "heart": 1, "oval": 1}, nose_size=(.11, .23),
    nose_color={"pink": 1, "brown": 1, "black": 1, "gray": 1},
    eye_shape={"round": 1, "almond": 1, "droopy": 1}, eye_size=(.15, .33),
    eye_spacing=(.4, .54), eye_height=(.04, .24),
    eye_color={"green": 1, "yellow": 1, "amber": 1, "blue": 1, "brown": 1, "dark": 1},
    pupil={"round": 3, "slit": 2, "oval": 1}, whiskers={"none": 1, "short": 1, "long": 1},
    mouth={"closed": 1, "smile": 1, "open": 1, "tongue": 1},
    tail={"long": 1, "wrapped": 1, "bushy": 1, "curled": 1, "short": 1},
    fur={"smooth": 2, "fluffy": 1, "curly": 1},
)
_CAT = _ANIMAL | dict(
    ear_size=(.9, 1.3), ear_spread=(.86, 1.1), head_width=(1.0, 1.25), cheeks=(.02, .22),
    muzzle_length=(.08, .5), muzzle_width=(.38, .56), nose={"triangle": 4, "heart": 3, "oval": 3},
    nose_size=(.12, .21), nose_color={"pink": 3, "brown": 2, "black": 2, "gray": 1},
    eye_shape={"almond": 3, "round": 2}, eye_size=(.18, .29), eye_spacing=(.44, .54),
    eye_height=(.04, .18), eye_color={"green": 3, "yellow": 3, "amber": 3, "blue": 3, "brown": 3},
    pupil={"slit": 3, "oval": 1, "round": 7}, whiskers={"long": 3, "short": 4, "none": 3},
    mouth={"closed": 4, "smile": 4, "open": 3},
    tail={"long": 4, "wrapped": 3, "bushy": 2, "curled": 1, "short": 1},
    fur={"smooth": 3, "fluffy": 1},
)
_DOG = _ANIMAL | dict(
    ears="floppy", ear_size=(.9, 1.25), ear_spread=(.8, 1.04), head_width=(.9, 1.14),
    cheeks=(0.0, .14), muzzle_length=(.35, .8), muzzle_width=(.4, .57),
    nose={"oval": 4, "heart": 3, "triangle": 3}, nose_size=(.14, .21),
    nose_color={"pink": 1, "brown": 3, "black": 4, "gray": 1},
    eye_shape={"round": 3, "droopy": 4, "almond": 2}, eye_size=(.18, .26), eye_spacing=(.4, .5),
    eye_height=(.1, .24), eye_color={"green": 2, "yellow": 2, "amber": 4, "blue": 2, "brown": 4},
    pupil={"round": 6, "oval": 1}, whiskers={"none": 3, "short": 4, "long": 2},
    mouth={"closed": 3, "smile": 3, "open": 2, "tongue": 3},
    tail={"long": 2, "bushy": 2, "curled": 3, "short": 3, "wrapped": 1},
    fur={"smooth": 3, "fluffy": 1},
)
# Of pointed ears, of a long muzzle, of whiskers and so on each breed has some and lacks others:
# no trait gives the kind away, the whole does. Each breed comes with its weight.
_CATS_AND_DOGS = {
    "cat": {
        "shorthair": (3, _CAT | dict(
            muzzle_length=(.08, .28), nose_size=(.12, .19),
            whiskers={"long": 1, "short": 5, "none": 5}, pupil={"slit": 1, "round": 4},
            mouth={"closed": 3, "smile": 4, "open": 4})),
        "Abyssinian": (2.5, _CAT | dict(
            ear_size=(1.05, 1.35), muzzle_length=(.25, .56), muzzle_width=(.36, .48),
            nose={"triangle": 3, "heart": 1}, nose_size=(.12, .18), pupil={"slit": 2, "round": 3},
            whiskers={"long": 2, "short": 1}, mouth={"closed": 1, "smile": 1})),
        "Siamese": (2, _CAT | dict(
            ear_size=(1.2, 1.45), head_width=(.96, 1.1), muzzle_length=(.46, .75),
            muzzle_width=(.34, .46), eye_shape="almond", eye_size=(.25, .31),
            pupil={"slit": 2, "round": 1}, whiskers={"long": 2, "short": 1},
            nose={"triangle": 3, "oval": 1}, nose_size=(.12, .18),
            mouth={"closed": 1, "smile": 1})),
        "Persian": (2, _CAT | dict(
            ears={"rounded": 2, "pointed": 1}, ear_size=(.8, 1), cheeks=(.14, .28),
            head_width=(1.12, 1.28), muzzle_length=(0.0, .1), eye_shape="round",
            eye_size=(.25, .33), fur="fluffy", tail={"bushy": 2, "curled": 1})),
        "Scottish fold": (2, _CAT | dict(
            ears="folded", ear_size=(.6, .76), ear_spread=(1.02, 1.15), cheeks=(.1, .22),
            head_width=(1.14, 1.28), muzzle_length=(.02, .14), nose_size=(.11, .15),
            nose={"triangle": 1, "heart": 1}, eye_size=(.28, .33), pupil={"slit": 4, "round": 1},
            whiskers={"long": 3, "short": 1}, mouth={"closed": 1, "smile": 1})),
        "Maine coon": (1.5, _CAT | dict(
            ears={"tufted": 3, "pointed": 1}, cheeks=(.14, .28), muzzle_length=(.36, .62),
            muzzle_width=(.34, .44), pupil={"slit": 3, "round": 1}, eye_shape="almond",
            eye_size=(.23, .3), whiskers="long", fur="fluffy", nose="triangle",
            nose_size=(.12, .18), tail="bushy", mouth={"closed": 1, "smile": 1})),
    },
    "dog": {
        "retriever": (3.5, _DOG | dict(
            muzzle_length=(.25, .75), fur={"smooth": 3, "fluffy": 1, "curly": 1})),
        "spaniel": (1.5, _DOG | dict(
            ears={"long": 3, "floppy": 1}, muzzle_length=(.2, .55), eye_size=(.22, .3),
            nose_size=(.13, .19), eye_shape={"droopy": 2, "round": 1},
            fur={"fluffy": 1, "curly": 1})),
        "shepherd": (2.5, _DOG | dict(
            ears="pointed", ear_size=(.85, 1.1), ear_spread=(.74, .92), head_width=(.86, 1),
            cheeks=(0.0, .1), muzzle_length=(.9, 1.1), eye_size=(.16, .23),
            eye_shape={"almond": 1, "round": 1}, nose={"oval": 2, "heart": 1}, nose_size=(.16, .21),
            whiskers={"none": 3, "short": 1}, pupil="round",
            mouth={"closed": 2, "open": 2, "tongue": 3})),
        "spitz": (2, _DOG | dict(
            ears="pointed", ear_size=(.8, 1), ear_spread=(.76, .96), cheeks=(.08, .2),
            muzzle_length=(.78, 1), nose={"oval": 2, "heart": 1}, nose_size=(.16, .21),
            eye_size=(.16, .23), pupil="round", whiskers={"none": 3, "short": 1}, fur="fluffy",
            mouth={"smile": 1, "open": 1, "tongue": 3}, tail="curled")),
        "pug": (2, _DOG | dict(
            ears={"folded": 1, "floppy": 2}, ear_size=(.95, 1.15), head_width=(1.02, 1.2),
            cheeks=(.08, .2), muzzle_length=(.02, .3), muzzle_width=(.62, .78),
            nose={"oval": 2, "heart": 1}, nose_size=(.15, .21), eye_shape={"round": 1, "droopy": 2},
            eye_size=(.22, .3), pupil="round", whiskers={"none": 4, "short": 1},
            mouth={"closed": 1, "open": 1, "tongue": 3})),
        "terrier": (1.5, _DOG | dict(
            ears={"folded": 2, "pointed": 1}, ear_size=(.95, 1.2), ear_spread=(.8, 1),
            muzzle_length=(.6, .95), muzzle_width=(.46, .58), nose={"oval": 2, "heart": 1},
            nose_size=(.16, .21), eye_size=(.16, .24), pupil="round",
            whiskers={"none": 3, "short": 1}, fur={"fluffy": 1, "smooth": 1})),
    },
}
# What other animals have of their own.
_OTHERS = {
    "rabbit": _ANIMAL | dict(
        ears="upright", muzzle_length=(0.0, .4), nose={"triangle": 2, "heart": 1},
        nose_size=(.1, .16), tail="short"),
    "bear": _ANIMAL | dict(
        ears="round", ear_size=(.75, 1), head_width=(1.04, 1.26), tail="short",
        fur_color={"chocolate": 2, "rust": 2, "black": 1, "white": 1, "fawn": 1},
        coat={"solid": 3, "tuxedo": 1}),
    "fox": _ANIMAL | dict(
        ear_size=(1, 1.4), head_width=(1.08, 1.26), cheeks=(.22, .36), muzzle_length=(.7, 1.1),
        muzzle_width=(.22, .32), nose_size=(.1, .15), eye_size=(.15, .22), tail="bushy",
        fur_color={"ginger": 4, "rust": 3, "gray": 1},
        coat={"tuxedo": 3, "blaze": 1}),
    "mouse": _ANIMAL | dict(
        ears="round", ear_size=(1.35, 1.8), muzzle_length=(.2, .9), muzzle_width=(.22, .34),
        nose_size=(.08, .14), tail="whip"),
    "pig": _ANIMAL | dict(
        ears=_ANY_EARS, nose="snout", nose_size=(.2, .27),
        nose_color="pink", fur="smooth", tail="curled", fur_color="pink",
        coat={"solid": 3, "spotted": 1}),
    "owl": _ANIMAL | dict(
        ears={"tufted": 2, "none": 1}, muzzle_length=0.0, nose="beak", nose_size=(.18, .24),
        nose_color={"yellow": 2, "gray": 1}, eye_size=(.25, .38), whiskers="none", mouth="none",
        tail="none", fur="fluffy", pose={"portrait": 2, "sitting": 2, "peeking": 1},
        coat={"spotted": 2, "brindle": 2, "solid": 1}),
    "frog": _ANIMAL | dict(
        ears="none", head_width=(1.2, 1.4), muzzle_length=0.0, muzzle_width=(.8, 1),
        nose="none", nose_size=(.1, .14), eye_size=(.25, .36), eye_spacing=(.55, .7),
        eye_height=(.7, .85), pupil={"bar": 3, "round": 1, "slit": 1}, tail="none", fur="smooth",
        fur_color={"leaf": 4, "lime": 2, "teal": 2, "rust": 1},
        coat={"spotted": 2, "solid": 2, "brindle": 1}),
    "panda": _ANIMAL | dict(
        ears="round", fur_color="white", second_color="black", tail="short", coat="panda"),
    "koala": _ANIMAL | dict(
        ears="round", ear_size=(1.3, 1.8), nose="leather", nose_size=(.18, .26), tail="none",
        fur_color={"gray": 3, "silver": 2, "fawn": 1}, coat={"solid": 2, "tuxedo": 1}),
    "cow": _ANIMAL | dict(
        horns="short", ears=_ANY_EARS | {"leaf": 6}, muzzle_length=(.5, 1.1),
        muzzle_width=(.56, .76), nose="none", nose_size=(.18, .26), tail="whip",
        coat={"calico": 2, "blaze": 2, "solid": 1}),
    "sheep": _ANIMAL | dict(
        horns="curled", ears=_ANY_EARS | {"leaf": 3}, tail="short",
        fur_color={"white": 4, "cream": 2, "chocolate": 1, "black": 1},
        coat={"solid": 1, "points": 2}),
    "goat": _ANIMAL | dict(
        horns="long", ears=_ANY_EARS,
        pupil={"bar": 2, "slit": 1, "round": 1}, tail="short"),
    "raccoon": _ANIMAL | dict(
        ears=_ANY_EARS, tail="bushy",
        fur_color={"gray": 3, "silver": 2, "fawn": 1}, second_color="black", coat="mask"),
    "squirrel": _ANIMAL | dict(
        ears={"tufted": 3, "rounded": 1}, ear_size=(.55, .8), cheeks=(.2, .34),
        head_width=(.86, 1.04), muzzle_length=(0.0, .4), nose_size=(.08, .13), eye_color="dark",
        eye_shape="round", pupil="round", mouth="teeth", tail="bushy",
        fur_color={"rust": 3, "ginger": 1, "gray": 1}, coat={"solid": 1, "tuxedo": 2}),
}
# The faces of cats and dogs, with coats of their own.
_RELATIVES = {
    "tiger": _CAT | dict(
        ears="rounded", ear_size=(.7, .9), fur_color={"ginger": 3, "white": 1},
        second_color="black", coat="tabby"),
    "leopard": _CAT | dict(
        ears={"rounded": 1, "pointed": 1}, ear_size=(.7, .9), fur_color={"fawn": 2, "cream": 1},
        second_color="black", coat="spotted"),
    "lynx": _CAT | dict(
        ears="tufted", cheeks=(.2, .34), tail="short", fur="fluffy",
        fur_color={"fawn": 2, "gray": 1}, second_color="chocolate", coat="spotted"),
    "wolf": _DOG | dict(
        ears="pointed", fur="fluffy", tail="bushy", muzzle_length=(.6, 1.1),
        fur_color={"gray": 3, "black": 1, "white": 1}, coat={"tuxedo": 1, "saddle": 2}),
    "jackal": _DOG | dict(
        ears="pointed", ear_size=(1.1, 1.4), tail="bushy",
        fur_color={"fawn": 1, "rust": 1}, second_color="black", coat="saddle"),
    "hyena": _DOG | dict(
        ears="rounded", ear_size=(1, 1.3), tail="short",
        fur_color={"fawn": 2, "gray": 1}, second_color="chocolate",
        coat={"spotted": 2, "brindle": 1}),
}
# What depends on the seed alone, unless another animal has its own coat, colors or pose.
_SHARED = dict(
    coat={
        "solid": 4, "tabby": 2, "brindle": 1, "spotted": 1, "tortoiseshell": 1, "calico": 2,
        "points": 2, "tuxedo": 2, "blaze": 2, "half": 1, "saddle": 2,
    },
    fur_color=dict.fromkeys(FUR, 1),
    second_color=dict.fromkeys(FUR, 1),
    ear_color={"pink": 2, "dark": 1, "pale": 1},
    collar={"none": 5, "plain": 2, "bell": 2, "scarf": 1, "bow": 1},
    collar_color=dict.fromkeys(BRIGHT.split(), 1),
    background=dict.fromkeys(BACKGROUNDS, 1),
    count={1: 17, 2: 2, 3: 1},
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
KINDS = tuple(_CATS_AND_DOGS)
OTHER_KINDS = tuple(_OTHERS)
WILD_RELATIVES = tuple(_RELATIVES)
# For each kind and breed its weight among the breeds of the kind, and its distributions.
_ONE_BREED = {kind: {kind: (1, own)} for kind, own in (_OTHERS | _RELATIVES).items()}
BREEDS = _CATS_AND_DOGS | _ONE_BREED


@dataclass(frozen=True)
class Traits:
    """What one drawing shows.

    The traits from ``horns`` to ``fur`` have distributions that depend on the kind, those of cats
    and dogs overlapping in each; the others are the same for both.

    Attributes
    ----------
    kind : str
        The label.
    horns, ears, nose, eye_shape, pupil, whiskers, mouth, tail, fur : str
        Shapes; the outlines are in ``parts``.
    ear_size, ear_spread, head_width : float
        Relative to the usual size.
    cheeks, muzzle_width, nose_size, eye_size, eye_spacing, eye_height : float
        In half heads.
    muzzle_length : float
        0 is flat, 1 long.
    nose_color, eye_color, fur_color, second_color, ear_color, collar_color : str
        Names in ``palette``; the color of the collar is ``"#rrggbb"``.
    coat, collar, background, pose : str
    count : int, 1..3
        How many animals there are.
    scale : float
        Size of the animal, in shares of the usual.
    x, y : float
        Where the head is: ``x`` from the left, ``y`` from the usual height down, in shares of the
        image.
    rotation, tilt : float
        Of the animal and of its head, in degrees, clockwise.
    turn : float, -1..1
        Where the head looks: to the left, to the viewer (0), to the right.
    mirrored : bool
    light_angle : float
        Where the light comes from, in degrees, clockwise from the right.
    brightness, warmth : float
        Factor of all colors; by how much red rises and blue falls.
    blur : float
        Standard deviation in pixels of an image of 160.
    clutter : int
        How many things lie in front.
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
    nose_color: str
    eye_shape: str
    eye_size: float
    eye_spacing: float
    eye_height: float
    eye_color: str
    pupil: str
    whiskers: str
    mouth: str
    tail: str
    fur: str
    coat: str
    fur_color: str
    second_color: str
    ear_color: str
    collar: str
    collar_color: str
    background: str
    count: int
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


def draw_traits(kind, seed):
    """Draw the traits of one drawing.

    Parameters
    ----------
    kind : str
        One of ``KINDS``, ``OTHER_KINDS`` or ``WILD_RELATIVES``.
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
    # Another text would be another seed, and change all drawings.
    shared = _draw_all(random.Random(f"picture {seed}"), _SHARED)
    rng = random.Random(f"{kind} {seed}")
    weights, breeds = zip(*BREEDS[kind].values(), strict=True)
    return Traits(kind, **shared | _draw_all(rng, rng.choices(breeds, weights)[0]))


def _draw_all(rng, distributions):
    """Draw a value from each distribution of a table."""
    values = {}
    for name, distribution in distributions.items():
        if isinstance(distribution, dict):
            values[name] = rng.choices(list(distribution), list(distribution.values()))[0]
        elif isinstance(distribution, tuple):
            values[name] = rng.uniform(*distribution)
        else:
            values[name] = distribution
    return values
