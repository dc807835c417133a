"""What is wrong here: about thirty known pains of running a classifier on a small device.

Nothing is changed, no rights are needed, and no network is used but what is named.

rows = list(examine(Subject(model=Path("model.tflite"), source="picamera2:0")))
"""

from edge_recog.doctor.checks import CHECKS, Check, Row, examine
from edge_recog.doctor.findings import Finding, Outcome
from edge_recog.doctor.probes import Machine
from edge_recog.doctor.report import document, is_fit
from edge_recog.doctor.subject import Subject

__all__ = [
    "CHECKS",
    "Check",
    "Finding",
    "Machine",
    "Outcome",
    "Row",
    "Subject",
    "document",
    "examine",
    "is_fit",
]
