"""Scores against answers known by hand."""

from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from catdog_helpers import CatdogError, scoring


@pytest.fixture(scope="module")
def brightness_model():
    """Calls a picture a dog if its mean pixel is above 128: perfect for the pictures below."""
    head = layers.Dense(2)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D(), head]
    )
    slope = 30 / 3
    head.set_weights([np.array([[0, slope]] * 3), np.array([0, -15.0])])
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return model


@pytest.fixture
def pictures():
    """Twenty dark cats, then twenty bright dogs."""
    labels = np.repeat([0, 1], 20)
    images = np.where(labels[:, None, None, None] == 1, 220, 30) * np.ones((40, 8, 8, 3))
    return images.astype("uint8"), labels


def test_p14_labels_and_predictions_come_from_one_pass(brightness_model, pictures):
    shuffled = tf.data.Dataset.from_tensor_slices(pictures).shuffle(40).batch(8)
    score = scoring.score(brightness_model, shuffled)
    assert score.accuracy == 1
    matrix = tf.math.confusion_matrix(score.labels, score.predictions).numpy()
    assert matrix.tolist() == [[20, 0], [0, 20]]


def test_p14_the_score_agrees_with_evaluate(brightness_model, pictures):
    images, labels = pictures
    labels = labels.copy()
    labels[:3] = 1  # three wrong labels: 37 of 40 right
    score = scoring.score(brightness_model, [(images, labels)])
    evaluated = brightness_model.evaluate(images, labels, verbose=0)[1]
    assert score.accuracy == pytest.approx(evaluated, abs=1e-6) == pytest.approx(37 / 40)


def test_pictures_reach_keras_as_a_dataset_that_nothing_holds_up(brightness_model, pictures):
    with patch.object(brightness_model, "predict", wraps=brightness_model.predict) as predict:
        scoring.predict_probabilities(brightness_model, pictures[0])
    (dataset,) = predict.call_args.args
    assert dataset.options().autotune.enabled is False


def test_p16_softmax_is_applied_once(brightness_model, pictures):
    images, _ = pictures
    eight = np.concatenate([images[:4], images[-4:]])
    probabilities = scoring.predict_probabilities(brightness_model, eight)
    assert probabilities.argmax(axis=1).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities.max() > 0.99


def test_p16_probabilities_in_place_of_logits_are_refused(pictures):
    images, _ = pictures
    for ending in (
        [layers.Dense(2, "softmax")],
        [layers.Dense(1, "sigmoid")],
        [layers.Dense(2), layers.Softmax()],
        [layers.Dense(2), layers.Activation("softmax")],
    ):
        model = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), *ending])
        with pytest.raises(CatdogError, match=r"Dense\(2\) without an activation"):
            scoring.predict_probabilities(model, images[:1])


def test_p18_p19_prediction_changes_nothing_and_repeats(pictures):
    augmented = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.RandomFlip(),
            layers.RandomRotation(0.5),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    images = np.random.default_rng(0).uniform(0, 255, (6, 8, 8, 3)).astype("float32")
    kept = images.copy()
    first = scoring.predict_probabilities(augmented, images, batch_size=4)
    second = scoring.predict_probabilities(augmented, images, batch_size=4)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(images, kept)


def test_nothing_to_score_is_an_error(brightness_model):
    with pytest.raises(CatdogError, match="no pictures"):
        scoring.score(brightness_model, [])


def made_score(right, confidences=None):
    """Make a Score of all cats with the given hits."""
    right = np.asarray(right)
    confidences = np.full(len(right), 0.9) if confidences is None else np.asarray(confidences)
    cats = np.where(right, confidences, 1 - confidences)
    return scoring.Score(np.zeros(len(right), int), np.stack([cats, 1 - cats], axis=1))


def test_the_most_confident_mistake_comes_first():
    score = made_score([True, False, False, True], [0.8, 0.7, 0.9, 0.6])
    assert score.mistakes().tolist() == [2, 1]
    assert score.confidences.tolist() == pytest.approx([0.8, 0.7, 0.9, 0.6])


def test_wilson_interval_as_in_the_literature():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263.
    assert scoring.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert scoring.wilson_interval(20, 20)[1] == pytest.approx(1)


