"""What a device is and has: asked by a script, checked, and judged by a profile."""

from edge_recog_devices.probing.asking import DEFAULT_FOLDER, probe
from edge_recog_devices.probing.facts import Facts
from edge_recog_devices.probing.judging import Row, is_fit, judge
from edge_recog_devices.probing.matching import chosen_python, match

__all__ = ["DEFAULT_FOLDER", "Facts", "Row", "chosen_python", "is_fit", "judge", "match", "probe"]
