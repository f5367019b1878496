"""Which files of a folder are images, of which class, and in which split.

There are three layouts: the official one, ``{train,validation}/{cats,dogs}``; Kaggle's,
``cat.0.jpg`` and ``dog.0.jpg`` in one folder; Asirra's, ``PetImages/{Cat,Dog}``. In the first,
``train/`` is for training, every fifth file of each class of ``validation/``, by name, is for the
test, and the rest is for validation. In the others the number in a file's own name decides: 0 at
its end is for the test, 1 and 6 are for validation, and the rest is for training. So a file that is
added moves no other one.
"""

import contextlib
import os
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from catdog_helpers import CatdogError
from catdog_helpers.files.archives import unpack
from catdog_helpers.files.images import SUFFIXES
from catdog_helpers.files.paths import counted, printable, reason

CLASS_NAMES = ("cats", "dogs")
SPLIT_NAMES = ("train", "validation", "test")
_NOUNS = ("cat", "dog")  # one of each class
# Which split the images of a class in a folder go to, in turn, sorted by name (by code points,
# which is the same on every machine).
_IN_TURN = {"train": ("train",), "validation": ("test", *["validation"] * 4)}
# Where folders do not say: the split for each last digit of the number in the name.
_BY_NUMBER = ("test", "validation", *["train"] * 4, "validation", *["train"] * 3)
# Of each class: one image can be scored, but half a training set, as in chapter 5, needs two.
_FEWEST = {"train": 2, "validation": 1, "test": 1}
_EXTREME_RATIO = 4  # always predicting the larger class would be correct in 80 %
# What operating systems, network drives and Jupyter leave in folders of images.
_JUNK = re.compile(
    r"\..*|__MACOSX|Thumbs\.db|desktop\.ini|@eaDir|#recycle|\$RECYCLE\.BIN|lost\+found|"
    r"System Volume Information",
    re.IGNORECASE,
)
# Suffixes of images that are not read, but that nobody means to leave out.
_OTHER_IMAGES = (
    *(".heic", ".heif", ".avif", ".webp", ".tif", ".tiff", ".jpe", ".jfif", ".jp2", ".jxl"),
    *(".svg", ".dng", ".cr2", ".nef", ".arw"),
)
_KAGGLE_NAME = re.compile(r"(cat|dog)\.\d+\.", re.IGNORECASE)
_ARCHIVE_SUFFIXES = (".zip", ".rar", ".7z", ".tar", ".gz")
_EXPECTED = (
    "expected train/ and validation/, each with cats/ and dogs/, or images cat.0.jpg and "
    "dog.0.jpg in one folder, or PetImages/Cat and PetImages/Dog"
)


@dataclass(frozen=True, order=True)
class Problem:
    """Something to know about a file or folder, of the grade "error", "warning" or "note".

    The path is relative to the folder that was checked, with forward slashes; ``"."`` is all of it.
    """

    grade: str
    path: str
    text: str

    def __str__(self):
        return self.text if self.path == "." else f"{printable(self.path)} {self.text}"


@dataclass(frozen=True)
class ImageFile:
    """A file that counts as an image, with its split and its label (0 cats, 1 dogs)."""

    path: Path
    split: str
    label: int


