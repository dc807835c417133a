"""Two processes train what one does; one that is lost is told of, and all go on from its epoch.

The processes run this file.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.learning.augmentation.augmenter import augmenter_of
from edge_recog_converter.learning.augmentation.sections import Contrast, Flip, MixUp
from edge_recog_converter.learning.fitting import Fitted, fit
from edge_recog_converter.learning.objectives import OBJECTIVES
from edge_recog_converter.learning.optimizers import optimizer_of
from edge_recog_converter.learning.plans import Plan, Samples, unchanged
from edge_recog_converter.learning.sections import AdamW, Cosine, Sgd
from edge_recog_converter.learning.workers import alone, workers_from_environment

if TYPE_CHECKING:
    from edge_recog_converter.learning.workers import Workers
    from edge_recog_converter.report.document import Epoch
    from numpy.typing import NDArray

SCORE = OBJECTIVES["single-label"].score

EPOCHS = 4
PICTURES = 45
"""Batches of 23 and 22: unequal shares."""
BATCH = 24
WAIT_S = 120
KINDS = ("plain", "everything", "few")


def samples(count: int, seed: int) -> Samples:
    """Return pictures whose class is the brightest channel."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    pixels = rng.integers(0, 120, (count, 8, 8, 3))
    pixels[np.arange(count), :, :, labels] += 60
    return Samples(pixels.astype(np.uint8), np.eye(3, dtype=np.float32)[labels])


def network(kind: str) -> Any:
    """Return one without anything that joins pictures, or one with it and penalties."""
    whole = kind == "everything"
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(
        8,
        3,
        use_bias=not whole,
        kernel_initializer=keras.initializers.HeNormal(1),
        kernel_regularizer=keras.regularizers.L2(0.01) if whole else None,
        name="conv",
    )(image)
    if whole:
        x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    if whole:
        x = keras.layers.Dropout(0.2, seed=3, name="dropout")(x)
    x = keras.layers.Dense(
        3, kernel_initializer=keras.initializers.GlorotUniform(1), name="logits"
    )(x)
    return keras.Model(image, x)


