"""Several machines that train one network together: what TensorFlow's TF_CONFIG describes.

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.5:7000", "10.0.0.6:7000"]},
                "task": {"type": "worker", "index": 0}}'

Each worker has a network of its own and the same pictures. It learns from its share of every batch;
gradients are summed by the collective operations of `tf.distribute.MultiWorkerMirroredStrategy`.
Keras's optimizers would clip before they sum (keras 3.15, `_backend_apply_gradients`), so that they
are given sums, outside of the strategy. Networks and optimizers need not know of it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

VARIABLE = "TF_CONFIG"
_WORD_BYTES = 8
"""Of int64, which collective operations sum exactly on CPUs and GPUs."""


class _Task(msgspec.Struct, frozen=True):
    type: Literal["chief", "worker"]
    index: int


class _Config(msgspec.Struct, frozen=True):
    """What is read of TF_CONFIG; it may say more."""

    cluster: dict[Literal["chief", "worker"], list[str]]
    task: _Task


@dataclass(frozen=True, slots=True, eq=False)
class Workers:
    """The workers of a training, as one of them sees it."""

    index: int
    """Which one this is, from 0; 0 is the chief, which alone writes files."""
    count: int
    strategy: Any = None
    """A `tf.distribute.Strategy`; None if `count` is 1."""

    @property
    def is_chief(self) -> bool:
        """Tell whether this worker writes checkpoints, folders and logs."""
        return self.index == 0

    @property
    def alone(self) -> bool:
        """Tell whether there are no others."""
        return self.strategy is None

    def bounds(self, items: Any) -> tuple[Any, Any]:
        """Return where this worker's share of so many items begins and ends.

        Args:
            items: A number, or an integer scalar tensor.
        """
        return items * self.index // self.count, items * (self.index + 1) // self.count

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function, in a graph, where `sum` and Keras's synchronised layers work."""
        return function(*args) if self.alone else self.strategy.run(function, args=args)

    def sum(self, tensors: Sequence[Any]) -> list[Any]:
        """Return the tensors, summed over all workers; inside of `run`. None stays None."""
        if self.alone:
            return list(tensors)
        given = [one for one in tensors if one is not None]
        sums = iter(
            tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, given)
        )
        return [None if one is None else next(sums) for one in tensors]

    def from_chief(self, content: bytes) -> bytes:
        """Return what the chief has given, whatever this worker has."""
        if self.alone:
            return content
        mine = content if self.is_chief else b""
        (length,) = self._merge(np.array([len(mine)], np.int64))
        words = np.zeros(_words(int(length)), np.int64)
        words.view(np.uint8)[: len(mine)] = np.frombuffer(mine, np.uint8)
        return self._merge(words).tobytes()[: int(length)]

    def joined(self, share: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
        """Return all workers' rows, in order.

        Args:
            share: Those between this worker's `bounds`.
            rows: How many all have.
        """
        if self.alone:
            return share
        row_bytes = math.prod(share.shape[1:]) * share.itemsize
        words = np.zeros(_words(rows * row_bytes), np.int64)
        start, stop = self.bounds(rows)
        mine = words.view(np.uint8)[start * row_bytes : stop * row_bytes]
        mine[:] = np.ascontiguousarray(share).view(np.uint8).reshape(-1)
        merged = self._merge(words).view(np.uint8)[: rows * row_bytes]
        return merged.view(np.float32).reshape(rows, *share.shape[1:])

    def agree(self, fingerprint: str) -> None:
        """Refuse to go on if workers were started with different things.

        Raises:
            TrainingError: On all of them.
        """
        same = self.from_chief(fingerprint.encode()) == fingerprint.encode()
        flags = np.zeros(self.count, np.int64)
        flags[self.index] = not same
        different = np.flatnonzero(flags if self.alone else self._merge(flags)).tolist()
        if different:
            names = ", ".join(map(str, different))
            raise TrainingError(
                f"worker {names} of {VARIABLE} has another recipe, other pictures or other "
                "versions than worker 0; make them the same"
            )

    @contextlib.contextmanager
    def losses_told(self) -> Iterator[None]:
        """Say what to do if another worker is lost meanwhile.

        Raises:
            TrainingError: One was.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if self.alone or not is_loss_of_worker(error):
                raise
            raise TrainingError(
                f"another worker of {VARIABLE} has ended or cannot be reached any more; run the "
                "same command on all of them again, which goes on after the last whole epoch"
            ) from error

    def _merge(self, words: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sum over all workers."""
        merged: NDArray[np.int64] = _sum_of(self.strategy)(words).numpy()
        return merged


def _words(count: int) -> int:
    """Return how many words hold so many bytes; one at least: the sum of none ends the process."""
    return max(1, -(-count // _WORD_BYTES))


@functools.cache
def _sum_of(strategy: Any) -> Callable[[NDArray[np.int64]], Any]:
    """Return what sums an array over the workers of a strategy."""

    def sum_here(words: Any) -> Any:
        # An argument has no device yet, which all_reduce asks for.
        here = tf.identity(words)
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)

    summed: Callable[[NDArray[np.int64]], Any] = tf.function(
        lambda words: strategy.run(sum_here, args=(words,)),
        input_signature=[tf.TensorSpec([None], tf.int64)],
        autograph=False,
    )
    return summed


_LOSSES = (tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.UnavailableError)


def is_loss_of_worker(error: Exception) -> bool:
    """Tell whether an error means that another worker is gone."""
    if isinstance(error, _LOSSES):
        return True
    return isinstance(error, tf.errors.OpError) and "Collective ops is aborted" in error.message


def alone() -> Workers:
    """Return the one worker of a training in one process."""
    return Workers(0, 1)


def workers_from_environment(environment: Mapping[str, str] = os.environ) -> Workers:
    """Return the workers that TF_CONFIG describes; one if it is not set.

    Waits until all of them are there. Must be called before TensorFlow has computed anything.

    Raises:
        TrainingError: TF_CONFIG cannot be followed.
    """
    text = environment.get(VARIABLE, "")
    if not text.strip():
        return alone()
    index, addresses = _read(text)
    if len(addresses) == 1:
        return alone()
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus > 1:
        raise TrainingError(
            f"a worker uses one GPU and there are {gpus} here; start one worker for each in "
            f"{VARIABLE}, with CUDA_VISIBLE_DEVICES set to its number"
        )
    _log.info("worker %d of %d: waiting for the others", index, len(addresses))
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        port = addresses[index].rpartition(":")[2]
        raise TrainingError(
            f"{VARIABLE}: this worker cannot listen at {addresses[index]} or reach the others; see "
            f"that nothing else uses port {port} here and that all are running ({error.message})"
        ) from error
    return Workers(index, len(addresses), strategy)


def _read(text: str) -> tuple[int, list[str]]:
    """Return this worker's number and all addresses, the chief's first."""
    try:
        config = msgspec.json.decode(text, type=_Config, strict=False)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise TrainingError(
            f"{VARIABLE} cannot be used: {error}; it must be like "
            '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from error
    chiefs = config.cluster.get("chief", [])
    addresses = chiefs + config.cluster.get("worker", [])
    own = config.cluster.get(config.task.type, [])
    if not 0 <= config.task.index < len(own):
        raise TrainingError(
            f"{VARIABLE}: task.index is {config.task.index}, but cluster.{config.task.type} lists "
            f"{len(own)}; indices begin at 0"
        )
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or addresses.count(address) > 1:
            raise TrainingError(
                f"{VARIABLE}: address {address!r} must be HOST:PORT and be listed once"
            )
    return config.task.index + (len(chiefs) if config.task.type == "worker" else 0), addresses
