"""Handouts of invented chapters, and of those that notebooks/ stores; no chapter runs."""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from catdog_helpers import CatdogError, handouts

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# One white point.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEANl9ngAAAAABJRU5ErkJggg=="
BROWSER = handouts.find_browser()
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")
SCORES = pd.DataFrame({"val_accuracy": ["81.2%", "90.0%"]}, index=["first", "fine_tuned"])
CAPTION = "Pictures: sample. Seed: 0."


def code(source, *outputs, tags=()):
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def shown(**data):
    kinds = {"png": "image/png", "widget": "application/vnd.jupyter.widget-view+json"}
    data = {kinds.get(kind, f"text/{kind}"): value for kind, value in data.items()}
    return new_output("display_data", data, metadata={"image/png": {"alt": "two <white> points"}})


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
    given = {"DATA": "/home/teacher/pets.zip", "RUN_DIR": "/home/teacher/run"}
    metadata = {"papermill": {"parameters": given}, "kernelspec": {"name": "python3"}}
    metadata["kernelspec"]["display_name"] = "Python 3"
    return new_notebook(cells=cells, metadata=metadata)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "handouts"


@pytest.fixture
def no_browser(monkeypatch):
    monkeypatch.setattr(handouts, "find_browser", lambda: None)


def write(folder, **chapters):
    chapters = chapters or {"01_look": chapter(1), "02_more 100%25": chapter(2)}
    return handouts.write_handouts(folder, chapters, SCORES, CAPTION)


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


def check_self_contained(page):
    assert page.select("script, iframe, object") == []
    assert [link["href"] for link in page.select("link")] == ["data:,"]
    assert all(image["src"].startswith("data:image/") for image in page.select("img"))
    assert "url(" not in "".join(style.get_text() for style in page.select("style"))


def test_both_versions_are_complete_and_their_links_lead_somewhere(folder, no_browser):
    write(folder)
    pages = {"01_look.html", "02_more 100%25.html", "index.html", "glossary.html"}
    notebooks = {"01_look.ipynb", "02_more 100%25.ipynb"}
    assert {path.name for path in (folder / "teacher").iterdir()} == pages
    assert {path.name for path in (folder / "student").iterdir()} == pages | notebooks
    for version in ("student", "teacher"):
        check_links(folder / version)
        for path in (folder / version).glob("*.html"):
            check_self_contained(soup(path))
    assert [path.name for path in folder.parent.iterdir()] == ["handouts"]


def test_only_the_teacher_sees_solutions(folder, no_browser):
    write(folder, chapter=chapter(1))
    for path, content in tree(folder / "student").items():
        assert not re.search(rb"secret|6 \* 7|forty-two", content), path.name
    page = soup(folder / "student" / "chapter.html")
    assert [box.get_text(" ") for box in page.select(".answer")] == ["Your answer"] * 2
    page = soup(folder / "teacher" / "chapter.html")
    code_box, prose_box = map(words, page.select(".solution"))
    assert code_box == "Solution secret = 6 * 7 forty-two"
    assert prose_box == "Solution The secret answer is plain."


def test_a_page_shows_the_values_of_the_run_and_nothing_for_machines(folder, no_browser):
    noise = [
        new_output("stream", name="stderr", text="noise"),
        shown(widget="noise", plain="noise"),
    ]
    kept = new_output("stream", text="kept")
    write(folder, chapter=chapter(1, code("# NBVAL_IGNORE_OUTPUT\nshow()", *noise, kept)))
    text = words(soup(folder / "student" / "chapter.html").main)
    assert 'DATA = "pets.zip" # a "source" RUN_DIR = "runs/latest" show () kept' in text
    for path, content in tree(folder).items():
        assert not re.search(rb"noise|NBVAL|/home/teacher", content), path.name


def test_figures_carry_their_description(folder, no_browser):
    write(folder, chapter=chapter(1, code("plot()", shown(png=PNG, plain="two points"))))
    (image,) = soup(folder / "student" / "chapter.html").select("img")
    assert image["alt"] == "two <white> points"
    assert image["src"] == f"data:image/png;base64,{PNG}"


