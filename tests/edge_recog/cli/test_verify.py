from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.bundle import Bundle
from edge_recog.packing import pack_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def spoilt(tiny_bytes: bytes, tmp_path: Path) -> Path:
    """Return a model whose second golden vector expects another score."""
    bundle = Bundle.from_bytes(tiny_bytes, where="m")
    good, bad = bundle.golden()
    golden = ("XNNPACK", [good, replace(bad, score=bad.score / 2)])
    path = tmp_path / "spoilt.tflite"
    path.write_bytes(
        pack_bundle(tiny_bytes, bundle.contract, bundle.labels, name="m", golden=golden)
    )
    return path


def test_a_sound_model_is_verified(edge_recog: Callable[..., Any], tiny_path: Path) -> None:
    outcome = edge_recog("verify", tiny_path)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == "verified: 2/2 golden vectors"
    assert "vector 1" in outcome.out


def test_without_a_model_the_built_in_one_is_verified(
    edge_recog: Callable[..., Any], built_in: Path
) -> None:
    outcome = edge_recog("verify")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0].split() == ["file", str(built_in)]
    assert json.loads(edge_recog("verify", "--json").out)["path"] == str(built_in)


def test_json_tells_of_every_vector(edge_recog: Callable[..., Any], tiny_path: Path) -> None:
    outcome = edge_recog("verify", tiny_path, "--json", "--threads", "2")
    document = json.loads(outcome.out)

    assert outcome.code == 0
    assert document["passed"]
    assert document["path"] == str(tiny_path)
    assert [vector["problem"] for vector in document["vectors"]] == ["", ""]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["rows", "json"])
def test_a_model_that_answers_otherwise_is_exit_1(
    edge_recog: Callable[..., Any], spoilt: Path, options: list[str]
) -> None:
    outcome = edge_recog("verify", spoilt, *options)

    assert outcome.code == 1
    assert f"edge-recog: {spoilt}: 1 of 2 golden vectors failed; vector 1" in outcome.err
    assert "verified" not in outcome.out
    if options:
        assert not json.loads(outcome.out)["passed"]
    else:
        assert "calibration" in outcome.out


def test_a_model_without_golden_vectors_is_exit_1(
    edge_recog: Callable[..., Any], shared_data: Path
) -> None:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite"
    outcome = edge_recog("verify", path)

    assert (outcome.code, outcome.out) == (1, "")
    assert "it has no golden vectors" in outcome.err
