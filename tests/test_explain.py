"""Maps of models whose reasons are known, and drawings with traits exchanged."""

import keras
import numpy as np
import pytest
from keras import layers

from catdog_helpers import CatdogError, explain, scoring
from catdog_helpers.drawing.breeds import KINDS, draw_traits
from catdog_helpers.drawing.draw import draw


def corner_model(nested):
    """Sees the red of the upper left corner only, and takes it for a dog's."""
    convolution = layers.Conv2D(1, 1, name="eye")
    mask = np.zeros((1, 8, 8, 1), "float32")
    mask[0, :2, :2] = 1
    inputs = keras.Input((8, 8, 3))
    red = convolution(layers.Rescaling(1 / 255)(inputs * mask))
    normalization = layers.BatchNormalization(center=False, scale=False, epsilon=0)
    maps = layers.ReLU()(normalization(red))
    head = layers.Dense(2)
    if nested:
        body = [keras.Model(inputs, maps, name="backbone")]
        rest = [layers.GlobalAveragePooling2D(), layers.Dropout(0.3), head]
        model = keras.Sequential([keras.Input((8, 8, 3)), *body, *rest])
    else:
        model = keras.Model(inputs, head(layers.Flatten()(layers.MaxPooling2D()(maps))))
    # The convolution is 1 where it sees nothing, which the normalization takes away.
    convolution.set_weights([np.array([1.0, 0, 0]).reshape(1, 1, 3, 1), np.ones(1)])
    normalization.set_weights([np.ones(1), np.ones(1)])
    kernel = np.repeat([[-1.0, 1.0]], head.kernel.shape[0], axis=0)
    head.set_weights([kernel, np.zeros(2)])
    return model


@pytest.mark.parametrize("nested", [False, True])
def test_grad_cam_is_hot_where_the_model_looks_and_nowhere_else(nested):
    model = corner_model(nested)
    images = np.full((2, 8, 8, 3), 200, "uint8")
    images[1, :, :, 0] = 0  # no red: nothing to go by
    maps = explain.grad_cam(model, images, labels=[1, 1])
    expected = np.zeros((2, 8, 8))
    expected[0, :2, :2] = 1
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    # What speaks for a dog speaks against a cat, and the model says dog.
    twice = explain.grad_cam(model, images[[0, 0]], labels=[1, 0])
    np.testing.assert_allclose(twice, [expected[0], np.zeros((8, 8))], atol=1e-6)
    np.testing.assert_array_equal(explain.grad_cam(model, images[:1]), maps[:1])


def test_grad_cam_enlarges_small_maps_to_the_image():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.AveragePooling2D(4),
            layers.Conv2D(1, 1, kernel_initializer="ones"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.layers[-1].set_weights([np.array([[-1.0, 1]] * 4), np.zeros(2)])
    images = np.zeros((1, 8, 8, 3), "uint8")
    images[0, 4:, 4:] = 255  # the lower right quarter
    heat = explain.grad_cam(model, images)[0]
    assert heat.shape == (8, 8)
    assert heat[7, 7] == 1
    assert heat[0].max() == heat[:, 0].max() == 0


def test_grad_cam_leaves_the_model_as_it_was():
    model = corner_model(nested=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), "uint8")
    before = scoring.predict_probabilities(model, images)
    kept = images.copy()
    explain.grad_cam(model, images)
    np.testing.assert_array_equal(scoring.predict_probabilities(model, images), before)
    np.testing.assert_array_equal(images, kept)
    assert not any("call" in vars(layer) for layer in model.get_layer("backbone").layers)


def test_grad_cam_needs_a_convolution():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(CatdogError, match="no convolution"):
        explain.grad_cam(model, np.zeros((1, 8, 8, 3)))


def test_grad_cam_loses_the_place_after_flatten():
    """Each place has a weight of its own: only the left counts, and the map glows on the right."""
    model = keras.Sequential(
        [
            keras.Input((1, 2, 3)),
            layers.Conv2D(1, 1, kernel_initializer="ones"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.layers[-1].set_weights([np.array([[-1.0, 1], [0, 0]]), np.zeros(2)])
    images = np.array([[[[10] * 3, [200] * 3]]], "uint8")  # dark left, bright right
    np.testing.assert_allclose(explain.grad_cam(model, images, [1]), [[[0.05, 1]]], rtol=1e-5)


def red_corner_model():
    """Calls it a dog by the mean red of the upper left 2 by 2 pixels: logit (red - 51) / 51."""
    weights = np.zeros((8, 8, 3, 2))
    weights[:2, :2, 0, 1] = 1 / (4 * 51)
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2)])
    model.layers[-1].set_weights([weights.reshape(-1, 2), np.array([0.0, -1])])
    return model


def logistic(x):
    return 1 / (1 + np.exp(-x))


