"""`--parallel N` and snapshot groups: several views at once, one outcome; several at one moment."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox
from tests.waiting import HANG_SECONDS, finish, lives, until

VIEWS = ["ONE", "TWO", "THREE", "FOUR"]
COLUMNS = {"ID": "NUMBER(10)", "CHANGED": "DATE"}


@pytest.fixture(scope="module")
def rows_made(oracle: Oracle) -> Oracle:
    oracle.table("SHARED", COLUMNS, *(f"{n}, DATE '2026-01-01' + {n}" for n in range(20)))
    for view in VIEWS:
        oracle.view(view, f"SELECT ID, CHANGED, '{view}' AS NAME FROM ERP.SHARED")
    return oracle


@pytest.fixture
def four(rows_made: Oracle, new_house: NewHouse) -> House:
    """A house with four views over one table."""
    house = new_house()
    house.sql("DELETE FROM data_source")
    house.add(
        *({"view": f"ERP.{view}", "write_disposition": "replace"} for view in VIEWS), store=STORE
    )
    return house


def complete(house: House, oracle: Oracle, *views: str) -> None:
    for view in views:
        same(loaded(house.target(view.lower())), oracle.rows(view))
    house.is_tidy()


def processes(house: House) -> set[int]:
    return {row["process"] for row in house.transactions()}


def running(house: House) -> list[dict[str, Any]]:
    return [
        row
        for row in house.transactions()
        if row["status"] == "running" and row["plan"] is not None
    ]


def test_views_are_loaded_by_several_processes_in_one_command(
    four: House, rows_made: Oracle
) -> None:
    done = four.etl("run", "--all", "--parallel", "3", "--json")
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)["runs"]
    assert [run["view"] for run in runs] == [f"ERP.{view}" for view in sorted(VIEWS)]
    assert {run["rows"]["loaded"] for run in runs} == {20}
    assert 2 <= len(processes(four)) <= 3
    assert "locked" not in done.stderr
    complete(four, rows_made, *VIEWS)


def test_the_longest_comes_first_and_load_order_before_that(four: House) -> None:
    for view, seconds in {"ONE": 10, "TWO": 300, "THREE": 60}.items():
        four.run_one(view)
        ended = four.transactions()[-1]
        four.sql(
            "UPDATE etl_transaction SET started_at = datetime(ended_at, ?) WHERE id = ?",
            f"-{seconds} seconds",
            ended["id"],
        )
    four.change("THREE", load_order=1)
    before = len(four.transactions())
    # Two processes, so that the third and fourth view wait for a free one.
    four.run("--all", "--parallel", "2")
    begun = [row["source_id"] for row in four.transactions()[before:]]
    names = {row["id"]: row["view"] for row in four.rows("data_source")}
    order = [names[source].partition(".")[2] for source in begun]
    assert set(order[:2]) == {"THREE", "FOUR"}
    assert order[2:] == ["TWO", "ONE"]


def test_one_failure_fails_the_command_and_stops_nobody(
    four: House, rows_made: Oracle, erp: Sandbox
) -> None:
    erp.faults.set("error_at_row", row=2, code=1722, text="invalid number", match='"TWO"')
    runs = four.run("--all", "--parallel", "2", exit_code=3)
    assert {view: run["status"] for view, run in runs.items()} == {
        "ONE": "succeeded",
        "TWO": "failed",
        "THREE": "succeeded",
        "FOUR": "succeeded",
    }
    assert runs["TWO"]["error"]["code"] == "ORA-01722"
    assert [row["code"] for row in four.rows("log_error")] == ["ORA-01722"]
    complete(four, rows_made, "ONE", "THREE", "FOUR")


def test_a_process_that_dies_takes_one_view_with_it(
    four: House, rows_made: Oracle, erp: Sandbox
) -> None:
    erp.faults.set("stall", row=2, match='"ONE"', times=1)
    process = four.installation.start("run", "--all", "--parallel", "2", "--json")
    stand_still(erp, process)
    one = source_id(four, "ONE")
    (held,) = (row for row in running(four) if row["source_id"] == one)
    psutil.Process(held["process"]).kill()
    out, err = finish(process)
    erp.faults.clear()
    runs = {run["view"].partition(".")[2]: run for run in json.loads(out)["runs"]}
    assert process.returncode == 1, err
    assert runs["ONE"]["error"]["code"] == "run-died"
    assert {run["status"] for view, run in runs.items() if view != "ONE"} == {"succeeded"}
    four.run_one("ONE")
    complete(four, rows_made, *VIEWS)


def stand_still(erp: Sandbox, process: subprocess.Popen[str]) -> None:
    """Wait until as many statements stand still as a stall was set for."""
    until(lambda: "stall" not in erp.faults.as_dict(), "statements that stand still", process)


def source_id(house: House, view: str) -> int:
    return int(house.source(view)["id"])


@pytest.fixture
def two_stalled(four: House, erp: Sandbox) -> subprocess.Popen[str]:
    """A command whose two processes stand still in the middle of a view each."""
    erp.faults.set("stall", row=2, match='"CHANGED"', times=2)
    process = four.installation.start("run", "--all", "--parallel", "2", "--json")
    stand_still(erp, process)
    return process


def test_no_process_outlives_a_command_that_is_killed(
    two_stalled: subprocess.Popen[str], four: House, rows_made: Oracle, erp: Sandbox
) -> None:
    workers = [psutil.Process(row["process"]) for row in running(four)]
    two_stalled.kill()
    two_stalled.communicate()
    until(lambda: not any(map(lives, workers)), "the end of the processes")
    erp.faults.clear()
    four.run("--all", "--parallel", "2")
    complete(four, rows_made, *VIEWS)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_a_command_that_is_stopped_stops_and_records_its_runs(
    two_stalled: subprocess.Popen[str], four: House
) -> None:
    workers = [psutil.Process(row["process"]) for row in running(four)]
    two_stalled.send_signal(signal.SIGTERM)
    out, _ = finish(two_stalled)
    runs = json.loads(out)["runs"]
    assert (two_stalled.returncode, len(runs)) == (130, 2)
    assert {run["error"]["code"] for run in runs} == {"stopped"}
    assert not any(map(lives, workers))
    ended = four.transactions()
    assert [(row["status"], row["error_code"]) for row in ended] == [("failed", "stopped")] * 2
    four.is_tidy()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_a_process_that_is_told_to_end_stops_its_view_only(
    four: House, rows_made: Oracle, erp: Sandbox
) -> None:
    erp.faults.set("stall", row=2, match='"ONE"', times=1)
    process = four.installation.start("run", "--all", "--parallel", "2", "--json")
    stand_still(erp, process)
    one = source_id(four, "ONE")
    (held,) = (row for row in running(four) if row["source_id"] == one)
    psutil.Process(held["process"]).terminate()
    out, err = finish(process)
    erp.faults.clear()
    runs = {run["view"].partition(".")[2]: run for run in json.loads(out)["runs"]}
    assert process.returncode == 130, err
    assert runs["ONE"]["error"]["code"] == "stopped"
    complete(four, rows_made, "TWO", "THREE", "FOUR")


def test_a_database_that_others_write_to_is_no_obstacle(four: House, rows_made: Oracle) -> None:
    """Somebody with DB Browser holds the write lock for seconds, again and again."""
    process = four.installation.start("run", "--all", "--parallel", "3", "--json")
    connection = sqlite3.connect(
        four.installation.database, timeout=HANG_SECONDS, isolation_level=None
    )
    try:
        while process.poll() is None:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(0.4)
            connection.execute("COMMIT")
            time.sleep(0.1)
    finally:
        connection.close()
    out, err = finish(process)
    assert process.returncode == 0, out + err
    assert "database is locked" not in out + err
    complete(four, rows_made, *VIEWS)


# One moment ----------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", ["1", "2"])
def test_the_views_of_a_group_show_one_moment(
    four: House, rows_made: Oracle, erp: Sandbox, parallel: str
) -> None:
    for view in VIEWS[:3]:
        four.change(view, snapshot_group="books")
    erp.faults.set("stall", row=2, match='"CHANGED"', times=int(parallel))
    process = four.installation.start("run", *VIEWS, "--parallel", parallel, "--json")
    stand_still(erp, process)
    # The group's moment is known by now, whoever of it waits for its turn.
    rows_made.execute("INSERT INTO ERP.SHARED VALUES (999, DATE '2026-03-01')")
    try:
        erp.faults.clear()
        out, err = finish(process)
        assert process.returncode == 0, err
        loads = {
            run["view"].partition(".")[2]: run["rows"]["loaded"] for run in json.loads(out)["runs"]
        }
        assert {loads[view] for view in VIEWS[:3]} == {20}
        scns = {row["source_id"]: row["scn"] for row in four.transactions()}
        assert len({scns[source_id(four, view)] for view in VIEWS[:3]}) == 1
        assert scns[source_id(four, "FOUR")] != scns[source_id(four, "ONE")]
    finally:
        rows_made.execute("DELETE FROM ERP.SHARED WHERE ID = 999")


def test_without_flashback_a_group_is_told_that_it_may_show_several_moments(
    four: House, erp: Sandbox
) -> None:
    for view in VIEWS[:2]:
        four.change(view, snapshot_group="books")
    erp.faults.set("no_flashback")
    runs = four.run(*VIEWS[:2])
    for run in runs.values():
        assert any("group books" in warning for warning in run["warnings"])


def test_a_group_whose_moment_is_too_old_goes_on_at_another_and_says_so(
    four: House, erp: Sandbox, rows_made: Oracle
) -> None:
    for view in VIEWS[:2]:
        four.change(view, snapshot_group="books")
    erp.faults.set("error_at_row", row=2, code=1555, match='"TWO"', times=1)
    runs = four.run(*VIEWS[:2])
    assert runs["ONE"]["warnings"] == []
    assert any("not the one of its group" in warning for warning in runs["TWO"]["warnings"])
    complete(four, rows_made, *VIEWS[:2])
