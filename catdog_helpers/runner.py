"""Run the chapters in order with papermill, and trust only what was seen to run.

papermill returns normally when a notebook calls ``exit``, and after a dead kernel it marks cells
that never ran as completed. So a copy gets its name only after its cells were checked here.
"""

import argparse
import ast
import contextlib
import difflib
import functools
import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from catdog_helpers import CatdogError

TIMEOUT = 1800
# Enough for any chapter; an endless ``print`` would otherwise fill the memory.
OUTPUT_LIMIT = 10_000_000
# What a run is of: chapters that differ in one of these do not belong together.
IDENTITY = ("DATA", "SEED", "IMAGE_SIZE")
OWN_OPTIONS = {"DATA": "--data", "WEIGHTS": "--weights", "RUN_DIR": "--out"}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class UsageError(CatdogError):
    """The command line asks for something that does not exist; exit code 2."""


@dataclass(frozen=True)
class Chapter:
    """A notebook and its parameters.

    Attributes
    ----------
    path : Path
    n_cells : int
        All cells, prose included.
    parameters_index : int
        Where the cell tagged ``parameters`` is, counted from 0.
    parameters : tuple of str
        The names which that cell sets.
    """

    path: Path
    n_cells: int
    parameters_index: int
    parameters: tuple[str, ...]

    @classmethod
    def read(cls, path):
        """Read a notebook.

        Raises
        ------
        CatdogError
            If the file is no notebook, or does not have exactly one cell tagged ``parameters``.
        """
        cells = _read_notebook(path).cells
        tagged = [i for i, cell in enumerate(cells) if "parameters" in _tags(cell)]
        if len(tagged) != 1:
            raise CatdogError(
                f"{path.name}: {len(tagged)} cells are tagged 'parameters', not exactly one; "
                f"tag the cell that sets DATA and SEED, or move the notebook out of {path.parent}"
            )
        return cls(path, len(cells), tagged[0], _assigned_names(cells[tagged[0]].source, path))

    def own(self, parameters):
        """Return those of the given parameters that the chapter has."""
        return {name: value for name, value in parameters.items() if name in self.parameters}

    def cell_number(self, index, injected):
        """Return a cell's number in the source, from 1, for its index in an executed copy.

        papermill puts the given parameters into a cell of its own after the tagged one.
        """
        return index + 1 - (injected and index > self.parameters_index)


def _read_notebook(path):
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat's converters raise whatever they stumble over.
        reason = _one_line(error, 120)
        raise CatdogError(f"{path.name}: not a readable notebook ({reason}): {path}") from None
    return notebook


def _tags(cell):
    return cell.metadata.get("tags", [])


def _assigned_names(source, path):
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise CatdogError(f"{path.name}: the 'parameters' cell is not Python: {error}") from None
    assignments = [s for s in statements if isinstance(s, ast.Assign | ast.AnnAssign)]
    targets = [t for s in assignments for t in getattr(s, "targets", None) or [s.target]]
    return tuple(t.id for t in targets if isinstance(t, ast.Name))


def read_chapters(folder, only=None):
    """Read the notebooks of a folder in the order of their names.

    Parameters
    ----------
    folder : Path
    only : str, optional
        Chapters to keep: numbers or names, separated by commas, such as ``"01,05"``.

    Returns
    -------
    list of Chapter

    Raises
    ------
    UsageError
        If there are no notebooks, or ``only`` names one that is not there.
    CatdogError
        If a file is no notebook.
    """
    paths = sorted(folder.glob("[!.]*.ipynb"))
    if not paths:
        raise UsageError(f"no notebooks in {folder}; give their folder with --notebooks")
    return [Chapter.read(path) for path in _selected(paths, only)]


def _selected(paths, only):
    if only is None:
        return paths
    keys = {path: {path.stem, path.name, _chapter_number(path)} for path in paths}
    wanted = [name.strip() for name in only.split(",")]
    wanted = [str(int(name)) if name.isdecimal() else name for name in wanted]
    for name in wanted:
        if not any(name in names for names in keys.values()):
            valid = ", ".join(path.stem for path in paths)
            raise UsageError(f"--only: no chapter {name!r}; the chapters are {valid}")
    return [path for path in paths if keys[path] & set(wanted)]


def _chapter_number(path):
    digits = re.match(r"\d+", path.stem)
    return str(int(digits[0])) if digits else path.stem


