"""Looks a folder of pictures over before anyone trains on it."""

import contextlib
import hashlib
import json
import os
import re
import stat
import warnings
from collections import Counter, defaultdict
from dataclasses import astuple, dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import PIL
from PIL import ExifTags, Image
from tqdm import tqdm

from catdog_helpers import CatdogError
from catdog_helpers.download import cache_folder, looks_like, unpack

CLASS_NAMES = ("cats", "dogs")
SPLIT_NAMES = ("train", "validation", "test")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
# A photo of one's own may come in more; a data set may not, since other tools can't read them.
PHOTO_FORMATS = (*FORMATS, "TIFF", "AVIF")
# The suffixes that keras.utils.image_dataset_from_directory takes for pictures.
SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF"}
# What makes a picture upright, by its orientation (EXIF 2.32, tag 0x0112).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MAX_PIXELS = Image.MAX_IMAGE_PIXELS  # 89,478,485: 256 MiB as RGB

# A picture with a damaged EXIF block is decoded all the same; some of the Asirra photos have one.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

JUNK = re.compile(r"\..*|__MACOSX|Thumbs\.db|desktop\.ini", re.IGNORECASE)
KAGGLE_NAME = re.compile(r"(cat|dog)\.\d+\.", re.IGNORECASE)
ARCHIVE_SUFFIXES = (".zip", ".rar", ".7z", ".tar", ".gz")
SMALLEST_SIDE = 32  # pixels
EXTREME_RATIO = 4  # always answering with the larger class would be right in 80 %
# Which split the pictures of a class go to, in turn, sorted by name (by code points, which is
# the same on every machine). "all" is 70, 20 and 10 in a hundred, and one of each from three on.
SPLIT_RULES = {
    "train": ("train",),
    "validation": ("test", *["validation"] * 4),
    "all": ("test", "validation", *["train"] * 4, "validation", *["train"] * 3),
}
EXPECTED = (
    "expected train/ and validation/, each with cats/ and dogs/, or pictures cat.0.jpg and "
    "dog.0.jpg in one folder, or PetImages/Cat and PetImages/Dog"
)


# --- One picture --------------------------------------------------------------------------


def read_picture(path, image_size=None, formats=FORMATS):
    """Decode one picture, upright and in colour; the decoder of every chapter and command.

    The EXIF orientation is applied. Transparency is dropped, not blended; 16 bits keep the
    high byte; of an animation the first frame counts.

    Parameters
    ----------
    path : path-like
        A file in one of the formats, whatever its name ends in.
    image_size : int, optional
        Side of the square that the picture is resized to (bilinear, with antialiasing, aspect
        ratio not kept).
    formats : sequence of str
        Pillow's names of the formats to take; `PHOTO_FORMATS` for more than a data set may have.

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
            return _decode(file, image_size, formats)
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise CatdogError(f"{shown(path)} {_diagnosis(path, error)}") from error


def _regular_file(path):
    """Open a file to read; a named pipe would make its reader wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("not a regular file")
    return open(path, "rb")


def _decode(file, image_size=None, formats=FORMATS):
    with Image.open(file, formats=formats) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"{picture.width}x{picture.height} pixels, the most is {MAX_PIXELS}")
        if image_size is not None:
            # libjpeg shrinks large photos while it decodes them; at twice the size or more
            # the bilinear step that follows hides it.
            picture.draft(None, (2 * image_size, 2 * image_size))
        picture.load()
        turn = _turn(picture)
        if picture.mode.startswith("I"):  # 16 bits, which convert() would clip at 255
            picture = Image.fromarray((np.asarray(picture) >> 8).astype("uint8"))
        picture = picture.convert("RGB")
        if image_size is not None:
            picture = picture.resize((image_size, image_size), Image.Resampling.BILINEAR)
        return np.asarray(picture if turn is None else picture.transpose(turn))


