"""ORA-01555: what Oracle's undo is too short for goes on in smaller windows, to the same table.

Every view here is loaded twice: by a house whose queries of the view end with ORA-01555 after
`FEW` rows, and by one that is left alone. Both targets must be alike, row for row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, Row, loaded, same
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox

NINE_O_CLOCK = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)  # 09:00 where the database stands
FEW = 40
ROWS = 60
STAMPS = {
    "D": ("DATE", "TO_DATE('{}', 'YYYY-MM-DD HH24:MI:SS')"),
    "T": ("TIMESTAMP(6)", "TO_TIMESTAMP('{}.250000', 'YYYY-MM-DD HH24:MI:SS.FF6')"),
    "Z": (
        "TIMESTAMP(6) WITH TIME ZONE",
        "TO_TIMESTAMP_TZ('{}.250000 +07:00', 'YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM')",
    ),
    "M": ("DATE", "TRUNC(TO_DATE('{}', 'YYYY-MM-DD HH24:MI:SS'))"),
}
KEYED = {"key_columns": ["ID"], "overlap": "1 00:00:00"}
WAYS: dict[str, dict[str, Any]] = {
    "LOG": {"write_disposition": "append"},
    "VERSIONS": {"write_disposition": "append", **KEYED},
    "MERGED": {
        "write_disposition": "merge",
        "partition_column": "POSTED",
        "partition_type": "month",
        **KEYED,
    },
    "WINDOW": {"write_disposition": "replace_window", **KEYED},
    "SPAN": {"write_disposition": "replace_window", "overlap": "1 00:00:00", "load_mode": "csv"},
}
# Every way on DATE; what differs by clock, or by a stamp without time of day, on the others.
VIEWS = [
    *(f"D_{way}" for way in WAYS),
    *("T_LOG", "Z_MERGED", "M_SPAN"),
]


class Clock:
    """The database's clock."""

    def __init__(self) -> None:
        self.now = NINE_O_CLOCK

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Scene:
    """Two houses over one ERP: one that meets ORA-01555, and one that does not."""

    troubled: House
    quiet: House
    oracle: Oracle
    clock: Clock

    def change(self, *statements: str) -> None:
        """Run statements on each ledger; {at:TIME} is its stamp of that time."""
        self.oracle.execute(
            *(
                statement.format(ledger=f"ERP.LEDGER_{letter}", at=Stamp(letter))
                for letter in STAMPS
                for statement in statements
            )
        )

    def too_old(self, row: int = FEW, **limits: object) -> None:
        """Let each query of the ledgers' views that has more rows end with ORA-01555."""
        self.oracle.sandbox.faults.set(
            "error_at_row", row=row, code=1555, match='"ERP"."', **limits
        )

    def load(self, *arguments: str) -> dict[str, list[dict[str, Any]]]:
        """Load all views in both houses and compare; the runs of the troubled one, by view."""
        self.too_old()
        runs = every_run(self.troubled, *arguments)
        self.oracle.sandbox.faults.clear()
        self.quiet.run(*arguments)
        for view in runs:
            same(contents(self.troubled, view), contents(self.quiet, view))
            assert self.troubled.watermark(view) == self.quiet.watermark(view), view
        self.troubled.is_tidy()
        return runs


class Stamp:
    """`{at:2026-01-31 08:00:00}` inside a statement."""

    def __init__(self, letter: str) -> None:
        self.text = STAMPS[letter][1]

    def __format__(self, time: str) -> str:
        return self.text.format(time)


def every_run(house: House, *arguments: str, exit_code: int = 0) -> dict[str, list[dict[str, Any]]]:
    """The outcomes of `run`, by view, in order."""
    done = house.etl("run", *arguments, "--json")
    assert done.returncode == exit_code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
    runs: dict[str, list[dict[str, Any]]] = {}
    for run in json.loads(done.stdout)["runs"]:
        runs.setdefault(run["view"].partition(".")[2], []).append(run)
    return runs


def contents(house: House, view: str) -> Counter[Row]:
    return loaded(house.target(view.lower()))


def source(view: str) -> dict[str, object]:
    return {"view": f"ERP.{view}", "incremental_column": "CHANGED", **WAYS[view[2:]]}


