"""Reading the configuration.

Defaults are overridden by the file, that by the environment, then by what systemd hands over, then
by the command line.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from edge_recog.errors import UsageError
from edge_recog.service.config.checking import check
from edge_recog.service.config.environment import read_environment, variable_of
from edge_recog.service.config.keys import keys_of
from edge_recog.service.config.places import is_set, line_of
from edge_recog.service.config.problems import ConfigError, Problem
from edge_recog.service.config.secret_files import (
    CREDENTIALS_VARIABLE,
    is_secret_file,
    read_secret,
)
from edge_recog.service.config.sections import Config

if TYPE_CHECKING:
    from collections.abc import Mapping

Origin = Literal["default", "file", "environment", "credential", "command line"]
"""Where a value comes from; a `credential` is a file that systemd hands to the service."""

_MOST_BYTES: Final = 65_536
_MOST_LINES_TOLD: Final = 50
_PASSWORD = re.compile(r"//[^/?#\s@]*:[^\s@]*@")


@dataclass(frozen=True)
class LoadedConfig:
    """A configuration, and where its values come from."""

    config: Config
    origins: Mapping[str, Origin]
    """Key in full, as in `web.listen` → origin; those that are absent are defaults."""
    path: Path | None
    """Of the file, if there was one."""

    def origin_of(self, key: str) -> Origin:
        """Return where a key's value comes from."""
        return self.origins.get(key, "default")


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """Return the configuration that is in force.

    Args:
        path: A TOML file; none if None.
        environ: Variables; the process's if None.
        overrides: Key in full → value, from the command line.

    Raises:
        ConfigError: The file cannot be read, or something in it, in a variable or among the
            overrides is wrong. It tells all that is.
    """
    environ = os.environ if environ is None else environ
    keys = tuple(keys_of(Config))
    tree: dict[str, Any] = {}
    text, mode = "", 0
    if path is not None:
        text, tree, mode = _read_file(path)
    origins: dict[str, Origin] = {key.name: "file" for key in keys if is_set(tree, key.name)}
    variables, problems = read_environment(environ, keys)
    _lay_over(tree, origins, "environment", variables)
    _lay_over(tree, origins, "credential", _credentials(environ, tree))
    _lay_over(tree, origins, "command line", overrides or {})
    config, mistakes = check(tree, Config)
    for number, mistake in enumerate(mistakes):
        key = mistake.key.partition("[")[0]
        told = key if number < _MOST_LINES_TOLD else ""
        where = _where(told, origins.get(key), path, text)
        problems.append(Problem(where, mistake.text))
    if mode & 0o077 and origins.get("source") == "file" and _has_password(tree["source"]):
        where = _where("source", "file", path, text)
        problems.append(
            Problem(
                where,
                f"source has a password in it, and others can read {path}: chmod 600 {path}, or "
                f"set it as {variable_of('source')} in the environment",
            )
        )
    if config is None or problems:
        raise ConfigError(problems)
    return LoadedConfig(config, origins, path)


def check_secrets(loaded: LoadedConfig) -> list[Problem]:
    """Return what is wrong with the files in which secrets are."""
    problems = []
    for key, path in secret_files(loaded.config).items():
        try:
            read_secret(path)
        except UsageError as error:
            problems.append(Problem(key, str(error)))
    return problems


def secret_files(config: Config) -> dict[str, str]:
    """Return key → path of the files with secrets that a configuration names."""
    found = {}
    for key in keys_of(Config):
        value = value_of(config, key.name)
        if is_secret_file(key.name) and value is not None:
            found[key.name] = str(value)
    return found


def value_of(config: Config, key: str) -> Any:
    """Return the value of a key; None in a section that is off."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def _read_file(path: Path) -> tuple[str, dict[str, Any], int]:
    """Return a file's text, what it says, and its mode."""
    where = str(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        reason = f"no such file; `edge-recog config init {path}` writes one"
        raise ConfigError([Problem(where, reason)]) from error
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ConfigError([Problem(where, reason)]) from error
    if len(data) > _MOST_BYTES:
        raise ConfigError([Problem(where, f"larger than {_MOST_BYTES} bytes")])
    try:
        text = data.decode("utf-8")
        return text, tomllib.loads(text), mode
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(where, "not a text file in UTF-8")]) from error
    except ValueError as error:
        raise ConfigError([Problem(where, f"not TOML: {error}")]) from error
    except RecursionError as error:
        raise ConfigError([Problem(where, "not TOML: nested too deeply")]) from error


def _credentials(environ: Mapping[str, str], tree: Mapping[str, Any]) -> dict[str, str]:
    """Return key → path of the secrets that systemd hands over, for sections that are on."""
    folder = environ.get(CREDENTIALS_VARIABLE)
    if not folder:
        return {}
    found = {}
    for key in keys_of(Config):
        path = Path(folder, key.name)
        section = key.name.rpartition(".")[0]
        is_on = bool(tree.get(section)) or getattr(Config(), section, None) is not None
        if is_secret_file(key.name) and is_on and path.is_file():
            found[key.name] = str(path)
    return found


def _lay_over(
    tree: dict[str, Any], origins: dict[str, Origin], origin: Origin, values: Mapping[str, Any]
) -> None:
    """Set keys; a section that was switched on or off by a word gets keys instead."""
    for key, value in values.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            if not isinstance(branch.get(section), dict):
                branch[section] = {}
            branch = branch[section]
        branch[name] = value
        origins[key] = origin


def _where(key: str, origin: Origin | None, path: Path | None, text: str) -> str:
    """Return where a key was set, for messages."""
    if origin == "environment":
        return variable_of(key)
    if origin in {"credential", "command line"} or path is None:
        return str(origin or "configuration")
    line = line_of(text, key) if key else None
    return str(path) if line is None else f"{path}:{line}"


def _has_password(source: Any) -> bool:
    return isinstance(source, str) and _PASSWORD.search(source) is not None
