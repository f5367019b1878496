"""Repeat a run over several seeds, perhaps on several workers, and summarize the scores."""

import contextlib
import json
import textwrap

import pandas

from catdog_helpers import results
from catdog_helpers.series.chapters import UsageError, read_notebook, tags
from catdog_helpers.series.execution import TIMEOUT, executed_copy, run_series

_STATISTICS = ["mean", "std", "min", "max"]


def run_seeds(chapters, run_dir, parameters, seeds, timeout=TIMEOUT, *, resume, map=map):
    """Run chapters once for each seed, each time in a folder ``seed-<n>`` of its own.

    See `run_series` for the parameters; `resume` leaves out the seeds that are complete, and
    `map` is like the built-in function, see `map_over`. Returns the list of folders.

    Raises
    ------
    CatdogError
        If a chapter failed.
    """

    def run(seed):
        folder = run_dir / f"seed-{seed}"
        own = parameters | {"SEED": seed, "RUN_DIR": str(folder)}
        if resume and _is_complete(chapters, folder, own):
            print(f"seed {seed}: complete, kept; to run it again, remove {folder}")
        else:
            print(f"seed {seed}:")
            # Its numbers would stand beside results that they are not of.
            (run_dir / "seeds.json").unlink(missing_ok=True)
            run_series(chapters, folder, own, timeout)
        return folder

    return list(map(run, seeds))


def _is_complete(chapters, run_dir, parameters):
    """Whether a run of these very chapters and parameters has ended well, and still has scores."""
    scores = results.read_scores(run_dir)
    tested = {name for name, values in scores["models"].items() if "test_accuracy" in values}
    # Chapter 6 scores the models of the series, and none of a chapter of one's own.
    untested = results.CHAPTERS.keys() & scores["models"].keys() - tested
    if not tested or untested or scores.get("seed") != parameters["SEED"]:
        return False
    if scores.get("files") and not results.open_run(run_dir).has_its_images():
        return False
    for chapter in chapters:
        executed, given = executed_copy(chapter, run_dir)
        if executed is None:
            return False
        sources = [c.source for c in executed.cells if "injected-parameters" not in tags(c)]
        # As JSON stores them, where a tuple is a list.
        wanted = json.loads(json.dumps(chapter.own(parameters)))
        if given != wanted or sources != [c.source for c in read_notebook(chapter.path).cells]:
            return False
    return True


@contextlib.contextmanager
def map_over(address):
    """Give a function like the built-in ``map`` that uses the workers of a Dask scheduler.

    The workers must see the same folders. Without an address it is the built-in function.

    Raises
    ------
    UsageError
        If Dask is not installed, or there is no scheduler.
    """
    if address is None:
        yield map
        return
    try:
        from distributed import Client
    except ImportError:
        raise UsageError('--cluster: needs Dask; pip install -e ".[cluster]"') from None
    try:
        client = Client(address, timeout=5)
    except (OSError, ValueError) as error:
        why = textwrap.shorten(str(error), 400, placeholder=" ...")
        raise UsageError(f"--cluster: no Dask scheduler at {address}: {why}") from None
    with client, client.get_executor() as executor:
        yield executor.map


def seed_statistics(run_dirs):
    """Collect the accuracies, 0..1, of several runs in a table with a row for each model.

    For ``val_accuracy`` and ``test_accuracy``, as far as there are, it has the columns ``mean``,
    ``std`` (of the sample, divided by n - 1), ``min`` and ``max``.

    Raises
    ------
    CatdogError
        If the scores of a run cannot be read.
    """
    rows = [
        {"model": model, **values}
        for run_dir in run_dirs
        for model, values in results.read_scores(run_dir)["models"].items()
    ]
    table = pandas.DataFrame(rows, columns=["model", "val_accuracy", "test_accuracy"])
    accuracies = table.set_index("model").astype(float).dropna(axis="columns", how="all")
    statistics = accuracies.groupby("model", sort=False).agg(_STATISTICS)
    return statistics.rename_axis(None)


def finding_statistics(run_dirs):
    """Collect the findings of several runs: a row each, with the value of each seed as a list.

    The other columns are those of `seed_statistics`. A finding that only some of the runs have, as
    after a chapter of one's own, has fewer values.

    Raises
    ------
    CatdogError
        If the scores of a run cannot be read.
    """
    runs = [results.read_scores(run_dir).get("findings", {}) for run_dir in run_dirs]
    table = pandas.DataFrame(runs).sort_index(axis="columns").astype(float)
    statistics = table.agg(_STATISTICS).T if len(table.columns) else pandas.DataFrame()
    statistics["values"] = [table[name].dropna().tolist() for name in table]
    return statistics
