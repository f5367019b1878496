"""Handouts: the executed chapters as pages for a class, with and without the solutions.

Chapters come in memory, as ``{file name without its ending: executed notebook}``, in order.
"""

import copy
import functools
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat.v4 import new_markdown_cell, new_notebook

from catdog_helpers import CatdogError, plots

TEMPLATES = Path(__file__).parent / "templates"
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
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
NO_BROWSER = (
    "no PDFs: they need Chromium (Debian and Ubuntu: apt install chromium), Chrome or Edge on "
    "the PATH; every browser prints the pages too"
)
PDF_TIMEOUT = 120


def write_handouts(folder, chapters, scores, caption):
    """Write the handouts, complete or not at all, in place of those of an earlier run.

    Parameters
    ----------
    folder : Path
        Gets ``student/`` and ``teacher/``: a page a chapter, an index and a glossary, each as a
        PDF too where Chromium is found; for students also the notebooks without solutions.
    chapters : dict of str to NotebookNode
    scores : pandas.DataFrame of str
        A row for each model; columns of `HEADINGS`.
    caption : str
        What the scores belong to.

    Returns
    -------
    str: why there are no PDFs; empty where there are

    Raises
    ------
    CatdogError
        If there are no chapters, or the folder can't be written or holds other files.
    """
    if not chapters:
        raise CatdogError(f"no executed chapters in {folder.parent}: python runall.py makes them")
    check_replaceable(folder)
    try:
        with tempfile.TemporaryDirectory(prefix="handouts-", dir=folder.parent) as scratch:
            new = Path(scratch) / "new"
            remark = _write_versions(new, chapters, _score_table(scores, caption))
            (new / CHECKSUMS).write_text("".join(_checksums(new).values()), encoding="utf-8")
            if folder.exists():
                folder.rename(Path(scratch) / "old")
            new.rename(folder)
    except OSError as error:
        raise CatdogError(f"cannot write the handouts in {folder}: {error.strerror}") from None
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
    lines = {path: line.encode().strip() for path, line in _checksums(folder).items()}
    strange = [path for path, line in lines.items() if line not in known]
    if list_of_ours.exists() and not lines:
        strange = [list_of_ours]
    if folder.is_file() or strange:
        raise CatdogError(
            f"{(strange or [folder])[0]} is not as a run made it, and would be lost: "
            f"move {folder} away, or choose another --out"
        )


def _checksums(folder):
    """Return a line of ``sha256sum`` for each file."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    lines = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if name != CHECKSUMS:
            lines[path] = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n"
    return lines


def _write_versions(folder, chapters, table):
    for_students = {name: without_solutions(notebook) for name, notebook in chapters.items()}
    # A term that only a solution explains would give it away.
    terms = glossary(for_students)
    versions = {"student": for_students, "teacher": chapters}
    for version, own in versions.items():
        (folder / version).mkdir(parents=True)
        for name, notebook in own.items():
            _write_chapter(folder / version, name, notebook, chapters, terms)
        _write_glossary(folder / version, terms, chapters)
    for name, notebook in for_students.items():
        nbformat.write(student_notebook(notebook), folder / "student" / f"{name}.ipynb")
    remark = print_pdfs(folder)
    for version in versions:
        _write_index(folder / version, version, chapters, table)
    return remark or print_pdfs(folder, "index.html")


# Chapters: what readers get to see of a notebook.


def without_solutions(notebook):
    """Return a copy with an empty cell, tagged ``answer``, in place of each solution."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if "solution" in _tags(cell):
            cell.source, cell.metadata = "", nbformat.from_dict({"tags": ["answer"]})
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
    return notebook


def student_notebook(notebook):
    """Return a copy to work in: nothing run yet, and parameters as in the source."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = _cells_for_readers(notebook)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({"tags": _tags(cell)} if _tags(cell) else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    kept = {"kernelspec", "language_info"} & set(notebook.metadata)
    notebook.metadata = nbformat.from_dict({key: notebook.metadata[key] for key in sorted(kept)})
    return notebook


def _page_notebook(notebook):
    """Return a copy as a page shows it: with the values of its run, and without noise."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = _cells_for_readers(notebook)
    for cell in notebook.cells:
        if "parameters" in _tags(cell):
            cell.source = _with_values(cell.source, _parameters(notebook))
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_noise(output)]
    return notebook


def _cells_for_readers(notebook):
    """Leave out what is there for machines only: papermill's own cell, and marks for nbval."""
    cells = [cell for cell in notebook.cells if "injected-parameters" not in _tags(cell)]
    for cell in cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"(?m)^# *NBVAL_\w+\s*\n?", "", cell.source)
    return cells