def run_series(chapters, run_dir, parameters, timeout=TIMEOUT):
    """Run chapters one after the other and stop at the first that fails.

    Parameters
    ----------
    chapters : list of Chapter
    run_dir : Path
        Where models, scores and executed copies go.
    parameters : dict
        Values by name; a chapter gets those that it has.
    timeout : int
        Limit for one cell, in seconds.

    Raises
    ------
    CatdogError
        If a chapter failed: which one, in which cell, and why.
    """
    copies = _prepare_folder(run_dir / "notebooks", chapters)
    for chapter in chapters:
        run_chapter(chapter, copies, chapter.own(parameters), timeout)


def _prepare_folder(copies, chapters):
    """Make the folder for executed copies and clear it of those of an earlier run."""
    old = [copies / chapter.path.name for chapter in chapters]
    for path in old:
        # The folder may hold the user's own notebooks: theirs, or the series itself.
        if path.exists() and "papermill" not in _read_notebook(path).metadata:
            raise UsageError(f"--out: would overwrite {path}, which no run made; choose another")
    try:
        copies.mkdir(parents=True, exist_ok=True)
        for path in old + [_partial_path(copies, chapter) for chapter in chapters]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"--out: cannot write in {copies}: {error.strerror}") from None
    return copies


def _partial_path(copies, chapter):
    return copies / f"{chapter.path.stem}.incomplete.ipynb"


def run_chapter(chapter, copies, parameters, timeout=TIMEOUT, environment=None):
    """Run one chapter and check for ourselves that every cell ran.

    The copy that papermill writes is called ``*.incomplete.ipynb`` until it has passed.

    Parameters
    ----------
    chapter : Chapter
    copies : Path
        Folder of the executed copy.
    parameters : dict
        Values by name. Empty: the chapter runs as it stands.
    timeout : int
        Limit for one cell, in seconds.
    environment : dict, optional
        More environment variables for the kernel.

    Returns
    -------
    Path of the executed copy.

    Raises
    ------
    CatdogError
        If a cell failed or did not run.
    KeyboardInterrupt
        With the place in its message.
    """
    partial = _partial_path(copies, chapter)
    with _Watcher(chapter, injected=bool(parameters)) as watcher:
        try:
            fault = _execute(chapter, partial, parameters, watcher, timeout, environment)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted in {watcher.place()}") from None
    if fault:
        kept = f"; partial copy: {partial}" if partial.exists() else ""
        raise CatdogError(f"{watcher.place()}: {fault}{kept}")
    return partial.replace(copies / chapter.path.name)


class _Watcher:
    """Follow a chapter from cell to cell: where it is, and whether it says too much.

    Its methods are nbclient's hooks, and the file that papermill copies printed text to.
    """

    def __init__(self, chapter, injected):
        from tqdm import tqdm

        self.chapter, self.injected = chapter, injected
        self.number, self.characters, self.start = 0, 0, time.monotonic()
        self.bar = tqdm(
            total=chapter.n_cells,
            desc=chapter.path.stem,
            bar_format="{desc} |{bar}| cell {n_fmt} of {total_fmt} [{elapsed}]",
            ascii=True,
            file=sys.stdout,
            disable=not sys.stdout.isatty(),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def place(self):
        cell = f", cell {self.number} of {self.chapter.n_cells}" if self.number else ""
        return f"{self.chapter.path.name}{cell}"

    def cell_started(self, cell, cell_index):
        before, self.number = self.number, self.chapter.cell_number(cell_index, self.injected)
        self.bar.n = self.number
        self.bar.refresh()
        if self.bar.disable and cell.cell_type == "code" and self.number != before:
            elapsed = self.bar.format_interval(time.monotonic() - self.start)
            print(f"{self.place()} [{elapsed}]", flush=True)

    def cell_executed(self, cell, cell_index, execute_reply):
        payload = execute_reply["content"].get("payload", [])
        if any(part.get("source") == "ask_exit" for part in payload):
            raise CatdogError("the cell ended the notebook early (exit)")

    def write(self, text):
        self.characters += len(text)
        if self.characters > OUTPUT_LIMIT:
            raise CatdogError(f"the chapter printed more than {OUTPUT_LIMIT // 10**6} MB")

    def flush(self):
        pass


def _execute(chapter, partial, parameters, watcher, timeout, environment):
    """Run a chapter with papermill; return what went wrong, or None."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        with _kernel(chapter.path.parent, environment) as manager:
            papermill.execute_notebook(
                _escaped(chapter.path),
                _escaped(partial),
                parameters,
                km=manager,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                execution_timeout=timeout,
                iopub_timeout=60,
                coalesce_streams=True,
                on_cell_start=watcher.cell_started,
                on_cell_executed=watcher.cell_executed,
                stdout_file=watcher,
            )
    except papermill.PapermillExecutionError as error:
        return _cell_error(error.ename, error.evalue)
    except CellTimeoutError:
        return f"ran longer than the limit of {timeout} s; --timeout SECONDS raises it"
    except DeadKernelError:
        return "the kernel died (often: out of memory)"
    except Exception as error:
        return _cell_error(type(error).__name__, error)
    return _find_fault(_read_notebook(partial).cells, watcher)


@contextlib.contextmanager
def _kernel(folder, environment):
    """Start a kernel of this very Python in a folder; end it whatever happens."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_core.utils import ensure_event_loop, run_sync

    ensure_event_loop(prefer_selector_loop=True)
    # Without folders to look in, "python3" is the Python that runs this, whatever is registered.
    specifications = KernelSpecManager(kernel_dirs=[])
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specifications)
    ended_well = False
    try:
        run_sync(manager.start_kernel)(
            cwd=str(folder),
            # The caller's -W options hold in the chapters too.
            env={**os.environ, "PYTHONWARNINGS": ",".join(sys.warnoptions), **(environment or {})},
            stderr=subprocess.DEVNULL,
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
        )
        yield manager
        ended_well = True
    finally:
        if manager.has_kernel:
            run_sync(manager.shutdown_kernel)(now=not ended_well)