@pytest.fixture(scope="module")
def scene(erp: Sandbox, new_house: NewHouse) -> Iterator[Scene]:
    clock = Clock()
    with Sandbox(100, bigquery=False, reader_password=erp.reader_password, clock=clock) as sandbox:
        oracle = Oracle(sandbox)
        for letter, (kind, _) in STAMPS.items():
            columns = {"ID": "NUMBER(10)", "AMOUNT": "NUMBER(12,2)", "POSTED": "DATE"}
            oracle.table(f"LEDGER_{letter}", columns | {"CHANGED": kind})
        for view in VIEWS:
            oracle.view(view, f"SELECT * FROM ERP.LEDGER_{view[0]}")
        houses = new_house(), new_house()
        for house in houses:
            house.sql("DELETE FROM data_source")
            house.change_store(port=sandbox.server.port)
            house.add(*map(source, VIEWS), store=STORE)
        yield Scene(*houses, oracle, clock)


@dataclass(frozen=True)
class Story:
    first: dict[str, list[dict[str, Any]]]
    increment: dict[str, list[dict[str, Any]]]
    backfill: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def story(scene: Scene) -> Story:
    """A first load, the increment after a busy week, and a backfill: all of them too long."""
    start = datetime.fromisoformat("2025-09-01 08:15")
    scene.change(
        *(
            f"INSERT INTO {{ledger}} VALUES ({n}, {n}.25, DATE '2026-02-{n % 28 + 1:02d}', "
            f"{{at:{start + timedelta(days=3 * n, minutes=7 * n)}}})"
            for n in range(ROWS)
        ),
        "INSERT INTO {ledger} VALUES (900, 1, DATE '2026-02-01', NULL)",
        "INSERT INTO {ledger} VALUES (901, 2, DATE '2026-02-02', NULL)",
        "INSERT INTO {ledger} VALUES (902, 3, DATE '2026-02-03', {at:2025-03-31 23:59:59})",
        "INSERT INTO {ledger} VALUES (903, 4, DATE '2026-02-04', {at:2026-03-10 08:59:59})",
        "INSERT INTO {ledger} VALUES (904, 5, DATE '2026-02-05', {at:2026-03-12 00:00:00})",
    )
    first = scene.load("--all")
    scene.clock.now += timedelta(days=7)
    again = datetime.fromisoformat("2026-03-10 10:00")
    scene.change(
        *(
            f"UPDATE {{ledger}} SET AMOUNT = {n}.75, CHANGED = {{at:{again + timedelta(hours=2 * n)}}} "
            f"WHERE ID = {n}"
            for n in range(1, ROWS)
        ),
        "INSERT INTO {ledger} VALUES (905, 6, DATE '2026-03-01', {at:2026-03-09 20:00:00})",  # late
        "DELETE FROM {ledger} WHERE ID = 903",
    )
    increment = scene.load("--all")
    scene.change("UPDATE {ledger} SET AMOUNT = AMOUNT + 100 WHERE ID < 40")
    backfill = scene.load("D_MERGED", "M_SPAN", "--from", "2026-03-10", "--to", "2026-03-15")
    return Story(first, increment, backfill)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("chapter", ["first", "increment"])
def test_a_load_goes_on_in_smaller_windows_that_meet(
    story: Story, scene: Scene, chapter: str, view: str
) -> None:
    """That the tables are those of one load, the story itself asserts."""
    runs = getattr(story, chapter)[view]
    assert len(runs) >= 2
    assert {run["load_type"] for run in runs} == {chapter.replace("increment", "incremental")}
    assert all(run["rows"]["extracted"] <= FEW for run in runs)
    for before, after in pairwise(runs):
        assert after["window"]["lower"] <= before["window"]["upper"]
    told = [warning for run in runs for warning in run["warnings"] if "ORA-01555" in warning]
    assert told and "further runs take the rest" in told[0]


def test_a_backfill_goes_on_in_smaller_windows(story: Story) -> None:
    for view, runs in story.backfill.items():
        assert len(runs) >= 2, view
        assert {run["watermark"] for run in runs} == {None}


def test_each_window_is_a_transaction_that_succeeded(story: Story, scene: Scene) -> None:
    transactions = scene.troubled.transactions()
    told = sum(len(runs) for chapter in vars(story).values() for runs in chapter.values())
    assert len(transactions) == told
    assert {run["status"] for run in transactions} <= {"succeeded", "no_rows"}
    assert scene.troubled.rows("log_error") == []


def test_rows_without_a_stamp_came_once(story: Story, scene: Scene) -> None:
    for view in VIEWS:
        rows = scene.troubled.query(
            f"SELECT id, COUNT(*) AS n FROM {{dataset}}.{view.lower()} WHERE id IN (900, 901) "
            "GROUP BY id ORDER BY id"
        )
        assert rows == [{"id": 900, "n": 1}, {"id": 901, "n": 1}], view


