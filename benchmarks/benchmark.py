"""Measure the straightforward Keras way against ours, stage by stage.

`straightforward` has what the public tutorials do, with TensorFlow as it comes; `ours` calls the
package as the chapters do. The two take turns, and every measurement has a fresh process of its
own, so that none profits from another's caches or settings and its peak memory is its own.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import ours
import psutil
import straightforward
from job import Job

WAYS = ("theirs", "ours")


@dataclass(frozen=True)
class Stage:
    """One piece of work, done both ways.

    Attributes
    ----------
    title, note : str
        Its name and the remarks in the table.
    theirs, ours : callable
        Generator functions of a `Job`, see the module ``job``; ``theirs`` is None where no
        tutorial has such a stage.
    each : bool
        Whether the table shows milliseconds for each image, instead of seconds for all.
    """

    title: str
    theirs: Callable | None
    ours: Callable
    note: str = ""
    each: bool = False


STAGES = {
    "package": Stage("import the package alone", None, ours.import_package, "loads no TensorFlow"),
    "import": Stage("import all for a chapter", straightforward.import_all, ours.import_all),
    "decode": Stage(
        "decode the training photos",
        straightforward.decode,
        ours.decode,
        "ours: upright, smoothed, once",
    ),
    "plain": Stage("plain epoch", straightforward.plain_epoch, ours.plain_epoch, "after the first"),
    "augmented": Stage(
        "augmented epoch", straightforward.augmented_epoch, ours.augmented_epoch, "after the first"
    ),
    "features": Stage(
        "features of the training photos",
        straightforward.extract_features,
        ours.extract_features,
        "ours on 192 pixels",
    ),
    "head": Stage(
        "head epoch, frozen backbone",
        straightforward.head_epoch,
        ours.head_epoch,
        "ours: on features",
    ),
    "transfer": Stage(
        "transfer learning",
        straightforward.transfer_learning,
        ours.transfer_learning,
        "theirs: 20 x one epoch; ours: also mirror images",
    ),
    "fine-tuning": Stage(
        "fine-tuning epoch",
        straightforward.fine_tuning_epoch,
        ours.fine_tuning_epoch,
        "ours: also mirror images",
    ),
    "prediction": Stage(
        "prediction, a photo",
        straightforward.predict,
        ours.predict,
        "ours on 192 pixels",
        each=True,
    ),
    "check": Stage(
        "check the photos",
        straightforward.check_photos,
        ours.check_photos,
        "ours also finds copies",
    ),
    "drawing": Stage(
        "drawing, an image",
        ours.draw_in_one_process,
        ours.draw_sample,
        "theirs: in one process",
        each=True,
    ),
    "series": Stage(
        "the blog post's series",
        straightforward.run_series,
        ours.run_series,
        "theirs: 20 x one epoch, on full images",
    ),
}


def measure(stage, way, job):
    """Run one way of a stage in this process.

    Parameters
    ----------
    stage : str
        A key of `STAGES`.
    way : str
        One of `WAYS`.
    job : Job

    Returns
    -------
    dict
        ``seconds``; ``images``, the number that was worked on; ``peak_memory`` in bytes.
    """
    steps = getattr(STAGES[stage], way)(job)
    next(steps)
    start = time.perf_counter()
    work = next(steps)
    seconds = time.perf_counter() - start + work.added
    return {"seconds": seconds, "images": work.images, "peak_memory": peak_memory()}


def peak_memory():
    """Return the most bytes of memory that this process has had; its children do not count."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


class MeasurementError(Exception):
    """A measurement that failed; the message is one line."""


