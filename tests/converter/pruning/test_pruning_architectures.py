"""Every architecture of the table, cut anywhere."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_converter.architectures import ARCHITECTURES, build_architecture
from edge_recog_converter.pruning.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIDES = {"lenet-5": 32, "resnet-8": 32, "mobilevit-xxs": 128}
WIDTHS = {"lenet-5": 1.0, "alexnet": 0.125, "vgg-11": 0.125, "vgg-16": 0.125}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest, shake: Callable[..., Any]) -> Iterator[Any]:
    name = request.param
    side = SIDES.get(name, 64)
    yield shake(
        build_architecture(
            name,
            input_shape=(side, side, 3),
            classes=12,
            width=WIDTHS.get(name, 0.25),
            dropout=0.1,
        )
    )
    gc.collect()


def test_a_cut_is_the_model_that_does_not_read_what_is_gone(
    model: Any, check_cut: Callable[..., Any]
) -> None:
    check_cut(model, seed=1, batch=1)


def test_every_architecture_has_channels_to_remove(model: Any) -> None:
    assert sum(group.channels for group in trace(model).groups) > 50
