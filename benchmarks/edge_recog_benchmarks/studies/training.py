"""What a recipe is worth: `python -m edge_recog_benchmarks.studies.training RECIPE --data DATA`.

The recipe is built by `edge-recog build` once for each seed and each way to balance classes, one
after the other. Told are, of every build, what its report says of the test split, how long it took
and which share of the time after the first epoch was spent waiting for pictures; and over the
seeds, mean and spread. Nothing is chosen by these figures: every build asked for is told.

    --seeds 7 8 9                           mean and spread over three seeds
    --keep pants=20 --keep shoes=20         leave 20 training pictures of two classes
    --balance 'both={ class_weights = { kind = "inverse" }, oversample = { strength = 0.5 } }'
    --line 'alone=share = 0.0'              the recipe's one line `share = …` in other words
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog_benchmarks.arguments import add_out, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SCHEMA_VERSION = 1
_TOLD = ("float_top1", "int8_top1", "float_macro_f1", "int8_macro_f1", "seconds")
"""Of which mean and spread are told."""


def main() -> None:
    """Build and print; add to a JSON file if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", help="the recipe's own if left out")
    parser.add_argument("--keep", action="append", default=[], metavar="CLASS=COUNT")
    parser.add_argument("--balance", action="append", default=[], metavar="NAME=TOML")
    parser.add_argument("--line", action="append", default=[], metavar="NAME=LINE")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="of the builds")
    parser.add_argument("--conditions", default="", help="what else ran meanwhile")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        kept = {name: int(count) for name, count in map(_pair, arguments.keep)}
        name, entry = study(
            arguments.recipe,
            arguments.data,
            arguments.runs,
            seeds=arguments.seeds,
            kept=kept,
            balances=dict(map(_pair, arguments.balance)),
            lines=dict(map(_pair, arguments.line)),
        )
        entry["conditions"] = arguments.conditions
        write_result(added(arguments.out, name, entry), arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def study(
    recipe: Path,
    data: Path,
    runs: Path,
    *,
    seeds: Sequence[int] | None,
    kept: Mapping[str, int],
    balances: Mapping[str, str],
    lines: Mapping[str, str],
) -> tuple[str, dict[str, Any]]:
    """Return the study's name and what is told.

    Args:
        recipe: TOML file.
        data: Folder of pictures.
        runs: Where the builds' folders are made.
        seeds: In place of the recipe's; None for that one.
        kept: Class → training pictures that are left of it, the first by name.
        balances: Name → value of `data.balance`; the recipe as it is comes first, as `none`.
        lines: Name → a line in place of the recipe's own with the same key.

    Raises:
        UsageError: The recipe or the pictures do not suit.
        EdgeRecogError: A build failed.
    """
    text = recipe.read_text(encoding="utf-8")
    name = recipe.stem + "".join(f"+{label}-{count}" for label, count in sorted(kept.items()))
    builds = []
    kinds: dict[str, tuple[str | None, str | None]] = {
        "none": (None, None),
        **{kind: (value, None) for kind, value in balances.items()},
        **{kind: (None, line) for kind, line in lines.items()},
    }
    with tempfile.TemporaryDirectory(prefix="edge-recog-training-") as folder:
        pictures = cut(data, Path(folder) / data.resolve().name, kept) if kept else data
        for seed in seeds if seeds else (None,):
            for kind, (balance, line) in kinds.items():
                # Beside the recipe, which may name other files.
                varied = recipe.with_name(f".{recipe.stem}-{kind}.toml")
                changed = variant(text, seed=seed, balance=balance, line=line)
                varied.write_text(changed, encoding="utf-8")
                try:
                    row = {"seed": seed, "kind": kind, **built(varied, pictures, runs)}
                finally:
                    varied.unlink()
                sys.stdout.write(f"{name}: {json.dumps(row)}\n")
                sys.stdout.flush()
                builds.append(row)
    return name, {
        "recipe": recipe.name,
        "data": data.resolve().name,
        "kept": dict(kept),
        "balances": dict(balances),
        "lines": dict(lines),
        "summary": {kind: summary(row for row in builds if row["kind"] == kind) for kind in kinds},
        "builds": builds,
        "machine": machine_facts(),
    }


def variant(text: str, *, seed: int | None, balance: str | None, line: str | None = None) -> str:
    """Return a recipe's text with another seed, balance and line; None leaves them.

    Raises:
        UsageError: There is no line to change, or a balance already.
    """
    if seed is not None:
        text, changed = re.subn(r"(?m)^seed = .*$", f"seed = {seed}", text)
        if changed != 1:
            raise UsageError("the recipe needs one line `seed = …` to vary")
    if balance is not None:
        if re.search(r"(?m)^balance\b", text):
            raise UsageError("the recipe has a balance already; leave it out to vary it")
        text, changed = re.subn(r"(?m)^\[data\]$", f"[data]\nbalance = {balance}", text)
        if changed != 1:
            raise UsageError("the recipe needs a line `[data]` to vary its balance")
    if line is not None:
        key = line.partition("=")[0].strip()
        text, changed = re.subn(rf"(?m)^{re.escape(key)} *=.*$", lambda _: line, text)
        if changed != 1:
            raise UsageError(f"the recipe needs one line `{key} = …` to vary, not {changed}")
    return text


def cut(data: Path, copy: Path, kept: Mapping[str, int]) -> Path:
    """Copy split folders with fewer training pictures of some classes.

    Raises:
        UsageError: There is no such class.
    """
    for label in kept:
        if not (data / "train" / label).is_dir():
            raise UsageError(f"{data / 'train' / label}: there is no such class")
    shutil.copytree(data, copy)
    for label, count in kept.items():
        for path in sorted((copy / "train" / label).iterdir())[count:]:
            path.unlink()
    return copy


def built(recipe: Path, data: Path, runs: Path) -> dict[str, Any]:
    """Build and return what the report says.

    Raises:
        EdgeRecogError: The build failed; it has said why on stderr.
    """
    start = time.monotonic()
    command = [str(Path(sys.executable).with_name("edge-recog")), "build", str(recipe)]
    outcome = subprocess.run(
        [*command, "--data", str(data), "--out", str(runs), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if outcome.returncode:
        raise EdgeRecogError(f"edge-recog build {recipe.name} failed")
    report = json.loads(outcome.stdout)["report"]
    return {"seconds": round(time.monotonic() - start, 1), **figures(report)}


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """Return the few figures of a build's report that are kept."""
    row: dict[str, Any] = {
        "parameters": report["parameters"],
        "epochs": [len(stage["epochs"]) for stage in report["stages"]],
        "best_validation": best_validation(report),
        "waiting_after_first_epoch": waiting(report),
        "temperature": report["temperature"],
        "test_pictures": report["data"]["pictures"]["test"],
        "agreement": report["parity"]["agreement"],
        "peak_memory_mb": report["peak_memory_mb"],
    }
    for model in report["models"]:
        kind = model["kind"]
        row[f"{kind}_top1"] = model["top1"]
        row[f"{kind}_macro_f1"] = model["macro_f1"]
        row[f"{kind}_size_bytes"] = model["size_bytes"]
        for when in ("uncalibrated", "calibrated"):
            for short, long in (
                ("nll", "negative_log_likelihood"),
                ("ece", "expected_calibration_error"),
            ):
                row[f"{kind}_{short}_{when}"] = model[when][long]
    return {key: round(one, 5) if isinstance(one, float) else one for key, one in row.items()}


def best_validation(report: dict[str, Any]) -> float | None:
    """Return the score of the epoch that the last stage kept; None if nothing was learned."""
    if not report["stages"]:
        return None
    stage = report["stages"][-1]
    return float(stage["epochs"][stage["best"] - 1]["score"])


def waiting(report: dict[str, Any]) -> float | None:
    """Return the share of time after the first epoch of the last stage that waited for pictures."""
    if not report["stages"] or report["stages"][-1]["kind"] == "head":
        return None
    epochs = report["stages"][-1]["epochs"][1:]
    if not epochs:
        return None
    waited = sum(epoch["waiting_s"] for epoch in epochs)
    return float(waited / sum(epoch["seconds"] for epoch in epochs))


def summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean, standard deviation and range over the seeds."""
    listed = list(rows)
    told = {}
    for key in _TOLD:
        values = [row[key] for row in listed if row[key] is not None]
        if values:
            told[key] = {
                "mean": round(statistics.fmean(values), 5),
                "deviation": round(statistics.stdev(values), 5) if len(values) > 1 else None,
                "range": [min(values), max(values)],
            }
    return {"builds": len(listed), **told}


def added(out: Path | None, name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the document at `out` with one more study, or a study anew.

    Raises:
        UsageError: What is there is another kind of document.
    """
    document: dict[str, Any] = {
        "schema_version": _SCHEMA_VERSION,
        "benchmark": "training",
        "studies": {},
    }
    if out is not None and out.exists():
        document = json.loads(out.read_text(encoding="utf-8"))
        if document.get("benchmark") != "training":
            raise UsageError(f"{out}: not a result of this program; name another file")
    document["studies"][name] = entry
    return document


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise UsageError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    main()
