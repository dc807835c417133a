"""The live page of the real daemon, looked at in a real browser."""

from __future__ import annotations

import re
import urllib.request
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_CONTRAST = 4.5
"""Of text to what is behind it: WCAG 2.1, level AA."""
DESKTOP: dict[str, Any] = {"width": 1280, "height": 800}
PHONE: dict[str, Any] = {"width": 360, "height": 740, "is_mobile": True, "has_touch": True}
VIEWS = {
    f"{name}-{scheme}": size | {"color_scheme": scheme}
    for name, size in (("desktop", DESKTOP), ("phone", PHONE))
    for scheme in ("light", "dark")
}

SEES = (
    "document.querySelector('#labels .there .label') && document.querySelector('#events .appeared')"
)
SHOWS = "document.getElementById('frame').dataset.shows === 'live'"
RUNS = "document.body.dataset.link === 'up' && document.body.dataset.state === 'running'"
LOST = "document.body.dataset.link === 'lost'"

CONTRASTS = """() => {
    const channels = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
    const luminance = ([r, g, b]) => [r, g, b]
        .map(c => c / 255)
        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const [r, g, b, alpha = 1] = channels(getComputedStyle(e).backgroundColor);
            if (alpha > 0.8) return [r, g, b];
        }
        throw Error("nothing is behind");
    };
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const style = getComputedStyle(element);
        if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
        if (style.visibility === "hidden" || element.closest(".unseen, noscript, title")) continue;
        const colour = element.closest("svg") ? style.fill : style.color;
        const [one, other] = [channels(colour), behind(element)].map(luminance)
            .sort((a, b) => b - a);
        texts.push([(one + 0.05) / (other + 0.05), walker.currentNode.data.trim().slice(0, 60)]);
    }
    return texts.sort((a, b) => a[0] - b[0]);
}"""

WIDTHS = "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"


@pytest.fixture
def seen(browser: Any, device: Any) -> Any:
    """Return the browser with the page of a device that runs and sees something."""
    browser.open(f"{device.address}/", **DESKTOP)
    browser.wait(f"{SEES} && {SHOWS}")
    return browser


def test_what_the_device_says_arrives(seen: Any, device: Any) -> None:
    status, model = device.get("/api/v1/status"), device.get("/api/v1/model")
    assert seen.text("#state-word") == "Running"
    assert seen.text("#node") == "kitchen"
    assert re.fullmatch(r"\d+\.\d\sfps", seen.text("#rate"))
    assert re.fullmatch(r"\d+(\.\d)?\sms", seen.text("#invoke"))
    assert re.fullmatch(r"\d\.\d\ss|\d\d\ss", seen.text("#age"))
    assert seen.text("#camera-size") == "640\u202f\u00d7\u202f480 pixels"
    assert seen.text("#version") == status["version"]
    assert seen.text("#model-name") == model["name"]
    assert seen.text("#label-count") == "1,001 labels"
    labels = seen.evaluate("[...document.querySelectorAll('#labels .label')].map(e => e.title)")
    assert len(labels) == 5
    assert set(labels) <= set(model["labels"])
    assert re.fullmatch(r"\d+\s%", seen.text("#labels li:first-child .score"))
    assert seen.evaluate("document.getElementById('picture').naturalWidth") == 640


def test_nothing_is_complained_about_and_nobody_else_is_asked(seen: Any, device: Any) -> None:
    seen.click("#label-list summary")
    seen.wait("document.querySelectorAll('#all-labels li').length === 1001")
    assert seen.said() == []
    own = (f"{device.address}/", f"blob:{device.address}/")
    assert [url for url in seen.asked() if not url.startswith(own)] == []


def test_labels_of_an_enemy_are_text(seen: Any) -> None:
    seen.click("#label-list summary")
    seen.wait("document.querySelectorAll('#all-labels li').length === 1001")
    assert "<img src=x onerror=alert(0)>" in seen.text("#all-labels")
    assert "<script>alert(1)</script>" in seen.text("#all-labels")
    assert "&lt;b&gt;3&amp;\"'" in seen.text("#all-labels")
    assert seen.evaluate("[document.images.length, document.scripts.length]") == [2, 1]
    assert seen.said() == []


