"""What a run leaves: models, histories and scores. The only reader and writer of scores.json.

To read scores fast, importing this module imports neither Keras nor pandas.
"""

import json
import math
import os
import re
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
# What a run is of. Chapter 1 sets it, and the later chapters take it from the run.
IDENTITY = ("data", "seed", "image_size", "skip_bad_files")
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

    def joined(self, later):
        """Return one History for two trainings of the same model in a row."""
        metrics = {name: self.metrics[name] + later.metrics[name] for name in self.metrics}
        return History(metrics, self.train_seconds + later.train_seconds)


@dataclass(frozen=True)
class Run:
    """One run of the series: a folder, and what chapter 1 began it with.

    A model file that ``scores.json`` does not list is no result.
    """

    folder: Path
    data: str
    seed: int
    image_size: int
    skip_bad_files: bool = False

    def __str__(self):
        # Of a path the last part: the rest is private, and pages are handed out.
        source = Path(self.data).name
        return f"a run on {source}, seed {self.seed}, images of {self.image_size} pixels"

    @property
    def scores_file(self):
        """Path of ``scores.json``."""
        return self.folder / "scores.json"

    def scores(self):
        """Return ``{model name: {"val_accuracy": ..., ...}}`` in the order of the series."""
        models = self._content()["models"]
        return {name: models[name] for name in CHAPTERS if name in models}

    def findings(self):
        """Return ``{"02.name": value, ...}``, what the chapters have measured."""
        return self._content().get("findings", {})

    def record_finding(self, name, value):
        """Record a number that a chapter's prose rests on.

        Parameters
        ----------
        name : str
            The number of the chapter, a dot and what was measured, such as ``"03.gap"``.
        value : float
            Accuracies and their differences as shares, 0..1.

        Raises
        ------
        CatdogError
            If the value is not a number, or the name has no chapter.
        """
        value = float(value)
        if not math.isfinite(value):
            raise CatdogError(f"the finding {name} is {value}, not a number")
        if not re.fullmatch(r"\d\d\.[a-z0-9_]+", name):
            raise CatdogError(f"{name!r} does not name a finding; for example '02.loss_of_a_guess'")
        content = self._content()
        findings = content.get("findings", {}) | {name: value}
        content["findings"] = dict(sorted(findings.items()))
        _write_json(self.scores_file, content)

    def record(self, name, **values):
        """Add values to the scores of a model, for example ``val_accuracy=0.81``."""
        content = self._content()
        content["models"].setdefault(name, {}).update(values)
        _write_json(self.scores_file, content)

    def save(self, name, model, history, val_accuracy):
        """Save a trained model under a name of `CHAPTERS`, its History and accuracy, 0..1."""
        content = self._content()
        if content["models"].pop(name, None):
            # No score of an older model beside the new one, and nothing that rests on it.
            findings = content.get("findings", {})
            kept = {key: findings[key] for key in findings if key[:2] <= CHAPTERS[name]}
            _write_json(self.scores_file, content | {"findings": kept})
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
        return _run_content(self.folder)

    def _path(self, kind, file_name, name):
        path = self.folder / kind / file_name
        if name not in self.scores() or not path.is_file():
            raise CatdogError(
                f"{path} is missing: run chapter {CHAPTERS[name]} first "
                f"(python runall.py --only {CHAPTERS[name]}, or its notebook)"
            )
        return path


def start_run(run_dir, data, seed, image_size, skip_bad_files=False):
    """Begin a Run; chapter 1 does it. A run that was begun with the same values is kept.

    A relative folder is one of the project's, see `resolve_run_dir`.
    """
    run = Run(resolve_run_dir(run_dir), str(data), int(seed), int(image_size), bool(skip_bad_files))
    wanted = {name: getattr(run, name) for name in IDENTITY}
    if not run.scores_file.is_file() or identity(run.folder) != wanted:
        _write_json(run.scores_file, {**wanted, "models": {}, "findings": {}})
    return run


def open_run(run_dir):
    """Open the Run that chapter 1 began; see `start_run` for the folder.

    Raises
    ------
    CatdogError
        If there is no run in the folder.
    """
    folder = resolve_run_dir(run_dir)
    values = _run_content(folder)
    missing = [name for name in IDENTITY if name not in values]
    if missing:
        raise _damaged(folder / "scores.json", f"there is no {missing[0]} in it")
    return Run(folder, **{name: values[name] for name in IDENTITY})


def identity(run_dir):
    """Return what the run in a folder was begun with, a dict with the keys of `IDENTITY`."""
    values = read_scores(run_dir)
    return {name: values.get(name) for name in IDENTITY}


def _run_content(folder):
    if not (folder / "scores.json").is_file():
        raise CatdogError(
            f"no run in {folder}: run chapter 01 first "
            "(python runall.py --only 01, or its notebook)"
        )
    return read_scores(folder)


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
