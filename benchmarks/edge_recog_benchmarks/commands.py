"""The verb `bench`. Importing this loads nothing heavy: `edge-recog --help` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edge_recog.cli.output import Force, Json, Quiet, Verbose, print_json, set_up_logging
from edge_recog_benchmarks.device.plan import Scenario


class _Bench(TyperGroup):
    """Takes `bench MODEL…` for `bench run MODEL…`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    cls=_Bench,
    add_completion=False,
    no_args_is_help=True,
    help="Measure latency, memory and accuracy of models side by side.\n\n"
    "`edge-recog bench MODEL…` is short for `edge-recog bench run MODEL…`.",
)

FailIf = Annotated[
    list[str],
    typer.Option(
        "--fail-if",
        help='Exit 1 if so: "p50>1.05x" against the first model or file, "p90@invoke>30ms", '
        '"top1<-0.5pt". Several may be given.',
        default_factory=list,
        show_default=False,
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit 1 if a run is invalid, or a gate undecided.")
]


@app.command(no_args_is_help=True)
def run(
    models: Annotated[list[Path], typer.Argument(help="Model files; the first is the reference.")],
    fail_if: FailIf,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of pictures. With labels (class folders, or a manifest) accuracy is "
            "measured as well. A moving test card otherwise.",
            show_default=False,
        ),
    ] = None,
    accuracy: Annotated[
        bool, typer.Option("--accuracy/--no-accuracy", help="Label the pictures of --data.")
    ] = True,
    threads: Annotated[str, typer.Option(help="For the interpreter: 1, or 1,2,4.")] = "1",
    scenario: Annotated[
        Scenario,
        typer.Option(
            help="single-stream: the next picture at once. paced: at --fps. offline: throughput. "
            "sustained: ten minutes without a pause."
        ),
    ] = "single-stream",
    device: Annotated[
        str, typer.Option(help="local, or ssh://user@host that has edge-recog installed.")
    ] = "local",
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Measured for each model.",
            show_default="10; 20 paced, 600 sustained",
        ),
    ] = None,
    generations: Annotated[
        int | None,
        typer.Option(min=1, help="Fresh processes for each model.", show_default="10"),
    ] = None,
    burst_seconds: Annotated[
        float | None,
        typer.Option(min=0.001, help="Before the next model has its turn.", show_default="0.1"),
    ] = None,
    fps: Annotated[float, typer.Option(min=0.01, help="Pictures a second, for paced.")] = 15.0,
    bare: Annotated[
        bool, typer.Option("--bare", help="Measure the interpreter alone beside each model.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say which operators take the time as well.")
    ] = False,
    backend: Annotated[str, typer.Option(help="litert, tflite_runtime or tensorflow.")] = "auto",
    xnnpack: Annotated[bool, typer.Option("--xnnpack/--no-xnnpack", help="XNNPACK.")] = True,
    delegate: Annotated[
        str, typer.Option(help="edgetpu, or a delegate library.", show_default=False)
    ] = "",
    power: Annotated[
        Path | None,
        typer.Option(
            help="CSV that a USB power meter has written when the run ends.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Result file.", show_default="bench-DATE-TIME.json"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a page as well: .html, .md or .csv.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the order of turns.")] = 1,
    system_root: Annotated[str, typer.Option(hidden=True)] = "/",
    strict: Strict = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure models side by side, in turns and in fresh processes.

    Example: edge-recog bench float.tflite int8.tflite --data photos/
    """
    set_up_logging(verbose=verbose)
    from edge_recog_benchmarks.planning import Wish, read_threads
    from edge_recog_benchmarks.running import Outlet, run_wish

    options = {"backend": backend, "xnnpack": str(int(xnnpack))}
    if delegate:
        options["delegate"] = delegate
    wish = Wish(
        models=models,
        data=data,
        accuracy=accuracy,
        threads=read_threads(threads),
        scenario=scenario,
        seconds=seconds,
        generations=generations,
        burst_s=burst_seconds,
        pictures_per_s=fps,
        bare=bare,
        profile=profile,
        options=options,
        seed=seed,
        system_root=system_root,
    )
    outlet = Outlet(out=out, report=report, force=force, json=json, quiet=quiet)
    passed = run_wish(wish, device=device, power=power, outlet=outlet, gates=fail_if, strict=strict)
    if not passed:
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def compare(
    reference: Annotated[Path, typer.Argument(help="A result file.")],
    fail_if: FailIf,
    other: Annotated[
        Path | None,
        typer.Argument(help="A later one; without it, the models of one run are compared."),
    ] = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Say what is faster, slower or no different, with intervals.

    Example: edge-recog bench compare yesterday.json today.json --fail-if "p50>1.05x"
    """
    from edge_recog_benchmarks.accuracy import accuracy_differences
    from edge_recog_benchmarks.comparison import compare_results
    from edge_recog_benchmarks.gating import check_gates
    from edge_recog_benchmarks.results import read_result
    from edge_recog_benchmarks.summary import comparison_document, comparison_lines, gate_lines

    first = read_result(reference)
    second = None if other is None else read_result(other)
    comparison = compare_results(first, second, accuracy=accuracy_differences)
    outcome = check_gates(fail_if, first, second, strict=strict)
    if json:
        print_json(comparison_document(comparison, outcome))
    else:
        for line in [*comparison_lines(comparison), *gate_lines(outcome)]:
            typer.echo(line)
    valid = all(result.valid for result in (first, second) if result is not None)
    if not outcome.passed or (strict and not valid):
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def report(
    results: Annotated[list[Path], typer.Argument(help="Result files.")],
    out: Annotated[
        Path, typer.Option(help="A file ending in .html, .md or .csv, or a folder for all three.")
    ] = Path("bench-report.html"),
    force: Force = False,
) -> None:
    """Write one page that needs nothing else: no network, no script.

    Example: edge-recog bench report bench-20261123-120000.json --out report.html
    """
    from edge_recog_benchmarks.report import write_report
    from edge_recog_benchmarks.results import read_result

    for path in write_report([read_result(path) for path in results], out, force=force):
        typer.echo(path)


@app.command()
def anchors(json: Json = False) -> None:
    """List published figures, with their sources.

    Example: edge-recog bench anchors
    """
    from edge_recog_benchmarks.anchors import all_anchors, table

    if json:
        print_json(all_anchors())
    else:
        typer.echo(table())