def test_present_labels_are_marked_with_a_word(seen: Any) -> None:
    assert seen.evaluate(
        """[...document.querySelectorAll("#labels li")].every(row =>
            (getComputedStyle(row.querySelector(".tag")).visibility === "visible")
            === row.classList.contains("there"))"""
    )
    assert seen.text("#labels .there .tag") == "present"


def test_only_events_and_states_are_spoken(seen: Any) -> None:
    seen.evaluate(
        """() => {
            window.spoken = [];
            const said = document.getElementById("said");
            new MutationObserver(() => window.spoken.push(said.textContent))
                .observe(said, {childList: true, characterData: true, subtree: true});
        }"""
    )
    seen.wait("window.spoken.length >= 2")
    assert seen.evaluate("document.querySelectorAll('[aria-live]').length") == 1
    for sentence in seen.evaluate("window.spoken"):
        for part in sentence.rstrip(".").split("; "):
            assert re.search(r" (appeared|vanished)$|^and \d+ more$", part), part


def test_the_page_is_drawn_at_most_ten_times_a_second(seen: Any) -> None:
    seen.evaluate(
        """() => {
            window.drawn = [];
            new MutationObserver(() => window.drawn.push(performance.now())).observe(
                document.getElementById("labels"),
                {childList: true, characterData: true, subtree: true, attributes: true});
        }"""
    )
    seen.wait("window.drawn.length >= 15")
    # Of ten that follow each other, the last comes no sooner than a second after the first.
    assert seen.evaluate("Math.min(...window.drawn.slice(10).map((t, i) => t - drawn[i]))") >= 1000


def test_nothing_moves_when_values_change(seen: Any) -> None:
    seen.evaluate(
        """() => {
            window.shifts = [];
            new PerformanceObserver(list => window.shifts.push(...list.getEntries()
                .flatMap(one => one.sources.map(source => source.node && source.node.id))))
                .observe({type: "layout-shift"});
            window.events = document.querySelectorAll("#events li")[0];
        }"""
    )
    seen.wait("document.querySelectorAll('#events li')[0] !== window.events", 60)
    elsewhere = "document.querySelector('.scroller').contains(document.getElementById(id))"
    assert seen.evaluate(f"window.shifts.filter(id => id && !{elsewhere})") == []


def test_pause_ends_the_stream(seen: Any, device: Any) -> None:
    seen.click("#pause")
    _until(seen, device, viewers=0)
    assert seen.text("#pause") == "Resume picture"
    assert seen.text("#picture-note").startswith("Paused at ")
    seen.click("#pause")
    _until(seen, device, viewers=1)
    seen.wait(SHOWS)


def test_a_hidden_tab_asks_for_nothing(seen: Any, device: Any) -> None:
    seen.hide(True)
    _until(seen, device, viewers=0)
    before = len(seen.asked())
    answered = device.get("/api/v1/status")["frames"]["answered"]
    while device.get("/api/v1/status")["frames"]["answered"] < answered + 60:
        seen.evaluate("new Promise(done => setTimeout(done, 100))")
    assert len(seen.asked()) == before
    assert seen.evaluate("document.title").startswith("Resting")
    seen.hide(False)
    seen.wait(f"{RUNS} && {SHOWS}")


def test_the_model_is_loaded_anew_or_it_is_told_why_not(
    browser: Any, own_device: Callable[..., Any]
) -> None:
    device = own_device()
    browser.open(f"{device.address}/", **DESKTOP)
    browser.wait(RUNS)
    browser.click("#activate")
    browser.wait("document.getElementById('activated').dataset.came === 'well'")
    assert "Loaded anew" in browser.text("#activated")
    device.model.write_bytes(b"no model")
    browser.click("#activate")
    browser.wait("document.getElementById('activated').dataset.came === 'badly'")
    assert "the one at work stays: " in browser.text("#activated")
    assert str(device.model) in browser.text("#activated")


