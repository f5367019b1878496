"""The questions at the end of the chapters: their files, and what a notebook shows of them."""

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import findings
import pytest
from bs4 import BeautifulSoup

from catdog_helpers import CatdogError, quiz

CHAPTERS = ("01", "02", "03", "04", "05", "06")
QUIZZES = {chapter: quiz.read_quiz(chapter) for chapter in CHAPTERS}
QUESTIONS = [
    pytest.param(chapter, question, id=f"{chapter}-{number}")
    for chapter, questions in QUIZZES.items()
    for number, question in enumerate(questions, start=1)
]
MISSING = "(not measured in this run)"


def run_with(**measured):
    """Stand in for a Run that has findings: ``a=0.5`` is the finding ``02.a``."""
    return SimpleNamespace(findings=lambda: {f"02.{key}": value for key, value in measured.items()})


def all_findings(value):
    return SimpleNamespace(findings=lambda: dict.fromkeys(findings.read_claims(), value))


def texts_of(question):
    yield question.text
    for option in question.options:
        yield from (option.text, option.feedback)


def option(text="Yes", feedback="Why", right=False):
    lines = ["[[question.option]]", f"text = '''{text}'''", f"feedback = '''{feedback}'''"]
    return "\n".join([*lines, "right = true" if right else "", ""])


def question(*options, text="Is it?"):
    return f"[[question]]\ntext = '''{text}'''\n" + "".join(options)


RIGHT, WRONG, OTHER = option(right=True), option("No", "It is"), option("Perhaps", "It is too")
GOOD = question(RIGHT, WRONG, OTHER)


