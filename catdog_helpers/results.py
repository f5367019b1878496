"""What a chapter leaves for the next: the models, histories and scores of one run."""

import json
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from catdog_helpers import CatdogError
from catdog_helpers.training import History

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


@dataclass(frozen=True)
class Run:
    """One run of the series: a folder, and the data, seed and picture size it belongs to.

    ``scores.json`` is the single truth: a model file that it does not list is no result.
    """

    folder: Path
    data: str
    seed: int
    image_size: int

    @property
    def scores_file(self):
        """Path of the scores."""
        return self.folder / "scores.json"

    def scores(self):
        """Return ``{model name: {"val_accuracy": ..., ...}}`` in the order of the series."""
        models = _read(self.scores_file)["models"]
        return {name: models[name] for name in CHAPTERS if name in models}

    def record(self, name, **values):
        """Add values to the scores of a model, for example ``val_accuracy=0.81``."""
        content = _read(self.scores_file)
        content["models"].setdefault(name, {}).update(values)
        _write(self.scores_file, content)

    def save(self, name, model, history, val_accuracy):
        """Save a trained model, its history and its validation accuracy.

        Parameters
        ----------
        name : str
            One of `CHAPTERS`.
        model : keras.Model
        history : History
        val_accuracy : float, 0..1
        """
        save_model(model, self.folder / "models" / f"{name}.keras")
        _write(self.folder / "histories" / f"{name}.json", asdict(history))
        self.record(
            name,
            val_accuracy=val_accuracy,
            parameters=model.count_params(),
            epochs=history.epochs,
            train_seconds=round(history.train_seconds, 1),
        )

    def load_model(self, name):
        """Load a model that an earlier chapter saved.

        Raises
        ------
        CatdogError
            If there is none, naming the chapter that makes it.
        """
        return load_model(self._earlier("models", f"{name}.keras", name))

    def load_history(self, name):
        """Load the History that an earlier chapter saved; raises like `load_model`."""
        return History(**_read(self._earlier("histories", f"{name}.json", name)))

    def _earlier(self, kind, file_name, name):
        path = self.folder / kind / file_name
        if name not in self.scores() or not path.is_file():
            raise CatdogError(
                f"{path} is missing: run chapter {CHAPTERS[name]} first "
                f"(python runall.py --only {CHAPTERS[name]}, or its notebook)"
            )
        return path


def start_run(run_dir, data, seed, image_size):
    """Begin a run; chapter 1 does it. A run of the same data, seed and size is kept.

    Parameters
    ----------
    run_dir : path-like
        A relative folder is one of the project's, see `resolve_run_dir`.
    data : str
        The source of the pictures.
    seed, image_size : int

    Returns
    -------
    Run
    """
    run = Run(resolve_run_dir(run_dir), str(data), int(seed), int(image_size))
    identity = _identity(run)
    if not run.scores_file.is_file() or _stored_identity(run) != identity:
        _write(run.scores_file, {**identity, "models": {}})
    return run


def open_run(run_dir, data, seed, image_size):
    """Open the run that chapter 1 began; see `start_run` for the parameters.

    Raises
    ------
    CatdogError
        If there is no run in the folder, or one of other data, seed or picture size.
    """
    run = Run(resolve_run_dir(run_dir), str(data), int(seed), int(image_size))
    if not run.scores_file.is_file():
        raise CatdogError(
            f"no run in {run.folder}: run chapter 01 first "
            "(python runall.py --only 01, or its notebook)"
        )
    stored, wanted = _stored_identity(run), _identity(run)
    if stored != wanted:
        raise CatdogError(
            f"{run.folder} holds a run of {_words(stored)}, not of {_words(wanted)}: "
            "give the same values, another RUN_DIR, or run chapter 01 again"
        )
    return run


def resolve_run_dir(run_dir):
    """Return the absolute folder of a run.

    A relative folder is looked for in ``CATDOG_ROOT``, otherwise in the project: the first
    folder with ``runall.py`` from the working directory upwards, otherwise the working
    directory. So a notebook finds the run that ``runall.py`` made, wherever it was started.
    """
    working = Path.cwd()
    parents = [p for p in (working, *working.parents) if (p / "runall.py").is_file()]
    root = os.environ.get("CATDOG_ROOT") or (parents or [working])[0]
    return (Path(root) / Path(run_dir).expanduser()).resolve()


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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    model.save(partial)
    partial.replace(path)


def load_model(path):
    """Load a model that `save_model` wrote.

    Raises
    ------
    CatdogError
        If the file is missing or is no Keras model.
    """
    path = Path(path)
    if not path.is_file() or path.suffix != ".keras":
        raise CatdogError(f"no model file at {path}: a .keras file that a chapter saved is wanted")
    if not zipfile.is_zipfile(path):
        raise CatdogError(f"{path} is no model of this series: it is damaged or no .keras file")
    try:
        return keras.models.load_model(path)
    except (KeyError, OSError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CatdogError(f"{path} is no model of this series: {reason}") from error


def _identity(run):
    return {"data": run.data, "seed": run.seed, "image_size": run.image_size}


def _stored_identity(run):
    content = _read(run.scores_file)
    return {name: content.get(name) for name in _identity(run)}


def _words(identity):
    return ", ".join(f"{name} {value}" for name, value in identity.items())


def _read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CatdogError(f"{path} is damaged ({error}): run chapter 01 again") from error


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
