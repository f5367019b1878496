"""Many pictures, and several devices: what stays the same when the work grows."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import psutil
import pytest
import trees
from test_runner import write_notebook

from catdog_helpers import data, models, runner

MANY = 25_000
SIDE = 32  # pixels; decoded, that many take 77 MB


@pytest.fixture
def many(tmp_path):
    """A split of many pictures: four files, over and over."""
    files = [trees.put(tmp_path / f"{i}.jpg") for i in range(4)]
    return data.Split("train", tuple(files) * (MANY // 4), np.zeros(MANY, "int32"))


def growth_of_memory(split):
    """Return by how many bytes this process grew at most during one pass, and the pass's length."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    number = 0
    for images, _ in data.make_dataset(split, image_size=SIDE, batch_size=250, shuffle=True):
        number += len(images)
        most = max(most, process.memory_info().rss)
    return most - before, number


def test_many_pictures_stream_through_little_memory_decoded_once_each(many, monkeypatch):
    reads = Counter()

    def read(path, size):
        reads[path] += 1
        return np.zeros((size, size, 3), "uint8")

    monkeypatch.setattr(data, "free_memory", lambda: 10_000_000)
    growth_of_memory(data.Split("train", many.paths[:1000], many.labels[:1000]))  # warms up
    monkeypatch.setattr(data, "read_picture", read)
    growth, number = growth_of_memory(many)
    assert number == MANY
    assert set(reads.values()) == {MANY // 4}  # the work of one picture, however many there are
    assert growth < 25_000_000


# With one device, then with two: what a student with several graphics cards has, on a processor.
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
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    (one, losses), (two, mirrored) = json.loads(done.stdout.splitlines()[-1])
    assert (one, two) == (1, 2)
    np.testing.assert_allclose(mirrored, losses, rtol=1e-4)
    assert losses[2] < losses[0]  # it learns at all


# --- Several workers: processes that a Dask scheduler gives work to


@pytest.fixture
def executor():
    distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(host="127.0.0.1", **settings) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as executor,
    ):
        yield executor


def killing_once(function, flag):
    """Return the function, but the first process that calls it ends at once, as if unplugged."""

    def call(argument):
        with contextlib.suppress(FileExistsError):
            flag.touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(argument)

    return call


def losing_a_worker(executor, flag):
    return lambda function, arguments: executor.map(killing_once(function, flag), arguments)


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_two_workers_extract_what_one_process_does_even_if_one_is_lost(tmp_path, executor):
    tree = trees.official(tmp_path / "tree", number=4)
    files = tuple(sorted(tree.glob("*/*/*.jpg")))
    split = data.Split("train", files, np.zeros(len(files), "int32"))
    alone = models.extract_features_of_files(split, "drawn", 32, portion=4)
    assert alone.shape == (16, 1280)
    flag = tmp_path / "flag"
    spread = models.extract_features_of_files(
        split, "drawn", 32, portion=4, map=losing_a_worker(executor, flag)
    )
    assert flag.exists()
    np.testing.assert_array_equal(spread, alone)


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_seeds_run_on_workers_even_if_one_is_lost(tmp_path, executor):
    parameters = 'DATA = "sample"\nSEED = 0\nRUN_DIR = "runs/latest"'
    result = "from pathlib import Path; Path(RUN_DIR, 'result').write_text(str(10 * SEED))"
    write_notebook(tmp_path / "notebooks" / "01_a.ipynb", result, parameters=parameters)
    chapters = runner.read_chapters(tmp_path / "notebooks")
    spread = losing_a_worker(executor, tmp_path / "flag")
    folders = runner.run_seeds(chapters, tmp_path, {}, range(3), 60, resume=False, map=spread)
    assert (tmp_path / "flag").exists()
    assert [folder.name for folder in folders] == ["seed-0", "seed-1", "seed-2"]
    assert [(folder / "result").read_text() for folder in folders] == ["0", "10", "20"]