def test_student_notebooks_run_and_hold_no_outputs(folder, no_browser):
    cell = code("# NBVAL_IGNORE_OUTPUT\nanswer = len(DATA)", shown(plain="6"))
    cell.execution_count, cell.metadata["papermill"] = 3, {"duration": 1}
    write(folder, chapter=chapter(1, cell))
    notebook = nbformat.read(folder / "student" / "chapter.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata == {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.source for c in cells[1:]] == ["answer = len(DATA)", ""]
    assert [(c.outputs, c.execution_count) for c in cells] == [([], None)] * 3
    assert [c.metadata for c in cells] == [{"tags": ["parameters"]}, {}, {"tags": ["answer"]}]
    names = {}
    for c in cells:
        exec(c.source, names)
    assert (names["DATA"], names["RUN_DIR"], names["answer"]) == ("sample", "runs/latest", 6)


def test_the_index_lists_chapters_and_scores(folder, no_browser):
    write(folder)
    page = soup(folder / "student" / "index.html")
    first, _ = page.select(".chapters li")
    assert words(first) == "Chapter 1: Look & count To see pixels . notebook"
    (table,) = page.select("table")
    assert table.caption.get_text() == CAPTION
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in table.select("tr")]
    assert rows == [["model", "validation"], ["first", "81.2%"], ["fine_tuned", "90.0%"]]
    scopes = [cell["scope"] for cell in table.select("th")]
    assert scopes == ["col", "col", "row", "row"]


def test_without_scores_there_is_no_table(folder, no_browser):
    handouts.write_handouts(folder, {"chapter": chapter(1)}, pd.DataFrame(), CAPTION)
    assert soup(folder / "teacher" / "index.html").select("table") == []


GLOSSARY = {
    "first place": (["A *cat* purrs.", "A *cat* bites. A *Cat* sleeps."], ["cat: A *cat* purrs."]),
    "one sentence of many": (
        ["Here we go. The *label* is `a. B`, i.e. a number. Next one."],
        ["label: The *label* is `a. B`, i.e. a number."],
    ),
    "capital of a sentence": (["*Loss* is an error."], ["loss: *Loss* is an error."]),
    "capital of a name": (["*Grad-CAM* shows where."], ["Grad-CAM: *Grad-CAM* shows where."]),
    "name within": (["See the *McNemar test*."], ["McNemar test: See the *McNemar test*."]),
    "leaning on the one before": (
        ["A model leaks. It learns by heart. That is called *overfitting* by all of us."],
        ["overfitting: It learns by heart. That is called *overfitting* by all of us."],
    ),
    "too short": (["Nobody looks. We are *blind*."], ["blind: Nobody looks. We are *blind*."]),
    "nothing before": (["This is a *leak* of files."], ["leak: This is a *leak* of files."]),
    "two in a sentence": (
        ["The *dog* and the *bone*."],
        ["bone: The *dog* and the *bone*.", "dog: The *dog* and the *bone*."],
    ),
    "bold and code": (["**bold** and ***both*** and `a *b* c` and `*x*`."], []),
    "fenced code": (["```\na\n\n*no* b\n```"], []),
    "no italics": (["2 * 3 * 4, a*b*c, \\*no\\*, *open"], []),
    "heading": (["## The *title*\nThe *text* begins here."], ["text: The *text* begins here."]),
    "list": (["* one *item* of a list\n* two"], ["item: one *item* of a list"]),
    "numbered": (["1. First *step* of all.\n2. Second."], ["step: First *step* of all."]),
    "label in bold": (
        ["**A better way.** *Pooling* keeps the strongest answer of each."],
        ["pooling: *Pooling* keeps the strongest answer of each."],
    ),
    "lines of a paragraph": (["The *test\nset* is\nshut."], ["test set: The *test set* is shut."]),
}


@pytest.mark.parametrize("name", GLOSSARY)
def test_glossary(name):
    sources, wanted = GLOSSARY[name]
    chapters = {
        f"0{i}": new_notebook(cells=[new_markdown_cell(source), new_code_cell("a *b* c")])
        for i, source in enumerate(sources, start=1)
    }
    found = handouts.glossary(chapters)
    assert [f"{term}: {sentence}" for term, sentence, _ in found] == wanted
    assert {where for _, _, where in found} <= {"01"}


def test_the_glossary_leads_to_the_place_in_its_chapter(folder, no_browser):
    write(folder)
    (entry,) = soup(folder / "teacher" / "glossary.html").select("dl a")
    assert (entry.get_text(), entry["href"]) == ("Chapter 1", "01_look.html#term-pixels")
    assert soup(folder / "teacher" / "01_look.html").find("dfn", id="term-pixels")
    assert soup(folder / "teacher" / "02_more 100%25.html").select("dfn") == []


