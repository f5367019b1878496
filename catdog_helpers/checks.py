"""Looks a folder of pictures over before anyone trains on it."""

import hashlib
import json
import os
import re
import stat
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps
from tqdm import tqdm

from catdog_helpers import CatdogError
from catdog_helpers.download import cache_folder, looks_like, unpack

CLASS_NAMES = ("cats", "dogs")
SPLIT_NAMES = ("train", "validation", "test")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
# The suffixes that keras.utils.image_dataset_from_directory takes for pictures.
SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF"}
MAX_PIXELS = Image.MAX_IMAGE_PIXELS  # 89,478,485: 256 MiB as RGB

JUNK = re.compile(r"\..*|__MACOSX|Thumbs\.db|desktop\.ini", re.IGNORECASE)
KAGGLE_NAME = re.compile(r"(cat|dog)\.\d+\.\w+", re.IGNORECASE)
SMALLEST_SIDE = 32
EXTREME_RATIO = 4
EXPECTED = (
    "expected train/ and validation/, each with cats/ and dogs/, or pictures cat.0.jpg and "
    "dog.0.jpg in one folder, or PetImages/Cat and PetImages/Dog"
)


# --- One picture --------------------------------------------------------------------------


def read_picture(path, image_size=None):
    """Decode one picture, upright and in colour; the decoder of every chapter and command.

    The EXIF orientation is applied. Transparency is dropped, not blended; 16 bits keep the
    high byte; of an animation the first frame counts.

    Parameters
    ----------
    path : path-like
        A JPEG, PNG, BMP, GIF or WebP file, whatever its name ends in.
    image_size : int, optional
        Side of the square that the picture is resized to (bilinear, with antialiasing, aspect
        ratio not kept).

    Returns
    -------
    uint8 array, shape (height, width, 3), values 0..255

    Raises
    ------
    CatdogError
        If the file cannot be decoded to its end.
    """
    try:
        with _regular_file(path) as file:
            return _decode(file, image_size)
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise CatdogError(f"{shown(path)} {_diagnosis(path, error)}") from error


def _regular_file(path):
    """Open a file to read; a named pipe would make its reader wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("not a regular file")
    return open(path, "rb")


def _decode(file, image_size=None):
    with Image.open(file, formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"{picture.width}x{picture.height} pixels, the most is {MAX_PIXELS}")
        if image_size is not None:
            # libjpeg shrinks large photos while it decodes them; at twice the size or more
            # the bilinear step that follows hides it.
            picture.draft(None, (2 * image_size, 2 * image_size))
        picture.load()
        if picture.mode.startswith("I"):  # 16 bits, which convert() would clip at 255
            picture = Image.fromarray((np.asarray(picture) >> 8).astype("uint8"))
        picture = ImageOps.exif_transpose(picture).convert("RGB")
        if image_size is not None:
            picture = picture.resize((image_size, image_size), Image.Resampling.BILINEAR)
        return np.asarray(picture)


def _diagnosis(path, error):
    """Say in words why a file cannot be decoded."""
    try:
        with _regular_file(path) as file:
            head = file.read(64)
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError) as unreadable:
        return f"cannot be read: {getattr(unreadable, 'strerror', None) or unreadable}"
    if size == 0:
        return "cannot be decoded: 0 bytes"
    kind = looks_like(head)
    reason = f" ({error})" if kind in FORMATS else ""
    return f"cannot be decoded: looks like {kind}, {size} bytes{reason}"


def shown(path):
    """Write a path in ASCII and on one line, whatever its characters are."""
    return ascii(Path(path).as_posix())[1:-1]


# --- Which files there are ----------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """Something to know about a file or folder, named relative to the root."""

    path: str
    text: str

    def __str__(self):
        return self.text if self.path == "." else f"{shown(self.path)} {self.text}"


@dataclass(frozen=True)
class Picture:
    """A file that counts as a picture, with its split and label (0 cats, 1 dogs)."""

    path: Path
    split: str
    label: int


@dataclass
class Findings:
    """Problems in three grades."""

    errors: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def find_layout(source):
    """Find the folder that has one of the three layouts.

    Parameters
    ----------
    source : path-like
        A folder, which must have the layout itself, or a zip archive, which may have it
        anywhere inside.

    Returns
    -------
    (Path, str)
        The folder, and ``"official"``, ``"Kaggle"`` or ``"Asirra"``.

    Raises
    ------
    CatdogError
        If there is none or, in an archive, more than one; names those that are near.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise CatdogError(f"no such file or folder: {shown(source)}")
    folder = unpack(source) if source.is_file() else source
    pets = folder / "PetImages"
    for root in (folder, pets):
        if root.is_dir() and _layout(root):
            return root, _layout(root)
    below = _folders_with_layout(folder)
    if source.is_file() and len(below) == 1:
        return below[0], _layout(below[0])
    near = below or [p for p in folder.resolve().parents[:2] if _layout(p)]
    hint = f"; did you mean {' or '.join(map(shown, near))}?" if near else ""
    raise CatdogError(
        f"{shown(source)} has no known layout: {EXPECTED}; found {_contents(folder)}{hint}"
    )


