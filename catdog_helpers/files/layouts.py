"""Which files of a folder are images, of which class, and in which split.

There are three layouts. With splits, ``{train,validation,test}/<class>/``, of which one other than
``train`` may be missing. Plain, ``<class>/``, one folder for each class, which may all lie in a
folder ``PetImages`` as in Asirra's archive. Kaggle's, ``cat.0.jpg`` and ``dog.0.jpg`` in one
folder. The folders name the classes, two to ten of them; cats and dogs in any usual spelling are
always 0 and 1.

Where there is no ``test/``, every fifth file of each class of ``validation/``, by name, is for the
test. Where the folders do not say at all, the number in a file's own name decides: 0 at its end is
for the test, 1 and 6 are for validation, and the rest is for training. So a file that is added
moves no other one. Where only ``validation/`` is missing, it gets the files of ``train/`` with 1
and 6.
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
MOST_CLASSES = 10
# Names of the folders of splits, in any mix of upper and lower case.
_SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training", "training_set"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "validation_set"), "validation"),
    **dict.fromkeys(("test", "testing", "test_set"), "test"),
}
# Which split the images of a class in a folder go to, in turn, sorted by name (by code points,
# which is the same on every machine).
_IN_TURN = ("test", *["validation"] * 4)
# Where folders do not say: the split for each last digit of the number in the name.
_BY_NUMBER = ("test", "validation", *["train"] * 4, "validation", *["train"] * 3)
_BY_NUMBER_WITHOUT_TEST = ("train", *_BY_NUMBER[1:])
# Of each class: one image can be scored, but half a training set, as in chapter 5, needs two.
FEWEST = {"train": 2, "validation": 1, "test": 1}
_EXTREME_RATIO = 4  # always predicting the larger class would be correct in 80 %
# What operating systems, network drives and Jupyter leave in folders of images.
_JUNK = re.compile(
    r"\..*|__MACOSX|Thumbs\.db|desktop\.ini|\$RECYCLE\.BIN|RECYCLER|RECYCLED|FOUND\.\d{3}|"
    r"System Volume Information|lost\+found|@eaDir|#recycle|#snapshot|@Recycle|"
    r"@Recently-Snapshot|Network Trash Folder|Temporary Items",
    re.IGNORECASE,
)
_HEIC = (".heic", ".heics", ".heif", ".heifs", ".hif")  # .hif is Canon's and Fujifilm's
# Suffixes of images that are not read, but that nobody means to leave out.
_OTHER_IMAGES = (
    *_HEIC,
    *(".avif", ".avifs", ".webp", ".tif", ".tiff", ".jpe", ".jfif", ".jif", ".svg", ".apng"),
    *(".jp2", ".j2k", ".jpf", ".jpx", ".jxl", ".jxr", ".psd", ".psb", ".xcf", ".tga", ".ppm"),
    # What cameras save unprocessed ("raw").
    *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".srw", ".orf"),
    *(".rw2", ".rwl", ".raf", ".raw", ".pef", ".x3f", ".3fr", ".fff", ".iiq", ".erf", ".kdc"),
    *(".dcr", ".mef", ".mos", ".mrw", ".gpr"),
)
_KAGGLE_NAME = re.compile(r"(cat|dog)\.\d+\.", re.IGNORECASE)
_ARCHIVE_SUFFIXES = (".zip", ".rar", ".7z", ".tar", ".gz")
_EXPECTED = (
    "expected a folder for each class, or train/ and validation/ with a folder for each class, or "
    "images cat.0.jpg and dog.0.jpg in one folder"
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
    """A file that counts as an image, with its split and its label."""

    path: Path
    split: str
    label: int


@dataclass(frozen=True)
class Layout:
    """How the images of a folder are arranged.

    Attributes
    ----------
    name : ``"official"``, ``"three-split"``, ``"two-split"``, ``"plain"`` or ``"Kaggle"``
        Official is train/ and validation/; three-split has test/ too; two-split is train/ and
        test/.
    class_names : tuple of str, the name of each label
    """

    name: str
    class_names: tuple[str, ...]


def find_layout(source):
    """Find the folder that has one of the layouts.

    A folder must have it itself; a zip archive, which is unpacked, may have it anywhere inside.

    Returns
    -------
    (Path, Layout)

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
    parents = [] if near or source.is_file() else folder.resolve().parents[:2]
    for parent in parents:
        with contextlib.suppress(CatdogError):  # a parent need not be readable
            if _layout(parent):
                near.append(parent)
    # As they are in the archive, not where it was unpacked.
    names = [printable(path.relative_to(folder) if source.is_file() else path) for path in near]
    hint = f"; did you mean {' or '.join(names[:3])}?" if near else ""
    if len(near) in (2, 3) and _are_splits(near):
        hint = f"; if {' and '.join(names)} are its splits, call them train, validation and test"
    about = f"{_EXPECTED}; found {_contents(folder)}"
    raise CatdogError(f"{printable(source)} has no known layout: {about}{hint}")


