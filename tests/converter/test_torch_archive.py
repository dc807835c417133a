"""Legacy torch archives: the real ones load, hostile ones are refused and run nothing."""

from __future__ import annotations

import builtins
import os
import pickle
import posix
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter.errors import PretrainedError
from edge_recog_converter.pretrained.efficientnet_lite import pretrained_archive
from edge_recog_converter.pretrained.torch_archive import (
    MAGIC_NUMBER,
    PROTOCOL_VERSION,
    parse_torch_archive,
    read_torch_archive,
)
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
FLOATS = b"ctorch\nFloatStorage\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
NO_HOOKS = b"ccollections\nOrderedDict\n)R"


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(
    elements: int, *, kind: bytes = FLOATS, count: bytes | None = None, view: bytes = b"N"
) -> bytes:
    count = number(elements) if count is None else count
    return b"(" + text("storage") + kind + text("7") + text("cpu") + count + view + b"tQ"


def tensor(
    shape: tuple[int, ...] = (2, 3),
    strides: tuple[int, ...] = (3, 1),
    *,
    offset: int = 0,
    data: bytes | None = None,
    hooks: bytes = NO_HOOKS,
) -> bytes:
    data = storage(6) if data is None else data
    arguments = number(offset) + numbers(shape) + numbers(strides) + b"\x89" + hooks
    return REBUILD + b"(" + data + arguments + b"tR"


def state(*items: tuple[str, bytes]) -> bytes:
    body = b"".join(text(name) + value for name, value in items)
    return b"\x80\x02" + NO_HOOKS + b"(" + body + b"u."


def archive(
    pickled: bytes | None = None,
    *,
    head: tuple[Any, ...] = (MAGIC_NUMBER, PROTOCOL_VERSION, SYSTEM),
    keys: Any = ("7",),
    counts: tuple[int, ...] = (6,),
    tail: bytes = b"",
) -> bytes:
    parts = [pickle.dumps(part, protocol=2) for part in head]
    parts.append(state(("w", tensor())) if pickled is None else pickled)
    parts.append(pickle.dumps(list(keys) if isinstance(keys, tuple) else keys, protocol=2))
    for count in counts:
        parts.append(struct.pack("<q", count) + np.arange(count, dtype="<f4").tobytes())
    return b"".join(parts) + tail


def test_a_tensor_comes_back_with_its_shape_and_values() -> None:
    tensors = parse_torch_archive(archive())
    assert list(tensors) == ["w"]
    assert tensors["w"].dtype == np.float32
    np.testing.assert_array_equal(tensors["w"], [[0, 1, 2], [3, 4, 5]])


def test_strides_and_offset_are_followed() -> None:
    pickled = state(("w", tensor((2, 2), (1, 2), offset=1)))
    np.testing.assert_array_equal(parse_torch_archive(archive(pickled))["w"], [[1, 3], [2, 4]])


def test_a_scalar_comes_back_without_dimensions() -> None:
    pickled = state(("w", tensor((), (), offset=5)))
    assert parse_torch_archive(archive(pickled))["w"].shape == ()


def test_tensors_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        parse_torch_archive(archive())["w"][0, 0] = 1


def test_layer_versions_are_dropped() -> None:
    pickled = state(("w", tensor()))[:-1] + b"}" + text("_metadata") + NO_HOOKS + b"sb."
    assert list(parse_torch_archive(archive(pickled))) == ["w"]


CODE = "was made to run code"
UNKNOWN = "built in an unknown way"
NO_STORAGE = "does not name a storage"
NO_COUNTS = "not made of counts"
NO_FIT = "does not fit its storage"

