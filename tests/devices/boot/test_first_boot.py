"""The scripts on the card, run as on the device: in a system made of this one's programs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import pytest
import yaml
from edge_recog_devices import boot as package
from edge_recog_devices.boot import Login, open_card, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_devices.boot import FirstBoot

    MakePlan = Callable[..., FirstBoot]
    Files = dict[str, dict[str, bytes]]

SCRIPTS = Path(package.__file__).parent
FIRSTRUN = "/boot/firmware/firstrun.sh"
SETUP = "/boot/firmware/edge-recog/setup.sh"
# What would act on this machine's kernel and services is written down instead.
RECORDED = ("systemctl", "udevadm", "rfkill", "nmcli", "sync")
ETC = {
    "hostname": "raspberrypi\n",
    "hosts": "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
    "passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "group": "root:x:0:\nsudo:x:27:\nvideo:x:44:\nusers:x:100:\nrender:x:106:\n",
    "shadow": "root:*:19000:0:99999:7:::\n",
    "gshadow": "root:*::\nsudo:*::\nvideo:*::\nusers:*::\nrender:*::\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\n",
    "sudoers.d/README": "",
    "ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n",
}
# Dies, and all else with it, before one of the commands of a script: a power cut.
CUT = """
set -T
power_off() {
    kill -KILL -1
    kill -KILL "$BASHPID"
}
trap 'echo >>/cut/done; [[ $(wc -l </cut/done) != "$CUT_AT" ]] || power_off' DEBUG
"""


class Device(NamedTuple):
    """A device whose disk is a folder."""

    root: Path
    bwrap: str

    def run(self, *command: str, cut_at: int = 0) -> int:
        """Boot into a command, as root; cut the power before one of its commands if asked to."""
        binds: list[str] = []
        for name in ("boot", "etc", "home", "opt", "var", "cut", "shims"):
            binds += ["--bind", str(self.root / name), f"/{name}"]
        for name in ("usr", "bin", "sbin", "lib", "lib64"):
            if Path("/", name).is_dir():
                binds += ["--ro-bind", f"/{name}", f"/{name}"]
        # Which awk is meant.
        binds += ["--ro-bind", "/etc/alternatives", "/etc/alternatives"]
        (self.root / "cut" / "done").write_text("")
        environment = {"PATH": "/shims:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        environment |= {"BASH_ENV": "/cut/trap", "CUT_AT": str(cut_at)} if cut_at >= 0 else {}
        fresh = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        apart = ["--unshare-net", "--unshare-pid", "--die-with-parent", "--new-session"]
        done = subprocess.run(
            [self.bwrap, *binds, *fresh, *apart, *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert "bwrap" not in done.stderr, done.stderr
        return done.returncode

    @property
    def card(self) -> Path:
        return self.root / "boot" / "firmware"

    @property
    def log(self) -> str:
        path = self.card / "edge-recog-first-boot.log"
        return path.read_text() if path.exists() else ""

    @property
    def calls(self) -> list[str]:
        """What was asked of systemd and the like."""
        path = self.root / "var" / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def commands(self) -> int:
        """How many commands the last run had."""
        return len((self.root / "cut" / "done").read_text().splitlines())

    def state(self) -> dict[str, str]:
        """What is there after all: names, modes, owners and contents."""
        found = {}
        for place in ("boot", "etc", "home", "opt/edge-recog/installed"):
            top = self.root / place
            for path in sorted([top, *top.rglob("*")]):
                name = str(path.relative_to(self.root))
                # shadow's copies of what was before, and what tells of the way there.
                if name.endswith(("-", ".log", ".lock")):
                    continue
                told = path.lstat()
                data = path.read_bytes() if path.is_file() else b""
                digest = hashlib.sha256(data).hexdigest()[:16]
                found[name] = f"{stat.filemode(told.st_mode)} {told.st_uid}:{told.st_gid} {digest}"
        return found


@pytest.fixture(scope="module")
def make_device(
    tmp_path_factory: pytest.TempPathFactory,
    need: Callable[[str], str],
    missing: Callable[[str], NoReturn],
) -> Callable[..., Device]:
    bwrap = need("bwrap")
    if os.geteuid() != 0:
        missing("making users needs root")
    if not Path("/usr/bin/python3").exists():
        missing("there is no /usr/bin/python3 (python3)")

    def make(plan: FirstBoot, files: dict[str, bytes]) -> Device:
        root = tmp_path_factory.mktemp("device")
        for folder in ("boot/firmware", "etc", "home", "opt", "var/log", "cut", "shims"):
            (root / folder).mkdir(parents=True)
        for path, text in ETC.items():
            (root / "etc" / path).parent.mkdir(exist_ok=True)
            (root / "etc" / path).write_text(text)
        (root / "etc/alternatives").mkdir()
        # As the images have it until a country is named.
        (root / "var/lib/NetworkManager").mkdir(parents=True)
        state = root / "var/lib/NetworkManager/NetworkManager.state"
        state.write_text("[main]\nWirelessEnabled=false\n")
        (root / "cut" / "trap").write_text(CUT)
        for program in RECORDED:
            shim = root / "shims" / program
            shim.write_text(f'#!/bin/sh\necho "{program} $*" >>/var/calls\n')
            shim.chmod(0o755)
        for path, data in files.items():
            (root / "boot/firmware" / path).parent.mkdir(exist_ok=True)
            (root / "boot/firmware" / path).write_bytes(data)
        with open_card(boot=root / "boot/firmware") as card:
            prepare(card, plan)
        return Device(root, bwrap)

    return make


def read_lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.parametrize("script", ["setup.sh", "firstrun.sh"])
def test_shellcheck_finds_nothing(script: str, need: Callable[[str], str]) -> None:
    done = subprocess.run(
        [need("shellcheck"), str(SCRIPTS / script)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_shellcheck_finds_nothing_in_the_settings(
    make_plan: MakePlan, tmp_path: Path, need: Callable[[str], str]
) -> None:
    from edge_recog_devices.boot.documents import settings

    (tmp_path / "settings").write_text(settings(make_plan()))
    command = [need("shellcheck"), "--shell=bash", "--exclude=SC2034", str(tmp_path / "settings")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_bookworm_comes_up_with_the_service(
    make_device: Callable[..., Device],
    make_plan: MakePlan,
    system_files: Files,
    public_key: str,
) -> None:
    plan = make_plan()
    device = make_device(plan, system_files["bookworm"])
    before = (device.card / "cmdline.txt.before-edge-recog").read_text()
    etc = device.root / "etc"

    assert device.run("/bin/bash", FIRSTRUN, cut_at=-1) == 0, device.log

    assert "failed" not in device.log
    assert "setup is complete" in device.log
    # Who it is.
    assert (etc / "hostname").read_text() == "kitchen\n"
    assert (etc / "hosts").read_text() == "127.0.0.1\tlocalhost\n127.0.1.1\tkitchen\n"
    # Who may log in, and how.
    users = {line.split(":")[0]: line.split(":") for line in read_lines(etc / "passwd")}
    assert users["ada"][5:] == ["/home/ada", "/bin/bash"]
    shadow = {line.split(":")[0]: line.split(":")[1] for line in read_lines(etc / "shadow")}
    assert shadow["ada"].startswith("!")
    keys = device.root / "home/ada/.ssh/authorized_keys"
    assert keys.read_text() == f"{public_key}\n"
    assert (stat.S_IMODE(keys.stat().st_mode), keys.stat().st_uid) == (0o600, int(users["ada"][2]))
    assert stat.S_IMODE((etc / "sudoers.d/010_edge-recog").stat().st_mode) == 0o440
    assert (etc / "ssh/sshd_config.d/010-edge-recog.conf").read_text() == (
        "PasswordAuthentication no\n"
    )
    # The service's user.
    assert users["edge-recog"][6] == "/usr/sbin/nologin"
    groups = {line.split(":")[0]: line.split(":")[3] for line in read_lines(etc / "group")}
    assert "edge-recog" in groups["video"].split(",")
    assert "edge-recog" in groups["render"].split(",")
    assert "ada" in groups["sudo"].split(",")
    # The network.
    connection = etc / "NetworkManager/system-connections/edge-recog.nmconnection"
    assert stat.S_IMODE(connection.stat().st_mode) == 0o600
    assert plan.wifi is not None
    assert f"psk={plan.wifi.key}\n" in connection.read_text()
    state = device.root / "var/lib/NetworkManager/NetworkManager.state"
    assert "WirelessEnabled=true" in state.read_text()
    # What runs.
    opt = device.root / "opt/edge-recog"
    assert "include-system-site-packages = true" in (opt / "venv/pyvenv.cfg").read_text()
    assert (device.root / "var/log/edge-recog-calls").read_text() == (
        f"model install --quiet {' '.join(plan.install_options())} "
        f"/boot/firmware/edge-recog/models/{plan.model.name}\n"
    )
    assert (etc / "edge-recog/config.toml").read_text() == plan.checked_config()
    assert (etc / "edge-recog/updates-root.json").read_bytes() == plan.anchor
    assert "WantedBy=multi-user.target" in (etc / "systemd/system/edge-recog.service").read_text()
    assert (etc / "udev/rules.d/65-coral.rules").exists()
    assert "systemctl enable edge-recog.service" in device.calls
    assert "systemctl enable ssh" in device.calls
    assert not [call for call in device.calls if "restart" in call]
    # The card is as it was, with the country.
    assert (device.card / "cmdline.txt").read_text() == (
        before.rstrip() + " cfg80211.ieee80211_regdom=DE\n"
    )
    assert not (device.card / "firstrun.sh").exists()
    assert not (device.card / "edge-recog").exists()


def test_trixie_comes_up_with_the_service_and_later_boots_do_nothing(
    make_device: Callable[..., Device], make_plan: MakePlan, system_files: Files
) -> None:
    plan = make_plan()
    device = make_device(plan, system_files["trixie"])
    (boot,) = yaml.safe_load((device.card / "user-data").read_text())["bootcmd"]
    # systemd-run, as far as it matters here.
    run = device.root / "shims" / "systemd-run"
    run.write_text('#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n')
    run.chmod(0o755)

    assert device.run(*boot, cut_at=-1) == 0, device.log

    assert "failed" not in device.log
    assert (device.root / "var/log/edge-recog-calls").read_text().startswith("model install")
    assert "systemctl enable edge-recog.service" in device.calls
    assert "systemctl restart --no-block edge-recog.service" in device.calls
    assert "systemctl enable --now --no-block ssh" in device.calls
    assert "nmcli radio wifi on" in device.calls
    assert not (device.card / "edge-recog").exists()
    # cloud-init makes the user, and knows its network.
    assert "ada" not in (device.root / "etc/passwd").read_text()
    assert not (device.root / "etc/NetworkManager").exists()

    state, calls, log = device.state(), device.calls, device.log
    assert device.run(*boot, cut_at=-1) == 0
    assert (device.state(), device.calls, device.log) == (state, calls, log)


def test_a_card_that_was_damaged_installs_nothing_and_boots(
    make_device: Callable[..., Device], make_plan: MakePlan, system_files: Files
) -> None:
    device = make_device(make_plan(), system_files["bookworm"])
    model = device.card / "edge-recog/models" / make_plan().model.name
    model.write_bytes(model.read_bytes()[:-1])

    assert device.run("/bin/bash", FIRSTRUN, cut_at=-1) == 0

    assert "failed: the card is damaged" in device.log
    assert not (device.root / "opt/edge-recog").exists()
    assert "systemd.run" not in (device.card / "cmdline.txt").read_text()


def test_a_step_that_fails_leaves_a_device_to_log_in_to(
    make_device: Callable[..., Device],
    make_plan: MakePlan,
    system_files: Files,
    wheels: tuple[Path, ...],
) -> None:
    device = make_device(make_plan(wheels=wheels[:1]), system_files["bookworm"])

    assert device.run("/bin/bash", FIRSTRUN, cut_at=-1) == 0

    assert "failed: installing edge-recog[daemon]==0.1.0" in device.log
    assert (device.root / "home/ada/.ssh/authorized_keys").exists()
    assert "systemctl enable ssh" in device.calls
    assert "systemctl enable edge-recog.service" not in device.calls
    assert "systemd.run" not in (device.card / "cmdline.txt").read_text()
    # So that it can be run again.
    assert (device.card / "edge-recog/setup.sh").exists()


def test_a_model_that_does_not_do_does_not_run(
    make_device: Callable[..., Device],
    make_plan: MakePlan,
    system_files: Files,
    refusing_wheels: tuple[Path, ...],
) -> None:
    device = make_device(make_plan(wheels=refusing_wheels), system_files["bookworm"])

    assert device.run("/bin/bash", FIRSTRUN, cut_at=-1) == 0

    assert "failed: the model does not do on this device what it must" in device.log
    assert "systemctl enable edge-recog.service" not in device.calls


def test_a_script_that_never_ends_is_given_up(
    make_device: Callable[..., Device], make_plan: MakePlan, system_files: Files
) -> None:
    device = make_device(make_plan(), system_files["bookworm"])
    (device.card / "edge-recog-first-boot.log").write_text("x first boot begins\n" * 8)

    assert device.run("/bin/bash", FIRSTRUN, cut_at=-1) == 0

    assert "8 attempts did not reach the end" in device.log
    assert "systemd.run" not in (device.card / "cmdline.txt").read_text()


def test_what_somebody_set_up_there_is_kept_beside(
    make_device: Callable[..., Device], make_plan: MakePlan, system_files: Files
) -> None:
    device = make_device(make_plan(login=None, wifi=None), system_files["trixie"])
    (device.root / "etc/edge-recog").mkdir()
    (device.root / "etc/edge-recog/config.toml").write_text("mine\n")

    assert device.run("/bin/bash", SETUP, cut_at=-1) == 0, device.log

    assert (device.root / "etc/edge-recog/config.toml.before").read_text() == "mine\n"
    assert "ssh" not in "".join(device.calls)


@pytest.fixture(scope="module")
def cut_plan(make_plan: MakePlan, public_key: str) -> FirstBoot:
    login = Login("ada", (public_key, public_key + "2"))
    return make_plan(login=login, groups=("video", "render", "apex"))


@pytest.fixture(scope="module")
def whole(
    make_device: Callable[..., Device], cut_plan: FirstBoot, system_files: Files
) -> tuple[int, dict[str, str]]:
    """How many commands a first boot has that nothing disturbs, and what it ends with."""
    device = make_device(cut_plan, system_files["bookworm"])
    assert device.run("/bin/bash", FIRSTRUN) == 0, device.log
    return device.commands(), device.state()


# Most commands come before the environment is made, and most time goes by after.
@pytest.mark.parametrize("shares", [(0.25,), (0.6, 0.5), (0.7,), (0.8,), (0.96,), (1.0,)], ids=str)
def test_after_power_cuts_it_ends_as_without(
    shares: tuple[float, ...],
    make_device: Callable[..., Device],
    whole: tuple[int, dict[str, str]],
    cut_plan: FirstBoot,
    system_files: Files,
) -> None:
    commands, state = whole
    assert commands > 100
    device = make_device(cut_plan, system_files["bookworm"])

    for share in shares:
        at = round(share * commands)
        assert device.run("/bin/bash", FIRSTRUN, cut_at=at) != 0
        assert device.commands() == at
    if (device.card / "firstrun.sh").exists():
        assert device.run("/bin/bash", FIRSTRUN) == 0, device.log

    assert json.dumps(device.state(), indent=1) == json.dumps(state, indent=1)
    assert shutil.which("edge-recog", path=str(device.root / "opt/edge-recog/venv/bin"))
    assert "systemctl enable edge-recog.service" in device.calls
