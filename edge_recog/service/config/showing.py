"""The configuration for people and programs, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edge_recog.cameras.addresses import without_secrets
from edge_recog.service.config.keys import keys_of, section_of, takes_none
from edge_recog.service.config.reading import value_of
from edge_recog.service.config.secret_files import is_secret_file
from edge_recog.service.config.sections import SET_AT_TOP, Config
from edge_recog.service.mqtt.settings import PASSWORD_VARIABLE
from edge_recog.service.webhook import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog.service.config.reading import LoadedConfig

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


class Row(NamedTuple):
    """One key that is in force."""

    key: str
    value: Any
    """Plain; of a secret, where it comes from."""
    origin: str


def rows(loaded: LoadedConfig, *, environ: Mapping[str, str]) -> list[Row]:
    """Return all keys that are in force, of sections that are off the section alone.

    Args:
        loaded: The configuration.
        environ: Variables, of which one may hold a secret.
    """
    found = []
    for key in keys_of(Config):
        value = value_of(loaded.config, key.name)
        section = key.name.rpartition(".")[0]
        if section and not isinstance(value_of(loaded.config, section), msgspec.Struct):
            continue
        if key.name in SET_AT_TOP:
            continue
        if not isinstance(value, msgspec.Struct):
            found.append(Row(key.name, _public(key.name, value), loaded.origin_of(key.name)))
    mqtt = loaded.config.mqtt
    if mqtt is not None and mqtt.password_file is None and environ.get(PASSWORD_VARIABLE):
        found.append(Row("mqtt.password", f"<from {PASSWORD_VARIABLE}>", "environment"))
    return found


def public_document(config: Config) -> dict[str, Any]:
    """Return the configuration as plain values, for whoever may ask; of secrets, where they are."""
    document: dict[str, Any] = msgspec.to_builtins(config)
    for name, section in document.items():
        if isinstance(section, dict):
            document[name] = {
                key: _public(f"{name}.{key}", value)
                for key, value in section.items()
                if f"{name}.{key}" not in SET_AT_TOP
            }
        else:
            document[name] = _public(name, section)
    return document


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration file.

    TOML knows no null; what None switches off is switched off by `false` there.
    """
    document: dict[str, Any] = msgspec.json.schema(Config)
    definitions = document["$defs"]
    for kind in _sections_of(Config):
        _allow_false(kind, definitions[kind.__name__]["properties"])
    sections = {key.name: key.section for key in keys_of(Config) if key.section is not None}
    for key in SET_AT_TOP:
        section, _, name = key.partition(".")
        del definitions[sections[section].__name__]["properties"][name]
    return {"$schema": _SCHEMA, "title": "edge_recog", **document}


def _sections_of(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    return {kind, *(key.section for key in keys_of(kind) if key.section is not None)}


def _allow_false(kind: type[msgspec.Struct], properties: dict[str, Any]) -> None:
    for field in msgspec.structs.fields(kind):
        schema = properties[field.encode_name]
        if "default" in schema:
            schema["default"] = _without_none(schema["default"])
        if not takes_none(field.type):
            continue
        section = section_of(field.type)
        # `true` stands for a section's defaults, where it has a default for everything.
        has_defaults = section is not None and not any(
            one.required for one in msgspec.structs.fields(section)
        )
        off: dict[str, Any] = {"type": "boolean"} if has_defaults else {"const": False}
        schema["anyOf"] = [off if part == {"type": "null"} else part for part in schema["anyOf"]]


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items()}
    return False if value is None else value


def _public(key: str, value: Any) -> Any:
    if value is None:
        return None
    if is_secret_file(key):
        return f"<from {value}>"
    if key == "source":
        return without_secrets(value)
    if key == "webhook.url":
        target = Target.parse(value)
        return f"{'https' if target.is_tls else 'http'}://{target.place}/…"
    return msgspec.to_builtins(value)
