"""Fitting and the random warp."""

import json
import subprocess
import sys
from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from catdog_helpers import CatdogError, models, training

SIZE = 32


@pytest.fixture(scope="module")
def labeled():
    """Sixteen dark and sixteen bright noisy images."""
    labels = np.repeat([0, 1], 16)
    noise = np.random.default_rng(0).normal(0, 20, (32, SIZE, SIZE, 3))
    images = np.where(labels[:, None, None, None] == 1, 200, 60) + noise
    return images.clip(0, 255).astype("uint8"), labels


def trained_weights(labeled, seed):
    training.set_seed(seed)
    model = models.build_small_network(SIZE, front=[layers.RandomFlip()], steps=10)
    dataset = tf.data.Dataset.from_tensor_slices(labeled).shuffle(32, seed=seed).batch(8)
    training.fit(model, dataset.map(training.augment), labeled, epochs=1)
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def test_one_seed_repeats_a_training_and_another_does_not(labeled):
    first = trained_weights(labeled, 1)
    np.testing.assert_array_equal(first, trained_weights(labeled, 1))
    assert not np.array_equal(first, trained_weights(labeled, 2))


def test_fit_returns_the_history_and_prints_few_lines(labeled, capsys):
    model = models.compile_classifier(
        keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(2)])
    )
    history = training.fit(model, labeled, labeled, epochs=6)
    assert history.epochs == 6
    assert set(history.metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.train_seconds > 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["1/6", "5/6", "6/6"]


def test_arrays_reach_keras_as_datasets_that_nothing_holds_up(labeled):
    model = models.build_small_network(SIZE)
    with patch.object(model, "fit", wraps=model.fit) as fit:
        training.fit(model, labeled, labeled, 1, progress=False)
    datasets = [*fit.call_args.args, fit.call_args.kwargs["validation_data"]]
    assert [each.options().autotune.enabled for each in datasets] == [False, False]
    orders = [np.concatenate([labels for _, labels in each]).tolist() for each in datasets]
    assert orders[1] == labeled[1].tolist() == sorted(orders[0]) != orders[0]


def test_an_accuracy_is_the_very_share_that_was_counted(capsys):
    inputs, labels = np.zeros((400, 1)), np.repeat([0, 1], [387, 13])
    network = [keras.Input((1,)), layers.Dense(2, kernel_initializer="zeros")]
    model = models.compile_classifier(keras.Sequential(network), keras.optimizers.SGD(0.0))
    history = training.fit(model, (inputs, labels), (inputs, labels), 1)
    assert history.metrics["val_accuracy"] == [387 / 400]
    assert "validation 96.8%" in capsys.readouterr().out


def test_many_steps_in_one_call_train_as_single_steps_do(labeled, monkeypatch):
    dataset = tf.data.Dataset.from_tensor_slices(labeled).batch(8)
    histories = []
    for steps in (1, 3):  # in two epochs of four batches
        monkeypatch.setattr(training, "STEPS_PER_CALL", steps)
        training.set_seed(0)
        layout = [keras.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(2)]
        model = models.compile_classifier(keras.Sequential(layout))
        histories.append(training.fit(model, dataset, labeled, 2, progress=False))
        assert model.steps_per_execution == 1
        model.evaluate(*labeled, verbose=0)  # as if nothing had been set
    one, three = (
        [history.metrics[name] for name in sorted(history.metrics)] for history in histories
    )
    np.testing.assert_allclose(three, one, rtol=1e-6)


def test_an_empty_training_set_is_an_error(labeled):
    empty = tf.data.Dataset.from_tensor_slices(labeled).take(0).batch(8)
    with pytest.raises(CatdogError, match="empty"):
        training.fit(models.build_small_network(SIZE), empty, labeled, epochs=1)


def test_a_dataset_of_unknown_length_is_trained_on(labeled):
    batches = tf.data.Dataset.from_tensor_slices(labeled).batch(8).filter(lambda *_: True)
    assert int(batches.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    assert training.fit(models.build_small_network(SIZE), batches, labeled, epochs=1).epochs == 1


def test_warp_without_change_is_the_identity(labeled, monkeypatch):
    monkeypatch.setattr(
        tf.random,
        "uniform",
        lambda shape, low, high: tf.fill(shape, {0.75: 1.0, -1: 1.0}.get(low, (low + high) / 2)),
    )
    images, labels = labeled
    changed, same_labels = training.augment(tf.constant(images), labels)
    np.testing.assert_allclose(changed, images, atol=1e-2)
    assert same_labels is labels


def test_warp_mirrors_around_the_middle(labeled, monkeypatch):
    monkeypatch.setattr(
        tf.random,
        "uniform",
        lambda shape, low, high: tf.fill(shape, {0.75: 1.0, -1: -1.0}.get(low, (low + high) / 2)),
    )
    images, labels = labeled
    changed, _ = training.augment(tf.constant(images), labels)
    np.testing.assert_allclose(changed, images[:, :, ::-1], atol=1e-2)


def test_augmented_images_differ_and_keep_their_shape(labeled):
    images, labels = labeled
    first, _ = training.augment(tf.constant(images), labels)
    second, _ = training.augment(tf.constant(images), labels)
    assert first.shape == images.shape
    assert not np.allclose(first, second)
    np.testing.assert_allclose(np.mean(first), images.mean(), atol=15)


def test_the_small_network_learns_raw_pixels_whatever_the_seed(labeled):
    often = tuple(np.concatenate([array] * 20) for array in labeled)  # 20 batches an epoch
    for seed in range(5):
        training.set_seed(seed)
        model = models.build_small_network(SIZE, steps=120)
        history = training.fit(model, often, labeled, epochs=6)
        assert min(history.metrics["loss"]) < 0.5, f"seed {seed} stays at the loss of guessing"


# With one device, then with two, as on a machine with several GPUs.
TWO_DEVICES = """
import json

import keras
import numpy as np
import tensorflow as tf

from catdog_helpers import models, training

processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


def losses(strategy):
    training.set_seed(0)
    images = np.random.randint(0, 256, (64, 8, 8, 3)).astype("uint8")
    labels = (images.mean(axis=(1, 2, 3)) > 127).astype("int32")
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
    with strategy.scope():
        network = [models.preprocessing_layer(), keras.layers.Flatten(), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input((8, 8, 3)), *network])
        models.compile_classifier(model, keras.optimizers.Adam(1e-3))
    history = training.fit(model, dataset, dataset, 3, progress=False)
    return strategy.num_replicas_in_sync, history.metrics["loss"] + history.metrics["val_loss"]


both = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
print(json.dumps([losses(tf.distribute.get_strategy()), losses(both)]))
"""


def test_two_devices_train_as_one_does():
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (one, losses), (two, mirrored) = json.loads(done.stdout.splitlines()[-1])
    assert (one, two) == (1, 2)
    np.testing.assert_allclose(mirrored, losses, rtol=1e-4)
    assert losses[2] < losses[0]  # it learns at all


def test_a_loss_that_is_no_number_ends_the_training_at_once(labeled):
    network = [keras.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(2)]
    model = models.compile_classifier(keras.Sequential(network), keras.optimizers.SGD(1e30))
    with pytest.raises(
        CatdogError, match=r"epoch \d: the loss is (nan|inf); lower the learning rate"
    ):
        training.fit(model, labeled, labeled, epochs=3, progress=False)
    assert model.steps_per_execution == 1


@pytest.mark.parametrize("empty", ["training", "validation"])
def test_empty_arrays_are_an_error_before_tensorflow_sees_them(labeled, empty):
    sets = {"training": labeled, "validation": labeled}
    sets[empty] = tuple(array[:0] for array in labeled)
    with pytest.raises(CatdogError, match=f"the {empty} set is empty"):
        training.fit(models.build_small_network(SIZE), *sets.values(), epochs=1)


def test_set_up_seeds_and_uses_several_gpus_once(monkeypatch):
    chosen = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * 2)
    monkeypatch.setattr(tf.distribute, "experimental_set_strategy", chosen.append)
    monkeypatch.setattr(tf.distribute, "has_strategy", lambda: bool(chosen))
    values = []
    for _ in range(2):  # a cell that is run twice
        training.set_up(3)
        values.append(np.random.random())
    assert values[0] == values[1]
    assert [type(strategy) for strategy in chosen] == [tf.distribute.MirroredStrategy]


@pytest.mark.parametrize("average", [False, True])
def test_a_restarted_model_learns_as_a_fresh_one(labeled, average):
    def build():
        training.set_seed(1)
        normalize = layers.BatchNormalization(momentum=0.5)
        network = [layers.Flatten(), layers.Dense(4), normalize, layers.Dropout(0.5)]
        return keras.Sequential([keras.Input((SIZE, SIZE, 3)), *network, layers.Dense(2)])

    def weights_after_training(model):
        training.fit(model, labeled, labeled, epochs=2, progress=False)
        return model.get_weights()

    fresh = models.compile_classifier(build(), keras.optimizers.Adam(1e-3, use_ema=average))
    expected = weights_after_training(fresh)
    again = models.compile_classifier(build(), keras.optimizers.Adam(1e-2, use_ema=average))
    weights_after_training(again)
    for rate in (1e-3, None):  # None: the rate of before
        training.restart(again, build(), rate)
        for weight, same in zip(weights_after_training(again), expected, strict=True):
            np.testing.assert_array_equal(weight, same)
    with pytest.raises(ValueError):
        training.restart(again, models.build_small_network(SIZE), 1e-3)


def test_a_schedule_begins_again_with_the_training():
    def build():
        training.set_seed(1)
        return keras.Sequential([keras.Input((4,)), layers.Dense(2)])

    schedule = keras.optimizers.schedules.CosineDecay(0.1, 8)
    model = models.compile_classifier(build(), keras.optimizers.Adam(schedule))
    pair = np.eye(4, dtype="float32"), np.array([0, 1, 0, 1])
    weights = []
    for _ in range(2):
        training.fit(model, pair, pair, epochs=8, progress=False)
        weights.append(model.get_weights()[0])
        training.restart(model, build())
    np.testing.assert_array_equal(*weights)


def test_the_weights_of_the_last_step_outlive_their_average():
    inputs, labels = np.ones((8, 1), "float32"), np.ones(8, "int32")
    layout = [keras.Input((1,)), layers.Dense(2, kernel_initializer="zeros")]
    optimizer = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    model = models.compile_classifier(keras.Sequential(layout), optimizer)
    last = training.LastWeights()
    training.fit(model, (inputs, labels), (inputs, labels), 2, progress=False, callbacks=[last])
    # One batch an epoch: the first step moves by 1/2, the next by the probability p of class 0.
    p = 1 / (1 + np.exp(2))
    np.testing.assert_allclose(last.weights[0], [[-0.5 - p, 0.5 + p]], rtol=1e-5)
    # The average begins with the first step and then takes half of each.
    np.testing.assert_allclose(model.get_weights()[0], [[-0.5 - p / 2, 0.5 + p / 2]], rtol=1e-5)
