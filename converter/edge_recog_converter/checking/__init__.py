"""What is wrong with a set of pictures, found before anything is learned from it."""

from edge_recog_converter.checking.document import CheckResult, Finding
from edge_recog_converter.checking.running import check_data

__all__ = ["CheckResult", "Finding", "check_data"]
