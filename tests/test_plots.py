"""Figures: what they show can be read off their axes; each carries its description."""

import numpy as np
import pytest

from catdog_helpers import plots, scoring, training

HISTORY = training.History(
    {
        "loss": [0.7, 0.6, 0.5],
        "accuracy": [0.5, 0.7, 0.8],
        "val_loss": [0.7, 0.6, 0.65],
        "val_accuracy": [0.5, 0.7, 0.65],
    },
    1.0,
)


def test_a_figure_is_shown_once_with_its_description():
    figure = plots.picture_grid(np.zeros((2, 8, 8, 3), "uint8"), description="Two black squares.")
    data, metadata = figure._repr_mimebundle_()
    assert data["image/jpeg"].startswith(b"\xff\xd8")
    assert data["text/plain"] == metadata["image/jpeg"]["alt"] == "Two black squares."


def test_lines_are_stored_without_loss():
    figure = plots.training_curves({"first": HISTORY}, description="Curves.")
    data, metadata = figure._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == "Curves."


def test_a_grid_shows_every_picture_and_title_unchanged():
    images = np.arange(7 * 8 * 8 * 3).reshape(7, 8, 8, 3) % 256
    figure = plots.picture_grid(images, list("abcdefg"), columns=4, description="Seven.")
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title(loc="center") for ax in shown] == list("abcdefg")
    for ax, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image)


def test_training_curves_mark_the_best_epoch_and_the_goal():
    figure = plots.training_curves({"first": HISTORY}, goal=52, description="Curves.")
    accuracy, loss = figure.axes
    labels = [line.get_label() for line in accuracy.lines]
    assert labels == ["training", "validation", "best epoch: 2", "goal 52 %"]
    assert accuracy.lines[1].get_ydata().tolist() == [0.5, 0.7, 0.65]
    assert accuracy.lines[2].get_xydata().tolist() == [[2, 0.7]]
    assert loss.lines[0].get_ydata().tolist() == [0.7, 0.6, 0.5]


def test_the_comparison_shows_accuracy_interval_and_goal():
    figure = plots.accuracy_comparison(
        {"first": 0.6}, intervals={"first": (0.5, 0.7)}, goals={"first": 52}, description="Dots."
    )
    interval, dot, goal = figure.axes[0].lines[:3]
    assert list(interval.get_xdata()) == [0.5, 0.7]
    assert list(dot.get_xdata()) == [0.6]
    assert list(goal.get_xdata()) == [0.52]


def test_confusion_counts_true_classes_in_rows():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    score = scoring.Score(np.array([0, 0, 1]), probabilities)
    figure = plots.confusion(score, ("cats", "dogs"), description="Counts.")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "1", "0", "1"]


@pytest.mark.parametrize("name", ["cats", "dogs", "train", "validation"])
def test_every_role_has_a_colour(name):
    assert plots.COLORS[name].startswith("#")
