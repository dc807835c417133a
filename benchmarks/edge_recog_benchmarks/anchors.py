"""Published figures of well-known models, to hold one's own measurements against.

They are data, in `anchors.toml`, each with its source. A measurement is set in relation to a
figure only where board, network, width, input size and precision are known to be the same; names
that leave one of them open are compared with nothing. Format history of `schema_version`:

- 1: first version.
"""

from __future__ import annotations

import fnmatch
import functools
import itertools
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge_recog_benchmarks.networks import NETWORKS, Network, Precision, recognise

SCHEMA_VERSION = 1
TIMES = "\N{MULTIPLICATION SIGN}"

Metric = Literal[
    "latency_ms",
    "first_inference_ms",
    "top1_percent",
    "top1_target_percent",
    "size_mb",
    "peak_memory_mb",
]
"""Megabytes are 1,000,000 bytes. A target is what a model must reach to take part."""

Statistic = Literal["mean", "p50", "p90", "p99", "max", ""]


class Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One published figure. Empty or None: its source does not say."""

    model: str
    """The network, as the literature writes it."""
    width: float | None = None
    """Width multiplier."""
    input_size: int | None = None
    """Pixels a side."""
    precision: Precision = ""
    metric: Metric = "latency_ms"
    statistic: Statistic = ""
    value: float
    runs: int | None = None
    device: str = ""
    board: str = ""
    """Pattern of the name in the device tree; empty for what nothing is compared with."""
    machine: str = ""
    """`aarch64` where the figure is for a 64-bit system only."""
    runtime: str = ""
    accelerator: str = ""
    """`edge-tpu`, or empty for the processor."""
    threads: int | None = None
    by: str
    """Who published it."""
    document: str
    """Where."""
    date: str = ""
    """As far as it is known: a year, a month, or a day."""

    @property
    def network(self) -> str:
        """Tell model, width, input size and precision: `MobileNetV2 1.0 224 INT8`."""
        parts = [self.model, self.width, self.input_size, _PRECISIONS[self.precision]]
        return " ".join(str(part) for part in parts if part)

    @property
    def conditions(self) -> str:
        """Tell runtime, threads and statistic, as far as they were published."""
        statistic = self.statistic or (
            "statistic not stated" if self.metric == "latency_ms" else ""
        )
        parts = [
            self.runtime,
            f"{self.threads} threads" if self.threads else "",
            f"{statistic} of {self.runs} runs" if self.runs and self.statistic else statistic,
        ]
        return ", ".join(part for part in parts if part)

    @property
    def source(self) -> str:
        """Tell where and when it was published."""
        return f"{self.document} ({self.date})" if self.date else self.document


def find_anchors(
    board: str, model_name: str, model_input: str, *, threads: int, machine: str = ""
) -> tuple[Anchor, ...]:
    """Return the published latencies of this network on this board.

    Args:
        board: As the device tree names it: `Raspberry Pi 5 Model B Rev 1.0`.
        model_name: As for `networks.recognise`.
        model_input: Likewise.
        threads: That were used; figures of another number are left out, those that do not tell
            theirs are not.
        machine: `aarch64`, `armv7l`, …
    """
    return tuple(
        anchor
        for anchor in _same_network(model_name, model_input)
        if anchor.metric == "latency_ms"
        and _is_board(anchor, board, machine)
        and anchor.threads in (None, threads)
    )


def find_elsewhere(
    board: str, model_name: str, model_input: str, *, machine: str = ""
) -> tuple[Anchor, ...]:
    """Return what else is published of this network: accuracy, size, other devices.

    They are for orientation; a ratio to them says nothing.
    """
    return tuple(
        anchor
        for anchor in _same_network(model_name, model_input)
        if anchor.metric != "latency_ms" or not _is_board(anchor, board, machine)
    )


def relation(anchor: Anchor, measured_ms: float) -> str:
    """Set a measured latency in relation to a published one: `1.2 x of 4.01 ms (Arm, …)`."""
    on = f"{anchor.network} on {anchor.device}"
    origin = ", ".join(part for part in (anchor.by, on, anchor.conditions) if part)
    return f"{_two_digits(measured_ms / anchor.value)} {TIMES} of {anchor.value:g} ms ({origin})"


def table() -> str:
    """Return all anchors for a terminal: a block for each source, a line for each figure."""
    blocks = []
    for source, group in itertools.groupby(all_anchors(), key=lambda one: (one.by, one.source)):
        rows = [(one.network, one.device, figure(one), one.conditions) for one in group]
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
            for row in rows
        ]
        blocks.append("\n".join([": ".join(source), *(f"  {line}".rstrip() for line in lines)]))
    return "\n\n".join(blocks)


def figure(anchor: Anchor) -> str:
    """Return its value with its unit: `4.01 ms`, `69.57 % top-1`."""
    return _METRICS[anchor.metric].format(f"{anchor.value:g}")


@functools.cache
def all_anchors() -> tuple[Anchor, ...]:
    """Return all of them, in the file's order."""
    return decode_anchors(Path(__file__).with_name("anchors.toml").read_bytes())


