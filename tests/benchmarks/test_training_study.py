"""Recipes are varied by their text, data are cut, and figures are summed up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from edge_recog_benchmarks.studies.training import added, cut, summary, variant, waiting

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = 'name = "x"\nseed = 7\n\n[data]\nsplits = "folders"\n'


def test_seed_and_balance_are_put_into_the_text() -> None:
    assert variant(RECIPE, seed=9, balance="{ oversample = {} }") == (
        'name = "x"\nseed = 9\n\n[data]\nbalance = { oversample = {} }\nsplits = "folders"\n'
    )
    assert variant(RECIPE, seed=None, balance=None) == RECIPE


def test_a_line_is_put_in_place_of_the_one_with_its_key() -> None:
    text = RECIPE + "share = 0.9\nshares = 2\n"
    changed = variant(text, seed=None, balance=None, line="share = 0.0")
    assert changed == RECIPE + "share = 0.0\nshares = 2\n"
    with pytest.raises(UsageError, match="one line `epochs"):
        variant(text, seed=None, balance=None, line="epochs = 3")


@pytest.mark.parametrize(
    ("text", "seed", "balance"),
    [("x = 1\n", 1, None), ("seed = 1\n", None, "{}"), (RECIPE + "balance = {}\n", None, "{}")],
    ids=["no seed", "no data", "balance already"],
)
def test_what_cannot_be_varied_is_refused(text: str, seed: int | None, balance: str | None) -> None:
    with pytest.raises(UsageError):
        variant(text, seed=seed, balance=balance)


def test_classes_are_cut_and_the_original_stays(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("a", "b"):
            folder = tmp_path / "data" / split / label
            folder.mkdir(parents=True)
            for number in range(5):
                (folder / f"{number}.png").touch()
    copy = cut(tmp_path / "data", tmp_path / "copy", {"a": 2})
    counts = {
        f"{path.parent.name}/{path.name}": len(list(path.iterdir())) for path in copy.glob("*/*")
    }

    assert counts == {"train/a": 2, "train/b": 5, "test/a": 5, "test/b": 5}
    assert len(list((tmp_path / "data" / "train" / "a").iterdir())) == 5
    with pytest.raises(UsageError, match="no such class"):
        cut(tmp_path / "data", tmp_path / "again", {"c": 2})


def test_waiting_leaves_the_first_epoch_out() -> None:
    epochs = [{"waiting_s": waited, "seconds": 10.0} for waited in (9.0, 1.0, 2.0)]

    assert waiting({"stages": [{"kind": "train", "epochs": epochs}]}) == pytest.approx(0.15)
    assert waiting({"stages": [{"kind": "head", "epochs": epochs}]}) is None


def test_mean_and_spread_are_over_the_seeds() -> None:
    keys = ("float_top1", "int8_top1", "float_macro_f1", "int8_macro_f1", "seconds")
    told = summary([dict.fromkeys(keys, 0.5), dict.fromkeys(keys, 0.7)])

    assert told["builds"] == 2
    assert told["int8_top1"] == {"mean": 0.6, "deviation": 0.14142, "range": [0.5, 0.7]}


def test_a_study_joins_those_that_are_there(tmp_path: Path) -> None:
    out = tmp_path / "training.json"
    out.write_text(json.dumps(added(out, "one", {})))

    assert set(added(out, "two", {})["studies"]) == {"one", "two"}
    out.write_text("{}")
    with pytest.raises(UsageError, match="another file"):
        added(out, "two", {})
