"""Grad-CAM on models whose reasons are known."""

import keras
import numpy as np
import pytest
from keras import layers

from catdog_helpers import CatdogError, explain, scoring


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
