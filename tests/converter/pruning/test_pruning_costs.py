"""What models cost, held against published figures, and what fits a budget."""

from __future__ import annotations

import math
from typing import Any

import pytest
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.budgets import Budget, share_within
from edge_recog_converter.pruning.costs import Cost, LayerCost, cost_of

layers = keras.layers


@pytest.mark.parametrize(
    ("name", "side", "macs_in_millions", "parameters_in_millions"),
    [
        # https://arxiv.org/abs/1704.04861, table 4.
        ("mobilenet-v1", 224, 569, 4.2),
        # https://arxiv.org/abs/1801.04381, table 4; 3.5 million parameters as in Keras.
        ("mobilenet-v2", 224, 300, 3.5),
        # https://arxiv.org/abs/1905.02244, table 3.
        ("mobilenet-v3-small", 224, 56, 2.5),
        # https://arxiv.org/abs/1512.03385, table 1; parameters as in torchvision.
        ("resnet-18", 224, 1800, 11.7),
        # https://arxiv.org/abs/2106.14881.
        ("vit-c-1gf", 224, 1100, 4.6),
    ],
)
def test_published_figures(
    name: str, side: int, macs_in_millions: float, parameters_in_millions: float
) -> None:
    model = build_architecture(name, input_shape=(side, side, 3), classes=1000)
    cost = cost_of(model)
    assert cost.macs / 1e6 == pytest.approx(macs_in_millions, rel=0.03)
    assert cost.parameters / 1e6 == pytest.approx(parameters_in_millions, rel=0.03)
    assert cost.parameters == model.count_params()


def profiled(model: Any) -> float:
    """Multiply-accumulates of the frozen graph, by TensorFlow's own statistics."""
    from tensorflow.python.framework import ops
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda image: model(image, training=False))
    _, definition = convert_variables_to_constants_v2_as_graph(
        function.get_concrete_function(signature)
    )
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(definition, name="")
        return sum(
            ops.get_stats_for_node_def(graph, operation.node_def, "flops").value / 2
            for operation in graph.get_operations()
            if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul")
        )


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenet-v3-small", "resnet-8"])
def test_tensorflow_counts_the_same(name: str) -> None:
    # EfficientNet-Lite0 at 224x224: 385 million by either count, where its source says 407.
    model = build_architecture(name, input_shape=(64, 64, 3), classes=10)
    assert cost_of(model).macs == profiled(model)


def alone(layer: Any, *shape: int) -> LayerCost:
    image = keras.Input(shape)
    model = keras.Model(image, layer(image))
    return next(cost for cost in cost_of(model).layers if cost.layer == layer.name)


@pytest.mark.parametrize(
    ("layer", "shape", "macs", "parameters"),
    [
        (layers.Conv2D(8, 3, strides=2), (9, 9, 4), 4 * 4 * 8 * 3 * 3 * 4, 8 * 37),
        (layers.Conv2D(8, 3, groups=4), (5, 5, 4), 3 * 3 * 8 * 3 * 3, 8 * 10),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (5, 5, 4), 3 * 3 * 8 * 9, 80),
        (layers.SeparableConv2D(6, 3), (5, 5, 4), 9 * 4 * 9 + 9 * 4 * 6, 36 + 24 + 6),
        (layers.Conv1D(8, 3), (5, 4), 3 * 8 * 3 * 4, 8 * 13),
        (layers.Dense(7), (5, 4), 5 * 7 * 4, 35),
        (layers.EinsumDense("btf,fc->btc", (5, 7), bias_axes="tc"), (5, 4), 5 * 7 * 4, 28 + 35),
        (layers.EinsumDense("...f,fc->...c", 7), (5, 3, 4), 15 * 7 * 4, 28),
        (layers.BatchNormalization(), (5, 5, 4), 0, 16),
        (layers.MaxPooling2D(), (4, 4, 4), 0, 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, keras.Layer) else None,
)
def test_a_layer_costs_its_products(
    layer: Any, shape: tuple[int, ...], macs: int, parameters: int
) -> None:
    assert alone(layer, *shape) == LayerCost(layer.name, parameters, macs)


def test_attention_costs_projections_scores_and_sums() -> None:
    tokens = keras.Input((10, 6))
    attention = layers.MultiHeadAttention(2, 3, use_bias=False, name="attention")
    cost = cost_of(keras.Model(tokens, attention(tokens, tokens)))
    assert cost.macs == 4 * 10 * 6 * 6 + 2 * 10 * 10 * 6
    assert cost.parameters == 4 * 6 * 6


def test_a_layer_at_two_places_works_twice_but_is_there_once() -> None:
    image = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    cost = cost_of(keras.Model(image, shared(shared(image))))
    assert (cost.macs, cost.parameters) == (2 * 16, 20)


def test_an_open_size_is_refused_by_name() -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(4, 3, name="open")(image))
    with pytest.raises(PruningError, match="'open'"):
        cost_of(model)


def staircase(share: float) -> Cost:
    """A cost that rises in steps, as multiples of channels have it."""
    return Cost((LayerCost("all", 10 * math.ceil(share * 8) + 5, 100 * math.ceil(share * 8) + 50),))


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(macs=450), 4 / 8),
        (Budget(macs=449), 3 / 8),
        (Budget(parameters=45), 4 / 8),
        (Budget(macs=450, parameters=30), 2 / 8),
        (Budget(macs=10_000), 1.0),
    ],
    ids=str,
)
def test_the_largest_share_within_a_budget_is_found(budget: Budget, expected: float) -> None:
    share = share_within(budget, staircase)
    assert share == pytest.approx(expected, abs=1e-5)
    assert budget.allows(staircase(share))


def test_a_budget_below_the_least_is_refused() -> None:
    with pytest.raises(PruningError, match="smallest model that can be cut has 50 "):
        share_within(Budget(macs=49), staircase)


@pytest.mark.parametrize("limits", [{}, {"macs": 0}, {"macs": 5, "parameters": -1}], ids=str)
def test_a_budget_limits_something(limits: dict[str, float]) -> None:
    with pytest.raises(PruningError, match="a budget needs"):
        Budget(**limits)
