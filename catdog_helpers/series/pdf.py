"""PDFs of the handouts, printed by one browser without a window."""

import asyncio
import os
import threading

from catdog_helpers.machine import NO_BROWSER, NO_PLAYWRIGHT, find_browser

# As Chromium prints from its own command line, without header and footer.
_PAPER = {"prefer_css_page_size": True, "print_background": True, "tagged": True}
TIMEOUT = 120  # seconds, for the start and for each page


def print_pdfs(folder):
    """Print all pages of a folder and its subfolders as PDFs beside them, or none.

    Their own style sets size and margins of the paper. Returns why there are no PDFs, or ``""``.
    """
    browser = find_browser()
    if browser is None:
        return NO_BROWSER
    try:
        import playwright.async_api  # noqa: F401
    except ImportError:
        return NO_PLAYWRIGHT
    pages, faults = sorted(folder.rglob("*.html")), []
    # Under Jupyter's %run, this thread already has a running event loop. A daemon thread does not
    # hold up Ctrl-C; the browser ends with the process.
    thread = threading.Thread(
        target=lambda: faults.append(asyncio.run(_print(browser, pages))), daemon=True
    )
    thread.start()
    thread.join()
    if not faults[0]:
        return ""
    for pdf in folder.rglob("*.pdf"):
        pdf.unlink()
    return f"no PDFs: {browser} {faults[0]}; print the pages from it"


async def _print(browser, pages):
    """Print pages; return what the browser failed to do and why, or an empty text."""
    from playwright.async_api import async_playwright

    # Silent: Ctrl-C ends Playwright's own process too, which leaves futures without a reader.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    step = "did not start"
    try:
        # Chromium's sandbox refuses to start as root.
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        options = {"timeout": TIMEOUT * 1000, "chromium_sandbox": not root}
        async with (
            async_playwright() as driver,
            await driver.chromium.launch(executable_path=browser, **options) as window,
        ):
            async with asyncio.timeout(TIMEOUT):
                tab = await window.new_page()
            for page in pages:
                step = f"failed on {page.name}"
                async with asyncio.timeout(TIMEOUT):
                    # A page without an address: links to other pages would point into the
                    # temporary folder of the writing, and come out as plain text here.
                    await tab.set_content(page.read_text(encoding="utf-8"), timeout=0)
                    await tab.pdf(path=page.with_suffix(".pdf"), **_PAPER)
    except Exception as error:  # Playwright raises plain ones, too.
        # Its messages go on with pages of logs.
        reason = str(error).partition("\n")[0] or type(error).__name__
        return f"{step} ({reason})"
    return ""
