"""Backdrops: a sky or wall, a ground, and things that stand and lie there."""

from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

from catdog_helpers.drawing.geometry import Frame, box, curve, ellipse, vertices
from catdog_helpers.drawing.painting import polygon
from catdog_helpers.drawing.palette import BRIGHT, GREENS, chosen

# Each thing is layers of (outline, colors to choose from), back to front.
# fmt: off
THINGS = {
    "cloud": ((ellipse(0, 0, 1, .4), "#ffffff #f4f1ee"), (ellipse(-.3, -.25, .5, .4), "#ffffff"),
              (ellipse(.35, -.2, .45, .35), "#ffffff")),
    "sun": ((ellipse(0, 0, 1), "#ffe28a #ffc46b"),),
    "moon": ((ellipse(0, 0, 1), "#fff3c4"), (ellipse(-.3, .1, .2), "#efdca0"),
             (ellipse(.35, -.3, .14), "#efdca0")),
    "star": ((ellipse(0, 0, 1, count=6), "#fff6cf #ffe9a8"),),
    "hill": ((ellipse(0, 1, 2.4, 1.2), GREENS),),
    "sea": ((box(-20, 0, 20, 2), "#4fa3bf #69b7c6 #3d86ad"),),
    "mound": ((ellipse(0, .8, 2, .9), "#f4f8fc #e3edf5"),),
    "tree": ((box(-.12, 0, .12, 1), "#7a5a3c"),
             (ellipse(0, -.3, .75, .85), GREENS + " #d9903d #c96f3d"),
             (ellipse(-.2, -.5, .4), "#8cbd6a #e0a850")),
    "fir": ((box(-.1, .6, .1, 1), "#6d5140"), (vertices("0,-1.2 .7,.7 -.7,.7"), "#3f7560 #57866f"),
            (vertices("0,-1.2 .3,-.4 -.3,-.4"), "#f3f7fb")),
    "flower": ((box(-.07, 0, .07, 1.6), "#4a8a55"), (ellipse(0, 0, .5, count=10), BRIGHT),
               (ellipse(0, 0, .2, count=8), "#ffe08a")),
    "grass": ((vertices("-.4,.2 -.6,-1 -.15,.2"), GREENS),
              (vertices("-.15,.2 .05,-1.4 .2,.2"), GREENS),
              (vertices(".1,.2 .6,-.9 .4,.2"), GREENS)),
    "house": ((box(-.8, -1, .8, 2), "#e7b58c #d98673 #9fb7c9 #efdca5"),
              (vertices("-1,-1 0,-1.8 1,-1"), "#8c4a3e #5c5f73"),
              (box(-.5, -.6, -.1, 0), "#ffe9a8 #6b87a3"),
              (box(.15, -.6, .55, 0), "#ffe9a8 #6b87a3")),
    "parasol": ((box(-.05, 0, .05, 2), "#8b6b4e"),
                (curve("-1.2,.2 0,-.8 1.2,.2 1.2,.2 -1.2,.2"), BRIGHT),
                (vertices("-.3,.15 0,-.75 .3,.15"), "#fff4dd")),
    "window": ((box(-1, -1.2, 1, 1.2), "#fdf6e3 #b98b5e"),
               (box(-.85, -1.05, .85, 1.05), "#a9d6ea #f6c9a0 #34466e"),
               (ellipse(.2, .8, .6, .35), GREENS), (box(-.06, -1.1, .06, 1.1), "#fdf6e3"),
               (box(-.9, -.06, .9, .06), "#fdf6e3"),
               (vertices("-1.2,-1.3 -.6,-1.3 -.95,1.3 -1.25,1.3"), BRIGHT),
               (vertices("1.2,-1.3 .6,-1.3 .95,1.3 1.25,1.3"), BRIGHT)),
    "frame": ((box(-.8, -1, .8, 1), "#8b5e3c #f0e2c4"),
              (box(-.62, -.8, .62, .8), "#f9f1df #9fc9c4 #efb8a2"),
              (ellipse(0, .1, .35, .45), BRIGHT)),
    "lamp": ((box(-.06, 0, .06, 3), "#6b5a4e"),
             (vertices("-.35,-.9 .35,-.9 .7,.1 -.7,.1"), "#ffd98a #f7e7c6")),
    "sofa": ((curve("-3,-1 3,-1 3.2,2 -3.2,2"), BRIGHT), (box(-3, .4, 3, .5), "#5a3a44"),
             (ellipse(-3, .6, .7, 1.2), BRIGHT), (ellipse(3, .6, .7, 1.2), BRIGHT)),
    "cushion": ((curve("-1,-1 1,-1 1,1 -1,1"), BRIGHT),),
    "dot": ((ellipse(0, 0, 1, count=12), "#ffffff #f6e3c4"),),
    "diamond": ((vertices("0,-1.3 1,0 0,1.3 -1,0"), "#ffffff #f3c9b5"),),
    "leaf": ((curve("-1,0 0,-.5 1,0 0,.5"), "#d9772f #c94f2c #e8b04a"),),
    "pebble": ((ellipse(0, 0, .6, .4, count=10), "#b9a88f #8f8a86 #d8c8a8"),),
    "ball": ((ellipse(0, 0, 1), BRIGHT), (ellipse(-.1, 0, .4, .95), "#fff4dd"),
             (ellipse(-.4, -.45, .2), "#ffffff")),
    "bowl": ((vertices("-1.1,.9 -.8,0 .8,0 1.1,.9"), BRIGHT), (ellipse(0, 0, .8, .2), "#6b4a36")),
    "mug": ((ellipse(.7, .3, .45), "#efe5d0"), (box(-.6, -.4, .7, 1), BRIGHT),
            (ellipse(.05, -.4, .65, .15), "#5a3a2c")),
    "book": ((box(-1.2, .3, 1.2, .8), BRIGHT), (box(-1.1, .4, 1.2, .7), "#fbf3df"),
             (box(-1, -.1, 1.1, .3), BRIGHT)),
}
# fmt: on


