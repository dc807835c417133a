"""Drives Chromium as it is told: run where Playwright is, one JSON command a line, one answer each.

Arguments: Chromium. A command is `[name, arguments, keywords]`, an answer `{"value": …}` or
`{"error": …}`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright


class AtWork:
    """One tab, and what it said and asked for since it was opened."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._context: BrowserContext | None = None
        self._page: Page | None = None
        self._said: list[str] = []
        self._asked: list[str] = []

    def open(self, url: str, *, width: int, height: int, first: str = "", **options: Any) -> None:
        """Open an address in a tab without a past; `first` is run before the page's own script."""
        self.close()
        said: list[str] = []
        asked: list[str] = []
        self._said, self._asked = said, asked
        viewport = {"width": width, "height": height}
        self._context = self._browser.new_context(viewport=viewport, **options)
        self._context.on("request", lambda request: asked.append(request.url))
        self._page = page = self._context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        if first:
            page.add_init_script(first)
        page.goto(url, wait_until="load")

    def close(self) -> None:
        if self._context is not None:
            self._context.close()
            self._context = None

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def wait(self, script: str, timeout_s: float = 60.0) -> None:
        """Wait until an expression is true."""
        # `wait_for_function` evaluates inside the page, which the page's policy forbids.
        deadline_s = time.monotonic() + timeout_s
        while not self._is_so(script):
            assert time.monotonic() < deadline_s, f"not so within {timeout_s:g} s: {script}"
            self.page.wait_for_timeout(50)

    def _is_so(self, script: str) -> bool:
        try:
            return bool(self.page.evaluate(script))
        except Error as error:
            if "context was destroyed" in error.message:
                return False  # The page is just leaving for another.
            raise

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def fill(self, selector: str, text: str) -> None:
        self.page.fill(selector, text)

    def click(self, selector: str) -> None:
        self.page.click(selector)

    def submit(self, selector: str) -> None:
        """Click, and wait for the page that this leads to."""
        with self.page.expect_navigation(wait_until="load"):
            self.page.click(selector)

    def screenshot(self, path: str, *, full: bool = False) -> None:
        self.page.screenshot(path=path, full_page=full)

    def said(self) -> list[str]:
        return self._said

    def asked(self) -> list[str]:
        return self._asked

    def url(self) -> str:
        return self.page.url

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()

    def accessible(self) -> list[dict[str, Any]]:
        """Return what a screen reader is given: role, name and whether it can have the focus."""
        session = self.page.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        session.detach()
        return [
            {
                "role": node["role"]["value"],
                "name": node.get("name", {}).get("value", ""),
                "focusable": any(
                    one["name"] == "focusable" and one["value"]["value"]
                    for one in node.get("properties", ())
                ),
            }
            for node in nodes
            if not node["ignored"]
        ]

    def hide(self, hidden: bool) -> None:
        """Have the page believe that its tab is in the background, or in front again."""
        self.page.evaluate(
            """hidden => {
                Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )

    @property
    def page(self) -> Page:
        assert self._page is not None, "nothing is open"
        return self._page


def main() -> None:
    """See the module."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=sys.argv[1], args=options)
        at_work = AtWork(browser)
        for line in sys.stdin:
            name, positional, keywords = json.loads(line)
            try:
                answer = {"value": getattr(at_work, name)(*positional, **keywords)}
            except (Error, AssertionError) as error:
                answer = {"error": str(error)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        browser.close()


if __name__ == "__main__":
    main()
