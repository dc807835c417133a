"""Naming, loading and losing accelerators."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import DelegateError, InterpreterError, UsageError
from edge_recog.interpreters import DelegateSpec, open_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def edge_tpu_model(shared_data: Path) -> bytes:
    path = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    return path.read_bytes()


@pytest.mark.parametrize(
    ("text", "library", "options"),
    [
        ("edgetpu", "libedgetpu.so.1", {}),
        ("edgetpu:usb", "libedgetpu.so.1", {"device": "usb"}),
        ("edgetpu:usb:0", "libedgetpu.so.1", {"device": "usb:0"}),
        ("edgetpu:pci:1", "libedgetpu.so.1", {"device": "pci:1"}),
        ("/usr/lib/libfoo.so", "/usr/lib/libfoo.so", {}),
        ("libfoo.so.2.1?a=1&b=x%20y", "libfoo.so.2.1", {"a": "1", "b": "x y"}),
    ],
)
def test_a_delegate_is_named_by_text(
    monkeypatch: pytest.MonkeyPatch, text: str, library: str, options: dict[str, str]
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert DelegateSpec.parse(text) == DelegateSpec(library, options)


@pytest.mark.parametrize(
    ("platform", "library"), [("darwin", "libedgetpu.1.dylib"), ("win32", "edgetpu.dll")]
)
def test_the_edge_tpu_library_has_another_name_elsewhere(
    monkeypatch: pytest.MonkeyPatch, platform: str, library: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert DelegateSpec.parse("edgetpu").library == library


@pytest.mark.parametrize(
    "text",
    [
        *("", "edgtpu", "edgetpu:", "edgetpu:usb:", "edgetpu:usb:x", "edgetpu:gpu"),
        *("edgetpu?device=usb", "/usr/lib/foo", "?a=b"),
        *("libfoo.so?", "libfoo.so?a", "libfoo.so?=1", "libfoo.so?a=1&"),
    ],
)
def test_any_other_text_is_a_usage_error_naming_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match=r"names no delegate: use edgetpu, .*libdelegate\.so\?"):
        DelegateSpec.parse(text)


def test_an_option_given_twice_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="an option twice"):
        DelegateSpec.parse("libfoo.so?a=1&a=2")


@given(st.text())
def test_parsing_raises_nothing_but_usage_errors(text: str) -> None:
    try:
        spec = DelegateSpec.parse(text)
    except UsageError:
        return
    assert spec.library


def test_a_delegate_is_shown_by_file_name_and_options() -> None:
    assert str(DelegateSpec("/opt/libfoo.so", {"a": "1", "b": "2"})) == "libfoo.so (a=1, b=2)"
    assert str(DelegateSpec("libedgetpu.so.1")) == "libedgetpu.so.1"


def test_an_edge_tpu_model_runs_on_its_delegate(
    edge_tpu_model: bytes, fake_delegate: Path, delegate_count: Callable[[str], int]
) -> None:
    invoked = delegate_count("invoked")
    spec = DelegateSpec(str(fake_delegate), {"device": "usb:0"})
    interpreter = open_interpreter(edge_tpu_model, delegate=spec)
    assert delegate_count("claimed") == 1
    interpreter.input_view()[...] = np.arange(128, dtype=np.uint8)[:, np.newaxis]
    for _ in range(3):
        interpreter.invoke()
    assert delegate_count("invoked") == invoked + 3
    assert interpreter.read_output().max() == 127
    assert interpreter.runtime.endswith("(libfake.so (device=usb:0), 1 thread)")
    interpreter.close()


def test_a_delegate_may_take_an_ordinary_model_over(
    build_model: Callable[..., bytes], fake_delegate: Path, delegate_count: Callable[[str], int]
) -> None:
    invoked = delegate_count("invoked")
    interpreter = open_interpreter(
        build_model("RELU"), delegate=DelegateSpec(str(fake_delegate), {"claim": "all"})
    )
    interpreter.input_view()[...] = -1  # The fake copies, where RELU would give 0.
    interpreter.invoke()
    assert interpreter.read_output().max() == -1
    assert delegate_count("invoked") == invoked + 1


def test_an_edge_tpu_model_is_refused_where_the_delegate_takes_nothing(
    edge_tpu_model: bytes, fake_delegate: Path
) -> None:
    spec = DelegateSpec(str(fake_delegate), {"claim": "none"})
    with pytest.raises(DelegateError, match="did not take over the model's Edge TPU operations"):
        open_interpreter(edge_tpu_model, delegate=spec)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "usb:9"}, "no such device"),
        ({"colour": "red"}, "unknown option"),
        ({"fail": "create"}, "it gave no reason"),
    ],
)
def test_a_delegate_that_refuses_to_start_is_quoted(
    edge_tpu_model: bytes, fake_delegate: Path, options: dict[str, str], said: str
) -> None:
    spec = DelegateSpec(str(fake_delegate), options)
    with pytest.raises(DelegateError, match=f"refuses to start: {said}$"):
        open_interpreter(edge_tpu_model, delegate=spec)
    gc.collect()  # What the runtime's Delegate prints from `__del__` would fail the test.


@pytest.mark.parametrize(
    ("options", "where"),
    [({"device": "usb:9"}, "at device 'usb:9'"), ({"fail": "create"}, "on this machine")],
)
def test_a_missing_edge_tpu_is_said_to_be_missing(
    edge_tpu_model: bytes, fake_delegate: Path, tmp_path: Path, options: dict[str, str], where: str
) -> None:
    library = tmp_path / "libedgetpu.so.1"
    library.write_bytes(fake_delegate.read_bytes())
    with pytest.raises(DelegateError, match=f"no Edge TPU found {where}.* plugged in"):
        open_interpreter(edge_tpu_model, delegate=DelegateSpec(str(library), options))


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled model", "ordinary model"])
def test_a_delegate_that_cannot_take_the_model_is_quoted(
    edge_tpu_model: bytes, build_model: Callable[..., bytes], fake_delegate: Path, compiled: bool
) -> None:
    spec = DelegateSpec(str(fake_delegate), {"fail": "prepare"})
    with pytest.raises(DelegateError, match=r"libfake\.so .*cannot compile this graph"):
        open_interpreter(edge_tpu_model if compiled else build_model(), delegate=spec)


def test_a_lost_device_is_a_delegate_error(edge_tpu_model: bytes, fake_delegate: Path) -> None:
    spec = DelegateSpec(str(fake_delegate), {"fail": "invoke"})
    interpreter = open_interpreter(edge_tpu_model, delegate=spec)
    with pytest.raises(DelegateError, match=r"the device is gone; Node .* is it still connected"):
        interpreter.invoke()
    interpreter.close()


def test_a_model_that_is_none_is_not_blamed_on_the_delegate(fake_delegate: Path) -> None:
    spec = DelegateSpec(str(fake_delegate))
    with pytest.raises(InterpreterError, match="rejects the model") as caught:
        open_interpreter(b"no model at all", delegate=spec)
    assert not isinstance(caught.value, DelegateError)


@pytest.mark.parametrize(
    ("library", "said"),
    [
        ("/nowhere/libfoo.so", "no such file: /nowhere/libfoo.so"),
        ("libnowhere.so.7", "finds no libnowhere.so.7: give its full path"),
        ("libedgetpu.so.1", "sudo apt install libedgetpu1-std"),
        ("libm.so.6", "not a TFLite delegate: it has no tflite_plugin_create_delegate"),
    ],
)
def test_a_library_that_is_missing_or_no_delegate_is_said_to_be(
    build_model: Callable[..., bytes], library: str, said: str
) -> None:
    with pytest.raises(DelegateError, match=said):
        open_interpreter(build_model(), delegate=DelegateSpec(library))
    gc.collect()


def test_a_library_that_cannot_be_loaded_is_quoted(
    build_model: Callable[..., bytes], tmp_path: Path
) -> None:
    library = tmp_path / "libedgetpu.so.1"
    library.write_text("not a library")
    with pytest.raises(DelegateError, match=r"cannot be loaded: .*(invalid ELF|file too short)"):
        open_interpreter(build_model(), delegate=DelegateSpec(str(library)))


def test_closing_destroys_the_interpreter_and_then_the_delegate(
    edge_tpu_model: bytes, fake_delegate: Path, delegate_count: Callable[[str], int]
) -> None:
    interpreter = open_interpreter(edge_tpu_model, delegate=DelegateSpec(str(fake_delegate)))
    gc.collect()
    kernels, destroyed = delegate_count("kernels"), delegate_count("destroyed")
    interpreter.close()
    assert delegate_count("kernels") == kernels - 1
    assert delegate_count("destroyed") == destroyed + 1
    assert delegate_count("kernels freed late") == 0


def test_a_forgotten_view_keeps_the_delegate_alive(
    edge_tpu_model: bytes, fake_delegate: Path, delegate_count: Callable[[str], int]
) -> None:
    interpreter = open_interpreter(edge_tpu_model, delegate=DelegateSpec(str(fake_delegate)))
    gc.collect()
    destroyed = delegate_count("destroyed")
    view = interpreter.input_view()
    interpreter.close()
    del interpreter
    assert delegate_count("destroyed") == destroyed
    del view
    assert delegate_count("destroyed") == destroyed + 1
    assert delegate_count("kernels freed late") == 0


def test_opening_and_closing_200_times_destroys_every_delegate(
    edge_tpu_model: bytes, fake_delegate: Path, delegate_count: Callable[[str], int]
) -> None:
    gc.collect()
    alive = delegate_count("created") - delegate_count("destroyed")
    for _ in range(200):
        interpreter = open_interpreter(edge_tpu_model, delegate=DelegateSpec(str(fake_delegate)))
        interpreter.invoke()
        interpreter.close()
    assert delegate_count("created") - delegate_count("destroyed") == alive
    assert delegate_count("kernels freed late") == 0
