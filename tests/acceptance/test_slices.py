"""`--slices N`: one view over several connections, each in a process, to the table of one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox
from tests.waiting import finish, lives, until

ROWS = 90
NEVER = "DATE '4712-12-31'"
# Per table: the column that it is sliced by is the date, a number, or a hash of the key.
SPREAD = "DATE '2025-01-01' + {n} * 4"
TABLES: dict[str, tuple[str, dict[str, object]]] = {
    "BY_DATE": (SPREAD, {"incremental_column": "CHANGED", "write_disposition": "merge"}),
    # One migration has stamped nearly all rows alike, as migrations do.
    "BY_HASH": (
        "CASE WHEN {n} < 80 THEN DATE '2025-06-01' ELSE DATE '2025-01-01' + {n} END",
        {"incremental_column": "CHANGED", "write_disposition": "merge"},
    ),
    "BY_NUMBER": (SPREAD, {"write_disposition": "replace"}),
    "BY_A_NUMBER_THAT_IS_NO_KEY": (SPREAD, {"write_disposition": "replace", "key_columns": []}),
}
COLUMNS = {"ID": "NUMBER(10)", "AMOUNT": "NUMBER", "CHANGED": "DATE", "REMARK": "VARCHAR2(40)"}
ODD = (
    "1001, 1.5, NULL, NULL",
    f"1002, 2.5, {NEVER}, 'ไทย'",
    "-7, 3.5, DATE '1899-12-31', 'old'",
)


@pytest.fixture(scope="module")
def tables(oracle: Oracle, new_house: NewHouse) -> House:
    """A house with the three tables as its only sources."""
    house = new_house()
    house.sql("DELETE FROM data_source")
    for name, (stamp, settings) in TABLES.items():
        rows = (f"{n}, {n} / 7, {stamp.format(n=n)}, 'row {n}'" for n in range(ROWS))
        oracle.table(name, COLUMNS, *rows, *ODD)
        house.add({"view": f"ERP.{name}", "key_columns": ["ID"], **settings}, store=STORE)
    return house


@pytest.mark.parametrize("mode", ["csv", "dataframe"])
@pytest.mark.parametrize("name", TABLES)
def test_slices_bring_the_same_rows(tables: House, oracle: Oracle, name: str, mode: str) -> None:
    outcome = tables.run_one(name, "--slices", "3", "--full", "--mode", mode)
    assert outcome["slices"] == 3
    assert outcome["rows"]["extracted"] == ROWS + len(ODD)
    assert outcome["error"] is None
    same(loaded(tables.target(name.lower())), oracle.rows(name))
    tables.is_tidy()


def test_the_sources_own_slices_are_for_large_views_only(tables: House) -> None:
    tables.change("BY_DATE", slices=4)
    assert tables.run_one("BY_DATE", "--full")["slices"] == 1
    assert tables.run_one("BY_DATE", "--full", "--slices", "2")["slices"] == 2


def test_an_increment_without_rows_is_not_sliced(tables: House) -> None:
    tables.run_one("BY_DATE", "--full")
    outcome = tables.run_one("BY_DATE", "--slices", "3")
    assert (outcome["slices"], outcome["status"]) == (1, "no_rows")


def test_a_view_with_nothing_to_divide_by_is_read_as_one(house: House, oracle: Oracle) -> None:
    oracle.table("TEXTS", {"NAME": "VARCHAR2(10)"}, "'a'", "'b'", "'c'")
    house.add({"view": "ERP.TEXTS", "write_disposition": "replace"}, store=STORE)
    outcome = house.run_one("TEXTS", "--slices", "2")
    assert (outcome["slices"], outcome["rows"]["loaded"]) == (1, 3)
    assert "one connection" in outcome["warnings"][0]


def test_without_flashback_one_connection_reads_and_says_so(
    house: House, erp: Sandbox, oracle: Oracle, tables: House
) -> None:
    erp.faults.set("no_flashback")
    outcome = tables.run_one("BY_DATE", "--slices", "3", "--full")
    assert outcome["slices"] == 1
    assert any("one connection" in warning for warning in outcome["warnings"])
    same(loaded(tables.target("by_date")), oracle.rows("BY_DATE"))


def test_a_transform_runs_in_each_slice(new_house: NewHouse, tables: House, oracle: Oracle) -> None:
    oracle.view("SHOUTED", "SELECT ID, CHANGED, REMARK AS NOTE FROM ERP.BY_DATE")
    house = new_house(ETL_TRANSFORMS="tests.acceptance.transforms")
    view = {"view": "ERP.SHOUTED", "write_disposition": "replace", "key_columns": ["ID"]}
    house.add({**view, "transform": "shout"}, store=STORE)
    assert house.run_one("SHOUTED", "--slices", "2")["slices"] == 2
    notes = {row["note"] for row in house.target("shouted")}
    assert {"ROW 0", f"ROW {ROWS - 1}", "OLD", None} <= notes
    house.change("SHOUTED", transform="stumble")
    house.fails("SHOUTED", 5, "transform-failed", "--slices", "2")


# One moment, and ends -----------------------------------------------------------------------


@pytest.fixture
def stalled(tables: House, erp: Sandbox) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a run of BY_DATE over three slices, none of which can end, and returns it."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        # Only the export selects this column; each slice stands still after two rows.
        erp.faults.set("stall", row=2, match='"REMARK"', times=3)
        process = tables.installation.start("run", "BY_DATE", "--full", "--slices", "3", "--json")
        started.append(process)
        until(lambda: "stall" not in erp.faults.as_dict(), "slices that stand still", process)
        return process

    yield start
    erp.faults.clear()
    for process in started:
        process.kill()
        process.communicate()


def readers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of the slices."""
    with suppress(psutil.NoSuchProcess):
        return [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
    return []


def running(house: House) -> bool:
    runs = house.transactions()
    return bool(runs) and runs[-1]["status"] == "running" and runs[-1]["plan"] is not None


def test_all_slices_show_the_moment_of_the_plan(
    tables: House, oracle: Oracle, erp: Sandbox
) -> None:
    before = oracle.rows("BY_DATE")
    # The plan is made; what the slices take is being counted, and none of them has begun.
    erp.faults.set("stall", row=0, match='"BUCKET"')
    process = tables.installation.start("run", "BY_DATE", "--full", "--slices", "3", "--json")
    try:
        until(lambda: running(tables), "a run with a plan", process)
        oracle.execute(
            "UPDATE ERP.BY_DATE SET AMOUNT = -1", "DELETE FROM ERP.BY_DATE WHERE ID > 50"
        )
        erp.faults.clear()
        out, _ = finish(process)
        assert json.loads(out)["runs"][0]["slices"] == 3
        same(loaded(tables.target("by_date")), before)
    finally:
        process.kill()
        process.communicate()
        oracle.execute("DELETE FROM ERP.BY_DATE")
        rows = [f"{n}, {n} / 7, {SPREAD.format(n=n)}, 'row {n}'" for n in range(ROWS)]
        oracle.insert("BY_DATE", *rows, *ODD)


def test_slices_end_with_a_parent_that_is_killed_and_the_next_run_begins_at_once(
    stalled: Callable[[], subprocess.Popen[str]], tables: House, oracle: Oracle, erp: Sandbox
) -> None:
    process = stalled()
    slices = readers(process)
    process.kill()
    process.wait()
    until(lambda: not any(map(lives, slices)), "the end of the slices")
    erp.faults.clear()
    assert tables.run_one("BY_DATE", "--full", "--slices", "3")["status"] == "succeeded"
    same(loaded(tables.target("by_date")), oracle.rows("BY_DATE"))
    tables.is_tidy()


def test_a_run_that_is_asked_to_stop_ends_its_slices(
    stalled: Callable[[], subprocess.Popen[str]], tables: House
) -> None:
    process = stalled()
    slices = readers(process)
    tables.sql("UPDATE etl_transaction SET cancel_requested = 1 WHERE status = 'running'")
    out, _ = finish(process)
    assert process.returncode == 130
    assert json.loads(out)["runs"][0]["error"]["code"] == "stopped"
    assert not any(map(lives, slices))
    tables.is_tidy()


def test_a_slice_that_dies_costs_one_try(
    stalled: Callable[[], subprocess.Popen[str]], tables: House, oracle: Oracle, erp: Sandbox
) -> None:
    tables.installation.write_settings(ETL_ATTEMPTS="2")
    try:
        process = stalled()
        victim = readers(process)[0]
        victim.kill()
        until(lambda: not lives(victim), "the end of the slice")
        erp.faults.clear()
        out, _ = finish(process)
    finally:
        tables.installation.write_settings(ETL_ATTEMPTS="1")
    (outcome,) = json.loads(out)["runs"]
    assert (outcome["status"], outcome["slices"]) == ("succeeded", 3)
    assert any("slice-died" in warning for warning in outcome["warnings"])
    same(loaded(tables.target("by_date")), oracle.rows("BY_DATE"))


@pytest.mark.parametrize(
    ("fault", "arguments", "code"),
    [
        ("drop_after_rows", {"rows": 3}, "DPY-4011"),
        ("error_at_row", {"row": 3, "code": 1722, "text": "invalid number"}, "ORA-01722"),
    ],
)
def test_what_fails_in_a_slice_is_told_as_ever(
    tables: House, erp: Sandbox, fault: str, arguments: dict[str, Any], code: str
) -> None:
    erp.faults.set(fault, match='"REMARK"', **arguments)
    tables.fails("BY_DATE", 3, code, "--full", "--slices", "3")
    (logged,) = (row for row in tables.rows("log_error")[-1:])
    assert "slices.py" in logged["traceback"]
    assert erp.reader_password not in logged["traceback"]


def test_a_connection_that_is_lost_once_is_tried_again(
    tables: House, oracle: Oracle, erp: Sandbox
) -> None:
    tables.installation.write_settings(ETL_ATTEMPTS="2")
    erp.faults.set("drop_after_rows", rows=3, match='"REMARK"', times=1)
    try:
        outcome = tables.run_one("BY_DATE", "--full", "--slices", "3")
    finally:
        tables.installation.write_settings(ETL_ATTEMPTS="1")
    assert any("Tried again" in warning for warning in outcome["warnings"])
    assert len(outcome["warnings"]) == len(set(outcome["warnings"]))
    same(loaded(tables.target("by_date")), oracle.rows("BY_DATE"))
    tables.is_tidy()
