"""Handouts of invented chapters, and of those that notebooks/ stores; no chapter runs."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from catdog_helpers import CatdogError
from catdog_helpers.machine import find_browser
from catdog_helpers.series import handouts
from catdog_helpers.series.students import package_wheel

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
# One white pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEANl9ngAAAAABJRU5ErkJggg=="
needs_browser = pytest.mark.skipif(not find_browser(), reason="no Chromium on the PATH")
SCORES = pd.DataFrame({"val_accuracy": ["81.2%", "90.0%"]}, index=["first", "fine_tuned"])


def code(source, *outputs, tags=()):
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def display(**data):
    kinds = {"png": "image/png", "widget": "application/vnd.jupyter.widget-view+json"}
    data = {kinds.get(kind, f"text/{kind}"): value for kind, value in data.items()}
    return new_output("display_data", data, metadata={"image/png": {"alt": "two <white> pixels"}})


def chapter(number, *cells):
    """Return a chapter as papermill leaves it, with a solution of each kind."""
    title = f"# Chapter {number}: Look & count\n\n**What you will learn.** To see *pixels*."
    cells = [
        new_markdown_cell(title),
        code('DATA = "sample"  # a "source"\nRUN_DIR = "runs/latest"', tags=["parameters"]),
        code('DATA = "/home/teacher/pets.zip"', tags=["injected-parameters"]),
        *cells,
        new_markdown_cell("## Exercises\n\n1. How many?"),
        code("secret = 6 * 7", new_output("stream", text="forty-two"), tags=["solution"]),
        new_markdown_cell("The *secret answer* is plain.", metadata={"tags": ["solution"]}),
    ]
    cells[-2].id = "solution-1"
    home = Path("/home/teacher").absolute()  # on Windows with the letter of a drive
    given = {"DATA": str(home / "pets.zip"), "RUN_DIR": str(home / "run")}
    metadata = {"papermill": {"parameters": given}, "kernelspec": {"name": "python3"}}
    metadata["kernelspec"]["display_name"] = "Python 3"
    return new_notebook(cells=cells, metadata=metadata)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no browser, no PDFs
    return tmp_path / "handouts"


def write(folder, scores=SCORES, **chapters):
    chapters = chapters or {"01_look": chapter(1), "02_more 100%25": chapter(2)}
    return handouts.write_handouts(folder, chapters, scores, "Images: sample. Seed: 0.")


def soup(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def words(element):
    return " ".join(element.get_text(" ").split())


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_links(folder):
    """Every address in every page leads to a file of the same folder, and to a place in it."""
    pages = {path.name: soup(path) for path in folder.glob("*.html")}
    places = {name: {each["id"] for each in page.select("[id]")} for name, page in pages.items()}
    for name, page in pages.items():
        for address in {link["href"] for link in page.select("a[href]")}:
            target, _, place = unquote(address).partition("#")
            assert (folder / (target or name)).is_file(), f"{name} leads to {address}"
            assert not place or place in places[target or name], f"{name} leads to {address}"


def test_both_versions_are_complete_and_their_links_lead_somewhere(folder):
    write(folder)
    pages = {"01_look.html", "02_more 100%25.html", "index.html", "glossary.html"}
    notebooks = {"01_look.ipynb", "02_more 100%25.ipynb"}
    assert {path.name for path in (folder / "teacher").iterdir()} == pages | {"plan.html"}
    wheel, _ = package_wheel()
    assert {path.name for path in (folder / "student").iterdir()} == pages | notebooks | {wheel}
    for version in ("student", "teacher"):
        check_links(folder / version)
    assert [path.name for path in folder.parent.iterdir()] == ["handouts"]


def test_only_the_teacher_sees_solutions(folder):
    write(folder, chapter=chapter(1))
    for path, content in tree(folder / "student").items():
        assert not re.search(rb"secret|6 \* 7|forty-two", content), path.name
    page = soup(folder / "student" / "chapter.html")
    assert [box.get_text(" ") for box in page.select(".answer")] == [
        "Your answer to 1",
        "Your answer",
    ]
    page = soup(folder / "teacher" / "chapter.html")
    code_box, prose_box = map(words, page.select(".solution"))
    assert code_box == "Solution secret = 6 * 7 forty-two"
    assert prose_box == "Solution The secret answer is plain."


NOTE = """# Confidential *aims*

Ask for *pixels*, and for the *hidden word* of the confidential note.

**Minutes.** Reading and talking 25, exercises 20, the core alone 15.

