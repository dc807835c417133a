from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.contract import (
    SCHEMA_VERSION,
    Accuracy,
    Card,
    Compatibility,
    Contract,
    EdgeTpuBreak,
    EdgeTpuFacts,
    GoldenIndex,
    GoldenVector,
    Manifest,
    Provenance,
    Seal,
    Task,
    XnnpackFacts,
    decode_manifest,
    encode_manifest,
    labels_digest,
)
from edge_recog.errors import BundleError
from edge_recog.predictions import Activation
from edge_recog.preprocessing import Colour, Crop, Interpolation, Layout, Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = "0" * 64
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FRACTIONS = st.floats(0, 1)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@st.composite
def compatibilities(draw: st.DrawFn) -> Compatibility:
    left = draw(st.dictionaries(LINE, st.integers(1, 9), max_size=3))
    taken, total = draw(st.integers(0, 9)), draw(st.integers(1, 99))
    breaks = st.builds(EdgeTpuBreak, index=st.integers(0, total - 1), name=LINE, reason=LINE)
    return Compatibility(
        xnnpack=XnnpackFacts(
            runtime=draw(LINE), taken=taken, total=taken + sum(left.values()), left=left
        ),
        edge_tpu=EdgeTpuFacts(
            mapped=draw(st.integers(0, total)),
            total=total,
            breaks_at=draw(st.none() | breaks),
            open_batch=draw(st.booleans()),
            parameters_bytes=draw(st.integers(0, 10**9)),
            fits_on_chip=draw(st.booleans()),
        ),
    )


@st.composite
def preprocessings(draw: st.DrawFn) -> Preprocessing:
    colour = draw(st.sampled_from(get_args(Colour)))
    counts = st.sampled_from([1] if colour == "GRAY" else [1, 3])
    mean = st.floats(-1e6, 1e6)
    std = st.floats(1e-6, 1e6)
    return Preprocessing(
        height=draw(st.integers(1, 8192)),
        width=draw(st.integers(1, 8192)),
        colour=colour,
        crop=draw(st.sampled_from(get_args(Crop))),
        interpolation=draw(st.sampled_from(get_args(Interpolation))),
        mean=tuple(draw(mean) for _ in range(draw(counts))),
        std=tuple(draw(std) for _ in range(draw(counts))),
        pad=draw(st.tuples(*[st.integers(0, 255)] * 3)),
        layout=draw(st.sampled_from(get_args(Layout))),
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    activation = draw(st.sampled_from(get_args(Activation)))
    contract = Contract(
        preprocessing=draw(preprocessings()),
        activation=activation,
        task=draw(st.sampled_from(get_args(Task))),
        temperature=1.0 if activation == "none" else draw(st.floats(0.01, 100)),
        thresholds=draw(st.none() | st.lists(FRACTIONS, max_size=4).map(tuple)),
    )
    sides = st.integers(1, 1024)
    vectors = st.builds(GoldenVector, height=sides, width=sides, label=TEXT, score=FRACTIONS)
    golden = st.builds(
        GoldenIndex,
        file=TEXT,
        runtime=TEXT,
        labels_sha256=DIGESTS,
        vectors=st.lists(vectors, min_size=1, max_size=3).map(tuple),
    )
    figures = st.builds(
        Accuracy,
        dataset=TEXT,
        split=TEXT,
        metric=TEXT,
        value=FRACTIONS,
        count=st.integers(0, 10**9),
    )
    provenance = st.builds(
        Provenance,
        created=TEXT,
        recipe=TEXT,
        dataset=TEXT,
        calibration=TEXT,
        tools=st.dictionaries(TEXT, TEXT, max_size=2),
    )
    words = st.lists(LINE, max_size=3).map("\n".join)
    cards = st.builds(Card, data=words, data_license=words, limits=words, intended_use=words)
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=draw(TEXT),
        contract=contract,
        seal=Seal(
            flatbuffer_sha256=draw(DIGESTS), files=draw(st.dictionaries(TEXT, DIGESTS, max_size=2))
        ),
        description=draw(TEXT),
        golden=draw(st.none() | golden),
        accuracy=tuple(draw(st.lists(figures, max_size=2))),
        operators=draw(st.dictionaries(TEXT, st.integers(1, 20), max_size=2)),
        oldest_runtime=draw(TEXT),
        provenance=draw(st.none() | provenance),
        compatibility=draw(st.none() | compatibilities()),
        card=draw(st.none() | cards),
    )


@settings(max_examples=60)
@given(manifests())
def test_a_manifest_reads_back_as_it_was_written(manifest: Manifest) -> None:
    assert decode_manifest(encode_manifest(manifest), where="m") == manifest


