"""The live page with what no device can be asked to say: its event source is replaced."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

REPLACED = """
class Fed extends EventTarget {
    constructor() { super(); window.fed = this; }
    close() {}
}
window.EventSource = Fed;
window.tell = (kind, document) =>
    window.fed.dispatchEvent(new MessageEvent(kind, {data: JSON.stringify(document)}));
"""
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def tell(browser: Any, device: Any) -> Callable[[str, dict[str, Any]], None]:
    """Return what makes a page believe that its device said something."""
    browser.open(f"{device.address}/", width=1280, height=800, first=REPLACED)

    def say(kind: str, document: dict[str, Any]) -> None:
        browser.evaluate(f"window.tell({json.dumps(kind)}, {json.dumps(document)})")

    return say


def moment(ago_s: float = 0.0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")


@pytest.fixture
def status(device: Any) -> Callable[..., dict[str, Any]]:
    """Return what makes a status of the device's own, with other values."""
    known = device.get("/api/v1/status")

    def make(**values: Any) -> dict[str, Any]:
        now = {"time": moment(), "since": moment(30), "recent_events": [], "uptime_s": 9000.0}
        return known | now | values

    return make


def event(kind: str, label: str, ago_s: float) -> dict[str, Any]:
    return {
        "schema": 1,
        "time": moment(ago_s),
        "source": "kitchen",
        "event": kind,
        "label": label,
        "score": 0.9,
        "duration_s": 2.0 if kind == "vanished" else None,
    }


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("starting", "Starting"),
        ("running", "Running"),
        ("standby", "Standby"),
        ("degraded", "Degraded"),
        ("stopping", "Stopping"),
    ],
)
def test_each_state_has_its_word_and_its_sign(
    browser: Any, tell: Any, status: Any, state: str, word: str
) -> None:
    tell("status", status(state=state, reason="the lens cap is on"))
    browser.wait(f"document.body.dataset.state === '{state}'")
    assert browser.text("#state-word") == word
    assert browser.text("#state-reason") == "the lens cap is on"
    shown = browser.evaluate(
        """[...document.querySelectorAll(".sign g")]
            .filter(one => getComputedStyle(one).display !== "none")
            .map(one => one.getAttribute("class"))"""
    )
    assert shown == [f"when-{state}"]
    assert browser.evaluate("document.title") == f"{word} \u2013 kitchen"


def test_every_text_may_be_hostile(browser: Any, tell: Any, status: Any, device: Any) -> None:
    sinks = [{"name": HOSTILE, "waiting": 1, "dropped": 2, "failed": 3}]
    events = [event("appeared", HOSTILE, 20), event("vanished", HOSTILE, 10)]
    texts = dict.fromkeys(("node", "version", "source", "reason"), HOSTILE)
    tell("status", status(**texts, sinks=sinks, frames={HOSTILE: 5}, recent_events=events))
    card = dict.fromkeys(("data", "data_license", "limits", "intended_use"), HOSTILE)
    model = device.get("/api/v1/model")
    named = dict.fromkeys(("id", "name", "precision", "delegate"), HOSTILE)
    tell("model", model | named | {"labels": [HOSTILE], "card": card})
    answer = {
        "smoothed": [{"label": HOSTILE, "score": 0.9}],
        "present": [{"label": HOSTILE, "since": moment(5)}, {"label": "b", "since": moment(5)}],
        "latency_ms": {"since_capture": 5.0},
    }
    tell("classification", answer)
    browser.click("#label-list summary")
    browser.wait("document.querySelector('.there') && document.querySelector('#all-labels li')")
    text = browser.text("body")
    assert text.count(HOSTILE) >= 18
    assert browser.evaluate("[document.images.length, document.scripts.length]") == [2, 1]
    scroll_width, width = browser.evaluate(
        "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
    )
    assert scroll_width <= width
    assert browser.said() == []


