from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from edge_recog_devices.boot import describe, join, open_card, prepare

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_recog_devices.boot import FirstBoot
    from edge_recog_devices.boot.card import Card, Content, Listing, Space

    Make = Callable[[Mapping[str, bytes]], Card]
    MakePlan = Callable[..., FirstBoot]
    Files = dict[str, dict[str, bytes]]
    Read = Callable[[Card], dict[str, bytes]]


def small(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.lower(): data for name, data in files.items()}


@pytest.mark.parametrize("name", ["bookworm", "trixie"])
def test_a_card_is_prepared(
    name: str, make_card: Make, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    before = small(system_files[name])
    card, plan = make_card(system_files[name]), make_plan()

    told = describe(card, plan)
    assert files_of(card) == before
    written = prepare(card, plan)

    after = files_of(card)
    assert written == told
    assert written.changed
    assert {k: v for k, v in after.items() if k in before and k not in written.files} == {
        k: v for k, v in before.items() if k not in written.files
    }
    assert after["cmdline.txt.before-edge-recog"] == before["cmdline.txt"]
    assert after[f"edge-recog/models/{plan.model.name}"] == plan.model.read_bytes()
    sums = dict(
        reversed(line.split("  ")) for line in after["edge-recog/sha256sums"].decode().splitlines()
    )
    payload = {
        k.removeprefix("edge-recog/"): v for k, v in after.items() if k[:11] == "edge-recog/"
    }
    del payload["sha256sums"]
    assert {k.lower(): v for k, v in sums.items()} == {
        k: hashlib.sha256(v).hexdigest() for k, v in payload.items()
    }
    assert not [k for k in after if "edge-recog-new" in k or "edge-recog-old" in k]
    words = after["cmdline.txt"].decode()
    assert words.startswith(before["cmdline.txt"].decode().rstrip())
    if name == "bookworm":
        assert "systemd.run=/boot/firmware/firstrun.sh" in words
        assert after["firstrun.sh"].startswith(b"#!/bin/bash\n")
        assert "user-data" not in after
    else:
        instance = yaml.safe_load(after["meta-data"])["instance-id"]
        assert f"ds=nocloud;i={instance} " in words.replace("\n", " ")
        assert yaml.safe_load(after["user-data"])["hostname"] == "kitchen"
        assert after["user-data.before-edge-recog"] == before["user-data"]
        assert "firstrun.sh" not in after


@pytest.mark.parametrize("name", ["bookworm", "trixie"])
def test_preparing_again_changes_nothing(
    name: str, make_card: Make, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    card = make_card(system_files[name])
    prepare(card, make_plan())
    once = files_of(card)

    again = prepare(card, make_plan())

    assert not again.changed
    assert again.lines()[-1] == "prepared like this already"
    assert files_of(card) == once


@pytest.mark.parametrize("name", ["bookworm", "trixie"])
def test_another_plan_replaces_ours_and_keeps_the_first_original(
    name: str, make_card: Make, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    card = make_card(system_files[name])
    prepare(card, make_plan())
    first = files_of(card)

    written = prepare(card, make_plan(hostname="cellar", udev_rules=None))

    after = files_of(card)
    assert written.changed
    assert written.backups == ()
    assert b"NEW_HOSTNAME=cellar" in after["edge-recog/settings"]
    assert "edge-recog/rules/65-coral.rules" not in after
    assert after["cmdline.txt.before-edge-recog"] == system_files[name]["cmdline.txt"]
    if name == "trixie":
        assert after["cmdline.txt"] != first["cmdline.txt"]
        assert after["user-data.before-edge-recog"] == system_files[name]["user-data"]


def test_a_damaged_payload_is_written_anew(
    make_card: Make, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    card, plan = make_card(system_files["trixie"]), make_plan()
    prepare(card, plan)
    once = files_of(card)
    card.remove("edge-recog/setup.sh")
    card.write("edge-recog/setup.sh", b"damaged")

    written = prepare(card, plan)

    assert "edge-recog/setup.sh" in written.files
    assert "user-data" not in written.files
    assert files_of(card) == once


@pytest.mark.parametrize(
    ("name", "file", "data"),
    [
        ("bookworm", "firstrun.sh", b"#!/bin/bash\nset +e\n"),
        ("trixie", "user-data", b"#cloud-config\nhostname: mine\n"),
    ],
)
def test_the_customisation_of_somebody_else_is_refused_or_kept(
    name: str,
    file: str,
    data: bytes,
    make_card: Make,
    make_plan: MakePlan,
    system_files: Files,
    files_of: Read,
) -> None:
    card = make_card({**system_files[name], file: data})
    before = files_of(card)

    with pytest.raises(UsageError, match=f"{file} has settings of somebody else's"):
        prepare(card, make_plan())
    assert files_of(card) == before

    prepare(card, make_plan(), force=True)
    assert files_of(card)[f"{file}.before-edge-recog"] == data
    assert files_of(card)[file] != data


def test_a_second_way_to_customise_the_first_boot_is_refused(
    make_card: Make, make_plan: MakePlan, system_files: Files
) -> None:
    card = make_card({**system_files["bookworm"], "custom.toml": b"[system]\n"})

    with pytest.raises(UsageError, match="remove it"):
        prepare(card, make_plan(), force=True)


def test_a_network_of_somebody_else_stays_where_none_is_asked_for(
    make_card: Make, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    card = make_card(system_files["trixie"])

    prepare(card, make_plan(wifi=None))
    assert files_of(card)["network-config"] == system_files["trixie"]["network-config"]
    prepare(card, make_plan())
    assert b"wlan0" in files_of(card)["network-config"]
    prepare(card, make_plan(wifi=None))
    assert b"wlan0" not in files_of(card)["network-config"]


def test_an_instance_of_imager_is_replaced(
    make_card: Make, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    line = b"root=/dev/mmcblk0p2 ds=nocloud;i=rpi-imager-1 rootwait\n"
    card = make_card({**system_files["trixie"], "cmdline.txt": line})

    prepare(card, make_plan())

    assert b"rpi-imager" not in files_of(card)["cmdline.txt"]


def test_no_secret_is_told(make_card: Make, make_plan: MakePlan, system_files: Files) -> None:
    plan = make_plan(wifi=join("home", "correct horse battery", country="DE"))
    lines = "\n".join(describe(make_card(system_files["trixie"]), plan).lines())

    assert plan.wifi is not None
    assert str(plan.wifi.key) not in lines
    assert "correct horse" not in lines
    assert "network-config  " in lines


def test_a_full_card_is_refused_before_anything_is_written(
    make_plan: MakePlan,
    system_files: Files,
    tmp_path: Path,
    make_image: Callable[..., Path],
    files_of: Read,
) -> None:
    filled = {**system_files["trixie"], "big": bytes(38 << 20)}
    path = make_image(tmp_path / "card.img", filled)
    before = path.read_bytes()

    with open_card(image=path) as card, pytest.raises(UsageError, match="MB are needed"):
        prepare(card, make_plan())

    assert path.read_bytes() == before


def test_what_is_no_card_is_not_touched(
    make_card: Make, make_plan: MakePlan, files_of: Read
) -> None:
    files = {"photo.jpg": b"x", "mine.edge-recog-new": b"mine"}
    card = make_card(files)

    with pytest.raises(UsageError, match="no boot partition of Raspberry Pi OS"):
        prepare(card, make_plan())

    assert files_of(card) == files


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out waiting for the disk, which nobody here can see."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Failing:
    """A card on which one of the changes fails; in `dies` everything fails from then on."""

    def __init__(self, card: Card, at: int, *, dies: bool) -> None:
        self.card, self.left, self.dies, self.where = card, at, dies, card.where

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0 or (self.dies and self.left < 0):
            raise UsageError("no more")

    def listing(self, folder: str = "") -> Listing:
        return self.card.listing(folder)

    def read(self, path: str, most_bytes: int = 1 << 20) -> bytes:
        return self.card.read(path, most_bytes)

    def space(self) -> Space:
        return self.card.space()

    def write(self, path: str, content: Content) -> None:
        self._count()
        self.card.write(path, content)

    def make_folder(self, path: str) -> None:
        self._count()
        self.card.make_folder(path)

    def rename(self, old: str, new: str) -> None:
        self._count()
        self.card.rename(old, new)

    def remove(self, path: str) -> None:
        self._count()
        self.card.remove(path)

    def flush(self) -> None:
        self._count()
        self.card.flush()

    def close(self) -> None:
        self.card.close()

    def __enter__(self) -> Failing:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize("name", ["bookworm", "trixie"])
@pytest.mark.parametrize("first", ["fresh", "prepared"])
def test_whatever_fails_the_card_is_as_before(
    name: str, first: str, tmp_path: Path, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    with open_card(boot=write(tmp_path, system_files[name])) as card:
        if first == "prepared":
            prepare(card, make_plan(hostname="cellar"))
        originals, before = system_files[name], files_of(card)
        for at in range(1, 200):
            failing = Failing(card, at, dies=False)
            try:
                prepare(failing, make_plan())
            except UsageError:
                pass
            else:
                break
            after = files_of(card)
            if is_new(after, before):
                # The last thing to fail was flushing what was complete.
                continue
            for name, data in after.items():
                if not name.endswith(".before-edge-recog"):
                    assert before[name] == data
                else:
                    assert originals[name.removesuffix(".before-edge-recog")] == data
            assert before.keys() <= after.keys()
        assert at > 20
        assert is_new(files_of(card), before)


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize("name", ["bookworm", "trixie"])
@pytest.mark.parametrize("first", ["fresh", "prepared"])
def test_wherever_it_is_killed_the_card_boots_and_preparing_again_completes(
    name: str, first: str, tmp_path: Path, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    at, complete = 0, False
    while not complete:
        at += 1
        folder = tmp_path / str(at)
        with open_card(boot=write(folder, system_files[name])) as card:
            if first == "prepared":
                prepare(card, make_plan(hostname="cellar"))
            before = files_of(card)
            failing = Failing(card, at, dies=True)
            with suppress(UsageError):
                prepare(failing, make_plan())
            complete = failing.left > 0
            cut = files_of(card)
            assert cut["cmdline.txt"] == before["cmdline.txt"] or is_new(cut, before)
            assert before.keys() - cut.keys() <= {k for k in before if k[:11] == "edge-recog/"}

            prepare(card, make_plan())
            after = files_of(card)
            assert after["cmdline.txt.before-edge-recog"] == system_files[name]["cmdline.txt"]
            assert is_new(after, before)
            assert b"NEW_HOSTNAME=kitchen" in after["edge-recog/settings"]
            assert not [k for k in after if "edge-recog-new" in k or "edge-recog-old" in k]
    assert at > 20


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def is_new(after: Mapping[str, bytes], before: Mapping[str, bytes]) -> bool:
    """Return whether a card has the new plan, all of it."""
    if b"NEW_HOSTNAME=kitchen" not in after.get("edge-recog/settings", b""):
        return False
    if "user-data" in after:
        return after["cmdline.txt"] != before["cmdline.txt"] and b"kitchen" in after["user-data"]
    return b"systemd.run" in after["cmdline.txt"] and "firstrun.sh" in after


def test_what_reads_otherwise_than_written_is_told(
    tmp_path: Path, make_plan: MakePlan, system_files: Files, files_of: Read
) -> None:
    class Worn(Failing):
        def read(self, path: str, most_bytes: int = 1 << 20) -> bytes:
            data = super().read(path, most_bytes)
            return data[:-1] if path.endswith(".whl") else data

    with open_card(boot=write(tmp_path, system_files["trixie"])) as card:
        before = files_of(card)
        with pytest.raises(UsageError, match=r"is it worn.*boots as before"):
            prepare(Worn(card, 1000, dies=False), make_plan())
        assert files_of(card) == before
