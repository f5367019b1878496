"""A plan of lessons: what fits into some minutes, by the teacher's notes and the times of the run.

A note is the Markdown of a chapter's cells tagged ``teacher``. Two of its lines are read::

    **Minutes.** Reading and talking 25, exercises 20, the core alone 15.
    **Core.** "A heading of the chapter"; "Another heading".
"""

import math
import re
from dataclasses import dataclass

from catdog_helpers import CatdogError
from catdog_helpers.series.chapters import tags

LESSONS = (45, 90, 180)  # minutes
MINUTES_LINE = "**Minutes.** Reading and talking 25, exercises 20, the core alone 15."
CORE_LINE = '**Core.** "Heading A"; "Heading B".'

_MINUTES = re.compile(
    r"(?m)^\*\*Minutes\.\*\* Reading and talking (.+), exercises (.+), the core alone (.+)\.\s*$"
)
_CORE = re.compile(r'(?m)^\*\*Core\.\*\* "(.+)"\.\s*$')
# Below the title, which names the whole chapter.
_HEADING = re.compile(r"(?m)^#{2,6} +(.+?)\s*$")


@dataclass(frozen=True)
class Part:
    """What a lesson may take of a chapter: all of it, or its core alone.

    Times are whole minutes. `machine` is that of the whole chapter in either case, because it runs
    as a whole; None where it was not measured. `core` has the headings of the core, and is empty
    for a whole chapter. `reading` is None for a chapter without a note.
    """

    chapter: str
    reading: int | None
    exercises: int
    machine: int | None
    core: tuple[str, ...] = ()

    @property
    def minutes(self):
        """The minutes of the lesson: the machine's count as far as they exceed the reading."""
        return max(self.reading or 0, self.machine or 0) + self.exercises


def read_parts(name, notebook):
    """Return the parts of a chapter that a lesson may take, a list with the largest first.

    Raises
    ------
    CatdogError
        If the note lacks one of its two lines or has it twice, if minutes are no whole numbers,
        or if a heading of the core is not in the chapter.
    """
    machine = _machine_minutes(notebook)
    note = _markdown(notebook, of_teacher=True)
    if not note:
        return [Part(name, None, 0, machine)]
    reading, exercises, core = _minutes(name, note)
    headings = _core_headings(name, note, _markdown(notebook, of_teacher=False))
    return [Part(name, reading, exercises, machine), Part(name, core, 0, machine, headings)]


def plan(chapters, minutes):
    """Fill a lesson: first the smallest part of each chapter, in order, as far as they fit.

    What time is left makes them whole, again in order: the last chapters matter as much as the
    first ones. `chapters` has a list for each chapter, as from `read_parts`. Returns the parts
    taken, and the names of the chapters of which none fits.
    """
    taken, left = {}, minutes
    for parts in chapters:
        if parts[-1].minutes <= left:
            taken[parts[0].chapter] = parts[-1]
            left -= parts[-1].minutes
    for whole, *_ in chapters:
        part = taken.get(whole.chapter)
        if part and whole.minutes - part.minutes <= left:
            taken[whole.chapter] = whole
            left -= whole.minutes - part.minutes
    return list(taken.values()), [
        parts[0].chapter for parts in chapters if parts[0].chapter not in taken
    ]


def _machine_minutes(notebook):
    """Return the time of the executed chapter, in minutes rounded up; None if not measured."""
    seconds = notebook.metadata.get("papermill", {}).get("duration")
    return None if seconds is None else math.ceil(seconds / 60)


def _markdown(notebook, of_teacher):
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n\n".join(cell.source for cell in cells if ("teacher" in tags(cell)) == of_teacher)


def _minutes(name, note):
    found = _MINUTES.findall(note)
    if len(found) != 1:
        raise CatdogError(f"{name}: the note for the teacher needs one line such as {MINUTES_LINE}")
    for given in found[0]:
        if not re.fullmatch(r"[0-9]+", given):
            raise CatdogError(
                f"{name}: in the note for the teacher, write a whole number for the minutes "
                f"{given!r}, as in {MINUTES_LINE}"
            )
    return map(int, found[0])


def _core_headings(name, note, text):
    found = _CORE.findall(note)
    if len(found) != 1:
        raise CatdogError(f"{name}: the note for the teacher needs one line such as {CORE_LINE}")
    headings = tuple(found[0].split('"; "'))
    for heading in headings:
        if heading not in _HEADING.findall(text):
            raise CatdogError(
                f"{name}: the note for the teacher names the heading {heading!r} as core; "
                "the chapter has no such heading: copy one word for word"
            )
    return headings
