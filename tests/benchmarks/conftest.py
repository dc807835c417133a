"""Small real models to measure, and what runs a measuring program in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_benchmarks.device.events import Burst, Ended, ModelFacts, Started, SystemFacts
from edge_recog_benchmarks.device.plan import Contestant, Plan
from edge_recog_benchmarks.results import ContestantResult, Result
from hypothesis import settings

from edge_recog.adoption import adopt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# A busy machine is no failure.
settings.register_profile("edge_recog", deadline=None)
settings.load_profile("edge_recog")


@pytest.fixture
def measuring(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls a program's `main` with a command line."""

    def run(main: Callable[[], None], *arguments: str | Path) -> Any:
        return call(main, "measuring", *arguments)

    return run


@pytest.fixture
def read_result() -> Callable[[Path], dict[str, Any]]:
    """Return what reads a result, and checks what all results have."""

    def read(path: Path) -> dict[str, Any]:
        text = path.read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        assert text.endswith("}\n")
        assert document["schema_version"] == 1
        assert document["machine"]["cores"] >= 1
        return document

    return read


@pytest.fixture(scope="session")
def mobilenets(shared_data: Path) -> Path:
    """Return a folder with MobileNetV1 0.25 as float and uint8 model, and photographs."""
    return shared_data / "mobilenet_v1_025"


@pytest.fixture(scope="session")
def uint8_model(mobilenets: Path) -> Path:
    return mobilenets / "mobilenet_v1_0.25_224_quant.tflite"


@pytest.fixture(scope="session")
def float_model(mobilenets: Path) -> Path:
    return mobilenets / "mobilenet_v1_0.25_224_1_metadata_1.tflite"


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Return what makes a result out of millisecond latencies, as if they had been measured.

    `contestants` maps a name to generations of turns of end-to-end samples, in milliseconds.
    """
    return _make_result


def _make_result(
    contestants: Mapping[str, Sequence[Sequence[Sequence[float]]]], **changes: Any
) -> Result:
    parts = []
    for name, generations in contestants.items():
        facts = {"contestant": name}
        bursts = [
            Burst(
                **facts,
                generation=generation,
                turn=turn,
                started_ns=(generation * 100 + turn) * 10**9,
                elapsed_ns=int(sum(samples) * 1e6),
                pictures=len(samples),
                samples={
                    stage: tuple(int(share * value * 1e6) for value in samples)
                    for stage, share in _SHARES.items()
                },
            )
            for generation, turns in enumerate(generations)
            for turn, samples in enumerate(turns)
        ]
        starts = [
            Started(
                **facts,
                generation=generation,
                runtime="ai-edge-litert 2.3.0 (XNNPACK, 1 thread)",
                stages=tuple(_SHARES)[:-1],
                load_ns=30_000_000,
                first_answer_ns=230_000_000,
            )
            for generation in range(len(generations))
        ]
        ends = [
            Ended(
                **facts,
                generation=start.generation,
                peak_rss_bytes=96 * 10**6,
                steady_rss_bytes=90 * 10**6,
            )
            for start in starts
        ]
        parts.append(
            ContestantResult(
                contestant=Contestant(name=name, model=f"{name}.tflite"),
                model=ModelFacts(
                    file=f"{name}.tflite",
                    name=name,
                    id=f"sha256:{64 * '0'}",
                    size_bytes=5_400_000,
                    input="[1, 224, 224, 3] uint8",
                ),
                starts=tuple(starts),
                ends=tuple(ends),
                bursts=tuple(bursts),
            )
        )
    fields: dict[str, Any] = {
        "created": "2026-11-23T12:00:00Z",
        "device": "local",
        "plan": Plan(contestants=tuple(part.contestant for part in parts)),
        "system": SystemFacts(
            governor="performance",
            max_frequency_mhz=2400.0,
            cores=4,
            board="Raspberry Pi 5 Model B Rev 1.0",
            machine={"processor": "Cortex-A76", "machine": "aarch64"},
        ),
        "contestants": tuple(parts),
        "complete": True,
    }
    return Result(**fields | changes)


_SHARES = {
    "decode": 0.2,
    "preprocess": 0.1,
    "invoke": 0.65,
    "postprocess": 0.05,
    "end_to_end": 1.0,
}


CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PERSON = ("non_person", "person")


@pytest.fixture(scope="session")
def tiny_models(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return MLPerf Tiny's classifiers with a contract: `resnet` and `vww`, float and `…_int8`.

    ResNet-8 tells CIFAR-10's ten things from pixels 0-255 as they are, VWW a person from pixels
    divided by 255. They learned from whole pictures shrunk to 32 and 96 pixels a side, which
    "linear" does not do to photographs: it skips most of their pixels.
    """
    folder = tmp_path_factory.mktemp("tiny")
    tiny = shared_data / "mlperf_tiny"
    resnet, vww = (
        tiny / task / "trained_models" for task in ("image_classification", "visual_wake_words")
    )
    sources = {
        "resnet": (resnet / "pretrainedResnet.tflite", CIFAR, 1.0),
        "resnet_int8": (resnet / "pretrainedResnet_quant.tflite", CIFAR, 1.0),
        "vww": (vww / "vww_96_float.tflite", PERSON, 255.0),
        "vww_int8": (vww / "vww_96_int8.tflite", PERSON, 255.0),
    }
    models = {}
    for name, (source, labels, std) in sources.items():
        models[name] = folder / f"{name}.tflite"
        adopted = adopt(
            source.read_bytes(),
            where=name,
            labels=labels,
            mean=(0.0,),
            std=(std,),
            crop="stretch",
            interpolation="area",
        )
        models[name].write_bytes(adopted)
    return models