def _with_values(source, parameters):
    """Put the values of the run in place of the defaults; of a path only its last part."""
    for name, value in parameters.items():
        text = repr(value)
        if isinstance(value, str):
            text = json.dumps(Path(value).name if os.path.isabs(value) else value)
        line = re.compile(rf"(?m)^({re.escape(name)}\b[^=\n]*= *).*?(  #.*)?$")
        source = line.sub(lambda m, text=text: f"{m[1]}{text}{m[2] or ''}", source, count=1)
    return source


def _parameters(notebook):
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    # Where the run of the teacher lies is of no use to anybody else.
    return {name: value for name, value in given.items() if name != "RUN_DIR"}


def _is_noise(output):
    """Whether an output is a widget, which a page can't move, or standard error."""
    kinds = output.get("data", {})
    return output.get("name") == "stderr" or any("widget" in kind for kind in kinds)


def _tags(cell):
    return cell.metadata.get("tags", [])


def _prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def _title(notebook, name):
    titles = [re.search(r"(?m)^# +(.+)$", source) for source in _prose(notebook)]
    return next((re.sub("[`*]", "", title[1]).strip() for title in titles if title), name)


def _short_title(notebook, name):
    return _title(notebook, name).partition(":")[0]


def _lesson(notebook):
    """Return what the chapter says under "What you will learn"."""
    lessons = [
        re.search(r"\*\*What you will learn\.\*\* *(.+)", source) for source in _prose(notebook)
    ]
    return next((lesson[1] for lesson in lessons if lesson), "")


# The glossary.

_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_NEW_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)])\s)")
_BLOCK_MARK = re.compile(r"^\s*(?:[-*+>]|\d+[.)])\s+")
_NO_TERM = re.compile(r"`[^`]*`|\*\*.+?\*\*")
_TERM = re.compile(r"(?<![*\\\w])\*(?![*\s])([^*]+?)(?<![\s\\])\*(?![*\w])")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')*]*\s+(?=[\"'(*]*[A-Z0-9])")
# A sentence that begins so can't be understood without the one before.
_LEANS = re.compile(r"(This|That|These|Those|It|They|Such|Both|Here|The larger)\b")
_SHORT = 6


def glossary(chapters):
    """Collect the terms, which the chapters set in italics where they first appear.

    Parameters
    ----------
    chapters : dict of str to NotebookNode

    Returns
    -------
    list of (term, sentence, chapter), by alphabet
        The sentence is Markdown: the one with the term, and the one before if it needs that.
    """
    entries = {}
    for name, notebook in chapters.items():
        for block in (block for source in _prose(notebook) for block in _blocks(source)):
            for term, sentence in _explained(block):
                entries.setdefault(term.casefold(), (term, sentence, name))
    return [entries[key] for key in sorted(entries)]


def _blocks(source):
    """Split Markdown into paragraphs and list items, without headings and code."""
    text = re.sub(r"(?m)^#+ .*$", "\n", _FENCE.sub("\n", source))
    blocks = (_BLOCK_MARK.sub("", block) for block in _NEW_BLOCK.split(text))
    return [" ".join(block.split()) for block in blocks]


def _explained(block):
    """Find the terms of a paragraph, each with its sentence."""
    plain = _NO_TERM.sub(_blanked, block)
    ends = [match.span() for match in _SENTENCE_END.finditer(plain)]
    starts = [0, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), len(block)]
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        text = plain[start:stop]
        leans = _LEANS.match(text) or len(text.split()) < _SHORT
        first = starts[number - 1] if leans and number else start
        for match in _TERM.finditer(text):
            yield _as_entry(match[1], begins=match.start() == 0), block[first:stop]


def _blanked(match):
    """Replace code or bold text, which hold no terms, by as many letters."""
    ends_sentence = match[0].endswith((".**", "!**", "?**"))
    return "X" * (len(match[0]) - 1) + ("." if ends_sentence else "X")


def _as_entry(term, *, begins):
    """Undo the capital that a term has only because it begins a sentence."""
    rest = term[1:]
    return term[0].lower() + rest if begins and rest == rest.lower() else term


def _anchor(term):
    return "term-" + re.sub(r"\W+", "-", term.casefold()).strip("-")


# Pages.


def _write_chapter(folder, name, notebook, chapters, terms):
    page = _render(_page_notebook(notebook), _title(notebook, name), _links(name, chapters))
    for term, _, chapter in terms:
        if chapter == name:
            pattern = rf"<em>({re.escape(html.escape(term, quote=False))})</em>"
            mark = rf'<dfn id="{_anchor(term)}">\1</dfn>'
            page = re.sub(pattern, mark, page, count=1, flags=re.IGNORECASE)
    _write_page(folder / f"{name}.html", page)


