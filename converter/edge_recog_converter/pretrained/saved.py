"""Networks that somebody saved with Keras, as a file `.keras`: what they have learned, used again.

    contract_beside(path)                        # how it was fed, if a build of ours made it
    saved_network(path, input_shape=(96, 96, 3)) # pictures to features, its classifier cut off

Files are not trusted (`keras_archive`). Importing this loads no TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_recog.bundle import Bundle
from edge_recog.errors import BundleError
from edge_recog_converter.errors import PretrainedError
from edge_recog_converter.pretrained.downloading import first_line
from edge_recog_converter.pretrained.keras_archive import check_archive

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog.preprocessing import Preprocessing

RUN_NETWORK: Final = "model.keras"
"""What a build calls the network in its run's folder."""
_FLOAT: Final = "-float.tflite"
_SCORES: Final = ("softmax", "sigmoid")
_NO_SCORES: Final = "linear"
_NOTHING_AT_INFERENCE: Final = frozenset(
    {
        "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise",
        "Identity", "SpatialDropout1D", "SpatialDropout2D",
    }
)  # fmt: skip
_POOLS: Final = frozenset(
    {
        "Flatten", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
    }
)  # fmt: skip
"""Layers whose output is features, where no classifier follows."""


def contract_beside(path: Path) -> Preprocessing | None:
    """Return how a saved network is fed, if a model file of the same build lies beside it.

    That is NAME-float.tflite for NAME.keras; for `model.keras`, as in a run's folder, the only
    *-float.tflite. Layers of the network that normalise are part of the network, not of this.

    Raises:
        PretrainedError: There are several, or the one there cannot be read.
    """
    bundle = bundle_beside(path)
    return None if bundle is None else bundle.contract.preprocessing


def bundle_beside(path: Path) -> Bundle | None:
    """Return the float model file of the build that saved a network; errors as `contract_beside`.

    Its labels are those of the network's classifier, in the order of its output.
    """
    if path.name == RUN_NETWORK:
        found = sorted(path.parent.glob(f"*{_FLOAT}"))
    else:
        own = path.with_name(f"{path.stem}{_FLOAT}")
        found = [own] if own.is_file() else []
    if not found:
        return None
    if len(found) > 1:
        raise PretrainedError(
            f"beside {path} are {len(found)} model files, such as {found[0].name} and "
            f"{found[1].name}: leave the one of the same build, or name both alike"
        )
    try:
        bundle = Bundle.open(found[0])
    except BundleError as error:
        raise PretrainedError(f"the contract of {path} cannot be read: {error}") from error
    if bundle.manifest is None:
        raise PretrainedError(f"{found[0]} beside {path} is of another maker: move it elsewhere")
    return bundle


def saved_network(
    path: Path, *, input_shape: tuple[int, int, int], classes: int | None = None
) -> Any:
    """Return a saved network as one plain functional `keras.Model` on pictures of `input_shape`.

    It has no models within models and no augmentation (`flattening`). Of a classifier at the end
    (Dense, with or without softmax or sigmoid) at most the Dense layer stays, as `logits`.

    Args:
        path: A `.keras` file, sequential or functional. Nothing in it is run.
        input_shape: Height, width and channels, the latter as in the file. Other sizes than the
            file's work where no weight depends on the size.
        classes: Keep the classifier, which must have so many; None cuts it off, and returns
            features (batch, size).

    Raises:
        PretrainedError: The file cannot be loaded, does not take such pictures, or does not end
            as a classifier or in pooled features.
    """
    version = check_archive(path)
    model = _load(path, version)
    shape = _checked_input(path, model, input_shape)
    network = _rebuild(path, model, shape, input_shape)
    features, dense = _split(path, network)
    from edge_recog_converter._tensorflow import keras

    if classes is None:
        return keras.Model(network.input, features, name=network.name)
    if dense is None or dense.units != classes:
        has = "no classifier" if dense is None else f"a classifier of {dense.units} classes"
        raise PretrainedError(f"{path} has {has}, not one of {classes}: train a new one instead")
    logits = keras.layers.Dense(classes, name="logits")
    kept = keras.Model(network.input, logits(features), name=network.name)
    kernel, *bias = dense.get_weights()
    logits.set_weights([kernel, *(bias or [logits.get_weights()[1]])])
    return kept


