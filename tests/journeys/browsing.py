"""A real browser for journeys: tabs in which nothing may go wrong, and what everybody has to be able to see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="chromium is not installed")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NARROW, PHONE, DESKTOP = {"width": 320, "height": 640}, {"width": 390, "height": 844}, {"width": 1280, "height": 900}
AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = Path(__file__).resolve().parents[2] / ".cache" / "pages"

# The lowest contrast of any visible text with its ground (WCAG 2.1, 1.4.3): 4.5 or more is AA.
CONTRAST = """() => {
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (c) => { const f = c.map((v) => linear(v / 255));
    return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  let worst = [99, ""];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.offsetParent) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 120)];
  }
  return worst;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@contextmanager
def watched(browser: Any, *ours: str, **options: Any) -> Iterator[Any]:
    """A tab in which nothing may go wrong: no error, nothing blocked by a page's policy, and, where it is said what
    begins the URLs that are `ours`, no request to elsewhere. A browser tells of refusals by itself.
    """
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    if ours:
        page.on("request", lambda asked: None if asked.url.startswith(ours) else wrong.append(asked.url))
    yield page
    context.close()
    unasked = [text for text in wrong if "status of 4" not in text]
    assert not unasked, unasked


def follow(tab: Any, selector: str) -> None:
    """Click, and wait for the whole page, with its stylesheets, that it leads to."""
    with tab.expect_navigation():
        tab.click(selector)


def accessible(tab: Any, name: str) -> None:
    """axe-core finds nothing against WCAG 2.1 AA, where it is installed (`make node`). It is run beside the page's
    policy, as a browser's own tools are. https://github.com/dequelabs/axe-core
    """
    if not AXE.is_file():
        assert not os.environ.get("CI")
        return
    tab.evaluate(AXE.read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    found = tab.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", tags)["violations"]
    assert not found, (name, [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found])


def looked_at(tab: Any, name: str, language: str = "en") -> None:
    """Each width fits, text can be read, every field has its label; the picture is kept, but in CI."""
    tab.wait_for_load_state()  # what is there already may have no styles yet
    SHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        for size in (NARROW, PHONE, DESKTOP):
            tab.set_viewport_size(size)
            assert tab.evaluate("document.documentElement.scrollWidth") <= size["width"], (name, size)
            if not os.environ.get("CI"):  # where nobody looks at them
                tab.screenshot(path=str(SHOTS / f"{name}-{size['width']}-{scheme}.png"), full_page=True)
        ratio, where = tab.evaluate(CONTRAST)
        assert ratio >= 4.5, (name, scheme, where)
    tab.emulate_media(color_scheme="light")
    unlabelled = tab.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]):not([hidden]), select, textarea')]"
        ".filter(e => !e.labels.length).length"
    )
    assert (unlabelled, tab.locator("h1").count(), tab.evaluate("document.documentElement.lang")) == (0, 1, language)