def measure_apart(stage, way, job):
    """Run one way of a stage in a fresh process, with TensorFlow's options as they come.

    Parameters and what it returns are those of `measure`.

    Raises
    ------
    MeasurementError
        If that process fails, with the last line of what it wrote to standard error.
    """
    arguments = ["--measure", stage, way, "--photos", job.photos, "--weights", job.weights]
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        env=environment | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise MeasurementError(f"{stage}, {way}: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_all(stages, job, repeats):
    """Let the ways of each stage take turns; prints each measurement to standard error.

    Returns
    -------
    dict
        ``{stage: {way: list of measurements}}``, see `measure`.

    Raises
    ------
    MeasurementError
        As `measure_apart`.
    """
    measured = {}
    for stage in stages:
        ways = [way for way in WAYS if getattr(STAGES[stage], way)]
        measured[stage] = {way: [] for way in ways}
        for _ in range(repeats):
            for way in ways:
                result = measure_apart(stage, way, job)
                measured[stage][way].append(result)
                print(f"{stage}, {way}: {result['seconds']:.2f} s", file=sys.stderr, flush=True)
    return measured


def summary(stage, measured):
    """Sum up the measurements of one stage.

    Parameters
    ----------
    stage : str
    measured : dict
        ``{way: list of measurements}``, see `measure`.

    Returns
    -------
    dict
        ``title``; ``note``; ``ratio`` of the medians, None without their way; and for each way
        ``unit`` ("s", or "ms" for each image), ``median``, ``range``, ``values``,
        ``peak_memory`` (the highest, in bytes) and ``images``.
    """
    each, ways = STAGES[stage].each, {}
    for way, results in measured.items():
        values = [
            1000 * one["seconds"] / one["images"] if each else one["seconds"] for one in results
        ]
        ways[way] = {
            "unit": "ms" if each else "s",
            "median": statistics.median(values),
            "range": [min(values), max(values)],
            "peak_memory": max(one["peak_memory"] for one in results),
            "images": results[0]["images"],
            "values": values,
        }
    ratio = ways["theirs"]["median"] / ways["ours"]["median"] if "theirs" in ways else None
    return {"title": STAGES[stage].title, "note": STAGES[stage].note, "ratio": ratio, **ways}


def machine():
    """Describe the machine in one line."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # another system, or another kind of processor
        processor = platform.processor() or platform.machine()
    # Inside the function: the straightforward way runs without the package.
    from catdog_helpers import n_cpus

    facts = [
        platform.platform(),
        processor,
        f"{n_cpus()} cores",
        f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        f"Python {platform.python_version()}",
        *(f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras")),
    ]
    return ", ".join(facts)


def table(summaries, repeats):
    """Write summaries, ``{stage: summary}``, as a Markdown table with the machine below it."""
    rows = [["stage", "straightforward", "ours", "ratio", "peak memory", "remarks"], ["---"] * 6]
    for result in summaries.values():
        ways = [result.get(way) for way in WAYS]
        times = [_time_text(way) if way else "" for way in ways]
        ratio = f"{result['ratio']:.1f}" if result["ratio"] else ""
        peaks = " / ".join(f"{way['peak_memory'] / 1e9:.2f}" for way in ways if way)
        rows.append([result["title"], *times, ratio, f"{peaks} GB", result["note"]])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    about = f"Median of {repeats} (lowest to highest), each in a process of its own."
    return "\n".join([*lines, "", f"{about} {machine()}."])


def _time_text(way):
    values = [way["median"], *way["range"]]
    median, low, high = (f"{value:.0f}" if value >= 100 else f"{value:#.3g}" for value in values)
    return f"{median} {way['unit']} ({low} to {high})"


def _parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", required=True, metavar="PATH", help="folder or zip archive")
    parser.add_argument("--weights", required=True, metavar="PATH", help="MobileNetV2 without top")
    parser.add_argument("--json", metavar="FILE", help="also write all numbers there")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--only", metavar="STAGE,...", help=", ".join(STAGES))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _checked(options):
    """Return the stages and the job that were asked for, or raise ValueError with one line."""
    from catdog_helpers.files.layouts import find_layout

    stages = options.only.split(",") if options.only else list(STAGES)
    if unknown := ", ".join(name for name in stages if name not in STAGES):
        raise ValueError(f"no stage {unknown}; there are {', '.join(STAGES)}")
    if options.repeats < 1:
        raise ValueError(f"--repeats is {options.repeats}; give 1 or more")
    if options.weights != "imagenet" and not Path(options.weights).is_file():
        raise ValueError(f"no weights file at {options.weights}; give its path, or imagenet")
    root, layout = find_layout(options.photos)
    if layout.name != "official":
        raise ValueError(f"{options.photos} has the {layout.name} layout; give the official one")
    return stages, Job(root.resolve(), options.weights)


def main(arguments=None):
    """Measure and print.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the command line where left out.

    Returns
    -------
    int
        The exit code: 0, 1 if a measurement failed, 2 for bad input.
    """
    options = _parse(arguments)
    if options.measure:
        job = Job(Path(options.photos), options.weights)
        print(json.dumps(measure(*options.measure, job)))
        return 0
    from catdog_helpers import CatdogError

    # An archive is unpacked into a cache folder of our own, so that nothing stays behind.
    with tempfile.TemporaryDirectory() as cache, patch.dict(os.environ, CATDOG_CACHE=cache):
        try:
            stages, job = _checked(options)
            measured = measure_all(stages, job, options.repeats)
        except (CatdogError, MeasurementError, ValueError) as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return 1 if isinstance(error, MeasurementError) else 2
    summaries = {stage: summary(stage, ways) for stage, ways in measured.items()}
    print(table(summaries, options.repeats))
    if options.json:
        about = {"machine": machine(), "repeats": options.repeats, "stages": summaries}
        Path(options.json).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
