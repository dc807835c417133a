"""The names that `edge_recog` promises to keep."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

import edge_recog
from edge_recog import errors

ERRORS = {
    "BundleError",
    "ClosedError",
    "DelegateError",
    "EdgeRecogError",
    "FrameError",
    "InterpreterError",
    "InterpreterMissingError",
    "MissingContractError",
    "NotATfliteModelError",
    "SourceError",
    "UnsupportedModelError",
    "UsageError",
    "VerificationError",
}
EXPORTS = ERRORS | {
    "Bundle",
    "Classification",
    "Classifier",
    "Frame",
    "Prediction",
    "Preprocessing",
    "QuantParams",
    "Timings",
    "__version__",
    "open_source",
}


def test_exports_are_the_promised_ones() -> None:
    assert set(edge_recog.__all__) == EXPORTS
    assert len(edge_recog.__all__) == len(EXPORTS)


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_each_export_can_be_imported(name: str) -> None:
    assert getattr(importlib.import_module("edge_recog"), name) is not None


def test_nothing_else_is_on_offer() -> None:
    offered = {
        name
        for name in dir(edge_recog)
        if not name.startswith("_") and not isinstance(getattr(edge_recog, name), ModuleType)
    }

    assert offered - EXPORTS == set()


def test_every_error_is_exported() -> None:
    raised = {name for name, value in vars(errors).items() if isinstance(value, type)}

    assert raised == ERRORS
    assert all(issubclass(getattr(errors, name), errors.EdgeRecogError) for name in raised)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Clasifier"):
        _ = edge_recog.Clasifier
