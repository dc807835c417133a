"""The report's page, looked at in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import cv2
import pytest
from edge_recog_benchmarks.report import page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_recog_benchmarks.results import Result

    Seen = dict[str, dict[str, Any]]
    """By view."""
    Look = Callable[..., Seen]

SCRIPT = Path(__file__).with_name("browse.py")
VIEWS = ("desktop-light", "desktop-dark", "phone-light", "phone-dark")
LEAST_CONTRAST = 4.5
"""Of text to what is behind it: WCAG 2.1, level AA."""


@pytest.fixture(scope="module")
def look(
    environment: Callable[..., Path],
    missing: Callable[[str], NoReturn],
    tmp_path_factory: pytest.TempPathFactory,
) -> Look:
    """Return what shows Chromium a page, once for each key, and tells what it saw."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        missing("Chromium is not installed: sudo apt install chromium")
    python = environment("playwright", "playwright>=1.50,<2")

    known: dict[str, Seen] = {}

    def run(key: str, render: Callable[[], str], views: Sequence[str] = VIEWS) -> Seen:
        if key in known:
            return known[key]
        folder = tmp_path_factory.mktemp(key)
        file = folder / "report.html"
        file.write_text(render(), encoding="utf-8")
        done = subprocess.run(
            [python, SCRIPT, chromium, file, folder, *views],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen: Seen = json.loads(done.stdout)
        for view, one in seen.items():
            one["screenshot"] = folder / f"{view}.png"
        known[key] = seen
        return seen

    return run


@pytest.fixture
def seen(look: Look, realistic: Result) -> Seen:
    return look("realistic", lambda: page([realistic]))


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_complained_about(seen: Seen, view: str) -> None:
    assert seen[view]["said"] == []


@pytest.mark.parametrize("view", VIEWS)
def test_no_request_leaves_the_page(seen: Seen, view: str) -> None:
    first, *others = seen[view]["asked"]
    assert first.startswith("file://")
    assert all(url.startswith("data:") for url in others)
    assert seen[view]["scripts"] == 0


@pytest.mark.parametrize("view", VIEWS)
def test_every_picture_is_there_and_described(seen: Seen, view: str) -> None:
    pictures = seen[view]["pictures"]
    assert pictures
    assert all(width > 0 and height > 0 and alt for width, height, alt in pictures)


@pytest.mark.parametrize("view", VIEWS)
def test_every_drawing_has_a_size(seen: Seen, view: str) -> None:
    drawings = seen[view]["drawings"]
    assert len(drawings) == 5
    assert all(width > 100 and height > 50 for width, height in drawings)


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_is_no_wider_than_the_screen(seen: Seen, view: str) -> None:
    assert seen[view]["scroll_width"] <= seen[view]["width"]


@pytest.mark.parametrize("view", VIEWS)
def test_all_text_can_be_read(seen: Seen, view: str) -> None:
    contrast, text = seen[view]["faintest"][0]
    assert contrast >= LEAST_CONTRAST, text


def test_identifiers_are_unique(seen: Seen) -> None:
    identifiers = seen["desktop-light"]["identifiers"]
    assert len(set(identifiers)) == len(identifiers)


def test_dark_is_dark_and_light_is_light(seen: Seen) -> None:
    light, dark = (
        cv2.imread(str(seen[f"desktop-{scheme}"]["screenshot"]), cv2.IMREAD_GRAYSCALE)
        for scheme in ("light", "dark")
    )
    assert light is not None
    assert dark is not None
    assert light.mean() > 200
    assert dark.mean() < 70


def test_hostile_names_are_shown_as_they_are_written(
    look: Look, make_result: Callable[..., Result], hostile_name: str
) -> None:
    generations = [[[1.0, 2.0, 3.0]] * 3] * 3
    result = make_result({hostile_name: generations, "other": generations})
    seen = look("hostile", lambda: page([result]), ["phone-dark"])["phone-dark"]
    assert seen["said"] == []
    assert len(seen["asked"]) == 1
    assert seen["scripts"] == 0
    assert seen["scroll_width"] <= seen["width"]
    assert "<script>alert(1)</script>" in seen["text"]


def test_twelve_contestants_and_two_runs_fit_a_phone(
    look: Look, make_result: Callable[..., Result]
) -> None:
    generations = [[[1.0, 2.0, 3.0]] * 3] * 3
    result = make_result(
        {f"a-model-with-a-long-name-{n}, 4 threads": generations for n in range(12)}
    )
    seen = look("twelve", lambda: page([result, result]), ["phone-light"])["phone-light"]
    assert seen["said"] == []
    assert seen["scroll_width"] <= seen["width"]
    assert len(set(seen["identifiers"])) == len(seen["identifiers"])
