from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_recog import models
from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.errors import BundleError
from edge_recog.models import default_model
from edge_recog.verification import verify

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 700_000
"""Every download of the package carries it."""


def test_the_built_in_model_is_opened_where_none_is_named(built_in: Path) -> None:
    with Classifier.open() as classifier:
        assert classifier.bundle.id == Bundle.open(built_in).id
        assert classifier.bundle.where == str(built_in)


def test_a_missing_one_is_an_error_that_says_how_to_get_it(built_in: Path) -> None:
    built_in.unlink()

    with pytest.raises(BundleError, match=r"tiny\.tflite: the built-in model is missing.*install"):
        Classifier.open()


@pytest.mark.skipif(not models._FILE.is_file(), reason="this checkout has no built-in model")
def test_the_one_in_the_package_is_small_and_sound_and_tells_of_itself() -> None:
    path = default_model()

    assert path.stat().st_size <= MAX_BYTES
    with Classifier.open(path) as classifier:
        verify(classifier).require(str(path))
        manifest = classifier.bundle.manifest
    assert manifest is not None
    assert manifest.card is not None
    assert manifest.card.data_license
    assert manifest.compatibility is not None
