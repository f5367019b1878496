"""Figures only: from numbers and images to figures that carry their own description.

Every function takes a ``description``, a sentence that says what there is to see for readers who
cannot see it, and returns a `DescribedFigure`.
"""

import functools
import io
import math
import textwrap

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import ConfusionMatrixDisplay

# Okabe and Ito's palette, told apart with every common kind of color vision:
# https://jfly.uni-koeln.de/color/
COLORS = {
    "train": "#7F7F7F",
    "validation": "#009E73",
    "goal": "#CC79A7",
    "model": "#333333",
}
_LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#333333")
# Of classes: Okabe and Ito's two, and for more Tol's muted ones, which are told apart likewise:
# https://sronpersonalpages.nl/~pault/
_TWO_CLASSES = ("#D55E00", "#0072B2")
_MANY_CLASSES = (
    *("#CC6677", "#332288", "#117733", "#DDCC77", "#88CCEE"),
    *("#882255", "#44AA99", "#999933", "#AA4499", "#333333"),
)
_CLASS_MARKERS = "o^sDvPX<>*"
# Percent as in the text of the series, with a space: 95 %.
_PERCENT = PercentFormatter(1, decimals=0, symbol=" %")
# The figures of a text column. On a phone they shrink to half of it: type of 10 points is then as
# high as 8 pixels, which can still be read.
_WIDTH = 6.4  # inches
_LETTERS, _LINE = 13, 0.17  # letters of 9 points to an inch, and the height of a line in inches
# Under a map of heat an image is gray, by Rec. 601's weights of red, green and blue, and paler.
_LUMINANCE, _PALE = (0.299, 0.587, 0.114), 0.7
# After matplotlib's own font, what systems have for file names in Chinese, Japanese and Korean.
_MORE_FONTS = (
    "Noto Sans CJK SC",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
)
_INSTALLED = {font.name for font in fontManager.ttflist}
STYLE = {
    "font.family": ["DejaVu Sans", *(name for name in _MORE_FONTS if name in _INSTALLED)],
    "figure.dpi": 120,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "text.parse_math": False,  # names of classes and files are shown as they are
}


class DescribedFigure(Figure):
    """A figure with a description for readers who cannot see it.

    Shown as the last value of a notebook cell, it is drawn once, with the description as its
    alternative text: lines as PNG, images as JPEG, which takes a fifth of the space.
    """

    image_format = "png"

    def __init__(self, description, size):
        super().__init__(figsize=size)
        self.description = description

    def _repr_mimebundle_(self, include=None, exclude=None):
        buffer = io.BytesIO()
        self.savefig(buffer, format=self.image_format)
        kind = f"image/{self.image_format}"
        data = {kind: buffer.getvalue(), "text/plain": self.description}
        return data, {kind: {"alt": self.description}}


def class_colors(n_classes):
    """Return a color for each of up to ten classes, told apart with every kind of color vision."""
    return _TWO_CLASSES if n_classes == 2 else _MANY_CLASSES[:n_classes]


@mpl.rc_context(STYLE)
def image_grid(images, titles=None, *, columns=6, colors=None, description):
    """Show images in rows.

    Parameters
    ----------
    images : sequence of arrays, shape (height, width, 3)
        uint8, or float in 0..255.
    titles : sequence of str, optional
        One an image.
    columns : int
    colors : sequence of str, optional
        Color of each title and frame.
    """
    rows = max(1, math.ceil(len(images) / columns))
    side = min(_WIDTH / columns, 2)  # inches; larger ones would only show their pixels
    height = side + (0.2 if titles is not None else 0.05)
    figure = DescribedFigure(description, (columns * side, rows * height))
    figure.image_format = "jpeg"
    axs = figure.subplots(rows, columns, squeeze=False)
    for ax in axs.flat:
        ax.axis("off")
    for index, (ax, image) in enumerate(zip(axs.flat, images, strict=False)):
        ax.imshow(np.asarray(image).clip(0, 255).astype("uint8"))
        if titles is not None:
            color = colors[index] if colors is not None else "black"
            style = {"fontsize": 9, "fontweight": "normal", "pad": 3}
            ax.set_title(_drawable(titles[index]), color=color, loc="center", **style)
    return figure


def _drawable(text):
    """Escape the characters for which no font has a shape; matplotlib would warn of each."""
    return "".join(c if ord(c) in _shapes() else ascii(c)[1:-1] for c in text)


