from __future__ import annotations

import pytest
from edge_recog_devices.boot.cmdline import (
    is_ours,
    read_cmdline,
    with_cloud_init,
    with_firstrun,
)
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError

STOCK = b"console=tty1 root=PARTUUID=4d8fd085-02 rootwait quiet init=/usr/lib/x/firstboot\n"
WORDS = st.lists(
    st.from_regex(r"[a-z][a-z0-9_.]{0,12}(=[!#-~]{0,20})?", fullmatch=True), max_size=8
)


def test_words_of_others_keep_their_place() -> None:
    line = with_firstrun(read_cmdline(STOCK), "DE").decode()

    assert line == (
        "console=tty1 root=PARTUUID=4d8fd085-02 rootwait quiet init=/usr/lib/x/firstboot "
        "cfg80211.ieee80211_regdom=DE systemd.run=/boot/firmware/firstrun.sh "
        "systemd.run_success_action=reboot systemd.run_failure_action=reboot "
        "systemd.unit=kernel-command-line.target\n"
    )


def test_the_instance_of_imager_is_replaced() -> None:
    before = b"root=/dev/x ds=nocloud;i=rpi-imager-17 cfg80211.ieee80211_regdom=US rootwait\n"
    line = with_cloud_init(read_cmdline(before), "edge-recog-1", "DE").decode()

    assert line == ("root=/dev/x rootwait cfg80211.ieee80211_regdom=DE ds=nocloud;i=edge-recog-1\n")


def test_the_country_stays_where_no_wifi_is_asked_for() -> None:
    before = b"root=/dev/x cfg80211.ieee80211_regdom=US\n"

    assert b"regdom=US" in with_cloud_init(read_cmdline(before), "edge-recog-1", None)


def test_quoted_words_stay_whole() -> None:
    before = b'root=/dev/x dyndbg="file drivers/usb/* +p" quiet'

    assert b'dyndbg="file drivers/usb/* +p" quiet ' in with_firstrun(read_cmdline(before), None)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "one line"),
        (b"root=/dev/x\nquiet\n", "one line"),
        (b'root=/dev/x a="b', "one line"),
        (b"root=/dev/x \x1b[2J", "one line"),
        (b"quiet splash", "root="),
        (b"root=/dev/x caf\xe9", "plain text"),
        (b"\0" * 40, "one line"),
    ],
    ids=["empty", "two", "open quote", "controls", "no root", "not ASCII", "zeros"],
)
def test_what_is_no_command_line_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_cmdline(data)


def test_a_line_that_no_kernel_takes_is_refused() -> None:
    with pytest.raises(UsageError, match="1024"):
        with_firstrun(read_cmdline(b"root=/dev/x " + b"a=" + b"x" * 900), None)


@seed(1)
@settings(max_examples=300, deadline=None)
@given(WORDS, st.sampled_from(["DE", None]))
def test_writing_twice_is_writing_once(words: list[str], country: str | None) -> None:
    before = ("root=/dev/x " + " ".join(words)).encode()
    once = with_firstrun(read_cmdline(before), country)

    assert with_firstrun(read_cmdline(once), country) == once
    assert is_ours(read_cmdline(once))
    cloud = with_cloud_init(read_cmdline(once), "edge-recog-1", country)
    assert with_cloud_init(read_cmdline(cloud), "edge-recog-1", country) == cloud
    assert b"systemd.run" not in cloud


@seed(2)
@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_words_or_refused(data: bytes) -> None:
    try:
        words = read_cmdline(data)
    except UsageError:
        return
    assert all(words)
    assert any(word.startswith("root=") for word in words)