@pytest.fixture
def document(contract: Callable[..., Contract]) -> dict[str, Any]:
    """Return a whole manifest as plain values."""
    vector = GoldenVector(height=2, width=3, label="cat", score=0.5)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name="m",
        contract=contract(),
        seal=Seal(flatbuffer_sha256=DIGEST, files={"labels.txt": DIGEST}),
        golden=GoldenIndex(file="g", runtime="r", labels_sha256=DIGEST, vectors=(vector,)),
        accuracy=(Accuracy(dataset="d", split="test", metric="top-1", value=0.9, count=10),),
        provenance=Provenance(created="2026-01-01T00:00:00Z"),
        compatibility=Compatibility(
            xnnpack=XnnpackFacts(runtime="r", taken=2, total=3, left={"SOFTMAX": 1}),
            edge_tpu=EdgeTpuFacts(
                mapped=1,
                total=3,
                breaks_at=EdgeTpuBreak(index=1, name="HARD_SWISH", reason="is not mapped"),
                parameters_bytes=10,
                fits_on_chip=True,
            ),
        ),
        card=Card(data="Photographs."),
    )
    return dict(msgspec.json.decode(encode_manifest(manifest)))


def put(document: dict[str, Any], path: str, value: Any) -> bytes:
    """Return the document with one value, named by its path, set."""
    *parents, last = path.split(".")
    place: Any = document
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[int(last) if isinstance(place, list) else last] = value
    return msgspec.json.encode(document)


