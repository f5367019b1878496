"""The outputs that the notebooks of the series store, each code cell with a hash of its source."""

import hashlib
import shutil

import nbformat

from catdog_helpers.files.paths import atomic
from catdog_helpers.series.chapters import is_widget, read_notebook
from catdog_helpers.series.execution import TIMEOUT, executed_copy, owned_run, run_series

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def update(chapters, root, timeout=TIMEOUT):
    """Run chapters as they stand and store their outputs in the notebooks themselves.

    Outputs, execution counts and a hash of each code cell change; metadata of an editor goes.
    `root` takes the place of the project folder for ``RUN_DIR``, so that no run of the user's is
    lost; `timeout` is in seconds for one cell.

    Raises
    ------
    UsageError
        If `root` cannot be written, or another process updates there.
    CatdogError
        If a chapter failed; it and those after it stay as they were.
    """

    def store(chapter):
        executed, _ = executed_copy(chapter, root)
        notebook = read_notebook(chapter.path)
        notebook.metadata = nbformat.from_dict(METADATA)
        for cell, done in zip(notebook.cells, executed.cells, strict=True):
            kept = {key: value for key, value in cell.metadata.items() if key == "tags"}
            cell.metadata = nbformat.from_dict(kept)
            if cell.cell_type == "code":
                # A widget lives in its kernel: opened later, it would be an error.
                cell.outputs = [output for output in done.outputs if not is_widget(output)]
                cell.execution_count = done.execution_count
                cell.metadata["source_hash"] = source_hash(cell.source)
        with atomic(chapter.path) as new, open(new, "w", encoding="utf-8", newline="\n") as file:
            nbformat.write(notebook, file)

    with owned_run(root):
        if any("DATA" in chapter.parameters for chapter in chapters):
            # Chapter 1 would say that it keeps the run of an earlier update, and where.
            shutil.rmtree(root / "runs", ignore_errors=True)
        environment = {"CATDOG_ROOT": str(root)}
        run_series(chapters, root, {}, timeout, environment=environment, finished=store)


def source_hash(source):
    """Return the mark of the code that made an output: 16 hexadecimal digits of SHA-256."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]
