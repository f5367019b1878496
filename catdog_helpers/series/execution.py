"""Run chapters in order with papermill, and trust only what was seen to run.

A chapter is executed into ``*.incomplete.ipynb`` and gets its name when it has passed. Whatever
stops it ends the whole run, with one line that `_why` writes: an error in a cell, the time
limit, a kernel that died. papermill returns normally after ``exit`` and leaves out cells with
certain tags, so `_Progress.cell_executed` and `_Progress.check_all_ran` look for these.
"""

import contextlib
import io
import os
import subprocess
import sys
import textwrap
import time

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.utils import ensure_event_loop, run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from tqdm import tqdm

from catdog_helpers import CatdogError, results
from catdog_helpers.files.download import absolute_environment
from catdog_helpers.files.locks import owned
from catdog_helpers.files.paths import reason
from catdog_helpers.series.chapters import UsageError, read_notebook

TIMEOUT = 1800  # seconds for one cell
# Characters; enough for any chapter. An endless ``print`` would otherwise fill the RAM.
_OUTPUT_LIMIT = 10_000_000
_INCOMPLETE = ".incomplete.ipynb"
# Of a dead kernel, by its exit code: minus the number of a signal of POSIX systems.
_CAUSES = {
    -4: "often: a CPU without AVX instructions, which TensorFlow needs",
    -6: "often: a CPU without AVX instructions, which TensorFlow needs",
    -9: "often: out of memory",
}


def run_series(chapters, run_dir, parameters, timeout=TIMEOUT, *, environment=None, finished=None):
    """Run chapters one after the other and stop at the first that fails.

    Each gets those of the parameters, a dict of values by name, that it has; without any it runs
    as it stands. `timeout` is in seconds for one cell; the kernels get the variables of
    `environment` too. Executed copies go to the folder ``notebooks`` in `run_dir`; `finished` is
    called with each chapter that has passed.

    Raises
    ------
    UsageError
        If the folder for executed copies cannot be written, or holds a notebook that no run made;
        or if another process runs chapters into `run_dir`.
    CatdogError
        If a chapter failed: which one, in which cell, and why.
    KeyboardInterrupt
        With the place in its message.
    """
    folder = run_dir / "notebooks"
    copies = [folder / chapter.path.name for chapter in chapters]
    for old in copies:
        # The folder may hold the user's own notebooks, or be that of the series itself.
        if old.exists() and "papermill" not in read_notebook(old).metadata:
            raise UsageError(f"--out: would overwrite {old}, which no run made; choose another")
    with owned_run(run_dir):
        try:
            folder.mkdir(exist_ok=True)
            for old in copies:
                old.unlink(missing_ok=True)
                old.with_suffix(_INCOMPLETE).unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"--out: cannot write in {folder}: {reason(error)}") from None
        earlier = set(run_dir.glob("earlier-*"))
        for chapter, executed in zip(chapters, copies, strict=True):
            incomplete = executed.with_suffix(_INCOMPLETE)
            _run_chapter(chapter, incomplete, chapter.own(parameters), timeout, environment)
            _mark_run(incomplete, results.identity(run_dir))
            incomplete.replace(executed)
            for kept in set(run_dir.glob("earlier-*")) - earlier:
                print(f"The run that was in this folder is kept in {kept}")
                earlier.add(kept)
            if finished is not None:
                finished(chapter)


@contextlib.contextmanager
def owned_run(run_dir):
    """Make the folder of a run and own it until the block ends, see `files.locks.owned`.

    Raises
    ------
    UsageError
        If the folder cannot be made, or another process runs chapters into it.
    """
    with contextlib.ExitStack() as stack:
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            stack.enter_context(owned(run_dir))
        except OSError as error:
            raise UsageError(f"--out: cannot write in {run_dir}: {reason(error)}") from None
        except CatdogError as error:
            raise UsageError(f"--out: {error}") from None
        yield


