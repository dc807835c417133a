"""The commented example of a configuration."""

from __future__ import annotations

from importlib import resources


def example_text() -> str:
    """Return the example, as TOML."""
    return (
        resources.files("edge_recog.service.config")
        .joinpath("example.toml")
        .read_text(encoding="utf-8")
    )