def _entries(folder):
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise CatdogError(f"cannot read the folder {shown(folder)}: {error.strerror}") from error


def _layout(folder):
    """Name the layout of a folder, None where it has none."""
    entries = [entry for entry in _entries(folder) if not JUNK.fullmatch(entry.name)]
    folders = {entry.name for entry in entries if entry.is_dir()}
    if {"train", "validation"} <= folders:
        return "official"
    if {"Cat", "Dog"} <= folders:
        return "Asirra"
    matches = [KAGGLE_NAME.fullmatch(entry.name) for entry in entries]
    if {match[1].lower() for match in matches if match} == {"cat", "dog"}:
        return "Kaggle"
    return None


def _folders_with_layout(folder, most=1000):
    """Look through the folders below, level by level, for those with a layout."""
    found, queue = [], [folder]
    for looked_at in queue:
        if looked_at is not folder and _layout(looked_at):
            found.append(looked_at)
        elif len(queue) < most:
            queue += [
                Path(entry.path)
                for entry in _entries(looked_at)
                if entry.is_dir(follow_symlinks=False) and not JUNK.fullmatch(entry.name)
            ]
    return found


def _contents(folder):
    """Describe in words what lies in a folder."""
    entries = _entries(folder)
    folders = [entry.name + "/" for entry in entries if entry.is_dir()]
    archives = [e.name for e in entries if Path(e.name).suffix.lower() in (".zip", ".rar", ".7z")]
    pictures = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in entries)
    names = [ascii(name)[1:-1] for name in (folders + archives)[:8]]
    return f"{', '.join(names) or '(none)'}, {pictures} loose images"


class _Lister:
    """Walks through a folder with a layout and gathers pictures and findings."""

    def __init__(self, root):
        self.root = root
        self.pictures = []
        self.found = Findings()
        self.junk = Counter()
        self.ignored = Counter()

    def name(self, path):
        return Path(path).relative_to(self.root).as_posix()

    def entries(self, folder):
        """List a folder by name, without what operating systems leave behind."""
        entries = _entries(folder)
        junk = [entry.name for entry in entries if JUNK.fullmatch(entry.name)]
        self.junk.update("._*" if name.startswith("._") else name for name in junk)
        return [entry for entry in entries if not JUNK.fullmatch(entry.name)]

    def files(self, entries):
        """Pick the pictures; count the rest by suffix."""
        paths = [Path(entry.path) for entry in entries if not entry.is_dir()]
        self.ignored.update(p.suffix or p.name for p in paths if p.suffix.lower() not in SUFFIXES)
        return [path for path in paths if path.suffix.lower() in SUFFIXES]

    def add(self, paths, label, part, where):
        """Assign the pictures of one class, sorted by name, to their splits."""
        rule = SPLIT_RULES[part]
        splits = [rule[i % len(rule)] for i in range(len(paths))]
        for path, split in zip(paths, splits, strict=True):
            self.pictures.append(Picture(path, split, label))
        missing = sorted(set(rule) - set(splits))
        if not paths:
            self.found.errors.append(Problem(where, "has no images"))
        elif missing:
            text = f"has {len(paths)} of {CLASS_NAMES[label]}, too few for {' and '.join(missing)}"
            self.found.errors.append(Problem(where, text))

    def class_folders(self, folder, names, part):
        """List the folders of the classes, and object to any other folder."""
        entries = self.entries(folder)
        folders = [entry.name for entry in entries if entry.is_dir()]
        loose = len(self.files(entries))
        if sorted(folders) != sorted(names):
            where = self.name(folder)
            text = (
                f"has the wrong classes: expected folders {', '.join(names)} under "
                f"{shown(folder)}, found: {', '.join(map(shown, folders)) or '(none)'}, "
                f"{loose} loose images"
            )
            self.found.errors.append(Problem(where, text))
        elif loose:
            text = f"has {loose} images outside the class folders; they are not used"
            self.found.warnings.append(Problem(self.name(folder), text))
        for label, name in enumerate(names):
            if name in folders:
                self.class_folder(folder / name, label, part)

    def class_folder(self, folder, label, part):
        entries = self.entries(folder)
        for entry in entries:
            if entry.is_dir():
                text = "is a folder inside a class; its files are not used"
                self.found.warnings.append(Problem(self.name(entry.path), text))
        self.add(self.files(entries), label, part, self.name(folder))

    def official(self):
        entries = self.entries(self.root)
        self.files(entries)
        for entry in entries:
            if entry.is_dir() and entry.name not in ("train", "validation"):
                text = "is not used; the test split is every fifth file of validation"
                self.found.warnings.append(Problem(entry.name, text))
        for part in ("train", "validation"):
            self.class_folders(self.root / part, CLASS_NAMES, part)

    def asirra(self):
        self.class_folders(self.root, ("Cat", "Dog"), "all")

    def kaggle(self):
        paths = self.files(self.entries(self.root))
        initials = [path.name[:4].lower() for path in paths]
        for label, initial in enumerate(("cat.", "dog.")):
            mine = [p for p, i in zip(paths, initials, strict=True) if i == initial]
            self.add(mine, label, "all", ".")
        others = len([i for i in initials if i not in ("cat.", "dog.")])
        if others:
            text = f"{others} images are not named cat.N or dog.N; they are not used"
            self.found.warnings.append(Problem(".", text))

    def summary(self):
        """Turn what was counted into notes and warnings."""
        if self.junk:
            self.found.notes.append(Problem(".", f"ignored system files: {_counted(self.junk)}"))
        if self.ignored:
            number = self.ignored.total()
            text = f"ignored {number} file{'s'[: number > 1]}: {_counted(self.ignored)}"
            self.found.notes.append(Problem(".", text))
        for split, counts in count_pictures(self.pictures).items():
            few, many = sorted(counts.items(), key=lambda item: item[1])
            if few[1] and many[1] > EXTREME_RATIO * few[1]:
                text = f"{split} is out of balance: {many[1]} {many[0]}, {few[1]} {few[0]}"
                self.found.warnings.append(Problem(".", text))


