"""How the models of a store are shown: documents for machines, rows and sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from edge_recog.cli.output import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.store import State, Store, Twin, Verdict, Version
    from edge_recog.store.tryout import Outcome


def document_of(store: Store, state: State) -> dict[str, Any]:
    """Return what every verb says with --json of the store."""
    candidate = state.candidate
    return {
        "schema": 1,
        "path": str(store.root),
        "active": id_of(state.active),
        "previous": id_of(state.previous),
        "candidate": None
        if candidate is None
        else {
            "id": id_of(candidate.version),
            "is_running": candidate.is_running,
            "starts": candidate.starts,
            "frames": candidate.frames,
            "healthy_s": candidate.healthy_s,
        },
        "models": [_model(state, digest) for digest in reversed(state.oldest_first)],
    }


def _model(state: State, digest: str) -> dict[str, Any]:
    version, trouble = state.versions[digest], state.troubles.get(digest)
    twin = version.twin
    return {
        "id": id_of(digest),
        "name": version.name,
        "size_bytes": version.size_bytes,
        "is_signed": version.is_signed,
        "release": version.release,
        "is_pinned": version.pinned,
        "is_bad": state.is_bad(digest),
        "failures": 0 if trouble is None else trouble.failures,
        "last_failure": None if trouble is None else trouble.reason,
        "installed_at": version.installed_at or None,
        "p50_ms": version.p50_ms,
        "memory_mb": version.memory_mb,
        "edge_tpu": None if twin is None else _twin(twin),
    }


def _twin(twin: Twin) -> dict[str, Any]:
    return {
        "id": id_of(twin.compiled),
        "model": id_of(twin.model),
        "size_bytes": twin.size_bytes,
        "is_signed": twin.is_signed,
        "runtime": twin.runtime or None,
        "p50_ms": twin.p50_ms,
        "memory_mb": twin.memory_mb,
    }


def facts_of(digest: str, version: Version) -> list[tuple[str, str]]:
    """Return what there is to say of a version that was installed, in rows."""
    memory = "unknown" if version.memory_mb is None else f"{version.memory_mb:.1f} MB"
    rows = [
        (
            "model",
            f"{shown(version.name)}  (sha256:{digest[:12]}, {size_text(version.size_bytes)})",
        ),
        ("here", version.runtime),
        ("a picture", "unknown" if version.p50_ms is None else f"{version.p50_ms:.2f} ms"),
        ("memory", memory),
    ]
    twin = version.twin
    if twin is not None:
        tried = (
            "not tried: --delegate edgetpu does, where there is one"
            if twin.p50_ms is None
            else f"{twin.p50_ms:.2f} ms a picture on {twin.runtime}"
        )
        rows.append(
            ("edge tpu", f"its compiled twin came along ({_digits(twin.compiled)}); {tried}")
        )
    return rows


def _digits(digest: str) -> str:
    return f"sha256:{digest[:12]}"


def place_of(state: State, model: str) -> str:
    """Return active, candidate or previous; empty for a model that is neither."""
    places = {
        "active": state.active,
        "candidate": state.nominee,
        "previous": state.previous,
    }
    return next((place for place, name in places.items() if name == model), "")


def remarks_on(state: State, digest: str) -> str:
    """Return what else there is to say of a version in one line."""
    version, trouble = state.versions[digest], state.troubles.get(digest)
    remarks = ["signed"] if version.is_signed else []
    if version.twin is not None:
        remarks.append("with its Edge TPU twin")
    if version.pinned:
        remarks.append("pinned")
    if trouble is not None:
        what = "bad" if trouble.is_bad else f"failed {trouble.failures} of 3 times"
        remarks.append(f"{what}: {trouble.reason}")
    return "; ".join(remarks)


def title_of(state: State, model: str) -> str:
    """Return a model's name and the beginning of its id."""
    version = state.versions.get(model)
    return model if version is None else f"{shown(version.name)} (sha256:{model[:12]})"


def shown(name: str) -> str:
    """Return a name as a terminal can take it: it is whatever is in the file."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)


def verdict_text(verdict: Verdict) -> str:
    """Return how a version stands."""
    if verdict.problem:
        return verdict.problem
    outcome = verdict.outcome
    if outcome is None:
        return "good"
    told = f"good, {_shown_outcome(outcome)}"
    if verdict.compiled is not None:
        told += f"; on the Edge TPU {_shown_outcome(verdict.compiled)}"
    return told


def _shown_outcome(outcome: Outcome) -> str:
    return f"{outcome.vectors}/{outcome.vectors} golden vectors, {outcome.p50_ms:.2f} ms"


def id_of(model: str | None) -> str | None:
    """Return how a model is named in JSON."""
    return model if model in {None, "built-in"} else f"sha256:{model}"


def print_columns(table: Sequence[tuple[str, ...]]) -> None:
    """Print a table as wide as its contents."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        padded = (f"{text:<{width}}" for text, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())
