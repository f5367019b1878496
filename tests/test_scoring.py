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
    """Calls an image a dog if its mean pixel is above 128: perfect for the images below."""
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
def images():
    """Twenty dark cats, then twenty bright dogs."""
    labels = np.repeat([0, 1], 20)
    images = np.where(labels[:, None, None, None] == 1, 220, 30) * np.ones((40, 8, 8, 3))
    return images.astype("uint8"), labels


def test_labels_and_predictions_come_from_one_pass(brightness_model, images):
    shuffled = tf.data.Dataset.from_tensor_slices(images).shuffle(40).batch(8)
    score = scoring.score(brightness_model, shuffled)
    assert score.accuracy == 1
    matrix = tf.math.confusion_matrix(score.labels, score.predictions).numpy()
    assert matrix.tolist() == [[20, 0], [0, 20]]


def test_the_score_agrees_with_evaluate(brightness_model, images):
    images, labels = images
    labels = labels.copy()
    labels[:3] = 1  # three wrong labels: 37 of 40 correct
    score = scoring.score(brightness_model, [(images, labels)])
    evaluated = brightness_model.evaluate(images, labels, verbose=0)[1]
    assert score.accuracy == pytest.approx(evaluated, abs=1e-6) == pytest.approx(37 / 40)


def test_images_reach_keras_as_a_dataset_that_nothing_holds_up(brightness_model, images):
    with patch.object(brightness_model, "predict", wraps=brightness_model.predict) as predict:
        scoring.predict_probabilities(brightness_model, images[0])
    (dataset,) = predict.call_args.args
    assert dataset.options().autotune.enabled is False


def test_softmax_is_applied_once(brightness_model, images):
    images, _ = images
    eight = np.concatenate([images[:4], images[-4:]])
    probabilities = scoring.predict_probabilities(brightness_model, eight)
    assert probabilities.argmax(axis=1).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities.max() > 0.99


def test_probabilities_in_place_of_logits_are_refused(images):
    images, _ = images
    for ending in (
        [layers.Dense(2, "softmax")],
        [layers.Dense(1, "sigmoid")],
        [layers.Dense(2), layers.Softmax()],
        [layers.Dense(2), layers.Activation("softmax")],
    ):
        model = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), *ending])
        with pytest.raises(CatdogError, match=r"Dense\(number of classes\) without an act"):
            scoring.predict_probabilities(model, images[:1])


def test_prediction_changes_nothing_and_repeats(images):
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
    with pytest.raises(CatdogError, match="no images"):
        scoring.score(brightness_model, [])


def made_score(correct, confidences=None):
    """Make a Score of all cats with the given hits."""
    correct = np.asarray(correct)
    confidences = np.full(len(correct), 0.9) if confidences is None else np.asarray(confidences)
    cats = np.where(correct, confidences, 1 - confidences)
    return scoring.Score(np.zeros(len(correct), int), np.stack([cats, 1 - cats], axis=1))


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


def test_mcnemar_refuses_different_images():
    with pytest.raises(CatdogError, match="same images"):
        scoring.mcnemar_p_value(made_score([True]), made_score([True, True]))


@pytest.mark.parametrize(
    ("dog", "sentence"),
    [
        (0.03, "a cat, 97 % sure"),
        (0.97, "a dog, 97 % sure"),
        (1.0, "a dog, over 99 % sure"),
        (0.0004, "a cat, over 99 % sure"),
        (0.90, "a dog, 90 % sure"),
        (0.89, "probably a dog, 89 %, but not sure"),
        (0.29, "probably a cat, 71 %, but not sure"),
        (0.60, "probably a dog, 60 %, but not sure"),
        (0.59, "cannot tell: dog 59 %, cat 41 %"),
        (0.50, "cannot tell: cat 50 %, dog 50 %"),
    ],
)
def test_a_sentence_says_how_sure_the_model_is(dog, sentence):
    assert scoring.describe([1 - dog, dog]) == sentence


