"""Builds tiny chapters and runs them as ``runall.py`` does."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from catdog_helpers.series import command_line

PROJECT = Path(__file__).parents[1]
PARAMETERS = 'DATA = "sample"\nSEED = 0\nRUN_DIR = "runs/latest"\nEPOCHS: int = 20'
# Leaves scores that depend on the seed; notes that it ran; fails with seed 2 and a file "broken".
SEEDED = """
import json, pathlib
folder = pathlib.Path(RUN_DIR)
print(SEED, file=open(folder.parent / "log", "a"))
assert not (SEED == 2 and (folder.parent / "broken").exists())
first = {"val_accuracy": 0.5 + SEED / 10, "test_accuracy": 0.6, "epochs": EPOCHS}
scores = {"data": DATA, "seed": SEED, "models": {"first": first}}
(folder / "scores.json").write_text(json.dumps(scores))
"""


def write_notebook(path, *sources, kernel="python3", parameters=PARAMETERS):
    """Write a notebook: a title, the parameters as cell 2, then a code cell for each source."""
    cells = [new_markdown_cell("# Chapter 1"), *map(new_code_cell, sources)]
    if parameters:
        cells.insert(1, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel}} if kernel else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def run(project, *options):
    """Run the chapters of a project; return the exit code."""
    return command_line.main(["--timeout", "60", *map(str, options)], project=project)


def copy_of(project, name):
    """Read the executed copy of a chapter."""
    path = project / "runs" / "latest" / "notebooks" / f"{name}.ipynb"
    return nbformat.read(path, as_version=4)


def printed(notebook):
    """Return all text that the cells of a notebook printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)
