"""The models: what they are made of, how they are compiled, and what fine-tuning moves."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

from catdog_helpers import CatdogError, models, results

SIZE = 32


def augmentation_layers():
    return [layers.RandomFlip("horizontal"), layers.RandomRotation(0.05)]


def black_and_white():
    """One black and one white image."""
    return np.stack([np.zeros((SIZE, SIZE, 3)), np.full((SIZE, SIZE, 3), 255.0)]).astype("float32")


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(0)
    return models.build_backbone("drawn", SIZE, pretrained=False)


@pytest.mark.parametrize("front", [[], [layers.RandomFlip()], [models.preprocessing_layer()]])
def test_head_loss_and_metric_fit_together(front):
    model = models.build_small_network(SIZE, front=front)
    images = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype="uint8")
    labels = np.array([0, 1] * 4)
    logits = model.predict_on_batch(images)
    by_hand = (logits.argmax(axis=1) == labels).mean()
    loss, accuracy = model.evaluate(images, labels, verbose=0)
    log_sum = np.log(np.exp(logits).sum(axis=1))
    assert accuracy == pytest.approx(by_hand)
    assert loss == pytest.approx((log_sum - logits[np.arange(8), labels]).mean(), rel=1e-4)


def test_the_network_has_the_layers_that_the_assignment_asks_for():
    kinds = [type(layer) for layer in models.build_small_network(SIZE).layers]
    for kind, least in ((layers.Conv2D, 2), (layers.MaxPooling2D, 2)):
        assert kinds.count(kind) >= least
    for kind in (layers.Flatten, layers.Dropout):
        assert kinds.count(kind) == 1
    assert kinds[-1] is layers.Dense
    assert kinds.index(layers.Dropout) < len(kinds) - 1


@pytest.mark.parametrize(
    "ending",
    [
        [layers.Dense(2, activation="softmax")],
        [layers.Dense(1, activation="sigmoid")],
        [layers.Dense(1)],
        [layers.Dense(2), layers.Dropout(0.5)],
        [layers.Dense(2), layers.Activation("softmax")],
        [layers.Dense(2), layers.Softmax()],
        [keras.Sequential([layers.Dense(2, activation="softmax")])],
    ],
)
def test_a_head_that_does_not_fit_the_loss_is_refused(ending):
    model = keras.Sequential([keras.Input((4,)), *ending])
    with pytest.raises(CatdogError, match=r"Dense\(number of classes\) without an act"):
        models.compile_classifier(model)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_a_network_has_a_logit_for_each_class(n_classes):
    model = models.build_small_network(SIZE, n_classes)
    assert model.output_shape == (None, n_classes)


def test_a_softmax_that_is_no_layer_is_refused():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.softmax(layers.Dense(2)(inputs)))
    with pytest.raises(CatdogError, match="ends in Softmax"):
        models.check_head(model)


def test_logits_inside_a_nested_head_are_accepted():
    head = keras.Sequential([layers.Dropout(0.5), layers.Dense(2)])
    models.check_head(keras.Sequential([keras.Input((4,)), head]))


def wired(*front, back=None):
    """The small network, or what is given, behind other layers."""
    back = models.convolutional_layers() if back is None else back
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), *front, *back], name="wired")


def test_pixels_reach_the_network_from_minus_one_to_one_once(backbone):
    for model in (models.build_small_network(SIZE, front=[models.preprocessing_layer()]), backbone):
        scaled = model.get_layer("preprocessing").output
        arriving = keras.Model(model.inputs, scaled).predict_on_batch(black_and_white())
        assert (arriving.min(), arriving.max()) == (-1, 1)
    assert sum(isinstance(layer, layers.Rescaling) for layer in backbone.layers) == 1


def test_preprocessing_twice_is_refused(backbone):
    twice = [models.preprocessing_layer(), layers.Rescaling(1 / 127.5, offset=-1)]
    ending = [layers.GlobalAveragePooling2D(), layers.Dense(2)]
    for model in (wired(*twice), wired(twice[1], back=[backbone, *ending])):
        with pytest.raises(CatdogError, match=r"'wired' as -1\.01 and -0\.992, not as -1 and 1"):
            models.compile_classifier(model)


def test_preprocessing_missing_before_a_backbone_is_refused():
    raw = models.build_backbone("drawn", SIZE, pretrained=False, preprocess=False)
    model = wired(back=[raw, layers.GlobalAveragePooling2D(), layers.Dense(2)])
    with pytest.raises(CatdogError, match="'wired' as 0 and 255, not as -1 and 1"):
        models.compile_classifier(model)


@pytest.mark.parametrize("kind", ["nested", "flat", "cut early"])
def test_a_mobilenet_of_ones_own_needs_its_preprocessing_whatever_it_is_called(kind):
    def classifier(front):
        pixels = keras.Input((SIZE, SIZE, 3))
        options = {"alpha": 0.35, "include_top": False, "weights": None}
        if kind == "nested":
            own = keras.applications.MobileNetV2(
                input_shape=(SIZE, SIZE, 3), **options, name="mine"
            )
            maps = own(front(pixels))
        else:
            whole = keras.applications.MobileNetV2(input_tensor=front(pixels), **options)
            last = "block_3_project_BN" if kind == "cut early" else "out_relu"
            maps = whole.get_layer(last).output
        return keras.Model(pixels, layers.Dense(2)(layers.GlobalAveragePooling2D()(maps)))

    models.check_preprocessing(classifier(models.preprocessing_layer()))
    for front, arriving in (
        (layers.Identity(), "0 and 255"),
        (layers.Rescaling(1 / 255), "0 and 1"),
    ):
        with pytest.raises(CatdogError, match=f"as {arriving}, not as -1 and 1"):
            models.check_preprocessing(classifier(front))


def test_no_other_wiring_is_refused(backbone):
    def ending():
        return [layers.GlobalAveragePooling2D(), layers.Dense(2)]

    inputs, pixels = keras.Input((None, None, 3)), keras.Input((SIZE, SIZE, 3))
    body = keras.Model(inputs, layers.Conv2D(2, 3)(inputs / 127.5 - 1))
    features = body(keras.ops.flip(pixels, axis=2))
    shared = models.convolutional_layers()
    for model in (
        wired(back=shared),
        wired(layers.Rescaling(1 / 255), back=shared),
        wired(back=[backbone, *ending()]),
        keras.Sequential([inputs, body, *ending()]),
        keras.Model(pixels, layers.Dense(2)(layers.Flatten()(features))),
        keras.Sequential([keras.Input((SIZE, SIZE, 8)), layers.Conv2D(2, 3), *ending()]),
    ):
        models.check_preprocessing(model)


def test_the_check_of_the_preprocessing_leaves_no_trace():
    keras.utils.set_random_seed(0)
    model = wired(*augmentation_layers())
    state = [variable.numpy() for variable in model.variables]
    models.check_preprocessing(model)
    assert all(np.array_equal(a, b) for a, b in zip(state, model.variables, strict=True))
    assert all("call" not in vars(layer) for layer in model.layers)


def test_preprocessing_follows_the_rule_of_mobilenet_v2():
    pixels = np.arange(256, dtype="float32")
    expected = keras.applications.mobilenet_v2.preprocess_input(pixels.copy())
    np.testing.assert_allclose(models.preprocessing_layer()(pixels), expected, atol=1e-6)


def test_augmentation_is_active_in_training_only():
    model = models.build_small_network(SIZE, front=augmentation_layers())
    images = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3)).astype("float32")
    front = keras.Sequential(model.layers[1:3])
    assert not np.allclose(front(images, training=True), images)
    np.testing.assert_array_equal(front(images, training=False), images)
    np.testing.assert_array_equal(model.predict_on_batch(images), model.predict_on_batch(images))


def test_the_backbone_is_frozen_and_its_halves_make_the_whole(backbone):
    images = black_and_white()
    lower, upper = models.split_backbone(backbone)
    whole = backbone.predict(images, verbose=0)
    halves = upper.predict(lower.predict(images, verbose=0), verbose=0)
    assert backbone.trainable_weights == []
    np.testing.assert_allclose(halves, whole, atol=1e-5)


def test_fine_tuning_moves_the_top_and_nothing_else():
    backbone = models.build_backbone("drawn", SIZE, pretrained=False)
    lower, upper = models.split_backbone(backbone)
    models.unfreeze(upper)
    ending = [layers.GlobalAveragePooling2D(), layers.Dense(2)]
    top = keras.Sequential([keras.Input(upper.input.shape[1:]), upper, *ending])
    models.compile_classifier(top, keras.optimizers.Adam(1e-2))
    before = {weight.path: weight.numpy() for weight in backbone.weights}
    activations = np.random.default_rng(0).normal(size=(8, *upper.input.shape[1:]))
    top.fit(activations, np.array([0, 1] * 4), verbose=0)
    moved = {w.path for w in backbone.weights if not np.array_equal(w.numpy(), before[w.path])}
    convolutions = {
        weight.path
        for layer in upper.layers
        if not isinstance(layer, layers.BatchNormalization)
        for weight in layer.weights
    }
    assert moved == convolutions
    assert not moved & {weight.path for weight in lower.weights}


def test_imagenet_weights_are_loaded_without_a_warning(tmp_path, monkeypatch):
    path = tmp_path / "as_if_downloaded.weights.h5"
    keras.applications.MobileNetV2(include_top=False, weights=None).save_weights(path)
    monkeypatch.setattr(models, "fetch_weights", lambda: path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backbone = models.build_backbone("imagenet", SIZE)
    assert backbone.output_shape == (None, 6, 6, 1280)


def test_a_missing_weights_file_is_named(tmp_path):
    with pytest.raises(CatdogError, match=r"no weights file at .*nothing\.h5"):
        models.build_backbone(tmp_path / "nothing.h5", SIZE)


def test_a_damaged_weights_file_is_named(tmp_path):
    damaged = tmp_path / "half.weights.h5"
    damaged.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(CatdogError, match=r"half\.weights\.h5"):
        models.build_backbone(damaged, SIZE)


def test_a_saved_model_gives_the_same_predictions(tmp_path):
    model = models.build_small_network(SIZE, front=[models.preprocessing_layer()])
    images = black_and_white()
    results.save_model(model, tmp_path / "model.keras")
    loaded = results.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict_on_batch(images), model.predict_on_batch(images), atol=1e-5
    )


def test_a_forward_hook_sees_inputs_and_outputs_and_leaves_no_trace():
    layer, calls = layers.Dense(2), []
    with (
        pytest.raises(ValueError, match="stop"),
        models.forward_hook(layer, lambda *c: calls.append(c)),
    ):
        outputs = layer(np.ones((1, 3)))
        raise ValueError("stop")
    assert "call" not in vars(layer)
    ((inputs, seen),) = calls
    np.testing.assert_array_equal(inputs, np.ones((1, 3)))
    np.testing.assert_array_equal(seen, outputs)
