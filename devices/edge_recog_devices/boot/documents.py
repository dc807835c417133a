"""The texts on the card, as functions of the plan.

cloud-init reads YAML. They are written as JSON, which is YAML 1.2 and, with the characters escaped
that only YAML minds, YAML 1.1 as PyYAML and libyaml read it: there every text is quoted, by rules
that fit on a page, and no value can turn into a key, a number or a boolean (`NO` is a country). So
no YAML library is needed to write them; tests read them back with PyYAML, cloud-init and netplan.
Only the line `#cloud-config` must be first: by it user-data is told from scripts
(<https://docs.cloud-init.io/en/latest/explanation/format.html>).
"""

from __future__ import annotations

import json
import re
import shlex
import uuid
from typing import TYPE_CHECKING, Any, Final

from edge_recog_devices.boot.identity import LOGIN_GROUPS, SERVICE_USER
from edge_recog_devices.boot.plan import FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog_devices.boot.identity import Login
    from edge_recog_devices.boot.plan import FirstBoot
    from edge_recog_devices.boot.wifi import Wifi

SIGN: Final = "# Written by edge-recog flash"
"""In the first lines of files that are ours to replace."""
MOUNTED: Final = "/boot/firmware"
"""Where bookworm and trixie have the boot partition."""
PAYLOAD: Final = "edge-recog"
"""The folder on the boot partition with what is installed from there."""

# Not printable in YAML 1.1, or an end of line there; all of them within 16 bits.
_YAML_MINDS = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_CONNECTIONS: Final = uuid.UUID("5d1f9f3f-7a0d-5d7c-8a57-3a3c7f2b6a10")


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return JSON that any reader of YAML understands alike."""
    text = json.dumps(document, ensure_ascii=False, indent=1)
    # Outside of texts JSON has none of these.
    return _YAML_MINDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def user_data(plan: FirstBoot) -> str:
    """Return cloud-init's `user-data`.

    `bootcmd` runs at every boot, unlike `runcmd`, which is not repeated after a power cut
    (cloud-init's semaphores are set before the work is done). It starts what is installed in a
    service of its own, so that the boot does not wait, and is nothing once the payload is gone.
    """
    setup = f"{MOUNTED}/{PAYLOAD}/setup.sh"
    run = (
        "systemd-run --unit=edge-recog-setup --collect --no-block "
        "--property=After=cloud-init.service --property=After=cloud-init-network.service "
        f"/bin/bash {setup}"
    )
    document: dict[str, Any] = {
        "hostname": plan.hostname,
        "manage_etc_hosts": True,
        "ssh_pwauth": False,
        "bootcmd": [["sh", "-c", f"[ ! -e {setup} ] || {run} || /bin/bash {setup}"]],
    }
    if plan.login is not None:
        document["users"] = [_user(plan.login)]
    return f"#cloud-config\n{SIGN}\n{as_yaml(document)}"


def meta_data(instance: str) -> str:
    """Return cloud-init's `meta-data`: a new instance is a new first boot."""
    return f"{SIGN}\n{as_yaml({'instance-id': instance, 'dsmode': 'local'})}"


def network_config(wifi: Wifi | None) -> str:
    """Return cloud-init's `network-config`, version 2, which netplan gets as it is.

    A password of 64 hexadecimal digits is the key itself
    (<https://netplan.readthedocs.io/en/stable/netplan-yaml/>, "password").
    """
    network: dict[str, Any] = {
        "version": 2,
        "ethernets": {"eth0": {"dhcp4": True, "optional": True}},
    }
    if wifi is not None:
        point: dict[str, Any] = {"hidden": True} if wifi.hidden else {}
        if wifi.key is not None:
            point["password"] = wifi.key
        network["wifis"] = {
            "wlan0": {
                "dhcp4": True,
                "optional": True,
                "regulatory-domain": wifi.country,
                "access-points": {wifi.ssid: point},
            }
        }
    return f"{SIGN}\n{as_yaml({'network': network})}"


def connection(wifi: Wifi) -> str:
    """Return the Wi-Fi as NetworkManager keeps it (nm-settings-keyfile(5)), for bookworm.

    The name is written as its bytes, which that format allows: nothing needs to be escaped.
    """
    lines = [
        "[connection]",
        "id=edge-recog",
        f"uuid={uuid.uuid5(_CONNECTIONS, wifi.ssid)}",
        "type=wifi",
        "[wifi]",
        "mode=infrastructure",
        f"ssid={''.join(f'{byte};' for byte in wifi.ssid.encode())}",
        *(["hidden=true"] if wifi.hidden else []),
        *([] if wifi.key is None else ["[wifi-security]", "key-mgmt=wpa-psk", f"psk={wifi.key}"]),
        *("[ipv4]", "method=auto", "[ipv6]", "method=auto"),
    ]
    return "\n".join(lines) + "\n"


def settings(plan: FirstBoot) -> str:
    """Return what the scripts on the card read, as assignments of a shell."""
    values = {
        "NEW_HOSTNAME": plan.hostname,
        "FOLDER": FOLDER,
        "SERVICE_USER": SERVICE_USER,
        "SERVICE_GROUPS": " ".join(plan.groups),
        "LOGIN": plan.login.name if plan.login else "",
        "LOGIN_GROUPS": " ".join(LOGIN_GROUPS),
        "WIFI_COUNTRY": plan.wifi.country if plan.wifi else "",
        "REQUIREMENT": plan.requirement,
        "MODEL": plan.model.name,
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join([SIGN, *lines]) + "\n"


def _user(login: Login) -> dict[str, Any]:
    return {
        "name": login.name,
        "groups": list(LOGIN_GROUPS),
        "shell": "/bin/bash",
        "lock_passwd": True,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "ssh_authorized_keys": list(login.keys),
    }
