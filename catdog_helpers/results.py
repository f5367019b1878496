"""What a run leaves: models, histories and scores. The only reader and writer of scores.json.

To read scores fast, importing this module imports neither Keras nor pandas.
"""

import json
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from catdog_helpers import CatdogError
from catdog_helpers.files.paths import atomic

# Each model and the chapter that makes it, in the order of the series.
CHAPTERS = {
    "first": "02",
    "augmented": "03",
    "preprocessed": "04",
    "scratch": "04",
    "transfer": "05",
    "fine_tuned": "05",
}
# Validation accuracy that the assignment behind the series asked for, in percent.
GOALS = {"first": 52, "augmented": 55, "preprocessed": 70, "transfer": 95}
# What a run is of: chapters that differ in one of these do not belong together.
IDENTITY = ("data", "seed", "image_size")
_FORMATS = {
    "val_accuracy": "{:.1%}".format,
    "test_accuracy": "{:.1%}".format,
    "test_interval": lambda bounds: "{:.1%} to {:.1%}".format(*bounds),
    "parameters": "{:,.0f}".format,
    "epochs": "{:.0f}".format,
    "train_seconds": "{:.1f}".format,
}


@dataclass(frozen=True)
class History:
    """What happened in each epoch of one training.

    Attributes
    ----------
    metrics : dict of str to list of float, length epochs
        ``loss``, ``accuracy`` (0..1), ``val_loss``, ``val_accuracy``.
    train_seconds : float
        Wall-clock time of the training alone.
    """

    metrics: dict[str, list[float]]
    train_seconds: float

    @property
    def epochs(self):
        """Number of epochs."""
        return len(self.metrics["loss"])

    @property
    def best_epoch(self):
        """The epoch, counted from 1, with the highest validation accuracy; the first of equals."""
        accuracies = self.metrics["val_accuracy"]
        return accuracies.index(max(accuracies)) + 1

    def joined(self, later):
        """Return one History for two trainings of the same model in a row."""
        metrics = {name: self.metrics[name] + later.metrics[name] for name in self.metrics}
        return History(metrics, self.train_seconds + later.train_seconds)


@dataclass(frozen=True)
class Run:
    """One run of the series: a folder, and the data, seed and image size it belongs to.

    A model file that ``scores.json`` does not list is no result.
    """

    folder: Path
    data: str
    seed: int
    image_size: int

    @property
    def scores_file(self):
        """Path of ``scores.json``."""
        return self.folder / "scores.json"

    def scores(self):
        """Return ``{model name: {"val_accuracy": ..., ...}}`` in the order of the series."""
        models = self._content()["models"]
        return {name: models[name] for name in CHAPTERS if name in models}

    def record(self, name, **values):
        """Add values to the scores of a model, for example ``val_accuracy=0.81``."""
        content = self._content()
        content["models"].setdefault(name, {}).update(values)
        _write_json(self.scores_file, content)

    def save(self, name, model, history, val_accuracy):
        """Save a trained model under a name of `CHAPTERS`, its History and accuracy, 0..1."""
        content = self._content()
        if content["models"].pop(name, None):  # no score of an older model beside the new one
            _write_json(self.scores_file, content)
        save_model(model, self.folder / "models" / f"{name}.keras")
        _write_json(self.folder / "histories" / f"{name}.json", asdict(history))
        self.record(
            name,
            val_accuracy=val_accuracy,
            parameters=model.count_params(),
            epochs=history.epochs,
            train_seconds=round(history.train_seconds, 1),
        )

    def load_model(self, name):
        """Load a model that an earlier chapter saved; a CatdogError names a missing chapter."""
        return load_model(self._path("models", f"{name}.keras", name))

    def load_history(self, name):
        """Load the History that an earlier chapter saved; raises like `load_model`."""
        return History(**_read_json(self._path("histories", f"{name}.json", name)))

    def _content(self):
        if not self.scores_file.is_file():
            raise CatdogError(
                f"no run in {self.folder}: run chapter 01 first "
                "(python runall.py --only 01, or its notebook)"
            )
        return read_scores(self.folder)

    def _path(self, kind, file_name, name):
        path = self.folder / kind / file_name
        if name not in self.scores() or not path.is_file():
            raise CatdogError(
                f"{path} is missing: run chapter {CHAPTERS[name]} first "
                f"(python runall.py --only {CHAPTERS[name]}, or its notebook)"
            )
        return path


