"""The command line of ``runall.py``.

``--help`` must answer at once, so what is slow to import is imported where a run begins.
"""

import argparse
import contextlib
import difflib
import json
import logging
import signal
import sys
import warnings
from pathlib import Path

from catdog_helpers import CatdogError, __version__
from catdog_helpers.files.paths import escape_what_streams_cannot_show
from catdog_helpers.series.chapters import UsageError, read_chapters, read_notebook, typed_value

_OWN_OPTIONS = {"DATA": "--data", "WEIGHTS": "--weights", "RUN_DIR": "--out"}


def main(arguments=None, project=None):
    """Run the command line, by default with the arguments of the process.

    `project` is the folder with ``notebooks/`` and ``runs/``, by default the working directory.
    Returns the exit code: 0 all well, 1 a chapter failed, 2 wrong usage, 130 interrupted.

    Raises
    ------
    SystemExit
        With code 2 if an option is unknown or contradicts another, 0 after ``--help``.
    """
    options = _parse(arguments, project or Path.cwd())
    escape_what_streams_cannot_show()
    try:
        with _signals_interrupt(), warnings.catch_warnings():
            # Those of papermill and its like say nothing about the chapters.
            warnings.simplefilter("ignore")
            for name in ("papermill", "asyncio", "traitlets"):
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            _run(options)
    except UsageError as error:
        message, exit_code = f"error: {error}", 2
    except CatdogError as error:
        message, exit_code = f"failed: {error}", 1
    except KeyboardInterrupt as interrupt:
        message, exit_code = str(interrupt) or "interrupted", 130
    else:
        return 0
    print(message, file=sys.stderr)
    return exit_code


def _parse(arguments, project):
    parser = argparse.ArgumentParser(
        "runall.py", allow_abbrev=False, description="Run the chapters and print their scores."
    )
    add = parser.add_argument
    add("--data", metavar="sample|photos|PATH", help="source of the images (default: sample)")
    add("--weights", metavar="imagenet|drawn|PATH", help="weights of the backbone")
    add("-p", metavar="NAME=VALUE", action="append", default=[], help="set a chapter's parameter")
    add("--only", metavar="01,05", help="run these chapters, on the results of earlier ones")
    add("--out", metavar="RUN_DIR", type=Path, help="folder of the run (default: runs/latest)")
    add("--seeds", metavar="N", type=int, help="run N times, with seeds SEED, SEED + 1, ...")
    add("--cluster", metavar="ADDRESS", help="spread --seeds over the workers of a Dask scheduler")
    add(
        "--handouts",
        action="store_true",
        help="then write all executed chapters of the run as pages for a class, in "
        "RUN_DIR/handouts; with --only 06, from the chapters of an earlier run",
    )
    add("--timeout", metavar="SECONDS", type=int, help="limit for one cell")
    add("--notebooks", metavar="DIR", type=Path, default=project / "notebooks")
    add("--update", action="store_true", help="write the outputs that notebooks/ stores anew")
    add("--version", action="version", version=__version__)
    options = parser.parse_args(arguments)
    options.project = project
    _check_combination(options, parser.error)
    return options