REFUSED = {
    "os.system": (b"cos\nsystem\n(" + text("true") + b"tR", "os.system"),
    "posix.system": (b"cposix\nsystem\n(" + text("true") + b"tR", "posix.system"),
    "builtins.eval": (b"cbuiltins\neval\n(" + text("1") + b"tR", "builtins.eval"),
    "builtins.getattr": (b"cbuiltins\ngetattr\n)R", "builtins.getattr"),
    "nested reduce": (NO_HOOKS[:-2] + b"(cos\nsystem\n(" + text("true") + b"tRtR", "os.system"),
    "reduce of a result": (NO_HOOKS + b"(" + text("true") + b"tR", "no name"),
    "reduce of a text": (text("os.system") + b"(" + text("true") + b"tR", "no name"),
    "reduce with a list": (REBUILD + b"]R", "no name"),
    "name that is not called": (b"cos\nsystem\n", "not a tensor"),
    "state of a tensor": (tensor() + b"}" + text("shape") + text("x") + b"sb", "OrderedDict"),
    "state of a name": (REBUILD + b"}" + text("__code__") + text("x") + b"sb", "OrderedDict"),
    "filled ordered dict": (NO_HOOKS[:-2] + b"](" + numbers((1, 2)) + b"e\x85R", UNKNOWN),
    "INST": (b"(" + text("true") + b"ios\nsystem\n", CODE),
    "OBJ": (b"(cos\nsystem\n" + text("true") + b"o", CODE),
    "NEWOBJ": (b"ccollections\nOrderedDict\n)\x81", CODE),
    "NEWOBJ_EX": (b"ccollections\nOrderedDict\n)}\x92", CODE),
    "STACK_GLOBAL": (text("os") + text("system") + b"\x93", CODE),
    "EXT1": (b"\x82\x01", CODE),
    "PERSID": (b"Pstorage\n", CODE),
    "value never stored": (number(1) + b"r\xff\xff\xff\xffj\xff\xff\xff\x7f", "before storing"),
    "name without an end": (b"c" + b"a" * 10_000 + b"\nb\n", "no plain name"),
    "name that is not text": (b"c\xff\xfe\nb\n", "no plain name"),
    "text that is not UTF-8": (b"X\x02\x00\x00\x00\xc3\x28", "UTF-8"),
    "text longer than the file": (b"X\xff\xff\xff\x7fab", "truncated"),
    "integer of 255 bytes": (b"\x8a\xff" + bytes(255), "255 bytes"),
    "key that is a tuple": (b"}(" + numbers((1, 2)) + number(1) + b"u", "not text"),
    "odd number of items": (b"}(" + text("a") + b"u", "not text"),
    "no mark": (b"ttt", "lacks a mark"),
    "no values": (b"(R", "runs out of values"),
    "mark for a value": (b"(q\x01", "lacks object"),
    "another protocol": (b"\x80\x05", "protocol 5"),
    "plain number": (number(1), "not a tensor"),
    "persistent text": (text("storage") + b"Q", NO_STORAGE),
    "storage of four": (
        b"(" + text("storage") + FLOATS + text("7") + text("cpu") + b"tQ",
        NO_STORAGE,
    ),
    "storage of seven": (storage(6)[:-2] + b"NtQ", NO_STORAGE),
    "storage type as text": (storage(6, kind=text("torch.FloatStorage")), NO_STORAGE),
    "storage with a view": (storage(6, view=numbers((7, 0, 6))), NO_STORAGE),
    "double storage": (storage(6, kind=b"ctorch\nDoubleStorage\n"), "use float or long"),
    "negative storage": (storage(-1), "-1 elements"),
    "absurd storage": (storage(2**31 - 1), "2147483647 elements"),
    "boolean storage": (storage(6, count=b"\x88"), "True elements"),
    "storage instead of a tensor": (storage(6), "not a tensor"),
    "tensor of nothing": (REBUILD + b")R", UNKNOWN),
    "tensor of a text": (tensor(data=text("7")), UNKNOWN),
    "hooks that are no mapping": (tensor(hooks=b"N"), "backward hooks"),
    "hooks": (tensor(hooks=NO_HOOKS + text("a") + number(1) + b"s"), "backward hooks"),
    "beyond the end": (tensor((2, 3), (3, 1), offset=1), NO_FIT),
    "stride beyond the end": (tensor((2, 3), (4, 1)), NO_FIT),
    "everything from one element": (tensor((2**30, 2**30), (0, 0)), NO_FIT),
    "negative offset": (tensor(offset=-1), NO_COUNTS),
    "negative stride": (tensor((2, 3), (-3, 1), offset=3), NO_COUNTS),
    "negative size": (tensor((-2, 3), (3, 1)), NO_COUNTS),
    "empty tensor": (tensor((0, 3), (3, 1)), "is empty"),
    "strides of another rank": (tensor((2, 3), (1,)), "dimensions"),
    "nine dimensions": (tensor((1,) * 9, (1,) * 9), "9 dimensions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_weights_do_not_need_is_refused_and_not_run(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, reason = REFUSED[name]
    ran: list[Any] = []
    for module, attribute in [(os, "system"), (posix, "system"), (builtins, "eval")]:
        monkeypatch.setattr(module, attribute, ran.append)
    with pytest.raises(PretrainedError, match=reason):
        parse_torch_archive(archive(state(("w", value))))
    assert not ran


def test_the_hostile_examples_would_run_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(posix, "system", ran.append)
    pickle.loads(b"\x80\x02" + REFUSED["posix.system"][0] + b".")
    assert ran == ["true"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04" + bytes(100),
        archive(head=(MAGIC_NUMBER + 1, PROTOCOL_VERSION, SYSTEM)),
        archive(head=("magic", PROTOCOL_VERSION, SYSTEM)),
        archive(head=(MAGIC_NUMBER, 1002, SYSTEM)),
        archive(head=(MAGIC_NUMBER, PROTOCOL_VERSION, {**SYSTEM, "little_endian": False})),
        archive(head=(MAGIC_NUMBER, PROTOCOL_VERSION, [])),
        archive(keys=()),
        archive(keys=("7", "7"), counts=(6, 6)),
        archive(keys=("7", "8"), counts=(6, 6)),
        archive(keys={"7": 1}),
        archive(keys=(7,)),
        archive(counts=(5,)),
        archive(counts=(7,)),
        archive(tail=b"\0"),
        archive(b"\x80\x02NN."),
        archive(b"\x80\x02}."),
        archive(state(("a", tensor()), ("b", tensor(data=storage(5))))),
        archive(state(("a", tensor()), ("a", tensor()))),
    ],
    ids=[
        "empty",
        "zip format",
        "another magic number",
        "no magic number",
        "another version",
        "big-endian",
        "no system",
        "no storage listed",
        "storage listed twice",
        "unknown storage listed",
        "mapping for a list",
        "numbers for names",
        "too little data",
        "too much data",
        "something after the end",
        "values left over",
        "state that is not ordered",
        "storage of two sizes",
        "name twice",
    ],
)
def test_a_wrong_layout_is_refused(data: bytes) -> None:
    with pytest.raises(PretrainedError):
        parse_torch_archive(data)


def test_every_truncation_of_a_small_archive_is_refused() -> None:
    whole = archive()
    for size in range(len(whole)):
        with pytest.raises(PretrainedError):
            parse_torch_archive(whole[:size])


@given(st.data())
def test_a_damaged_archive_loads_or_is_refused(data: st.DataObject) -> None:
    damaged = bytearray(archive(state(("a", tensor()), ("b", tensor((3, 2), (1, 3))))))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        tensors = parse_torch_archive(bytes(damaged))
    except PretrainedError:
        return
    assert all(isinstance(values, np.ndarray) for values in tensors.values())


@given(st.binary(max_size=200))
def test_any_bytes_for_a_state_load_or_are_refused(body: bytes) -> None:
    try:
        parse_torch_archive(archive(b"\x80\x02" + body))
    except PretrainedError:
        return


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PretrainedError, match=r"nothing\.pth"):
        read_torch_archive(tmp_path / "nothing.pth")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.pth"
    path.write_bytes(archive()[:-1])
    with pytest.raises(PretrainedError, match=r"broken\.pth.*truncated"):
        read_torch_archive(path)


