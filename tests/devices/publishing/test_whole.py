"""From `publish` to a model in use, through nginx, the real store and its tryout in a process."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from edge_recog_devices.publishing.watching import Watch

from edge_recog.bundle import Bundle
from edge_recog.models import default_model
from edge_recog.packing import pack_bundle
from edge_recog.service.config.reading import load_config
from edge_recog.service.daemon import Daemon
from edge_recog.store import BUILT_IN, Store, StoreRules, TrialRules
from edge_recog.updates.updater import Updater

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.updates.reports import Report

SECOND_NS = 10**9


class Device:
    """A device with a store, and a classifier that runs its candidates."""

    def __init__(self, fleet: Any, folder: Path, name: str, **options: Any) -> None:
        self.name = name
        self.reports: list[Report] = []
        self.store = Store(
            folder / name / "models", rules=StoreRules(most_p50_ms=60_000, most_memory_mb=10_000)
        )
        self.updater = Updater(
            self.store,
            fleet.isolated(f"{name}/updates"),
            folder / name / "updates",
            channel="stable",
            tell=self.reports.append,
            **options,
        )

    def live(self, *, fails: str | None = None) -> None:
        """Look once; run what came until it has proved itself, or fails."""
        self.updater.look()
        if self.store.state().candidate is not None:
            trial = self.store.trial(TrialRules(frames=10))
            trial.started(0)
            trial.answered(SECOND_NS, 10)
            if fails is not None:
                trial.unhealthy(fails)
            trial.tick(2 * SECOND_NS)
        self.updater.glance()

    def said(self) -> list[str]:
        return [report.state for report in self.reports]


@pytest.fixture
def on_nginx(nginx: Any, make_fleet: Callable[..., Any], tmp_path: Path) -> Any:
    """Return a publisher whose files nginx serves."""
    fleet = make_fleet()
    site = tmp_path / "site"
    fleet.site.rename(site)
    with nginx.serving(site) as web:
        fleet.site, fleet.url = site, web.url
        yield fleet


def test_a_model_goes_from_the_publisher_into_use(on_nginx: Any, tmp_path: Path) -> None:
    data = default_model().read_bytes()
    on_nginx.publish(data, name="clothing")
    device = Device(on_nginx, tmp_path, "kitchen")

    device.live()

    assert device.said() == ["downloading", "trial", "committed"]
    state = device.store.state()
    assert state.active == on_nginx.publisher.channels()["stable"].latest.model
    assert state.versions[state.active].p50_ms is not None  # It was run in a process of its own.


def test_what_is_no_good_model_is_fetched_and_not_used(on_nginx: Any, tmp_path: Path) -> None:
    on_nginx.publish(default_model().read_bytes()[:-1000], name="clothing")
    device = Device(on_nginx, tmp_path, "kitchen")

    device.live()
    device.live()

    assert device.said() == ["downloading", "failed", "waiting"]
    assert device.store.state().active == BUILT_IN


def test_a_bad_release_reaches_its_canaries_and_nobody_else(on_nginx: Any, tmp_path: Path) -> None:
    on_nginx.publish(default_model().read_bytes(), name="clothing")
    watch = Watch("stable")
    canaries = [Device(on_nginx, tmp_path, f"canary-{one}") for one in range(3)]
    for canary in canaries:
        canary.live(fails="the model hangs")
        for report in canary.reports:
            watch.hear(f"edge_recog/{canary.name}/updates", msgspec.json.encode(report))
    reason = watch.verdict(1)
    assert reason is not None
    on_nginx.publisher.stop("stable", reason)

    other = Device(on_nginx, tmp_path, "other")
    other.live()

    assert other.said() == ["waiting"]
    assert "3 of the first 3 devices failed" in other.reports[0].reason
    canaries[0].live()
    assert canaries[0].said()[-1] == "waiting"


def test_the_service_takes_a_release_by_itself_and_goes_on_with_it(
    on_nginx: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    # Else it comes within the first hour.
    monkeypatch.setattr("edge_recog.updates.updater.first_delay_s", lambda rules, random: 0.0)
    built_in = Bundle.open(default_model())
    assert built_in.manifest is not None
    assert built_in.manifest.golden is not None
    golden = (built_in.manifest.golden.runtime, built_in.golden())
    model = pack_bundle(
        built_in.data, built_in.contract, built_in.labels, name="newer", golden=golden
    )
    on_nginx.publish(model, name="newer")
    config = tmp_path / "config.toml"
    config.write_text(
        'model = "active"\nsource = "synthetic:32x24?rate=50"\nwatch = false\nweb = false\n'
        f'jsonl = {{ path = "{tmp_path}/answers.jsonl" }}\n'
        "[supervision]\nstall_s = 30.0\nfirst_frame_s = 30.0\n"
        "[store]\nmost_p50_ms = 60000.0\nmost_memory_mb = 10000.0\n[trial]\nframes = 5\n"
        f'[updates]\nurl = "{on_nginx.url}"\nroot_file = "{on_nginx.keys.anchor}"\n'
    )
    told: list[str] = []
    committed = threading.Event()

    class Told(Daemon):
        def _tell_update(self, report: Report) -> None:
            super()._tell_update(report)
            told.append(report.state)
            if report.state == "committed":
                committed.set()

    daemon = Told(load_config(config).config)
    running = threading.Thread(target=daemon.run, daemon=True)
    running.start()
    try:
        assert committed.wait(120), told
    finally:
        daemon.stop()
        running.join(60)
        daemon.close()

    assert told == ["downloading", "trial", "committed"]
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    names = [one["model"]["name"] for one in answers if "predictions" in one]
    assert names[-1] == "newer"