@pytest.fixture
def write(tmp_path):
    def write(text, name="02.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def soup_of(shown):
    return BeautifulSoup(shown._repr_html_(), "html.parser")


# --- The quizzes of the six chapters


def test_there_is_a_quiz_for_each_chapter():
    stems = {path.stem[:2] for path in Path(__file__).parents[1].glob("notebooks/[0-9]*.ipynb")}
    folder = Path(quiz.__file__).parent / "quizzes"
    assert {path.stem for path in folder.iterdir()} == stems == set(CHAPTERS)


def test_the_quizzes_are_installed_with_the_package():
    project = Path(__file__).parents[1] / "pyproject.toml"
    setuptools = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert "quizzes/*.toml" in setuptools["package-data"]["catdog_helpers"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_five_questions_and_the_right_option_moves(chapter):
    assert len(QUIZZES[chapter]) == 5
    places = [[each.right for each in asked.options].index(True) for asked in QUIZZES[chapter]]
    assert len(set(places)) >= 3


@pytest.mark.parametrize(("chapter", "asked"), QUESTIONS)
def test_a_question_has_one_right_option_and_each_option_feedback_of_its_own(chapter, asked):
    assert len(asked.options) in (3, 4)
    assert [each.right for each in asked.options].count(True) == 1
    assert len({each.text for each in asked.options}) == len(asked.options)
    assert len({each.feedback for each in asked.options}) == len(asked.options)


@pytest.mark.parametrize(("chapter", "asked"), QUESTIONS)
def test_numbers_are_known_findings_of_the_chapter_or_an_earlier_one(chapter, asked):
    for text in texts_of(asked):
        for name in re.findall(r"\{([^:}]*)", text):
            assert name in findings.read_claims(), text
            assert name[:2] <= chapter, text


@pytest.mark.parametrize(("chapter", "asked"), QUESTIONS)
def test_no_result_is_typed_into_a_text(chapter, asked):
    for text in texts_of(asked):
        typed = re.sub(r"\{[^}]*\}|95 % interval|middle 95 %", "", text)
        assert not re.search(r"\d\s*(%|points|percent)", typed), text


@pytest.mark.parametrize(("chapter", "asked"), QUESTIONS)
def test_feedback_is_short_and_plain(chapter, asked):
    for each in asked.options:
        sentences = re.findall(r"[.?!](?= |$)", each.feedback)
        assert 1 <= len(sentences) <= 3, each.feedback
    assert not re.search("[\u2013\u2014]", "".join(texts_of(asked)))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_questions_and_options_are_the_same_whatever_the_run_has(chapter):
    few, many = quiz.show(chapter, run_with()), quiz.show(chapter, all_findings(0.25))
    assert repr(few) == repr(many)
    assert MISSING in few._repr_html_() or "{" not in str(QUIZZES[chapter])
    assert MISSING not in many._repr_html_() and "{" not in many._repr_html_()


# --- What a notebook shows


def test_plain_text_has_questions_and_options_and_no_feedback(write):
    shown = quiz.show(write(GOOD + GOOD, "02_pets.toml"), run_with())
    options = ["   a) Yes", "   b) No", "   c) Perhaps"]
    assert repr(shown).splitlines() == [
        *("Quiz of 02_pets", "", "1. Is it?", *options),
        *("", "2. Is it?", *options),
    ]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_plain_text_of_a_chapter_tells_no_answer(chapter):
    text = repr(quiz.show(chapter, all_findings(0.25)))
    assert text.startswith(f"Quiz of chapter {chapter}\n\n1. ")
    for asked in QUIZZES[chapter]:
        assert asked.text in text
        for each in asked.options:
            assert f") {each.text}" in text
            assert each.feedback.partition("{")[0] not in text
    assert "Right." not in text and "Not this one." not in text


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_html_is_well_formed_and_each_option_opens_its_own_feedback(chapter):
    page = quiz.show(chapter, all_findings(0.25))._repr_html_()
    ElementTree.fromstring(page)  # stricter than browsers: every tag is closed, in order
    soup = BeautifulSoup(page, "html.parser")
    (section,) = soup.find_all(True, recursive=False)
    assert section["aria-label"] == f"Quiz of chapter {chapter}"
    assert not soup.find_all(["script", "style", "link", "img"])
    for item, asked in zip(soup.find_all("li"), QUIZZES[chapter], strict=True):
        assert item.p.text == asked.text.replace("`", "")
        for box, each in zip(item.find_all("details"), asked.options, strict=True):
            assert box.summary.text[3:] == each.text.replace("`", "")
            verdict = "Right." if each.right else "Not this one."
            begin = f"{verdict} {each.feedback.partition('{')[0]}".replace("`", "")
            assert box.p.text.startswith(begin)
            assert not box.has_attr("open")


def test_hostile_text_is_escaped(write):
    bad = '<script>alert("1")</script> & `<b>`'
    text = question(option(bad, bad, right=True), WRONG, OTHER, text="<img onerror=x>")
    soup = soup_of(quiz.show(write(text, "a'&quot;b.toml"), run_with()))
    harmless = {"section", "ol", "li", "p", "details", "summary", "strong", "code"}
    assert {tag.name for tag in soup.find_all(True)} == harmless
    assert soup.li.p.text == "<img onerror=x>"
    assert soup.summary.text == 'a) <script>alert("1")</script> & <b>'
    assert soup.details.p.text == 'Right. <script>alert("1")</script> & <b>'
    assert soup.section["aria-label"] == "Quiz of a'&quot;b"


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        (".1%", 0.825, "82.5 %"),
        (".2f", 0.6931, "0.69"),
        (".3g", 495.6, "496"),
        ("points", 0.031, "3.1 points"),
        ("points", -0.031, "-3.1 points"),
        ("points", -0.0001, "0.0 points"),
        (".1%", 0, "0.0 %"),
    ],
)
def test_a_number_of_the_run_takes_the_place_of_its_braces(write, form, value, shown):
    path = write(question(option("Yes", f"It was {{02.a:{form}}}.", right=True), WRONG, OTHER))
    soup = soup_of(quiz.show(path, run_with(a=value)))
    assert soup.details.p.text == f"Right. It was {shown}."
    assert soup_of(quiz.show(path, run_with())).details.p.text == f"Right. It was {MISSING}."


# --- Files of one's own, and broken ones


def test_line_ends_in_a_text_are_spaces(write):
    (asked,) = quiz.read_quiz(write(GOOD.replace("Is it?", "\n  Is\nit? ")))
    assert asked == quiz.Question(
        "Is it?",
        (
            quiz.Option("Yes", True, "Why"),
            quiz.Option("No", False, "It is"),
            quiz.Option("Perhaps", False, "It is too"),
        ),
    )