class TensorsOfPickle(pickle.Unpickler):
    """Reads names and shapes with Python's own pickle, as a second opinion."""

    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if name == "OrderedDict" else lambda *arguments: arguments

    def persistent_load(self, pid: Any) -> Any:
        return pid


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_the_published_archives_load(variant: int) -> None:
    path = pretrained_archive(variant)
    tensors = read_torch_archive(path)
    with path.open("rb") as file:
        for _ in range(3):
            pickle.load(file)
        expected = TensorsOfPickle(file).load()
    assert list(tensors) == list(expected)
    assert [t.shape for t in tensors.values()] == [shape for _, _, shape, *_ in expected.values()]
    kernel = tensors["_conv_stem.weight"]
    assert kernel.shape == (32, 3, 3, 3)
    assert np.isfinite(kernel).all()
    variances = [t for name, t in tensors.items() if name.endswith("running_var")]
    assert all((variance >= 0).all() for variance in variances)


def test_truncations_of_a_published_archive_are_refused() -> None:
    data = pretrained_archive(0).read_bytes()
    pickled = 48_000  # the pickles end before; then comes the data of 296 storages
    sizes = [*range(0, pickled, 1000), *range(pickled, len(data), len(data) // 20), len(data) - 1]
    for size in sizes:
        with pytest.raises(PretrainedError):
            parse_torch_archive(data[:size])