def start_run(run_dir, data, seed, image_size):
    """Begin a Run; chapter 1 does it. A run of the same data, seed and size is kept.

    A relative folder is one of the project's, see `resolve_run_dir`.
    """
    run = Run(resolve_run_dir(run_dir), str(data), int(seed), int(image_size))
    wanted = _identity(vars(run))
    if not run.scores_file.is_file() or _identity(read_scores(run.folder)) != wanted:
        _write_json(run.scores_file, {**wanted, "models": {}})
    return run


def open_run(run_dir, data, seed, image_size):
    """Open the Run that chapter 1 began; see `start_run` for the parameters.

    Raises
    ------
    CatdogError
        If there is no run in the folder, or one of other data, seed or image size.
    """
    run = Run(resolve_run_dir(run_dir), str(data), int(seed), int(image_size))
    stored, wanted = (
        ", ".join(f"{name} {value}" for name, value in _identity(values).items())
        for values in (run._content(), vars(run))
    )
    if stored != wanted:
        raise CatdogError(
            f"{run.folder} holds a run of {stored}, not of {wanted}: "
            "give the same values, another RUN_DIR, or run chapter 01 again"
        )
    return run


def _identity(values):
    return {name: values.get(name) for name in IDENTITY}


def resolve_run_dir(run_dir):
    """Return the absolute folder of a run.

    A relative folder is in ``CATDOG_ROOT``, else in the project: the first folder with
    ``runall.py`` from the working directory upwards, else in the working directory. So a
    notebook finds the run that ``runall.py`` made, wherever it was started.
    """
    working = Path.cwd()
    parents = [p for p in (working, *working.parents) if (p / "runall.py").is_file()]
    root = os.environ.get("CATDOG_ROOT") or (parents or [working])[0]
    return (Path(root) / Path(run_dir).expanduser()).resolve()


def read_scores(run_dir):
    """Return what ``scores.json`` in a folder holds, as a dict; without the file, no models.

    Raises
    ------
    CatdogError
        If the file is damaged.
    """
    path = run_dir / "scores.json"
    if not path.exists():
        return {"models": {}}
    content = _read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("models"), dict):
        raise _damaged(path, "there are no models in it")
    return content


def score_table(run_dir):
    """Lay out the scores of a run for reading: a pandas.DataFrame of str, a row for each model.

    Raises
    ------
    CatdogError
        If ``scores.json`` is damaged.
    """
    import pandas as pd

    models = read_scores(run_dir)["models"]
    models = {name: models[name] for name in [*CHAPTERS, *models] if name in models}
    try:
        table = pd.DataFrame.from_dict(models, orient="index")
        formats = {name: form for name, form in _FORMATS.items() if name in table}
        columns = {name: table[name].map(form, "ignore") for name, form in formats.items()}
        return pd.DataFrame(columns).fillna("")
    except (ValueError, TypeError, AttributeError) as error:
        raise _damaged(run_dir / "scores.json", error) from None


def save_model(model, path):
    """Save a model in the Keras format, complete or not at all.

    Raises
    ------
    CatdogError
        If the file name does not end in ``.keras``: other formats lose random layers.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise CatdogError(f"models are saved as .keras files, not as {path.name}")
    with atomic(path) as new:
        model.save(new)


def load_model(path):
    """Load a model that `save_model` wrote; CatdogError if it is missing or no Keras model."""
    from catdog_helpers.quiet_tensorflow import keras

    path = Path(path)
    if not path.is_file() or path.suffix != ".keras":
        raise CatdogError(f"no model file at {path}: give a .keras file that a chapter saved")
    if not zipfile.is_zipfile(path):
        raise CatdogError(f"{path} is not a model of this series: it is damaged or no .keras file")
    try:
        return keras.models.load_model(path)
    except Exception as error:  # Keras raises many kinds on damaged files
        reason = " ".join(str(error).split())[:200]
        raise CatdogError(f"{path} is damaged, or not a model of this series: {reason}") from error


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, error) from error


def _damaged(path, reason):
    return CatdogError(f"{path} is damaged ({reason}): move it away and run chapter 01 again")


def _write_json(path, content):
    with atomic(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
