"""`run VIEW --from --to` in chunks: a transaction each, and on where it stopped when told again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox
from tests.waiting import until

WINDOW = ("--from", "2026-01-10", "--to", "2026-05-20")
CHUNKS = [
    ("2026-01-10", "2026-02-01"),
    ("2026-02-01", "2026-03-01"),
    ("2026-03-01", "2026-04-01"),
    ("2026-04-01", "2026-05-01"),
    ("2026-05-01", "2026-05-20"),
]
# Rows by day: March alone has more than five.
DAYS = [
    "01-09",
    "01-10",
    "02-05",
    "02-28",
    *(f"03-{n:02d}" for n in range(1, 9)),
    "04-01",
    "05-19",
    "05-20",
]
INSIDE = "WHERE CHANGED >= DATE '2026-01-10' AND CHANGED < DATE '2026-05-20'"
CROWDED = {"row": 6, "match": "LONG_STORY"}
Runs = list[dict[str, Any]]


@pytest.fixture(scope="module")
def template_house(oracle: Oracle, new_house: NewHouse) -> House:
    columns = {"ID": "NUMBER(10)", "CHANGED": "DATE"}
    rows = (f"{n}, TO_DATE('2026-{day}', 'YYYY-MM-DD')" for n, day in enumerate(DAYS))
    oracle.table("LONG_STORY", columns, *rows)
    return new_house()


@pytest.fixture(params=["append", "replace_window"])
def story(template_house: House, new_house: NewHouse, request: pytest.FixtureRequest) -> House:
    """A house that loads the table without keys, where a row that came twice would be seen."""
    house = new_house()
    house.sql("DELETE FROM data_source")
    house.add(
        {
            "view": "ERP.LONG_STORY",
            "incremental_column": "CHANGED",
            "write_disposition": request.param,
            "partition_column": "CHANGED",
            "partition_type": "month",
        },
        store=STORE,
    )
    return house


def backfill(house: House, *arguments: str, exit_code: int = 0) -> Runs:
    done = house.etl("run", "LONG_STORY", *(arguments or WINDOW), "--json")
    assert done.returncode == exit_code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
    runs: Runs = json.loads(done.stdout)["runs"]
    return runs


def windows(runs: Runs) -> list[tuple[str, str]]:
    return [(run["window"]["lower"][:10], run["window"]["upper"][:10]) for run in runs]


def complete(house: House, oracle: Oracle) -> None:
    same(loaded(house.target("long_story")), oracle.rows("LONG_STORY", where=INSIDE))
    house.is_tidy()


def test_each_partition_is_a_run_of_its_own(story: House, oracle: Oracle) -> None:
    runs = backfill(story)
    assert windows(runs) == CHUNKS
    assert [run["rows"]["extracted"] for run in runs] == [1, 2, 8, 1, 1]
    assert len(story.transactions()) == 5
    assert story.watermark("LONG_STORY") == ""
    complete(story, oracle)


def test_the_same_command_goes_on_where_it_failed_and_a_finished_one_begins_anew(
    story: House, oracle: Oracle, erp: Sandbox
) -> None:
    erp.faults.set("error_at_row", code=1722, text="invalid number", **CROWDED)
    runs = backfill(story, exit_code=3)
    assert windows(runs) == CHUNKS[:3]
    assert runs[2]["error"]["code"] == "ORA-01722"
    erp.faults.clear()
    done = story.etl("run", "LONG_STORY", *WINDOW)
    assert done.returncode == 0
    assert "as far as 2026-03-01" in done.stdout
    assert "2026-03-01 00:00:00 to before 2026-04-01 00:00:00" in done.stdout
    complete(story, oracle)
    if story.source("LONG_STORY")["write_disposition"] == "replace_window":
        assert windows(backfill(story)) == CHUNKS
        complete(story, oracle)


def test_another_window_is_another_series(story: House, erp: Sandbox) -> None:
    erp.faults.set("error_at_row", code=1722, text="invalid number", **CROWDED)
    backfill(story, exit_code=3)
    erp.faults.clear()
    other = backfill(story, "--from", "2026-01-10", "--to", "2026-03-01")
    assert windows(other) == CHUNKS[:2]


@pytest.mark.parametrize("stalled", [True, False], ids=["in the third", "after the second"])
def test_a_series_that_was_killed_goes_on_without_losing_or_doubling_a_row(
    story: House, oracle: Oracle, erp: Sandbox, stalled: bool
) -> None:
    if stalled:
        erp.faults.set("stall", **CROWDED)
    process = story.installation.start("run", "LONG_STORY", *WINDOW, "--json")
    until(lambda: two_are_done(story, then_running=stalled), "two chunks", process)
    process.kill()
    process.communicate()
    erp.faults.clear()
    runs = backfill(story)
    assert windows(runs)[-1] == CHUNKS[-1]
    assert len(runs) == 3 if stalled else len(runs) <= 3
    assert all(run["status"] in ("succeeded", "no_rows") for run in runs)
    complete(story, oracle)


def two_are_done(house: House, *, then_running: bool) -> bool:
    runs = house.transactions()
    two = sum(run["status"] == "succeeded" for run in runs) >= 2
    return two and (not then_running or runs[-1]["status"] == "running")
