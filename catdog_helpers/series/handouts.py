"""Handouts: the executed chapters as pages for a class, with and without the solutions.

Cells tagged ``teacher`` are for the teacher alone. Cells tagged ``quiz`` put out HTML with an
element ``details`` for each option: closed for students, open for the teacher, who may print it.

Chapters come in memory, as ``{file name without its ending: executed notebook}``, in order.
"""

import contextlib
import copy
import functools
import hashlib
import html
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat.v4 import new_markdown_cell, new_notebook, new_output

from catdog_helpers import CatdogError, plots
from catdog_helpers.files.paths import atomic, reason
from catdog_helpers.series.chapters import is_widget, tags
from catdog_helpers.series.glossary import anchor, glossary, prose
from catdog_helpers.series.pdf import print_pdfs
from catdog_helpers.series.plan import LESSONS, plan, read_parts
from catdog_helpers.series.students import (
    package_wheel,
    values_of_run,
    with_open_quizzes,
    with_values,
    without_solutions,
    working_copy,
)

CHECKSUMS = "handouts.sha256"
# Columns of the scores as a class reads them.
HEADINGS = {
    "val_accuracy": "validation",
    "test_accuracy": "test",
    "test_interval": "95 % interval",
    "parameters": "weights",
    "epochs": "epochs",
    "train_seconds": "training, s",
}
_PLAN = """# Plan of lessons

First comes the core of each chapter, which is a step and its pitfall: in order, as far as they fit
into the lesson. What time is left makes chapters whole, again in order. A chapter whose core does
not fit is left out.

The minutes of reading, talking and exercises come from the notes for the teacher. Those of the
machine were measured in this run, with the solutions; on a slower computer they are more. The class
reads while the machine works, so the machine's minutes count only as far as they exceed those of
reading. Where the core alone is read, they are still those of the whole chapter, because every cell
has to run. Minutes that were not measured are not counted. A chapter without a note counts with
those of its machine alone.

A chapter needs what the chapters before it have left in the folder of the run. If one of these is
left out, run it before the lesson.
"""


def write_handouts(folder, chapters, scores, caption):
    """Write the handouts, complete or not at all, in place of those of an earlier run.

    The folder gets ``student/`` and ``teacher/``: a page for each chapter, an index and a glossary,
    each as a PDF too where Playwright and a browser are found; for students also the notebooks
    without solutions, with the package to install beside them, for the teacher a plan of lessons.
    `scores`, a table of text, has a row for each model and columns of `HEADINGS`; `caption` says
    what it belongs to. Returns why there are no PDFs, or no package, or ``""``.

    Raises
    ------
    CatdogError
        If there are no chapters, if a note for the teacher cannot be read, or if the folder cannot
        be written or holds other files.
    """
    if not chapters:
        raise CatdogError(f"no executed chapters in {folder.parent}: python runall.py makes them")
    check_replaceable(folder)
    try:
        with _replacement(folder) as new:
            remark = _write_versions(new, chapters, _score_table(scores, caption))
            (new / CHECKSUMS).write_bytes(b"\n".join([*_checksums(new).values(), b""]))
    except OSError as error:
        raise CatdogError(f"cannot write the handouts in {folder}: {reason(error)}") from None
    return remark


def write_workbook(folder, chapters, values):
    """Write the folder of a student, complete or not at all, from chapters as they are stored.

    It gets the same as ``student/`` of `write_handouts`, without PDFs and scores.

    Parameters
    ----------
    folder : Path
    chapters : dict of notebooks by name
    values : dict
        Parameters to preset in the notebooks: the images and the weights of the class.

    Returns
    -------
    str
        Why there is no wheel of the package, or ``""``.

    Raises
    ------
    CatdogError
        If the folder exists already or cannot be written.
    """
    if folder.exists():
        raise CatdogError(f"{folder} exists already, and is somebody's work: give another name")
    for_students = {name: without_solutions(notebook) for name, notebook in chapters.items()}
    terms = glossary(for_students)
    try:
        with atomic(folder) as new:
            new.mkdir(parents=True, exist_ok=True)
            for name, notebook in for_students.items():
                _write_chapter(new, name, notebook, for_students, terms)
            _write_glossary(new, terms, for_students)
            remark = _write_working_copies(new, for_students, values)
            _write_index(new, "student", for_students, "")
    except OSError as error:
        raise CatdogError(f"cannot write {folder}: {reason(error)}") from None
    return remark


def check_replaceable(folder):
    """Make sure that a folder is absent, or holds nothing but handouts as they were made.

    Raises
    ------
    CatdogError
        If not, naming a file that stands in the way.
    """
    list_of_ours = folder / CHECKSUMS
    known = list_of_ours.read_bytes().splitlines() if list_of_ours.is_file() else []
    checksums = _checksums(folder)
    strange = [path for path, line in checksums.items() if line not in known]
    if list_of_ours.exists() and not checksums:
        strange = [list_of_ours]
    if folder.is_file() or strange:
        raise CatdogError(
            f"{(strange or [folder])[0]} is not as a run made it, and would be lost: "
            f"move {folder} away, or choose another --out"
        )


