"""Figures only: takes numbers and pictures, returns figures that carry their own description."""

import io
import math

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import ConfusionMatrixDisplay

# Okabe and Ito's palette, told apart with every common kind of colour vision:
# https://jfly.uni-koeln.de/color/
COLORS = {
    "cats": "#D55E00",
    "dogs": "#0072B2",
    "train": "#7F7F7F",
    "validation": "#009E73",
    "goal": "#CC79A7",
}
STYLE = {
    "figure.dpi": 80,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "lines.linewidth": 2,
}


class DescribedFigure(Figure):
    """A figure with a description for readers who can't see it.

    Shown as the last value of a notebook cell, it is drawn once, with the description as its
    alternative text: lines as PNG, pictures as JPEG, which takes a fifth of the space.
    """

    description = ""
    picture_format = "png"

    def _repr_mimebundle_(self, include=None, exclude=None):
        buffer = io.BytesIO()
        self.savefig(buffer, format=self.picture_format)
        kind = f"image/{self.picture_format}"
        data = {kind: buffer.getvalue(), "text/plain": self.description}
        return data, {kind: {"alt": self.description}}


def picture_grid(images, titles=None, *, columns=6, side=1.5, colors=None, description):
    """Show pictures in rows.

    Parameters
    ----------
    images : sequence of arrays, shape (height, width, 3)
        uint8, or float in 0..255.
    titles : sequence of str, optional
        One a picture.
    columns : int
    side : float
        Width of a picture in inches.
    colors : sequence of str, optional
        Colour of each title and frame.
    description : str
        What there is to see, for readers who can't see it.

    Returns
    -------
    DescribedFigure
    """
    rows = max(1, math.ceil(len(images) / columns))
    height = side + (0.3 if titles is not None else 0.05)
    figure, axs = _subplots(rows, columns, (columns * side, rows * height), description)
    figure.picture_format = "jpeg"
    for ax in axs.flat:
        ax.axis("off")
    for index, (ax, image) in enumerate(zip(axs.flat, images, strict=False)):
        ax.imshow(np.asarray(image).clip(0, 255).astype("uint8"))
        if titles is not None:
            color = colors[index] if colors is not None else "black"
            ax.set_title(
                titles[index], fontsize=9, color=color, loc="center", fontweight="normal", pad=3
            )
    return figure


def training_curves(histories, *, goal=None, description):
    """Draw accuracy and loss over the epochs, training against validation.

    Parameters
    ----------
    histories : dict of str to History
        One pair of curves for each; a row of plots each.
    goal : float, optional
        Accuracy to reach, in percent.
    description : str

    Returns
    -------
    DescribedFigure
    """
    size = (9.5, 3.2 * len(histories))
    figure, axs = _subplots(len(histories), 2, size, description, sharey="col")
    for (name, history), (left, right) in zip(histories.items(), axs, strict=True):
        _curves(left, history, "accuracy")
        _curves(right, history, "loss")
        _mark_best(left, history)
        left.set_title(f"{name}: accuracy", loc="left", fontweight="bold")
        right.set_title(f"{name}: loss", loc="left", fontweight="bold")
        left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if goal is not None:
            left.axhline(goal / 100, color=COLORS["goal"], linestyle="--", label=f"goal {goal} %")
        left.legend(loc="best", fontsize=9)
    return figure


def _curves(ax, history, metric):
    epochs = np.arange(1, history.epochs + 1)
    ax.plot(epochs, history.metrics[metric], color=COLORS["train"], label="training")
    ax.plot(
        epochs, history.metrics[f"val_{metric}"], color=COLORS["validation"], label="validation"
    )
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _mark_best(ax, history):
    best = history.best_epoch
    value = history.metrics["val_accuracy"][best - 1]
    ax.plot(best, value, "o", color=COLORS["validation"], label=f"best epoch: {best}")


def accuracy_comparison(accuracies, *, intervals=None, goals=None, description):
    """Draw one dot a model, with its interval and its goal.

    Parameters
    ----------
    accuracies : dict of str to float, 0..1
    intervals : dict of str to (low, high), optional
    goals : dict of str to float, optional
        In percent.
    description : str

    Returns
    -------
    DescribedFigure
    """
    figure, axs = _subplots(1, 1, (8, 0.9 + 0.45 * len(accuracies)), description)
    ax = axs.flat[0]
    for row, (name, accuracy) in enumerate(accuracies.items()):
        if intervals is not None:
            ax.plot(intervals[name], (row, row), color="#56B4E9", linewidth=6, alpha=0.6)
        ax.plot(accuracy, row, "o", color=COLORS["dogs"])
        if name in (goals or {}):
            ax.plot(goals[name] / 100, row, "|", color=COLORS["goal"], markersize=18, mew=3)
    ax.set_yticks(range(len(accuracies)), list(accuracies))
    ax.set_ylim(len(accuracies) - 0.5, -0.5)
    ax.axvline(0.5, color=COLORS["train"], linestyle=":")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel(_comparison_label(intervals, goals))
    return figure


def _comparison_label(intervals, goals):
    parts = ["dot: accuracy", "dotted line: guessing"]
    parts += ["bar: 95 % interval"] if intervals is not None else []
    parts += ["vertical mark: goal"] if goals else []
    return "   ".join(parts)


def confusion(score, class_names, *, description):
    """Draw the confusion matrix of a Score: true classes in rows, predicted in columns.

    Returns
    -------
    DescribedFigure
    """
    figure, axs = _subplots(1, 1, (3.8, 3.4), description)
    ax = axs.flat[0]
    ax.grid(False)
    ConfusionMatrixDisplay.from_predictions(
        score.labels,
        score.predictions,
        labels=range(len(class_names)),
        display_labels=class_names,
        cmap="Blues",
        colorbar=False,
        ax=ax,
    )
    return figure


def _subplots(rows, columns, size, description, **options):
    with mpl.rc_context(STYLE):
        figure = DescribedFigure(figsize=size)
        axs = figure.subplots(rows, columns, squeeze=False, **options)
    figure.description = description
    return figure, axs