def _check_combination(options, error):
    if options.timeout is not None and options.timeout < 1:
        error("--timeout: must be at least 1 second")
    if options.seeds is not None and options.seeds < 2:
        error("--seeds: must be at least 2; one run needs no --seeds")
    if options.cluster and not options.seeds:
        error("--cluster: only together with --seeds")
    if options.seeds and options.handouts:
        error("--handouts: shows a single run; no --seeds")
    others = ("data", "weights", "p", "out", "seeds", "handouts")
    if options.update and any(getattr(options, name) for name in others):
        error(
            "--update: runs the chapters as they stand; "
            "no --data, --weights, -p, --out, --seeds, --handouts"
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
        # After an interrupt they stay ignored until the process ends; a session goes on.
        for number, handler in before.items():
            if signal.getsignal(number) is interrupt or hasattr(sys, "ps1"):
                signal.signal(number, handler)


def _run(options):
    chapters = read_chapters(options.notebooks.resolve(), options.only)
    run_dir = (options.out or options.project / "runs" / "latest").resolve()
    parameters = _parameters(options, chapters, run_dir)
    _check_data(options, chapters, run_dir, parameters["DATA"])
    # Slow to import, so after all that wrong usage could be told without it.
    from catdog_helpers import results
    from catdog_helpers.series import execution, stored_outputs

    _check_weights(chapters, run_dir, parameters)
    timeout = options.timeout or execution.TIMEOUT
    if options.update:
        stored_outputs.update(chapters, options.project / "runs" / "update", timeout)
        return
    if options.seeds:
        _run_seeds(options, chapters, run_dir, parameters, timeout)
        return
    if options.handouts:
        from catdog_helpers.series import handouts, plan

        try:  # before hours of training, not after them
            handouts.check_replaceable(run_dir / "handouts")
        except CatdogError as error:
            raise UsageError(f"--handouts: {error}") from None
        for chapter in chapters:
            plan.read_parts(chapter.path.stem, read_notebook(chapter.path))
    execution.run_series(chapters, run_dir, parameters, timeout)
    scores = results.score_table(run_dir)
    if not scores.empty:
        print(f"\n{scores.to_string()}\n")
    print(f"Models, scores and executed chapters: {run_dir}")
    if (results.identity(run_dir)["data"] or parameters["DATA"]) == "sample":
        print("On the photos: python runall.py --data photos")
    if options.handouts:
        series = read_chapters(options.notebooks.resolve()) if options.only else chapters
        _write_handouts(series, run_dir)
    elif (run_dir / "handouts" / "student").is_dir():
        print(
            f"The handouts in {run_dir / 'handouts'} show the run before; to make them anew, run "
            "these and all later chapters with --handouts"
        )


def _parameters(options, chapters, run_dir):
    """Collect the values for the chapters' parameters; a name that none of them has is an error."""
    data = _source("--data", options.data or "sample", ("sample", "photos"))
    parameters = {"RUN_DIR": str(run_dir), "DATA": data}
    if options.weights:
        parameters["WEIGHTS"] = _source("--weights", options.weights, ("imagenet", "drawn"))
    defaults = {}
    for chapter in reversed(chapters):  # of a name in several chapters the first default counts
        defaults |= chapter.parameters
    valid = defaults.keys() - set(_OWN_OPTIONS)
    for setting in options.p:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"-p: takes NAME=VALUE, not {setting!r}")
        if name in _OWN_OPTIONS:
            raise UsageError(f"-p: {name} has its own option, {_OWN_OPTIONS[name]}")
        if name not in valid:
            folded = {each.casefold(): each for each in valid}
            close = difflib.get_close_matches(name.casefold(), folded, n=1)
            hint = f"; did you mean {folded[close[0]]}?" if close else "."
            choice = f"Valid: {', '.join(sorted(valid))}"
            raise UsageError(f"-p: no chapter has a parameter {name!r}{hint} {choice}")
        try:
            parameters[name] = typed_value(value, defaults[name], name)
        except ValueError as error:
            raise UsageError(f"-p: {name} {error}") from None
    if parameters.get("DECISIONS"):
        parameters["DECISIONS"] = _decisions(parameters["DECISIONS"])
    return parameters


def _decisions(value):
    """Make the path of a file absolute: chapters run in the folder of their notebooks."""
    path = Path(value).expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"-p: DECISIONS: no file {path}; for none write DECISIONS=")
    return str(path)


def _check_data(options, chapters, run_dir, data):
    """Refuse other data for chapters that take theirs from the run of chapter 1."""
    from catdog_helpers import results

    if not options.data or any("DATA" in chapter.parameters for chapter in chapters):
        return
    stored = results.identity(run_dir)["data"]
    if stored is not None and stored != data:
        raise UsageError(
            f"--data: the run in {run_dir} is on {stored}, and only chapter 01 begins another; "
            "add it to --only, or choose another --out"
        )


