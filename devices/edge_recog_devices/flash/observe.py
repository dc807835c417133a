"""Watches the service from the device itself, through its web interface and its store.

This file is sent to the device and run by the Python there, so it imports the standard library
only. Its one argument is a JSON document, and so is the one that it writes.
"""

from __future__ import annotations

import json
import select
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

POLL_S = 0.5
STORE_EVERY_S = 3.0
"""Looking at the store starts a program, which takes a second on a small device."""
REQUEST_S = 5.0
MOST_BYTES = 16 * 2**20


class Service:
    """The service, as it is asked."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.url = told["url"]
        self.token_file = told["token_file"]
        self.store_command = told["store_command"]
        self.state_command = told["state_command"]
        # It is this very machine, whatever its certificate says.
        self.context = ssl._create_unverified_context()

    def get(self, path: str) -> bytes:
        """Return what a path answers; HTTPError and OSError are for the caller."""
        request = urllib.request.Request(self.url + path)
        if self.token_file:
            with open(self.token_file, encoding="utf-8") as file:  # noqa: PTH123
                request.add_header("Authorization", f"Bearer {file.read().strip()}")
        # No proxy stands between a machine and itself.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context)
        )
        with opener.open(request, timeout=REQUEST_S) as answer:
            return answer.read(MOST_BYTES)  # type: ignore[no-any-return]

    def json(self, path: str) -> Any:
        """Return a document; None if there is none now."""
        try:
            return json.loads(self.get(path))
        except (OSError, ValueError):
            return None

    def store(self) -> Any:
        """Return what the store says of its models; None if it says nothing."""
        done = subprocess.run(self.store_command, capture_output=True, check=False, timeout=60)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def is_active(self) -> bool:
        """Tell whether the service manager has it running."""
        done = subprocess.run(self.state_command, capture_output=True, check=False, timeout=60)
        return done.returncode == 0


class Watch:
    """What was seen so far of one model."""

    def __init__(self, service: Service, wanted: str) -> None:
        self.service = service
        self.wanted = wanted
        self.reason = "it does not answer"
        self.since_s: float | None = None
        self.uptime_s = 0.0

    def is_good(self, now_s: float) -> bool:
        """Look once; tell whether all is well now."""
        if not self.service.url:
            return self._is_good_without_page()
        status = self.service.json("/api/v1/status")
        if status is None:
            self.reason = "it does not answer at " + self.service.url
            return False
        if self.wanted and status["model"]["id"] != self.wanted:
            self.reason = "another model is at work"
            return False
        if status["state"] not in ("running", "standby"):
            self.reason = status["reason"] or "it is " + status["state"]
            return False
        if status["uptime_s"] < self.uptime_s:
            # It was started anew meanwhile.
            self.since_s = None
        self.uptime_s = status["uptime_s"]
        return True

    def _is_good_without_page(self) -> bool:
        if not self.service.is_active():
            self.reason = "the service does not run"
            return False
        return True

    def look(self, now_s: float) -> float:
        """Return for how long all has been well without a break."""
        if not self.is_good(now_s):
            self.since_s = None
            return 0.0
        if self.since_s is None:
            self.since_s = now_s
        return now_s - self.since_s


def failure_in(store: Any, wanted: str) -> str:
    """Return why the store has given a model up; empty if it has not."""
    if store is None:
        return ""
    candidate = store["candidate"]
    if wanted in (store["active"], candidate and candidate["id"]):
        return ""
    for model in store["models"]:
        if model["id"] == wanted and model["last_failure"]:
            return str(model["last_failure"])
    return "the device has taken another model"


def is_left_alone() -> bool:
    """Tell whether nobody listens any more: whoever asked is gone, or the connection."""
    listening = select.poll()
    listening.register(1, 0)
    return bool(listening.poll(0))


def watch(told: dict[str, Any]) -> dict[str, Any]:
    """Wait for a verdict."""
    service = Service(told)
    seen = Watch(service, told["model"])
    start_s = store_s = time.monotonic()
    verdict, reason = "late", ""
    while True:
        now_s = time.monotonic()
        well_s = seen.look(now_s)
        if well_s >= told["healthy_s"] and seen.since_s is not None:
            verdict = "healthy"
            break
        if not well_s and told["model"] and now_s - store_s >= STORE_EVERY_S:
            reason = failure_in(service.store(), told["model"])
            store_s = time.monotonic()
            if reason:
                verdict = "given-up"
                break
        if not well_s and now_s - start_s >= told["patience_s"]:
            break
        if is_left_alone():
            sys.exit(1)
        time.sleep(POLL_S)
    store = service.store()
    if verdict == "healthy" and told["model"]:
        reason = failure_in(store, told["model"])
        verdict = "given-up" if reason else "healthy"
    found = service.json("/api/v1/classification") if service.url else None
    return {
        "verdict": verdict,
        "reason": reason or seen.reason,
        "on_trial": bool(store and store["candidate"]),
        "active": store["active"] if store else None,
        "waited_s": round(time.monotonic() - start_s, 1),
        "classification": found if verdict == "healthy" else None,
    }


def main() -> None:
    """Do what the argument says."""
    told = json.loads(sys.argv[1])
    if told["do"] == "picture":
        sys.stdout.buffer.write(Service(told).get("/api/v1/frame.jpg"))
        return
    json.dump(watch(told), sys.stdout)


if __name__ == "__main__":
    main()