def find_layout(source):
    """Find the folder that has one of the three layouts.

    A folder must have it itself; a zip archive, which is unpacked, may have it anywhere inside.

    Returns
    -------
    (Path, str)
        The folder, and ``"official"``, ``"Kaggle"`` or ``"Asirra"``.

    Raises
    ------
    CatdogError
        If there is none or, in an archive, more than one; names those that are near. Also if
        the archive cannot be unpacked or a folder cannot be read.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise CatdogError(f"no such file or folder: {printable(source)}")
    folder = unpack(source) if source.is_file() else source
    for root in (folder, folder / "PetImages"):
        if root.is_dir() and (layout := _layout(root)):
            return root, layout
    near = _folders_with_layout(folder)
    if source.is_file() and len(near) == 1:
        return near[0], _layout(near[0])
    parents = [] if near else folder.resolve().parents[:2]
    for parent in parents:
        with contextlib.suppress(CatdogError):  # a parent need not be readable
            if _layout(parent):
                near.append(parent)
    hint = f"; did you mean {' or '.join(map(printable, near[:3]))}?" if near else ""
    about = f"{_EXPECTED}; found {_contents(folder)}"
    raise CatdogError(f"{printable(source)} has no known layout: {about}{hint}")


def _layout(folder):
    """Name the layout of a folder, None where it has none."""
    entries = _entries(folder)
    folders = {entry.name for entry in entries if _is_folder(entry)}
    if {"train", "validation"} <= folders:
        return "official"
    if {"Cat", "Dog"} <= folders:
        return "Asirra"
    matches = [_KAGGLE_NAME.match(entry.name) for entry in entries]
    if {match[1].lower() for match in matches if match} == {"cat", "dog"}:
        return "Kaggle"
    return None


def _entries(folder, junk=False):
    """List a folder by name; without `junk`, what operating systems and Jupyter leave behind."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise CatdogError(f"cannot read folder {printable(folder)}: {reason(error)}") from error
    return [entry for entry in found if junk or not _JUNK.fullmatch(entry.name)]