@dataclass(frozen=True)
class Scene:
    """What a backdrop is made of.

    Attributes
    ----------
    sky, ground : str
        Colors to choose from.
    horizon : (float, float)
        Range of its height, from the top, in shares of the image.
    things : tuple of tuple
        Rows of (thing, fewest, most, highest, lowest, smallest, largest): how many, and in shares
        of the image where and how large.
    clutter : str
        Things that may lie in front of the animal.
    wallpaper : str
        Things that its pattern may repeat; empty for none.
    """

    sky: str
    ground: str
    horizon: tuple[float, float]
    things: tuple[tuple, ...]
    clutter: str
    wallpaper: str = ""


# fmt: off
BACKGROUNDS = {
    "meadow": Scene("#a9dcf0 #f6dcb5 #cfe8e4", "#8cc063 #a3c25e #6ba35c", (.45, .65), (
        ("sun", 0, 1, .05, .3, .06, .1), ("cloud", 1, 3, .05, .35, .1, .2),
        ("hill", 1, 3, .4, .5, .12, .2), ("tree", 0, 3, .3, .5, .1, .2),
        ("flower", 5, 18, .65, 1, .02, .045)), "grass flower ball"),
    "room": Scene("#f2dfc0 #c9dcd2 #e8c3b4 #b9c4de", "#b98a5f #8f6a52 #d3b38c", (.65, .8), (
        ("window", 1, 1, .25, .4, .2, .3), ("frame", 0, 2, .15, .4, .07, .14),
        ("lamp", 0, 1, .4, .5, .1, .15)), "ball book mug bowl"),
    "sofa": Scene("#efe0c8 #cbd8e2 #dcc7d4 #c8d6b9", "#a9805f #7d6255", (.8, .9), (
        ("frame", 0, 3, .1, .25, .08, .14), ("sofa", 1, 1, .5, .65, .16, .24),
        ("cushion", 0, 3, .5, .7, .08, .13)), "cushion book mug"),
    "night": Scene("#1f2a52 #2b2348 #173a52", "#26443f #2d3550", (.6, .8), (
        ("star", 12, 30, 0, .6, .006, .014), ("moon", 0, 1, .1, .3, .08, .13),
        ("fir", 0, 4, .55, .65, .1, .2), ("house", 0, 2, .55, .6, .1, .15)), "grass pebble"),
    "beach": Scene("#9fdcf2 #f9d3a7 #c6e6ee", "#ecd6a2 #e2c48d #f1e1bb", (.5, .6), (
        ("sun", 0, 1, .05, .3, .06, .1), ("cloud", 0, 2, .05, .3, .1, .18),
        ("sea", 1, 1, .36, .48, .1, .12), ("parasol", 0, 2, .35, .5, .12, .2),
        ("pebble", 4, 12, .7, 1, .015, .04)), "ball pebble parasol"),
    "snow": Scene("#cfdcea #aebfd8 #eadfe6", "#f3f7fb #e2ebf4", (.5, .7), (
        ("fir", 1, 5, .4, .6, .1, .24), ("house", 0, 1, .4, .5, .1, .15),
        ("mound", 1, 3, .6, .8, .1, .2), ("dot", 20, 45, 0, 1, .006, .014)), "mound ball"),
    "street": Scene("#bcd7e6 #f2cfa9 #c9c6d6", "#8f8d93 #a59a8e #77757d", (.6, .75), (
        ("cloud", 0, 2, .05, .2, .1, .15), ("house", 3, 6, .35, .5, .13, .2),
        ("tree", 0, 2, .5, .6, .1, .16), ("lamp", 0, 2, .3, .4, .06, .1)), "ball leaf pebble"),
    "autumn": Scene("#f3d9a8 #e7c7b0 #c9d5d3", "#b98a4b #a9743f #8f8a4d", (.5, .7), (
        ("tree", 2, 5, .2, .5, .15, .28), ("leaf", 10, 26, 0, 1, .02, .04)), "leaf grass pebble"),
    "wallpaper": Scene("#e9b7a4 #9cc3b5 #e8cf8f #a9b6d9 #c7a6c4", "#c49a6c #8a6a58", (.78, 1.2), (
        ("frame", 0, 1, .15, .4, .08, .14),), "cushion mug book bowl",
        wallpaper="dot diamond flower leaf"),
}
# fmt: on