def test_reliability_counts_confidence_and_accuracy_of_each_bin():
    correct = [True, False, True, True, False, True, False, True]
    score = made_score(correct, [0.5, 0.58, 0.95, 0.97, 0.98, 1.0, 0.65, 0.75])
    table = scoring.reliability(score, bins=5)
    # Up to 60 %, to 70 %, to 80 %, and from 90 % on; the bin in between has no images.
    assert table["count"].tolist() == [2, 1, 1, 4]
    assert table["confidence"].tolist() == pytest.approx([0.54, 0.65, 0.75, 0.975])
    assert table["accuracy"].tolist() == pytest.approx([1 / 2, 0, 1, 3 / 4])
    low, high = scoring.wilson_interval(3, 4)
    assert table[["low", "high"]].iloc[3].tolist() == pytest.approx([low, high])


def test_predictions_that_are_no_numbers_are_refused(images):
    network = [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2)]
    model = keras.Sequential(network, name="broken")
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    with pytest.raises(CatdogError, match="the predictions of 'broken' are not numbers"):
        scoring.score(model, [images])


def test_bins_with_few_images_are_joined():
    score = made_score([True] * 8, [0.52, 0.58, 0.62, 0.75, 0.95, 0.97, 0.98, 0.85])
    # By fifths 2, 1, 1, 1 and 3 images: the middle ones make up one bin.
    assert scoring.reliability(score, at_least=2)["count"].tolist() == [2, 2, 4]
    assert scoring.reliability(score, at_least=3)["count"].tolist() == [3, 5]
    # A last bin with too few goes to the one before; of too few in all there is one bin.
    assert scoring.reliability(score, at_least=5)["count"].tolist() == [8]
    assert scoring.reliability(score, at_least=100)["count"].tolist() == [8]


def test_holm_multiplies_the_smallest_most():
    # 3 x 0.01, 2 x 0.03, and 1 x 0.04, which may not be below the one before.
    assert scoring.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert scoring.holm([0.6, 0.7]).tolist() == [1, 1]
    assert scoring.holm([]).tolist() == []


def test_overconfidence_is_confidence_minus_accuracy():
    score = made_score([True, False, True, True], [0.9, 0.8, 0.7, 0.8])
    value, (low, high) = scoring.overconfidence(score)
    assert value == pytest.approx(0.8 - 0.75)
    # Gaps of -0.1, 0.8, -0.3 and -0.2: standard deviation 0.50662; 3.18245 is the t of 3 degrees.
    assert (low, high) == pytest.approx((0.05 - 0.80615, 0.05 + 0.80615), abs=1e-4)
    assert scoring.overconfidence(made_score([True], [0.9]))[1] == (-1, 1)


def test_the_table_of_comparisons_corrects_for_their_number():
    good = made_score([True] * 40)
    worse = made_score([False] * 6 + [True] * 34)  # p = 2 / 2**6 = 0.031; three tests: 0.094
    worst = made_score([False] * 12 + [True] * 28)  # p = 2 / 2**12, times 3: 0.001
    comparisons = {
        "worse": scoring.compare(worse, good),
        "worst": scoring.compare(worst, good),
        "same": scoring.compare(good, good),
    }
    table = scoring.comparison_table(comparisons)
    assert table.index.tolist() == ["worse", "worst", "same"]
    assert table["difference"].tolist() == ["-15.0", "-30.0", "+0.0"]
    assert table["p"].tolist() == ["0.031", "< 0.001", "1.000"]
    assert table["p, Holm"].tolist() == ["0.062", "0.001", "1.000"]
    assert table["verdict"].tolist() == ["not shown to differ", "lower", "not shown to differ"]


def test_the_table_of_overconfidence_gives_points():
    score = made_score([True, False, True, True], [0.9, 0.8, 0.7, 0.8])
    table = scoring.overconfidence_table({"a": score})
    assert table.loc["a"].tolist() == ["80.0%", "75.0%", "+5.0", "-75.6 to +85.6"]