def test_a_file_of_ones_own_may_use_all_findings_unless_its_name_says_its_chapter(write):
    text = GOOD.replace("Is it?", "{06.temperature:.2f}?")
    assert quiz.read_quiz(write(text, "pets.toml"))
    assert quiz.read_quiz(write(text, "07_pets.toml"))
    with pytest.raises(CatdogError, match="later chapter"):
        quiz.read_quiz(write(text, "05_pets.toml"))


BROKEN = {
    "not TOML": (GOOD + "text = ", "is not TOML, fix it there: "),
    "no question": ("", "02.toml: no question; begin each with a line [[question]]"),
    "one table": ("[question]", "02.toml: no question; begin each with a line [[question]]"),
    "key of the file": ("title = ''\n" + GOOD, "02.toml: remove 'title'; known are question"),
    "key of a question": (
        GOOD + question("points = 3\n", RIGHT, WRONG, OTHER),
        "02.toml, question 2: remove 'points'; known are option, text",
    ),
    "key of an option": (
        GOOD.replace("right", "correct"),
        "02.toml, question 1: remove 'correct'; known are feedback, right, text",
    ),
    "no options": (
        question(),
        "02.toml, question 1: no option; begin each with a line [[question.option]]",
    ),
    "two options": (question(RIGHT, WRONG), "02.toml, question 1: it has 2 options; write 3 or 4"),
    "five options": (
        GOOD + WRONG + OTHER,
        "02.toml, question 1: it has 5 options; write 3 or 4",
    ),
    **{
        name: (GOOD + text, "02.toml, question 2: write right = true under exactly one option")
        for name, text in {
            "none right": question(WRONG, OTHER, option()),
            "two right": question(RIGHT, WRONG, RIGHT),
            "right in quotes": GOOD.replace("true", "'true'"),
            "right as a number": GOOD.replace("true", "1"),
        }.items()
    },
    **{
        name: (GOOD + text, f"02.toml, question 2: a {key} is missing or empty; write {key} = ")
        for name, key, text in [
            ("no text", "text", GOOD.replace("text = '''Is it?'''", "")),
            ("empty text", "text", GOOD.replace("'''Is it?'''", "' '")),
            ("empty option", "text", GOOD.replace("'''Yes'''", "''")),
            ("text is no text", "text", GOOD.replace("'''Is it?'''", "3")),
            ("no feedback", "feedback", GOOD.replace("feedback = '''Why'''", "")),
            ("empty feedback", "feedback", GOOD.replace("'''Why'''", "''")),
        ]
    },
    "a later chapter": (
        GOOD.replace("Why", "{03.gap:points}"),
        "02.toml, question 1: 03.gap is of a later chapter; take one up to 02",
    ),
    **{
        f"braces {wrong}": (
            GOOD.replace("Why", f"It was {wrong} then"),
            f"02.toml, question 1: {shown!r} is no number of a run; write one as ",
        )
        for wrong, shown in [
            *((each, each) for each in ("{}", "{02.gap}", "{02.gap:}", "{02.gap:d}", "{gap:.1%}")),
            *(
                (each, each)
                for each in ("{02.gap:.99f}", "{02.gap:999999999.1f}", "{02.gap.x:.1f}")
            ),
            ("a { b", "{ b then"),
            ("}", "}"),
        ]
    },
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_gets_one_line_that_says_what_to_do(write, text, message):
    with pytest.raises(CatdogError) as caught:
        quiz.read_quiz(write(text))
    assert message in str(caught.value) and "02.toml" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "latin.toml").write_bytes(GOOD.replace("Yes", "Olé").encode("latin-1"))
    for chapter in ("07", tmp_path / "none.toml", tmp_path / "latin.toml"):
        name = chapter if isinstance(chapter, str) else chapter.stem
        with pytest.raises(CatdogError, match=f"^cannot read .*{name}.toml: .*; give a chapter"):
            quiz.read_quiz(chapter)