def _escaped(path):
    """Protect braces, which papermill reads as fields to fill in."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _cell_error(name, value):
    if name == "SystemExit":
        return "the cell ended the notebook early (exit)"
    if name == "CatdogError":
        return " ".join(str(value).split())
    return _one_line(f"{name}: {value}".removesuffix(": "))


def _one_line(text, width=400):
    return textwrap.shorten(str(text), width, placeholder=" ...")


def _find_fault(cells, watcher):
    """Check an executed copy: every code cell ran, in order, without an error."""
    code = [(i, c) for i, c in enumerate(cells) if c.cell_type == "code" and c.source.strip()]
    for count, (index, cell) in enumerate(code, start=1):
        watcher.number = watcher.chapter.cell_number(index, watcher.injected)
        for output in cell.outputs:
            if output.output_type == "error":
                return _cell_error(output.ename, output.evalue)
        if cell.execution_count != count:
            return f"did not run in its turn (count {cell.execution_count}, not {count})"
    return None


def update(chapters, root, timeout=TIMEOUT):
    """Run chapters as they stand and store their outputs in the notebooks themselves.

    Outputs, execution counts and a hash of each code cell change, nothing else.

    Parameters
    ----------
    chapters : list of Chapter
    root : Path
        Takes the place of the project folder for ``RUN_DIR``, so that no run of the user's is lost.
    timeout : int
        Limit for one cell, in seconds.
    """
    copies = _prepare_folder(root / "notebooks", chapters)
    for chapter in chapters:
        executed = run_chapter(chapter, copies, {}, timeout, {"CATDOG_ROOT": str(root)})
        _store_outputs(chapter.path, _read_notebook(executed).cells)


def _store_outputs(path, executed_cells):
    import nbformat

    notebook = _read_notebook(path)
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell, executed in zip(notebook.cells, executed_cells, strict=True):
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags"})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = executed.outputs, executed.execution_count
            cell.metadata["source_hash"] = source_hash(cell.source)
    new = path.with_suffix(".new")
    with open(new, "w", encoding="utf-8", newline="\n") as file:
        nbformat.write(notebook, file)
    new.replace(path)


def source_hash(source):
    """Return the mark that stored outputs carry of the code which made them.

    Returns
    -------
    str: 16 hexadecimal digits
    """
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def score_table(run_dir):
    """Lay out the scores of a run for reading.

    Parameters
    ----------
    run_dir : Path

    Returns
    -------
    pandas.DataFrame of str: a row for each model; empty before any chapter left scores

    Raises
    ------
    CatdogError
        If ``scores.json`` cannot be read.
    """
    import pandas

    try:
        table = pandas.DataFrame.from_dict(_read_scores(run_dir)["models"], orient="index")
        formats = {name: show for name, show in _SCORE_FORMATS.items() if name in table}
        columns = {name: table[name].map(show, "ignore") for name, show in formats.items()}
        return pandas.DataFrame(columns).fillna("")
    except (ValueError, TypeError, AttributeError) as error:
        raise _unreadable_scores(run_dir, error) from None


def _read_scores(run_dir):
    """Return what ``scores.json`` holds; without the file, a run without models."""
    try:
        content = json.loads((run_dir / "scores.json").read_text(encoding="utf-8"))
        return content | {"models": content["models"]}
    except FileNotFoundError:
        return {"models": {}}
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable_scores(run_dir, error) from None


def _unreadable_scores(run_dir, error):
    return CatdogError(f"cannot read the scores in {run_dir / 'scores.json'}: {_one_line(error)}")


_SCORE_FORMATS = {
    "val_accuracy": "{:.1%}".format,
    "test_accuracy": "{:.1%}".format,
    "test_interval": lambda bounds: "{:.1%} to {:.1%}".format(*bounds),
    "parameters": "{:,.0f}".format,
    "epochs": "{:.0f}".format,
    "train_seconds": "{:.1f}".format,
}


def run_seeds(chapters, run_dir, parameters, seeds, timeout=TIMEOUT, *, resume, map=map):
    """Run chapters once for each seed, each time in a folder ``seed-<n>`` of its own.

    Parameters
    ----------
    chapters : list of Chapter
    run_dir : Path
    parameters : dict
    seeds : range
    timeout : int
        Limit for one cell, in seconds.
    resume : bool
        Whether to leave out the seeds that are complete.
    map : callable
        Like the built-in function; that of a Dask executor spreads the seeds over its workers,
        which must see the same folders.

    Returns
    -------
    list of Path: the folders of the runs

    Raises
    ------
    CatdogError
        If a chapter failed.
    """
    run = functools.partial(_run_seed, chapters, run_dir, parameters, timeout, resume)
    return list(map(run, seeds))


def _run_seed(chapters, run_dir, parameters, timeout, resume, seed):
    folder = run_dir / f"seed-{seed}"
    own = parameters | {"SEED": seed, "RUN_DIR": str(folder)}
    if resume and _is_complete(chapters, folder, own):
        print(f"seed {seed}: complete, kept; to run it again, remove {folder}")
    else:
        print(f"seed {seed}:")
        run_series(chapters, folder, own, timeout)
    return folder


@contextlib.contextmanager
def _map_over(address):
    """Give a function like ``map``; with an address, one that uses the Dask workers there."""
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
        raise UsageError(f"--cluster: no Dask scheduler at {address}: {_one_line(error)}") from None
    with client, client.get_executor() as executor:
        yield executor.map


def _is_complete(chapters, run_dir, parameters):
    """Whether a run of these very chapters and parameters has ended well, and still has scores."""
    content = _read_scores(run_dir)
    tested = ["test_accuracy" in values for values in content["models"].values()]
    same_run = tested and all(tested) and content.get("seed") == parameters["SEED"]
    return same_run and all(_is_executed(each, run_dir, parameters) for each in chapters)


def _is_executed(chapter, run_dir, parameters):
    # A copy bears its chapter's name only after it has passed.
    path = run_dir / "notebooks" / chapter.path.name
    if not path.exists():
        return False
    executed = _read_notebook(path)
    sources = [c.source for c in executed.cells if "injected-parameters" not in _tags(c)]
    same_source = sources == [cell.source for cell in _read_notebook(chapter.path).cells]
    # As JSON stores them, where a tuple is a list.
    given = json.loads(json.dumps(chapter.own(parameters)))
    return same_source and _given_parameters(executed) == given


def seed_statistics(run_dirs):
    """Collect the accuracies of several runs.

    Parameters
    ----------
    run_dirs : list of Path

    Returns
    -------
    pandas.DataFrame
        A row for each model; for ``val_accuracy`` and ``test_accuracy``, as far as there are,
        the columns ``mean``, ``std`` (of the sample, divided by n - 1), ``min`` and ``max``.

    Raises
    ------
    CatdogError
        If the scores of a run cannot be read.
    """
    import pandas

    rows = [
        {"model": model, **values}
        for run_dir in run_dirs
        for model, values in _read_scores(run_dir)["models"].items()
    ]
    table = pandas.DataFrame(rows, columns=["model", "val_accuracy", "test_accuracy"])
    accuracies = table.set_index("model").astype(float).dropna(axis="columns", how="all")
    return (
        accuracies.groupby("model", sort=False).agg(["mean", "std", "min", "max"]).rename_axis(None)
    )


def main(arguments=None, project=None):
    """Run the command line of ``runall.py``.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the process where left out.
    project : Path, optional
        The folder with ``notebooks/`` and ``runs/``; the working directory where left out.

    Returns
    -------
    int: exit code: 0 all well, 1 a chapter failed, 2 wrong usage, 130 interrupted
    """
    options = _parse(arguments, project or Path.cwd())
    for stream in (sys.stdout, sys.stderr):
        # A console with a small character set must not end a run.
        stream.reconfigure(errors="backslashreplace")
    try:
        with _signals_interrupt(), warnings.catch_warnings():
            # Those of papermill and its like say nothing about the chapters.
            warnings.simplefilter("ignore")
            _run(options)
    except UsageError as error:
        return _report(f"error: {error}", 2)
    except CatdogError as error:
        return _report(f"failed: {error}", 1)
    except KeyboardInterrupt as interrupt:
        return _report(str(interrupt) or "interrupted", 130)
    return 0


def _report(message, exit_code):
    print(message, file=sys.stderr)
    return exit_code


def _parse(arguments, project):
    parser = argparse.ArgumentParser("runall.py", allow_abbrev=False, description=_DESCRIPTION)
    add = parser.add_argument
    add("--data", metavar="sample|photos|PATH", help="source of the pictures (default: sample)")
    add("--weights", metavar="imagenet|drawn|PATH", help="weights of the backbone")
    add("-p", metavar="NAME=VALUE", action="append", default=[], help="set a chapter's parameter")
    add("--only", metavar="01,05", help="run these chapters, on the results of earlier ones")
    add("--out", metavar="RUN_DIR", type=Path, help="folder of the run (default: runs/latest)")
    add("--seeds", metavar="N", type=int, help="run N times, with seeds SEED, SEED + 1, ...")
    add("--cluster", metavar="ADDRESS", help="spread --seeds over the workers of a Dask scheduler")
    add("--handouts", action="store_true", help=_HANDOUTS_HELP)
    add("--timeout", metavar="SECONDS", type=int, default=TIMEOUT, help="limit for one cell")
    add("--notebooks", metavar="DIR", type=Path, default=project / "notebooks")
    add("--update", action="store_true", help="write the outputs that notebooks/ stores anew")
    options = parser.parse_args(arguments)
    options.project = project
    if options.timeout < 1:
        parser.error("--timeout: takes a number of seconds from 1")
    if options.seeds is not None and options.seeds < 2:
        parser.error("--seeds: takes a number of runs from 2; one run needs no --seeds")
    if options.cluster and not options.seeds:
        parser.error("--cluster: spreads the runs of --seeds, which is missing")
    if options.seeds and options.handouts:
        parser.error("--handouts: shows a single run; no --seeds")
    others = ("data", "weights", "p", "out", "seeds", "handouts")
    if options.update and any(getattr(options, name) for name in others):
        parser.error(
            "--update: runs the chapters as they stand; "
            "no --data, --weights, -p, --out, --seeds, --handouts"
        )
    return options


_DESCRIPTION = "Run the chapters in order and print their scores."
_HANDOUTS_HELP = (
    "then write all executed chapters of the run as pages for a class, in RUN_DIR/handouts; "
    "with --only 06, from the chapters of an earlier run"
)


@contextlib.contextmanager
def _signals_interrupt():
    """Let Ctrl-C and termination end the run once; more of them must not stop the tidying up."""

    def interrupt(number, frame):
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    handled = (signal.SIGINT, signal.SIGTERM)
    # Set even where Python was started with Ctrl-C ignored, as shells do in the background.
    before = {number: signal.signal(number, interrupt) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is interrupt:
                signal.signal(number, handler)


def _run(options):
    for name in ("papermill", "asyncio", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    chapters = read_chapters(options.notebooks.resolve(), options.only)
    if options.update:
        update(chapters, options.project / "runs" / "update", options.timeout)
        return
    run_dir = (options.out or options.project / "runs" / "latest").resolve()
    parameters = _parameters(options, chapters, run_dir)
    if options.seeds:
        _run_seeds(options, chapters, run_dir, parameters)
        return
    if options.handouts:
        _check_handouts(run_dir)
    run_series(chapters, run_dir, parameters, options.timeout)
    _print_summary(run_dir, parameters["DATA"])
    if options.handouts:
        _write_handouts(read_chapters(options.notebooks.resolve()), run_dir, parameters)


def _print_summary(run_dir, data):
    table = score_table(run_dir)
    if not table.empty:
        print(f"\n{table.to_string()}\n")
    print(f"Models, scores and executed chapters: {run_dir}")
    if data == "sample":
        print("On the photos: python runall.py --data photos")


def _run_seeds(options, chapters, run_dir, parameters):
    first = parameters.get("SEED", 0)
    if not any("SEED" in chapter.parameters for chapter in chapters):
        raise UsageError("--seeds: no chapter has a parameter SEED")
    if not isinstance(first, int) or first < 0:
        raise UsageError(f"-p: SEED is a whole number from 0 with --seeds, not {first!r}")
    seeds = range(first, first + options.seeds)
    resume = options.only is None
    with _map_over(options.cluster) as map:
        folders = run_seeds(
            chapters, run_dir, parameters, seeds, options.timeout, resume=resume, map=map
        )
    statistics = seed_statistics(folders)
    path = run_dir / "seeds.json"
    _store_seeds(path, parameters["DATA"], seeds, statistics)
    if not statistics.empty:
        print(f"\n{statistics.to_string(float_format='{:.1%}'.format, na_rep='')}\n")
    print(f"Mean and standard deviation over the seeds {seeds[0]} to {seeds[-1]}: {path}")


def _store_seeds(path, data, seeds, statistics):
    models = {
        model: {metric: row[metric].dropna().to_dict() for metric in row.index.levels[0]}
        for model, row in statistics.iterrows()
    }
    content = {"data": data, "seeds": list(seeds), "models": models}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    new.replace(path)


def _check_handouts(run_dir):
    """Refuse before hours of training what would be refused after them."""
    from catdog_helpers import handouts

    try:
        handouts.check_replaceable(run_dir / "handouts")
    except CatdogError as error:
        raise UsageError(f"--handouts: {error}") from None


def _write_handouts(series, run_dir, parameters):
    from catdog_helpers import handouts

    copies = {chapter: _copy_of_run(chapter, run_dir, parameters) for chapter in series}
    missing = [chapter.path.stem for chapter, executed in copies.items() if executed is None]
    if missing:
        print(f"Handouts without {', '.join(missing)}: not executed in this run")
    executed = {chapter.path.stem: each for chapter, each in copies.items() if each is not None}
    content = _read_scores(run_dir)
    # Of a path its last part: the rest is nobody's business but the teacher's.
    source = Path(parameters["DATA"]).name
    caption = f"Pictures: {source}. Seed: {content.get('seed')}."
    folder = run_dir / "handouts"
    remark = handouts.write_handouts(folder, executed, score_table(run_dir), caption)
    print(f"Handouts: {folder}" + (f" ({remark})" if remark else ""))


def _copy_of_run(chapter, run_dir, parameters):
    """Read the executed copy of a chapter; None if there is none, or one of another run."""
    path = run_dir / "notebooks" / chapter.path.name
    if not path.exists():
        return None
    executed = _read_notebook(path)
    given, wanted = _given_parameters(executed), chapter.own(parameters)
    return executed if all(given.get(name) == wanted.get(name) for name in IDENTITY) else None


def _given_parameters(executed):
    """Return the parameters with which papermill ran a copy."""
    return executed.metadata.get("papermill", {}).get("parameters", {})


def _parameters(options, chapters, run_dir):
    """Collect the values for the chapters' parameters, refusing what none of them has."""
    data = _source("--data", options.data or "sample", ("sample", "photos"))
    parameters = {"RUN_DIR": str(run_dir), "DATA": data}
    if options.weights:
        parameters["WEIGHTS"] = _source("--weights", options.weights, ("imagenet", "drawn"))
    valid = {name for chapter in chapters for name in chapter.parameters} - set(OWN_OPTIONS)
    for setting in options.p:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"-p: takes NAME=VALUE, not {setting!r}")
        if name in OWN_OPTIONS:
            raise UsageError(f"-p: {name} has its own option, {OWN_OPTIONS[name]}")
        if name not in valid:
            raise UsageError(f"-p: no chapter has a parameter {name!r}{_suggestion(name, valid)}")
        parameters[name] = _literal(value)
    return parameters


def _source(option, value, names):
    """Return a name as it is and a path made absolute."""
    if value in names:
        return value
    path = Path(value).expanduser().resolve()
    if not path.exists():
        raise UsageError(f"{option}: no file or folder {path}; else {' or '.join(names)}")
    return str(path)


def _suggestion(name, valid):
    folded = {each.casefold(): each for each in valid}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f"; did you mean {folded[close[0]]}?" if close else "."
    return f"{hint} Valid: {', '.join(sorted(valid))}"


def _literal(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