@functools.cache
def _shapes():
    fonts = [get_font(findfont(name)) for name in STYLE["font.family"]]
    return set().union(*(font.get_charmap() for font in fonts))


@mpl.rc_context(STYLE)
def training_curves(histories, *, goals=None, description):
    """Draw accuracy and loss over the epochs, training against validation.

    The epoch of the lowest validation loss is marked; it need not be the one that was saved.

    Parameters
    ----------
    histories : dict of str to History, a row of plots each
    goals : dict of str to float, optional
        Accuracy that the model of a row has to reach, in percent.
    """
    goals = goals or {}
    figure = DescribedFigure(description, (_WIDTH, 2.4 * len(histories)))
    axs = figure.subplots(len(histories), 2, squeeze=False, sharey="col")
    for (name, history), (left, right) in zip(histories.items(), axs, strict=True):
        for ax, metric in ((left, "accuracy"), (right, "loss")):
            epochs = range(1, history.epochs + 1)
            values, val_values = history.metrics[metric], history.metrics[f"val_{metric}"]
            ax.plot(epochs, values, color=COLORS["train"], label="training")
            ax.plot(epochs, val_values, color=COLORS["validation"], label="validation")
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.set_title(f"{name}: {metric}", loc="left", fontweight="bold")
        epoch, lowest = min(enumerate(val_values, start=1), key=lambda pair: pair[1])
        right.plot(epoch, lowest, "o", color=COLORS["validation"], label="lowest validation loss")
        place = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center"}
        right.annotate(epoch, (epoch, lowest), fontsize=9, color=COLORS["validation"], **place)
        left.yaxis.set_major_formatter(_PERCENT)
        if goals.get(name) is not None:
            goal_text = f"goal {goals[name]} %"
            left.axhline(goals[name] / 100, color=COLORS["goal"], linestyle="--", label=goal_text)
            place = {"xytext": (0, 2), "textcoords": "offset points", "ha": "right"}
            end = (history.epochs, goals[name] / 100)
            left.annotate(goal_text, end, fontsize=8, color=COLORS["goal"], **place)
    handles, names = axs[0, 1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


@mpl.rc_context(STYLE)
def accuracy_comparison(accuracies, *, intervals=None, goals=None, guess=0.5, description):
    """Draw one dot a model, with its accuracy, its interval and its goal.

    Parameters
    ----------
    accuracies : dict of str to float, 0..1
    intervals : dict of str to (low, high), optional
    goals : dict of str to float, optional, in percent
    guess : float, 0..1
        Accuracy of guessing, drawn as a dotted line.
    """
    figure = DescribedFigure(description, (_WIDTH, 1 + 0.4 * len(accuracies)))
    ax = figure.subplots()
    ax.axvline(guess, color=COLORS["train"], linestyle=":", label="guessing")
    ax.plot(
        list(accuracies.values()), list(accuracies), "o", color=COLORS["model"], label="accuracy"
    )
    for name, accuracy in accuracies.items():
        place = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center"}
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # over the dotted line
        ax.annotate(f"{100 * accuracy:.1f} %", (accuracy, name), fontsize=9, bbox=paper, **place)
    intervals = {name: intervals[name] for name in accuracies if name in (intervals or {})}
    if intervals:
        low, high = zip(*intervals.values(), strict=True)
        style = {"color": COLORS["model"], "linewidth": 7, "alpha": 0.25}
        ax.hlines(list(intervals), low, high, label="95 % interval", **style)
    goals = {name: goals[name] / 100 for name in accuracies if name in (goals or {})}
    if goals:
        style = {"color": COLORS["goal"], "markersize": 12, "markeredgewidth": 3}
        ax.plot(list(goals.values()), list(goals), "|", label="goal", **style)
    ax.set_ylim(len(accuracies) - 0.5, -0.6)  # the first model on top
    ax.margins(x=0.08)  # room for the labels
    ax.xaxis.set_major_formatter(_PERCENT)
    figure.legend(loc="outside lower center", ncols=4)
    return figure


@mpl.rc_context(STYLE)
def confusion(score, class_names, *, description):
    """Draw the confusion matrix of a Score: true classes in rows, predicted in columns."""
    n_classes = len(class_names)
    side = min(_WIDTH, 3 + 0.4 * n_classes)
    figure = DescribedFigure(description, (side, side - 0.4))
    ax = figure.subplots()
    ax.grid(False)
    ConfusionMatrixDisplay.from_predictions(
        score.labels,
        score.predictions,
        labels=range(n_classes),
        display_labels=[_drawable(name) for name in class_names],
        cmap="Blues",
        colorbar=False,
        text_kw={"fontsize": 16 if n_classes < 5 else 10},
        xticks_rotation="horizontal" if n_classes < 4 else 45,
        ax=ax,
    )
    return figure


def _draw_reliability(ax, table):
    lowest = min(0.5, math.floor(10 * table["confidence"].min()) / 10)
    ax.plot((lowest, 1), (lowest, 1), "--", color=COLORS["train"], label="perfectly calibrated")
    errors = (table[["accuracy", "accuracy"]].to_numpy() - table[["low", "high"]]).abs().T
    style = {"fmt": "o", "color": COLORS["model"], "capsize": 4}
    ax.errorbar(
        table["confidence"], table["accuracy"], errors, label="accuracy, 95 % interval", **style
    )
    for x, y, count in zip(table["confidence"], table["low"], table["count"], strict=True):
        place = {"xytext": (0, -5), "textcoords": "offset points", "ha": "center", "va": "top"}
        ax.annotate(f"n = {count}", (x, y), fontsize=9, **place)
    ax.set_xlabel("confidence: how sure")
    ax.margins(y=0.1)  # room for the counts
    ax.xaxis.set_major_formatter(_PERCENT)
    ax.yaxis.set_major_formatter(_PERCENT)


@mpl.rc_context(STYLE)
def heat_overlays(images, maps, titles=None, *, columns=4, colors=None, note="", description):
    """Show images in pale gray with a map of heat over each, from yellow to dark red.

    An image whose map is None stays in color.

    Parameters
    ----------
    images : sequence of arrays, shape (height, width, 3), values 0..255
    maps : sequence of float arrays, shape (height, width), values 0..1, or None
        For example from `explain.grad_cam`; where it is 0 the image shows through.
    titles, columns, colors : see `image_grid`
    note : str
        A sentence below the images.
    """
    shown = [
        np.asarray(image) if heat is None else pale_gray(image)
        for image, heat in zip(images, maps, strict=True)
    ]
    options = {"columns": columns, "colors": colors, "description": description}
    figure = image_grid(shown, titles, **options)
    for ax, heat in zip(figure.axes, maps, strict=False):
        if heat is not None:
            ax.imshow(heat, cmap="YlOrRd", vmin=0, vmax=1, alpha=0.85 * np.clip(heat, 0, 1))
    if note:
        lines = textwrap.wrap(note, int(_LETTERS * figure.get_figwidth()))
        figure.set_figheight(figure.get_figheight() + _LINE * len(lines))
        figure.supxlabel("\n".join(lines), fontsize=9)
    return figure


def pale_gray(image):
    """Return an image, (height, width, 3), 0..255, in the pale gray that heat is laid over."""
    pale = np.asarray(image) @ _LUMINANCE * _PALE + 255 * (1 - _PALE)
    return np.repeat(pale[..., np.newaxis], 3, axis=-1)


@mpl.rc_context(STYLE)
def feature_space(points, labels, class_names, *, explained=None, wrong=(), description):
    """Draw images as points, so that those with like features lie close together.

    Parameters
    ----------
    points : float array, shape (n, 2)
        Features brought down to two dimensions, for example by ``sklearn.decomposition.PCA``.
    labels : int array, shape (n,)
    class_names : sequence of str, the name of each label
    explained : (float, float), optional
        Share of the variance, 0..1, that lies in each direction.
    wrong : sequence of int
        Indices of points to ring: the mistakes of a model, as `scoring.Score.mistakes` lists them.
    """
    figure = DescribedFigure(description, (6, 5))
    ax = figure.subplots()
    colors = class_colors(len(class_names))
    for label, name in enumerate(class_names):
        x, y = points[labels == label].T
        style = {"color": colors[label], "marker": _CLASS_MARKERS[label], "s": 28, "linewidth": 0}
        ax.scatter(x, y, alpha=0.6, label=f"{_drawable(name)} ({len(x)})", **style)
    if len(wrong):
        rings = {"facecolor": "none", "edgecolor": "black", "s": 130}
        ax.scatter(*points[wrong].T, label=f"mistakes ({len(wrong)})", **rings)
    ax.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    ax.grid(False)  # only who is near whom means anything
    shares = ["", ""]
    if explained is not None:
        shares = [f": {100 * share:.0f} % of the variance" for share in explained]
    ax.set(xlabel=f"first direction{shares[0]}", ylabel=f"second direction{shares[1]}")
    ax.set_aspect("equal", "datalim")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@mpl.rc_context(STYLE)
def line_chart(
    lines, *, xlabel, ylabel, log_x=False, percent=False, bands=None, level=None, description
):
    """Draw one line for each name, told apart by color, marker and dashes.

    Parameters
    ----------
    lines : dict of str to (x, y), or to y alone, drawn over 1, 2, ...
    xlabel, ylabel : str
    log_x : bool
        Whether the horizontal axis is logarithmic.
    percent : bool
        Whether y is a share, 0..1, to be shown in percent.
    bands : dict of str to (low, high), optional
        What lies around a line, such as its range over several trainings.
    level : (str, float), optional
        Name and height of a dotted line across, such as the baseline.
    """
    figure = DescribedFigure(description, (_WIDTH, 3.4))
    ax = figure.subplots()
    for index, (name, line) in enumerate(lines.items()):
        x, y = line if isinstance(line, tuple) else (range(1, len(line) + 1), line)
        color = _LINE_COLORS[index % len(_LINE_COLORS)]
        style = {"marker": "o^sDv"[index % 5], "linestyle": ("-", "--", "-.", ":")[index % 4]}
        every = max(1, len(x) // 12)
        ax.plot(x, y, color=color, label=name, markevery=every, markersize=5, **style)
        if name in (bands or {}):
            ax.fill_between(x, *bands[name], color=color, alpha=0.2, linewidth=0)
    if level is not None:
        ax.axhline(level[1], color=COLORS["train"], linestyle=":", label=level[0])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log_x:
        ax.set_xscale("log")
    elif all(float(value).is_integer() for value in x):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if percent:
        ax.yaxis.set_major_formatter(_PERCENT)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@mpl.rc_context(STYLE)
def reliability_comparison(tables, *, description):
    """Draw reliability diagrams side by side, such as before and after temperature scaling.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        A title and what `scoring.reliability` returns, for each diagram.
    """
    figure = DescribedFigure(description, (_WIDTH, 3.6))
    axs = figure.subplots(1, len(tables), squeeze=False, sharex=True, sharey=True)[0]
    for ax, (title, table) in zip(axs, tables.items(), strict=True):
        _draw_reliability(ax, table)
        ax.set_title(title)
        ax.margins(x=0.12)  # room for the counts
    axs[0].set_ylabel("accuracy: how often correct")
    handles, names = axs[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure


@mpl.rc_context(STYLE)
def class_histogram(values, labels, class_names, *, xlabel, bins=17, description):
    """Draw for each class which share of its images has which value.

    Parameters
    ----------
    values : float array, shape (n,)
        One number for each image, such as its brightness, 0..255.
    labels : int array, shape (n,)
    class_names : sequence of str, the name of each label
    xlabel : str
        What the number is.
    bins : int
        How many, of equal width, from the lowest value to the highest.
    """
    figure = DescribedFigure(description, (_WIDTH, 2.8))
    ax = figure.subplots()
    edges = np.histogram_bin_edges(values, bins)
    colors = class_colors(len(class_names))
    for label, name in enumerate(class_names):
        counts, _ = np.histogram(values[labels == label], edges)
        style = {"color": colors[label], "linestyle": ("-", "--", "-.")[label % 3]}
        shares = counts / max(1, counts.sum())
        ax.stairs(shares, edges, label=_drawable(name), linewidth=2, **style)
    ax.set(xlabel=xlabel, ylabel="share of the class")
    ax.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))  # whole percents
    ax.yaxis.set_major_formatter(_PERCENT)
    figure.legend(loc="outside lower center", ncols=min(5, len(class_names)))
    return figure


def learning_curve(scores, *, level=None, description):
    """Draw accuracy with its 95 % interval against the number of training images, on a log scale.

    Parameters
    ----------
    scores : dict of str to dict of int to Score
        For each way to learn: the number of training images, and the Score that it led to.
    level : (str, float), optional
        See `line_chart`.
    """
    lines = {
        name: (list(by_size), [each.accuracy for each in by_size.values()])
        for name, by_size in scores.items()
    }
    bands = {
        name: tuple(zip(*(each.interval for each in by_size.values()), strict=True))
        for name, by_size in scores.items()
    }
    options = {"xlabel": "training images", "ylabel": "validation accuracy", "level": level}
    figure = line_chart(
        lines, bands=bands, log_x=True, percent=True, description=description, **options
    )
    sizes = sorted({n for by_size in scores.values() for n in by_size})
    (ax,) = figure.axes
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
    return figure
