"""What a run leaves: models, histories and scores. The only reader and writer of scores.json.

To read scores fast, importing this module imports neither Keras nor pandas.
"""

import hashlib
import itertools
import json
import math
import os
import re
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from catdog_helpers import CatdogError
from catdog_helpers.files.locks import owned
from catdog_helpers.files.paths import atomic, printable, reason

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
IDENTITY = ("data", "seed", "image_size", "skip_bad_files", "files", "decisions")
_LATER = ("files", "decisions")  # runs of earlier versions have none of them
# What the parameters of chapter 1 are if nobody sets them; the files of the images follow from it.
DEFAULTS = {
    "data": "sample",
    "seed": 0,
    "image_size": 160,
    "skip_bad_files": False,
    "decisions": "",
}
_CLASS_NAMES = ("cats", "dogs")  # of runs and models of earlier versions, which name none
_CLASSES_MEMBER = "class_names.json"  # in a .keras file, which is a zip archive
# Seconds to wait for another notebook that is writing to the same run.
_WAIT = 5
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

    A model file that ``scores.json`` does not list is no result. ``files`` is a digest of
    ``files.json``, which lists the images; in runs of earlier versions it is empty.
    """

    folder: Path
    data: str
    seed: int
    image_size: int
    skip_bad_files: bool = False
    files: str = ""
    decisions: str = ""
    class_names: tuple[str, ...] = _CLASS_NAMES

    def __str__(self):
        # Of a path the last part: the rest is private, and pages are handed out.
        source = Path(self.data).name
        return f"a run on {source}, seed {self.seed}, images of {self.image_size} pixels"

    @property
    def goals(self):
        """Validation accuracy to reach, in percent, by model: `GOALS` for cats and dogs only."""
        return GOALS if self.class_names == _CLASS_NAMES else {}

    def goal_text(self, name, val_accuracy):
        """Say whether a model reaches its goal: ``"goal of 52 %: met"``; ``"no goal"``."""
        goal = self.goals.get(name)
        if goal is None:
            return "no goal"
        return f"goal of {goal} %: {'met' if val_accuracy >= goal / 100 else 'not met'}"

    @property
    def begun(self):
        """What chapter 1 began it with, a dict with the keys of `IDENTITY`."""
        return {name: getattr(self, name) for name in IDENTITY}

    @property
    def scores_file(self):
        """Path of ``scores.json``."""
        return self.folder / "scores.json"

    def scores(self):
        """Return ``{model name: {"val_accuracy": ..., ...}}`` in the order of the series.

        Models of chapters of one's own come last.
        """
        return _in_order(self._content()["models"])

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
        with owned(self.folder, _WAIT):
            content = self._content()
            findings = content.get("findings", {}) | {name: value}
            content["findings"] = dict(sorted(findings.items()))
            _write_json(self.scores_file, content)

    def record(self, name, **values):
        """Add values to the scores of a model, for example ``val_accuracy=0.81``."""
        with owned(self.folder, _WAIT):
            content = self._content()
            content["models"].setdefault(name, {}).update(values)
            _write_json(self.scores_file, content)

    def save(self, name, model, history, val_accuracy):
        """Save a trained model under a name, its History and accuracy, 0..1.

        The name is one of `CHAPTERS`, or one of your own. Whatever stops it, the model is in the
        scores with its own file and History, or not at all.

        Raises
        ------
        CatdogError
            If the model is of another number of classes than the run, or the name does not suit a
            file.
        """
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise CatdogError(f"{name!a} does not name a model; for example 'my_model'")
        n_classes = model.output_shape[-1]
        if n_classes != len(self.class_names):
            raise CatdogError(
                f"'{model.name}' ends in {n_classes} logits, and the data have "
                f"{len(self.class_names)} classes: {', '.join(map(printable, self.class_names))}"
            )
        with owned(self.folder, _WAIT):
            content = self._content()
            if content["models"].pop(name, None):
                # No score of an older model beside the new one, and nothing that rests on it.
                findings = content.get("findings", {})
                last = CHAPTERS.get(name, "99")  # of one's own: after all
                kept = {key: findings[key] for key in findings if key[:2] <= last}
                content["findings"] = kept
                _write_json(self.scores_file, content)
            save_model(model, self.folder / "models" / f"{name}.keras", self.class_names)
            _write_json(self.folder / "histories" / f"{name}.json", asdict(history))
            content["models"][name] = {
                "val_accuracy": val_accuracy,
                "parameters": model.count_params(),
                "epochs": history.epochs,
                "train_seconds": round(history.train_seconds, 1),
            }
            _write_json(self.scores_file, content)

    def load_model(self, name):
        """Load a model that an earlier chapter saved; a CatdogError names the chapter to run."""
        path = self._path("models", f"{name}.keras", name)
        try:
            return load_model(path)
        except CatdogError as error:
            raise CatdogError(
                f"{error}; {_run_chapter(CHAPTERS.get(name), self.folder)}"
            ) from error

    def load_history(self, name):
        """Load the History that an earlier chapter saved; raises like `load_model`."""
        path = self._path("histories", f"{name}.json", name)
        try:
            return History(**_read_json(path, CHAPTERS.get(name)))
        except TypeError as error:
            raise _damaged(path, error, CHAPTERS.get(name)) from None

    def check_files(self, files):
        """Refuse other images than those that chapter 1 began the run with.

        Parameters
        ----------
        files : dict of str to str
            What `data.list_files` finds now.

        Raises
        ------
        CatdogError
            Says which files were added, removed, changed, or went to another split.
        """
        if self.files in ("", _digest(files)):
            return
        path = self.folder / "files.json"
        before = _read_json(path, begun=self.begun)
        if _digest(before) != self.files:
            raise _damaged(path, "it is of another run", begun=self.begun)
        both = sorted(files.keys() & before.keys())
        now, then = ({name: each[name].rsplit(" ", 1) for name in both} for each in (files, before))
        changes = {
            "added": sorted(files.keys() - before.keys()),
            "removed": sorted(before.keys() - files.keys()),
            "with other contents": [name for name in both if now[name][1] != then[name][1]],
            "now in another split": [name for name in both if now[name][0] != then[name][0]],
        }
        listed = ", ".join(
            f"{len(names)} {change} ({_some(names)})" for change, names in changes.items() if names
        )
        raise CatdogError(
            f"the images of {self} have changed since chapter 01 began it: {listed}. Put them "
            "back as they were, or begin a new run: "
            f"{_run_chapter('01', self.folder, self.begun)}; this run is kept beside it"
        )

    def has_its_images(self):
        """Whether the images are still those that chapter 1 began the run with."""
        from catdog_helpers.data import list_files  # slow to import

        try:
            self.check_files(list_files(self.data, self.decisions))
        except CatdogError:
            return False
        return True

    def _content(self):
        content = _run_content(self.folder, self.begun)
        if _identity(content) != self.begun:
            raise CatdogError(
                f"chapter 01 has begun another run in {self.folder} since this notebook opened "
                "it: run this notebook again from its first cell"
            )
        return content

    def _path(self, kind, file_name, name):
        path = self.folder / kind / file_name
        if name not in self.scores() or not path.is_file():
            raise CatdogError(f"{path} is missing: {_run_chapter(CHAPTERS.get(name), self.folder)}")
        return path


def _in_order(models):
    return {name: models[name] for name in [*CHAPTERS, *models] if name in models}


def _some(names):
    return ", ".join([*map(printable, names[:3]), *["..."] * (len(names) > 3)])


def start_run(run_dir, data, seed, image_size, skip_bad_files=False, decisions=""):
    """Begin a Run; chapter 1 does it. One that was begun with the same values and files is kept.

    Another run in the folder, or what is left of one, moves to a folder ``earlier-<n>`` in it, and
    a printed line says so, if it has models or cannot be read. A relative folder is one of the
    project's, see `resolve_run_dir`.

    Raises
    ------
    CatdogError
        If the data cannot be had, or another process runs chapters into the folder.
    """
    from catdog_helpers.data import find_class_names, list_files  # slow to import

    decisions = str(Path(decisions).expanduser().resolve()) if decisions else ""
    files, class_names = list_files(data, decisions), find_class_names(data)
    folder = resolve_run_dir(run_dir)
    values = (str(data), int(seed), int(image_size), bool(skip_bad_files), _digest(files))
    run = Run(folder, *values, decisions, class_names)
    folder.mkdir(parents=True, exist_ok=True)
    with owned(folder, _WAIT):
        if not run.scores_file.is_file() or not _holds(run):
            _move_aside(folder)
            _write_json(folder / "files.json", files)
            # Last, since it makes a run of the folder.
            begun = {**run.begun, "class_names": class_names}
            _write_json(run.scores_file, {**begun, "models": {}, "findings": {}})
    return run


def _holds(run):
    """Whether a folder holds this very run; a damaged one is another."""
    try:
        return identity(run.folder) == run.begun
    except CatdogError:
        return False


def _move_aside(folder):
    """Make room for a new run; keep what took training, or cannot be read."""
    try:
        worth_keeping = any(folder.glob("models/*")) or read_scores(folder)["models"]
    except CatdogError:
        worth_keeping = True
    if worth_keeping:
        numbered = (folder / f"earlier-{n}" for n in itertools.count(1))
        kept = next(path for path in numbered if not path.exists())
        kept.mkdir()
        # scores.json last: until then the folder is still that run.
        for name in ("models", "histories", "files.json", "scores.json"):
            if (folder / name).exists():
                os.replace(folder / name, kept / name)
        print(f"The folder held another run, which is kept in {printable(kept)}")
    (folder / "scores.json").unlink(missing_ok=True)


def open_run(run_dir):
    """Open the Run that chapter 1 began; see `start_run` for the folder.

    Raises
    ------
    CatdogError
        If there is no run in the folder, or another process runs chapters into it.
    """
    folder = resolve_run_dir(run_dir)
    with owned(folder, _WAIT):
        values = _run_content(folder)
    missing = [name for name in IDENTITY if name not in values and name not in _LATER]
    if missing:
        raise _damaged(folder / "scores.json", f"there is no {missing[0]} in it")
    class_names = tuple(values.get("class_names", _CLASS_NAMES))
    return Run(folder, **_identity(values), class_names=class_names)


def identity(run_dir):
    """Return what the run in a folder was begun with, a dict with the keys of `IDENTITY`."""
    return _identity(read_scores(run_dir))


def _identity(content):
    return {name: content.get(name, "" if name in _LATER else None) for name in IDENTITY}


def _run_content(folder, begun=None):
    if not (folder / "scores.json").is_file():
        raise CatdogError(f"no run in {folder}: {_run_chapter('01', folder, begun)}")
    return read_scores(folder, begun)


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


def read_scores(run_dir, begun=None):
    """Return what ``scores.json`` in a folder holds, as a dict; without the file, no models.

    `begun` is what the run is known to have been begun with, see `Run.begun`; only the advice
    in the error needs it.

    Raises
    ------
    CatdogError
        If the file is damaged.
    """
    path = run_dir / "scores.json"
    if not path.exists():
        return {"models": {}}
    content = _read_json(path, begun=begun)
    if not isinstance(content.get("models"), dict):
        raise _damaged(path, "there are no models in it", begun=begun)
    return content


def score_table(run_dir):
    """Lay out the scores of a run for reading: a pandas.DataFrame of str, a row for each model.

    Raises
    ------
    CatdogError
        If ``scores.json`` is damaged.
    """
    import pandas as pd

    models = _in_order(read_scores(run_dir)["models"])
    try:
        table = pd.DataFrame.from_dict(models, orient="index")
        formats = {name: form for name, form in _FORMATS.items() if name in table}
        columns = {name: table[name].map(form, "ignore") for name, form in formats.items()}
        return pd.DataFrame(columns).fillna("")
    except (ValueError, TypeError, AttributeError) as error:
        raise _damaged(run_dir / "scores.json", error) from None


def save_model(model, path, class_names=_CLASS_NAMES):
    """Save a model in the Keras format, complete or not at all, with the names of its classes.

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
        with zipfile.ZipFile(new, "a") as archive:  # Keras reads only the members that it knows
            archive.writestr(_CLASSES_MEMBER, json.dumps(class_names))


