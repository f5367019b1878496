"""Plans of lessons, with answers worked out by hand; no chapter runs."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from catdog_helpers import CatdogError
from catdog_helpers.series.plan import CORE_LINE, MINUTES_LINE, Part, plan, read_parts

MINUTES = "**Minutes.** Reading and talking 25, exercises 20, the core alone 15."
CORE = '**Core.** "Split once"; "Pitfall: a "leak"".'


def note(text):
    return new_markdown_cell(text, metadata={"tags": ["teacher"]})


def chapter(*notes, **papermill):
    cells = [
        new_markdown_cell("# Chapter 1: Look\n\nText."),
        *map(note, notes),
        new_markdown_cell('Text.\n\n## Split once  \n\nText.\n\n### Pitfall: a "leak"'),
        new_code_cell("## No heading", metadata={"tags": ["teacher"]}),
    ]
    return new_notebook(cells=cells, metadata={"papermill": papermill} if papermill else {})


def test_a_note_gives_the_whole_chapter_and_its_core():
    text = f"## For the teacher\n\n**Aims.** To see.\n\n{CORE}\n\n{MINUTES}"
    whole = Part("01", 25, 20, 2)
    core = Part("01", 15, 0, 2, core=("Split once", 'Pitfall: a "leak"'))
    assert read_parts("01", chapter(text, duration=61.0)) == [whole, core]
    assert read_parts("01", chapter(MINUTES, CORE, duration=61.0)) == [whole, core]


@pytest.mark.parametrize(
    ("papermill", "minutes"),
    [
        ({"duration": 0.4}, 1),
        ({"duration": 60.0}, 1),
        ({"duration": 60.1}, 2),
        ({"duration": None}, None),
        ({"version": "2"}, None),
        ({}, None),
    ],
)
def test_machine_time_is_rounded_up_to_minutes(papermill, minutes):
    parts = read_parts("01", chapter(MINUTES, CORE, **papermill))
    assert [part.machine for part in parts] == [minutes, minutes]


def test_a_chapter_without_a_note_has_its_machine_time_only():
    assert read_parts("my own", chapter(duration=125)) == [Part("my own", None, 0, 3)]


@pytest.mark.parametrize(
    ("part", "minutes"),
    [
        (Part("01", 25, 20, 4), 45),  # the machine is done before the reading
        (Part("01", 25, 20, 25), 45),
        (Part("01", 25, 20, 32), 52),  # and 7 minutes after it
        (Part("01", 25, 20, None), 45),
        (Part("01", 15, 0, 32, ("a",)), 32),
        (Part("01", None, 0, 3), 3),
        (Part("01", None, 0, None), 0),
    ],
)
def test_the_machine_counts_as_far_as_it_exceeds_the_reading(part, minutes):
    assert part.minutes == minutes


def parts(name, whole, core):
    return [Part(name, whole - 5, 5, 1), Part(name, core, 0, 1, ("a",))]


@pytest.mark.parametrize(
    ("minutes", "taken", "left_out"),
    [
        (120, ["01 whole", "02 whole", "03 whole", "04 whole"], []),
        (119, ["01 whole", "02 whole", "03 whole", "04 core"], []),
        (114, ["01 core", "02 whole", "03 whole", "04 whole"], []),  # 9 are left, 01 needs 10
        (105, ["01 core", "02 core", "03 core", "04 core"], []),  # exactly; nothing is left
        (104, ["01 core", "02 whole", "03 whole"], ["04"]),  # 7 are left for 04
        (60, ["01 core", "03 whole", "04 whole"], ["02"]),  # 30 are left for 02
        (39, ["01 core", "04 core"], ["02", "03"]),  # 30 + 8, since 18 do not fit
        (5, [], ["01", "02", "03", "04"]),
    ],
)
def test_a_lesson_takes_all_cores_that_fit_and_then_makes_them_whole(minutes, taken, left_out):
    chapters = [parts("01", 40, 30), parts("02", 50, 49), parts("03", 20, 18), parts("04", 10, 8)]
    found, names = plan(chapters, minutes)
    assert [f"{part.chapter} {'core' if part.core else 'whole'}" for part in found] == taken
    assert names == left_out


def test_a_chapter_without_a_note_takes_part():
    own = [Part("own", None, 0, 6)]
    core = Part("01", 30, 0, 1, ("a",))
    assert plan([parts("01", 40, 30), own], 46) == ([Part("01", 35, 5, 1), *own], [])
    assert plan([parts("01", 40, 30), own], 45) == ([core, *own], [])
    assert plan([parts("01", 40, 30), own], 35) == ([core], ["own"])
    # Its 6 minutes are gone for the next one.
    assert plan([own, parts("01", 40, 30)], 35) == (own, ["01"])


BROKEN = {
    "no lines": ("## For the teacher", f"needs one line such as {MINUTES_LINE}"),
    "no minutes": (CORE, f"needs one line such as {MINUTES_LINE}"),
    "minutes twice": (f"{MINUTES}\n\n{MINUTES}\n\n{CORE}", f"one line such as {MINUTES_LINE}"),
    "other words": (f"{MINUTES.replace('talking', 'asking')}\n\n{CORE}", f"such as {MINUTES_LINE}"),
    "half a minute": (f"{MINUTES.replace('25', '2.5')}\n\n{CORE}", "a whole number for .* '2.5'"),
    "negative": (f"{MINUTES.replace('20', '-20')}\n\n{CORE}", "a whole number for .* '-20'"),
    "in words": (f"{MINUTES.replace('15', 'ten')}\n\n{CORE}", "a whole number for .* 'ten'"),
    "no core": (MINUTES, f"needs one line such as {CORE_LINE}"),
    "core twice": (f"{MINUTES}\n\n{CORE}\n\n{CORE}", f"one line such as {CORE_LINE}"),
    "core without marks": (f"{MINUTES}\n\n**Core.** Split once.", f"such as {CORE_LINE}"),
    "other heading": (f'{MINUTES}\n\n**Core.** "Split".', "'Split' as core.*copy one word for"),
    "heading of a note": (f'## My\n\n{MINUTES}\n\n**Core.** "My".', "the heading 'My' as core"),
    "title": (f'{MINUTES}\n\n**Core.** "Chapter 1: Look".', "'Chapter 1: Look' as core"),
    "comment": (f'{MINUTES}\n\n**Core.** "No heading".', "'No heading' as core"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_note_is_one_line_with_chapter_and_cure(name):
    text, message = BROKEN[name]
    message = message.replace("**", r"\*\*") if "such as" in message else message
    with pytest.raises(CatdogError, match=message) as caught:
        read_parts("01_look", chapter(text))
    assert str(caught.value).startswith("01_look: ")
    assert len(str(caught.value).splitlines()) == 1
