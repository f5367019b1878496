"""Paints an animal part by part, back to front: body, collar, ears, head, horns, face."""

import numpy as np

from catdog_helpers.drawing import parts
from catdog_helpers.drawing.coats import COATS, draw_marks
from catdog_helpers.drawing.geometry import (
    box,
    ellipse,
    mirrored,
    ribbon,
    rough,
    smooth_line,
    symmetric,
)
from catdog_helpers.drawing.painting import polygon
from catdog_helpers.drawing.palette import (
    EAR_INSIDES,
    EYES,
    FUR,
    GOLD,
    HORN,
    INK,
    MOUTH,
    NOSES,
    PUPIL,
    SKIN,
    TONGUE,
    WHITE,
    brightness,
    line_color,
    mix,
    varied,
)

# How far tufts or curls stand out, in half heads, and one every how many points.
_TUFTS = {"fluffy": (0.05, 3), "curly": (0.08, 6)}
_HAIRS = 40


class Animal:
    """One animal on a painting: where it sits, its colors, and how each part is painted.

    Parameters
    ----------
    painting : Painting
    frame : Frame
        Its origin is the middle of the head, its unit half a head.
    traits : breeds.Traits
    rng : random.Random

    Attributes
    ----------
    body : Frame
        Where the body lies; the neck is at its origin.
    """

    def __init__(self, painting, frame, traits, rng):
        self._painting, self._traits, self._rng = painting, traits, rng
        self.body, self._head = frame.inner(0.08j, 0.8), frame.inner(0j, angle=traits.tilt)
        self._coat = COATS[traits.coat]
        # The color of the fur, one that can be told from it, and a light one.
        base, second = (FUR | SKIN)[traits.fur_color], (FUR | SKIN)[traits.second_color]
        if abs(brightness(base) - brightness(second)) < 0.12:
            second = FUR["chocolate"] if brightness(base) > 0.6 else FUR["cream"]
        second = mix(second, base, 0.3)
        third = FUR["fawn"] if brightness(base) > 0.85 else FUR["white"]
        self._colors = [varied(rng, color, 8) for color in (base, second, third)]
        self._ink = line_color(self._colors[0])

    def paint(self):
        """Paint the whole animal, back to front."""
        self._paint_body()
        self._collar()
        self._wear(self._head)
        self._ears(in_front=False)
        self._part(self._head, parts.skull(self._traits))
        self._horns()
        self._ears(in_front=True)
        self._muzzle()
        self._eyes()
        self._whiskers()

    def _wear(self, frame, stretch=1.0):
        """Lay out the fur for the head or the body: its color, the coat's marks, and hairs."""
        painting, rng = self._painting, self._rng
        painting.fur.paste(self._colors[0], (0, 0, painting.side, painting.side))
        for outline, color in draw_marks(self._traits.coat, rng):
            polygon(painting.fur_pen, frame(outline * stretch), self._colors[color])
        x, y = np.array([rng.uniform(-1.1, 1.1) for _ in range(2 * _HAIRS)]).reshape(2, _HAIRS)
        roots = stretch * (x + 1j * y)
        hairs = frame(np.stack([roots, roots + 0.16j + 0.08 * roots.real], axis=1))
        width = max(1, painting.side // 200)
        tones = [mix(self._colors[0], tone, 0.13) for tone in (WHITE, INK)]
        for i, hair in enumerate(hairs.view(float).tolist()):
            painting.fur_pen.line(hair, tones[i % 2], width)

    def _part(self, frame, outline, color=None, depth=1.0):
        """Paint a part with the edge that the fur has."""
        if self._traits.fur in _TUFTS:
            outline = rough(outline, *_TUFTS[self._traits.fur])
        self._painting.form(frame(outline), self._ink, color, depth)

    # --- body

    def _paint_body(self):
        traits, coat, body = self._traits, self._coat, parts.BODIES[self._traits.pose]
        if body.ground is not None:
            self._painting.shadow(self.body(body.ground), 0.45)
        if body.tail is not None and parts.TAILS[traits.tail] is not None:
            spine, start, end = parts.TAILS[traits.tail]
            tail = ribbon(smooth_line(spine, 3), start, end)
            self._part(self.body.inner(body.tail, 0.9), tail, self._colors[coat.tail])
        self._legs(body.far_legs, body.far_leg_length, mix(self._colors[0], INK, 0.25))
        self._wear(self.body.inner(body.middle), body.reach)
        self._part(self.body, body.trunk)
        if coat.chest:
            bib = self.body(rough(body.chest, 0.06, 3))
            polygon(self._painting.pen, bib, self._colors[coat.chest])
        if body.thigh is not None:
            self._part(self.body, body.thigh, depth=0.7)
        self.paws(*body.paws, size=body.paw_size)
        self._legs(body.legs, body.leg_length)

    def _legs(self, tops, length, color=None):
        for top in tops:
            spine = top + 1j * np.linspace(0, length, 4)
            self._part(self.body, ribbon(spine, 0.55, 0.48), color, 0.7)
            self.paws(spine[-1] + 0.08j)

    def paws(self, *places, size=0.3):
        """Paint paws.

        Parameters
        ----------
        *places : complex
            Their middles, in the frame of the body.
        size : float
            About half the width of each.
        """
        for at in places:
            paw = self.body.inner(at, size)
            self._part(paw, ellipse(0, 0, 1.1, 0.75), self._colors[self._coat.paws], 0.6)
            for x in (-0.35, 0.35):
                self._painting.line(paw(np.array([x + 0.1j, x + 0.65j])), self._ink)

    def _collar(self):
        style, color = self._traits.collar, self._traits.collar_color
        if style == "none":
            return
        shapes = {"scarf": [(parts.SCARF, color)], "bow": [(parts.BOW, color)]}.get(style, [])
        bell = [(ellipse(0, 1.28, 0.17), GOLD)] if style == "bell" else []
        for outline, paint in [*shapes, (parts.COLLAR, color), *bell]:
            self._painting.form(self.body(outline), mix(paint, INK, 0.4), paint)

    # --- head

    def _ears(self, in_front):
        """Paint the ears if they are in front of the head, or if they are behind it."""
        ear, traits = parts.EARS[self._traits.ears], self._traits
        if ear is None or ear.in_front != in_front:
            return
        spread = traits.head_width * (1 if in_front else traits.ear_spread)
        color = self._colors[self._coat.ears]
        for side in (-1, 1):
            at = complex(side * ear.at.real * spread + 0.12 * traits.turn, ear.at.imag)
            place = self._head.inner(at, traits.ear_size, side * ear.angle, side < 0)
            self._painting.form(place(ear.outline), self._ink, color)
            if ear.inside is not None:
                inside = mix(color, EAR_INSIDES[traits.ear_color], 0.55)
                polygon(self._painting.pen, place(ear.inside), inside)
            if ear.flap is not None:
                self._painting.form(place(ear.flap), self._ink, mix(color, INK, 0.12), 0.7)

    def _horns(self):
        spine = parts.HORNS[self._traits.horns]
        if spine is None:
            return
        outline, ink = ribbon(smooth_line(spine), 0.3, 0.06), mix(HORN, INK, 0.5)
        for side in (-1, 1):
            at = complex(side * 0.34 + 0.12 * self._traits.turn, -0.82)
            horn = self._head.inner(at, flipped=side < 0)(outline)
            self._painting.form(horn, ink, HORN)

    def _muzzle(self):
        """Paint the muzzle with the mouth and the nose."""
        traits, length, painting = self._traits, self._traits.muzzle_length, self._painting
        tip, height = parts.muzzle_tip(traits), 0.2 + 0.22 * length
        color = mix(self._colors[self._coat.muzzle], WHITE, 0.1 + 0.2 * length)
        if length:
            outline = self._head(parts.muzzle(traits, height))
            painting.form(outline, mix(color, INK, 0.2), color, 0.5 + 0.8 * length)
        if traits.mouth != "none":
            self._mouth(self._head.inner(tip - 0.4j * height), height + 0.08, line_color(color))
        # What comes nearer looks larger.
        frame = self._head.inner(tip - 0.5j * height, traits.nose_size * (0.75 + 0.75 * length))
        outline, color = parts.NOSE_SHAPES[traits.nose], NOSES[traits.nose_color]
        if outline is not None:
            painting.form(frame(outline), mix(color, INK, 0.5), color, 0.5)
            glint = frame(ellipse(-0.3, -0.35, 0.28, 0.16))
            polygon(painting.pen, glint, mix(color, WHITE, 0.5))
        if traits.nose in ("snout", "none"):
            for x in (-0.6, 0.6):
                nostril = frame(ellipse(x, 0, 0.22, 0.4))
                polygon(painting.pen, nostril, mix(color, INK, 0.6))

    def _mouth(self, frame, height, color):
        """Paint the mouth, perhaps open, with the tongue in it or out of it."""
        style, width, low = self._traits.mouth, self._traits.muzzle_width, 0.62 * height + 0.1
        corner = complex(0.66 * width, low + (0.04 if style == "closed" else -0.06))
        if style in ("open", "tongue"):
            drop, length = (0.28, 0.12) if style == "open" else (0.2, 0.24)
            lip = 0.3 * width + 1j * (low + 0.05)
            chin = 0.34 * width + 1j * (low + drop)
            right = np.array([1j * low, lip, corner, chin, 1j * (low + drop + 0.03)])
            polygon(self._painting.pen, frame(symmetric(right)), MOUTH)
            tongue = ellipse(0, low + drop * 0.5 + length * 0.6, 0.24 * width + 0.04, length)
            self._painting.form(frame(tongue), mix(TONGUE, INK, 0.3), TONGUE, 0.5)
        if style == "teeth":
            self._painting.form(frame(box(-0.11, low, 0.11, low + 0.26)), INK, WHITE, 0.3)
        side = smooth_line(np.array([1j * low, 0.32 * width + 1j * (low + 0.09), corner]))
        for line in (np.array([0j, 1j * low]), side, mirrored(side)):
            self._painting.line(frame(line), color)

    def _eyes(self):
        traits, iris = self._traits, EYES[self._traits.eye_color]
        outline = parts.EYE_SHAPES[traits.eye_shape]
        for side in (-1, 1):
            away = side * traits.turn
            x = side * traits.eye_spacing * (1 - 0.12 * away) + 0.2 * traits.turn
            place = self._head.inner(complex(x, -traits.eye_height), traits.eye_size, 0, side < 0)
            # The light is on the same side of both eyes.
            glint = mirrored(parts.GLINT) if place.flipped else parts.GLINT
            for points, color in (
                (outline * 1.16 - 0.06j, mix(self._ink, INK, 0.7)),
                (outline, mix(iris, INK, 0.25)),
                (outline * 0.84 + 0.14j, iris),
                (parts.PUPILS[traits.pupil], PUPIL),
                (glint, WHITE),
            ):
                turned = (1 - 0.2 * away) * points.real + 1j * points.imag
                polygon(self._painting.pen, place(turned), color)

    def _whiskers(self):
        length = parts.WHISKERS[self._traits.whiskers]
        if not length:
            return
        pale = brightness(self._colors[0]) > 0.75
        color = mix(self._colors[0], INK, 0.5) if pale else WHITE
        bend = np.array([0, 0.5 - 0.04j, 1]) * length
        for flipped in (False, True):
            for slope in (-0.22, 0.0, 0.22):
                root = 0.6 * self._traits.muzzle_width + 0.35j * slope
                at = parts.muzzle_tip(self._traits) + (mirrored(root) if flipped else root)
                hair = self._head.inner(at, flipped=flipped)(bend * (1 + 1j * slope))
                self._painting.line(hair, color, 0.8)