def test_handouts_of_an_earlier_run_are_replaced(folder, no_browser):
    write(folder, old=chapter(1))
    write(folder, new=chapter(2))
    assert (folder / "student" / "new.html").is_file()
    assert not list(folder.rglob("old.*"))
    assert [path.name for path in folder.parent.iterdir()] == ["handouts"]


STRANGE = {
    "folder of the user": (False, "notes.txt"),
    "checksums of something else": (False, handouts.CHECKSUMS),
    "file of the user among ours": (True, "student/my.txt"),
    "changed by the user": (True, "student/index.html"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_a_user_made_is_refused_and_stays(name, folder, no_browser):
    ours, path = STRANGE[name]
    if ours:
        write(folder)
    folder.mkdir(exist_ok=True)
    (folder / path).write_text("mine")
    before = tree(folder.parent)
    with pytest.raises(CatdogError, match=r"is not as a run made it.*move .* away"):
        write(folder)
    assert tree(folder.parent) == before


def test_a_file_in_the_place_of_the_folder_stays(folder):
    folder.write_text("mine")
    with pytest.raises(CatdogError, match=r"handouts is not as a run made it"):
        write(folder)
    assert folder.read_text() == "mine"


def test_a_failure_leaves_the_old_handouts_and_no_half_ones(folder, no_browser, monkeypatch):
    write(folder)
    before = tree(folder.parent)

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(handouts, "_write_index", full_disk)
    with pytest.raises(CatdogError, match=r"cannot write the handouts in .*: No space left"):
        write(folder)
    assert tree(folder.parent) == before
    assert [path.name for path in folder.parent.iterdir()] == ["handouts"]


def test_without_chapters_there_are_no_handouts(folder):
    with pytest.raises(CatdogError, match="no executed chapters in"):
        handouts.write_handouts(folder, {}, SCORES, CAPTION)
    assert not folder.exists()


def test_without_a_browser_one_line_says_how_to_get_pdfs(folder, no_browser):
    assert write(folder) == handouts.NO_BROWSER
    assert "\n" not in handouts.NO_BROWSER


@pytest.mark.parametrize("command", ["false", "true", "/does/not/exist"])
def test_a_failing_browser_leaves_pages_and_no_pdfs(command, folder, monkeypatch):
    monkeypatch.setattr(handouts, "find_browser", lambda: command)
    remark = write(folder)
    assert remark.startswith(f"no PDFs: {command} failed on 01_look.html")
    assert (folder / "student" / "index.html").is_file()
    assert not list(folder.rglob("*.pdf"))
    check_links(folder / "student")


def test_a_browser_that_fails_later_leaves_no_half_set_of_pdfs(folder, monkeypatch):
    def fail_on_glossary(browser, page):
        page.with_suffix(".pdf").write_bytes(b"%PDF-")
        return "exit code 1" if page.stem == "glossary" else ""

    monkeypatch.setattr(handouts, "find_browser", lambda: "browser")
    monkeypatch.setattr(handouts, "_print_pdf", fail_on_glossary)
    assert "browser failed on glossary.html (exit code 1)" in write(folder)
    assert not list(folder.rglob("*.pdf"))
    check_links(folder / "student")


@needs_browser
def test_chromium_prints_every_page(folder):
    assert write(folder, chapter=chapter(1)) == ""
    for version in ("student", "teacher"):
        check_links(folder / version)
        assert soup(folder / version / "index.html").find("a", href="chapter.pdf")
        names = {path.stem for path in (folder / version).glob("*.pdf")}
        assert names == {"chapter", "glossary", "index"}
    for path in folder.rglob("*.pdf"):
        content = path.read_bytes()
        assert content.startswith(b"%PDF-")
        # No link into the temporary folder of the printing.
        assert b"file:" not in content


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Pages made of the outputs that the notebooks store."""
    folder = tmp_path_factory.mktemp("stored") / "handouts"
    chapters = {path.stem: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handouts, "find_browser", lambda: None)
        handouts.write_handouts(folder, chapters, SCORES, CAPTION)
    return folder


def test_pages_of_the_series_are_whole_and_small(stored):
    size = sum(len(content) for content in tree(stored).values())
    assert size < 15e6
    for version in ("student", "teacher"):
        check_links(stored / version)
        for path in (stored / version).glob("*.html"):
            page = soup(path)
            check_self_contained(page)
            assert len(page.select("h1")) == 1
            assert all("No description" not in image["alt"] for image in page.select("img"))
    assert len(soup(stored / "teacher" / "glossary.html").select("dt")) > 20
