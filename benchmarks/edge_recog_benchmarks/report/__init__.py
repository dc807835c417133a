"""Reports of results: a page for people, Markdown for pull requests, CSV for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from edge_recog.errors import UsageError
from edge_recog.files import refuse_existing, write_file
from edge_recog_benchmarks.report.markdown_document import markdown
from edge_recog_benchmarks.report.table import csv_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_recog_benchmarks.results import Result

__all__ = ["FORMATS", "Format", "csv_table", "markdown", "page", "write_report"]

Format = Literal["html", "md", "csv"]
FORMATS: tuple[Format, ...] = ("html", "md", "csv")
"""Also what their files' names end in."""


def write_report(
    results: Sequence[Result],
    path: Path,
    *,
    formats: Sequence[Format] = FORMATS,
    force: bool,
) -> list[Path]:
    """Write a report, and return the files.

    Args:
        results: One or more. Two are compared with each other as well.
        path: A file ending in .html, .md or .csv; or a folder, made if need be, which gets
            `report.` of each of the formats.
        formats: For a folder.
        force: Replace files that are there.

    Raises:
        ResultError: A result names no contestant, one twice, or has answers that fit no picture.
        UsageError: There is nothing to report, the path's ending is no format's, or a file exists
            and `force` is not set.
    """
    if not results:
        raise UsageError("there is no result to report; name a result file")
    files = _files(path, formats)
    for file in files:
        refuse_existing(file, force=force)
    texts = {file: _render(results, form) for file, form in files.items()}
    for file, text in texts.items():
        write_file(file, text.encode(errors="replace"), force=force)
    return list(files)


def page(results: Sequence[Result]) -> str:
    """Return one HTML page; see `edge_recog_benchmarks.report.pages`."""
    from edge_recog_benchmarks.report.pages import page as render  # Loads matplotlib.

    return render(results)


def _files(path: Path, formats: Sequence[Format]) -> dict[Path, Format]:
    if path.is_dir() or not path.suffix:
        return {path / f"report.{form}": form for form in formats}
    for form in FORMATS:
        if path.suffix.lower() == f".{form}":
            return {path: form}
    raise UsageError(f"{path}: a report ends in .html, .md or .csv, or is a folder for all three")


def _render(results: Sequence[Result], form: Format) -> str:
    return {"html": page, "md": markdown, "csv": csv_table}[form](results)
