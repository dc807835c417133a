"""Opens a page in Chromium, as a reader would, and says what it saw: run where Playwright is.

Arguments: Chromium, page, folder for screenshots, views. Prints a JSON document.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

VIEWS = {
    "desktop-light": (1180, "light"),
    "desktop-dark": (1180, "dark"),
    "phone-light": (390, "light"),
    "phone-dark": (390, "dark"),
}
"""Name → width in pixels and colour scheme."""

LOOK = """() => {
    const channels = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
    const luminance = ([r, g, b]) => [r, g, b]
        .map(c => c / 255)
        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const [r, g, b, alpha = 1] = channels(getComputedStyle(e).backgroundColor);
            if (alpha > 0) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
        const style = getComputedStyle(element);
        const [one, other] = [
            channels(element.closest("svg") ? style.fill : style.color), behind(element)
        ].map(luminance).sort((a, b) => b - a);
        texts.push([(one + 0.05) / (other + 0.05), walker.currentNode.data.trim().slice(0, 40)]);
    }
    texts.sort((a, b) => a[0] - b[0]);
    const root = document.scrollingElement;
    return {
        width: root.clientWidth,
        scroll_width: root.scrollWidth,
        pictures: [...document.images].map(one => [one.naturalWidth, one.naturalHeight, one.alt]),
        drawings: [...document.querySelectorAll("svg")].map(
            one => [one.getBoundingClientRect().width, one.getBoundingClientRect().height]
        ),
        identifiers: [...document.querySelectorAll("[id]")].map(one => one.id),
        headings: [...document.querySelectorAll("h1, h2")].map(one => one.textContent),
        faintest: texts.slice(0, 3),
        scripts: document.scripts.length,
        text: document.body.innerText,
    };
}"""


def main() -> None:
    """See the module."""
    chromium, page, folder, *views = sys.argv[1:]
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        seen = {name: look(browser, Path(page), Path(folder), name) for name in views}
        browser.close()
    sys.stdout.write(json.dumps(seen))


def look(browser: Browser, path: Path, folder: Path, view: str) -> dict[str, Any]:
    """Return what there is to see in one view, and what the page asked for meanwhile."""
    width, scheme = VIEWS[view]
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, is_mobile=width < 500
    )
    said: list[str] = []
    asked: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    context.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri(), wait_until="load")
    seen: dict[str, Any] = page.evaluate(LOOK)
    page.screenshot(path=folder / f"{view}.png", full_page=True)
    context.close()
    return seen | {"said": said, "asked": [url[:100] for url in asked]}


if __name__ == "__main__":
    main()
