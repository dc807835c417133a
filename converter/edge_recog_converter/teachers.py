"""Networks that others learn from: model files, saved networks, or what a recipe makes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec
import numpy as np

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.contract import Contract
from edge_recog.errors import BundleError
from edge_recog.packing import pack_bundle
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.datasets import digest_of
from edge_recog_converter.decoded import frame_of
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.exporting import tool_versions
from edge_recog_converter.learned import scale
from edge_recog_converter.learning.teaching import logits_of
from edge_recog_converter.pretrained.saved import bundle_beside, saved_network
from edge_recog_converter.quantization import convert_float
from edge_recog_converter.recipe import load_recipe
from edge_recog_converter.stages import DistillStage, Taught
from edge_recog_converter.starting import start_of
from edge_recog_converter.waypoints import Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.making import Job
    from edge_recog_converter.recipe import Recipe
    from edge_recog_converter.stages import Making

RECIPE_SUFFIX: Final = ".toml"
"""A teacher that is made first."""
_NETWORK_SUFFIX: Final = ".keras"
_FOLDER: Final = "teachers"
"""Of networks that recipes have made, in the cache."""


class BundleTeacher:
    """A model file, run as on the device."""

    def __init__(
        self, bundle: Bundle, labels: Sequence[str], *, network: Any | None = None
    ) -> None:
        """Load it.

        Args:
            bundle: The file.
            labels: The pupil's, in its order.
            network: The `keras.Model` that the file was made of, if it is known.

        Raises:
            RecipeError: It tells other labels apart.
        """
        self.name = bundle.name
        self.features = 0
        self.network = network
        self.preprocessing = bundle.contract.preprocessing
        self._classifier = Classifier.open(bundle, threads=None)
        self._order = np.array(order_of(bundle, labels))
        self._activation: Literal["softmax", "sigmoid"]
        self._activation = "softmax" if bundle.contract.task == "single-label" else "sigmoid"

    def __call__(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Teacher`."""
        pixels = np.rint(pictures.clip(0.0, 255.0)).astype(np.uint8)
        colour = self.preprocessing.colour
        scores = [self._classifier.trace(frame_of(one, colour)).scores for one in pixels]
        return logits_of(np.stack(scores)[:, self._order], self._activation)


