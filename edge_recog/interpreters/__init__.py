"""Running a .tflite model: one small protocol over the runtimes there are, and their accelerators.

Importing this loads no runtime; `open_interpreter` does.
"""

from edge_recog.interpreters.delegates import DelegateSpec
from edge_recog.interpreters.fake import FakeInterpreter
from edge_recog.interpreters.opening import INTERPRETERS, open_interpreter
from edge_recog.interpreters.protocol import Interpreter

__all__ = ["INTERPRETERS", "DelegateSpec", "FakeInterpreter", "Interpreter", "open_interpreter"]
