from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from edge_recog_devices.boot.wifi import (
    PASSPHRASE_VARIABLE,
    Wifi,
    derive_key,
    join,
    read_passphrase,
)

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


# IEEE 802.11i-2004, H.4.3.
@pytest.mark.parametrize(
    ("passphrase", "ssid", "key"),
    [
        (
            "password",
            "IEEE",
            "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e",
        ),
        (
            "ThisIsAPassword",
            "ThisIsASSID",
            "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af",
        ),
        (
            "a" * 32,
            "Z" * 32,
            "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62",
        ),
    ],
    ids=["1", "2", "3"],
)
def test_the_key_is_the_standards(passphrase: str, ssid: str, key: str) -> None:
    assert derive_key(passphrase, ssid) == key


def test_a_key_is_taken_as_it_is() -> None:
    assert derive_key("AB" * 32, "home") == "ab" * 32


@pytest.mark.parametrize(
    "passphrase", ["short", "x" * 64, "tab\there!", "x" * 62 + "é", "lone \ud83d half"]
)
def test_a_passphrase_out_of_its_form_is_refused_and_not_repeated(passphrase: str) -> None:
    with pytest.raises(UsageError, match="passphrase") as refused:
        join("home", passphrase, country="DE")

    assert passphrase not in str(refused.value)


@pytest.mark.parametrize("ssid", ["", "x" * 33, "é" * 17, "two\nlines", "nul\0", "\x7f", "\ud83d"])
def test_what_is_no_name_of_a_network_is_refused(ssid: str) -> None:
    with pytest.raises(UsageError, match="no name of a Wi-Fi"):
        join(ssid, "long enough", country="DE")


@pytest.mark.parametrize("country", ["de", "UK", "DEU", "D\n", "", "ÄÖ"])
def test_what_is_no_country_is_refused(country: str) -> None:
    with pytest.raises(UsageError, match="country"):
        join("home", "long enough", country=country)


def test_the_key_does_not_show_in_what_is_printed() -> None:
    wifi = join("home", "long enough", country="DE")

    assert wifi.key is not None
    assert wifi.key not in repr(wifi)


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="64 hexadecimal"):
        Wifi("home", "DE", 'x"\n')


def test_the_passphrase_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "wifi"
    path.write_text("from the file\n")
    path.chmod(0o600)

    assert read_passphrase(path, {}) == "from the file"
    assert read_passphrase(None, {PASSPHRASE_VARIABLE: "from there"}) == "from there"


def test_a_file_that_others_can_read_keeps_no_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "wifi"
    path.write_text("from the file\n")
    path.chmod(0o644)

    with pytest.raises(UsageError, match="chmod 600"):
        read_passphrase(path, {})


def test_two_passphrases_or_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is in"):
        read_passphrase(tmp_path, {PASSPHRASE_VARIABLE: "x"})
    with pytest.raises(UsageError, match=PASSPHRASE_VARIABLE):
        read_passphrase(None, {})
