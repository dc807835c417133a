"""What peers need before they can be measured: an environment, a model they read, how to feed it.

The peers and how each is fed:

- `naive`: the loop of the LiteRT guide, on the same interpreter and OpenCV as ours;
- `mediapipe`: its ImageClassifier, which feeds itself from the file's metadata;
- `openvino`: reads the .tflite file; resized and normalised by OpenCV, as ours;
- `onnxruntime`: the model converted by tf2onnx, fed likewise; 8-bit models run in QDQ form;
- `ncnn`: that model converted on by pnnx, fed by ncnn's own functions; float models only.

On x86 processors without VNNI the 8-bit kernels of OpenVINO add in 16 bits, which may saturate (its
documentation, "Saturation (overflow) issue workaround"): fast, but with other answers. The column
of equal labels is there to show such things.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from edge_recog.errors import UsageError
from edge_recog_benchmarks.device.runners.feeding import Feeding, Tensor
from edge_recog_benchmarks.environments import EnvironmentMissingError, make_environment
from edge_recog_benchmarks.peers_conversion import (
    PNNX,
    TF2ONNX,
    ConversionError,
    to_ncnn,
    to_onnx,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge_recog.bundle import Bundle
    from edge_recog.tensors import TensorSpec

_OPENCV = "opencv-python-headless>=4.8,<6"


@dataclass(frozen=True)
class Peer:
    """Another program that classifies pictures."""

    title: str
    requirements: tuple[str, ...] = ()
    """Of its environment; none for ours."""
    form: Literal["tflite", "onnx", "ncnn"] = "tflite"
    """Of the model file that it reads."""


PEERS = {
    "naive": Peer("naive loop"),
    "mediapipe": Peer("MediaPipe", ("mediapipe>=1.2,<2",)),
    "openvino": Peer("OpenVINO", ("openvino>=2026.0,<2028", _OPENCV)),
    "onnxruntime": Peer("ONNX Runtime", ("onnxruntime>=1.20,<2", _OPENCV), "onnx"),
    "ncnn": Peer("ncnn", ("ncnn>=1.0.20260101,<1.1", _OPENCV), "ncnn"),
}
"""By runner."""


@dataclass(frozen=True)
class Ready:
    """A peer that can be started with a model."""

    python: str
    """Empty for ours."""
    model: Path
    """In the form that it reads."""
    options: dict[str, str]


class Setup:
    """Makes environments and converts models, each once."""

    def __init__(self, *, environments: Path, folder: Path, say: Callable[[str], None]) -> None:
        """Make nothing yet.

        Args:
            environments: Where environments are kept.
            folder: For converted models and lists of labels.
            say: Told what takes time.
        """
        self._environments = environments
        self._folder = folder
        self._say = say
        self._pythons: dict[str, Path | EnvironmentMissingError] = {}
        self._converted: dict[tuple[str, str], Path | ConversionError] = {}

    def ready(self, runner: str, bundle: Bundle, path: Path) -> Ready:
        """Return what a peer needs to run a model.

        Args:
            runner: A key of `PEERS`.
            bundle: The model.
            path: Its file.

        Raises:
            ConversionError: The model has no form that the peer reads.
            EnvironmentMissingError: The peer, or a converter, cannot be installed.
            UsageError: The model's contract asks for something that peers are not fed.
        """
        peer = PEERS[runner]
        own = self._folder / bundle.id.removeprefix("sha256:")
        own.mkdir(exist_ok=True)
        labels = own / "labels.txt"
        labels.write_text("\n".join(bundle.labels), encoding="utf-8")
        options = {"contract": contract_option(bundle, labels)}
        python = str(self._python(runner, peer.requirements)) if peer.requirements else ""
        return Ready(python, self._model(peer.form, path.absolute(), bundle.inputs, own), options)

    def _python(self, name: str, requirements: Sequence[str]) -> Path:
        if name not in self._pythons:
            try:
                self._pythons[name] = make_environment(
                    f"peers-{name}", *requirements, folder=self._environments, say=self._say
                )
            except EnvironmentMissingError as error:
                self._pythons[name] = error
        found = self._pythons[name]
        if isinstance(found, EnvironmentMissingError):
            raise found
        return found

    def _model(self, form: str, path: Path, spec: TensorSpec, folder: Path) -> Path:
        if form == "tflite":
            return path
        key = (form, folder.name)
        if key not in self._converted:
            try:
                self._converted[key] = self._convert(form, path, spec, folder)
            except ConversionError as error:
                self._converted[key] = error
        found = self._converted[key]
        if isinstance(found, ConversionError):
            raise found
        return found

    def _convert(self, form: str, path: Path, spec: TensorSpec, folder: Path) -> Path:
        if form == "onnx":
            python = self._python("tf2onnx", TF2ONNX)
            self._say(f"converting {path.name} to ONNX")
            return to_onnx(path, spec, folder, python=python)
        onnx = self._model("onnx", path, spec, folder)
        python = self._python("pnnx", PNNX)
        self._say(f"converting {path.name} to ncnn")
        return to_ncnn(onnx, spec, python=python)


def contract_option(bundle: Bundle, labels: Path) -> str:
    """Return what runners of peers take as their option `contract`.

    Args:
        bundle: The model.
        labels: A file with its labels, one a line.

    Raises:
        UsageError: Its contract asks for something that peers are not fed.
    """
    contract = bundle.contract.preprocessing
    refused = {
        "colour": contract.colour != "RGB",
        "crop": contract.crop == "letterbox",
        "layout": contract.layout != "NHWC",
    }
    for name, wrong in refused.items():
        if wrong:
            raise UsageError(
                f"{bundle.where}: its {name} is {getattr(contract, name)}, but peers are fed RGB, "
                "stretched or cropped, in the layout NHWC: measure it with edge-recog bench"
            )
    feeding = Feeding(
        height=contract.height,
        width=contract.width,
        crop=contract.crop,
        interpolation=contract.interpolation,
        mean=contract.mean,
        std=contract.std,
        input=_tensor(bundle.inputs),
        output=_tensor(bundle.outputs),
        activation=bundle.contract.activation,
        temperature=bundle.contract.temperature,
        labels=(),
    )
    return json.dumps({**asdict(feeding), "labels": str(labels)})


def _tensor(spec: TensorSpec) -> Tensor:
    q = spec.quantization
    if q is None:
        return Tensor(dtype=spec.dtype)
    return Tensor(dtype=spec.dtype, scale=q.scale, zero_point=q.zero_point)