# Which split the pictures of one class go to, in turn, sorted by name.
SPLIT_RULES = {
    "train": ("train",),
    "validation": ("test", "validation", "validation", "validation", "validation"),
    # 70, 20 and 10 in a hundred, and one of each from three pictures on.
    "all": ("test", "validation", *["train"] * 4, "validation", *["train"] * 3),
}


def _counted(counter):
    return ", ".join(f"{ascii(name)[1:-1]} {counter[name]}" for name in sorted(counter))


def count_pictures(pictures):
    """Count pictures by split and class, as ``{split: {class name: number}}``."""
    counts = {split: dict.fromkeys(CLASS_NAMES, 0) for split in SPLIT_NAMES}
    for picture in pictures:
        counts[picture.split][CLASS_NAMES[picture.label]] += 1
    return counts


# --- The check ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes
    ----------
    root : Path
        The folder with the layout; the paths of problems are relative to it.
    layout : str
    pictures : tuple of Picture
        All files that count as pictures, bad ones too.
    errors, warnings, notes : tuple of Problem
        In a fixed order.
    """

    root: Path
    layout: str
    pictures: tuple[Picture, ...]
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    notes: tuple[Problem, ...]

    def to_json(self):
        """Return the report as JSON text, in ASCII."""
        grades = {
            grade: [asdict(problem) for problem in getattr(self, grade)]
            for grade in ("errors", "warnings", "notes")
        }
        about = {"root": str(self.root), "layout": self.layout}
        return json.dumps(about | {"pictures": count_pictures(self.pictures)} | grades, indent=2)


def report_lines(report, most=5):
    """Write a report as lines of ASCII text.

    Parameters
    ----------
    report : Report
    most : int
        Of notes with the same text so many are shown; errors and warnings all are.

    Returns
    -------
    list of str
    """
    lines = [f"{len(report.pictures)} pictures in {shown(report.root)} ({report.layout} layout)"]
    for split, counts in count_pictures(report.pictures).items():
        lines.append(f"{split}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    lines += [f"error: {problem}" for problem in report.errors]
    lines += [f"warning: {problem}" for problem in report.warnings]
    seen = Counter()
    for note in report.notes:
        seen[note.text] += 1
        if seen[note.text] <= most:
            lines.append(f"note: {note}")
    lines += [f"note: {n - most} more: {text}" for text, n in seen.items() if n > most]
    numbers = (len(report.errors), len(report.warnings), len(report.notes))
    return [*lines, "{} errors, {} warnings, {} notes".format(*numbers)]


def check(source, *, reuse=False):
    """Look over all pictures of a folder or zip archive; changes no file.

    Every file is decoded by ``read_picture``'s decoder, in parallel.

    Parameters
    ----------
    source : path-like
        See ``find_layout``.
    reuse : bool
        Take over what an earlier check found in the same files (same names, sizes and times
        of change), instead of decoding them again.

    Returns
    -------
    Report

    Raises
    ------
    CatdogError
        If no folder with a layout is found.
    """
    root, layout = find_layout(source)
    lister = _Lister(root)
    getattr(lister, layout.lower())()
    lister.summary()
    memory = _memory(lister) if reuse else None
    found = _recalled(memory)
    if found is None:
        found = _look_over(lister)
        _remember(memory, found)
    grades = [
        tuple(sorted(listed + seen, key=lambda problem: (problem.path, problem.text)))
        for listed, seen in zip(vars(lister.found).values(), vars(found).values(), strict=True)
    ]
    return Report(root, layout, tuple(lister.pictures), *grades)


@dataclass(frozen=True)
class _Look:
    """What one look at a file tells: an error text, or facts about the picture."""

    error: str = ""
    format: str = ""
    sides: tuple = (0, 0)
    turned: bool = False
    digest: bytes = b""


def _look(path):
    """Decode one file and keep no pixels."""
    try:
        path.name.encode("utf-8")
        with _regular_file(path) as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            file.seek(0)
            with Image.open(file, formats=FORMATS) as picture:
                facts = picture.format, picture.size
                turned = picture.getexif().get(0x0112, 1) != 1
            file.seek(0)
            _decode(file)
    except UnicodeEncodeError:
        return _Look(error="has a name that is not valid text; rename it")
    except Exception as error:  # Pillow raises many kinds on damaged files
        return _Look(error=_diagnosis(path, error))
    return _Look("", *facts, turned, digest)


def _look_over(lister):
    """Decode all files of a listing; report them one by one, and then equal ones."""
    found = Findings()
    paths = [picture.path for picture in lister.pictures]
    copies = defaultdict(list)
    with ThreadPool() as pool:
        looks = pool.imap(_look, paths, chunksize=16)
        bar = tqdm(looks, "checking", len(paths), ascii=True, ncols=79, disable=None, leave=False)
        for picture, look in zip(lister.pictures, bar, strict=True):
            _judge(found, lister.name(picture.path), picture.path.suffix.lower(), look)
            if not look.error:
                copies[look.digest].append(picture)
    for pictures in copies.values():
        if len(pictures) > 1:
            _judge_copies(found, pictures, lister.name)
    return found


def _judge(found, name, suffix, look):
    """Grade what one look at a file told."""
    if look.error:
        found.errors.append(Problem(name, look.error))
        return
    if min(look.sides) < SMALLEST_SIDE:
        text = "is tiny: {}x{} pixels".format(*look.sides)
        found.warnings.append(Problem(name, text))
    if look.format != SUFFIXES[suffix]:
        found.notes.append(Problem(name, f"is a {look.format} file by its contents"))
    if look.turned:
        found.notes.append(Problem(name, "is turned upright as its EXIF orientation says"))


def _judge_copies(found, pictures, name):
    """Grade files with the same bytes."""
    first = pictures[0]
    for picture in pictures:
        other = next((p for p in pictures if p.label != picture.label), None)
        if other:
            text = f"has the same bytes as {shown(name(other.path))}, but another label"
            found.errors.append(Problem(name(picture.path), text))
        elif picture.split != first.split:
            text = (
                f"({picture.split}) has the same bytes as {shown(name(first.path))} ({first.split})"
            )
            found.warnings.append(Problem(name(picture.path), text))


# --- What earlier checks found ------------------------------------------------------------


def _memory(lister):
    """Name the file that keeps what a check of exactly these files found."""
    key = hashlib.sha256(Path(__file__).read_bytes() + PIL.__version__.encode())
    for picture in lister.pictures:
        try:
            status = picture.path.stat()
        except OSError:
            return None
        facts = (lister.name(picture.path), picture.split, status.st_size, status.st_mtime_ns)
        key.update(repr(facts).encode())
    try:
        return cache_folder() / "checks" / f"{key.hexdigest()[:24]}.json"
    except CatdogError:  # a check needs no cache folder
        return None


def _recalled(memory):
    if memory is None or not memory.exists():
        return None
    try:
        stored = json.loads(memory.read_text(encoding="utf-8"))
        grades = [[Problem(**problem) for problem in grade] for grade in stored]
        return Findings(*grades)
    except (OSError, ValueError, TypeError):
        return None


def _remember(memory, found):
    if memory is None:
        return
    text = json.dumps([[asdict(p) for p in grade] for grade in vars(found).values()])
    try:
        memory.parent.mkdir(exist_ok=True)
        part = memory.with_suffix(f".{os.getpid()}")
        part.write_text(text, encoding="utf-8")
        os.replace(part, memory)
    except OSError:  # without it the next check only takes longer
        return