def _links(name, chapters):
    names = list(chapters)
    index = names.index(name)
    around = names[max(index - 1, 0) : index] + names[index + 1 : index + 2]
    links = {"index.html": "All chapters", "glossary.html": "Glossary"}
    return links | {quote(f"{near}.html"): _short_title(chapters[near], near) for near in around}


def _write_glossary(folder, terms, chapters):
    entries = []
    for term, sentence, name in terms:
        where = html.escape(_short_title(chapters[name], name))
        link = f'<a class="where" href="{quote(name)}.html#{_anchor(term)}">{where}</a>'
        entries.append(f"<dt>{html.escape(term)} {link}</dt><dd>{markdown2html(sentence)}</dd>")
    text = f'# Glossary\n\n<dl class="glossary">{"".join(entries)}</dl>'
    _write_prose(folder / "glossary.html", "Glossary", text, {"index.html": "All chapters"})


def _write_index(folder, version, chapters, table):
    title = f"Cats and dogs: {version} handouts"
    items = [_index_item(folder, name, notebook) for name, notebook in chapters.items()]
    more = '<p><a href="glossary.html">Glossary</a>: every term, and where it is explained.</p>'
    text = f'# {title}\n\n<ol class="chapters">{"".join(items)}</ol>\n\n{more}\n\n{table}'
    _write_prose(folder / "index.html", title, text, {})


def _index_item(folder, name, notebook):
    title = html.escape(_title(notebook, name))
    links = [
        f'<a href="{quote(name)}.{ending}" aria-label="{title}, {label}">{label}</a>'
        for label, ending in (("PDF", "pdf"), ("notebook", "ipynb"))
        if (folder / f"{name}.{ending}").exists()
    ]
    lesson = markdown2html(_lesson(notebook))
    files = f'<p class="files">{" · ".join(links)}</p>' if links else ""
    return f'<li><a href="{quote(name)}.html">{title}</a>{lesson}{files}</li>'


def _score_table(scores, caption):
    if scores.empty:
        return ""
    heads = "".join(f'<th scope="col">{HEADINGS[column]}</th>' for column in scores)
    rows = [
        f'<tr><th scope="row">{html.escape(str(model))}</th>'
        + "".join(f"<td>{html.escape(value)}</td>" for value in values)
        + "</tr>"
        for model, *values in scores.itertuples()
    ]
    return (
        f'## Scores\n\n<div class="table"><table><caption>{html.escape(caption)}</caption>'
        f'<thead><tr><th scope="col">model</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _write_prose(path, title, text, links):
    notebook = new_notebook(cells=[new_markdown_cell(text)])
    _write_page(path, _render(notebook, title, links))


def _render(notebook, title, links):
    page = {"title": title, "links": links, "colors": plots.COLORS}
    return _exporter().from_notebook_node(notebook, resources={"page": page})[0]


@functools.cache
def _exporter():
    # One for all pages: it compiles its templates once.
    return HTMLExporter(
        template_name="handouts",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        anchor_link_text="",
    )


def _write_page(path, page):
    path.write_text(page, encoding="utf-8", newline="\n")


# PDFs.


def find_browser():
    """Return the path of a browser of Chromium's family, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def print_pdfs(folder, pattern="*.html"):
    """Print pages as PDFs beside them, with Chromium and without a window.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders.
    pattern : str

    Returns
    -------
    str: why there are no PDFs, empty where there are
    """
    browser = find_browser()
    if browser is None:
        return NO_BROWSER
    for page in sorted(folder.rglob(pattern)):
        fault = _print_pdf(browser, page)
        if fault:
            for pdf in folder.rglob("*.pdf"):
                pdf.unlink()
            return f"no PDFs: {browser} failed on {page.name} ({fault}); print the pages from it"
    return ""


def _print_pdf(browser, page):
    """Print one page; return what went wrong, or an empty text."""
    pdf = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        copied = Path(scratch) / page.name
        # In a PDF, links to the other pages would point into this temporary folder.
        _write_page(copied, re.sub(r' href="[^":]+"', "", page.read_text(encoding="utf-8")))
        command = [browser, "--headless", "--disable-gpu", "--no-pdf-header-footer"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium's sandbox refuses to start as root.
        command += [f"--user-data-dir={scratch}/profile", f"--print-to-pdf={pdf.resolve()}"]
        try:
            done = subprocess.run(
                [*command, copied.as_uri()], capture_output=True, timeout=PDF_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return type(error).__name__
    return "" if pdf.is_file() and not done.returncode else f"exit code {done.returncode}"
