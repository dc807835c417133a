from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from edge_recog.updates import UnusableUpdatesError, UpdateSettings
from edge_recog.updates.places import device_id, updates_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "url",
    [
        "https://updates.example/fleet",
        "http://10.0.0.5:8080/",
        "https://[2001:db8::1]/x/y",
    ],
)
def test_addresses_of_web_servers_are_taken(url: str) -> None:
    assert UpdateSettings(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://h/x",
        "updates.example",
        "https://",
        "https://user:secret@h/x",
        "https://h/x?y",
        "https://h/x#y",
        "https://h:99999/x",
        "https://h/\n",
        "https://h/ö",
        "https://[::1",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        UpdateSettings(url=url)


@pytest.mark.parametrize(
    "change",
    [
        {"channel": "../x"},
        {"channel": "stable\n"},
        {"every_min": 0},
        {"jitter": 1},
        {"root_file": "root.json"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_settings_are_read_strictly(change: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"url": "https://h"} | change, UpdateSettings)


def test_a_device_keeps_its_id(tmp_path: Path) -> None:
    made = device_id(tmp_path / "updates")

    assert len(made) == 32
    assert device_id(tmp_path / "updates") == made
    assert (tmp_path / "updates").stat().st_mode & 0o077 == 0


def test_a_damaged_id_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "device-id").write_text("half")

    assert len(device_id(tmp_path)) == 32


def test_an_id_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "updates").write_text("a file")

    with pytest.raises(UnusableUpdatesError, match="device-id"):
        device_id(tmp_path / "updates")


def test_what_is_remembered_lies_beside_the_models() -> None:
    folder = updates_folder({"STATE_DIRECTORY": "/var/lib/edge-recog:/other"})

    assert str(folder) == "/var/lib/edge-recog/updates"