def _is_folder(entry):
    """Whether an entry of a folder is a folder or a link to one; a link to itself is neither."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _folders_with_layout(folder, limit=1000):
    """Look through the folders below, level by level, for those with a layout."""
    found, queue = [], [folder]
    for looked_at in queue:
        with contextlib.suppress(CatdogError):  # a folder that is not needed may be unreadable
            if looked_at is not folder and _layout(looked_at):
                found.append(looked_at)
            elif len(queue) < limit:
                entries = _entries(looked_at)
                queue += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
    return found


def _contents(folder):
    """Describe in words what lies in a folder."""
    entries = _entries(folder)
    folders = [f"{printable(e.name)}/" for e in entries if _is_folder(e)]
    archives = [printable(e.name) for e in entries if e.name.lower().endswith(_ARCHIVE_SUFFIXES)]
    images = sum(e.name.lower().endswith(tuple(SUFFIXES)) for e in entries)
    names = ", ".join((folders + archives)[:8]) or "(none)"
    advice = " (unpack the archive and give its folder)" if archives else ""
    return f"{names}, {counted(images, 'loose image')}{advice}"


def list_images(root, layout):
    """List the images of a folder with a layout (see `find_layout`), without opening them.

    Returns
    -------
    (tuple of ImageFile, tuple of Problem)
        Sorted by name within each class of a split's folder; and what there is to say.

    Raises
    ------
    CatdogError
        If a folder cannot be read.
    """
    listing = _Listing(root)
    if layout == "Kaggle":
        listing.add_kaggle()
    elif layout == "Asirra":
        listing.add_class_folders(root, ("Cat", "Dog"), _BY_NUMBER)
    else:
        for folder in listing.read_folder(root)[0]:
            if folder.name in ("train", "validation"):
                listing.add_class_folders(folder, CLASS_NAMES, _IN_TURN[folder.name])
            else:
                text = "is not used; the test split is every fifth file of validation"
                listing.report("warning", folder, text)
    listing.report_ignored()
    for split, counts in count_images(listing.images).items():
        few, many = sorted(zip(counts.values(), _NOUNS, strict=True))
        if 0 < few[0] * _EXTREME_RATIO < many[0]:
            text = f"{split} is out of balance: {counted(*many)}, {counted(*few)}"
            listing.report("warning", root, text)
    return tuple(listing.images), tuple(listing.problems)


@dataclass
class _Listing:
    """What was found so far in the folder `root`."""

    root: Path
    images: list[ImageFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    junk: Counter = field(default_factory=Counter)
    ignored: Counter = field(default_factory=Counter)

    def report(self, grade, path, text):
        self.problems.append(Problem(grade, path.relative_to(self.root).as_posix(), text))

    def report_ignored(self):
        """Tell of unused files: images of other types in a warning, the rest in notes."""
        others = {name: n for name, n in self.ignored.items() if name.lower() in _OTHER_IMAGES}
        rest = {name: n for name, n in self.ignored.items() if name not in others}
        n_others = counted(sum(others.values()), "image")
        heic = any(name.lower() in (".heic", ".heif") for name in others)
        advice = (
            "convert to JPEG, or for HEIC pip install pillow-heif" if heic else "convert to JPEG"
        )
        for grade, text, tally in (
            ("warning", f"does not use {n_others} of other types, {advice}", others),
            ("note", "ignored system files", self.junk),
            ("note", f"ignored {counted(sum(rest.values()), 'file')}", rest),
        ):
            if tally:
                names = ", ".join(f"{printable(name)} {tally[name]}" for name in sorted(tally))
                self.report(grade, self.root, f"{text}: {names}")

    def add_kaggle(self):
        by_kind = defaultdict(list)
        for path in self.read_folder(self.root)[1]:
            match = _KAGGLE_NAME.match(path.name)
            by_kind[match and match[1].lower()].append(path)
        for label, kind in enumerate(_NOUNS):
            self.add_images(self.root, by_kind[kind], label, _BY_NUMBER)
        if by_kind[None]:
            n = len(by_kind[None])
            text = f"{counted(n, 'image')} {'is' if n == 1 else 'are'} not named cat.N or dog.N"
            self.report("warning", self.root, f"{text} (not used)")

    def read_folder(self, folder):
        """Return folders and images, sorted by name; count what is neither."""
        folders, files = [], []
        for entry in _entries(folder, junk=True):
            path = Path(entry.path)
            if _JUNK.fullmatch(entry.name):
                self.junk["._*" if entry.name.startswith("._") else entry.name] += 1
            elif _is_folder(entry):
                folders.append(path)
            elif path.suffix.lower() in SUFFIXES:
                files.append(path)
            else:
                self.ignored[path.suffix or path.name] += 1
        return folders, files

    def add_class_folders(self, folder, names, rule):
        """Add the images of the classes' folders, and object to any other folder."""
        folders, loose = self.read_folder(folder)
        found = [path.name for path in folders]
        if found != list(names):
            found_text = ", ".join(map(printable, found)) or "(none)"
            text = (
                f"has the wrong classes: expected folders {', '.join(names)} under "
                f"{printable(folder)}, found: {found_text}, {counted(len(loose), 'loose image')}"
            )
            self.report("error", folder, text)
        elif loose:
            outside = counted(len(loose), "image")
            self.report("warning", folder, f"has {outside} outside the class folders (not used)")
        for label, name in enumerate(names):
            if name in found:
                inner, files = self.read_folder(folder / name)
                for path in inner:
                    text = "is a folder inside a class; its files are not used"
                    self.report("warning", path, text)
                self.add_images(folder / name, files, label, rule)

    def add_images(self, folder, paths, label, rule):
        """Deal the images of one class, sorted by name, out to the splits."""
        by_number = rule is _BY_NUMBER
        numbers = [number_in(p.name) for p in paths] if by_number else range(len(paths))
        splits = [rule[number % len(rule)] for number in numbers]
        self.images += map(ImageFile, paths, splits, [label] * len(paths))
        few = [each for each in SPLIT_NAMES if each in rule and splits.count(each) < _FEWEST[each]]
        if not paths:
            self.report("error", folder, "has no images")
        elif few:
            total = counted(len(paths), _NOUNS[label])
            text = f"has {total}, too few for {' and '.join(few)}"
            if by_number:
                text += " (by the numbers in their names: 0 at the end is for the test, 1 and 6 are"
                text += " for validation, all others for training)"
            self.report("error", folder, text)


def number_in(name):
    """Return the number that decides the split of a file where folders do not, an int from 0 on.

    It is the last one in the name, suffix aside; a name without digits gives its checksum.
    """
    digits = re.findall(r"\d+", Path(name).stem)
    if digits:
        return int(digits[-1])
    return zlib.crc32(unicodedata.normalize("NFC", name).encode(errors="surrogateescape"))


def count_images(images):
    """Count images by split and class, all of both: ``{split: {class name: count}}``."""
    counts = {split: dict.fromkeys(CLASS_NAMES, 0) for split in SPLIT_NAMES}
    for image in images:
        counts[image.split][CLASS_NAMES[image.label]] += 1
    return counts