def test_a_camera_that_is_lost_and_comes_back(
    browser: Any, own_device: Callable[..., Any], camera: Any
) -> None:
    device = own_device(camera.address)
    browser.open(f"{device.address}/", **DESKTOP)
    browser.wait(f"{SEES} && {SHOWS}")
    camera.unplug()
    browser.wait("document.body.dataset.state === 'degraded'")
    assert browser.text("#state-word") == "Degraded"
    browser.wait("document.getElementById('state-reason').textContent.includes('127.0.0.1')")
    browser.wait("document.querySelector('#labels .label').textContent === 'No answers'")
    assert browser.evaluate("document.querySelectorAll('#labels .there').length") == 0
    assert browser.text("#age") == "\u2013"
    browser.wait("document.getElementById('frame').dataset.shows === 'old'")
    assert "No new picture since" in browser.text("#picture-note")
    assert browser.text("#events .degraded b") == "Degraded"
    camera.plug_in()
    browser.wait(f"{RUNS} && {SHOWS} && document.querySelector('#labels .score').textContent")
    assert browser.said() == []


@pytest.mark.parametrize("how", ["power-cut", "silence"])
def test_a_device_that_is_lost_and_comes_back(
    browser: Any, own_device: Callable[..., Any], how: str
) -> None:
    device = own_device()
    browser.open(f"{device.address}/", **DESKTOP)
    browser.wait(f"{SEES} && {SHOWS}")
    fresh = browser.evaluate("getComputedStyle(document.getElementById('rate')).color")
    if how == "power-cut":
        device.kill()
    else:
        device.freeze()
    browser.wait(LOST)
    assert browser.text("#state-word") == "Connection lost"
    assert browser.text("#state-since").startswith("since ")
    assert browser.evaluate("document.title").startswith("Connection lost")
    assert browser.evaluate("getComputedStyle(document.getElementById('rate')).color") != fresh
    assert browser.evaluate(
        """[...document.querySelectorAll(".asof")].every(one =>
            one.textContent.startsWith("old, of ")
            && getComputedStyle(one).visibility === "visible")"""
    )
    assert browser.text("#picture-note").startswith("Connection lost.")
    assert browser.evaluate("document.getElementById('frame').dataset.shows") == "old"
    if how == "power-cut":
        device.start()
    else:
        device.thaw()
    browser.wait(f"{RUNS} && {SHOWS}")
    assert browser.evaluate("getComputedStyle(document.getElementById('rate')).color") == fresh


def test_one_viewer_too_many_is_told_why(browser: Any, own_device: Callable[..., Any]) -> None:
    device = own_device(web="viewers = 1")
    with urllib.request.urlopen(f"{device.address}/api/v1/stream.mjpg", timeout=30) as other:
        assert other.read(100)
        browser.open(f"{device.address}/", **DESKTOP)
        browser.wait("document.getElementById('picture-note').textContent.includes('may watch')")
        assert browser.text("#state-word") == "Running"
    browser.wait(SHOWS)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_signing_in(
    browser: Any, own_device: Callable[..., Any], tmp_path: Any, script: bool
) -> None:
    (tmp_path / "token").write_text("open-sesame-open-sesame\n")
    (tmp_path / "token").chmod(0o600)
    web = f'listen = ":{{port}}"\ntoken_file = "{tmp_path / "token"}"'
    device = own_device(web=web)
    browser.open(f"{device.address}/", **PHONE, java_script_enabled=script)
    assert browser.url() == f"{device.address}/login"
    assert browser.text("h1").strip() == "Sign in"
    browser.fill("#token", "an-entirely-wrong-token")
    browser.submit("button")
    assert "That is not the token." in browser.text("main")
    browser.fill("#token", "open-sesame-open-sesame")
    browser.submit("button")
    assert browser.url() == f"{device.address}/"
    if script:
        browser.wait(RUNS)
    else:
        assert "This page needs JavaScript" in browser.text("main")


