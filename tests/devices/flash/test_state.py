"""What a device says of what it has, read strictly; and a configuration, changed with care."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import edge_recog_devices.flash
import pytest
from edge_recog_devices.errors import FactsError
from edge_recog_devices.flash.settings import adapted, checked, first_config, without_model
from edge_recog_devices.flash.state import Installed, parse_survey
from edge_recog_devices.flash.verdict import Score, Seen, read_verdict
from edge_recog_devices.profiles import shipped_profiles
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError
from edge_recog.store.document import encode
from edge_recog.store.state import State, Version

if TYPE_CHECKING:
    from edge_recog_devices.profiles import Profile

CONFIG = 'model = "active" # ü'
SURVEY = Path(edge_recog_devices.flash.__file__).parent / "scripts/survey.sh"


def survey(*lines: str) -> bytes:
    return "\n".join(["edge-recog-survey 1", *lines, "end", ""]).encode()


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_nothing_installed_is_nothing() -> None:
    assert parse_survey(survey()) == Installed()


def test_all_that_is_said_is_read() -> None:
    store = State(versions={"a" * 64: Version(order=1, name="m", size_bytes=3)}, active="a" * 64)
    found = parse_survey(
        survey(
            "environment=0.1.0-abc",
            "version=0.1.0",
            "complete=0.1.0-abc",
            "complete=0.1.0-def",
            f"config={packed(CONFIG.encode())}",
            f"unit={'1' * 64}",
            f"anchor={'3' * 64}",
            f"rule=65-edge-recog-coral-usb.rules {'2' * 64}",
            "models=yes",
            f"state={packed(encode(store))}",
            "user=edge-recog",
            "manager=ok",
            "service=active",
            "enabled=enabled",
        )
    )
    assert found.complete == {"0.1.0-abc", "0.1.0-def"}
    assert found.config == CONFIG
    assert (found.unit_digest, found.anchor_digest) == ("1" * 64, "3" * 64)
    assert found.rule_digests == {"65-edge-recog-coral-usb.rules": "2" * 64}
    assert found.store == store
    assert found.runs
    assert found.is_there
    assert not found.is_pending


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"edge-recog-survey 2\nend\n",
        survey("environment=0.1.0")[:-5],
        survey("environment=../../etc"),
        survey("unit=1234"),
        survey("anchor=1234"),
        survey("config=%%%"),
        survey("config=/w=="),
        survey("password=x"),
        survey("environment"),
        survey("version=a\x1b[2J"),
    ],
)
def test_an_answer_that_is_not_whole_or_not_ours_is_refused(data: bytes) -> None:
    with pytest.raises(FactsError):
        parse_survey(data)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    for answer in (data, b"edge-recog-survey 1\n" + data + b"\nend\n"):
        with contextlib.suppress(FactsError):
            parse_survey(answer)


def test_a_damaged_state_of_the_store_is_no_models_as_the_device_has_it() -> None:
    assert parse_survey(survey(f"state={packed(b'{}')}")).store == State()


def test_the_script_says_what_the_reader_reads(tmp_path: Path) -> None:
    root, config = tmp_path / "root", tmp_path / "config.toml"
    (root / "venvs/0.1.0-abc/lib/python3.13/site-packages/edge_recog-0.1.0.dist-info").mkdir(
        parents=True
    )
    (root / "venvs/0.1.0-abc/edge-recog-runtime").touch()
    (root / "venv").symlink_to("venvs/0.1.0-abc")
    (root / "flash").mkdir()
    config.write_text("# ü\n" * 1000)
    models = tmp_path / "models"
    models.mkdir()
    (models / "state.json").write_bytes(encode(State(generation=7)))
    anchor = tmp_path / "root.json"
    anchor.write_bytes(b"{}")
    words = ("user", root, config, tmp_path / "unit", "", models, anchor)
    done = subprocess.run(
        ["sh", str(SURVEY), *map(str, words)],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    found = parse_survey(done.stdout)
    assert (found.environment, found.version) == ("0.1.0-abc", "0.1.0")
    assert found.complete == {"0.1.0-abc"}
    assert found.config == "# ü\n" * 1000
    assert found.store == State(generation=7)
    assert found.is_pending
    assert found.has_models
    assert found.unit_digest == ""
    assert found.anchor_digest == hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize("profile", shipped_profiles(), ids=lambda profile: profile.name)
def test_the_first_configuration_follows_from_the_profile(profile: Profile) -> None:
    config = checked(first_config(profile, None), where="it")
    assert config.source == profile.camera.source
    assert config.model == "active"
    assert config.threads == profile.budgets.threads
    assert config.store.most_p50_ms == profile.budgets.latency_ms
    assert "model" not in tomllib.loads(without_model(first_config(profile, None)))


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40).filter(str.isprintable))
def test_whatever_the_source_is_it_is_written_so_that_it_is_read(source: str) -> None:
    [profile] = [one for one in shipped_profiles() if one.name == "raspberry-pi-5"]
    assert tomllib.loads(first_config(profile, source))["source"] == source
    assert tomllib.loads(adapted("a = 1\n", source=source))["source"] == source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'model = "active"\n'),
        ('model = "active"\n', 'model = "active"\n'),
        ('top_k = 2\nmodel="x" # mine\n', 'top_k = 2\nmodel = "active"\n'),
        ("[web]\n", 'model = "active"\n[web]\n'),
        ("# model = 1\n[web]\nmodel = 1\n", 'model = "active"\n# model = 1\n[web]\nmodel = 1\n'),
    ],
)
def test_the_model_is_set_at_the_top_and_all_else_stays(text: str, expected: str) -> None:
    assert adapted(text) == expected


@pytest.mark.parametrize("text", ["model", "model = '''\na\n'''\n", "= 1"])
def test_what_cannot_be_changed_safely_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        adapted(text)


def test_a_mistake_names_the_file_that_has_it() -> None:
    with pytest.raises(UsageError, match=r"^there:1: top_k is 0"):
        checked("top_k = 0\n", where="there")


def test_a_verdict_that_makes_no_sense_is_refused() -> None:
    for data in (b"", b"{}", b'{"verdict": "fine"}'):
        with pytest.raises(FactsError):
            read_verdict(data)


def test_what_is_seen_is_told_without_what_a_terminal_would_obey() -> None:
    seen = Seen((Score("a\x1b[2Jb", 0.912), Score("c", 0.05), Score("d", 0.01), Score("e", 0)))
    assert str(seen) == "a [2Jb 91%, c 5%, d 1%"
