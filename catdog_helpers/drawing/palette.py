"""Colors by name, and how to mix and vary them.

A color is ``"#rrggbb"`` or a tuple of red, green and blue, int, 0..255. A string of several colors,
separated by spaces, is a choice.
"""

from functools import lru_cache

from PIL import ImageColor

# fmt: off
FUR = {
    "black": "#35313a", "gray": "#8a8d98", "silver": "#c2c5cb", "white": "#f6f1e7",
    "cream": "#ecd5ac", "ginger": "#dd8a3e", "rust": "#a85c32", "chocolate": "#674432",
    "fawn": "#cda577", "blue": "#6c7d92",
}
SKIN = {"pink": "#f0b3ae", "leaf": "#7fb04f", "lime": "#b5cf5a", "teal": "#4f9c8f"}
EYES = {
    "green": "#8fbf4d", "yellow": "#f0c63f", "amber": "#cf8a2e", "blue": "#6db5e3",
    "brown": "#7a4a27", "dark": "#3f2a20",
}
NOSES = {
    "pink": "#e38d93", "brown": "#7d4a3b", "black": "#2a262b", "gray": "#625c66",
    "yellow": "#e9ae3c",
}
# fmt: on
PINK, TONGUE, MOUTH, WHITE, INK = "#eeb0a6", "#e9808a", "#7b2f35", "#fffaf0", "#2d2528"
EAR_INSIDES = {"pink": PINK, "dark": INK, "pale": WHITE}
GOLD, HORN, PUPIL = "#f4c542", "#d8c4a0", "#15110f"
BRIGHT = "#e4572e #f3a712 #3f88c5 #d1495b #7a5ea8 #46a08f #e9808a"
GREENS = "#5f9d4f #78b05a #4a8a55"


@lru_cache
def rgb(color):
    """Return a color as a tuple, as Pillow draws fastest.

    Parameters
    ----------
    color : str or tuple of int

    Returns
    -------
    tuple of int, 0..255
    """
    return ImageColor.getrgb(color) if isinstance(color, str) else color


def mix(first, second, share):
    """Mix two colors.

    Parameters
    ----------
    first, second : str or tuple of int
    share : float, 0..1
        How much of the second.

    Returns
    -------
    tuple of int, 0..255
    """
    pairs = zip(rgb(first), rgb(second), strict=True)
    return tuple(round(a + (b - a) * share) for a, b in pairs)


def varied(rng, color, amount):
    """Change each channel of a color at random.

    Parameters
    ----------
    rng : random.Random
    color : str or tuple of int
    amount : int
        By how much at most.

    Returns
    -------
    tuple of int, 0..255
    """
    return tuple(min(255, max(0, c + rng.randint(-amount, amount))) for c in rgb(color))


def chosen(rng, colors, amount=14):
    """Choose one of several colors, and vary it.

    Parameters
    ----------
    rng : random.Random
    colors : str
        Separated by spaces.
    amount : int
        By how much each channel may change.

    Returns
    -------
    tuple of int, 0..255
    """
    return varied(rng, rng.choice(colors.split()), amount)


def brightness(color):
    """Return the luma of a color (weights of ITU-R BT.601).

    Parameters
    ----------
    color : str or tuple of int

    Returns
    -------
    float, 0..1
    """
    red, green, blue = rgb(color)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def line_color(color):
    """Return a color for lines that can be seen on another: darker on light, lighter on dark.

    Parameters
    ----------
    color : str or tuple of int

    Returns
    -------
    tuple of int, 0..255
    """
    return mix(color, INK, 0.62) if brightness(color) > 0.3 else mix(color, WHITE, 0.28)
