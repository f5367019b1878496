"""A file of decisions on labels: who keeps its own, who gets another one, who is left out.

A CSV file with a header, ``file,decision,class``. ``file`` is the path in the folder of the images,
with forward slashes; ``decision`` is ``keep``, ``relabel`` (to the ``class`` of the last column) or
``drop``. The images themselves stay as they are.
"""

import csv
import itertools
from dataclasses import replace
from pathlib import Path

from catdog_helpers import CatdogError
from catdog_helpers.files.paths import atomic, printable, reason

_COLUMNS = ("file", "decision", "class")
_DECISIONS = ("keep", "relabel", "drop")
# Before each path: a spreadsheet takes a name that begins with "=" for a formula.
_HERE = "./"


def apply_decisions(path, images, class_names):
    """Return the images that are left, with the labels decided on.

    Parameters
    ----------
    path : str or path-like
        The file; with an empty name there are no decisions.
    images : dict of str to ImageFile
        By path in the folder of the images.
    class_names : sequence of str, the name of each label

    Returns
    -------
    dict of str to ImageFile

    Raises
    ------
    CatdogError
        If the file cannot be read, or a line does not fit; says which line and why.
    """
    if str(path) == "":
        return images
    images = dict(images)
    decided = set()
    for number, row in _read(Path(path).expanduser()):
        name = row["file"].removeprefix(_HERE)
        decision, class_name = row["decision"].strip().lower(), row["class"].strip()
        where = f"{printable(path)}, line {number}"
        if decision not in _DECISIONS:
            raise CatdogError(
                f"{where}: no decision {decision!a}; possible: {', '.join(_DECISIONS)}"
            )
        if name in decided:
            raise CatdogError(f"{where}: {printable(name)} is decided on twice")
        if name not in images:
            raise CatdogError(f"{where}: there is no image {printable(name)}")
        if decision == "relabel" and class_name not in class_names:
            possible = ", ".join(map(printable, class_names))
            raise CatdogError(
                f"{where}: no class {class_name!a} to relabel to; possible: {possible}"
            )
        decided.add(name)
        if decision == "drop":
            del images[name]
        elif decision == "relabel":
            images[name] = replace(images[name], label=list(class_names).index(class_name))
    return images


def _read(path):
    """Return (line number, row) pairs; a spreadsheet may have written semicolons."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CatdogError(f"cannot read {printable(path)}: {reason(error)}") from error
    header = text.partition("\n")[0]
    reader = csv.DictReader(
        text.splitlines(),
        delimiter=";" if ";" in header else ",",
        restval="",
        skipinitialspace=True,
    )
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise CatdogError(
            f"{printable(path)} has no column {' and '.join(missing)}; its first line has to name "
            f"{', '.join(_COLUMNS)}"
        )
    return [(reader.line_num, row) for row in reader]


def write_template(folder, names):
    """Write a file with a line for each image, all to keep, for a person to edit.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        Paths in the folder of the images, with forward slashes.

    Returns
    -------
    Path
        ``doubted.csv``, or with a number where there is one already that differs, which may be
        edited and stays as it is.
    """
    lines = [_COLUMNS, *((f"{_HERE}{name}", "keep", "") for name in names)]
    for n in itertools.count(1):
        path = folder / ("doubted.csv" if n == 1 else f"doubted-{n}.csv")
        if path.exists() and _same(path, lines):
            return path
        if not path.exists():
            with atomic(path) as new, open(new, "w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(lines)
            return path


def _same(path, lines):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [tuple(row) for row in csv.reader(file)] == lines
    except (OSError, UnicodeDecodeError):
        return False
