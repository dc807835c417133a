"""What each operator may look like: one sound example of each, and ways to break it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from edge_recog.errors import NotATfliteModelError
from edge_recog.tflite.checks import check_safe, unchecked_operators
from edge_recog.tflite.rules import ARITIES, RULES
from edge_recog.tflite.schema import TABLES, fields
from edge_recog.tflite.structure import Model, Operator, Quantization, Subgraph, Tensor

_SPEC = re.compile(r"(?P<type>\w+)\[(?P<shape>[\d,]*)\](?:\*(?P<scale>[^=?]+))?(?P<rest>.*)")


def tensor(spec: str) -> Tensor:
    """Return e.g. `int8[1,4]*0.5` (scale), `int32[2]=3,4` (constant), `float32[1,3]?-1,3`."""
    match = _SPEC.fullmatch(spec)
    assert match, spec
    shape = tuple(int(size) for size in match["shape"].split(",") if size)
    quantization = None
    if match["scale"]:
        scales = [float(scale) for scale in match["scale"].split("|")]
        zeros = np.zeros(len(scales), np.int64)
        axis = shape.index(len(scales)) if len(scales) > 1 else 0
        quantization = Quantization(np.array(scales, np.float32), zeros, axis)
    data, signature = None, ()
    if match["rest"].startswith("?"):
        signature = tuple(int(size) for size in match["rest"][1:].split(","))
    elif match["rest"]:
        values = [float(value) for value in match["rest"][1:].split(",") if value]
        dtype = match["type"]
        size = int(np.prod(shape))
        data = memoryview(np.resize(np.array(values), size).astype(dtype).tobytes())
    return Tensor(
        spec, shape, signature, match["type"], quantization, data, False, None, 0 if not data else 1
    )


@dataclass(frozen=True)
class Case:
    """An operator and its tensors; `""` stands for an input that is left out."""

    name: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    options: dict[str, Any] = field(default_factory=dict)
    options_type: str = "NONE"

    def model(self) -> Model:
        specs = [spec for spec in self.inputs if spec]
        tensors = tuple(tensor(spec) for spec in (*specs, *self.outputs))
        places = iter(range(len(specs)))
        inputs = tuple(next(places) if spec else -1 for spec in self.inputs)
        outputs = tuple(range(len(specs), len(tensors)))
        names = [f.name for f in fields(self.options_type)]
        assert set(self.options) <= set(names), names
        options = {
            f.name: f.default if f.type[0] not in "([b" or f.type == "bool" else None
            for f in fields(self.options_type)
        } | self.options
        operator = Operator(self.name, False, 1, inputs, outputs, (), self.options_type, options)
        graph_inputs = tuple(i for i in range(len(specs)) if tensors[i].data is None)
        graph = Subgraph("", tensors, graph_inputs, outputs, (operator,))
        return Model(3, "", (graph,), 2, {}, ())


def _case(name: str, inputs: str, outputs: str, type_: str = "", **options: Any) -> Case:
    return Case(
        name,
        ["" if spec == "-" else spec for spec in inputs.split()],
        outputs.split(),
        options,
        f"{type_}Options" if type_ else "NONE",
    )


_CONV = {"stride_h": 2, "stride_w": 1, "padding": 0}
_DEEP = {"stride_h": 1, "stride_w": 1, "padding": 1, "depth_multiplier": 2}
_POOL = {"stride_h": 2, "stride_w": 2, "filter_height": 3, "filter_width": 2, "padding": 1}
_UP = {"stride_h": 2, "stride_w": 2, "padding": 0}
_CUT = "StridedSlice"

SOUND = {
    "conv": _case(
        "CONV_2D", "float32[1,8,8,3] float32[4,3,3,3]=1 float32[4]=0", "float32[1,4,8,4]",
        "Conv2D", **_CONV,
    ),
    "grouped conv": _case(
        "CONV_2D", "float32[1,8,8,4] float32[6,3,3,2]=1", "float32[1,4,8,6]", "Conv2D", **_CONV
    ),
    "int8 conv": _case(
        "CONV_2D", "int8[1,8,8,3]*0.1 int8[2,3,3,3]*0.1|0.2=1 int32[2]*0.1|0.1=0",
        "int8[1,4,8,2]*0.3", "Conv2D", **_CONV,
    ),
    "dilated conv": _case(
        "CONV_2D", "float32[1,8,8,3] float32[4,3,3,3]=1 float32[4]=0", "float32[1,4,4,4]",
        "Conv2D", stride_h=1, stride_w=1, padding=1, dilation_h_factor=2, dilation_w_factor=2,
    ),
    "conv of unknown size": _case(
        "CONV_2D", "float32[1,1,1,3]?-1,-1,-1,3 float32[4,3,3,3]=1 float32[4]=0",
        "float32[1,1,1,4]?-1,-1,-1,4", "Conv2D", stride_h=1, stride_w=1, padding=1,
    ),
    "depthwise": _case(
        "DEPTHWISE_CONV_2D", "float32[1,8,8,3] float32[1,3,3,6]=1 float32[6]=0",
        "float32[1,6,6,6]", "DepthwiseConv2D", **_DEEP,
    ),
    "transposed": _case(
        "TRANSPOSE_CONV",
        "int32[4]=1,8,8,2 float32[2,3,3,5]=1 float32[1,4,4,5] float32[2]=0",
        "float32[1,8,8,2]", "TransposeConv", **_UP,
    ),
    "int8 transposed": _case(
        "TRANSPOSE_CONV", "int32[4]=1,8,8,2 int8[2,3,3,5]*0.1|0.1=1 int8[1,4,4,5]*0.1",
        "int8[1,8,8,2]*0.1", "TransposeConv", **_UP,
    ),
    "pool": _case("MAX_POOL_2D", "float32[1,9,8,3]", "float32[1,4,4,3]", "Pool2D", **_POOL),
    "dense": _case(
        "FULLY_CONNECTED", "float32[2,3,4] float32[5,4]=1 -", "float32[6,5]", "FullyConnected"
    ),
    "dense that keeps dimensions": _case(
        "FULLY_CONNECTED", "float32[2,3,4] float32[5,4]=1 float32[5]=1", "float32[2,3,5]",
        "FullyConnected", keep_num_dims=True,
    ),
    "hybrid dense": _case(
        "FULLY_CONNECTED", "float32[1,4] int8[5,4]*0.1=1 float32[5]=1", "float32[1,5]",
        "FullyConnected",
    ),
    "matrices": _case(
        "BATCH_MATMUL", "float32[7,2,3,4] float32[1,5,4]", "float32[7,2,3,5]", "BatchMatMul",
        adj_y=True,
    ),
    "turned matrices": _case(
        "BATCH_MATMUL", "int8[4,3]*0.1 int8[4,5]*0.1", "int8[3,5]*0.1", "BatchMatMul", adj_x=True
    ),
    "relu": _case("RELU", "float32[2,3]", "float32[2,3]"),
    "sigmoid": _case("LOGISTIC", "int8[4]*0.1", "int8[4]*0.00390625"),
    "leaky": _case("LEAKY_RELU", "float32[4]", "float32[4]", "LeakyRelu", alpha=0.1),
    "l2": _case("L2_NORMALIZATION", "float32[1,4]", "float32[1,4]"),
    "response": _case(
        "LOCAL_RESPONSE_NORMALIZATION", "float32[1,2,2,3]", "float32[1,2,2,3]",
        "LocalResponseNormalization", radius=2,
    ),
    "softmax": _case("SOFTMAX", "int8[1,4]*0.1", "int8[1,4]*0.00390625", "Softmax", beta=1.0),
    "cast": _case("CAST", "float32[4]", "int32[4]"),
    "quantise": _case("QUANTIZE", "float32[4]", "int8[4]*0.1"),
    "dequantise": _case("DEQUANTIZE", "int8[4]*0.1", "float32[4]"),
    "add": _case("ADD", "float32[2,1,3] float32[4,1]", "float32[2,4,3]", "Add"),
    "int8 add": _case("ADD", "int8[4]*0.1 int8[4]*0.2", "int8[4]*0.3", "Add"),
    "difference": _case("SQUARED_DIFFERENCE", "int8[4]*0.1 int8[4]*0.2", "int8[4]*0.3"),
    "less": _case("LESS", "float32[4] float32[1]=0", "bool[4]"),
    "maximum": _case("MAXIMUM", "uint8[4] uint8[4]", "uint8[4]"),
    "prelu": _case("PRELU", "float32[1,2,2,3] float32[1,1,3]=1", "float32[1,2,2,3]"),
    "select": _case("SELECT", "bool[4] float32[4,2] float32[4,2]", "float32[4,2]"),
    "select v2": _case("SELECT_V2", "bool[4,1] float32[2] float32[4,2]", "float32[4,2]"),
    "reshape": _case("RESHAPE", "float32[2,6] int32[2]=3,-1", "float32[3,4]"),
    "reshape by options": _case(
        "RESHAPE", "float32[2,6]", "float32[3,4]", "Reshape", new_shape=(3, 4)
    ),
    "reshape of a batch": _case(
        "RESHAPE", "float32[1,7]?-1,7 int32[2]=-1,42", "float32[1,42]?-1,42"
    ),
    "squeeze": _case("SQUEEZE", "float32[1,4]", "float32[4]", "Squeeze", squeeze_dims=(0,)),
    "expand": _case("EXPAND_DIMS", "float32[4] int32[1]=-1", "float32[4,1]"),
    "join": _case(
        "CONCATENATION", "float32[1,2,3] float32[1,5,3]", "float32[1,7,3]", "Concatenation",
        axis=-2,
    ),
    "pad": _case("PAD", "float32[2,3] int32[2,2]=1,0,0,2", "float32[3,5]"),
    "pad with": _case("PADV2", "float32[2,3] int32[2,2]=1,0,0,2 float32[1]=9", "float32[3,5]"),
    "mirror": _case("MIRROR_PAD", "float32[2,3] int32[2,2]=1,0,0,2", "float32[3,5]", "MirrorPad"),
    "mean": _case("MEAN", "float32[1,4,4,3] int32[2]=1,-2", "float32[1,3]", "Reducer"),
    "mean that keeps dimensions": _case(
        "MEAN", "float32[1,4,4,3] int32[2]=1,2", "float32[1,1,1,3]", "Reducer", keep_dims=True
    ),
    "arg max": _case("ARG_MAX", "float32[2,5] int32[1]=1", "int64[2]"),
    "transpose": _case("TRANSPOSE", "float32[2,3,4] int32[3]=2,0,1", "float32[4,2,3]"),
    "strided slice": _case(
        "STRIDED_SLICE",
        "float32[5,6,7,8] int32[3]=1,-1,0 int32[3]=5,0,1 int32[3]=2,-2,1", "float32[2,3,8]",
        _CUT, shrink_axis_mask=4,
    ),
    "strided slice of all": _case(
        "STRIDED_SLICE", "float32[5] int32[1]=3 int32[1]=1 int32[1]=1", "float32[5]", _CUT,
        begin_mask=1, end_mask=1,
    ),
    "new axis": _case(
        "STRIDED_SLICE", "float32[5] int32[1]=0 int32[1]=0 int32[1]=1", "float32[1,5]", _CUT,
        new_axis_mask=1,
    ),
    "slice": _case("SLICE", "float32[5,6] int32[2]=1,2 int32[2]=-1,3", "float32[4,3]"),
    "split": _case(
        "SPLIT", "int32[1]=1 float32[2,6]", "float32[2,3] float32[2,3]", "Split", num_splits=2
    ),
    "split v": _case(
        "SPLIT_V", "float32[2,6] int32[2]=1,-1 int32[1]=1", "float32[2,1] float32[2,5]", "SplitV",
        num_splits=2,
    ),
    "pack": _case(
        "PACK", "float32[2] float32[2] float32[2]", "float32[2,3]", "Pack", values_count=3, axis=1
    ),
    "unpack": _case("UNPACK", "float32[2,3]", "float32[3] float32[3]", "Unpack", num=2, axis=0),
    "gather": _case(
        "GATHER", "float32[5,6] int32[2]=4,0", "float32[5,2]", "Gather", axis=-1
    ),
    "batched gather": _case(
        "GATHER", "float32[5,6] int32[5,2]", "float32[5,2]", "Gather", axis=1, batch_dims=-1
    ),
    "resize": _case(
        "RESIZE_BILINEAR", "float32[1,4,4,3] int32[2]=8,9", "float32[1,8,9,3]", "ResizeBilinear"
    ),
    "depth to space": _case(
        "DEPTH_TO_SPACE", "float32[1,2,3,8]", "float32[1,4,6,2]", "DepthToSpace", block_size=2
    ),
    "space to depth": _case(
        "SPACE_TO_DEPTH", "float32[1,4,6,2]", "float32[1,2,3,8]", "SpaceToDepth", block_size=2
    ),
    "space to batch": _case(
        "SPACE_TO_BATCH_ND", "float32[1,3,4,2] int32[2]=2,2 int32[2,2]=1,0,0,0",
        "float32[4,2,2,2]",
    ),
    "batch to space": _case(
        "BATCH_TO_SPACE_ND", "float32[4,2,2,2] int32[2]=2,2 int32[2,2]=1,0,0,0",
        "float32[1,3,4,2]",
    ),
    "space to unknown batch": _case(
        "SPACE_TO_BATCH_ND", "float32[1,3,4,2]?-1,3,4,2 int32[2]=2,2 int32[2,2]=1,0,0,0",
        "float32[1,2,2,2]?-1,2,2,2",
    ),
    "shape": _case("SHAPE", "float32[1,2,3]", "int32[3]", "Shape"),
    "tile": _case("TILE", "float32[2,3] int32[2]=2,1", "float32[4,3]"),
    "broadcast": _case("BROADCAST_TO", "float32[3] int32[2]=2,3", "float32[2,3]"),
    "fill": _case("FILL", "int32[2]=2,3 float32[1]=4", "float32[2,3]"),
    "top": _case("TOPK_V2", "float32[1,9] int32[1]=3", "float32[1,3] int32[1,3]"),
    "svdf": _case(
        "SVDF", "float32[1,3] float32[4,3]=1 float32[4,2]=1 - float32[1,8]", "float32[1,4]",
        "SVDF",
    ),
    "unheard of": _case("STABLEHLO_CBRT", "float32[4]", "float32[4]"),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_operator_is_accepted(name: str) -> None:
    check_safe(SOUND[name].model())


def _broken(name: str, reason: str, **changes: Any) -> Any:
    """Return a sound case with other inputs, outputs, options_type or single options."""
    case = SOUND[name]
    for key in ("inputs", "outputs"):
        if key in changes:
            specs = ["" if spec == "-" else spec for spec in changes.pop(key).split()]
            case = replace(case, **{key: specs})
    if "options_type" in changes:
        case = replace(case, options={}, options_type=changes.pop("options_type"))
    case = replace(case, options=case.options | changes)
    return pytest.param(case, reason, id=f"{name}: {reason}")


BROKEN = [
    _broken("conv", "stride", stride_h=0),
    _broken("conv", "dilation", dilation_w_factor=-1),
    _broken("conv", "padding 7", padding=7),
    _broken("conv", "activation", fused_activation_function=6),
    _broken("conv", "where Conv2DOptions", options_type="Pool2DOptions"),
    _broken("conv", "should be", outputs="float32[1,4,8,5]"),
    _broken("conv", "for 3 channels", inputs="float32[1,8,8,3] float32[4,3,3,2]=1 float32[4]=0"),
    _broken("conv", "for 4 channels", inputs="float32[1,8,8,3] float32[4,3,3,3]=1 float32[3]=0"),
    _broken("conv", "biases", inputs="float32[1,8,8,3] float32[4,3,3,3]=1 float32[2,2]=0"),
    _broken("conv", "adds int32", inputs="float32[1,8,8,3] float32[4,3,3,3]=1 int32[4]=0"),
    _broken("conv", "multiplies", inputs="float32[1,8,8,3] int32[4,3,3,3]=1 float32[4]=0"),
    _broken("conv", "without scales", inputs="float32[1,8,8,3] int8[4,3,3,3]=1 float32[4]=0"),
    _broken("conv", "cannot use", inputs="float32[8,8,3] float32[4,3,3,3]=1 float32[4]=0"),
    _broken("conv", "has 1 inputs", inputs="float32[1,8,8,3]"),
    _broken("conv", "lacks input 2", inputs="float32[1,8,8,3] float32[4,3,3,3]=1 -"),
    _broken("conv", "makes float16", outputs="float16[1,4,8,4]"),
    _broken("conv", "has 2 outputs", outputs="float32[1,4,8,4] float32[1,4,8,4]"),
    _broken("grouped conv", "channels", inputs="float32[1,8,8,5] float32[6,3,3,2]=1"),
    _broken("int8 conv", "needs one scale", outputs="int8[1,4,8,2]"),
    _broken(
        "int8 conv", "scales along axis",
        inputs="int8[1,8,8,3]*0.1 int8[2,3,3,3]*0.1|0.2|0.3=1 int32[2]*0.1|0.1=0",
    ),
    _broken("dilated conv", "window of 9", dilation_h_factor=4),
    _broken("depthwise", "for 3 channels", depth_multiplier=3),
    _broken("depthwise", "inputs", inputs="float32[1,8,8,3] float32[1,3,3,6]=1"),
    _broken(
        "depthwise", "would take hours", outputs="float32[1,8192,8192,1]", depth_multiplier=1,
        padding=0,
        inputs="float32[1,8192,8192,1] float32[1,129,129,1]=1 float32[1]=0",
    ),
    _broken(
        "transposed", "for 4 channels",
        inputs="int32[4]=1,8,8,2 float32[2,3,3,5]=1 float32[1,4,4,4]",
    ),
    _broken(
        "transposed", "multiplies", inputs="int32[4]=1,8,8,2 int32[2,3,3,5]=1 float32[1,4,4,5]"
    ),
    _broken(
        "transposed", "biases",
        inputs="int32[4]=1,8,8,2 float32[2,3,3,5]=1 float32[1,4,4,5] float32[3]=0",
    ),
    _broken("transposed", "makes", outputs="float32[1,9,8,2]"),
    _broken(
        "transposed", "should be", inputs="int32[4]=1,7,8,2 float32[2,3,3,5]=1 float32[1,4,4,5]"
    ),
    _broken(
        "transposed", "is told", inputs="int32[3]=1,8,8 float32[2,3,3,5]=1 float32[1,4,4,5]"
    ),
    _broken(
        "int8 transposed", "do not fit",
        inputs="int32[4]=1,8,8,2 int8[2,3,3,5]=1 int8[1,4,4,5]*0.1",
    ),
    _broken("pool", "window", filter_height=0),
    _broken("pool", "should be", filter_width=4),
    _broken("dense", "shuffled", weights_format=1),
    _broken("dense", "weights", inputs="float32[2,3,4] float32[5,7]=1 -"),
    _broken("dense", "should be", outputs="float32[2,3,5]"),
    _broken(
        "dense that keeps dimensions", "weights",
        inputs="float32[2,3,4] float32[5,6]=1 float32[5]=1",
    ),
    _broken("matrices", "multiplies", adj_y=False),
    _broken("matrices", "combines", inputs="float32[7,2,3,4] float32[3,5,4]"),
    _broken("matrices", "int32 with", inputs="int32[7,2,3,4] float32[1,5,4]"),
    _broken("matrices", "int16 with", inputs="int16[7,2,3,4]*0.1 int8[1,5,4]*0.1"),
    _broken("matrices", "without scales", inputs="float32[7,2,3,4] int8[1,5,4]"),
    _broken("turned matrices", "makes float32", outputs="float32[3,5]"),
    _broken("relu", "should be", outputs="float32[3,2]"),
    _broken("relu", "has 2 inputs", inputs="float32[2,3] float32[2,3]"),
    _broken("sigmoid", "needs one scale", outputs="int8[4]"),
    _broken("leaky", "not finite", alpha=float("nan")),
    _broken("response", "radius", radius=-1),
    _broken("softmax", "steepness", beta=float("inf")),
    _broken("softmax", "makes float32", outputs="float32[1,4]"),
    _broken("cast", "should be", outputs="int32[5]"),
    _broken("quantise", "quantise to", outputs="int8[4]"),
    _broken("quantise", "quantise from", inputs="uint8[4]"),
    _broken("dequantise", "dequantise from", inputs="int8[4]"),
    _broken("add", "combines float32", inputs="float32[4] int32[4]"),
    _broken("add", "combines the shapes", inputs="float32[2,3,3] float32[4,1]"),
    _broken("add", "more than 6", inputs="float32[1,1,1,1,1,1,4] float32[4]"),
    _broken("add", "activation", fused_activation_function=-1),
    _broken("add", "makes int32", outputs="int32[2,4,3]"),
    _broken("int8 add", "scales of", outputs="int8[4]*1e-8"),
    _broken("difference", "scales of", outputs="int8[4]*1e-8"),
    _broken("less", "makes float32", outputs="float32[4]"),
    _broken("maximum", "makes int8", outputs="int8[4]"),
    _broken("prelu", "makes int32", outputs="int32[1,2,2,3]"),
    _broken("select", "decides by", inputs="int8[4] float32[4,2] float32[4,2]"),
    _broken("select", "chooses by", inputs="bool[2] float32[4,2] float32[4,2]"),
    _broken("reshape", "makes", outputs="float32[3,5]"),
    _broken("reshape", "makes", inputs="float32[2,6] int32[2]=5,-1"),
    _broken("reshape", "is told", inputs="float32[2,6] int32[2]=-1,-1"),
    _broken("reshape", "must be integers", inputs="float32[2,6] float32[2]=3,4"),
    _broken("reshape by options", "ReshapeOptions belong", options_type="NONE"),
    _broken("reshape of a batch", "makes", outputs="float32[1,43]?-1,43"),
    _broken("squeeze", "makes", outputs="float32[5]"),
    _broken("squeeze", "axis 2", squeeze_dims=(2,)),
    _broken("expand", "axis 2", inputs="float32[4] int32[1]=2"),
    _broken("expand", "more than one", inputs="float32[4] int32[2]=0,0"),
    _broken("join", "joins", inputs="float32[1,2,3] float32[1,5,4]"),
    _broken("join", "axis 3", axis=3),
    _broken("join", "should be", outputs="float32[1,8,3]"),
    _broken(
        "join", "with and without", inputs="uint8[1,2,3]*0.1 uint8[1,5,3]",
        outputs="uint8[1,7,3]*0.1",
    ),
    _broken("pad", "negative", inputs="float32[2,3] int32[2,2]=-1,0,0,2"),
    _broken("pad", "paddings for 2", inputs="float32[2,3] int32[1,2]=1,0"),
    _broken("pad with", "more than one", inputs="float32[2,3] int32[2,2]=1,0,0,2 float32[2]=9,9"),
    _broken("mirror", "mirrors more", inputs="float32[2,3] int32[2,2]=2,0,0,2"),
    _broken("mean", "axis 4", inputs="float32[1,4,4,3] int32[1]=4"),
    _broken("mean", "more axes", inputs="float32[1,4,4,3] int32[9]=1"),
    _broken("mean", "empty", inputs="float32[1,0,4,3] int32[2]=1,2"),
    _broken("mean", "should be", outputs="float32[1,4]"),
    _broken("mean that keeps dimensions", "should be", keep_dims=False),
    _broken("arg max", "more than one", inputs="float32[2,5] int32[2]=0,1"),
    _broken("arg max", "makes float32", outputs="float32[2]"),
    _broken("transpose", "has the order", inputs="float32[2,3,4] int32[3]=2,0,0"),
    _broken("transpose", "has an order", inputs="float32[2,3,4] int32[2]=1,0"),
    _broken(
        "strided slice", "stride of 0",
        inputs="float32[5,6,7,8] int32[3]=1,-1,0 int32[3]=5,0,1 int32[3]=2,0,1",
    ),
    _broken(
        "strided slice", "unequal", inputs="float32[5,6] int32[2]=1,1 int32[2]=5,5 int32[1]=1"
    ),
    _broken(
        "strided slice of all", "more dimensions",
        inputs="float32[5] int32[2]=0,0 int32[2]=5,5 int32[2]=1,1",
    ),
    _broken(
        "strided slice", "takes element 9",
        inputs="float32[5,6,7,8] int32[3]=1,-1,9 int32[3]=5,0,1 int32[3]=2,-2,1",
    ),
    _broken("slice", "does not say", inputs="float32[5,6] int32[1]=1 int32[2]=-1,3"),
    _broken("slice", "takes 9", inputs="float32[5,6] int32[2]=1,2 int32[2]=-1,9"),
    _broken("split", "splits into 3", num_splits=3),
    _broken("split", "splits 7", inputs="int32[1]=1 float32[2,7]"),
    _broken("split", "more than one", inputs="int32[2]=1,0 float32[2,6]"),
    _broken("split", "should be", outputs="float32[2,3] float32[2,4]"),
    _broken("split v", "another number", num_splits=3),
    _broken("split v", "splits 6", inputs="float32[2,6] int32[2]=1,9 int32[1]=1"),
    _broken("split v", "more than one", inputs="float32[2,6] int32[2]=1,5 int32[2]=1,0"),
    _broken("pack", "packs 2", values_count=2),
    _broken("pack", "packs", inputs="float32[2] float32[2] float32[3]"),
    _broken("unpack", "unpacks 2 into 2", num=3),
    _broken("gather", "beyond 6", inputs="float32[5,6] int32[2]=6,0"),
    _broken("gather", "by float32", inputs="float32[5,6] float32[2]"),
    _broken("gather", "batch", batch_dims=3),
    _broken("resize", "both corners", align_corners=True, half_pixel_centers=True),
    _broken("resize", "resizes", inputs="float32[1,4,4,3] int32[2]=0,9"),
    _broken("resize", "no height", inputs="float32[1,4,4,3] int32[3]=8,9,1"),
    _broken("depth to space", "blocks of 0", block_size=0),
    _broken("depth to space", "blocks of 3", block_size=3),
    _broken("space to depth", "cuts 4", block_size=3),
    _broken(
        "space to batch", "blocks of", inputs="float32[1,3,4,2] int32[2]=0,2 int32[2,2]=1,0,0,0"
    ),
    _broken(
        "space to batch", "cuts", inputs="float32[1,3,4,2] int32[2]=2,2 int32[2,2]=0,0,0,0"
    ),
    _broken(
        "space to batch", "does not describe", inputs="float32[1,3,4,2] int32[1]=2 int32[1,2]=0"
    ),
    _broken(
        "batch to space", "of a batch", inputs="float32[3,2,2,2] int32[2]=2,2 int32[2,2]=1,0,0,0"
    ),
    _broken(
        "batch to space", "crops more", inputs="float32[4,2,2,2] int32[2]=2,2 int32[2,2]=5,0,0,0"
    ),
    _broken("shape", "makes float32", outputs="float32[3]"),
    _broken("tile", "negative", inputs="float32[2,3] int32[2]=-2,1"),
    _broken("tile", "does not say", inputs="float32[2,3] int32[1]=2"),
    _broken("broadcast", "combines", inputs="float32[3] int32[2]=2,4"),
    _broken("broadcast", "makes", inputs="float32[3] int32[2]=2,1"),
    _broken("broadcast", "makes", inputs="float32[1,1,3] int32[2]=2,3"),
    _broken("fill", "makes", inputs="int32[2]=-2,3 float32[1]=4"),
    _broken("fill", "more than one", inputs="int32[2]=2,3 float32[2]=4,4"),
    _broken("top", "has 1 outputs", outputs="float32[1,3]"),
    _broken("top", "lacks input 0", inputs="- int32[1]=3"),
    _broken("svdf", "where SVDFOptions", options_type="NONE"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "reason"), BROKEN)
def test_an_unsafe_operator_is_refused_with_the_reason(case: Case, reason: str) -> None:
    with pytest.raises(NotATfliteModelError, match=re.escape(reason)) as caught:
        check_safe(case.model())
    assert case.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("transposed", "int32[4] float32[2,3,3,5]=1 float32[1,4,4,5]"),
        ("pad", "float32[2,3] int32[2,2]"),
        ("mean", "float32[1,4,4,3] int32[2]"),
        ("arg max", "float32[2,5] int32[1]"),
        ("transpose", "float32[2,3,4] int32[3]"),
        ("strided slice", "float32[5,6,7,8] int32[3] int32[3]=5,0,1 int32[3]=2,-2,1"),
        ("slice", "float32[5,6] int32[2] int32[2]"),
        ("split", "int32[1] float32[2,6]"),
        ("split v", "float32[2,6] int32[2] int32[1]"),
        ("resize", "float32[1,4,4,3] int32[2]"),
        ("space to batch", "float32[1,3,4,2] int32[2] int32[2,2]=1,0,0,0"),
        ("tile", "float32[2,3] int32[2]"),
        ("broadcast", "float32[3] int32[2]"),
        ("fill", "int32[2] float32[1]=4"),
        ("expand", "float32[4] int32[1]"),
        ("reshape", "float32[2,6] int32[2]"),
        ("gather", "float32[5,6] int16[2]"),
    ],
)
def test_shapes_that_are_computed_are_left_to_the_interpreter(name: str, inputs: str) -> None:
    check_safe(replace(SOUND[name], inputs=inputs.split()).model())


def test_operators_without_a_rule_are_named() -> None:
    assert unchecked_operators(SOUND["conv"].model()) == ()
    assert unchecked_operators(SOUND["top"].model()) == ("TOPK_V2",)


def test_options_that_rules_ask_for_are_in_the_schema() -> None:
    assert not set(RULES) & set(ARITIES)
    for arity in ARITIES.values():
        assert arity.options is None or arity.options in TABLES
