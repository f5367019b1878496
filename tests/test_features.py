"""Features: the same with any engine, in chunks, and on workers."""

import os
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
import trees
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from workers import losing_a_worker, posix_only

from catdog_helpers import CatdogError, data, features, models

SIZE = 32


def test_two_halves_of_a_backbone_extract_what_the_whole_predicts():
    keras.utils.set_random_seed(0)
    backbone = models.build_backbone("drawn", SIZE, pretrained=False)
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype="uint8")
    lower, upper = map(features.feature_extractor, models.split_backbone(backbone))
    whole = backbone.predict(images, verbose=0)
    np.testing.assert_allclose(upper(lower(images)), whole, atol=1e-5)


def test_features_do_not_depend_on_the_engine_and_never_on_augmentation(monkeypatch):
    model = models.build_small_network(
        SIZE, front=[layers.RandomFlip(), layers.RandomRotation(0.05)]
    )
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(0).normal(0, 0.1, weight.shape))
    images = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype="uint8")
    mirrored = images[:, :, ::-1]
    expected = model.predict(mirrored, verbose=0)
    extract = features.feature_extractor(model)
    np.testing.assert_allclose(extract(mirrored), expected, rtol=1e-4)
    assert extract(images[:0]).shape == (0, 2)
    with monkeypatch.context() as patch:
        patch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
        np.testing.assert_array_equal(features.feature_extractor(model)(mirrored), expected)


def test_the_engine_uses_the_processors_that_this_process_may_use(monkeypatch):
    threads = []

    def interpreter(**options):
        threads.append(options["num_threads"])
        return Interpreter(**options)

    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    monkeypatch.setattr(features, "Interpreter", interpreter)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5, 6}, raising=False)
    features.feature_extractor(model)
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS and Windows
    features.feature_extractor(model)
    assert threads == [3, 64]


def test_a_feature_extractor_keeps_the_weights_of_its_moment(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    extract, inputs = features.feature_extractor(model), np.eye(4)
    before = extract(inputs)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    np.testing.assert_array_equal(extract(inputs), before)
    assert not np.allclose(features.feature_extractor(model)(inputs), before)


def test_the_features_of_a_backbone_are_the_means_of_its_maps():
    keras.utils.set_random_seed(0)
    backbone = models.build_backbone("drawn", SIZE, pretrained=False)
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype="uint8")
    activations, means = features.backbone_extractor(backbone)(images)
    lower, _ = models.split_backbone(backbone)
    np.testing.assert_allclose(activations, lower.predict(images, verbose=0), atol=1e-5)
    maps = backbone.predict(images, verbose=0)  # (2, 3, 3, 1280)
    np.testing.assert_allclose(means, maps.mean(axis=(1, 2)), rtol=1e-3, atol=1e-12)


@posix_only
def test_two_workers_extract_what_one_process_does_even_if_one_is_lost(tmp_path, executor):
    tree = trees.official(tmp_path / "tree", n=4)
    files = tuple(sorted(tree.glob("*/*/*.jpg")))
    split = data.Split("train", files, np.zeros(len(files), "int32"))
    alone = features.extract_features_of_files(split, "drawn", 32, chunk_size=4)
    assert alone.shape == (16, 1280)
    flag = tmp_path / "flag"
    spread = features.extract_features_of_files(
        split, "drawn", 32, chunk_size=4, map=losing_a_worker(executor, flag)
    )
    assert flag.exists()
    np.testing.assert_array_equal(spread, alone)


def test_an_exported_model_predicts_as_keras_does_and_names_its_classes(tmp_path):
    model = models.build_small_network(64, 3, front=[models.preprocessing_layer()])
    images = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), "uint8")
    model.layers[-1].kernel.assign(np.random.default_rng(2).normal(size=(64, 3)))
    path = tmp_path / "m.tflite"
    assert features.export(model, path, ("fox", "owl", "<b>")) < 1e-3
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().splitlines() == ["fox", "owl", "<b>"]
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    for image, logits in zip(images, model.predict(images, verbose=0), strict=True):
        interpreter.set_tensor(0, image[None].astype("float32"))
        interpreter.invoke()
        output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(output[0], logits, atol=1e-3)
    before = path.read_bytes()
    with pytest.raises(CatdogError, match=r"m\.tflite exists already"):
        features.export(model, path, ("fox", "owl", "<b>"))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["m.tflite"]


def test_features_of_both_mirror_images_are_averaged_whatever_the_chunks(tmp_path):
    split = data.load_splits(trees.official(tmp_path / "t", n=5))[0]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Conv2D(2, 3), layers.Flatten()])
    averaged = features.mirrored_features(model, split, SIZE, chunk_size=4)
    images = data.load_images(split, SIZE).astype("float32")
    both = [model.predict(each, verbose=0) for each in (images, images[:, :, ::-1])]
    np.testing.assert_allclose(averaged, np.mean(both, axis=0), rtol=1e-4, atol=1e-2)
