"""Figures: what they show can be read off their axes; each carries its description."""

import io
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from catdog_helpers import plots, results, scoring

HISTORY = results.History(
    {
        "loss": [0.7, 0.6, 0.5],
        "accuracy": [0.5, 0.7, 0.8],
        "val_loss": [0.7, 0.6, 0.65],
        "val_accuracy": [0.5, 0.7, 0.65],
    },
    1.0,
)


def test_a_figure_is_shown_once_with_its_description():
    figure = plots.image_grid(np.zeros((2, 8, 8, 3), "uint8"), description="Two black squares.")
    data, metadata = figure._repr_mimebundle_()
    assert data["image/jpeg"].startswith(b"\xff\xd8")
    assert data["text/plain"] == metadata["image/jpeg"]["alt"] == "Two black squares."


def test_lines_are_stored_without_loss():
    figure = plots.training_curves({"first": HISTORY}, description="Curves.")
    data, metadata = figure._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == "Curves."


def test_a_grid_shows_every_image_and_title_unchanged():
    images = np.arange(7 * 8 * 8 * 3).reshape(7, 8, 8, 3) % 256
    figure = plots.image_grid(images, list("abcdefg"), columns=4, description="Seven.")
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title(loc="center") for ax in shown] == list("abcdefg")
    for ax, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image)


