"""Event files, as TensorBoard reads them: `tensorboard --logdir runs/`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from edge_recog_converter._tensorflow import tf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_recog_converter.report.document import Epoch


@contextlib.contextmanager
def epoch_log(folder: Path) -> Iterator[Callable[[Epoch], None]]:
    """Yield what writes an epoch, so that it can be read at once; a step is an epoch.

    Args:
        folder: Where the file of one training is made; made itself if need be.
    """
    writer = tf.summary.create_file_writer(str(folder))

    def write(epoch: Epoch) -> None:
        with writer.as_default(step=epoch.number):
            tf.summary.scalar("loss/train", epoch.loss)
            tf.summary.scalar("loss/validation", epoch.validation_loss)
            tf.summary.scalar("score/validation", epoch.score)
            tf.summary.scalar("learning rate", epoch.rate)
            tf.summary.scalar("seconds/epoch", epoch.seconds)
            tf.summary.scalar("seconds/waiting", epoch.waiting_s)
        writer.flush()

    with contextlib.closing(writer):
        yield write
