"""Every error this package raises on purpose.

    EdgeRecogError
    ├── BundleError (ValueError)              a model file that cannot be used
    │   ├── NotATfliteModelError              not TFLite, truncated or structurally broken
    │   ├── UnsupportedModelError             sound TFLite, but not a classifier we can feed
    │   ├── MissingContractError              the file does not say how to feed it
    │   └── VerificationError                 the file and what it says of itself disagree
    ├── FrameError (ValueError)               pixels that are not an RGB picture
    ├── SourceError (OSError)                 a picture, video or camera that cannot be read
    ├── InterpreterError (RuntimeError)       the native interpreter failed
    │   ├── InterpreterMissingError           no TFLite interpreter is installed
    │   └── DelegateError                     an accelerator could not be used
    ├── SignatureError (ValueError)           nobody vouches for a model, see `signing.errors`
    ├── StoreError (RuntimeError)             the models cannot be changed, see `store.errors`
    ├── ClosedError (RuntimeError)            used after `close()`
    └── UsageError (ValueError)               an argument nobody can act on

Each message is one sentence or two: what is wrong, where, and what to do about it.
"""


class EdgeRecogError(Exception):
    """Base of every error raised on purpose; its text is fit to be shown to a user."""


class BundleError(EdgeRecogError, ValueError):
    """A model file that cannot be used."""


class NotATfliteModelError(BundleError):
    """The file is not TFLite, is truncated, or is broken in a way that makes it unsafe to load."""


class UnsupportedModelError(BundleError):
    """The file is sound TFLite, but not an image classifier this runtime can feed and read."""


class MissingContractError(BundleError):
    """The file does not say how it wants to be fed, and nothing is ever guessed."""


class VerificationError(BundleError):
    """The file and what it says of itself disagree."""


class FrameError(EdgeRecogError, ValueError):
    """Pixels that are not an RGB picture of 8 bits a channel."""


class SourceError(EdgeRecogError, OSError):
    """A picture, folder, video or camera that cannot be read."""


class InterpreterError(EdgeRecogError, RuntimeError):
    """The native interpreter could not load or run the model."""


class InterpreterMissingError(InterpreterError):
    """No TFLite interpreter is installed for this Python."""


class DelegateError(InterpreterError):
    """An accelerator was asked for and cannot be used."""


class ClosedError(EdgeRecogError, RuntimeError):
    """The object was used after `close()`."""


class UsageError(EdgeRecogError, ValueError):
    """An argument that cannot be acted on."""


def located(error: EdgeRecogError, where: str) -> EdgeRecogError:
    """Return the error with the place it is about in front, unless its text has it already."""
    return error if where in str(error) else type(error)(f"{where}: {error}")
