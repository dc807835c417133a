from __future__ import annotations

import numpy as np
import pytest

from edge_recog.colour_card import colour_card, golden_cards


def test_the_same_seed_gives_the_same_card() -> None:
    np.testing.assert_array_equal(colour_card(60, 80, 1), colour_card(60, 80, 1))


def test_another_seed_gives_another_card() -> None:
    assert not np.array_equal(colour_card(60, 80, 1), colour_card(60, 80, 2))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (50, 1), (3, 5), (180, 240)])
def test_cards_may_have_any_size(height: int, width: int) -> None:
    card = colour_card(height, width, 0)

    assert (card.shape, card.dtype) == ((height, width, 3), np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card[..., ::-1],
        lambda card: card[:, ::-1],
        lambda card: card[::-1],
        lambda card: card[..., [1, 0, 2]],
        lambda card: np.roll(card, 1, axis=1),
    ],
    ids=["BGR", "mirrored", "upside down", "red for green", "shifted"],
)
@pytest.mark.parametrize("index", range(4))
def test_no_change_goes_unseen(change, index: int) -> None:  # type: ignore[no-untyped-def]
    card = golden_cards()[index]

    assert np.abs(change(card).astype(int) - card).mean() > 1
