"""JupyterLab and the handouts in a real browser, without a network."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
import trees
from nbformat.v4 import new_code_cell, new_notebook

from catdog_helpers.machine import find_browser
from catdog_helpers.series import handouts
from catdog_helpers.series.stored_outputs import METADATA

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
CHROMIUM = find_browser()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
]

PROJECT = Path(__file__).parents[2]
CHAPTERS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
ELSEWHERE = re.compile(r"^(?!file:|data:|https?://(localhost|127\.0\.0\.1)[:/])")
# Limits for a hopelessly busy machine, in seconds; nothing waits for longer than it needs to.
TIMEOUT, RUN_TIMEOUT = 120, 600
expect.set_options(timeout=TIMEOUT * 1000)
PROGRESS_BAR = "from tqdm.auto import tqdm\n\nfor _ in tqdm(range(3)):\n    pass"
BUTTON = """
import keras
from keras import layers
from catdog_helpers import photos

maps = [keras.Input((32, 32, 3)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()]
model = keras.Sequential([*maps, layers.Dense(2)])
photos.upload_button(photos.Classifier(model, ("cats", "dogs"), False))
"""
TROUBLE = (
    '.jp-OutputArea-output:is([data-mime-type$=".error"], [data-mime-type$=".stderr"]), '
    '.jp-OutputArea-output:has-text("Error displaying widget")'
)
SCROLLS_SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
FAULTY_FIGURES = """
    [...document.images].filter(
        (figure) => !figure.naturalWidth || !figure.alt.trim()
            || figure.getBoundingClientRect().right > innerWidth
    ).map((figure) => figure.outerHTML.slice(0, 100))
"""


@pytest.fixture(scope="module")
def browser():
    with (
        playwright.sync_playwright() as driver,
        driver.chromium.launch(executable_path=CHROMIUM) as browser,
    ):
        yield browser


def open_page(browser, width, complaints):
    """Open an empty page that reaches this machine only and notes what goes wrong."""
    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.set_default_timeout(TIMEOUT * 1000)
    page.route(ELSEWHERE, lambda route: route.abort())
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    return page


# JupyterLab.


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """What somebody has who got the project and never started JupyterLab before."""
    folder = tmp_path_factory.mktemp("home") / "project"
    shutil.copytree(PROJECT / "notebooks", folder / "notebooks")
    shutil.copy(PROJECT / "runall.py", folder)
    for name, source in (("scratch", PROGRESS_BAR), ("button", BUTTON)):
        notebook = new_notebook(cells=[new_code_cell(source)], metadata=METADATA)
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def lab(project):
    """Return the address of a notebook in a JupyterLab that was started in the project folder."""
    home = project.parent
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(home / name) for name in names}
    # The run belongs where a user would find it.
    del environment["CATDOG_ROOT"]
    options = {"cwd": project, "env": environment, "stdin": subprocess.DEVNULL}
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    with (home / "jupyter.log").open("w") as log:
        process = psutil.Popen(command, stdout=log, stderr=log, **options)
    try:
        server = wait_for_server(process, home)
        yield lambda name: f"{server['url']}lab/tree/{name}?reset&token={server['token']}"
    finally:
        end(process)


def wait_for_server(process, home):
    """Return the address and token that the server notes when it is ready."""
    deadline = time.monotonic() + TIMEOUT
    ready = []
    while not ready:
        running = process.poll() is None and time.monotonic() < deadline
        assert running, (home / "jupyter.log").read_text()
        time.sleep(0.1)
        # The second of its two notes.
        ready = list((home / "JUPYTER_RUNTIME_DIR").glob("jpserver-*-open.html"))
    return json.loads(Path(str(ready[0]).replace("-open.html", ".json")).read_text())


def end(process):
    """End the server and its kernels, whatever state they are in."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        process.terminate()
        _, survivors = psutil.wait_procs(family, timeout=20)
        for survivor in survivors:
            survivor.kill()


def choose(page, menu, entry):
    page.locator(f'.lm-MenuBar-itemLabel:text-is("{menu}")').click()
    page.locator(f'.lm-Menu-itemLabel:text-is("{entry}")').click()


def run_all(page, path, first):
    """Run all cells by the menu until each has its number, counted from ``first``."""
    cells = nbformat.read(path, as_version=4).cells
    n_cells = sum(cell.cell_type == "code" for cell in cells)
    last = first + n_cells - 1
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    expect(prompts).to_have_count(n_cells)  # JupyterLab puts them on the page little by little
    before = prompts.first.inner_text()
    for _ in range(3):  # a click on the menu may come before the notebook listens
        choose(page, "Run", "Run All Cells")
        with contextlib.suppress(AssertionError):
            expect(prompts.first).not_to_have_text(before, timeout=60_000)
            break
    finished = prompts.last.filter(has_text=f"[{last}]:")
    expect(finished.or_(page.locator(TROUBLE)).first).to_be_visible(timeout=RUN_TIMEOUT * 1000)
    assert page.locator(TROUBLE).all_inner_texts() == []
    expect(prompts).to_have_text([f"[{number}]:" for number in range(first, last + 1)])
    idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    expect(idle).to_be_attached()
    return last


def look(page, path):
    """Keep a screenshot; return the sources of all figures, each of which is there to see."""
    figures = page.locator(".jp-OutputArea-output img")
    for figure in reversed(figures.all()):
        figure.hover()
    page.screenshot(path=path)
    assert figures.evaluate_all("all => all.every(i => i.complete && i.naturalWidth > 100)")
    return figures.evaluate_all("all => all.map(i => i.src)")


def set_seed(page, digit):
    """Replace the seed as a student does: click into its line, and type."""
    line = page.locator(".jp-CodeCell .cm-line", has_text=re.compile(r"^SEED = \d\b")).first
    line.click()
    for key in ("Home", *["ArrowRight"] * len("SEED = "), "Delete", digit):
        page.keyboard.press(key)
    expect(page.locator(".cm-line", has_text=re.compile(f"^SEED = {digit}\\b"))).to_have_count(1)


def test_jupyterlab_runs_chapter_1_as_it_comes(browser, lab, project, tmp_path):
    page = open_page(browser, 1280, [])
    page.goto(lab(f"notebooks/{CHAPTERS[0].name}"))
    expect(page.locator(".jp-Toolbar-kernelName")).to_have_text("Python 3 (ipykernel)")
    choose(page, "Edit", "Clear Outputs of All Cells")
    last = run_all(page, CHAPTERS[0], 1)
    before = look(page, tmp_path / "lab_seed_0.png")
    set_seed(page, "1")
    run_all(page, CHAPTERS[0], last + 1)
    after = look(page, tmp_path / "lab_seed_1.png")
    assert len(after) == len(before) >= 3
    assert after[0] != before[0], "another seed must choose other images"
    run = json.loads((project / "runs" / "latest" / "scores.json").read_text())
    assert (run["data"], run["seed"]) == ("sample", 1)
    assert not (project / "notebooks" / "runs").exists()


def test_jupyterlab_shows_a_progress_bar_as_a_widget(browser, lab, project, tmp_path):
    page = open_page(browser, 1280, [])
    page.goto(lab("notebooks/scratch.ipynb"))
    expect(page.locator(".jp-Toolbar-kernelName")).to_have_text("Python 3 (ipykernel)")
    run_all(page, project / "notebooks" / "scratch.ipynb", 1)
    expect(page.locator(".jupyter-widgets .progress-bar")).to_be_visible()
    page.screenshot(path=tmp_path / "lab_widget.png")


def test_jupyterlab_takes_a_photo_and_keeps_the_answer(browser, lab, project, tmp_path):
    page = open_page(browser, 1280, [])
    page.goto(lab("notebooks/button.ipynb"))
    expect(page.locator(".jp-Toolbar-kernelName")).to_have_text("Python 3 (ipykernel)")
    path = project / "notebooks" / "button.ipynb"
    run_all(page, path, 1)
    expect(page.get_by_text("No photo yet.")).to_be_visible()
    trees.saved(tmp_path / "cat.png", trees.image(90), "PNG")
    figure = page.locator(".jp-OutputArea-output img")
    for photo, answer, shown in (
        (tmp_path / "cat.png", "cat.png: ", figure),
        (path, "cannot be decoded", page.get_by_text("cannot be decoded")),
    ):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Your photo").click()
        chooser.value.set_files(photo)
        expect(shown).to_be_visible()
        page.screenshot(path=tmp_path / f"lab_{photo.stem}.png")
        choose(page, "File", "Save Notebook")
        expect(page.locator(".jp-mod-current.jp-mod-dirty")).to_have_count(0)
        assert answer in path.read_text(encoding="utf-8")
    expect(figure).to_have_count(0)


# Handouts.


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Handouts of the outputs that the notebooks store."""
    folder = tmp_path_factory.mktemp("run") / "handouts"
    chapters = {path.stem: nbformat.read(path, as_version=4) for path in CHAPTERS}
    scores = pd.DataFrame("12.3%", index=["first", "fine_tuned"], columns=handouts.HEADINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")  # no browser, no PDFs
        handouts.write_handouts(folder, chapters, scores, "Images: sample. Seed: 0.")
    return sorted(folder.rglob("*.html"))


@pytest.mark.parametrize("width", [1280, 390])
def test_handouts_fit_and_are_whole(browser, pages, width, tmp_path):
    complaints = []
    page = open_page(browser, width, complaints)
    for path in pages:
        name = f"{path.parent.name}_{path.stem}_{width}"
        page.goto(path.as_uri())
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert not page.evaluate(SCROLLS_SIDEWAYS), name
        assert page.evaluate(FAULTY_FIGURES) == [], name
        assert complaints == [], name
    page.close()