class NetworkTeacher:
    """A Keras network in memory, a copy that nobody else can change."""

    def __init__(
        self,
        network: Any,
        preprocessing: Preprocessing,
        *,
        name: str,
        order: Sequence[int] | None = None,
        features: bool = False,
    ) -> None:
        """Copy the network.

        Args:
            network: From normalised pixels to logits, made by its layer `logits`.
            preprocessing: How it is fed.
            name: For people.
            order: Of its logits; their own if None.
            features: Give what the layer `logits` takes as well: (pictures, classes + features).
        """
        copy = keras.models.clone_model(network)
        copy.set_weights(network.get_weights())
        logits = copy.get_layer("logits")
        model = keras.Model(copy.input, [logits.output, logits.input])
        columns = list(range(logits.output.shape[-1])) if order is None else list(order)
        mean, std = scale(preprocessing)

        def ask(pictures: Any) -> Any:
            said, seen = model((pictures - mean) / std, training=False)
            said = tf.gather(said, columns, axis=1)
            return tf.concat([said, seen], axis=1) if features else said

        self.name, self.preprocessing, self.network = name, preprocessing, copy
        self.features = int(logits.input.shape[-1]) if features else 0
        self._ask = tf.function(
            ask,
            input_signature=[tf.TensorSpec((None, *network.inputs[0].shape[1:]), tf.float32)],
            autograph=False,
        )

    def __call__(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Teacher`."""
        answers: NDArray[np.float32] = self._ask(pictures).numpy()
        return answers


class Follow(Protocol):
    """Follows the stages of a recipe."""

    def __call__(self, job: Job, stages: Sequence[Making]) -> tuple[Any, Any]:
        """Return the network to logits, and what it has learned from."""


def teachers_of(
    job: Job, names: Sequence[str], *, features: bool, follow: Follow
) -> list[BundleTeacher | NetworkTeacher]:
    """Return the teachers of a stage; those of recipes are made first, once for all builds.

    Args:
        job: Of the pupil.
        names: See `DistillStage`.
        features: Wanted beside logits.
        follow: Makes teachers of recipes.

    Raises:
        RecipeError: A teacher is missing, or tells other labels apart.
        TrainingError: The training of one failed.
    """
    teachers: list[BundleTeacher | NetworkTeacher] = []
    for name in names:
        path = job.base / name
        if is_recipe(name):
            path = _followed(job, path, follow)
        bundle = teacher_bundle(path)
        size, network = bundle.contract.preprocessing, None
        if path.suffix == _NETWORK_SUFFIX:
            shape = (size.height, size.width, size.channels)
            network = saved_network(path, input_shape=shape, classes=len(bundle.labels))
        if features:
            order = order_of(bundle, job.dataset.labels)
            teachers.append(
                NetworkTeacher(network, size, name=bundle.name, order=order, features=True)
            )
        else:
            # The runtime is twice as fast as Keras.
            teachers.append(BundleTeacher(bundle, job.dataset.labels, network=network))
        job.reporter.say("teacher", f"{bundle.name}, for pictures of {size.width} x {size.height}")
    return teachers


def is_recipe(name: str) -> bool:
    """Whether a teacher is to be made first."""
    return name.endswith(RECIPE_SUFFIX)


def check_teachers(recipe: Recipe, base: Path, labels: Sequence[str]) -> str:
    """Refuse teachers that could not teach, before hours are spent; return a digest of them all.

    Args:
        recipe: Of the pupil.
        base: Folder that names of teachers are relative to.
        labels: The pupil's, in its order.

    Raises:
        RecipeError: A teacher is missing, cannot be read, or tells other labels apart.
    """
    return "".join(_checked(recipe, base, labels, ()))


def _checked(
    recipe: Recipe, base: Path, labels: Sequence[str], above: tuple[Path, ...]
) -> Iterator[str]:
    for stage in recipe.making:
        if not isinstance(stage, Taught):
            continue
        for name in stage.teachers:
            path = base / name
            if is_recipe(name):
                if path.resolve() in above:
                    raise RecipeError(f"{path}: it is its own teacher; name another")
                teacher, text = load_recipe(path)
                start = start_of(teacher, path.parent)
                if not teacher.begins_with_head:
                    start.order(labels)
                yield digest_of([text, start.digest])
                yield from _checked(teacher, path.parent, labels, (*above, path.resolve()))
                continue
            if (
                isinstance(stage, DistillStage)
                and stage.features
                and path.suffix != _NETWORK_SUFFIX
            ):
                raise RecipeError(
                    f"{path} gives scores, no features: name a {_NETWORK_SUFFIX} file of a build, "
                    "or a recipe, as the teacher, or leave features out"
                )
            order_of(teacher_bundle(path), labels)
            yield hashlib.sha256(path.read_bytes()).hexdigest()


def _followed(job: Job, path: Path, follow: Follow) -> Path:
    """Return the network that a recipe makes of the job's pictures, which is kept in the cache."""
    recipe, text = load_recipe(path)
    # The very same pictures are split in the very same way: nothing of test is learned from.
    recipe = msgspec.structs.replace(recipe, data=job.recipe.data)
    start = start_of(recipe, path.parent)
    below = check_teachers(recipe, path.parent, job.dataset.labels)
    balance = msgspec.json.encode(recipe.data).decode()
    key = digest_of([text, start.digest, below, job.pictures, balance, str(tool_versions())])
    folder = job.cache / _FOLDER / key
    network_file = folder / f"{recipe.name}{_NETWORK_SUFFIX}"
    if network_file.is_file():
        return network_file
    job.reporter.say("teacher", f"{recipe.name} is made first, by {path}")
    own = dataclasses.replace(
        job, recipe=recipe, start=start, base=path.parent, fingerprint=key, stages=[],
        way=Way(), folder=job.folder / f"teacher-{recipe.name}",
    )  # fmt: skip
    own.folder.mkdir(exist_ok=True)
    network, _ = follow(own, recipe.making)
    _keep(network, own, folder, recipe.name)
    shutil.rmtree(own.folder, ignore_errors=True)
    return network_file


def _keep(network: Any, job: Job, folder: Path, name: str) -> None:
    """Write a network and its model file into a folder, which appears whole or not at all."""
    contract = Contract(
        preprocessing=job.preprocessing, activation=job.objective.activation, task=job.dataset.task,
        thresholds=(0.5,) * job.classes if job.dataset.task == "multi-label" else None,
    )  # fmt: skip
    bundle = pack_bundle(convert_float(network), contract, job.dataset.labels, name=name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        network.save(partial / f"{name}{_NETWORK_SUFFIX}")
        (partial / f"{name}-float.tflite").write_bytes(bundle)
        with contextlib.suppress(OSError):  # Another process was faster.
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def teacher_bundle(path: Path) -> Bundle:
    """Return the model file of a teacher, which for a `.keras` file is the float one beside it.

    Raises:
        RecipeError: There is none, or it cannot be read.
    """
    if not path.is_file():
        raise RecipeError(f"{path}: there is no such teacher")
    if path.suffix != _NETWORK_SUFFIX:
        try:
            return Bundle.open(path)
        except BundleError as error:
            raise RecipeError(f"the teacher cannot be read: {error}") from error
    bundle = bundle_beside(path)
    if bundle is None:
        raise RecipeError(
            f"{path} does not say what its outputs mean, and no model file of its build lies "
            "beside it: name a model file (.tflite) with a contract as the teacher"
        )
    return bundle


def order_of(bundle: Bundle, labels: Sequence[str]) -> list[int]:
    """Return where a teacher has each of the labels.

    Raises:
        RecipeError: It does not tell the same labels apart.
    """
    missing = [label for label in labels if label not in bundle.labels]
    extra = [label for label in bundle.labels if label not in set(labels)]
    if missing or extra:
        lacks = f"does not know {missing[0]!r}" if missing else f"also knows {extra[0]!r}"
        raise RecipeError(
            f"the teacher {bundle.where} {lacks}, one of {len(missing) + len(extra)} labels that "
            f"differ: a teacher must tell the same {len(labels)} labels apart"
        )
    return [bundle.labels.index(label) for label in labels]
