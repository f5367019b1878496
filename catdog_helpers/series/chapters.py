"""The chapters of the series: notebooks, each with one cell of parameters."""

import ast
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from catdog_helpers import CatdogError

_COPY = re.compile(r"-Copy\d+$")
# Parameters that are counts, 1 or more. Epochs of the network from scratch: one for each size.
_COUNT = re.compile(r"(\w+_)?(EPOCHS|STEPS)|IMAGE_SIZE")
_LISTS_OF_COUNTS = {"SCRATCH_EPOCHS": [26, 20, 16]}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TYPE_NAMES = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a dictionary",
    type(None): "None",
}


class UsageError(CatdogError):
    """The command line asks for something that does not exist; exit code 2."""


@dataclass(frozen=True)
class Chapter:
    """A notebook, the number of all its cells, and the names that its parameters cell sets.

    `parameters_index` is where the cell tagged ``parameters`` is, counted from 0. `parameters` has
    the default of each name, None where it is not written as a plain value.
    """

    path: Path
    n_cells: int
    parameters_index: int
    parameters: dict[str, object]

    def own(self, parameters):
        """Return those of the given parameters, a dict of values by name, that the chapter has."""
        return {name: value for name, value in parameters.items() if name in self.parameters}

    def cell_number(self, index, injected):
        """Return a cell's number in the source, from 1, for its index in an executed copy, from 0.

        `injected` tells that papermill put given parameters into a cell after the tagged one.
        """
        return index + 1 - (injected and index > self.parameters_index)


def read_notebook(path):
    """Read and validate a notebook; return it in format 4.

    Raises
    ------
    CatdogError
        If the file is no notebook.
    """
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat's converters raise all kinds of errors.
        reason = textwrap.shorten(str(error), 120, placeholder=" ...")
        raise CatdogError(f"{path.name}: not a readable notebook ({reason}): {path}") from None
    return notebook


def tags(cell):
    """Return the list of a cell's tags."""
    return cell.metadata.get("tags", [])


def is_widget(output):
    """Whether an output is a widget, which lives only as long as its kernel."""
    return any("widget" in kind for kind in output.get("data", {}))


def read_chapters(folder, only=None):
    """Read the notebooks of a folder in the order of their names.

    `only` keeps some of them: numbers or names, separated by commas, such as ``"01,05"``. Copies
    that JupyterLab has made (``-Copy1``) are left out, with a word, unless `only` has their names.

    Raises
    ------
    UsageError
        If there are no notebooks, or ``only`` names one that is not there.
    CatdogError
        If a file is no notebook, or does not have exactly one cell tagged ``parameters``.
    """
    paths = sorted(folder.glob("[!.]*.ipynb"))
    if not paths:
        raise UsageError(f"no notebooks in {folder}; give their folder with --notebooks")
    named = {name.strip() for name in (only or "").split(",")}
    copies = [
        path for path in paths if _COPY.search(path.stem) and not {path.name, path.stem} & named
    ]
    if copies:
        print(f"left out, as copies from JupyterLab: {', '.join(path.stem for path in copies)}")
        paths = [path for path in paths if path not in copies]
    if only is not None:
        paths = _selected(paths, only)
    return [_read_chapter(path) for path in paths]


def _selected(paths, only):
    """Keep the notebooks that ``only`` names; 1, 01 and 01_data are the same chapter."""
    names = {path: {path.name, path.stem} for path in paths}
    for path in paths:
        if number := re.match(r"\d+", path.stem):
            names[path].add(str(int(number[0])))
    given = [name.strip() for name in only.split(",")]
    wanted = {str(int(name)) if name.isdecimal() else name: name for name in given}
    for name, as_given in wanted.items():
        if not any(name in each for each in names.values()):
            valid = ", ".join(path.stem for path in paths)
            raise UsageError(f"--only: no chapter {as_given!r}; the chapters are {valid}")
    return [path for path in paths if names[path] & wanted.keys()]


def _read_chapter(path):
    cells = read_notebook(path).cells
    tagged = [index for index, cell in enumerate(cells) if "parameters" in tags(cell)]
    if len(tagged) != 1:
        raise CatdogError(
            f"{path.name}: {len(tagged)} cells are tagged 'parameters', not exactly one; "
            f"tag the cell that sets RUN_DIR, or move the notebook out of {path.parent}"
        )
    # papermill.inspect_notebook would skip a line with two equals signs, in a comment too.
    try:
        statements = ast.parse(cells[tagged[0]].source).body
    except SyntaxError as error:
        raise CatdogError(f"{path.name}: the 'parameters' cell is not Python: {error}") from None
    assignments = [each for each in statements if isinstance(each, ast.Assign | ast.AnnAssign)]
    parameters = {
        target.id: _literal(each.value, None)
        for each in assignments
        for target in getattr(each, "targets", None) or [each.target]
        if isinstance(target, ast.Name)
    }
    return Chapter(path, len(cells), tagged[0], parameters)


def typed_value(text, default, name=""):
    """Turn the text of a command line into a value of the type that a parameter's default has.

    A tuple becomes a list, since a notebook takes its parameters as JSON. With None for a default,
    any literal will do, and anything else is text. A parameter with a `name` that ends in
    ``EPOCHS`` or ``STEPS``, and ``IMAGE_SIZE``, is a whole number from 1.

    Raises
    ------
    ValueError
        If the text is of another type, with both in the message, or too small a number; with an
        example.
    """
    value = _literal(text, text)
    if isinstance(default, bool) and text.strip().casefold() in _TRUTH:
        return _TRUTH[text.strip().casefold()]
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if default is not None and _type_name(value) != _type_name(default):
        raise ValueError(
            f"wants {_type_name(default)}, such as {default!r}; {text!r} is {_type_name(value)}"
        )
    is_count = _COUNT.fullmatch(name) and (default is None or type(default) is int)
    if is_count and value != default:
        _check_count(name, value, text, default)
    return value


def _check_count(name, value, text, default):
    example = _LISTS_OF_COUNTS.get(name, default or 20)
    if isinstance(example, list):
        valid = isinstance(value, list) and len(value) == len(example)
        wanted = f"a list of {len(example)} whole numbers from 1"
    else:
        valid, value, wanted = True, [value], "a whole number from 1"
    if not valid or not all(type(each) is int and each >= 1 for each in value):
        raise ValueError(f"wants {wanted}, such as {example!r}; not {text!r}")


def _literal(source, otherwise):
    """Evaluate a literal, a node or its text, such as ``3e-5`` or ``(26, 16, 8)``."""
    try:
        value = ast.literal_eval(source)
    except (ValueError, TypeError, SyntaxError, AttributeError, MemoryError, RecursionError):
        return otherwise
    return list(value) if isinstance(value, tuple) else value


def _type_name(value):
    """Name the type of a parameter in plain words."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)
