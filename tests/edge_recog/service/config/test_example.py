from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from edge_recog.service.config.example import example_text
from edge_recog.service.config.keys import keys_of
from edge_recog.service.config.reading import load_config, value_of
from edge_recog.service.config.sections import SET_AT_TOP, Config

if TYPE_CHECKING:
    from pathlib import Path

_COMMENTED = re.compile(r"^# (\[\w+\]|\w+ = .*)$", re.MULTILINE)
# Keys that have no default to show, or are switched on by being there.
_EXAMPLES = frozenset({"delegate", "fallback", "rate_limit_fps", "roi", "masks", "node"})


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The example with nothing commented out."""
    path = tmp_path / "whole.toml"
    # The section of updates is for the store's model.
    text = example_text().replace('model = "built-in"', 'model = "active"')
    path.write_text(_COMMENTED.sub(r"\1", text))
    return path


def test_the_example_is_the_default_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(example_text())

    assert load_config(path, environ={}).config == Config()


def test_every_line_of_the_example_can_be_used(whole: Path) -> None:
    config = load_config(whole, environ={}).config

    assert config.mqtt is not None
    assert config.webhook is not None
    assert config.jsonl is not None
    assert config.motion is not None


def test_the_example_has_every_key(whole: Path) -> None:
    tree = tomllib.loads(whole.read_text())
    inner = ("roi.", "masks.", *SET_AT_TOP)
    wanted = {key.name for key in keys_of(Config) if not key.name.startswith(inner)}
    there = {
        *tree,
        *(f"{name}.{key}" for name, part in tree.items() if isinstance(part, dict) for key in part),
    }

    assert {key for key in there if not key.startswith(inner)} == wanted


def test_values_that_are_commented_out_are_the_defaults(whole: Path) -> None:
    shown = load_config(whole, environ={}).config
    on = "model = 'active'\n[updates]\nurl = 'https://u.example'\n"
    on += "[motion]\n[jsonl]\n[mqtt]\nbroker = 'mqtt://h'\n[webhook]\nurl = 'http://h'\n"
    path = whole.with_name("on.toml")
    path.write_text(on)
    plain = load_config(path, environ={}).config
    different = {
        key.name
        for key in keys_of(Config)
        if key.section is None and value_of(shown, key.name) != value_of(plain, key.name)
    }
    has_no_default = {
        key.name
        for key in keys_of(Config)
        if value_of(plain, key.name) is None
        or key.name in {"mqtt.broker", "updates.url", "webhook.url"}
    }

    assert different <= has_no_default | _EXAMPLES | {"events.labels"}
    assert {"delegate", "mqtt.user", "events.labels"} <= different