def _check_weights(chapters, run_dir, parameters):
    """Have the weights at hand before hours of training: only chapter 5 needs them."""
    from catdog_helpers import results
    from catdog_helpers.files.download import default_weights, fetch_weights, find_weights_fault

    chapter = next((each for each in chapters if "WEIGHTS" in each.parameters), None)
    data = parameters["DATA"]
    if not any("DATA" in each.parameters for each in chapters):
        data = results.identity(run_dir)["data"]
    if chapter is None or data is None:  # the first chapter will say that there is no run
        return
    given = parameters.get("WEIGHTS") or chapter.parameters["WEIGHTS"]
    weights = given or default_weights(data)
    if weights == "imagenet":
        fetch_weights()
    elif weights != "drawn" and (fault := find_weights_fault(chapter.path.parent / weights)):
        option = "--weights" if given else "CATDOG_WEIGHTS"
        raise UsageError(f"{option}: {weights}: {fault}; give a weights file, or --weights drawn")


def _source(option, value, names):
    """Return a name as it is and a path made absolute."""
    if value in names:
        return value
    path = Path(value).expanduser().resolve()
    if not path.exists():
        raise UsageError(f"{option}: no file or folder {path}; use a path, {' or '.join(names)}")
    return str(path)


def _run_seeds(options, chapters, run_dir, parameters, timeout):
    from catdog_helpers.series import execution, seeds

    first = parameters.get("SEED", 0)
    if not any("SEED" in chapter.parameters for chapter in chapters):
        raise UsageError("--seeds: no chapter has a parameter SEED; chapter 01 sets it")
    if not isinstance(first, int) or first < 0:
        raise UsageError(f"-p: SEED is a whole number from 0 with --seeds, not {first!r}")
    numbers = range(first, first + options.seeds)
    resume = options.only is None
    with seeds.map_over(options.cluster) as map, execution.owned_run(run_dir):
        folders = seeds.run_seeds(
            chapters, run_dir, parameters, numbers, timeout, resume=resume, map=map
        )
        _write_statistics(run_dir, folders, numbers, parameters["DATA"])


def _write_statistics(run_dir, folders, numbers, data):
    from catdog_helpers.files.paths import atomic
    from catdog_helpers.series import seeds

    statistics = seeds.seed_statistics(folders)
    models = {
        model: {metric: row[metric].dropna().to_dict() for metric in row.index.levels[0]}
        for model, row in statistics.iterrows()
    }
    findings = seeds.finding_statistics(folders)
    content = {
        "data": data,
        "seeds": list(numbers),
        "models": models,
        "findings": findings.to_dict(orient="index"),
    }
    path = run_dir / "seeds.json"
    with atomic(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if not statistics.empty:
        print(f"\n{statistics.to_string(float_format='{:.1%}'.format, na_rep='')}\n")
    if not findings.empty:
        numbers_only = findings.drop(columns="values")
        print(f"{numbers_only.to_string(float_format='{:.3f}'.format, na_rep='')}\n")
    print(f"Mean and standard deviation over the seeds {numbers[0]} to {numbers[-1]}: {path}")


def _write_handouts(series, run_dir):
    """Write the handouts of those chapters that were executed in this very run.

    A chapter that ran before an earlier one has trained its model anew shows the old model.
    """
    from catdog_helpers import results
    from catdog_helpers.series import execution, handouts

    identity, executed, trained = results.identity(run_dir), {}, ""
    for chapter in series:
        notebook, _ = execution.executed_copy(chapter, run_dir)
        if notebook and notebook.metadata.get("catdog_run") == identity:
            started = notebook.metadata["papermill"]["start_time"]  # in ISO format
            if started < trained:
                continue
            executed[chapter.path.stem] = notebook
            if chapter.path.stem[:2] in results.CHAPTERS.values():
                trained = started
    missing = [chapter.path.stem for chapter in series if chapter.path.stem not in executed]
    if missing:
        print(f"Handouts without {', '.join(missing)}: not executed in this run, with its models")
    # Of a path its last part: the rest is private to the teacher.
    caption = f"Images: {Path(str(identity['data'])).name}. Seed: {identity['seed']}."
    folder = run_dir / "handouts"
    remark = handouts.write_handouts(folder, executed, results.score_table(run_dir), caption)
    print(f"Handouts: {folder}" + (f" ({remark})" if remark else ""))