def backdrop(size, scene, rng):
    """Paint a scene, a little out of focus.

    Parameters
    ----------
    size : int
        Side of the image in pixels.
    scene : Scene
    rng : random.Random

    Returns
    -------
    PIL.Image.Image
        RGB, ``size`` by ``size`` pixels.
    """
    image = Image.new("RGB", (size, size), chosen(rng, scene.sky))
    pen, page = ImageDraw.Draw(image), Frame(0j, complex(size))
    if scene.wallpaper:
        thing, columns = rng.choice(scene.wallpaper.split()), rng.randint(4, 9)
        frames = [
            # Every other row is half a step to the right.
            page.inner(complex(i + 0.5 * (j % 2), j + 0.5) / columns, 0.22 / columns)
            for i in range(columns)
            for j in range(columns)
        ]
        paint_thing(pen, frames, thing, rng)
    horizon = rng.uniform(*scene.horizon)
    polygon(pen, page(box(-0.1, horizon, 1.1, horizon + 1)), chosen(rng, scene.ground))
    for thing, fewest, most, *place in scene.things:
        for _ in range(rng.randint(fewest, most)):
            at = complex(rng.random(), rng.uniform(*place[:2]))
            paint_thing(pen, [page.inner(at, rng.uniform(*place[2:]))], thing, rng)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.6) * size / 160))


def paint_thing(pen, frames, thing, rng):
    """Paint a thing, layer by layer, in the same colors at one or more places.

    Parameters
    ----------
    pen : PIL.ImageDraw.ImageDraw
    frames : sequence of Frame
        Where it goes.
    thing : str
        A key of ``THINGS``.
    rng : random.Random
        Chooses the color of each layer.
    """
    layers = [(outline, chosen(rng, colors, 8)) for outline, colors in THINGS[thing]]
    for frame in frames:
        for outline, color in layers:
            polygon(pen, frame(outline), color)