@pytest.mark.parametrize("way", ["LOG", "MERGED"])
def test_a_day_is_cut_where_some_rows_have_a_time_and_others_stand_at_midnight(
    erp: Sandbox, oracle: Oracle, house: House, way: str
) -> None:
    """A piece that holds midnights only is not taken for a day whose rows are still to come."""
    name = f"NOON_{way}"
    columns = {"ID": "NUMBER(10)", "POSTED": "DATE", "CHANGED": "DATE"}
    oracle.table(
        name,
        columns,
        *(f"{n}, DATE '2026-02-01', DATE '2026-02-10'" for n in range(10)),
        *(f"{10 + n}, DATE '2026-02-01', DATE '2026-02-10' + 18/24" for n in range(10)),
    )
    house.add({**source(f"D_{way}"), "view": f"ERP.{name}"}, store=STORE)
    erp.faults.set("error_at_row", row=12, code=1555, match=name)
    runs = every_run(house, name)[name]
    erp.faults.clear()
    assert sum(run["rows"]["loaded"] for run in runs) == 20
    assert len(runs) >= 2
    same(contents(house, name), oracle.rows(name))
    oracle.insert(name, "99, DATE '2026-02-01', SYSDATE - 1/86400")
    house.run_one(name)
    same(contents(house, name), oracle.rows(name))


# What cannot be cut --------------------------------------------------------------------------


def test_a_view_that_is_replaced_fails_and_says_what_to_do(
    erp: Sandbox, oracle: Oracle, house: House
) -> None:
    house.change("V_GL_ACCOUNTS", write_disposition="replace")
    house.run_one("V_GL_ACCOUNTS")
    erp.faults.set("error_at_row", row=5, code=1555, match="V_GL_ACCOUNTS")
    message = house.fails("V_GL_ACCOUNTS", 3, "ORA-01555")
    assert "too old" in message
    (row,) = house.rows("log_error")
    assert "cannot" in row["action"] and "undo_retention" in row["action"]


def test_a_replace_is_tried_again_while_tries_are_left(erp: Sandbox, new_house: NewHouse) -> None:
    house = new_house(ETL_ATTEMPTS="2")
    house.change("V_GL_ACCOUNTS", write_disposition="replace")
    erp.faults.set("error_at_row", row=5, code=1555, match="V_GL_ACCOUNTS", times=1)
    outcome = house.run_one("V_GL_ACCOUNTS")
    assert outcome["status"] == "succeeded"
    assert "Tried again" in outcome["warnings"][0]


def test_a_full_load_is_not_cut(erp: Sandbox, house: House) -> None:
    house.run_one("V_PROJECT_STATUS")
    erp.faults.set("error_at_row", row=5, code=1555, match="V_PROJECT_STATUS")
    house.fails("V_PROJECT_STATUS", 3, "ORA-01555", "--full")


def test_rows_of_one_second_cannot_be_told_apart(
    erp: Sandbox, oracle: Oracle, house: House
) -> None:
    """What lies before them is committed, and after the trouble the first load goes on."""
    columns = {"ID": "NUMBER(10)", "CREATED": "DATE", "CHANGED": "DATE"}
    same_second = "DATE '2026-01-15' + 1/3"
    oracle.table(
        "CROWD",
        columns,
        *(f"{n}, DATE '2026-01-01', DATE '2025-06-01' + {n * 5}" for n in range(30)),
        *(f"{100 + n}, DATE '2026-01-01', {same_second}" for n in range(30)),
        *(f"{200 + n}, DATE '2026-01-01', DATE '2026-02-01' + {n}" for n in range(10)),
        "300, DATE '2026-01-01', NULL",
        # Left out by the first load date, and changed when the first load was half done.
        "301, DATE '2020-01-01', DATE '2026-01-20'",
    )
    house.add(
        {
            "view": "ERP.CROWD",
            "write_disposition": "append",
            "incremental_column": "CHANGED",
            "first_load_column": "CREATED",
            "first_load_date": "2025-01-01",
        },
        store=STORE,
    )
    erp.faults.set("error_at_row", row=12, code=1555, match="CROWD")
    runs = every_run(house, "CROWD", exit_code=3)["CROWD"]
    assert {run["status"] for run in runs[:-1]} <= {"succeeded", "no_rows"}
    assert runs[-1]["error"]["code"] == "ORA-01555"
    before = len(house.target("crowd"))
    assert 30 <= before < 60
    erp.faults.clear()
    rest, increment = every_run(house, "CROWD")["CROWD"]
    assert (rest["load_type"], increment["load_type"]) == ("first", "incremental")
    assert any("goes on from there" in warning for warning in rest["warnings"])
    same(
        loaded(house.target("crowd")),
        oracle.rows("CROWD", where="WHERE CREATED >= DATE '2025-01-01'"),
    )
