"""Event files, as TensorBoard reads them: `tensorboard --logdir runs/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from edge_recog_converter._tensorflow import tf

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from edge_recog_converter.report.document import Epoch


class EpochLog:
    """The curves of one training; a step is an epoch."""

    def __init__(self, folder: Path) -> None:
        """Begin a file in `folder`, which is made if need be."""
        self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, epoch: Epoch) -> None:
        """Add an epoch, and see to it that it can be read."""
        with self._writer.as_default(step=epoch.number):
            tf.summary.scalar("loss/train", epoch.loss)
            tf.summary.scalar("loss/validation", epoch.validation_loss)
            tf.summary.scalar("score/validation", epoch.score)
            tf.summary.scalar("learning rate", epoch.rate)
            tf.summary.scalar("seconds/epoch", epoch.seconds)
            tf.summary.scalar("seconds/waiting", epoch.waiting_s)
        self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()
