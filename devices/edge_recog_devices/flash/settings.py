"""The configuration that a device gets, and what of it a flash must know."""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog.service.config.problems import ConfigError
from edge_recog.service.config.reading import load_config, secret_files
from edge_recog.service.config.sections import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog.service.config.sections import Config
    from edge_recog_devices.profiles.schema import Profile

_TOP: Final = r"(?m)^[ \t]*{key}[ \t]*=.*$"
_SECTION = re.compile(r"(?m)^[ \t]*\[")


def first_config(profile: Profile, source: str | None) -> str:
    """Return a configuration for a device that has none.

    Args:
        profile: Of the device.
        source: Of frames; the profile's if None.
    """
    return (
        "# Written by edge-recog flash; edge-recog config init FILE writes one with every key.\n"
        f"source = {_quoted(source or profile.camera.source)}\n"
        f"model = {_quoted(ACTIVE)}\n"
        f"threads = {profile.budgets.threads}\n"
        "\n"
        "[store]\n"
        f"# What a {profile.title} is to keep to.\n"
        f"most_p50_ms = {profile.budgets.latency_ms:g}\n"
    )


def adapted(text: str, *, source: str | None = None) -> str:
    """Return a configuration that runs whatever model the store has active, else as it was.

    Args:
        text: TOML.
        source: To set; as it is if None.

    Raises:
        UsageError: It is no TOML, or a line of it cannot be changed.
    """
    wanted = {"model": ACTIVE} | ({} if source is None else {"source": source})
    for key, value in wanted.items():
        text = _with(text, key, value)
    return text


def without_model(text: str) -> str:
    """Return a configuration of ours without the line that names the model."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("model = ")
    )


def checked(text: str, *, where: str) -> Config:
    """Return what a configuration says.

    Args:
        text: TOML.
        where: It is from, for messages.

    Raises:
        UsageError: Something in it is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_text(text, encoding="utf-8")
        # Who can read it there is seen there.
        path.chmod(0o600)
        try:
            return load_config(path, environ={}).config
        except ConfigError as error:
            raise UsageError(str(error).replace(str(path), where)) from error


def credentials(config: Config) -> Mapping[str, str]:
    """Return key → path on the device of the secrets that a configuration names."""
    return secret_files(config)


def _with(text: str, key: str, value: str) -> str:
    """Return the text with a key at its top set."""
    if _read(text).get(key) == value:
        return text
    begins = _SECTION.search(text)
    end = begins.start() if begins else len(text)
    line = f"{key} = {_quoted(value)}"
    top, count = re.subn(_TOP.format(key=key), lambda _: line, text[:end], count=1)
    changed = top + text[end:] if count else f"{line}\n{text}"
    if _read(changed) != _read(text) | {key: value}:
        raise UsageError(f"the configuration's key {key} cannot be set: write {line} at its top")
    return changed


def _read(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the configuration is no TOML: {error}") from error


def _quoted(value: str) -> str:
    # TOML's basic strings know the escapes that JSON writes.
    return json.dumps(value, ensure_ascii=False)