def _layout(folder):
    """Return the Layout of a folder, None where it has none."""
    entries = _entries(folder)
    folders = [entry for entry in entries if _is_folder(entry)]
    splits = {_SPLIT_FOLDERS.get(entry.name.casefold()): entry.path for entry in folders}
    splits.pop(None, None)
    if "train" in splits and len(splits) > 1:
        classes = {
            split: [entry.name for entry in _entries(path) if _is_folder(entry)]
            for split, path in splits.items()
        }
        # Without validation/, a folder test/ counts only if it says what its images show.
        class_names = name_classes(set().union(*classes.values()))
        if "validation" in splits:
            return Layout("three-split" if classes.get("test") else "official", class_names)
        if classes["test"]:
            return Layout("two-split", class_names)
    matches = [_KAGGLE_NAME.match(entry.name) for entry in entries]
    if {match[1].lower() for match in matches if match} == {"cat", "dog"}:
        return Layout("Kaggle", CLASS_NAMES)
    if sum(_holds_images(entry.path) for entry in folders) > 1 and not _is_split(Path(folder)):
        return Layout("plain", name_classes(entry.name for entry in folders))
    return None


def _is_split(folder):
    """Whether a folder is called like a split and lies beside another one: not all of a set."""
    folder = folder.resolve()
    if folder.name.casefold() not in _SPLIT_FOLDERS:
        return False
    with contextlib.suppress(CatdogError):  # the folder above need not be readable
        beside = (entry.name.casefold() for entry in _entries(folder.parent))
        return len({_SPLIT_FOLDERS[name] for name in beside if name in _SPLIT_FOLDERS}) > 1
    return False


def _are_splits(folders):
    """Whether folders lie side by side and have the same classes: splits of one set, it seems."""
    layouts = {(folder.parent, _layout(folder)) for folder in folders}
    return len(layouts) == 1 and _layout(folders[0]).name == "plain"


def _holds_images(folder):
    """Whether there are files right in a folder that look like images, of any type."""
    with contextlib.suppress(CatdogError):
        suffixes = (Path(entry.name).suffix.lower() for entry in _entries(folder))
        return any(suffix in SUFFIXES or suffix in _OTHER_IMAGES for suffix in suffixes)
    return True  # whoever reads it will say why that is not possible


def name_classes(folder_names):
    """Return the names of the classes, sorted, for the names of their folders.

    Cats and dogs, where both are there, come first, as ``"cats"`` and ``"dogs"`` whatever their
    folders are called. All others keep the name of their folder.
    """
    by_key = {}
    for name in sorted(folder_names):
        by_key.setdefault(_class_key(name), name)
    if {"cat", "dog"} <= by_key.keys():
        del by_key["cat"], by_key["dog"]
        return (*CLASS_NAMES, *(by_key[key] for key in sorted(by_key)))
    return tuple(by_key[key] for key in sorted(by_key))


def _class_key(folder_name):
    """Return what is the same for all spellings of a class."""
    key = unicodedata.normalize("NFC", folder_name).casefold()
    return {"cats": "cat", "dogs": "dog"}.get(key, key)


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
    """Describe in words what lies in a folder, or in the only one that lies in it."""
    entries, above = _entries(folder), ""
    while len(entries) == 1 and entries[0].is_dir(follow_symlinks=False):
        above += f"{entries[0].name}/"
        entries = _entries(entries[0].path)
    shown = [(printable(above + e.name), e) for e in entries]
    folders = [f"{name}/" for name, e in shown if _is_folder(e)]
    archives = [name for name, e in shown if e.name.lower().endswith(_ARCHIVE_SUFFIXES)]
    images = sum(e.name.lower().endswith(tuple(SUFFIXES)) for e in entries)
    names = ", ".join((folders + archives)[:8]) or above or "(none)"
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
    listing = _Listing(root, layout)
    if not 2 <= len(layout.class_names) <= MOST_CLASSES:
        names = ", ".join(map(printable, layout.class_names)) or "(none)"
        n = len(layout.class_names)
        text = f"has {n} class{'' if n == 1 else 'es'}, not two to {MOST_CLASSES}: {names}"
        listing.report("error", root, text)
    if layout.name == "Kaggle":
        listing.add_kaggle()
    elif layout.name == "plain":
        listing.add_class_folders(root, _BY_NUMBER)
    else:
        listing.add_splits()
    listing.report_ignored()
    for split, counts in count_images(listing.images, layout.class_names).items():
        few, many = (pick(counts, key=counts.get) for pick in (min, max)) if counts else ("", "")
        if counts and 0 < counts[few] * _EXTREME_RATIO < counts[many]:
            texts = [count_text(counts[name], name) for name in (many, few)]
            listing.report("warning", root, f"{split} is out of balance: {', '.join(texts)}")
    return tuple(listing.images), tuple(listing.problems)