@pytest.fixture
def first_version(document: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest as `schema_version` 1 had it."""
    del document["compatibility"], document["card"]
    return document | {"schema_version": 1}


def test_a_manifest_of_version_1_is_read_as_one_of_today(first_version: dict[str, Any]) -> None:
    read = decode_manifest(msgspec.json.encode(first_version), where="m")

    assert (read.schema_version, read.compatibility, read.card) == (SCHEMA_VERSION, None, None)
    today = msgspec.json.decode(encode_manifest(read))
    assert {key: today[key] for key in first_version} == first_version | {
        "schema_version": SCHEMA_VERSION
    }


@pytest.mark.parametrize("key", ["compatibility", "card"])
def test_version_1_does_not_know_the_keys_of_version_2(
    first_version: dict[str, Any], key: str
) -> None:
    with pytest.raises(BundleError, match=f"unknown field `{key}`"):
        decode_manifest(put(first_version, key, None), where="m")


def test_texts_of_full_length_are_read(document: dict[str, Any]) -> None:
    document["card"] = {"data": "é" * 2000, "data_license": "x" * 500, "limits": "a\nb" * 600}
    card = decode_manifest(msgspec.json.encode(document), where="m").card

    assert card == Card(data="é" * 2000, data_license="x" * 500, limits="a\nb" * 600)


def test_the_plain_document_is_read(document: dict[str, Any]) -> None:
    assert decode_manifest(msgspec.json.encode(document), where="m").name == "m"


@pytest.mark.parametrize(
    "path",
    [
        "note",
        "contract.note",
        "contract.preprocessing.gamma",
        "seal.note",
        "golden.note",
        "golden.vectors.0.note",
        "accuracy.0.note",
        "provenance.note",
        "compatibility.note",
        "compatibility.xnnpack.note",
        "compatibility.edge_tpu.note",
        "compatibility.edge_tpu.breaks_at.note",
        "card.note",
    ],
)
def test_an_unknown_key_is_refused_by_name(document: dict[str, Any], path: str) -> None:
    with pytest.raises(BundleError, match=f"unknown field `{path.split('.')[-1]}`"):
        decode_manifest(put(document, path, 1), where="m")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema_version", 3, "schema_version 3, this edge-recog reads 1 to 2; upgrade"),
        ("schema_version", 0, "schema_version 0"),
        ("schema_version", "1", "Expected `int`"),
        ("name", None, "Expected `str`, got `null`"),
        ("contract.activation", "relu", "contract.activation"),
        ("contract.task", "detection", "contract.task"),
        ("contract.temperature", 0, "temperature is 0"),
        ("contract.temperature", -1.5, "must be finite and positive"),
        ("contract.temperature", 2.0, "temperature needs logits, but activation is none"),
        ("contract.thresholds", [0.5, 1.5], "thresholds"),
        ("contract.preprocessing.height", 0, "height is 0"),
        ("contract.preprocessing.height", 8.5, "Expected `int`"),
        ("contract.preprocessing.std", [0], "must be greater than 0"),
        ("contract.preprocessing.mean", [], "mean has 0 numbers"),
        ("contract.preprocessing.mean", [None], "Expected `float`, got `null`"),
        ("contract.preprocessing.pad", [0, 0], "length 3"),
        ("contract.preprocessing.pad", [0, 0, 999], "pad must be"),
        ("contract.preprocessing.colour", "rgb", "Invalid enum value 'rgb'"),
        ("seal.flatbuffer_sha256", "0" * 63, "matching regex"),
        ("seal.flatbuffer_sha256", "G" * 64, "matching regex"),
        ("seal.flatbuffer_sha256", "A" * 64, "matching regex"),
        ("seal.files", {"labels.txt": "short"}, "matching regex"),
        ("golden.vectors", [], "length >= 1"),
        ("golden.vectors.0.height", 1025, "<= 1024"),
        ("golden.vectors.0.width", 0, ">= 1"),
        ("golden.vectors.0.score", 1.01, "<= 1"),
        ("golden.labels_sha256", "", "matching regex"),
        ("accuracy.0.value", -0.1, ">= 0"),
        ("accuracy.0.count", -1, ">= 0"),
        ("card.data", "x" * 2001, "length <= 2000"),
        ("card.data_license", "x" * 501, "length <= 500"),
        ("card.limits", "\x1b[2J", "matching regex"),
        ("card.limits", "a\rb", "matching regex"),
        ("card.intended_use", "\x9b2J", "matching regex"),
        ("compatibility.xnnpack.runtime", "x" * 101, "length <= 100"),
        ("compatibility.xnnpack.taken", 3, "taken 3 and left 1 do not add up to 3"),
        ("compatibility.xnnpack.left", {"SOFTMAX": 0}, ">= 1"),
        ("compatibility.xnnpack.left", {"X" * 65: 1}, "length <= 64"),
        ("compatibility.xnnpack.left", {"A\nB": 1}, "matching regex"),
        ("compatibility.xnnpack.left", {f"K{i}": 1 for i in range(257)}, "length <= 256"),
        ("compatibility.edge_tpu.mapped", 4, "mapped is 4, of 3 operators"),
        ("compatibility.edge_tpu.parameters_bytes", -1, ">= 0"),
        ("compatibility.edge_tpu.breaks_at.index", 3, "breaks_at is operator 3, of 3"),
        ("compatibility.edge_tpu.breaks_at.name", "OP\n", "matching regex"),
        ("compatibility.edge_tpu.breaks_at.reason", "x" * 301, "length <= 300"),
    ],
)
def test_a_value_out_of_range_is_refused(
    document: dict[str, Any], path: str, value: Any, message: str
) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        decode_manifest(put(document, path, value), where="model.tflite")

    assert "model.tflite" in str(caught.value)


@pytest.mark.parametrize("key", ["schema_version", "name", "contract", "seal"])
def test_a_missing_key_is_refused_by_name(document: dict[str, Any], key: str) -> None:
    del document[key]

    with pytest.raises(BundleError, match=f"missing required field `{key}`"):
        decode_manifest(msgspec.json.encode(document), where="m")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400])
def test_numbers_that_are_none_are_refused(document: dict[str, Any], number: str) -> None:
    text = put(document, "contract.preprocessing.mean", [77.5]).replace(b"77.5", number.encode())

    with pytest.raises(BundleError, match=r"edge_recog\.json cannot be read"):
        decode_manifest(text, where="m")


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": 1}', b"[" * 100_000, b"\x00"],
    ids=["empty", "cut", "list", "null", "no text", "bare", "deep", "zero"],
)
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(BundleError, match=r"edge_recog\.json cannot be read"):
        decode_manifest(text, where="m")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_bundle_errors_only(text: bytes) -> None:
    with pytest.raises(BundleError):
        decode_manifest(text, where="m")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)


@settings(max_examples=60)
@given(manifests(), JSON, st.data())
def test_a_manifest_with_anything_in_the_place_of_a_value_is_read_or_refused(
    manifest: Manifest, anything: Any, data: st.DataObject
) -> None:
    place = document = msgspec.json.decode(encode_manifest(manifest))
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if place[key] and isinstance(place[key], dict | list) and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = anything
        break

    with contextlib.suppress(BundleError):
        read = decode_manifest(msgspec.json.encode(document), where="m")
        assert decode_manifest(encode_manifest(read), where="m") == read


@settings(max_examples=60)
@given(manifests(), st.data())
def test_a_manifest_with_changed_bytes_is_read_or_refused(
    manifest: Manifest, data: st.DataObject
) -> None:
    text = bytearray(encode_manifest(manifest))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(text) - 1))
        text[position] = data.draw(st.integers(0, 255))

    with contextlib.suppress(BundleError):
        read = decode_manifest(bytes(text), where="m")
        assert decode_manifest(encode_manifest(read), where="m") == read


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_contract_needs_a_real_temperature(
    contract: Callable[..., Contract], temperature: float
) -> None:
    with pytest.raises(ValueError, match="must be finite and positive"):
        contract(activation="softmax", temperature=temperature)


def test_a_temperature_without_logits_is_refused(contract: Callable[..., Contract]) -> None:
    with pytest.raises(ValueError, match="temperature needs logits"):
        contract(activation="none", temperature=2.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "b"), ("b", "a")), (("a", "b"), ("a",)), (("ab", "c"), ("a", "bc")), (("a",), ("A",))],
)
def test_labels_that_differ_have_different_digests(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert labels_digest(one) != labels_digest(other)


def test_the_digest_of_labels_is_that_of_their_lines() -> None:
    # printf 'a\nb' | sha256sum
    expected = "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"

    assert labels_digest(("a", "b")) == expected
