"""Looks a folder of images over before anyone trains on it."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

from tqdm import tqdm

from catdog_helpers import n_cpus
from catdog_helpers.files.images import SUFFIXES, inspect_image
from catdog_helpers.files.layouts import (
    ImageFile,
    Layout,
    Problem,
    count_images,
    count_text,
    find_layout,
    list_images,
)
from catdog_helpers.files.paths import counted, printable

_SMALLEST_SIDE = 32  # pixels
_TINY, _SAME_BYTES = "is tiny", "has the same bytes as"


@dataclass(frozen=True)
class Report:
    """What a check found in the folder ``root``, which the paths of problems are relative to.

    The images are all files that count as such, bad ones too. The problems are in a fixed order.
    """

    root: Path
    layout: Layout | None
    images: tuple[ImageFile, ...]
    problems: tuple[Problem, ...]

    @property
    def errors(self):
        """What keeps the images from being used: tuple of Problem."""
        return tuple(problem for problem in self.problems if problem.grade == "error")

    @property
    def warnings(self):
        """What makes scores misleading: tuple of Problem."""
        return tuple(problem for problem in self.problems if problem.grade == "warning")

    @property
    def notes(self):
        """What is unusual, but harmless: tuple of Problem."""
        return tuple(problem for problem in self.problems if problem.grade == "note")

    def counts(self):
        """Count the images by split and class, see `count_images`; empty without a layout."""
        return count_images(self.images, self.layout.class_names) if self.layout else {}

    def to_json(self):
        """Return the report as JSON text, in ASCII."""
        about = {"root": str(self.root), "layout": self.layout and self.layout.name}
        about["images"] = self.counts()
        for grade in ("errors", "warnings", "notes"):
            about[grade] = [{"path": p.path, "text": p.text} for p in getattr(self, grade)]
        return json.dumps(about, indent=2)


def report_lines(report, limit=5):
    """Write a report as lines of text: errors, then warnings, then notes.

    Of notes with the same text, copies of one file and tiny images at most `limit` are shown; all
    other errors and warnings are.
    """
    images = counted(len(report.images), "image")
    lines = [f"{images} in {printable(report.root)} ({report.layout.name} layout)"]
    for split, counts in report.counts().items():
        texts = [count_text(n, name) for name, n in counts.items()]
        lines.append(f"{split}: {', '.join(texts)}")
    for problems in (report.errors, report.warnings, report.notes):
        seen = Counter()
        for problem in problems:
            repeated = _repeated(problem)
            seen[repeated] += 1
            if repeated is None or seen[repeated] <= limit:
                lines.append(f"{problem.grade}: {problem}")
        more = {text: n - limit for text, n in seen.items() if text and n > limit}
        lines += [f"{problems[0].grade}: {n} more: {text}" for text, n in more.items()]
    graded = [len(report.errors), len(report.warnings), len(report.notes)]
    return [*lines, ", ".join(map(counted, graded, ("error", "warning", "note")))]


def _repeated(problem):
    """Return what many problems may have in common; None for one that is always shown."""
    if problem.text.startswith(_TINY):
        return _TINY
    return problem.text if problem.grade == "note" or _SAME_BYTES in problem.text else None


def check(source):
    """Look over all images of a folder or zip archive (see `find_layout`); return a `Report`.

    Every file is decoded as `read_image` decodes it, in parallel. No file is changed.

    Raises
    ------
    CatdogError
        If no folder with a layout is found, or a folder cannot be read.
    """
    root, layout = find_layout(source)
    images, problems = list_images(root, layout)
    names = [image.path.relative_to(root).as_posix() for image in images]
    problems, same_bytes = list(problems), defaultdict(list)
    with ThreadPool(n_cpus()) as pool:
        results = pool.imap(_check_file, zip(images, names, strict=True), chunksize=16)
        options = {"ascii": True, "ncols": 79, "disable": None, "leave": False}
        bar = tqdm(results, "checking", len(images), **options)
        for image, name, (sha256, found) in zip(images, names, bar, strict=True):
            problems += found
            if sha256 is not None:
                same_bytes[sha256].append((image, name))
    for copies in same_bytes.values():
        problems += _check_copies(copies)
    return Report(root, layout, images, tuple(sorted(problems)))


def _check_file(image_and_name):
    """Return the SHA-256 of a file, None where it cannot be decoded; and its problems."""
    image, name = image_and_name
    try:
        image.path.name.encode("utf-8")
        file_format, size, turned, sha256 = inspect_image(image.path)
    except UnicodeEncodeError:
        return None, [Problem("error", name, "has a name that is not valid text; rename it")]
    except ValueError as error:
        return None, [Problem("error", name, str(error))]
    problems = []
    if min(size) < _SMALLEST_SIDE:
        problems.append(Problem("warning", name, "{}: {}x{} pixels".format(_TINY, *size)))
    if file_format != SUFFIXES[image.path.suffix.lower()]:
        problems.append(Problem("note", name, f"is a {file_format} file by its contents"))
    if turned:
        problems.append(Problem("note", name, "is turned upright, as its EXIF orientation says"))
    return sha256, problems


def _check_copies(copies):
    """Yield the problems of files with the same bytes, given as pairs of image and name."""
    first, first_name = copies[0]
    for image, name in copies:
        other = next((other for copy, other in copies if copy.label != image.label), None)
        if other:
            text = f"{_SAME_BYTES} {printable(other)}, but another label"
            yield Problem("error", name, text)
    if len({image.label for image, _ in copies}) > 1:
        return
    elsewhere = [(image, name) for image, name in copies if image.split != first.split]
    if elsewhere:  # one warning for all of them: a placeholder may be there a hundred times
        image, name = elsewhere[0]
        more = f", and so have {counted(len(elsewhere) - 1, 'more file')}" if elsewhere[1:] else ""
        text = f"({image.split}) {_SAME_BYTES} {printable(first_name)} ({first.split})"
        yield Problem("warning", name, f"{text}{more}")