def _turn(picture):
    """Return the transposition that makes a picture upright, None where there is nothing to do.

    ``PIL.ImageOps.exif_transpose`` fails on some damaged EXIF blocks, which it writes anew.
    """
    try:
        return UPRIGHT.get(picture.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # a damaged block; the pixels are what counts
        return None


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


@dataclass(frozen=True, order=True)
class Problem:
    """Something to know about a file or folder.

    Attributes
    ----------
    grade : str
        ``"error"``, ``"warning"`` or ``"note"``.
    path : str
        Relative to the folder that was checked, with forward slashes; ``"."`` for all of it.
    text : str
    """

    grade: str
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
    found = [root for root in (folder, folder / "PetImages") if root.is_dir() and _layout(root)]
    near = found[:1] or _folders_with_layout(folder)
    if found or (source.is_file() and len(near) == 1):
        return near[0], _layout(near[0])
    near = near or _parents_with_layout(folder)
    hint = f"; did you mean {' or '.join(map(shown, near[:3]))}?" if near else ""
    about = f"{EXPECTED}; found {_contents(folder)}"
    raise CatdogError(f"{shown(source)} has no known layout: {about}{hint}")


def _layout(folder):
    """Name the layout of a folder, None where it has none."""
    entries = _entries(folder)
    folders = {entry.name for entry in entries if entry.is_dir()}
    if {"train", "validation"} <= folders:
        return "official"
    if {"Cat", "Dog"} <= folders:
        return "Asirra"
    matches = [KAGGLE_NAME.match(entry.name) for entry in entries]
    if {match[1].lower() for match in matches if match} == {"cat", "dog"}:
        return "Kaggle"
    return None


def _entries(folder):
    """List a folder by name, without what operating systems and Jupyter leave behind."""
    return [entry for entry in _all_entries(folder) if not JUNK.fullmatch(entry.name)]


def _all_entries(folder):
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise CatdogError(f"cannot read the folder {shown(folder)}: {error.strerror}") from error


def _folders_with_layout(folder, most=1000):
    """Look through the folders below, level by level, for those with a layout."""
    found, queue = [], [folder]
    for looked_at in queue:
        if looked_at is not folder and _layout(looked_at):
            found.append(looked_at)
        elif len(queue) < most:
            entries = _entries(looked_at)
            queue += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
    return found


def _parents_with_layout(folder):
    found = []
    for parent in folder.resolve().parents[:2]:
        with contextlib.suppress(CatdogError):  # a parent need not be readable
            found += [parent] if _layout(parent) else []
    return found


def _contents(folder):
    """Describe in words what lies in a folder."""
    entries = _entries(folder)
    folders = [entry.name + "/" for entry in entries if entry.is_dir()]
    archives = [e.name for e in entries if Path(e.name).suffix.lower() in ARCHIVE_SUFFIXES]
    pictures = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in entries)
    names = [ascii(name)[1:-1] for name in (folders + archives)[:8]]
    advice = " (unpack the archive and give its folder)" if archives else ""
    return f"{', '.join(names) or '(none)'}, {pictures} loose images{advice}"