def test_losses_have_the_mean_that_keras_prints(brightness_model, images):
    score = scoring.score(brightness_model, [images])
    evaluated = brightness_model.evaluate(*images, verbose=0)[0]
    assert scoring.losses(score).mean() == pytest.approx(evaluated, abs=1e-6)


def test_losses_by_hand():
    score = scoring.Score(np.array([0, 1, 1]), np.array([[0.5, 0.5], [0.75, 0.25], [1, 0]]))
    assert scoring.losses(score) == pytest.approx([np.log(2), np.log(4), 16 * np.log(10)])


def test_the_interval_of_a_mean_by_hand():
    # Four values, mean 2, standard deviation 2; Student's t for three degrees is 3.182.
    values = [2 - np.sqrt(3)] * 2 + [2 + np.sqrt(3)] * 2
    assert scoring.mean_interval(values) == pytest.approx((2 - 3.182, 2 + 3.182), abs=1e-3)
    assert scoring.mean_interval([1.0]) == (-np.inf, np.inf)


def test_a_call_is_scored_as_the_model_is(brightness_model, images):
    called = scoring.score_call(brightness_model, [images])
    scored = scoring.score(brightness_model, [images])
    assert called.probabilities == pytest.approx(scored.probabilities, abs=1e-5)
    turned = scoring.score_call(lambda x: -np.asarray(brightness_model(x)), [images])
    assert (called.accuracy, turned.accuracy) == (1, 0)
    with pytest.raises(CatdogError, match="no images"):
        scoring.score_call(brightness_model, [])
    with pytest.raises(CatdogError, match=r"predictions of 'this model' are not numbers"):
        scoring.score_call(lambda x: np.full((len(x), 2), np.nan), [images])


def test_gaps_by_hand():
    def scored(n_correct, n):
        labels = np.arange(n) >= n_correct
        return scoring.Score(labels.astype(int), np.tile([1.0, 0.0], (n, 1)))

    # Gaps of 4/4 - 5/10 and 3/4 - 5/10. Training differs on one image of four: variance 3/16.
    first, second = (scored(4, 4), scored(5, 10)), (scored(3, 4), scored(5, 10))
    second[0].labels[:] = first[0].labels
    second[0].probabilities[3] = [0, 1]
    difference, interval = scoring.compare_gaps(first, second)
    half = 1.96 * np.sqrt(3 / 64)
    assert difference == pytest.approx(0.25)
    assert interval == pytest.approx((0.25 - half, 0.25 + half))


# --- Any number of classes

SHAPES = ("circle", "<b>", "star")


def three_classes():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.8, 0.1, 0.1]])
    return scoring.Score(np.array([0, 1, 1, 0]), probabilities)


@pytest.mark.parametrize(
    ("probabilities", "sentence"),
    [
        ([0.97, 0.02, 0.01], "circle, 97 % sure"),
        ([0.1, 0.75, 0.15], "probably <b>, 75 %, but not sure"),
        ([0.3, 0.31, 0.39], "cannot tell: star 39 %, <b> 31 %"),
    ],
)
def test_classes_of_ones_own_are_described_by_their_names(probabilities, sentence):
    assert scoring.describe(np.array(probabilities), SHAPES) == sentence


def test_each_class_has_a_recall_and_counts_the_same_in_the_balanced_accuracy():
    table = scoring.recall_table(three_classes(), SHAPES)
    assert table["images"].tolist() == ["2", "2", "0"]
    assert table["recall"].tolist() == ["100.0 %", "50.0 %", ""]
    low, high = scoring.wilson_interval(1, 2)
    assert table.loc["<b>", "95 % interval"] == f"{100 * low:.1f} to {100 * high:.1f} %"
    unequal = scoring.Score(np.array([0, 0, 0, 1]), np.eye(2)[[0, 0, 0, 0]])
    assert (unequal.accuracy, unequal.balanced_accuracy) == (0.75, 0.5)


def test_confidence_begins_at_one_over_the_number_of_classes():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1, 1], 200)
    table = scoring.reliability(scoring.Score(rng.integers(0, 4, 200), probabilities))
    assert table["count"].sum() == 200 and table["confidence"].min() < 0.5