def test_occlusion_shows_how_far_the_probability_falls_where_the_model_looks():
    model = red_corner_model()
    images = np.full((2, 8, 8, 3), 204, "uint8")  # a dog: logit 3
    images[1] = 0  # a cat: logit -1
    maps = explain.occlusion(model, images, patch=2, step=2)
    hidden = logistic((127 - 51) / 51)  # behind the gray patch
    expected = np.zeros((2, 8, 8))
    expected[0, :2, :2] = logistic(3) - hidden
    expected[1, :2, :2] = logistic(1) - (1 - hidden)
    np.testing.assert_allclose(maps, expected, atol=1e-6)


def test_occlusion_averages_over_the_positions_that_hide_a_pixel():
    model = red_corner_model()
    image = np.full((1, 8, 8, 3), 204, "uint8")
    # Positions 0, 3 and, at the edge, 4: only the first hides the corner.
    heat = explain.occlusion(model, image, patch=4, step=3)[0]
    fall = logistic(3) - logistic((127 - 51) / 51)
    expected = np.zeros((8, 8))
    expected[:4, :4] = fall
    expected[3, :3] = expected[:3, 3] = fall / 2  # the first and the second
    expected[3, 3] = fall / 4
    np.testing.assert_allclose(heat, expected, atol=1e-6)


def test_occlusion_leaves_the_images_as_they_were():
    image = np.full((1, 8, 8, 3), 204, "uint8")
    explain.occlusion(red_corner_model(), image, patch=8, step=8)
    assert (image == 204).all()


@pytest.mark.parametrize(("patch", "step"), [(9, 1), (2, 3), (2, 0), (0, 0)])
def test_occlusion_needs_a_patch_that_fits_and_leaves_no_gaps(patch, step):
    with pytest.raises(CatdogError, match=f"patch of {patch} pixels in steps of {step}"):
        explain.occlusion(red_corner_model(), np.zeros((1, 8, 8, 3)), patch, step)


def test_without_a_group_drawings_are_drawn_as_they_are():
    images = explain.redraw([("cat", 5), ("dog", 6)], size=32)
    np.testing.assert_array_equal(images, [draw("cat", 5, 32), draw("dog", 6, 32)])
    assert explain.redraw([]).shape == (0, 160, 160, 3)


def test_all_traits_of_the_class_make_one_class_the_other():
    images = explain.redraw([("cat", 5), ("dog", 5)], "all of these", 32)
    np.testing.assert_array_equal(images, [draw("dog", 5, 32), draw("cat", 5, 32)])


@pytest.mark.parametrize("group", explain.TRAIT_GROUPS)
def test_traits_of_the_group_come_from_the_counterpart_and_no_others(group):
    own, exchanged = draw_traits("cat", 5), explain._exchanged("cat", 5, group)
    source = draw_traits("cat", 1_000_005) if group in ("coat", "scene") else draw_traits("dog", 5)
    for name, value in vars(exchanged).items():
        names = explain.TRAIT_GROUPS[group]
        assert value == getattr(source if name in names else own, name), name


def test_groups_hold_every_trait_that_depends_on_the_class_once():
    own, other = (vars(draw_traits(kind, 5)) for kind in KINDS)
    whole = explain.TRAIT_GROUPS["all of these"]
    assert {name for name in own if own[name] != other[name]} - {"kind"} <= set(whole)
    parts = [explain.TRAIT_GROUPS[group] for group in explain.TRAIT_GROUPS]
    assert sum(map(len, parts)) - len(whole) == len({name for part in parts for name in part})


def test_exchanged_eyes_change_the_drawing_only_where_the_eyes_are():
    before, after = (explain.redraw([("cat", 8)], group)[0] for group in (None, "eyes"))
    changed = (before != after).any(axis=-1)
    assert 0 < changed.mean() < 0.15


def test_an_unknown_group_is_refused_with_those_there_are():
    with pytest.raises(CatdogError, match="'beard'; possible: ears, eyes, muzzle"):
        explain.redraw([("cat", 5)], "beard")


def test_concentration_is_the_density_in_the_region_over_that_in_the_image():
    maps, masks = np.zeros((3, 2, 4)), np.zeros((3, 2, 4), bool)
    masks[:, :, 0] = True  # a quarter of the image
    maps[0] = 0.5  # alike everywhere
    maps[1, 0, 0] = maps[1, 1, 3] = 0.8  # half of the heat
    np.testing.assert_allclose(explain.concentration(maps, masks), [1, 2, 0])


def test_exchanged_labels_are_doubted_most_and_no_label_speaks_for_itself():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    features = np.eye(3)[labels] * 5 + rng.normal(size=(120, 3))
    wrong = [3, 50, 99]
    given = labels.copy()
    given[wrong] = (labels[wrong] + 1) % 3
    probabilities = explain.label_probabilities(features, given)
    assert probabilities.shape == (120,) and 0 <= probabilities.min() <= probabilities.max() <= 1
    assert set(probabilities.argsort()[:3]) == set(wrong)
    np.testing.assert_array_equal(probabilities, explain.label_probabilities(features, given))


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 0, 1]])
def test_labels_that_nothing_else_speaks_of_are_not_judged(labels):
    with pytest.raises(CatdogError, match="two classes of at least two"):
        explain.label_probabilities(np.eye(3), labels)
