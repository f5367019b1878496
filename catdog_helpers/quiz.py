"""Questions at the end of a chapter, and what to learn from each option.

A quiz is a TOML file. Those of the six chapters lie in ``quizzes``::

    [[question]]
    text = "Which images does `fit` learn from?"

    [[question.option]]
    text = "The validation images"
    feedback = "They measure what was learned: {02.first_accuracy:.1%} in this run."

A question has three or four options, and ``right = true`` stands under exactly one of them. What
stands between backticks is code, and a line end counts as a space. Braces hold a number of the
run: a finding of this chapter or an earlier one, a colon and a format, which is ``.1%``, ``.2f``,
``.3g`` or, for a difference of shares, ``points``: 0.031 becomes "3.1 points".
"""

import html
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from catdog_helpers import CatdogError
from catdog_helpers.files.paths import printable, reason

_FOLDER = Path(__file__).parent / "quizzes"
_PLACEHOLDER = re.compile(r"\{((\d\d)\.[a-z0-9_]+):(\.\d[%fg]|points)\}")
_LETTERS = "abcd"
# No <style>, which JupyterLab removes from notebooks that it does not trust. No colors but this
# gray, which can be seen on black and on white: a theme sets those of text and background.
_LINE = "1px solid rgba(128, 128, 128, 0.6)"
_PADDING = "padding: 0.4em 0.6em"


@dataclass(frozen=True)
class Option:
    """An option to choose, whether it is the right one, and what to tell whoever chooses it."""

    text: str
    right: bool
    feedback: str

    def _html(self, letter, findings):
        verdict = "Right." if self.right else "Not this one."  # in words: not all see colors
        return (
            f'<details style="border: {_LINE}; border-radius: 4px; margin: 0.4em 0">'
            f'<summary style="{_PADDING}; cursor: pointer">{letter}) '
            f'{_marked_up(self.text, findings)}</summary><p style="{_PADDING}; margin: 0">'
            f"<strong>{verdict}</strong> {_marked_up(self.feedback, findings)}</p></details>"
        )


@dataclass(frozen=True)
class Question:
    """A question and its three or four Options."""

    text: str
    options: tuple[Option, ...]

    def _html(self, findings):
        text, lettered = _marked_up(self.text, findings), zip(_LETTERS, self.options, strict=False)
        options = "".join(option._html(letter, findings) for letter, option in lettered)
        return f'<li style="margin-bottom: 1.2em"><p>{text}</p>{options}</li>'


@dataclass(frozen=True)
class _Shown:
    """What a notebook shows below a cell; as text without feedback, which would tell too soon."""

    title: str
    questions: tuple[Question, ...]
    findings: dict[str, float]

    def __repr__(self):
        lines = [self.title]
        for number, question in enumerate(self.questions, start=1):
            lines += ["", f"{number}. {_filled(question.text, self.findings)}"]
            for letter, option in zip(_LETTERS, question.options, strict=False):
                lines.append(f"   {letter}) {_filled(option.text, self.findings)}")
        return "\n".join(lines)

    def _repr_html_(self):
        return (
            f'<section class="quiz" aria-label="{html.escape(self.title)}" style="max-width: 45em; '
            'line-height: 1.5"><ol style="padding-left: 1.6em">'
            f"{''.join(each._html(self.findings) for each in self.questions)}</ol></section>"
        )


def show(chapter, run):
    """Return the quiz of a chapter, to be the last expression of a notebook cell.

    Parameters
    ----------
    chapter : str or Path
        See `read_quiz`.
    run : results.Run
        Has the numbers; one that it lacks becomes "(not measured in this run)".

    Raises
    ------
    CatdogError
        As `read_quiz` and `results.Run.findings` do.
    """
    questions = read_quiz(chapter)
    name = f"chapter {chapter}" if isinstance(chapter, str) else printable(chapter.stem)
    return _Shown(f"Quiz of {name}", questions, run.findings())


def _filled(text, findings):
    def number(match):
        name, _, form = match.groups()
        if name not in findings:
            return "(not measured in this run)"
        if form == "points":
            return f"{100 * findings[name]:z.1f} points"
        text = f"{findings[name]:z{form}}"  # z: no minus sign before a zero
        return text.replace("%", " %")  # as in the chapters

    return _PLACEHOLDER.sub(number, text)


def _marked_up(text, findings):
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(_filled(text, findings)))


def read_quiz(chapter):
    """Read and validate the questions of a chapter.

    Parameters
    ----------
    chapter : str or Path
        ``"01"`` to ``"06"``, or the Path of a file of one's own. If its name begins with two
        digits, they are the number of its chapter; otherwise it comes after all others.

    Returns
    -------
    tuple of Question

    Raises
    ------
    CatdogError
        If there is no such file, or it breaks a rule of the format; says which question and what
        to do.
    """
    path = _FOLDER / f"{chapter}.toml" if isinstance(chapter, str) else chapter
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CatdogError(
            f"cannot read {printable(path)}: {reason(error)}; give a chapter such as '01', or the "
            "Path of a file in UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise CatdogError(f"{printable(path)} is not TOML, fix it there: {error}") from error
    digits = re.match(r"\d\d", path.name)
    last = digits[0] if digits else "99"
    _check_keys(content, {"question"}, printable(path.name))
    tables = _tables(content, "question", "[[question]]", printable(path.name))
    return tuple(
        _question(table, f"{printable(path.name)}, question {number}", last)
        for number, table in enumerate(tables, start=1)
    )


def _question(table, where, last):
    _check_keys(table, {"text", "option"}, where)
    options = []
    for option in _tables(table, "option", "[[question.option]]", where):
        _check_keys(option, {"text", "right", "feedback"}, where)
        text, feedback = (_text(option, key, where, last) for key in ("text", "feedback"))
        options.append(Option(text, option.get("right", False), feedback))
    if len(options) not in (3, 4):
        raise CatdogError(f"{where}: it has {len(options)} options; write 3 or 4")
    marks = [option.right for option in options if option.right is not False]
    if len(marks) != 1 or marks[0] is not True:
        raise CatdogError(f"{where}: write right = true under exactly one option")
    return Question(_text(table, "text", where, last), tuple(options))


def _check_keys(table, known, where):
    for key in sorted(table.keys() - known):
        raise CatdogError(f"{where}: remove {key!a}; known are {', '.join(sorted(known))}")


def _tables(table, key, header, where):
    tables = table.get(key, [])
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise CatdogError(f"{where}: no {key}; begin each with a line {header}")
    return tables


def _text(table, key, where, last):
    """Return a text on one line, if `_filled` can fill all its braces."""
    text = table.get(key)
    if not isinstance(text, str) or not text.strip():
        raise CatdogError(f"{where}: a {key} is missing or empty; write {key} = with quotes")
    for name, chapter, _ in _PLACEHOLDER.findall(text):
        if chapter > last:
            raise CatdogError(f"{where}: {name} is of a later chapter; take one up to {last}")
    if wrong := re.search(r"\{[^}]*\}?|\}", _PLACEHOLDER.sub("", text)):
        raise CatdogError(
            f"{where}: {wrong[0]!a} is no number of a run; write one as {{02.first_accuracy:.1%}}, "
            "with .1%, .2f, .3g or points"
        )
    return " ".join(text.split())