def _checksums(folder):
    """Return the line of ``sha256sum``, in bytes, for each file but the list of them."""
    lines = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / CHECKSUMS:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines[path] = f"{digest}  {path.relative_to(folder).as_posix()}".encode()
    return lines


@contextlib.contextmanager
def _replacement(folder):
    """Yield a new folder that takes the place of the old one, which stays if anything fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    old = scratch / "old"
    try:
        with atomic(folder) as new:
            yield new
            if folder.exists():
                folder.rename(old)
    except BaseException:
        if old.exists():
            try:
                old.rename(folder)
            except OSError as error:
                text = f"cannot write {folder}: {reason(error)}; the earlier handouts are in {old}"
                raise CatdogError(text) from error
        scratch.rmdir()
        raise
    shutil.rmtree(scratch, ignore_errors=True)


def _write_versions(folder, chapters, table):
    for_students = {name: without_solutions(notebook) for name, notebook in chapters.items()}
    for_teacher = {name: with_open_quizzes(notebook) for name, notebook in chapters.items()}
    # A term that only a solution or a note explains would give it away.
    terms = glossary(for_students)
    versions = {"student": for_students, "teacher": for_teacher}
    for version, own in versions.items():
        (folder / version).mkdir(parents=True)
        for name, notebook in own.items():
            _write_chapter(folder / version, name, notebook, for_students, terms)
        _write_glossary(folder / version, terms, for_students)
    parts = [read_parts(name, notebook) for name, notebook in chapters.items()]
    _write_plan(folder / "teacher", parts, for_students)
    remarks = [_write_working_copies(folder / "student", for_students)]
    # Before chapter 1 the scores would say how the story ends.
    tables = {"student": "", "teacher": table}
    for version in versions:
        _write_index(folder / version, version, for_students, tables[version])
    remarks.append(print_pdfs(folder))
    for version in versions:  # again, now with links to the PDFs
        _write_index(folder / version, version, for_students, tables[version])
    return "; ".join(filter(None, remarks))


def _write_working_copies(folder, for_students, values=None):
    """Write the notebooks that students work in, and the wheel of the package beside them.

    `values` presets parameters, by default those that name the images and weights of the run.
    Returns why there is no wheel, or ``""``.
    """
    wheel, remark = "", ""
    try:
        wheel, content = package_wheel()
        (folder / wheel).write_bytes(content)
    except CatdogError as error:
        remark = str(error)
    for name, notebook in for_students.items():
        of_run = values_of_run(notebook)
        preset = {key: of_run[key] for key in ("DATA", "WEIGHTS") if key in of_run}
        own = working_copy(_for_readers(notebook), wheel, preset if values is None else values)
        nbformat.write(own, folder / f"{name}.ipynb")
    return remark


def _page_notebook(notebook):
    """Return a copy as a page shows it: with the values of its run, and without noise."""
    notebook = _for_readers(notebook)
    # Of widgets, which a page cannot move. nbconvert fails on what Google Colab writes there.
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if "parameters" in tags(cell):
            cell.source = with_values(cell.source, values_of_run(notebook))
        if cell.cell_type == "code":
            shown = [output for output in cell.outputs if output.get("name") != "stderr"]
            cell.outputs = [_without_widget(output) for output in shown]
    return notebook


def _without_widget(output):
    """Return an output, or a remark in place of a widget."""
    if is_widget(output):
        return new_output("stream", text="(interactive: run the notebook to see it)\n")
    return output


def _for_readers(notebook):
    """Return a copy without what is for machines: papermill's own cell, and marks for nbval."""
    remove = TagRemovePreprocessor(remove_cell_tags={"injected-parameters"})
    notebook, _ = remove.preprocess(copy.deepcopy(notebook), {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"(?m)^# *NBVAL_\w+\s*\n?", "", cell.source)
    return notebook


def _title(notebook, name):
    title = re.search(r"(?m)^# +(.+)$", "\n\n".join(prose(notebook)))
    return re.sub("[`*]", "", title[1]).strip() if title else name


def _short_title(notebook, name):
    """Return the part of a title before its colon, such as ``Chapter 1``, as HTML."""
    return html.escape(_title(notebook, name).partition(":")[0])


def _write_chapter(folder, name, notebook, chapters, terms):
    names = list(chapters)
    i = names.index(name)
    links = {"index.html": "All chapters", "glossary.html": "Glossary"}
    for near in names[max(i - 1, 0) : i] + names[i + 1 : i + 2]:
        links[quote(f"{near}.html")] = _title(chapters[near], near).partition(":")[0]
    page = _render(_page_notebook(notebook), _title(chapters[name], name), links)
    for term in (term for term, _, chapter in terms if chapter == name):
        pattern = rf"<em>({re.escape(html.escape(term, quote=False))})</em>"
        mark = rf'<dfn id="{anchor(term)}">\1</dfn>'
        page = re.sub(pattern, mark, page, count=1, flags=re.IGNORECASE)
    (folder / f"{name}.html").write_text(page, encoding="utf-8", newline="\n")


def _write_glossary(folder, terms, chapters):
    entries = []
    for term, sentence, name in terms:
        where = _short_title(chapters[name], name)
        link = f'<a class="where" href="{quote(name)}.html#{anchor(term)}">{where}</a>'
        entries.append(f"<dt>{html.escape(term)} {link}</dt><dd>{markdown2html(sentence)}</dd>")
    text = f'# Glossary\n\n<dl class="glossary">{"".join(entries)}</dl>'
    _write_text(folder / "glossary.html", "Glossary", text, {"index.html": "All chapters"})


def _write_index(folder, version, chapters, table):
    items = []
    for name, notebook in chapters.items():
        title = html.escape(_title(notebook, name))
        lesson = re.search(r"\*\*What you will learn\.\*\* *(.+)", "\n\n".join(prose(notebook)))
        links = [
            f'<a href="{quote(name)}.{ending}" aria-label="{title}, {label}">{label}</a>'
            for label, ending in (("PDF", "pdf"), ("notebook", "ipynb"))
            if (folder / f"{name}.{ending}").exists()
        ]
        files = f'<p class="files">{" · ".join(links)}</p>' if links else ""
        summary = markdown2html(lesson[1] if lesson else "")
        items.append(f'<li><a href="{quote(name)}.html">{title}</a>{summary}{files}</li>')
    heading = f"Cats and dogs: {version} handouts"
    more = '<p><a href="glossary.html">Glossary</a>: every term, and where it is explained.</p>'
    if version == "teacher":
        more += '<p><a href="plan.html">Plan of lessons</a>: which chapters fit into how long.</p>'
    text = f'# {heading}\n\n<ol class="chapters">{"".join(items)}</ol>\n\n{more}\n\n{table}'
    _write_text(folder / "index.html", heading, text, {})


def _write_plan(folder, parts, chapters):
    """Write which parts of the chapters fit into a lesson, a table for each length of one."""
    links = {
        name: f'<a href="{quote(name)}.html">{_short_title(notebook, name)}</a>'
        for name, notebook in chapters.items()
    }
    lessons = [_lesson(parts, minutes, links) for minutes in LESSONS]
    text = "\n\n".join([_PLAN, *lessons])
    _write_text(folder / "plan.html", "Plan of lessons", text, {"index.html": "All chapters"})


def _lesson(chapters, minutes, links):
    taken, left_out = plan(chapters, minutes)
    rows = [[links[part.chapter], *_plan_cells(part)] for part in taken]
    caption = f"{sum(part.minutes for part in taken)} of {minutes} minutes are planned."
    heads = ("chapter", "part", "reading", "machine", "exercises", "together")
    cores = [
        f"<li>{links[part.chapter]}: {html.escape('; '.join(part.core))}</li>"
        for part in taken
        if part.core
    ]
    blocks = [f"## {minutes} minutes", _table(caption, heads, rows)]
    if cores:
        blocks.append(f"<p>The core:</p><ul>{''.join(cores)}</ul>")
    if left_out:
        blocks.append(f"<p>Left out: {', '.join(links[name] for name in left_out)}</p>")
    return "\n\n".join(blocks)


def _plan_cells(part):
    machine = "not measured" if part.machine is None else part.machine
    if part.reading is None:
        return ["no note", "", machine, "", part.minutes]
    kind = "the core alone" if part.core else "whole"
    return [kind, part.reading, machine, part.exercises, part.minutes]


def _score_table(scores, caption):
    if scores.empty:
        return ""
    heads = ["model", *(HEADINGS[column] for column in scores)]
    rows = [[html.escape(str(value)) for value in row] for row in scores.itertuples()]
    return f"## Scores\n\n{_table(html.escape(caption), heads, rows)}"


def _table(caption, heads, rows):
    """Return a table as HTML, from texts that are HTML; each row begins with its heading."""
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = []
    for name, *values in rows:
        cells = "".join(f"<td>{value}</td>" for value in values)
        body.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return (
        f'<div class="table"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _write_text(path, title, text, links):
    """Write a page of Markdown alone."""
    # A fixed id: the cell would get a random one, and the page would differ from run to run.
    notebook = new_notebook(cells=[new_markdown_cell(text, id="text")])
    path.write_text(_render(notebook, title, links), encoding="utf-8", newline="\n")


def _render(notebook, title, links):
    colors = dict(zip(("cats", "dogs"), plots.class_colors(2), strict=True))
    page = {"title": title, "links": links, "colors": plots.COLORS | colors}
    return _exporter().from_notebook_node(notebook, resources={"page": page})[0]


@functools.cache
def _exporter():
    # One for all pages: it compiles its templates once.
    return HTMLExporter(
        template_name="handouts",
        extra_template_basedirs=[str(Path(__file__).parent / "templates")],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        anchor_link_text="",
    )