class _Listing:
    """The pictures of a folder with a layout, and what there is to say without opening them."""

    def __init__(self, root, layout):
        self.root = root
        self.pictures = []
        self.problems = []
        self.junk = Counter()
        self.ignored = Counter()
        {"official": self.official, "Asirra": self.asirra, "Kaggle": self.kaggle}[layout]()
        self.note_ignored()
        self.warn_of_imbalance()

    def name(self, path):
        return Path(path).relative_to(self.root).as_posix()

    def add_problem(self, grade, path, text):
        self.problems.append(Problem(grade, self.name(path), text))

    def official(self):
        folders, _ = self.contents(self.root)
        for folder in folders:
            if folder.name not in ("train", "validation"):
                text = "is not used; the test split is every fifth file of validation"
                self.add_problem("warning", folder, text)
        for part in ("train", "validation"):
            self.class_folders(self.root / part, CLASS_NAMES, SPLIT_RULES[part])

    def asirra(self):
        self.class_folders(self.root, ("Cat", "Dog"), SPLIT_RULES["all"])

    def kaggle(self):
        _, files = self.contents(self.root)
        matches = [KAGGLE_NAME.match(path.name) for path in files]
        kinds = [match and match[1].lower() for match in matches]
        for label, kind in enumerate(("cat", "dog")):
            paths = [path for path, found in zip(files, kinds, strict=True) if found == kind]
            self.add_pictures(self.root, paths, label, SPLIT_RULES["all"])
        if None in kinds:
            text = f"{kinds.count(None)} images are not named cat.N or dog.N; they are not used"
            self.add_problem("warning", self.root, text)

    def contents(self, folder):
        """Return folders and pictures, sorted by name; count what is neither."""
        entries = _all_entries(folder)
        junk = [entry.name for entry in entries if JUNK.fullmatch(entry.name)]
        self.junk.update("._*" if name.startswith("._") else name for name in junk)
        entries = [entry for entry in entries if not JUNK.fullmatch(entry.name)]
        files = [Path(entry.path) for entry in entries if not entry.is_dir()]
        others = [path for path in files if path.suffix.lower() not in SUFFIXES]
        self.ignored.update(path.suffix or path.name for path in others)
        folders = [Path(entry.path) for entry in entries if entry.is_dir()]
        return folders, [path for path in files if path.suffix.lower() in SUFFIXES]

    def class_folders(self, folder, names, rule):
        """List the folders of the classes, and object to any other folder."""
        folders, loose = self.contents(folder)
        found = [path.name for path in folders]
        if found != list(names):
            found_text = ", ".join(map(shown, found)) or "(none)"
            text = (
                f"has the wrong classes: expected folders {', '.join(names)} under "
                f"{shown(folder)}, found: {found_text}, {len(loose)} loose images"
            )
            self.add_problem("error", folder, text)
        elif loose:
            text = f"has {len(loose)} images outside the class folders; they are not used"
            self.add_problem("warning", folder, text)
        for label, name in enumerate(names):
            if name in found:
                self.class_folder(folder / name, label, rule)

    def class_folder(self, folder, label, rule):
        folders, files = self.contents(folder)
        for inner in folders:
            text = "is a folder inside a class; its files are not used"
            self.add_problem("warning", inner, text)
        self.add_pictures(folder, files, label, rule)

    def add_pictures(self, folder, paths, label, rule):
        """Deal the pictures of one class, sorted by name, out to the splits."""
        splits = [rule[i % len(rule)] for i in range(len(paths))]
        pairs = zip(paths, splits, strict=True)
        self.pictures += [Picture(path, split, label) for path, split in pairs]
        missing = [split for split in SPLIT_NAMES if split in rule and split not in splits]
        if not paths:
            self.add_problem("error", folder, "has no images")
        elif missing:
            text = f"has {len(paths)} {CLASS_NAMES[label]}, too few for {' and '.join(missing)}"
            self.add_problem("error", folder, text)

    def note_ignored(self):
        number = self.ignored.total()
        if self.junk:
            self.add_problem("note", self.root, f"ignored system files: {_counted(self.junk)}")
        if number:
            text = f"ignored {number} file{'s'[: number > 1]}: {_counted(self.ignored)}"
            self.add_problem("note", self.root, text)

    def warn_of_imbalance(self):
        for split, counts in count_pictures(self.pictures).items():
            (few, fewest), (many, most) = sorted(counts.items(), key=lambda item: item[1])
            if 0 < fewest * EXTREME_RATIO < most:
                text = f"{split} is out of balance: {most} {many}, {fewest} {few}"
                self.add_problem("warning", self.root, text)