def read_class_names(path):
    """Return the names of the classes of a model that `save_model` wrote, a tuple of str.

    Raises
    ------
    CatdogError
        If the file is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                archive.open(member).close()  # compares the two places of its name
            if _CLASSES_MEMBER not in archive.namelist():
                return _CLASS_NAMES
            names = json.loads(archive.read(_CLASSES_MEMBER))
    except Exception as error:  # zipfile raises many kinds on damaged files
        why = " ".join(str(error).split())[:200]
        raise CatdogError(f"{path} is damaged, or not a model of this series: {why}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CatdogError(f"{path} is damaged: it does not name its classes")
    return tuple(names)


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


def _digest(content):
    """Return 12 hex digits that depend on all of a JSON value, and not on the order of its keys."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read_json(path, chapter="01", begun=None):
    """Read a dict that `_write_json` wrote, or a person, who adds no checksum."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatdogError(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error, chapter, begun) from error
    if not isinstance(content, dict):
        raise _damaged(path, "there are no names in it", chapter, begun)
    if content.pop("checksum", None) not in (None, _digest(content)):
        raise _damaged(path, "its checksum does not match", chapter, begun)
    return content


def _damaged(path, why, chapter="01", begun=None):
    folder = path.parent if chapter == "01" else path.parents[1]
    keeps = "; what is there is kept" if chapter == "01" else ""
    advice = _run_chapter(chapter, folder, begun)
    return CatdogError(f"{path} is damaged ({why}): {advice}{keeps}")


def _run_chapter(number, folder, begun=None):
    """Say how to run a chapter into the folder of a run, chapter 1 as the run was begun."""
    if number is None:
        return "run the chapter that saves it first"
    command = f'python runall.py --only {number} --out "{folder}"'
    if number == "01" and begun:
        command += _options(begun)
    return f"run chapter {number} first ({command}, or its notebook)"


def _options(begun):
    """Write what differs from `DEFAULTS` as options of ``runall.py``, each after a space."""
    given = {name: begun[name] for name in DEFAULTS if begun[name] != DEFAULTS[name]}
    data = given.pop("data", None)
    if data not in (None, "photos"):  # relative to the chapter's folder
        data = Path(data).expanduser().resolve()
    options = f' --data "{data}"' if data else ""
    for name, value in given.items():
        options += f" -p {name.upper()}=" + (f'"{value}"' if isinstance(value, str) else f"{value}")
    return options


def _write_json(path, content):
    with atomic(path) as new:
        checked = {**content, "checksum": _digest(content)}
        new.write_text(json.dumps(checked, indent=2) + "\n", encoding="utf-8")
