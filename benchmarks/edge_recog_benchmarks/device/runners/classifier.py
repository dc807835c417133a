"""The runtime as a program uses it: a picture in, labels with scores out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog.frames import Frame
    from edge_recog_benchmarks.device.runners import Picture

OPTIONS = ("backend", "xnnpack", "delegate")
"""`backend`: as `Classifier.open` has it; `xnnpack`: "0" or "1"; `delegate`: an accelerator."""
_BEST = 5


class ClassifierRunner:
    """Decodes pictures and classifies them by `edge_recog.Classifier`."""

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """As `Runner`; see `OPTIONS`.

        Nothing takes the place of an accelerator that cannot be used: that is an error.

        Raises:
            EdgeRecogError: The model cannot be used; `MissingContractError` where it does not say
                how to feed it.
            UsageError: An option is not known, or its value makes no sense.
        """
        from edge_recog.cameras.images import decode_image
        from edge_recog.classifier import Classifier
        from edge_recog.errors import UsageError
        from edge_recog.frames import Frame
        from edge_recog.predictions import top_indices

        unknown = sorted(options.keys() - set(OPTIONS))
        if unknown:
            raise UsageError(
                f"no option {unknown[0]!r} for the runner classifier: use {', '.join(OPTIONS)}"
            )
        xnnpack = options.get("xnnpack", "1")
        if xnnpack not in {"0", "1"}:
            raise UsageError(f"option xnnpack is {xnnpack!r}; it must be 0 or 1")
        decodes = any(isinstance(picture, bytes) for picture in pictures)
        computed = ("preprocess", "invoke", "postprocess")
        self.stages: tuple[str, ...] = ("decode", *computed) if decodes else computed
        self._decodes = decodes
        self._decode, self._wrap, self._rank = decode_image, Frame.from_rgb, top_indices
        self._pictures = pictures
        self._classifier = Classifier.open(
            model,
            threads=threads,
            backend=options.get("backend", "auto"),
            xnnpack=xnnpack == "1",
            delegate=options.get("delegate") or None,
        )
        self.runtime = self._classifier.runtime

    def step(self, index: int) -> tuple[int, ...]:
        """Answer picture `index` (modulo their number) and return what each stage took."""
        start = time.perf_counter_ns()
        frame = self._frame(self._pictures[index % len(self._pictures)])
        decoded = time.perf_counter_ns()
        timings = self._classifier.classify(frame, top_k=_BEST).timings
        computed = (timings.preprocess_ns, timings.invoke_ns, timings.postprocess_ns)
        return (decoded - start, *computed) if self._decodes else computed

    def label(self, picture: Picture) -> tuple[list[int], list[float]]:
        """Return all labels best first, and their scores before thresholds, 0-1.

        Raises:
            SourceError: The picture cannot be decoded.
        """
        trace = self._classifier.trace(self._frame(picture), top_k=_BEST)
        order = self._rank(trace.raw, None)
        scores: list[float] = trace.scores[order].tolist()
        return order, scores

    def close(self) -> None:
        """Release the model."""
        self._classifier.close()

    def _frame(self, picture: Picture) -> Frame:
        """Return a picture as a camera would have delivered it."""
        if isinstance(picture, bytes):
            picture = self._decode(picture, where=f"{len(picture)} bytes")
        return self._wrap(picture)
