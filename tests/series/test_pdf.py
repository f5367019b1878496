"""PDFs of small pages, printed by the browser of this machine."""

import asyncio
import sys

import pytest

from catdog_helpers.series import pdf

needs_browser = pytest.mark.skipif(not pdf.find_browser(), reason="no Chromium on the PATH")


@needs_browser
def test_pages_are_printed_on_their_own_paper_without_links_to_local_files(tmp_path):
    links = '<a href="b.html">chapter</a> <a href="https://example.org">web</a>'
    page = tmp_path / "a.html"
    page.write_text(f"<style>@page {{size: A5}}</style><p>{links}")

    async def as_in_jupyter():  # where an event loop runs already
        return pdf.print_pdfs(tmp_path)

    assert asyncio.run(as_in_jupyter()) == ""
    content = page.with_suffix(".pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/MediaBox [0 0 420 594.95996]" in content  # 148 x 210 mm, in points
    assert b"example.org" in content
    assert b"file:" not in content and b"b.html" not in content


@needs_browser
def test_a_page_that_never_ends_meets_the_time_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "TIMEOUT", 10)
    (tmp_path / "a.html").write_text("<script>while (true) {}</script>")
    assert "failed on a.html (TimeoutError)" in pdf.print_pdfs(tmp_path)


def test_a_browser_that_does_not_start_is_named_on_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "find_browser", lambda: sys.executable)  # knows no such options
    remark = pdf.print_pdfs(tmp_path)
    assert remark.startswith(f"no PDFs: {sys.executable} did not start (")
    assert "\n" not in remark


def test_one_line_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.async_api", None)  # as if not installed
    monkeypatch.setattr(pdf, "find_browser", lambda: "chromium")
    assert "pip install playwright" in pdf.print_pdfs(tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    assert "apt install chromium" in pdf.print_pdfs(tmp_path)
    assert "\n" not in pdf.NO_BROWSER + pdf.NO_PLAYWRIGHT
