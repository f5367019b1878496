"""Draws one image from a kind and a seed, or a sheet of them."""

import dataclasses
import random

from PIL import Image

from catdog_helpers.drawing.animal import Animal
from catdog_helpers.drawing.breeds import KINDS, draw_traits
from catdog_helpers.drawing.geometry import Frame, box, ellipse
from catdog_helpers.drawing.painting import Painting
from catdog_helpers.drawing.palette import chosen, line_color
from catdog_helpers.drawing.scenes import BACKGROUNDS, backdrop, paint_thing

_SMALLEST_SIZE = 32
# For each pose half a head in shares of the image's side, and how far down the head is.
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


def draw(kind, seed, size=160, *, traits=None):
    """Draw one image.

    Parameters
    ----------
    kind : str
        One of ``breeds.KINDS``, ``OTHER_KINDS`` or ``WILD_RELATIVES``.
    seed : int
    size : int, at least 32
        Side of the image in pixels.
    traits : breeds.Traits, optional
        What to draw instead of the traits of this seed: one trait changed, and all strokes as they
        were.

    Returns
    -------
    uint8 array, shape (size, size, 3), values 0..255

    Raises
    ------
    ValueError
        If the kind is unknown or the size too small; the message says what is possible.
    """
    if size < _SMALLEST_SIZE:
        raise ValueError(f"size is {size}; possible: {_SMALLEST_SIZE} pixels or more")
    traits = traits or draw_traits(kind, seed)
    scene = BACKGROUNDS[traits.background]
    rng = random.Random(f"strokes {seed}")
    painting = Painting(backdrop(size, scene, rng), traits.light_angle)
    page = Frame(0j, complex(painting.side))
    animals = _animals(painting, page, traits, rng)
    for animal in animals:
        animal.paint()
    if traits.pose == "peeking":
        color, margin = chosen(rng, scene.ground), 0.1 * painting.side
        top = animals[-1].body(1j * _EDGE).imag
        board = box(-margin, top, painting.side + margin, painting.side + margin)
        painting.form(board, line_color(color), color, 0.6)
        for animal in animals:
            animal.paws(-0.85 + 1j * _EDGE, 0.85 + 1j * _EDGE, size=0.36)
    for _ in range(traits.clutter):
        thing = rng.choice(scene.clutter.split())
        frame = page.inner(complex(rng.random(), rng.uniform(0.86, 1)), rng.uniform(0.06, 0.13))
        painting.shadow(frame(ellipse(0, 0.8, 1.2, 0.5)), 0.3)
        paint_thing(painting.pen, [frame], thing, rng)
    return painting.finished(traits, rng)


def _animals(painting, page, traits, rng):
    """Make the animals of a drawing, back to front, each with its own turn and tilt."""
    unit, height = _POSES[traits.pose]
    steps, smaller = _GROUPS[traits.count]
    unit *= traits.scale * smaller
    angle = traits.rotation if traits.pose != "peeking" else 0.0
    animals = []
    for step in steps:
        at = complex(traits.x, height + traits.y) + unit * step
        own = dict(turn=rng.uniform(-1, 1), tilt=rng.uniform(-10, 10)) if step else {}
        frame = page.inner(at, unit, angle, traits.mirrored != (step > 0))
        animals.append(Animal(painting, frame, dataclasses.replace(traits, **own), rng))
    return animals


def contact_sheet(kinds=KINDS, seed=0, columns=10, rows=6, size=160):
    """Lay drawings out on one sheet; from row to row the kinds take turns.

    Parameters
    ----------
    kinds : sequence of str
        Of ``breeds.KINDS``, ``OTHER_KINDS`` and ``WILD_RELATIVES``.
    seed : int
        The seed of the first drawing; those of a column count up with the rows of a kind.
    columns, rows : int
    size : int, at least 32
        Side of each drawing in pixels.

    Returns
    -------
    PIL.Image.Image, of ``columns * size`` by ``rows * size`` pixels

    Raises
    ------
    ValueError
        If a kind is unknown or the size too small; the message says what is possible.
    """
    sheet = Image.new("RGB", (columns * size, rows * size))
    for row in range(rows):
        again, kind = divmod(row, len(kinds))
        for column in range(columns):
            drawing = draw(kinds[kind], seed + again * columns + column, size)
            sheet.paste(Image.fromarray(drawing), (column * size, row * size))
    return sheet
