"""The process that asks the server: killed, slow, resumed. nginx serves where that matters."""

from __future__ import annotations

import fcntl
import hashlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.updates import UnreachableError, UnusableUpdatesError, UpdateSettings
from edge_recog.updates.repository.isolated import IsolatedRepository
from edge_recog.updates.repository.protocol import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGE = bytes(range(256)) * 8000


def test_a_process_looks_and_fetches(fleet: Any) -> None:
    repository = fleet.isolated()

    offer = repository.look("stable").latest

    assert offer.release.number == 1
    data = repository.fetch(offer)
    assert hashlib.sha256(data).hexdigest() == offer.release.model


def test_what_was_fetched_is_forgotten_when_told(fleet: Any) -> None:
    repository = fleet.isolated()
    offer = repository.look("stable").latest
    repository.fetch(offer)

    repository.forget(offer.release.model)

    assert list((fleet.work / "device" / "downloads").iterdir()) == []


def test_a_part_that_was_damaged_on_the_disk_is_fetched_again(fleet: Any) -> None:
    repository = fleet.isolated()
    offer = repository.look("stable").latest
    folder = fleet.work / "device" / "downloads"
    folder.mkdir()
    (folder / f"{offer.release.model}.part").write_bytes(b"?" * 100)

    data = repository.fetch(offer)

    assert hashlib.sha256(data).hexdigest() == offer.release.model


def test_parts_of_other_files_are_cleaned_up(fleet: Any) -> None:
    repository = fleet.isolated()
    offer = repository.look("stable").latest
    folder = fleet.work / "device" / "downloads"
    folder.mkdir()
    (folder / f"{'0' * 64}.part").write_bytes(b"old")

    repository.fetch(offer)

    assert [path.name for path in folder.iterdir()] == [f"{offer.release.model}.part"]


def test_a_download_through_nginx_goes_on_after_a_kill(
    fleet: Any, nginx: Any, tmp_path: Path
) -> None:
    fleet.publish(LARGE, share_ppm=1_000_000)
    site = tmp_path / "site"
    fleet.site.rename(site)
    with nginx.serving(site, limit_rate="400k") as web:
        fleet.site, fleet.url = site, web.url
        repository = fleet.isolated()
        offer = repository.look("stable").latest
        part = fleet.work / "device" / "downloads" / f"{offer.release.model}.part"

        def kill_when_some_is_there() -> None:
            end_s = time.monotonic() + 60
            while time.monotonic() < end_s:
                if part.exists() and part.stat().st_size > 100_000:
                    break
                time.sleep(0.01)
            repository.close()

        killer = threading.Thread(target=kill_when_some_is_there)
        killer.start()
        with pytest.raises(UnusableUpdatesError, match="-9"):
            repository.fetch(offer)
        killer.join()
        there = part.stat().st_size
        assert 100_000 < there < len(LARGE)

        data = fleet.isolated().fetch(offer)

        assert data == LARGE
        path, status, sent = web.requests()[-1]
        assert path.endswith("latest.tflite")
        assert status == 206
        assert sent < len(LARGE) - there + 1000


def test_a_server_whose_head_drips_is_given_up_in_time(fleet: Any, tmp_path: Path) -> None:
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return  # On a busy machine nobody came in time.
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    settings = UpdateSettings(
        url=f"http://127.0.0.1:{listening.getsockname()[1]}", root_file=str(fleet.keys.anchor)
    )
    try:
        repository = IsolatedRepository(settings, tmp_path / "d", limits=Limits(look_s=4))
        with pytest.raises(UnreachableError, match="after 4 s"):
            repository.look("stable")
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def test_two_processes_do_not_look_at_once(fleet: Any) -> None:
    folder = fleet.work / "device"
    folder.mkdir()
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UnusableUpdatesError, match="another process"):
            fleet.isolated().look("stable")


def test_a_missing_root_says_where_to_get_it(fleet: Any, tmp_path: Path) -> None:
    settings = UpdateSettings(url=fleet.url, root_file=str(tmp_path / "none.json"))

    with pytest.raises(UnusableUpdatesError, match=r"1\.root\.json"):
        IsolatedRepository(settings, tmp_path / "d").look("stable")


def test_nothing_starts_after_it_was_closed(fleet: Any) -> None:
    repository = fleet.isolated()
    repository.close()
    repository.close()

    with pytest.raises(UnusableUpdatesError, match="closed"):
        repository.look("stable")


def test_errors_come_through_as_they_are(make_fleet: Callable[..., Any]) -> None:
    fleet = make_fleet()
    (fleet.metadata / "timestamp.json").unlink()

    with pytest.raises(UnreachableError, match="404"):
        fleet.isolated().look("stable")


def test_a_look_that_finds_nothing_new_writes_nothing(fleet: Any) -> None:
    fleet.isolated().look("stable")
    folder = fleet.work / "device" / "metadata"
    before = {path: path.stat().st_ino for path in folder.rglob("*")}

    fleet.isolated().look("stable")

    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before
    assert "timestamp.json" in {path.name for path in before}
