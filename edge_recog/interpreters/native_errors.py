"""What the native runtimes say when they fail, turned into this package's errors.

The texts are those of TensorFlow Lite 2.14 to LiteRT 2.3: `interpreter_builder.cc`, `subgraph.cc`,
`op_resolver`'s `GetRegistrationFromOpCode`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge_recog.errors import DelegateError, InterpreterError, UnsupportedModelError

if TYPE_CHECKING:
    from edge_recog.errors import EdgeRecogError
    from edge_recog.interpreters.delegates import DelegateSpec

EDGE_TPU_OP = "edgetpu-custom-op"
"""The one operation that edgetpu_compiler puts in place of those it compiled."""

_LONGEST_REASON = 300
_UNRESOLVED_OP = re.compile(r"unresolved custom op: ([^\s.]+(?:\.[^\s.]+)*)")
_FLEX_OP = re.compile(r"Select TensorFlow op.*?\((Flex\w+)\)", re.DOTALL)
_OP_VERSION = re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'")
_OP_CODE = re.compile(r"Op builtin_code out of range: (\d+)")
_HELD_VIEW = "reference to internal data"
_SOURCE_LINE = re.compile(r"\S+\.(?:cc|cpp|h|c):\d+:? ?")
_INSTRUCTIONS = re.compile(r"See instructions: \S+\s*")


def reason(text: str) -> str:
    """Return a native error text as one line, without C++ file names and repetitions.

    Of failed allocations the runtimes say nothing at all.
    """
    text = _INSTRUCTIONS.sub("", _SOURCE_LINE.sub("", text))
    # Messages are glued together without a separator.
    text = re.sub(r"(?<=\S)\s*(?=Node number \d+ |Encountered unresolved )", "\n", text)
    lines = (" ".join(line.split()).rstrip(".") for line in text.splitlines())
    line = "; ".join(dict.fromkeys(line for line in lines if line))
    line = line or "it gave no reason, as when memory runs out"
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"


def loading_error(text: str, *, runtime: str, delegate: DelegateSpec | None) -> EdgeRecogError:
    """Return the error for a model that `runtime` refused to load with `text`."""
    if match := _UNRESOLVED_OP.search(text):
        return _unresolved_op_error(match[1], text, runtime=runtime, delegate=delegate)
    if match := _FLEX_OP.search(text):
        return UnsupportedModelError(
            f"the model needs the TensorFlow operation {match[1]}, which no device runtime has: "
            f"convert it again with TensorFlow Lite's built-in operations only"
        )
    if match := _OP_VERSION.search(text):
        return InterpreterError(
            f"{runtime} is too old for this model: it lacks {match[1]} version {match[2]}; "
            f"upgrade the runtime, or convert the model again with full INT8 quantisation"
        )
    if match := _OP_CODE.search(text):
        return InterpreterError(
            f"{runtime} is too old for this model: it does not know operation code {match[1]}; "
            f"upgrade the runtime"
        )
    if delegate is not None:
        return DelegateError(f"{delegate} could not take the model over: {reason(text)}")
    return InterpreterError(f"{runtime} rejects the model: {reason(text)}")


def running_error(text: str, *, runtime: str, delegate: DelegateSpec | None) -> InterpreterError:
    """Return the error for an inference of `runtime` that failed with `text`."""
    if _HELD_VIEW in text:
        return InterpreterError("a view of the interpreter's memory is still held: drop it first")
    if delegate is not None:
        return DelegateError(
            f"{delegate} failed while running the model: {reason(text)}; is it still connected, "
            f"and does it get enough power?"
        )
    return InterpreterError(f"{runtime} failed while running the model: {reason(text)}")


def _unresolved_op_error(
    op: str, text: str, *, runtime: str, delegate: DelegateSpec | None
) -> EdgeRecogError:
    if op != EDGE_TPU_OP:
        return UnsupportedModelError(
            f"the model needs the custom operation {op}, which {runtime} does not have: "
            f"convert it again with TensorFlow Lite's built-in operations only"
        )
    if delegate is None:
        return DelegateError(
            "the model is compiled for the Edge TPU: attach one and ask for the delegate "
            "'edgetpu', or use the file that was given to edgetpu_compiler"
        )
    return DelegateError(
        f"{delegate} did not take over the model's Edge TPU operations: {reason(text)}"
    )