@dataclass
class _Listing:
    """What was found so far in the folder `root`."""

    root: Path
    layout: Layout
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
        heic = any(name.lower() in _HEIC for name in others)
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
        for label, kind in enumerate(("cat", "dog")):
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

    def add_splits(self):
        """Add the images of the folders of the splits, one for each."""
        folders = defaultdict(list)
        for folder in self.read_folder(self.root)[0]:
            split = _SPLIT_FOLDERS.get(folder.name.casefold())
            folders[split].append(folder)
        for split in SPLIT_NAMES:
            if len(folders[split]) > 1:
                names = " and ".join(printable(folder.name) for folder in folders[split])
                self.report("error", self.root, f"has two folders for {split}: {names}")
        if self.layout.name == "official":
            for folder in folders.pop("test", ()):
                text = "has no class folders, so it is not used"
                self.report("warning", folder, f"{text}; the test is every fifth of validation")
        for folder in folders[None]:
            self.report("warning", folder, "is not a split (not used)")
        rules = {"train": ("train",), "validation": ("validation",), "test": ("test",)}
        if self.layout.name == "official":
            rules["validation"] = _IN_TURN
        if self.layout.name == "two-split":
            rules["train"] = _BY_NUMBER_WITHOUT_TEST
        for split in SPLIT_NAMES:
            for folder in folders[split]:
                self.add_class_folders(folder, rules[split])

    def add_class_folders(self, folder, rule):
        """Add the images of the classes' folders, and object to any other folder."""
        folders, loose = self.read_folder(folder)
        by_key = defaultdict(list)
        for path in folders:
            by_key[_class_key(path.name)].append(path)
        keys = [_class_key(name) for name in self.layout.class_names]
        if not keys:
            n_loose = counted(len(loose), "loose image")
            self.report("error", folder, f"has no folders for classes, only {n_loose}")
        elif set(keys) != by_key.keys():
            expected = ", ".join(map(printable, self.layout.class_names))
            found = ", ".join(printable(path.name) for path in folders) or "(none)"
            text = (
                f"has the wrong classes: expected folders {expected} under "
                f"{printable(folder)}, found: {found}, {counted(len(loose), 'loose image')}"
            )
            self.report("error", folder, text)
        elif loose:
            outside = counted(len(loose), "image")
            self.report("warning", folder, f"has {outside} outside the class folders (not used)")
        for label, key in enumerate(keys):
            if len(by_key[key]) > 1:
                names = " and ".join(printable(path.name) for path in by_key[key])
                self.report("error", folder, f"has two folders for one class: {names}")
            for path in by_key[key]:
                inner, files = self.read_folder(path)
                for deeper in inner:
                    text = "is a folder inside a class; its files are not used"
                    self.report("warning", deeper, text)
                self.add_images(path, files, label, rule)

    def add_images(self, folder, paths, label, rule):
        """Deal the images of one class, sorted by name, out to the splits."""
        by_number = rule in (_BY_NUMBER, _BY_NUMBER_WITHOUT_TEST)
        numbers = [number_in(p.name) for p in paths] if by_number else range(len(paths))
        splits = [rule[number % len(rule)] for number in numbers]
        self.images += map(ImageFile, paths, splits, [label] * len(paths))
        few = [each for each in SPLIT_NAMES if each in rule and splits.count(each) < FEWEST[each]]
        if not paths:
            self.report("error", folder, "has no images")
        elif few:
            total = count_text(len(paths), self.layout.class_names[label])
            text = f"has {total}, too few for {' and '.join(few)}"
            if by_number:
                zero = "0 at the end is for the test, " if "test" in rule else ""
                text += f" (by the numbers in their names: {zero}1 and 6 are"
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


def count_images(images, class_names=CLASS_NAMES):
    """Count images by split and class, all of both: ``{split: {class name: count}}``."""
    counts = {split: dict.fromkeys(class_names, 0) for split in SPLIT_NAMES}
    for image in images:
        counts[image.split][class_names[image.label]] += 1
    return counts


def count_text(n, class_name):
    """Say how many images of a class there are: ``"2 cats"``; ``"2 of owl"`` for other names."""
    if class_name in CLASS_NAMES:
        return counted(n, class_name.removesuffix("s"))
    return f"{n} of {printable(class_name)}"
