"""A device is one string, which no shell and no option of ssh can misunderstand."""

from __future__ import annotations

import re

import pytest
from edge_recog_devices.remote import Address
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("kitchen", Address("kitchen")),
        ("pi@kitchen.local", Address("kitchen.local", "pi")),
        ("pi@10.0.0.7", Address("10.0.0.7", "pi")),
        ("fe80::1%eth0", Address("fe80::1%eth0")),
        ("ssh://kitchen", Address("kitchen")),
        ("ssh://pi@kitchen.local:2222", Address("kitchen.local", "pi", 2222)),
        ("ssh://pi@kitchen/", Address("kitchen", "pi")),
        ("ssh://pi@[::1]:22", Address("::1", "pi", 22)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write it like"),
        ("-oProxyCommand=touch /tmp/x", "do not start with a dash"),
        ("pi@-oProxyCommand=x", "do not start with a dash"),
        ("ssh://-oProxyCommand=x", "do not start with a dash"),
        ("-l@kitchen", "do not start with a dash"),
        ("kitchen:2222", "write ssh://kitchen:2222"),
        ("pi@kitchen:2222", "write ssh://pi@kitchen:2222"),
        ("ssh://kitchen:0", "from 1 to 65535"),
        ("ssh://kitchen:70000", "from 1 to 65535"),
        ("ssh://kitchen/home", "write it like"),
        ("http://kitchen", "write it like"),
        ("kitchen; reboot", "write it like"),
        ("$(reboot)", "write it like"),
        ("pi@kitchen\n", "write it like"),
        ("pï@kitchen", "write it like"),
    ],
)
def test_what_names_no_device_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=re.escape(reason)):
        Address.parse(text)


@pytest.mark.parametrize("text", ["ssh://pi:secret@kitchen", "pi:secret@kitchen"])
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError, match="use a key") as caught:
        Address.parse(text)
    assert "secret" not in str(caught.value)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("ab1.-_@:/[]%$;' \n\"\\s")).map(lambda text: text[:40]))
def test_an_address_is_refused_or_harmless(text: str) -> None:
    try:
        address = Address.parse(text)
    except UsageError:
        return
    assert re.fullmatch(r"[A-Za-z0-9._+@:%-]+", address.destination)
    assert not address.destination.startswith("-")
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("address", "known_as"),
    [(Address("k"), "k"), (Address("k", port=22), "k"), (Address("k", port=2222), "[k]:2222")],
)
def test_known_hosts_has_a_name_for_it(address: Address, known_as: str) -> None:
    assert address.known_as == known_as
