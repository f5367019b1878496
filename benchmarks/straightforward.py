"""The straightforward way: what the public tutorials do.

Above all TensorFlow's "Transfer learning and fine-tuning"
(https://www.tensorflow.org/tutorials/images/transfer_learning): a dataset right from the folders,
prefetched but not cached; random layers in the model; every photo through the frozen base in
every epoch.

Nothing here may import the package, which sets TensorFlow's options. Imports stand inside the
functions, because every measurement loads only what its way needs.
"""

import time

from job import EPOCHS, Work

SIZE = (160, 160)  # pixels, in the tutorial and in the chapters


def import_all(job):
    """Import TensorFlow and what draws figures."""
    yield
    import matplotlib.pyplot  # noqa: F401
    import tensorflow  # noqa: F401

    yield Work()


def _dataset(job, split):
    import keras

    return keras.utils.image_dataset_from_directory(
        job.photos / split, shuffle=True, batch_size=32, image_size=SIZE
    )


def _datasets(job):
    """Make the datasets for training, validation and test."""
    import tensorflow as tf

    train, validation = _dataset(job, "train"), _dataset(job, "validation")
    fifth = validation.cardinality() // 5
    datasets = train, validation.skip(fifth), validation.take(fifth)
    return [dataset.prefetch(tf.data.AUTOTUNE) for dataset in datasets]


def decode(job):
    """Read all training photos once."""
    train, _, _ = _datasets(job)
    yield
    yield Work(sum(len(labels) for _, labels in train))


def small_network_layers():
    """Return the layers of the small network of chapters 2 to 4, written out.

    A test compares them with those of the package.
    """
    from keras import layers

    return [
        layers.Conv2D(32, 5, strides=2, padding="same", activation="leaky_relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="leaky_relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="leaky_relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="leaky_relu"),
        layers.Flatten(),
        layers.Dense(64, activation="leaky_relu"),
        layers.Dropout(0.5),
        layers.Dense(2, kernel_initializer="zeros"),
    ]


def augmentation_layers():
    """Return the random layers of chapters 3 and 4, written out."""
    from keras import layers

    return [layers.RandomFlip("horizontal"), layers.RandomRotation(0.05)]


def _compiled(model, optimizer):
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def _small_model(*front, halved=True):
    """Build the network of chapters 2 to 4, with the layers of ``front`` on the full image.

    To look at half the width and height only is a choice of ours, for speed; no tutorial makes it.
    """
    import keras
    from keras import layers

    halving = [layers.AveragePooling2D(2)] if halved else []
    network = [keras.Input((*SIZE, 3)), *front, *halving, *small_network_layers()]
    return _compiled(keras.Sequential(network), "adam")


def _transfer_model(job, first_trainable=None):
    """Build the tutorial's model; its fine-tuning trains the base from layer 100 on."""
    import keras
    from keras import layers

    base = keras.applications.MobileNetV2((*SIZE, 3), include_top=False, weights=job.weights)
    for layer in base.layers[:first_trainable]:
        layer.trainable = False
    inputs = keras.Input((*SIZE, 3))
    x = keras.Sequential(augmentation_layers())(inputs)
    x = keras.applications.mobilenet_v2.preprocess_input(x)
    x = layers.GlobalAveragePooling2D()(base(x, training=False))
    outputs = layers.Dense(2)(layers.Dropout(0.2)(x))
    optimizer = keras.optimizers.RMSprop(1e-5) if first_trainable else keras.optimizers.Adam(1e-4)
    return _compiled(keras.Model(inputs, outputs), optimizer)


def _epoch(job, model):
    """Train for one epoch after the first, in which Keras builds its functions."""
    train, validation, _ = _datasets(job)
    model.fit(train, validation_data=validation, verbose=0)
    yield
    model.fit(train, validation_data=validation, verbose=0)
    yield Work(len(job.files("train")))


def plain_epoch(job):
    """Train the small network for one epoch."""
    return _epoch(job, _small_model())


def augmented_epoch(job):
    """Train the small network for one epoch, with random layers before it."""
    return _epoch(job, _small_model(*augmentation_layers()))


def head_epoch(job):
    """Train the transfer model for one epoch, its base frozen."""
    return _epoch(job, _transfer_model(job))


def fine_tuning_epoch(job):
    """Train the transfer model for one epoch, its base from layer 100 on too."""
    return _epoch(job, _transfer_model(job, first_trainable=100))


def extract_features(job):
    """Run all training photos through the base."""
    import keras

    train, _, _ = _datasets(job)
    base = keras.applications.MobileNetV2(
        (*SIZE, 3), include_top=False, weights=job.weights, pooling="avg"
    )
    preprocess = keras.applications.mobilenet_v2.preprocess_input
    yield
    features = base.predict(train.map(lambda images, labels: preprocess(images)), verbose=0)
    yield Work(len(features))


def _seconds_not_run(model, train, validation):
    """Train the first of 20 epochs; return the seconds that the others would take."""
    # Keras builds its functions, on one batch; an epoch is timed without that.
    model.fit(train.take(1), validation_data=validation.take(1), verbose=0)
    start = time.perf_counter()
    model.fit(train, validation_data=validation, verbose=0)
    return (EPOCHS - 1) * (time.perf_counter() - start)


def transfer_learning(job):
    """Build the transfer model and train its head."""
    train, validation, _ = _datasets(job)
    yield
    model = _transfer_model(job)
    yield Work(len(job.files("train")), _seconds_not_run(model, train, validation))


def predict(job):
    """Predict all validation photos with the transfer model."""
    model, dataset = _transfer_model(job), _dataset(job, "validation")
    model.predict(dataset, verbose=0)
    yield
    yield Work(len(model.predict(dataset, verbose=0)))


def check_photos(job):
    """Decode every file, one after the other, and collect those that fail."""
    import tensorflow as tf

    files = job.files("train") + job.files("validation")
    yield
    bad = []
    for path in files:
        try:
            tf.io.decode_image(tf.io.read_file(str(path)))
        except tf.errors.InvalidArgumentError:
            bad.append(path)
    yield Work(len(files))


def run_series(job):
    """Train and test the blog post's three small models and its transfer model."""
    yield
    from keras import layers

    train, validation, test = _datasets(job)
    scaling = layers.Rescaling(1 / 127.5, offset=-1)
    fronts = [], augmentation_layers(), [*augmentation_layers(), scaling]
    models = [_small_model(*front, halved=False) for front in fronts]
    models.append(_transfer_model(job))
    not_run = sum(_seconds_not_run(model, train, validation) for model in models)
    for model in models:
        model.evaluate(test, verbose=0)
    yield Work(len(job.files("train")), not_run)