def test_a_status_with_nothing_measured_is_shown_as_that(
    browser: Any, tell: Any, status: Any
) -> None:
    nothing = dict.fromkeys(("frame_rate_fps", "latency_ms", "temperature_celsius", "picture"))
    tell("status", status(**nothing, state="starting", reason=None, sinks=[]))
    browser.wait("document.body.dataset.state === 'starting'")
    assert [browser.text(f"#{name}") for name in ("rate", "invoke", "age")] == [
        "\u2013",
        "\u2013",
        "\u2013",
    ]
    assert browser.text("#temperature") == "no sensor"
    assert browser.said() == []


def test_medians_of_before_are_not_shown_as_fresh(browser: Any, tell: Any, status: Any) -> None:
    tell("status", status(state="running"))
    browser.wait("document.body.dataset.state === 'running'")
    assert browser.text("#stages-title") == "Latency per stage"
    fresh = browser.evaluate("getComputedStyle(document.getElementById('invoke')).color")
    tell("status", status(state="degraded", reason="the camera is lost"))
    browser.wait("document.body.dataset.state === 'degraded'")
    assert browser.text("#stages-title") == "Latency per stage, when it last ran"
    assert browser.evaluate("getComputedStyle(document.getElementById('invoke')).color") != fresh


def test_an_event_that_is_told_twice_is_listed_once(browser: Any, tell: Any, status: Any) -> None:
    once = event("appeared", "hat", 3)
    tell("event", once)
    tell("status", status(recent_events=[once]))
    tell("status", status(recent_events=[once]))
    browser.wait("document.querySelectorAll('#events .appeared').length === 1")
    assert browser.text("#events .appeared span") == "hat appeared, 90\u202f%"
    browser.wait("document.querySelectorAll('#bars .label').length === 1")


def test_a_day_of_events_leaves_the_page_no_larger(browser: Any, tell: Any, status: Any) -> None:
    tell("status", status())
    browser.evaluate(
        """() => {
            for (let i = 0; i < 3000; i += 1) {
                const time = new Date(Date.now() - 60000 + i * 20).toISOString();
                window.tell("event", {time, event: i % 2 ? "vanished" : "appeared",
                    label: `label ${i % 40}`, score: 0.5, duration_s: 0.02});
            }
        }"""
    )
    browser.wait("document.querySelectorAll('#events li').length === 50")
    browser.wait("document.querySelectorAll('#rows li')[6].textContent !== ''")
    assert browser.evaluate("document.querySelectorAll('#bars rect').length") <= 261
    assert browser.evaluate("document.querySelectorAll('*').length") < 1500


def test_a_clock_that_is_wrong_is_told_and_times_are_of_ours(
    browser: Any, tell: Any, status: Any
) -> None:
    behind_s = 3 * 3600
    happened = event("appeared", "hat", behind_s + 10)
    now, since = moment(behind_s), moment(behind_s + 30)
    tell("status", status(time=now, since=since, recent_events=[happened]))
    browser.wait("document.querySelector('#events .appeared')")
    assert browser.text("#clock") == "3\u202fh 0\u202fmin behind this one"
    ago_ms = browser.evaluate(
        "Date.now() - Date.parse(document.querySelector('#events .appeared time').dateTime)"
    )
    assert 9_000 < ago_ms < 60_000


def test_a_sink_that_loses_answers_and_a_hot_device_stand_out(
    browser: Any, tell: Any, status: Any
) -> None:
    sinks = [{"name": "mqtt", "waiting": 100, "dropped": 1384, "failed": 0}]
    tell("status", status(sinks=sinks, temperature_celsius=83.4))
    browser.wait("document.querySelector('#sinks .trouble')")
    assert browser.text("#sinks .trouble") == "1,384"
    assert browser.text("#temperature") == "83\u202f°C hot"


def test_a_page_that_hears_nothing_says_so(browser: Any, tell: Any, status: Any) -> None:
    tell("status", status())
    browser.wait("document.body.dataset.link === 'up'")
    browser.wait("document.body.dataset.link === 'lost'")
    assert browser.text("#state-word") == "Connection lost"
    browser.evaluate("window.before = window.fed")
    browser.click("#reconnect")
    browser.wait("window.fed !== window.before")
    tell("status", status())
    browser.wait("document.body.dataset.link === 'up'")