def _run_chapter(chapter, incomplete, parameters, timeout, environment):
    """Run one chapter and check that every cell ran; whatever stops it is named with its place."""
    progress = _Progress(chapter, injected=bool(parameters))
    with progress.bar:
        try:
            with _kernel(chapter.path.parent, environment) as manager:
                papermill.execute_notebook(
                    _escaped(chapter.path),
                    _escaped(incomplete),
                    parameters,
                    km=manager,
                    kernel_name="python3",
                    language="python",
                    progress_bar=False,
                    execution_timeout=timeout,
                    iopub_timeout=60,
                    coalesce_streams=True,
                    on_cell_start=progress.cell_started,
                    on_cell_executed=progress.cell_executed,
                    stdout_file=progress,
                    stderr_file=progress,
                )
            progress.check_all_ran(read_notebook(incomplete).cells)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted in {progress.place()}") from None
        except Exception as error:  # Whatever it is, the chapter has failed.
            kept = f"; partial copy: {incomplete}" if incomplete.exists() else ""
            why = _why(error, timeout)
            raise CatdogError(f"{progress.place()}: {why}{kept}") from None


def _mark_run(executed, identity):
    """Note in an executed copy which run it belongs to: the folder may see another one later."""
    notebook = read_notebook(executed)
    notebook.metadata["catdog_run"] = identity
    nbformat.write(notebook, executed)


def _why(error, timeout):
    """Say in one line why a chapter failed."""
    if isinstance(error, CellTimeoutError):
        return f"ran longer than the limit of {timeout} s; --timeout SECONDS raises it"
    name, message = type(error).__name__, str(error)
    if isinstance(error, papermill.PapermillExecutionError):
        name, message = error.ename, error.evalue
    if name == "CatdogError":
        return " ".join(message.split())
    return textwrap.shorten(f"{name}: {message}".removesuffix(": "), 400, placeholder=" ...")


@contextlib.contextmanager
def _kernel(folder, environment):
    """Start a kernel of this very Python in a folder; end it whatever happens."""
    ensure_event_loop(prefer_selector_loop=True)
    # Without folders to look in, "python3" is the Python that runs this, whatever is registered.
    specifications = KernelSpecManager(kernel_dirs=[])
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specifications)
    now = True
    try:
        run_sync(manager.start_kernel)(
            cwd=str(folder),
            env={
                **os.environ,
                **absolute_environment(),  # the chapter runs in another folder
                "PYTHONWARNINGS": ",".join(sys.warnoptions),  # the caller's -W options
                **(environment or {}),
            },
            stderr=subprocess.DEVNULL,
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
        )
        yield manager
        now = False
    except DeadKernelError as error:
        code = run_sync(manager.provisioner.poll)()
        raise CatdogError(f"the kernel died ({_CAUSES.get(code, f'exit code {code}')})") from error
    finally:
        if manager.has_kernel:
            run_sync(manager.shutdown_kernel)(now=now)


def _escaped(path):
    """Protect braces, which papermill reads as fields to fill in."""
    return str(path).replace("{", "{{").replace("}", "}}")


def executed_copy(chapter, run_dir):
    """Return a chapter's executed copy and its parameters by name, ``(None, {})`` without one.

    Raises
    ------
    CatdogError
        If the file is no notebook.
    """
    path = run_dir / "notebooks" / chapter.path.name
    if not path.exists():
        return None, {}
    notebook = read_notebook(path)
    return notebook, notebook.metadata.get("papermill", {}).get("parameters", {})


class _Progress(io.TextIOBase):
    """Where a chapter is, shown cell by cell; stops it if it exits or prints too much.

    ``cell_started`` and ``cell_executed`` are nbclient's hooks; papermill copies what the cells
    print to this object as to a file.
    """

    def __init__(self, chapter, injected):
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
        reply = execute_reply["content"]
        # IPython's own exit asks its front end to leave, that of Python is an exception.
        asked = any(part.get("source") == "ask_exit" for part in reply.get("payload", []))
        if asked or reply.get("ename") == "SystemExit":
            raise CatdogError("the cell ended the notebook early (exit)")

    def write(self, text):
        self.characters += len(text)
        if self.characters > _OUTPUT_LIMIT:
            raise CatdogError(f"the chapter printed more than {_OUTPUT_LIMIT // 10**6} MB")

    def check_all_ran(self, cells):
        wanted = 0
        for index, cell in enumerate(cells):
            if cell.cell_type == "code" and cell.source.strip():
                wanted, count = wanted + 1, cell.execution_count
                if count != wanted:
                    self.number = self.chapter.cell_number(index, self.injected)
                    raise CatdogError(f"did not run in its turn (count {count}, not {wanted})")