def plan(kind: str, model: Any) -> Plan:
    """Return what suits the kind; `few` has batches of one picture."""
    whole = kind == "everything"
    section = (
        AdamW(learning_rate=0.02, weight_decay=0.05, clip_norm=0.5, average=0.9)
        if whole
        else Sgd(learning_rate=0.1)
    )
    count = 5 if kind == "few" else PICTURES
    size = 1 if kind == "few" else BATCH
    return Plan(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        optimizer=optimizer_of(
            section,
            Cosine(),
            variables=model.trainable_variables,
            epochs=EPOCHS,
            steps_per_epoch=-(-count // size),
        ),
        epochs=EPOCHS,
        batch_size=size,
        mean=127.5,
        std=127.5,
        order=lambda epoch: np.random.default_rng([7, epoch]).permutation(PICTURES)[:count],
        score=SCORE,
        augment=(
            augmenter_of([Flip(), Contrast(), MixUp()], image_shape=(8, 8, 3), seed=5)
            if whole
            else unchanged
        ),
        weights=np.linspace(0.5, 1.5, PICTURES).astype(np.float32) if whole else None,
    )


def trained(kind: str, **options: Any) -> tuple[Fitted, list[NDArray[Any]]]:
    model = network(kind)
    fitted = fit(model, samples(PICTURES, 1), samples(31, 2), plan(kind, model), **options)
    return fitted, [one.numpy() for one in model.variables]


def work(folder: Path) -> None:
    """Train as one of the workers that TF_CONFIG names."""
    request = json.loads((folder / "request.json").read_text())
    try:
        workers = workers_from_environment()
        _work(folder, request, workers)
    except TrainingError as error:
        print(f"TrainingError: {error}", flush=True)  # noqa: T201


def _work(folder: Path, request: dict[str, Any], workers: Workers) -> None:
    def after(epoch: Epoch) -> None:
        print(f"epoch {epoch.number}", flush=True)  # noqa: T201
        if request["wait_after"] == epoch.number and not workers.is_chief:
            signal.pause()  # Until it is killed.

    state = {"checkpoint": folder / "state", "fingerprint": request["fingerprint"]}
    for kind in request["kinds"]:
        options = state if request["keep"] else {}
        fitted, values = trained(kind, workers=workers, on_epoch=after, **options)
        told = json.dumps([[one.loss, one.validation_loss, one.score] for one in fitted.history])
        resumed = np.array(fitted.resumed_after)
        np.savez(folder / f"{kind}.npz", *values, told=np.array(told), resumed=resumed)


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for held in (one, other):
            held.bind(("127.0.0.1", 0))
        return [held.getsockname()[1] for held in (one, other)]


def started(
    folders: list[Path],
    *,
    kinds: tuple[str, ...],
    keep: bool = False,
    wait_after: int = 0,
    fingerprints: tuple[str, str] = ("a", "a"),
) -> list[subprocess.Popen[str]]:
    addresses = [f"127.0.0.1:{port}" for port in free_ports()]
    processes = []
    for index, folder in enumerate(folders):
        folder.mkdir(exist_ok=True)
        (folder / "request.json").write_text(
            json.dumps(
                {
                    "kinds": kinds,
                    "keep": keep,
                    "wait_after": wait_after,
                    "fingerprint": fingerprints[index],
                }
            )
        )
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, __file__, str(folder)],
                env=os.environ | {"TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return processes


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Return what they say; one that does not end is killed."""
    try:
        return [process.communicate(timeout=WAIT_S)[0] for process in processes]
    finally:
        for process in processes:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def assert_same(folder: Path, kind: str, *, resumed: int = 0) -> None:
    """Compare what a worker has kept with what one process learns."""
    fitted, expected = trained(kind)
    with np.load(folder / f"{kind}.npz") as kept:
        assert kept["resumed"] == resumed
        values = [kept[f"arr_{at}"] for at in range(len(expected))]
        told = json.loads(str(kept["told"]))
    np.testing.assert_allclose(
        told, [[one.loss, one.validation_loss, one.score] for one in fitted.history], rtol=1e-5
    )
    for value, one in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, one, rtol=1e-5, atol=2e-6)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of two workers that have trained every kind of network."""
    root = tmp_path_factory.mktemp("workers")
    both = [root / "0", root / "1"]
    said = ended(started(both, kinds=KINDS))
    assert all((folder / "few.npz").exists() for folder in both), said
    return both


@pytest.mark.parametrize("worker", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_two_workers_learn_what_one_process_does(
    folders: list[Path], kind: str, worker: int
) -> None:
    assert_same(folders[worker], kind)


def test_losing_a_worker_is_told_and_all_go_on_from_the_chiefs_epoch(tmp_path: Path) -> None:
    both = [tmp_path / "0", tmp_path / "1"]
    chief, other = started(both, kinds=("everything",), keep=True, wait_after=2)
    assert other.stdout is not None
    lines = []
    for line in other.stdout:
        lines.append(line)
        if line == "epoch 2\n":
            break
    stop(other)
    (said,) = ended([chief])
    assert "epoch 2" in said, lines
    assert "another worker of TF_CONFIG has ended" in said
    assert "run the same command on all of them again" in said
    assert (both[0] / "state").exists()
    assert not (both[1] / "state").exists()

    said_again = ended(started(both, kinds=("everything",), keep=True))
    assert (both[1] / "everything.npz").exists(), said_again
    for folder in both:
        assert_same(folder, "everything", resumed=2)


def test_workers_with_other_pictures_are_refused(tmp_path: Path) -> None:
    said = ended(
        started(
            [tmp_path / "0", tmp_path / "1"], kinds=("plain",), keep=True, fingerprints=("a", "b")
        )
    )
    for text in said:
        assert "worker 1 of TF_CONFIG has another recipe" in text


def test_without_tf_config_there_is_one_worker() -> None:
    workers = workers_from_environment({})
    assert workers.alone
    assert workers.is_chief
    assert workers.bounds(7) == (0, 7)
    assert alone().from_chief(b"x") == b"x"


def config(**changes: Any) -> str:
    usual = {
        "cluster": {"worker": ["a:1", "b:2"]},
        "task": {"type": "worker", "index": 0},
    }
    return json.dumps(usual | changes)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "cannot be used.*it must be like"),
        (config(task={"type": "worker"}), "missing required field `index`"),
        (config(task={"type": "ps", "index": 0}), "Invalid enum value 'ps'"),
        (config(task={"type": "worker", "index": 2}), r"task.index is 2, but .* lists 2"),
        (config(task={"type": "chief", "index": 0}), r"cluster.chief lists 0"),
        (config(cluster={"worker": ["a:1", "a:1"]}), "'a:1' must be HOST:PORT and be listed once"),
        (config(cluster={"worker": ["a:1", "b"]}), "'b' must be HOST:PORT"),
        (config(cluster={"worker": ["a:1"], "evaluator": ["b:1"]}), "Invalid enum value"),
    ],
    ids=["no JSON", "no index", "type", "index", "chief", "twice", "no port", "evaluator"],
)
def test_a_wrong_tf_config_is_explained_in_one_sentence(text: str, complaint: str) -> None:
    with pytest.raises(TrainingError, match=complaint) as caught:
        workers_from_environment({"TF_CONFIG": text})
    assert "\n" not in str(caught.value)


def test_a_cluster_of_one_is_one_process() -> None:
    assert workers_from_environment({"TF_CONFIG": config(cluster={"worker": ["a:1"]})}).alone


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        taken = held.getsockname()[1]
        addresses = [f"127.0.0.1:{taken}", f"127.0.0.1:{free_ports()[0]}"]
        environment = {"TF_CONFIG": config(cluster={"worker": addresses})}
        (tmp_path / "request.json").write_text(
            json.dumps({"kinds": [], "keep": False, "wait_after": 0, "fingerprint": ""})
        )
        process = subprocess.run(
            [sys.executable, __file__, str(tmp_path)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    assert f"nothing else uses port {taken} here" in process.stdout + process.stderr


if __name__ == "__main__":
    work(Path(sys.argv[1]))
