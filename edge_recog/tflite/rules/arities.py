"""Operators whose shapes native kernels check well enough, or that classifiers hardly have.

What kernels do not survive is a missing input, output or table of options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog.tflite.node import Node

_MANY = 2**16


class Arity(NamedTuple):
    """How many tensors an operator takes and makes, and which options it needs."""

    inputs: tuple[int, int]
    """Least and most."""
    outputs: tuple[int, int] = (1, 1)
    """Least and most."""
    options: str | None = None
    """Name of the table; None if the kernel reads no options or has defaults for them."""
    optional: bool = False
    """Whether inputs may be left out, that is, be -1."""


ARITIES: Mapping[str, Arity] = {
    "IF": Arity((1, _MANY), (0, _MANY), "IfOptions"),
    "WHILE": Arity((1, _MANY), (1, _MANY), "WhileOptions"),
    "CALL_ONCE": Arity((0, 0), (0, 0), "CallOnceOptions"),
    "LSTM": Arity((5, 24), (1, 4), "LSTMOptions", optional=True),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Arity(
        (20, 24), (1, 1), "UnidirectionalSequenceLSTMOptions", optional=True
    ),
    "BIDIRECTIONAL_SEQUENCE_LSTM": Arity(
        (48, 48), (1, 2), "BidirectionalSequenceLSTMOptions", optional=True
    ),
    "RNN": Arity((5, 5), (1, 1), "RNNOptions"),
    "UNIDIRECTIONAL_SEQUENCE_RNN": Arity((5, 5), (1, 1), "SequenceRNNOptions"),
    "BIDIRECTIONAL_SEQUENCE_RNN": Arity(
        (12, 12), (1, 2), "BidirectionalSequenceRNNOptions", optional=True
    ),
    "SVDF": Arity((5, 5), (1, 1), "SVDFOptions", optional=True),
    "ADD_N": Arity((1, _MANY)),
    "TOPK_V2": Arity((2, 2), (2, 2)),
    "ONE_HOT": Arity((4, 4), (1, 1), "OneHotOptions"),
    "CUMSUM": Arity((2, 2), (1, 1), "CumsumOptions"),
    "REVERSE_V2": Arity((2, 2)),
    "REVERSE_SEQUENCE": Arity((2, 2), (1, 1), "ReverseSequenceOptions"),
    "GATHER_ND": Arity((2, 2)),
    "SCATTER_ND": Arity((3, 3)),
    "RANGE": Arity((3, 3)),
    "RANK": Arity((1, 1)),
    "WHERE": Arity((1, 1)),
    "UNIQUE": Arity((1, 1), (2, 2), "UniqueOptions"),
    "NON_MAX_SUPPRESSION_V4": Arity((5, 5), (2, 2)),
    "NON_MAX_SUPPRESSION_V5": Arity((6, 6), (3, 3)),
    "MATRIX_DIAG": Arity((1, 1)),
    "MATRIX_SET_DIAG": Arity((2, 2)),
    "SEGMENT_SUM": Arity((2, 2)),
    "UNSORTED_SEGMENT_PROD": Arity((3, 3)),
    "UNSORTED_SEGMENT_MAX": Arity((3, 3)),
    "UNSORTED_SEGMENT_MIN": Arity((3, 3)),
    "UNSORTED_SEGMENT_SUM": Arity((3, 3)),
    "SPARSE_TO_DENSE": Arity((4, 4)),
    "CONV_3D": Arity((2, 3), (1, 1), "Conv3DOptions"),
    "CONV_3D_TRANSPOSE": Arity((3, 4), (1, 1), "Conv3DOptions"),
    "EMBEDDING_LOOKUP": Arity((2, 2)),
    "EMBEDDING_LOOKUP_SPARSE": Arity((5, 5), (1, 1), "EmbeddingLookupSparseOptions"),
    "HASHTABLE_LOOKUP": Arity((3, 3), (2, 2)),
    "DENSIFY": Arity((1, 1)),
    "BROADCAST_ARGS": Arity((2, 2)),
    "RFFT2D": Arity((2, 2)),
    "IMAG": Arity((1, 1)),
    "REAL": Arity((1, 1)),
    "COMPLEX_ABS": Arity((1, 1)),
    "DYNAMIC_UPDATE_SLICE": Arity((3, 3)),
    "ATAN2": Arity((2, 2)),
    "BITCAST": Arity((1, 1)),
    "BITWISE_XOR": Arity((2, 2)),
    "RIGHT_SHIFT": Arity((2, 2)),
    "FAKE_QUANT": Arity((1, 1), (1, 1), "FakeQuantOptions"),
    "HASHTABLE": Arity((0, 0), (1, 1), "HashtableOptions"),
    "HASHTABLE_FIND": Arity((3, 3)),
    "HASHTABLE_IMPORT": Arity((3, 3), (0, 0)),
    "HASHTABLE_SIZE": Arity((1, 1)),
    "VAR_HANDLE": Arity((0, 0), (1, 1), "VarHandleOptions"),
    "READ_VARIABLE": Arity((1, 1)),
    "ASSIGN_VARIABLE": Arity((2, 2), (0, 0)),
    "RANDOM_STANDARD_NORMAL": Arity((1, 1), (1, 1), "RandomOptions"),
    "RANDOM_UNIFORM": Arity((1, 1), (1, 1), "RandomOptions"),
    "MULTINOMIAL": Arity((2, 2), (1, 1), "RandomOptions"),
    "BUCKETIZE": Arity((1, 1), (1, 1), "BucketizeOptions"),
    "LSH_PROJECTION": Arity((2, 3), (1, 1), "LSHProjectionOptions"),
    "SKIP_GRAM": Arity((1, 1), (1, 1), "SkipGramOptions"),
    "DILATE": Arity((3, 3)),
    "REDUCE_WINDOW": Arity((5, 5), (1, 1), "ReduceWindowOptions"),
}


def check_arity(node: Node, arity: Arity) -> None:
    """Refuse an operator that lacks a tensor or its options.

    Raises:
        NotATfliteModelError: It says what is missing.
    """
    node.arity(arity.inputs, arity.outputs)
    if arity.options is not None:
        node.options(arity.options)
    if not arity.optional:
        for index in range(len(node.inputs)):
            node.input(index)