def test_mcnemar_counts_only_where_the_models_differ():
    first = made_score([True] * 8 + [False] * 2 + [True] * 30)
    second = made_score([False] * 8 + [True] * 2 + [True] * 30)
    # 8 against 2 of 10 coins: 2 * (1 + 10 + 45) / 1024.
    assert scoring.mcnemar_p_value(first, second) == pytest.approx(112 / 1024)
    assert scoring.mcnemar_p_value(first, first) == 1


def test_mcnemar_refuses_different_pictures():
    with pytest.raises(CatdogError, match="same pictures"):
        scoring.mcnemar_p_value(made_score([True]), made_score([True, True]))


@pytest.mark.parametrize(
    ("dog", "sentence"),
    [
        (0.03, "a cat, 97 % sure"),
        (0.97, "a dog, 97 % sure"),
        (1.0, "a dog, over 99 % sure"),
        (0.0004, "a cat, over 99 % sure"),
        (0.90, "a dog, 90 % sure"),
        (0.89, "probably a dog, 89 %; not a sure answer"),
        (0.29, "probably a cat, 71 %; not a sure answer"),
        (0.60, "probably a dog, 60 %; not a sure answer"),
        (0.59, "cannot tell: dog 59 %, cat 41 %"),
        (0.50, "cannot tell: cat 50 %, dog 50 %"),
    ],
)
def test_an_answer_says_how_sure_it_is(dog, sentence):
    assert scoring.describe([1 - dog, dog]) == sentence


def test_reliability_counts_confidence_and_accuracy_of_each_bin():
    right = [True, False, True, True, False, True, False, True]
    score = made_score(right, [0.5, 0.58, 0.95, 0.97, 0.98, 1.0, 0.65, 0.75])
    table = scoring.reliability(score, bins=5)
    # Up to 60 %, to 70 %, to 80 %, and from 90 % on; the bin in between has no pictures.
    assert table["count"].tolist() == [2, 1, 1, 4]
    assert table["confidence"].tolist() == pytest.approx([0.54, 0.65, 0.75, 0.975])
    assert table["accuracy"].tolist() == pytest.approx([1 / 2, 0, 1, 3 / 4])
    low, high = scoring.wilson_interval(3, 4)
    assert table[["low", "high"]].iloc[3].tolist() == pytest.approx([low, high])


def corner_model(nested):
    """Sees the red of the upper left corner only, and takes it for a dog's."""
    convolution = layers.Conv2D(1, 1, name="eye")
    mask = np.zeros((1, 8, 8, 1), "float32")
    mask[0, :2, :2] = 1
    inputs = keras.Input((8, 8, 3))
    seen = convolution(layers.Rescaling(1 / 255)(inputs * mask))
    normalization = layers.BatchNormalization(center=False, scale=False, epsilon=0)
    maps = layers.ReLU()(normalization(seen))
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
    maps = scoring.grad_cam(model, images, labels=[1, 1])
    expected = np.zeros((2, 8, 8))
    expected[0, :2, :2] = 1
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    # What speaks for a dog speaks against a cat, and the model says dog.
    twice = scoring.grad_cam(model, images[[0, 0]], labels=[1, 0])
    np.testing.assert_allclose(twice, [expected[0], np.zeros((8, 8))], atol=1e-6)
    np.testing.assert_array_equal(scoring.grad_cam(model, images[:1]), maps[:1])


def test_grad_cam_enlarges_small_maps_to_the_picture():
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
    heat = scoring.grad_cam(model, images)[0]
    assert heat.shape == (8, 8)
    assert heat[7, 7] == 1
    assert heat[0].max() == heat[:, 0].max() == 0


def test_grad_cam_leaves_the_model_as_it_was():
    model = corner_model(nested=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), "uint8")
    before = scoring.predict_probabilities(model, images)
    kept = images.copy()
    scoring.grad_cam(model, images)
    np.testing.assert_array_equal(scoring.predict_probabilities(model, images), before)
    np.testing.assert_array_equal(images, kept)
    assert not any("call" in vars(layer) for layer in model.get_layer("backbone").layers)


def test_grad_cam_needs_a_convolution(brightness_model):
    with pytest.raises(CatdogError, match="no convolution"):
        scoring.grad_cam(brightness_model, np.zeros((1, 8, 8, 3)))
