"""The one door to TensorFlow and Keras, so that both are configured and quiet before they load.

    from edge_recog_converter._tensorflow import keras, tf

Importing this takes seconds: import it where models are built, trained or converted, never where
a command line only wants to print its help.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# 3 shows fatal errors only: TensorFlow reports the others as exceptions too. A value that the user
# has set wins, and shows everything that is silenced here.
_VERBOSE = "TF_CPP_MIN_LOG_LEVEL" in os.environ
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# On CPUs with AVX-512, oneDNN of TensorFlow 2.21 writes past its memory while 1x1 convolutions of
# few channels learn (jit_avx512_common_1x1_convolution_bwd_weights). Without it training takes a
# fifth to a half longer; without its AVX-512 alone, bfloat16 would be missing.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


@contextlib.contextmanager
def quiet_native_code() -> Iterator[None]:
    """Drop what C++ writes to standard error meanwhile; exceptions pass as ever.

    The level above does not hold before absl's logging is set up, nor for MLIR's converter. The
    file descriptor is the process's: whatever other threads write to it is dropped as well.
    """
    if _VERBOSE:
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


with quiet_native_code():
    import keras
    import tensorflow as tf

__all__ = ["keras", "quiet_native_code", "tf"]