**Core.** "Exercises".
"""


def with_note(notebook, note=NOTE, **papermill):
    """Put cells for the teacher first, where a title and a term would be found first."""
    tagged = {"metadata": {"tags": ["teacher"]}}
    output = new_output("stream", text="a confidential output")
    cells = [
        new_markdown_cell(note, **tagged),
        new_code_cell("confidential = 1", outputs=[output], **tagged),
    ]
    notebook.cells = cells + notebook.cells
    notebook.metadata["papermill"].update(papermill)
    return notebook


def test_only_the_teacher_sees_the_notes(folder):
    chapters = {"01_look": with_note(chapter(1)), "02_more": chapter(2)}
    write(folder, **chapters)
    student = tree(folder / "student")
    assert {path.suffix for path in student} == {".html", ".ipynb", ".whl"}
    for path, content in student.items():
        assert not re.search(rb"(?i)confidential|hidden word|exercises 20", content), path.name
    page = soup(folder / "teacher" / "01_look.html")
    note, code_of_note = map(words, page.select(".teacher"))
    assert note.startswith("Confidential aims Ask for pixels , and")
    assert code_of_note == "confidential = 1 a confidential output"
    assert soup(folder / "teacher" / "02_more.html").select(".teacher") == []


def test_a_note_explains_no_term_and_is_no_title(folder):
    write(folder, **{"01_look": with_note(chapter(1)), "02_more": chapter(2)})
    for version in ("student", "teacher"):
        check_links(folder / version)
        glossary = soup(folder / version / "glossary.html")
        assert [words(term) for term in glossary.select("dt")] == ["pixels Chapter 1"]
        page = soup(folder / version / "01_look.html")
        assert [term.parent.name for term in page.select("dfn")] == ["p"]
        assert page.select(".teacher dfn") == []
        assert page.title.get_text() == "Chapter 1: Look & count"
        assert "Chapter 1" in words(soup(folder / version / "02_more.html").nav)
        assert "Confidential" not in words(soup(folder / version / "index.html"))


def test_a_quiz_is_closed_for_students_and_open_for_the_teacher(folder):
    options = "<details><summary>four</summary><p>No.</p></details>"
    options += '<details class="right"><summary>five</summary><p>Yes.</p></details>'
    options += "<details open><summary>six</summary><p>Nearly.</p></details>"
    shown = display(html=f'<section class="quiz">{options}</section>', plain="Quiz")
    other = display(html="<details><summary>More</summary></details>")
    cells = [code("ask()", shown, tags=["quiz"]), code("show()", other)]
    write(folder, chapter=chapter(1, *cells))

    def is_open(version):
        page = soup(folder / version / "chapter.html")
        assert [words(p) for p in page.select(".quiz details p")] == ["No.", "Yes.", "Nearly."]
        return [each.has_attr("open") for each in page.select("details")]

    assert is_open("student") == [False, False, True, False]
    assert is_open("teacher") == [True, True, True, False]


def table_rows(table):
    return [[words(cell) for cell in row.select("th, td")] for row in table.select("tr")]


def test_the_plan_lists_what_fits_into_a_lesson(folder):
    chapters = {
        "01_look": with_note(chapter(1), duration=61.0),
        "02 100%25": with_note(chapter(2), duration=1800.5),
        "03_own": chapter(3),
        "04_last": with_note(chapter(4)),
    }
    write(folder, **chapters)
    page = soup(folder / "teacher" / "plan.html")
    heads = ["chapter", "part", "reading", "machine", "exercises", "together"]
    first = ["Chapter 1", "whole", "25", "2", "20", "45"]
    first_core = ["Chapter 1", "the core alone", "15", "2", "0", "15"]
    own = ["Chapter 3", "no note", "", "not measured", "", "0"]
    second = ["Chapter 2", "whole", "25", "31", "20", "51"]
    last = ["Chapter 4", "whole", "25", "not measured", "20", "45"]
    last_core = ["Chapter 4", "the core alone", "15", "not measured", "0", "15"]
    wanted = {
        "30 of 45": [heads, first_core, own, last_core],  # chapter 2 would take 31
        "81 of 90": [heads, first_core, second, own, last_core],
        "141 of 180": [heads, first, second, own, last],
    }
    tables = {table.caption.get_text(): table_rows(table) for table in page.select("table")}
    assert tables == {f"{each} minutes are planned.": rows for each, rows in wanted.items()}
    text = words(page.main)
    assert text.count("The core: Chapter 1 : Exercises Chapter 4 : Exercises") == 2
    assert re.findall(r"Left out: (Chapter \d(?: , Chapter \d)*)", text) == ["Chapter 2"]


def test_the_plan_is_linked_for_the_teacher_alone(folder):
    write(folder)
    assert soup(folder / "teacher" / "index.html").find("a", href="plan.html")
    assert not soup(folder / "student" / "index.html").find("a", href="plan.html")
    plan = soup(folder / "teacher" / "plan.html")
    assert [link["href"] for link in plan.nav.select("a")] == ["index.html"]
    for table in plan.select("table"):
        places = [link["href"] for link in table.select("a")]
        assert places == ["01_look.html", "02_more%20100%2525.html"]


def test_a_broken_note_leaves_the_old_handouts(folder):
    write(folder)
    before = tree(folder.parent)
    with pytest.raises(CatdogError, match=r"^01_look: the note for the teacher needs one line"):
        write(folder, **{"01_look": with_note(chapter(1), "Confidential.")})
    assert tree(folder.parent) == before


def test_every_color_that_the_style_names_is_there(folder):
    write(folder)
    style = soup(folder / "teacher" / "index.html").style.get_text()
    assert set(re.findall(r"var\((--\w+)\)", style)) <= set(re.findall(r"(--\w+):", style))


def test_a_page_shows_the_values_of_the_run_and_nothing_for_machines(folder):
    stderr = new_output("stream", name="stderr", text="noise")
    outputs = [stderr, display(widget="noise", plain="noise"), new_output("stream", text="kept")]
    write(folder, chapter=chapter(1, code("# NBVAL_IGNORE_OUTPUT\nshow()", *outputs)))
    text = words(soup(folder / "student" / "chapter.html").main)
    assert 'DATA = "pets.zip" # a "source" RUN_DIR = "runs/latest" show ()' in text
    assert "show () (interactive: run the notebook to see it) kept" in text
    for path, content in tree(folder).items():
        assert not re.search(rb"noise|NBVAL|/home/teacher", content), path.name


@pytest.mark.parametrize("state", [{"version_major": 2}, {"a": {}}, None])
def test_widgets_as_google_colab_stores_them_stop_no_page(state, folder):
    colab = chapter(1, code("show()", display(widget={"model_id": "a"}, plain="noise")))
    colab.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    write(folder, chapter=colab, other=chapter(2))
    assert "show () (interactive" in words(soup(folder / "teacher" / "chapter.html").main)
    colab.metadata["widgets"] = {}
    write(folder, chapter=colab)


def test_names_of_files_are_shown_as_they_are(folder):
    name = "ca$$idy $x$ *a* _b_ `c` <u>&amp;.jpg"
    outputs = [new_output("stream", text=name), display(plain=name)]
    chapters = {"chapter": chapter(1, code("show()", *outputs))}
    handouts.write_handouts(folder, chapters, SCORES, f"Images: {name}.")
    assert words(soup(folder / "student" / "chapter.html").main).count(name) == 2
    assert soup(folder / "teacher" / "index.html").caption.get_text() == f"Images: {name}."


def test_figures_carry_their_description(folder):
    write(folder, chapter=chapter(1, code("plot()", display(png=PNG, plain="two pixels"))))
    (image,) = soup(folder / "student" / "chapter.html").select("img")
    assert image["alt"] == "two <white> pixels"
    assert image["src"] == f"data:image/png;base64,{PNG}"


def test_student_notebooks_run_and_hold_no_outputs(folder):
    cell = code("# NBVAL_IGNORE_OUTPUT\nanswer = len(DATA)", display(plain="6"))
    cell.execution_count, cell.metadata["papermill"] = 3, {"duration": 1}
    write(folder, chapter=chapter(1, cell))
    notebook = nbformat.read(folder / "student" / "chapter.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata == {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.source for c in cells[2:]] == ["answer = len(DATA)", ""]
    # Of the teacher's path only the last part, and nothing of the run.
    assert cells[1].source == 'DATA = "pets.zip"  # a "source"\nRUN_DIR = "runs/latest"'
    assert [(c.outputs, c.execution_count) for c in cells] == [([], None)] * 4
    assert [c.metadata for c in cells[1:]] == [{"tags": ["parameters"]}, {}, {"tags": ["answer"]}]
    names = {}
    for c in cells[1:]:  # the first is for IPython
        exec(c.source, names)
    assert (names["DATA"], names["RUN_DIR"], names["answer"]) == ("pets.zip", "runs/latest", 8)


def test_the_index_lists_chapters_and_the_teachers_has_the_scores(folder):
    write(folder)
    page = soup(folder / "student" / "index.html")
    first, _ = page.select(".chapters li")
    assert words(first) == "Chapter 1: Look & count To see pixels . notebook"
    assert page.select("table") == []
    (table,) = soup(folder / "teacher" / "index.html").select("table")
    assert table.caption.get_text() == "Images: sample. Seed: 0."
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in table.select("tr")]
    assert rows == [["model", "validation"], ["first", "81.2%"], ["fine_tuned", "90.0%"]]
    scopes = [cell["scope"] for cell in table.select("th")]
    assert scopes == ["col", "col", "row", "row"]
    write(folder, scores=pd.DataFrame())
    assert soup(folder / "teacher" / "index.html").select("table") == []


def test_the_glossary_leads_to_the_place_in_its_chapter(folder):
    write(folder)
    (entry,) = soup(folder / "teacher" / "glossary.html").select("dl a")
    assert (entry.get_text(), entry["href"]) == ("Chapter 1", "01_look.html#term-pixels")
    assert soup(folder / "teacher" / "01_look.html").find("dfn", id="term-pixels")
    assert soup(folder / "teacher" / "02_more 100%25.html").select("dfn") == []


def test_handouts_of_an_earlier_run_are_replaced(folder):
    write(folder, old=chapter(1))
    write(folder, new=chapter(2))
    assert (folder / "student" / "new.html").is_file()
    assert not list(folder.rglob("old.*"))
    assert [path.name for path in folder.parent.iterdir()] == ["handouts"]


@pytest.mark.parametrize(
    "path", ["student/index.html", "student/my.txt", "notes.txt", handouts.CHECKSUMS, ""]
)
def test_what_a_user_made_is_refused_and_stays(path, folder):
    if path.startswith("student"):
        write(folder)
    mine = folder / path
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    before = tree(folder.parent)
    message = rf"^{re.escape(str(mine))} is not as a run made it.*move .* away"
    with pytest.raises(CatdogError, match=message):
        write(folder)
    assert tree(folder.parent) == before


def full_disk(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("name", "replace"), [("no/such/folder", os.replace), ("02_more", full_disk)]
)
def test_a_failure_leaves_the_old_handouts_and_no_half_ones(name, replace, folder, monkeypatch):
    write(folder)
    before = tree(folder.parent)
    monkeypatch.setattr(os, "replace", replace)  # the very last step
    with pytest.raises(CatdogError, match=r"cannot write the handouts in .*: No (such|space)"):
        write(folder, **{"01_look": chapter(1), name: chapter(2)})
    assert tree(folder.parent) == before
    assert [path.name for path in folder.parent.iterdir()] == ["handouts"]


def test_handouts_that_cannot_be_put_back_are_kept_where_the_message_says(folder, monkeypatch):
    write(folder)
    before = {path.relative_to(folder): content for path, content in tree(folder).items()}
    real = Path.rename
    monkeypatch.setattr(os, "replace", full_disk)
    monkeypatch.setattr(
        Path, "rename", lambda old, new: full_disk() if new == folder else real(old, new)
    )
    with pytest.raises(CatdogError, match="No space left on device; the earlier") as caught:
        write(folder)
    kept = Path(str(caught.value).rpartition(" are in ")[2])
    assert {path.relative_to(kept): content for path, content in tree(kept).items()} == before


def test_without_chapters_there_are_no_handouts(folder):
    with pytest.raises(CatdogError, match="no executed chapters in"):
        handouts.write_handouts(folder, {}, SCORES, "")
    assert not folder.exists()


@needs_browser
def test_pdfs_are_linked_where_they_are(tmp_path):
    assert write(tmp_path / "handouts", chapter=chapter(1)) == ""
    for folder in (tmp_path / "handouts" / "student", tmp_path / "handouts" / "teacher"):
        check_links(folder)
        assert soup(folder / "index.html").find("a", href="chapter.pdf")
        pages = {path.stem for path in folder.glob("*.html")}
        assert {path.stem for path in folder.glob("*.pdf")} == pages


@needs_browser
def test_a_browser_that_fails_leaves_no_half_set_of_pdfs_and_no_links_to_them(tmp_path):
    closing = new_markdown_cell("<script>window.close()</script>")
    remark = write(tmp_path / "handouts", first=chapter(1), second=chapter(2, closing))
    assert "failed on second.html" in remark
    assert not list(tmp_path.rglob("*.pdf"))
    check_links(tmp_path / "handouts" / "student")


def test_pages_of_the_series_are_whole_and_need_no_other_files(folder):
    write(folder, **{path.stem: nbformat.read(path, as_version=4) for path in NOTEBOOKS})
    for path in folder.rglob("*.html"):
        page = soup(path)
        assert page.select("script, iframe, object") == []
        assert [link["href"] for link in page.select("link")] == ["data:,"]
        assert all(image["src"].startswith("data:image/") for image in page.select("img"))
        assert all("No description" not in image["alt"] for image in page.select("img"))
        assert "url(" not in "".join(style.get_text() for style in page.select("style"))
        assert len(page.select("h1")) == 1
    for version in ("student", "teacher"):
        check_links(folder / version)
        assert len(soup(folder / version / "glossary.html").select("dt")) > 20
