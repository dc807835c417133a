"""The live classifier as a service of systemd on an emulated Raspberry Pi: `make virtual-pi`.

Not part of `make test`: it takes minutes. The camera is the kernel's vivid, through V4L2.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from conftest import Pi

pytestmark = pytest.mark.timeout(1200)

MODEL: Final = "/opt/models/model.tflite"
# vivid's picture has no noise, and nothing in it moves for seconds.
CONFIG: Final = f"""\
source = "v4l2:/dev/video0?width=320&height=180&rate=10"
model = "{MODEL}"
[watch]
freeze_s = false
"""
MEMORY_MAX: Final = 256 * 2**20


def id_of(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()


@pytest.fixture(scope="module")
def service(pi: Pi, models: list[bytes]) -> Pi:
    """Install and start it as docs/live.md says."""
    pi.facts["machine"] = pi.run("uname -srm")
    pi.facts["systemd"] = pi.run("systemctl --version | head -n 1")
    pi.write(MODEL, models[0])
    pi.write("/etc/edge-recog/config.toml", CONFIG.encode())
    unit = pi.run("/opt/edge-recog/bin/edge-recog config unit /etc/edge-recog/config.toml")
    pi.write("/etc/systemd/system/edge-recog.service", f"{unit}\n".encode())
    pi.run("systemctl daemon-reload")
    with pi.timed("start until ready, s"):
        # It comes back when the service says READY=1, or fails.
        pi.run("systemctl start edge-recog")
    return pi


def test_the_machine_itself_is_well(pi: Pi) -> None:
    assert pi.run("uname -m") == "aarch64"
    # It waits until all is started; with another word for a unit that failed, it fails.
    assert pi.run("systemctl is-system-running --wait") == "running"


def test_it_is_active_once_a_frame_was_answered(service: Pi, models: list[bytes]) -> None:
    assert service.of_unit("ActiveState") == "active"
    assert service.of_unit("StatusText") == "running"
    lines = service.run("journalctl -u edge-recog -o cat").splitlines()
    answers = [number for number, line in enumerate(lines) if '"predictions"' in line]
    started = next(number for number, line in enumerate(lines) if line.startswith("Started "))
    first = json.loads(lines[answers[0]])

    assert first["source"] == "v4l2:/dev/video0"
    assert first["model"] == {"id": f"sha256:{id_of(models[0])}", "name": "first"}
    assert first["predictions"]
    # The journal has its output a moment later than systemd its word.
    assert answers[0] < started + 10


def test_a_reload_changes_the_model_between_two_frames(service: Pi, models: list[bytes]) -> None:
    process, now = service.of_unit("MainPID"), service.now()
    service.write(MODEL, models[1])
    with service.timed("reload, s"):
        service.run("systemctl reload edge-recog")
    answer = service.wait_for_answer(now, id_of(models[1]))

    assert answer["model"]["name"] == "second"
    assert service.of_unit("MainPID") == process


def test_a_reload_of_a_broken_model_keeps_the_one_at_work(service: Pi, models: list[bytes]) -> None:
    at_work = service.wait_for_answer(service.now())["model"]["id"]
    now = service.now()
    service.write(MODEL, models[0][: len(models[0]) // 2])
    service.try_run("systemctl reload edge-recog")
    service.wait_for_line(now, "the model at work stays: ")
    answer = service.wait_for_answer(service.now())
    service.write(MODEL, models[0])

    assert answer["model"]["id"] == at_work
    assert service.of_unit("ActiveState") == "active"


def test_nothing_is_written_in_a_steady_state(service: Pi) -> None:
    service.wait_for_answer(service.now())
    disk = "/sys/block/vda/stat"
    # Sectors that the disk has written; bytes that the process had it write; files newer than the
    # first look, where it may write at all.
    before, after, process, files = service.run(
        f"sync; touch /run/looked; cat {disk}; sleep 30; cat {disk}; "
        "grep ^write_bytes /proc/$(systemctl show --value -p MainPID edge-recog)/io; "
        "find /var/lib/private/edge-recog -newer /run/looked | wc -l"
    ).splitlines()

    written = int(after.split()[6]) - int(before.split()[6])
    service.facts["sectors written in 30 s"] = written
    assert written == 0
    assert process == "write_bytes: 0"
    assert files == "0"


def test_it_stays_below_its_limit_of_memory(service: Pi) -> None:
    service.wait_for_answer(service.now())
    folder = f"/sys/fs/cgroup{service.of_unit('ControlGroup')}"
    peak, most, events = (
        service.run(f"cat {folder}/{name}")
        for name in ("memory.peak", "memory.max", "memory.events")
    )
    service.facts["memory.peak, MiB"] = round(int(peak) / 2**20, 1)

    assert int(most) == MEMORY_MAX
    assert int(peak) < MEMORY_MAX
    assert re.findall(r"^(?:oom|oom_kill|max) (\d+)$", events, re.MULTILINE) == ["0", "0", "0"]


def test_a_process_that_hangs_is_killed_by_the_watchdog_and_answers_again(service: Pi) -> None:
    process, now = service.of_unit("MainPID"), service.now()
    restarts = int(service.of_unit("NRestarts"))
    with service.timed("stopped until the watchdog kills it, s"):
        service.run(f"kill -STOP {process}")
        service.wait_for_line(now, "Watchdog timeout")
    with service.timed("killed until it answers again, s"):
        service.wait_for_line(now, "Scheduled restart job")
        service.wait_for_answer(service.now())
    service.wait_for_line(now, "^Started ")

    assert service.of_unit("ActiveState") == "active"
    assert service.of_unit("MainPID") not in {process, "0"}
    assert int(service.of_unit("NRestarts")) == restarts + 1


def test_it_stops_by_itself_when_told_to(service: Pi) -> None:
    now = service.now()
    with service.timed("stop, s"):
        service.run("systemctl stop edge-recog")
    service.wait_for_line(now, "edge-recog: frames: [0-9,]+ answered")

    # Not killed after TimeoutStopSec.
    assert service.of_unit("Result") == "success"
    assert service.of_unit("ExecMainStatus") == "0"