def _load(path: Path, version: str) -> Any:
    from edge_recog_converter._tensorflow import keras

    try:
        return keras.models.load_model(path, safe_mode=True, compile=False)
    except Exception as error:
        # Keras tells whole configurations.
        raise PretrainedError(
            f"{path}, saved by Keras {version}, cannot be loaded by Keras {keras.__version__} "
            f"({first_line(error)}): save it again with a version that both have, or copy it again"
        ) from error


def _checked_input(
    path: Path, model: Any, wanted: tuple[int, int, int]
) -> tuple[int | None, int | None, int]:
    """Return height, width and channels as in the file; None is any.

    Raises:
        PretrainedError: It does not take one batch of pictures with the channels wanted.
    """
    try:
        inputs, outputs = len(model.inputs), len(model.outputs)
    except (AttributeError, ValueError) as error:
        raise PretrainedError(
            f"{path} does not say what it takes: give the model a keras.Input and save it again"
        ) from error
    if (inputs, outputs) != (1, 1):
        raise PretrainedError(
            f"{path} has {inputs} inputs and {outputs} outputs: an image classifier has one of each"
        )
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != 3:
        raise PretrainedError(f"{path} takes {shape}, not pictures of (height, width, channels)")
    if shape[2] != wanted[2]:
        raise PretrainedError(
            f"{path} takes pictures of {shape[2]} channels, not {wanted[2]}: set input.colour to "
            "RGB or BGR for 3 and to GRAY for 1"
        )
    return shape


def _rebuild(
    path: Path,
    model: Any,
    shape: tuple[int | None, int | None, int],
    wanted: tuple[int, int, int],
) -> Any:
    from edge_recog_converter.pretrained.flattening import flattened

    try:
        network = flattened(model, wanted)
        if tuple(model.outputs[0].shape) != tuple(network.outputs[0].shape):
            raise ValueError(f"its output would be {tuple(network.outputs[0].shape)}")
    except Exception as error:
        if any(
            side is not None and side != new
            for side, new in zip(shape[:2], wanted[:2], strict=True)
        ):
            raise PretrainedError(
                f"{path} is for pictures of {shape[0]}x{shape[1]} and cannot be rebuilt for "
                f"{wanted[0]}x{wanted[1]} (height x width): set input to the former"
            ) from error
        raise PretrainedError(
            f"{path} cannot be rebuilt for pictures of {wanted[0]}x{wanted[1]} "
            f"({first_line(error)})"
        ) from error
    return network


def _split(path: Path, network: Any) -> tuple[Any, Any | None]:
    """Return the tensor of features and the Dense layer of the classifier, if there is one.

    Raises:
        PretrainedError: The network ends neither as a classifier nor in pooled features.
    """
    tensor, scored = _skip(network.output), False
    if _is_scores(_maker(tensor)):
        tensor, scored = _skip(_before(tensor)), True
    layer = _maker(tensor)
    kind = type(layer).__name__
    two = len(tensor.shape) == 2
    if kind == "Dense" and two and _activation(layer) in (_NO_SCORES, *(() if scored else _SCORES)):
        return _skip(_before(tensor)), layer
    if kind in _POOLS and two and not scored:
        return tensor, None
    activation = f" and activation {_activation(layer)}" if hasattr(layer, "activation") else ""
    raise PretrainedError(
        f"{path} ends in {kind} {layer.name!r} of output {tuple(tensor.shape[1:])}{activation}: it "
        "must end in a Dense classifier, alone or with softmax or sigmoid, or in global pooling"
    )


def _skip(tensor: Any) -> Any:
    """Return the same without the layers that do nothing to pictures."""
    while type(layer := _maker(tensor)).__name__ in _NOTHING_AT_INFERENCE or (
        type(layer).__name__ == "Activation" and _activation(layer) == _NO_SCORES
    ):
        tensor = _before(tensor)
    return tensor


def _maker(tensor: Any) -> Any:
    return tensor._keras_history.operation


def _before(tensor: Any) -> Any:
    """Return what the layer that makes `tensor` takes there: it may stand at other places too."""
    node = _maker(tensor)._inbound_nodes[tensor._keras_history.node_index]
    return node.input_tensors[0]


def _is_scores(layer: Any) -> bool:
    kind = type(layer).__name__
    return kind in ("Softmax", "Sigmoid") or (
        kind == "Activation" and _activation(layer) in _SCORES
    )


def _activation(layer: Any) -> str:
    return str(getattr(layer.activation, "__name__", type(layer.activation).__name__))