def _counted(counter):
    return ", ".join(f"{shown(name)} {counter[name]}" for name in sorted(counter))


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
    problems : tuple of Problem
        In a fixed order.
    """

    root: Path
    layout: str
    pictures: tuple[Picture, ...]
    problems: tuple[Problem, ...]

    @property
    def errors(self):
        """What keeps the pictures from being used."""
        return self._graded("error")

    @property
    def warnings(self):
        """What makes scores misleading."""
        return self._graded("warning")

    @property
    def notes(self):
        """What is as it should not be, and harmless."""
        return self._graded("note")

    def _graded(self, grade):
        return tuple(problem for problem in self.problems if problem.grade == grade)

    def to_json(self):
        """Return the report as JSON text, in ASCII."""
        about = {"root": str(self.root), "layout": self.layout}
        about["pictures"] = count_pictures(self.pictures)
        for grade in ("errors", "warnings", "notes"):
            about[grade] = [{"path": p.path, "text": p.text} for p in getattr(self, grade)]
        return json.dumps(about, indent=2)


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
    seen = Counter()
    for problem in report.problems:
        seen[problem.text] += 1
        if problem.grade != "note" or seen[problem.text] <= most:
            lines.append(f"{problem.grade}: {problem}")
    texts = dict.fromkeys(note.text for note in report.notes)
    lines += [f"note: {seen[text] - most} more: {text}" for text in texts if seen[text] > most]
    counts = [len(report.errors), len(report.warnings), len(report.notes)]
    return [*lines, "{} errors, {} warnings, {} notes".format(*counts)]


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
    listing = _Listing(root, layout)
    memory = _memory(listing) if reuse else None
    problems = _recalled(memory)
    if problems is None:
        problems = _look_at_all(listing)
        _remember(memory, problems)
    problems = tuple(sorted(listing.problems + problems))
    return Report(root, layout, tuple(listing.pictures), problems)


@dataclass(frozen=True)
class _Look:
    """What one look at a file tells: an error, or facts about the picture."""

    error: str = ""
    format: str = ""
    size: tuple[int, int] = (0, 0)
    turned: bool = False
    digest: bytes = b""


def _look(path):
    """Decode one file to its end and keep no pixels."""
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError:
        return _Look("has a name that is not valid text; rename it")
    try:
        with _regular_file(path) as file:
            _decode(file)
            with Image.open(file, formats=FORMATS) as picture:
                facts = picture.format, picture.size, _turn(picture) is not None
                file.seek(0)
                return _Look("", *facts, hashlib.file_digest(file, "sha256").digest())
    except Exception as error:  # Pillow raises many kinds on damaged files
        return _Look(_diagnosis(path, error))


def _look_at_all(listing):
    """Decode all files of a listing; report on each, and on those with the same bytes."""
    paths = [picture.path for picture in listing.pictures]
    problems, same_bytes = [], defaultdict(list)
    with ThreadPool() as pool:
        looks = pool.imap(_look, paths, chunksize=16)
        bar = tqdm(looks, "checking", len(paths), ascii=True, ncols=79, disable=None, leave=False)
        for picture, look in zip(listing.pictures, bar, strict=True):
            problems += _judge(look, listing.name(picture.path))
            if not look.error:
                same_bytes[look.digest].append(picture)
    for pictures in same_bytes.values():
        problems += _judge_copies(pictures, listing.name)
    return problems


def _judge(look, name):
    """Yield the problems of one file."""
    if look.error:
        yield Problem("error", name, look.error)
        return
    if min(look.size) < SMALLEST_SIDE:
        yield Problem("warning", name, "is tiny: {}x{} pixels".format(*look.size))
    if look.format != SUFFIXES[Path(name).suffix.lower()]:
        yield Problem("note", name, f"is a {look.format} file by its contents")
    if look.turned:
        yield Problem("note", name, "is turned upright, as its EXIF orientation says")


def _judge_copies(pictures, name):
    """Yield the problems of files with the same bytes."""
    first = pictures[0]
    for picture in pictures:
        other = next((p for p in pictures if p.label != picture.label), None)
        if other:
            text = f"has the same bytes as {shown(name(other.path))}, but another label"
            yield Problem("error", name(picture.path), text)
        elif picture.split != first.split:
            text = f"({picture.split}) has the same bytes as {shown(name(first.path))}"
            yield Problem("warning", name(picture.path), f"{text} ({first.split})")


# --- What earlier checks found ------------------------------------------------------------


def _memory(listing):
    """Name the file that keeps what a check of exactly these files found, by this code."""
    about = (PIL.__version__, str(listing.root.resolve()))
    key = hashlib.sha256(Path(__file__).read_bytes() + repr(about).encode())
    try:
        for picture in listing.pictures:
            status = picture.path.stat()
            facts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            key.update(repr((listing.name(picture.path), facts)).encode())
        return cache_folder() / "checks" / f"{key.hexdigest()[:24]}.json"
    except (OSError, CatdogError):  # a link to nothing; no cache, which a check can do without
        return None


def _recalled(memory):
    if memory is None or not memory.exists():
        return None
    try:
        return [Problem(*facts) for facts in json.loads(memory.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):  # damaged: as if it were not there
        return None


def _remember(memory, problems):
    if memory is None:
        return
    with contextlib.suppress(OSError):  # without it the next check only takes longer
        memory.parent.mkdir(exist_ok=True)
        part = memory.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(list(map(astuple, problems))), encoding="utf-8")
        os.replace(part, memory)
