"""Native texts made fit to be read."""

from __future__ import annotations

import pytest

from edge_recog.interpreters.native_errors import reason

UNRESOLVED = (
    "Encountered unresolved custom op: odd-op.\n"
    "See instructions: https://www.tensorflow.org/lite/guide/ops_custom "
    "Node number 0 (odd-op) failed to prepare."
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "tensorflow/lite/kernels/reshape.cc:94 input != output (6 != 4)"
            "Node number 0 (RESHAPE) failed to prepare.",
            "input != output (6 != 4); Node number 0 (RESHAPE) failed to prepare",
        ),
        (
            UNRESOLVED + UNRESOLVED,
            "Encountered unresolved custom op: odd-op; Node number 0 (odd-op) failed to prepare",
        ),
        (
            "device lostNode number 1 (Tpu) failed to invoke.",
            "device lost; Node number 1 (Tpu) failed to invoke",
        ),
        ("\n", "it gave no reason, as when memory runs out"),
        ("x" * 400, "x" * 299 + "…"),
    ],
    ids=["source file", "said twice", "glued together", "nothing", "endless"],
)
def test_a_native_reason_becomes_one_line(text: str, expected: str) -> None:
    assert reason(text) == expected
