"""What a student may see of a notebook, and the package to install beside it."""

import copy
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from catdog_helpers import CatdogError
from catdog_helpers.series.chapters import tags

_PROJECT = Path(__file__).parents[2]
# In a process of its own: setuptools takes the working folder and the modules of its process.
_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
_INSTALL = """\
# Where the package of this course is missing (Colab, a new JupyterHub account): install it.
import importlib.util

if importlib.util.find_spec("catdog_helpers") is None:
    %pip install --quiet {wheel}"""


def without_solutions(notebook):
    """Return a copy without the notes, and with an empty cell, ``answer``, for each solution."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if "teacher" not in tags(cell)]
    for cell in notebook.cells:
        if "solution" in tags(cell):
            cell.source, cell.metadata = "", nbformat.from_dict({"tags": ["answer"]})
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
    return notebook


def with_open_quizzes(notebook):
    """Return a copy in which every option of a quiz shows its feedback, on paper too."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []) if "quiz" in tags(cell) else []:
            if text := output.get("data", {}).get("text/html"):
                output.data["text/html"] = text.replace("<details", "<details open")
    return notebook


def working_copy(notebook, wheel="", values=None):
    """Return a copy of a chapter to work in: nothing run yet, its parameters as given.

    Parameters
    ----------
    notebook : NotebookNode
        With an empty cell, tagged ``answer``, in place of each solution.
    wheel : str
        Name of the file beside it from which a first cell installs the package; "" for no cell.
    values : dict, optional
        Values of parameters by name, in place of the defaults.
    """
    cells = [nbformat.from_dict(cell) for cell in notebook.cells]
    for cell in cells:
        if "parameters" in tags(cell):
            cell.source = with_values(cell.source, values or {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata = nbformat.from_dict({"tags": tags(cell)} if tags(cell) else {})
    if wheel:
        cells.insert(1, new_code_cell(_INSTALL.format(wheel=wheel), id="install"))
    kept = {"kernelspec", "language_info"} & set(notebook.metadata)
    metadata = {key: notebook.metadata[key] for key in sorted(kept)}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def values_of_run(notebook):
    """Return the parameters that a chapter was run with; of a path its last part."""
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    return {
        name: Path(value).name if isinstance(value, str) and os.path.isabs(value) else value
        for name, value in given.items()
        if name != "RUN_DIR"  # the teacher's own folder, of no use to anybody else
    }


def with_values(source, values):
    """Put values, by name, in place of the defaults in a cell of parameters."""
    for name, value in values.items():
        text = json.dumps(value) if isinstance(value, str) else repr(value)
        # NAME = value  # comment
        line = re.compile(rf"(?m)^({re.escape(name)}\b[^=\n]*= *).*?(  #.*)?$")
        source = line.sub(lambda m, text=text: f"{m[1]}{text}{m[2] or ''}", source, count=1)
    return source


@functools.cache
def package_wheel():
    """Build the wheel of this package from its sources, which stay as they are; no network.

    Returns its name and its bytes.

    Raises
    ------
    CatdogError
        If the sources are not there, since the package was itself installed from a wheel, or if
        setuptools cannot build it.
    """
    if not (_PROJECT / "pyproject.toml").is_file():
        raise CatdogError(
            "there is no wheel for students: it is made from the sources of this project, and "
            "the package was installed without them"
        )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(_PROJECT / name, source)
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_PROJECT / "catdog_helpers", source / "catdog_helpers", ignore=without)
        command = [sys.executable, "-W", "ignore", "-c", _BUILD, folder]
        done = subprocess.run(command, cwd=source, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise CatdogError(f"cannot build the wheel for students: {last}")
        wheel = Path(folder, done.stdout.splitlines()[-1])
        return wheel.name, wheel.read_bytes()