def test_a_session_that_ends_leads_to_the_login(
    browser: Any, own_device: Callable[..., Any], tmp_path: Any
) -> None:
    token = tmp_path / "token"
    token.write_text("open-sesame-open-sesame\n")
    token.chmod(0o600)
    device = own_device(web=f'listen = ":{{port}}"\ntoken_file = "{token}"')
    browser.open(f"{device.address}/login", **DESKTOP)
    browser.fill("#token", "open-sesame-open-sesame")
    browser.submit("button")
    browser.wait(RUNS)
    device.kill()
    token.write_text("another-sesame-another-sesame\n")
    device.start()
    browser.wait("location.pathname === '/login'")


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(seen: Any) -> None:
    wanted = seen.evaluate(
        """[...document.querySelectorAll("a[href], button, summary, input, [tabindex='0']")]
            .filter(one => one.checkVisibility({checkVisibilityCSS: true}))
            .map(one => one.id || one.textContent.trim() || one.className)"""
    )
    reached = []
    for _ in wanted:
        seen.press("Tab")
        name, outline = seen.evaluate(
            """(() => { const one = document.activeElement; return [
                one.id || one.textContent.trim() || one.className,
                getComputedStyle(one).outlineStyle + getComputedStyle(one).outlineWidth]; })()"""
        )
        reached.append(name)
        assert outline == "solid3px", name
    scroller = "scroller"
    assert [one if "\n" not in one else scroller for one in reached] == [
        one if "\n" not in one else scroller for one in wanted
    ]


def test_the_keyboard_works_the_controls(seen: Any) -> None:
    seen.evaluate("document.getElementById('pause').focus()")
    seen.press("Enter")
    assert seen.text("#pause") == "Resume picture"
    seen.press("Space")
    seen.wait(SHOWS)


def test_everything_has_a_name(seen: Any) -> None:
    nodes = seen.accessible()
    named = {"button", "link", "image", "region", "heading", "navigation", "DisclosureTriangle"}
    nameless = [one for one in nodes if one["role"] in named and not one["name"].strip()]
    assert nameless == []
    focusable = [one for one in nodes if one["focusable"] and one["role"] != "RootWebArea"]
    assert [one for one in focusable if not one["name"].strip()] == []
    roles = {one["role"] for one in nodes}
    assert {"banner", "main", "contentinfo", "navigation", "region"} <= roles
    assert [one["name"] for one in nodes if one["role"] == "image"] == ["Live picture of kitchen"]


def test_headings_leave_no_level_out(seen: Any) -> None:
    levels = seen.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("view", VIEWS)
def test_running_can_be_read_and_fits(browser: Any, device: Any, view: str) -> None:
    browser.open(f"{device.address}/", **VIEWS[view])
    browser.wait(f"{SEES} && {SHOWS}")
    _check_reading(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_trouble_can_be_read_and_fits(
    browser: Any, own_device: Callable[..., Any], camera: Any, scheme: str
) -> None:
    device = own_device(camera.address)
    browser.open(f"{device.address}/", **VIEWS[f"phone-{scheme}"])
    browser.wait(f"{SEES} && {SHOWS}")
    camera.unplug()
    browser.wait("document.body.dataset.state === 'degraded' && !document.querySelector('.there')")
    _check_reading(browser)
    camera.plug_in()
    browser.wait(f"{SEES} && {SHOWS} && document.querySelector('.there')")
    device.kill()
    browser.wait(LOST)
    _check_reading(browser)


@pytest.mark.parametrize("view", VIEWS)
def test_the_login_can_be_read_and_fits(
    browser: Any, own_device: Callable[..., Any], tmp_path: Any, view: str
) -> None:
    (tmp_path / "token").write_text("open-sesame-open-sesame\n")
    (tmp_path / "token").chmod(0o600)
    device = own_device(web=f'listen = ":{{port}}"\ntoken_file = "{tmp_path / "token"}"')
    browser.open(f"{device.address}/login", **VIEWS[view])
    browser.fill("#token", "an-entirely-wrong-token")
    browser.submit("button")
    _check_reading(browser)


def _check_reading(browser: Any) -> None:
    contrasts = browser.evaluate(CONTRASTS)
    assert len(contrasts) > 5
    contrast, text = contrasts[0]
    assert contrast >= LEAST_CONTRAST, text
    scroll_width, width = browser.evaluate(WIDTHS)
    assert scroll_width <= width


def _until(browser: Any, device: Any, *, viewers: int) -> None:
    """Wait until so many watch, as the device counts them."""
    for _ in range(600):
        if device.get("/api/v1/status")["viewers"] == viewers:
            return
        browser.evaluate("new Promise(done => setTimeout(done, 50))")
    pytest.fail(f"never {viewers} viewers")
