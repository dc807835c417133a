from __future__ import annotations

import configparser
import json
import os
import shlex
import subprocess
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from edge_recog_devices.boot import Login, System, join
from edge_recog_devices.boot import documents as made
from edge_recog_devices.boot.wifi import check_ssid
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_devices.boot import FirstBoot

    MakePlan = Callable[..., FirstBoot]

PASSPHRASE = "correct horse battery"
SSIDS = [
    "home",
    "Caf\"é's 😀",
    "a: b # c",
    "no",
    "1e3",
    "{x: [y, &z *z !t]}",
    "back\\slash \\n",
    "%YAML 1.2",
    "- ;$(reboot)`id`",
    " spaces ",
    "👨‍👩‍👧",
    "line\u2028sep\u2029",
    "\ufeffbom",
    "12;34;",
]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


def is_ssid(text: str) -> bool:
    try:
        check_ssid(text)
    except UsageError:
        return False
    return True


@seed(7)
@settings(max_examples=500, deadline=None)
@given(
    st.recursive(
        TEXTS | st.booleans() | st.integers(),
        lambda deeper: st.lists(deeper) | st.dictionaries(TEXTS, deeper),
        max_leaves=10,
    )
)
def test_what_is_written_as_yaml_is_read_alike(value: Any) -> None:
    text = made.as_yaml({"value": value})

    assert json.loads(text) == {"value": value}
    assert yaml.safe_load(text) == {"value": value}
    assert yaml.load(text, Loader=yaml.CSafeLoader) == {"value": value}


@pytest.mark.parametrize("ssid", SSIDS, ids=ascii)
def test_netplan_makes_the_network_of_it(
    ssid: str, tmp_path: Path, need: Callable[[str], str]
) -> None:
    wifi = join(ssid, PASSPHRASE, country="DE", hidden=True)
    text = made.network_config(wifi)
    network = yaml.safe_load(text)["network"]
    # Raspberry Pi OS says so in a file of its own.
    network["renderer"] = "NetworkManager"
    (tmp_path / "etc" / "netplan").mkdir(parents=True)
    file = tmp_path / "etc" / "netplan" / "50-cloud-init.yaml"
    # As cloud-init hands it over.
    file.write_text(yaml.safe_dump({"network": network}, allow_unicode=False))
    file.chmod(0o600)

    done = subprocess.run(
        [need("netplan"), "generate", "--root-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    written = list((tmp_path / "run").rglob("netplan-wlan0-*.nmconnection"))
    assert len(written) == 1
    lines = written[0].read_text().split("\n")
    assert f"psk={wifi.key}" in lines
    assert "hidden=true" in lines
    # As GLib escapes it.
    escaped = ssid.replace("\\", "\\\\")
    leading = len(escaped) - len(escaped.lstrip(" "))
    assert "ssid=" + "\\s" * leading + escaped[leading:] in lines


def test_an_open_network_is_one_to_netplan(tmp_path: Path, need: Callable[[str], str]) -> None:
    (tmp_path / "etc" / "netplan").mkdir(parents=True)
    file = tmp_path / "etc" / "netplan" / "50-cloud-init.yaml"
    file.write_text(made.network_config(join("guests", None, country="DE")))
    file.chmod(0o600)

    command = [need("netplan"), "generate", "--root-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("has_login", [True, False], ids=["login", "no login"])
def test_cloud_init_accepts_the_user_data(
    has_login: bool,
    make_plan: MakePlan,
    public_key: str,
    tmp_path: Path,
    need: Callable[[str], str],
) -> None:
    login = Login("ada", (public_key + " é \"'😀",)) if has_login else None
    path = tmp_path / "user-data"
    path.write_text(made.user_data(make_plan(login=login)))

    done = validate(need("cloud-init"), path)

    assert (done.returncode, "Valid" in done.stdout) == (0, True), done.stdout + done.stderr


def test_cloud_init_would_not_accept_any_user_data(
    make_plan: MakePlan, tmp_path: Path, need: Callable[[str], str]
) -> None:
    path = tmp_path / "user-data"
    path.write_text(made.user_data(make_plan()).replace('"bootcmd": [', '"bootcmd": 3, "x": ['))

    assert validate(need("cloud-init"), path).returncode != 0


def validate(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "schema", "--config-file", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def test_the_user_data_says_who_may_log_in(make_plan: MakePlan, public_key: str) -> None:
    text = made.user_data(make_plan())
    document = yaml.safe_load(text)

    assert text.startswith("#cloud-config\n")
    assert document["hostname"] == "kitchen"
    assert document["ssh_pwauth"] is False
    assert [
        (user["name"], user["lock_passwd"], user["ssh_authorized_keys"])
        for user in document["users"]
    ] == [("ada", True, [public_key])]
    assert "users" not in yaml.safe_load(made.user_data(make_plan(login=None)))


def test_no_document_has_the_passphrase(make_plan: MakePlan) -> None:
    plan = make_plan()
    assert plan.wifi is not None
    network, keyfile = made.network_config(plan.wifi), made.connection(plan.wifi)

    for text in (network, keyfile, made.user_data(plan), made.settings(plan)):
        assert PASSPHRASE not in text
    assert str(plan.wifi.key) in network
    assert str(plan.wifi.key) in keyfile
    assert str(plan.wifi.key) not in made.user_data(plan) + made.settings(plan)


def test_without_a_wifi_only_the_cable_is_set_up() -> None:
    network = yaml.safe_load(made.network_config(None))["network"]

    assert network == {"version": 2, "ethernets": {"eth0": {"dhcp4": True, "optional": True}}}


@seed(8)
@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=32).filter(is_ssid))
def test_any_name_of_a_network_survives(ssid: str) -> None:
    wifi = join(ssid, "ab" * 32, country="DE")
    points = yaml.safe_load(made.network_config(wifi))["network"]["wifis"]["wlan0"]["access-points"]
    keyfile = configparser.ConfigParser(interpolation=None)
    keyfile.read_string(made.connection(wifi))

    assert list(points) == [ssid]
    numbers = keyfile["wifi"]["ssid"].split(";")
    assert bytes(map(int, numbers[:-1])).decode() == ssid
    assert not any(unicodedata.category(char) == "Cc" for char in ssid)


def test_a_shell_reads_the_settings_as_they_are(make_plan: MakePlan) -> None:
    plan = make_plan(groups=("video", "render", "plugdev"))
    text = made.settings(plan)

    script = f'{text}\nprintf "%s\\n" "$NEW_HOSTNAME" "$SERVICE_GROUPS" "$LOGIN" "$REQUIREMENT"'
    done = subprocess.run(["sh", "-uc", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [
        "kitchen",
        "video render plugdev",
        "ada",
        "edge-recog[daemon]==0.1.0",
    ]
    assert all(len(shlex.split(line, comments=True)) <= 1 for line in text.splitlines())


def test_systemd_takes_the_unit_of_each_system(make_plan: MakePlan) -> None:
    for name in ("bookworm", "trixie"):
        assert "[Install]" in make_plan().unit(System(name, "2025-10-01", 64))
