"""Naming, loading and losing accelerators."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import DelegateError, InterpreterError, UsageError
from edge_recog.interpreters import DelegateSpec, delegates, open_interpreter
from edge_recog.interpreters.presence import Node
from edge_recog.processes import Holder

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
        ("edgetpu:pci", "libedgetpu.so.1", {"device": "pci"}),
        ("edgetpu:pci:1", "libedgetpu.so.1", {"device": "pci:1"}),
        ("edgetpu:1", "libedgetpu.so.1", {"device": ":1"}),
        (
            "edgetpu-max/libedgetpu.so.1?device=usb:0",
            "edgetpu-max/libedgetpu.so.1",
            {"device": "usb:0"},
        ),
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
        *("edgetpu::1", "edgetpu:usb:0:0", "edgetpu:usb:\N{ARABIC-INDIC DIGIT ONE}", "edgetpu:-1"),
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
    spec = DelegateSpec(str(fake_delegate), {"device": "usb:0"})
    interpreter = open_interpreter(edge_tpu_model, delegate=spec)
    invoked = delegate_count("invoked")
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
    interpreter = open_interpreter(
        build_model("RELU"), delegate=DelegateSpec(str(fake_delegate), {"claim": "all"})
    )
    invoked = delegate_count("invoked")
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
    ("options", "said"),
    [
        ({"device": "usb:9"}, r"Edge TPU 'usb:9' cannot be opened \(no such device\): .* on USB"),
        ({"fail": "create"}, "Edge TPU cannot be opened: the system knows none: is it plugged in"),
        ({"colour": "red"}, r"\(unknown option\)"),
    ],
)
def test_a_missing_edge_tpu_is_said_to_be_missing(
    edge_tpu_model: bytes,
    edge_tpu: Any,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr(delegates, "read_nodes", lambda: ())
    with pytest.raises(DelegateError, match=said):
        open_interpreter(edge_tpu_model, delegate=DelegateSpec(str(edge_tpu.library), options))
    gc.collect()


def test_an_edge_tpu_in_another_program_s_hands_is_said_to_be(
    edge_tpu_model: bytes, edge_tpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/dev/bus/usb/002/003"
    node = Node("usb", path, is_allowed=True, holders=(Holder(812, "frigate", path),))
    monkeypatch.setattr(delegates, "read_nodes", lambda: (node,))
    edge_tpu.pull_out()
    with pytest.raises(DelegateError, match=r"in use by frigate \(process 812\)"):
        open_interpreter(edge_tpu_model, delegate=DelegateSpec(str(edge_tpu.library)))


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled model", "ordinary model"])
def test_a_delegate_that_cannot_take_the_model_is_quoted(
    edge_tpu_model: bytes, build_model: Callable[..., bytes], fake_delegate: Path, compiled: bool
) -> None:
    spec = DelegateSpec(str(fake_delegate), {"fail": "prepare"})
    with pytest.raises(DelegateError, match=r"libfake\.so .*cannot compile this graph"):
        open_interpreter(edge_tpu_model if compiled else build_model(), delegate=spec)


def test_a_device_that_is_pulled_out_while_it_works_is_a_delegate_error(
    edge_tpu_model: bytes, edge_tpu: Any
) -> None:
    spec = DelegateSpec(str(edge_tpu.library))
    interpreter = open_interpreter(edge_tpu_model, delegate=spec)
    interpreter.invoke()
    edge_tpu.pull_out()
    for _ in range(2):
        with pytest.raises(DelegateError, match=r"the device is gone; .* is it still connected"):
            interpreter.invoke()
    interpreter.close()
    with pytest.raises(DelegateError, match="the Edge TPU cannot be opened"):
        open_interpreter(edge_tpu_model, delegate=spec)

    edge_tpu.plug_in()
    interpreter = open_interpreter(edge_tpu_model, delegate=spec)
    interpreter.invoke()
    interpreter.close()


def test_the_first_inference_is_over_before_an_accelerated_model_is_handed_over(
    edge_tpu_model: bytes, edge_tpu: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = edge_tpu.invoked()
    with caplog.at_level(logging.INFO):
        interpreter = open_interpreter(edge_tpu_model, delegate=DelegateSpec(str(edge_tpu.library)))
    assert edge_tpu.invoked() == before + 1
    assert "the first inference took" in caplog.text
    interpreter.close()


def test_who_wants_to_see_the_first_inference_gets_a_cold_model(
    edge_tpu_model: bytes, edge_tpu: Any
) -> None:
    before = edge_tpu.invoked()
    spec = DelegateSpec(str(edge_tpu.library))
    open_interpreter(edge_tpu_model, delegate=spec, warm_up=False).close()
    assert edge_tpu.invoked() == before


def test_a_model_on_the_cpu_is_not_run_before_it_is_handed_over(
    build_model: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        open_interpreter(build_model()).close()
        assert "first inference" not in caplog.text
        open_interpreter(build_model(), warm_up=True).close()
        assert "first inference" in caplog.text


def test_a_device_that_opens_but_does_not_run_is_found_out_when_the_model_is_opened(
    edge_tpu_model: bytes, fake_delegate: Path, delegate_count: Callable[[str], int]
) -> None:
    gc.collect()
    alive = delegate_count("created") - delegate_count("destroyed")
    spec = DelegateSpec(str(fake_delegate), {"fail": "invoke"})
    with pytest.raises(DelegateError, match=r"the device is gone; Node .* is it still connected"):
        open_interpreter(edge_tpu_model, delegate=spec)
    gc.collect()
    assert delegate_count("created") - delegate_count("destroyed") == alive
    assert delegate_count("kernels freed late") == 0


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
