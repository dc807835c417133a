"""Tensors out of a legacy torch `.pth` file, without torch and without running any of it.

The format of `torch.save` before 1.6: five pickles, then the raw data.

    pickle   magic number 0x1950a86a20f9469cfc6c
    pickle   protocol version 1001
    pickle   system information: byte order
    pickle   the state dict; each tensor's data stands as a persistent id
             ('storage', type, key, location, number of elements, None)
    pickle   list of storage keys
    data     for each key: number of elements as int64, then the elements, little-endian

Layout: `_legacy_save`, https://github.com/pytorch/pytorch/blob/v1.13.1/torch/serialization.py.
"""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter.errors import PretrainedError
from edge_recog_converter.pretrained.pickle_machine import ByteReader, Name, PickleMachine

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION: Final = 1001

_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.LongStorage": np.dtype("<i8"),
}
_LARGEST_ARCHIVE: Final = 1 << 30
"""Bytes. EfficientNet-Lite4, the largest of its family, takes 52 MB."""
_MOST_DIMENSIONS: Final = 8
_COUNT: Final = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class _Storage:
    """A block of raw data, named in the pickle and found after it."""

    key: str
    dtype: np.dtype[Any]
    count: int
    """Elements."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A window on a storage; offset and strides count elements, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return the window on `data`, the storage's elements. Bounds were checked when built."""
        strides = [step * data.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(
            data[self.offset :], self.shape, strides, writeable=False
        )


def read_torch_archive(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a legacy torch file by name, in the file's order.

    Each array is float32 or int64, has the shape that torch gave it, and is read-only. Convolution
    kernels are (out, in / groups, height, width).

    Raises:
        PretrainedError: The file cannot be read, is damaged, or holds anything but tensors.
    """
    try:
        if path.stat().st_size > _LARGEST_ARCHIVE:
            raise PretrainedError(f"{path} is larger than {_LARGEST_ARCHIVE} bytes: not weights")
        data = path.read_bytes()
    except OSError as error:
        raise PretrainedError(f"cannot read the weights {path}: {error.strerror}") from error
    try:
        return parse_torch_archive(data)
    except PretrainedError as error:
        raise PretrainedError(f"{path}: {error}") from error


def parse_torch_archive(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors of the bytes of a legacy torch file; see `read_torch_archive`.

    Raises:
        PretrainedError: The bytes are damaged, or hold anything but tensors.
    """
    reader = ByteReader(data)
    plain = PickleMachine(reader)
    if _load_integer(plain) != MAGIC_NUMBER:
        raise PretrainedError("not a legacy torch archive: its magic number is missing")
    if _load_integer(plain) != PROTOCOL_VERSION:
        raise PretrainedError(f"not version {PROTOCOL_VERSION} of the legacy torch format")
    system = plain.load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise PretrainedError("the archive's data is not said to be little-endian")

    storages = _Storages()
    constructors = {
        "collections.OrderedDict": _ordered_dict,
        "torch._utils._rebuild_tensor_v2": _tensor,
    }
    state = PickleMachine(reader, constructors=constructors, resolve=storages.resolve).load()
    if not isinstance(state, OrderedDict):
        raise PretrainedError("the archive does not hold a state dict")
    for name, tensor in state.items():
        if not isinstance(tensor, _Tensor):
            raise PretrainedError(f"{name[:80]!r} in the archive is not a tensor")
    blocks = storages.read(reader, plain.load())
    if reader.remaining:
        raise PretrainedError(f"{reader.remaining} bytes follow the archive's last tensor")
    return {name: tensor.view(blocks[tensor.storage.key]) for name, tensor in state.items()}


class _Storages:
    """The storages that a state dict refers to, each once."""

    def __init__(self) -> None:
        self._known: dict[str, _Storage] = {}

    def resolve(self, persistent_id: Any) -> _Storage:
        """Return the storage of a persistent id.

        Raises:
            PretrainedError: Not a storage's id, or at odds with an earlier one of the same key.
        """
        match persistent_id:
            case ("storage", Name(dotted), str(key), str(), int(count), None):
                pass
            case _:
                raise PretrainedError("a persistent id of the archive does not name a storage")
        dtype = _DTYPES.get(dotted)
        if dtype is None:
            raise PretrainedError(f"storage type {dotted!r} in the archive: use float or long")
        if not _is_count(count) or count * dtype.itemsize > _LARGEST_ARCHIVE:
            raise PretrainedError(f"a storage of {count} elements in the archive")
        storage = self._known.setdefault(key, _Storage(key, dtype, count))
        if storage != _Storage(key, dtype, count):
            raise PretrainedError(f"storage {key[:80]!r} is described in two ways")
        return storage

    def read(self, reader: ByteReader, keys: Any) -> dict[str, NDArray[Any]]:
        """Return each storage's elements, (count,), in the order of `keys`.

        Raises:
            PretrainedError: `keys` is not the list of all storages, or the data does not fit them.
        """
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise PretrainedError("the archive's list of storages is not a list of names")
        if len(keys) != len(set(keys)) or set(keys) != set(self._known):
            raise PretrainedError("the archive's list of storages is not that of its tensors")
        blocks = {}
        for key in keys:
            storage = self._known[key]
            count = reader.unpack(_COUNT)
            if count != storage.count:
                raise PretrainedError(
                    f"storage {key[:80]!r} holds {count} elements and should hold {storage.count}"
                )
            raw = reader.take(count * storage.dtype.itemsize)
            # A copy: aligned, in the machine's byte order, and free of the file's bytes.
            block = np.frombuffer(raw, storage.dtype).astype(storage.dtype.newbyteorder("="))
            block.flags.writeable = False
            blocks[key] = block
        return blocks


def _ordered_dict(*arguments: Any) -> OrderedDict[str, Any]:
    """Stand in for `collections.OrderedDict`, which torch calls without arguments."""
    if arguments:
        raise PretrainedError("an OrderedDict of the archive is built in an unknown way")
    return OrderedDict()


def _tensor(*arguments: Any) -> _Tensor:
    """Stand in for `torch._utils._rebuild_tensor_v2`: check the window, build nothing yet."""
    match arguments:
        case (_Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), hooks):
            pass
        case _:
            raise PretrainedError("a tensor of the archive is built in an unknown way")
    if not isinstance(hooks, OrderedDict) or hooks:
        raise PretrainedError("a tensor of the archive has backward hooks")
    if not all(_is_count(number) for number in (offset, *shape, *strides)):
        raise PretrainedError("a tensor of the archive has a shape that is not made of counts")
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise PretrainedError(f"a tensor of the archive has {len(shape)} dimensions")
    if 0 in shape:
        raise PretrainedError("a tensor of the archive is empty")
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if last >= storage.count or math.prod(shape) > storage.count:
        raise PretrainedError(
            f"a tensor of the archive, {shape} by strides {strides}, does not fit its storage of "
            f"{storage.count} elements"
        )
    return _Tensor(storage, offset, shape, strides)


def _is_count(value: Any) -> bool:
    """Whether `value` is an integer ≥ 0 that fits an index; bool does not count."""
    return type(value) is int and 0 <= value < 1 << 40


def _load_integer(machine: PickleMachine) -> int | None:
    value = machine.load()
    return value if type(value) is int else None
