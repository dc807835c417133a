"""Random numbers without state, and operations on randomly chosen pictures of a batch."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import tf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Draws:
    """Numbers that depend on a seed and on how many were asked for before, on nothing else.

    Keras's random layers draw from a state, so that a resumed run would see other pictures.
    """

    def __init__(self, seed: Any) -> None:
        """Start over.

        Args:
            seed: (2,) int64 tensor.
        """
        self._seed = seed
        self._asked = 0

    def branch(self) -> Draws:
        """Return draws of their own, for a part that asks for a varying number."""
        return Draws(self._next())

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Any:
        """Return float32, `low` to `high`."""
        return tf.random.stateless_uniform(shape, self._next(), low, high)

    def integers(self, shape: Any, low: int, high: int) -> Any:
        """Return int32, `low` to `high` included."""
        return tf.random.stateless_uniform(shape, self._next(), low, high + 1, tf.int32)

    def normal(self, shape: Any) -> Any:
        """Return float32 of mean 0 and variance 1."""
        return tf.random.stateless_normal(shape, self._next())

    def beta(self, shape: Any, alpha: float) -> Any:
        """Return float32 of Beta(alpha, alpha), as the share of one of two gamma variates."""
        both = tf.concat([[2], shape], axis=0)
        # float64: of a small alpha, both are too small for float32 now and then.
        one, other = tf.unstack(
            tf.random.stateless_gamma(both, self._next(), alpha, dtype=tf.float64)
        )
        return tf.cast(one / (one + other), tf.float32)

    def permutation(self, count: Any) -> Any:
        """Return the numbers below `count` in random order."""
        return tf.argsort(self.uniform([count]))

    def _next(self) -> Any:
        self._asked += 1
        return tf.random.fold_in(self._seed, self._asked)


def by_choice(
    pictures: Any, choice: Any, operations: Sequence[Callable[[Any, Draws], Any]], draws: Draws
) -> Any:
    """Apply one of several operations to each picture; each costs only for the pictures it gets.

    Args:
        pictures: (n, height, width, channels).
        choice: (n,) int32, an index into `operations`.
        operations: Each maps a part of the batch, never an empty one, and draws of its own to
            pictures of the same shape.
        draws: Of the batch.
    """
    many = len(operations)
    parts = tf.dynamic_partition(pictures, choice, many)
    places = tf.dynamic_partition(tf.range(tf.size(choice)), choice, many)
    owns = [draws.branch() for _ in operations]
    changed = [
        tf.cond(
            tf.size(place) > 0,
            functools.partial(operation, part, own),
            functools.partial(unchanged, part, own),
        )
        for part, place, operation, own in zip(parts, places, operations, owns, strict=True)
    ]
    return tf.ensure_shape(tf.dynamic_stitch(places, changed), pictures.shape)


def on_some(pictures: Any, p: float, operation: Callable[[Any, Draws], Any], draws: Draws) -> Any:
    """Apply an operation to each picture with the probability `p`."""
    if p == 1.0:
        return operation(pictures, draws)
    chosen = tf.cast(draws.uniform(tf.shape(pictures)[:1]) < p, tf.int32)
    return by_choice(pictures, chosen, [unchanged, operation], draws)


def unchanged(pictures: Any, draws: Draws) -> Any:
    """Return the pictures."""
    return pictures


def count_of(pictures: Any) -> Any:
    """Return the shape (n,) of one number a picture."""
    return tf.shape(pictures)[:1]


def per_picture(values: Any) -> Any:
    """Return (n,) as (n, 1, 1, 1)."""
    return values[:, None, None, None]


def clipped(pictures: Any) -> Any:
    """Return the pixels, 0-255."""
    return tf.clip_by_value(pictures, 0.0, 255.0)
