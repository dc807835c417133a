"""Real devices are asked, over ssh."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.errors import FactsError
from edge_recog_devices.probing import judge, match, probe
from edge_recog_devices.profiles import shipped_profiles

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def bad(device: Any, folder: str) -> dict[str, str]:
    """Return what is bad of a device."""
    with device.remote() as remote:
        facts = probe(remote, folder)
    rows = judge(facts, match(facts, shipped_profiles()))
    return {row.id: row.finding.evidence for row in rows if row.finding.outcome == "bad"}


def test_this_machine_is_asked_as_a_device(device: Any) -> None:
    with device.remote() as remote:
        facts = probe(remote, f"{device.home}/edge-recog")
    assert facts.kernel == os.uname().machine
    assert facts.hostname == os.uname().nodename
    assert facts.user == device.user
    assert facts.folder.existing == str(device.home)
    assert facts.folder.writable is True
    assert facts.folder.free_kib is not None
    assert facts.cores == os.sysconf("SC_NPROCESSORS_ONLN")
    assert facts.sudo != "root" or os.geteuid() == 0


def test_a_folder_of_others_is_not_writable(device: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("as root alone the device has a user who owns nothing")
    with device.remote() as remote:
        assert probe(remote, "/opt/edge-recog").folder.writable is False


def test_a_read_only_root_is_told(make_device: Callable[..., Any]) -> None:
    device = make_device(setup="mount -t tmpfs -o ro tmpfs /srv")
    assert bad(device, "/srv/edge-recog")["file-system"] == (
        "/srv is on a file system that is read-only"
    )


def test_a_full_card_is_told(make_device: Callable[..., Any]) -> None:
    device = make_device(setup="mount -t tmpfs -o size=1m,mode=777 tmpfs /srv")
    told = bad(device, "/srv/edge-recog")
    assert told["space"] == "1 MB free for /srv/edge-recog; an installation needs 600"


def test_a_device_without_python_is_told(make_device: Callable[..., Any]) -> None:
    hide = 'for one in /usr/bin/python3*; do mount --bind /dev/null "$(readlink -f "$one")"; done'
    device = make_device(setup=hide)
    assert bad(device, "/srv/edge-recog")["python"] == "no Python"


@pytest.mark.parametrize(
    "folder", ["opt", "/opt/../etc", "/opt/$(id)", "/opt/a b", "/opt\n", "", "/"]
)
def test_a_folder_that_could_be_misunderstood_is_refused(device: Any, folder: str) -> None:
    with device.remote() as remote, pytest.raises(UsageError, match="no folder for a device"):
        probe(remote, folder)


def test_a_device_that_answers_something_else_is_refused(
    make_device: Callable[..., Any], devices: Any
) -> None:
    liar = devices.folder / "liar"
    # It runs what is asked of it, and adds to what that says.
    liar.write_text('#!/bin/sh\n/bin/sh "$@" | sed "s/^cores=.*/cores=$(printf %s many)/"\n')
    liar.chmod(0o755)
    device = make_device(shell=str(liar))
    with device.remote() as remote, pytest.raises(FactsError, match="cores in the answer"):
        probe(remote)


def test_a_device_that_never_stops_answering_is_given_up(
    make_device: Callable[..., Any], devices: Any
) -> None:
    talker = devices.folder / "talker"
    talker.write_text('#!/bin/sh\n/bin/sh "$@"\ncase "$*" in *" -s "*) exec yes ;; esac\n')
    talker.chmod(0o755)
    device = make_device(shell=str(talker))
    with device.remote() as remote, pytest.raises(OSError, match="says more than 65536 bytes"):
        probe(remote)