def decode_anchors(document: bytes) -> tuple[Anchor, ...]:
    """Return the anchors in a TOML document of the same format as `anchors.toml`.

    Raises:
        ValueError: It has another schema_version, unknown keys or sources, or wrong types.
    """
    file = msgspec.toml.decode(document, type=_File)
    if file.schema_version != SCHEMA_VERSION:
        raise ValueError(f"schema_version is {file.schema_version}, not {SCHEMA_VERSION}")
    found = []
    for part in file.tables:
        if part.source not in file.sources or part.device not in {"", *file.devices}:
            raise ValueError(f"no such source or device: {part.source!r}, {part.device!r}")
        source, device = file.sources[part.source], file.devices.get(part.device, _Device())
        found += [
            Anchor(
                **msgspec.structs.asdict(entry),
                device=part.device,
                board=device.board,
                machine=device.machine,
                runtime=part.runtime,
                accelerator=part.accelerator,
                threads=part.threads,
                runs=part.runs,
                by=source.by,
                document=source.document,
                date=source.date,
            )
            for entry in part.figures
        ]
    return tuple(found)


def _same_network(model_name: str, model_input: str) -> list[Anchor]:
    network = recognise(model_name, model_input)
    return [anchor for anchor in all_anchors() if network and _is_network(anchor, network)]


def _is_network(anchor: Anchor, network: Network) -> bool:
    """Tell whether both are the same; a publisher who names no width or size means the usual."""
    if anchor.model != network.model or anchor.accelerator != network.accelerator:
        return False
    usual = NETWORKS[network.model]
    same_precision = anchor.precision == network.precision or (
        anchor.precision == "float" and network.precision in ("float32", "float16")
    )
    return (
        same_precision
        and (anchor.width or usual.width) == network.width
        and (anchor.input_size or usual.input_size) == network.input_size
    )


def _is_board(anchor: Anchor, board: str, machine: str) -> bool:
    # A device without a pattern is never the one at hand: not even where that has no name.
    known = bool(anchor.board) and fnmatch.fnmatchcase(board, anchor.board)
    return known and anchor.machine in ("", machine)


def _two_digits(value: float) -> str:
    digits = 1 if 1 <= value < 10 else 2 if value < 1 else 0
    return f"{value:.{digits}f}"


_PRECISIONS = {
    "float32": "float32",
    "float16": "float16",
    "float": "float",
    "int8": "INT8",
    "": "",
}
_METRICS = {
    "latency_ms": "{} ms",
    "first_inference_ms": "{} ms for the first inference",
    "top1_percent": "{} % top-1",
    "top1_target_percent": "{} % top-1 to take part",
    "size_mb": "{} MB",
    "peak_memory_mb": "{} MB of memory at most",
}


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class _Device(_Strict, frozen=True, kw_only=True):
    board: str = ""
    machine: str = ""


class _Source(_Strict, frozen=True, kw_only=True):
    by: str
    document: str
    date: str = ""


class _Entry(_Strict, frozen=True, kw_only=True):
    model: str
    width: float | None = None
    input_size: int | None = None
    precision: Precision = ""
    metric: Metric = "latency_ms"
    statistic: Statistic = ""
    value: Annotated[float, msgspec.Meta(gt=0)]


class _Table(_Strict, frozen=True, kw_only=True):
    source: str
    device: str = ""
    runtime: str = ""
    accelerator: Literal["edge-tpu", ""] = ""
    threads: int | None = None
    runs: int | None = None
    figures: Annotated[tuple[_Entry, ...], msgspec.Meta(min_length=1)]


class _File(_Strict, frozen=True, kw_only=True):
    schema_version: int
    devices: dict[str, _Device]
    sources: dict[str, _Source]
    tables: tuple[_Table, ...]
