"""Every view of the sandbox, in both modes, cell by cell against what Oracle's driver says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.oracle import IMPORTED_AT, Oracle, Row, loaded, same
from tests.sandbox.dataset.views import VIEWS

MODES = ("csv", "dataframe")


@dataclass(frozen=True)
class Loads:
    """What Oracle held, and by mode what each run told and each target holds."""

    oracle: dict[str, Counter[Row]]
    told: dict[str, dict[str, dict[str, Any]]]
    targets: dict[str, dict[str, list[dict[str, Any]]]]
    began: datetime


@pytest.fixture(scope="module")
def loads(new_house: NewHouse, oracle: Oracle) -> Loads:
    began = datetime.now(UTC)
    told, targets = {}, {}
    for mode in MODES:
        house = new_house()
        told[mode] = house.run("--all", "--mode", mode)
        targets[mode] = {name: house.target(name.lower()) for name in VIEWS}
        house.is_tidy()
    rows = {name: oracle.rows(name, spec.dates) for name, spec in VIEWS.items()}
    return Loads(rows, told, targets, began)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("view", VIEWS)
def test_the_target_holds_what_oracle_holds(loads: Loads, view: str, mode: str) -> None:
    oracle = loads.oracle[view]
    same(loaded(loads.targets[mode][view]), oracle)
    told = loads.told[mode][view]
    assert told["rows"]["extracted"] == told["rows"]["loaded"] == oracle.total() > 0
    assert (told["status"], told["error"]) == ("succeeded", None)


@pytest.mark.parametrize("view", VIEWS)
def test_every_row_says_when_it_was_imported(loads: Loads, view: str) -> None:
    for mode in MODES:
        (stamp,) = {row[IMPORTED_AT] for row in loads.targets[mode][view]}
        assert loads.began - timedelta(seconds=2) < stamp < datetime.now(UTC)