def test_training_curves_mark_the_lowest_validation_loss_and_the_goal():
    figure = plots.training_curves({"first": HISTORY}, goals={"first": 52}, description="Curves.")
    accuracy, loss = figure.axes
    labels = [line.get_label() for line in loss.lines]
    assert labels == ["training", "validation", "lowest validation loss"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
    assert [line.get_label() for line in accuracy.lines] == ["training", "validation", "goal 52 %"]
    assert [text.get_text() for text in accuracy.texts] == ["goal 52 %"]
    assert [text.get_text() for text in loss.texts] == ["2"]
    assert accuracy.lines[1].get_ydata().tolist() == [0.5, 0.7, 0.65]
    assert loss.lines[0].get_ydata().tolist() == [0.7, 0.6, 0.5]
    assert loss.lines[2].get_xydata().tolist() == [[2, 0.6]]


def test_the_comparison_shows_accuracy_interval_and_goal():
    figure = plots.accuracy_comparison(
        {"first": 0.6, "other": 0.8},
        intervals={"first": (0.5, 0.7)},
        goals={"first": 52, "not drawn": 99},
        description="Dots.",
    )
    (ax,) = figure.axes
    lines = {line.get_label(): line.get_xdata() for line in ax.lines}
    assert list(lines) == ["guessing", "accuracy", "goal"]
    assert (list(lines["accuracy"]), list(lines["goal"])) == ([0.6, 0.8], [0.52])
    (interval,) = ax.collections[0].get_segments()
    assert interval.tolist() == [[0.5, 0], [0.7, 0]]
    assert [text.get_text() for text in ax.texts] == ["60.0 %", "80.0 %"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["first", "other"]
    assert ax.yaxis_inverted()


def test_the_comparison_needs_neither_interval_nor_goal():
    figure = plots.accuracy_comparison({"first": 0.6}, description="A dot.")
    assert [line.get_label() for line in figure.axes[0].lines] == ["guessing", "accuracy"]
    assert not figure.axes[0].collections


def test_confusion_counts_true_classes_in_rows():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    score = scoring.Score(np.array([0, 0, 1]), probabilities)
    figure = plots.confusion(score, ("cats", "dogs"), description="Counts.")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "1", "0", "1"]


def test_reliability_is_compared_side_by_side():
    rows = [(4, 0.7, 0.5, 0.2, 0.8), (9, 0.95, 1.0, 0.7, 1.0)]
    table = pd.DataFrame(rows, columns=["count", "confidence", "accuracy", "low", "high"])
    figure = plots.reliability_comparison({"before": table, "after": table[1:]}, description="Two.")
    left, right = figure.axes
    assert [ax.get_title() for ax in (left, right)] == ["before", "after"]
    assert left.lines[1].get_xydata().tolist() == [[0.7, 0.5], [0.95, 1.0]]
    assert [text.get_text() for text in right.texts] == ["n = 9"]


def test_heat_lies_over_its_image_in_pale_gray_and_leaves_cold_places_clear():
    images = np.full((2, 4, 4, 3), 50, "uint8")
    images[1] = (255, 0, 0)
    maps = np.zeros((2, 4, 4))
    maps[0, :2, :2] = 1
    figure = plots.heat_overlays(images, maps, ["cat", "dog"], description="Heat.")
    hot, cold = figure.axes[:2]
    assert [ax.get_title(loc="center") for ax in (hot, cold)] == ["cat", "dog"]
    image, heat = hot.images
    assert (image.get_array() == 111).all()  # 0.7 * 50 + 0.3 * 255
    assert (cold.images[0].get_array() == 129).all()  # 0.7 * 0.299 * 255 + 0.3 * 255
    np.testing.assert_array_equal(heat.get_array(), maps[0])
    np.testing.assert_array_equal(heat.get_alpha() > 0, maps[0] > 0)
    assert not hot.collections  # no outlines
    assert cold.images[1].get_alpha().max() == 0


def test_the_feature_space_colors_classes_and_rings_mistakes():
    points = np.array([[0.0, 0], [1, 1], [2, 2], [3, 3]])
    labels = np.array([1, 0, 1, 0])
    classes = ("cats", "dogs")
    figure = plots.feature_space(points, labels, classes, wrong=[2], description="Points.")
    cats, dogs, rings = figure.axes[0].collections
    assert cats.get_offsets().tolist() == [[1, 1], [3, 3]]
    assert dogs.get_offsets().tolist() == [[0, 0], [2, 2]]
    assert rings.get_offsets().tolist() == [[2, 2]]
    colors = [mpl.colors.to_hex(drawn.get_facecolor()[0]).upper() for drawn in (cats, dogs)]
    assert tuple(colors) == plots.class_colors(2)
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["cats (2)", "dogs (2)", "mistakes (1)"]
    unringed = plots.feature_space(points, labels, classes, description="Points.")
    assert len(unringed.axes[0].collections) == 2


def test_the_feature_space_says_how_much_of_the_variance_it_shows():
    options = {"explained": (0.314, 0.05), "description": "Points."}
    (ax,) = plots.feature_space(np.eye(2), np.array([0, 1]), ("cats", "dogs"), **options).axes
    assert ax.get_xlabel() == "first direction: 31 % of the variance"
    assert ax.get_ylabel() == "second direction: 5 % of the variance"


def test_a_learning_curve_shows_accuracy_and_interval_at_each_size():
    one = scoring.Score(np.array([0, 1]), np.array([[0.9, 0.1], [0.7, 0.3]]))  # 1 of 2 correct
    both = scoring.Score(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    scores = {"transfer": {20: one, 50: both}, "from scratch": {20: one}}
    (ax,) = plots.learning_curve(scores, description="Two curves.").axes
    assert ax.lines[0].get_xydata().tolist() == [[20, 0.5], [50, 1]]
    assert ax.lines[1].get_xydata().tolist() == [[20, 0.5]]
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (one.interval[0], 1)
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["20", "50"]


def test_the_style_holds_whatever_the_user_has_set():
    mine = {"lines.linewidth": 9, "legend.frameon": True, "axes.titlesize": 30, "font.size": 40}
    with mpl.rc_context({**mine, "grid.color": "red"}):
        figure = plots.training_curves({"first": HISTORY}, description="Curves.")
        figure._repr_mimebundle_()  # some of a figure is made only when it is drawn
        assert mpl.rcParams["lines.linewidth"] == 9  # the user's setting stays
    accuracy = figure.axes[0]
    assert accuracy.lines[0].get_linewidth() == plots.STYLE["lines.linewidth"]
    assert accuracy.title.get_fontsize() == plots.STYLE["axes.titlesize"]
    assert not figure.legends[0].get_frame_on()
    assert {line.get_color() for line in accuracy.get_xgridlines()} == {plots.STYLE["grid.color"]}
    sizes = {text.get_fontsize() for text in accuracy.get_xticklabels()}
    assert sizes == {plots.STYLE["font.size"]}


def test_letters_without_a_shape_are_escaped_not_warned_of(monkeypatch):
    monkeypatch.setitem(plots.STYLE, "font.family", ["DejaVu Sans"])
    plots._shapes.cache_clear()
    figure = plots.image_grid(
        np.zeros((3, 8, 8, 3)), ["猫 $5$", "Jürgen", "\udce4"], description="3."
    )
    plots._shapes.cache_clear()
    titles = [ax.get_title() for ax in figure.axes[:3]]
    assert titles == [r"\u732b $5$", "Jürgen", r"\udce4"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure._repr_mimebundle_()


def test_every_figure_can_be_stored():
    score = scoring.Score(np.array([0, 1]), np.array([[0.9, 0.1], [0.7, 0.3]]))
    squares = np.zeros((2, 8, 8, 3))
    figures = [
        plots.reliability_comparison({"before": scoring.reliability(score)}, description="Dots."),
        plots.heat_overlays(squares, np.eye(8)[None].repeat(2, 0), description="Heat."),
        plots.feature_space(np.eye(2), score.labels, ("cats", "dogs"), description="Points."),
        plots.accuracy_comparison({"first": 0.6}, description="A dot."),
    ]
    for figure in figures:
        data, metadata = figure._repr_mimebundle_()
        ((kind, shown),) = metadata.items()
        assert shown["alt"] == data["text/plain"] != ""
        assert len(data[kind]) > 1000


@pytest.mark.parametrize("name", ["train", "validation", "goal", "model"])
def test_every_role_has_a_color(name):
    assert plots.COLORS[name].startswith("#")


def test_titles_are_shown_as_they_are_whatever_a_file_is_called():
    name = "ca$$idy $x$ \\frac{.jpg"
    figure = plots.image_grid(np.zeros((1, 8, 8, 3), "uint8"), [name], description="A square.")
    figure._repr_mimebundle_()
    assert figure.axes[0].get_title() == name


def test_the_histogram_shows_the_share_of_each_class():
    values, labels = np.array([0.0, 1.0, 9.0, 10.0, 10.0]), np.array([0, 0, 0, 1, 1])
    options = {"xlabel": "brightness", "bins": 2, "description": "Two classes."}
    figure = plots.class_histogram(values, labels, ("cats", "dogs"), **options)
    cats, dogs = figure.axes[0].patches
    assert cats.get_data().edges.tolist() == [0, 5, 10]
    assert cats.get_data().values == pytest.approx([2 / 3, 1 / 3])
    assert dogs.get_data().values == pytest.approx([0, 1])
    assert cats.get_linestyle() != dogs.get_linestyle()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cats", "dogs"]


def test_ten_classes_have_colors_of_their_own_and_names_are_only_text():
    names = ["<b>x</b>", "$x$", "=1+1", "a_very_long_name_of_a_class", *"efghij"]
    assert len(set(plots.class_colors(10))) == 10
    labels = np.arange(50) % 10
    score = scoring.Score(labels, np.eye(10)[np.roll(labels, 5)])
    values = np.linspace(0, 255, 50)
    points = np.column_stack([values, labels])
    for figure in (
        plots.confusion(score, names, description="Ten."),
        plots.class_histogram(values, labels, names, xlabel="x", description="Ten."),
        plots.feature_space(points, labels, names, description="Ten."),
    ):
        figure.savefig(io.BytesIO())
        texts = [each for each in figure.findobj(mpl.text.Text) if "$x$" in each.get_text()]
        assert texts and not any(text.get_parse_math() for text in texts)
