"""`edge-recog classify`: pictures, folders and videos, once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from edge_recog.cli.output import (
    Force,
    Json,
    Quiet,
    Threads,
    Verbose,
    print_json,
    set_up_logging,
    track,
)
from edge_recog.errors import EdgeRecogError

if TYPE_CHECKING:
    from collections.abc import Generator

    from edge_recog.classifier import Classifier
    from edge_recog.contract import Contract
    from edge_recog.frames import Frame
    from edge_recog.predictions import Classification

app = typer.Typer()

_TOP_K = 3
_MODEL_SUFFIX = ".tflite"


class _Place(NamedTuple):
    """One picture or video to classify."""

    where: str
    relative: Path
    """Under which name it goes into the folder of annotated output."""


@app.command(no_args_is_help=True)
def classify(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] PATH...",
            help="A model file, or none for the built-in one; then pictures, folders of pictures, "
            "videos, or synthetic:640x480?count=10.",
            show_default=False,
        ),
    ],
    top_k: Annotated[
        int | None,
        typer.Option(
            "--top-k",
            "-k",
            min=1,
            help="Predictions a frame; 3 if left out, or with thresholds for several labels all.",
            show_default=False,
        ),
    ] = None,
    threads: Threads = 1,
    delegate: Annotated[
        str | None,
        typer.Option(help="edgetpu, edgetpu:usb:0, edgetpu:pci, or a library with ?key=value."),
    ] = None,
    cpu_fallback: Annotated[
        bool, typer.Option("--cpu-fallback", help="Carry on on the CPU if the delegate fails.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write annotated pictures and videos here.")
    ] = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say what is on pictures.

    Example: edge-recog classify model.tflite cat.jpg photos/ --top-k 3
    """
    set_up_logging(verbose=verbose)
    model, paths = _model_and_paths(arguments)
    from edge_recog.classifier import Classifier

    documents: list[dict[str, Any]] = []
    failures = _Failures()
    places = [place for path in paths for place in _places(path, failures)]
    saver = _saver(save, force=force)
    with (
        Classifier.open(
            model, threads=threads, delegate=delegate, fallback="cpu" if cpu_fallback else None
        ) as classifier,
        closing(_frames(places, failures, saver)) as work,
    ):
        if model is None and not quiet:
            name = classifier.bundle.name
            typer.echo(f"edge-recog: no model is named, so the built-in {name} answers", err=True)
        if top_k is None and not _says_all(classifier.bundle.contract):
            top_k = _TOP_K
        total = len(places) if all(_is_still(place) for place in places) else None
        for place, frame in track(work, description="classify", total=total, quiet=quiet or json):
            result = classifier.classify(frame, top_k=top_k)
            if saver is not None:
                saver.add(frame, result)
            if json:
                documents.append(_document(result, classifier))
            else:
                typer.echo(_line(result, is_still=_is_still(place)))
        if json:
            header = {"id": classifier.bundle.id, "name": classifier.bundle.name}
            print_json({"model": header, "results": documents, "errors": failures})
    if failures:
        raise typer.Exit(1)


def _model_and_paths(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """Return the model, which is the first argument or None, and what to classify.

    Raises:
        BadParameter: There is nothing to classify, or the model comes late.
    """
    first, *rest = arguments
    if _is_model(first):
        if not rest:
            raise typer.BadParameter(f"{first} is a model: name pictures to classify after it")
        return Path(first), rest
    late = [text for text in rest if _is_model(text)]
    if late:
        raise typer.BadParameter(f"{late[0]} is a model: name it first, before what to classify")
    return None, arguments


def _is_model(text: str) -> bool:
    """Tell whether an argument names a model: by its ending, or by what the file starts with."""
    path = Path(text)
    if path.suffix.lower() == _MODEL_SUFFIX:
        return True
    try:
        # Of a camera or a pipe nothing must be read before its time.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(8)[4:] == b"TFL3"
    except (OSError, ValueError):
        # Whoever opens it will say what is wrong with it.
        return False


class _Failures(list[str]):
    """What could not be read: told at once, counted at the end, and no reason to stop."""

    def note(self, error: EdgeRecogError) -> None:
        self.append(str(error))
        typer.echo(f"edge-recog: {error}", err=True)


def _places(text: str, failures: _Failures) -> list[_Place]:
    from edge_recog.cameras.images import image_paths

    path = Path(text)
    if not path.is_dir():
        return [_Place(text, Path(path.name.replace(":", "_").replace("?", "_")))]
    try:
        name = path.resolve().name
        return [_Place(str(found), name / found.relative_to(path)) for found in image_paths(path)]
    except EdgeRecogError as error:
        failures.note(error)
        return []


def _is_still(place: _Place) -> bool:
    from edge_recog.cameras.images import IMAGE_SUFFIXES

    return Path(place.where).suffix.lower() in IMAGE_SUFFIXES


def _frames(
    places: list[_Place], failures: _Failures, saver: Any
) -> Generator[tuple[_Place, Frame]]:
    """Yield every frame; a place that cannot be read is noted and the others go on."""
    from edge_recog.cameras import open_source

    for place in places:
        whole = False
        try:
            with open_source(place.where) as source:
                if saver is not None:
                    saver.begin(place.relative, source)
                for frame in source:
                    yield place, frame
            whole = True
        except EdgeRecogError as error:
            failures.note(error)
        finally:
            if saver is not None:
                saver.end(whole=whole)


def _says_all(contract: Contract) -> bool:
    """Tell whether every label at or above its threshold is an answer of its own."""
    return contract.task == "multi-label" and contract.thresholds is not None


def _saver(folder: Path | None, *, force: bool) -> Any:
    if folder is None:
        return None
    from edge_recog.cli.saving import AnnotatedOutput

    return AnnotatedOutput(folder, force=force)


def _document(result: Classification, classifier: Classifier) -> dict[str, Any]:
    from edge_recog.wire import classification_document

    return classification_document(result, model_name=classifier.bundle.name)


def _line(result: Classification, *, is_still: bool) -> str:
    where = result.source if is_still else f"{result.source} #{result.frame_index}"
    said = "  ".join(f"{p.label} {p.score:.0%}" for p in result.predictions)
    took = f"({result.timings.total_ns / 1e6:.1f} ms)"
    return f"{where}: {said or 'nothing above its threshold'}  {took}"
