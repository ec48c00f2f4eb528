"""A run that somebody stops on purpose ends alike, whoever stops it and however it reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.installation import ROOT
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox
from tests.waiting import finish, until

ROWS = 40
SLOW, NEXT = "SLOW_BOOK", "NEXT_BOOK"

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows ends a process without asking; no signal is heard"
)


@pytest.fixture(scope="module")
def books(oracle: Oracle) -> Oracle:
    """Two views; only the export of the first one selects the column that a fault waits for."""
    for name, column in ((SLOW, "DELAYED"), (NEXT, "PROMPT")):
        entries = (f"{n}, DATE '2026-01-01' + {n}, 'entry {n}'" for n in range(ROWS))
        oracle.table(name, {"ID": "NUMBER(10)", "DAY": "DATE", column: "VARCHAR2(20)"}, *entries)
    return oracle


@pytest.fixture
def house(books: Oracle, new_house: NewHouse) -> House:
    made = new_house()
    made.sql("DELETE FROM data_source")
    made.add(
        *(
            {
                "view": f"ERP.{view}",
                "key_columns": ["ID"],
                "incremental_column": "DAY",
                "load_order": order,
            }
            for order, view in enumerate((SLOW, NEXT))
        ),
        store=STORE,
    )
    return made


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(house: House, erp: Sandbox) -> Iterator[Start]:
    """`start(arguments...)`: the command line, once the export of SLOW_BOOK stands still."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        erp.faults.set("stall", row=2, match='"DELAYED"', times=1)
        process = subprocess.Popen(
            house.installation.command("run", *arguments),
            cwd=ROOT,
            env=house.installation.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            # A console of its own, so that Ctrl-C reaches its processes and not the tests.
            start_new_session=True,
        )
        started.append(process)
        until(lambda: "stall" not in erp.faults.as_dict(), "an export that stands still", process)
        if "--parallel" in arguments and NEXT in arguments:
            # A stop that meets the making of its staging table is a case of its own.
            until(lambda: next_has_ended(house), "the end of the other view", process)
        return process

    yield begin
    erp.faults.clear()
    for process in started:
        process.kill()
        process.communicate()


def next_has_ended(house: House) -> bool:
    """NEXT_BOOK is recorded, and what is left on disk and in BigQuery is SLOW_BOOK's."""
    next_id = house.source(NEXT)["id"]
    ended = any(
        row["source_id"] == next_id and row["status"] != "running" for row in house.transactions()
    )
    folders = list((house.folder / "var" / "work").iterdir())
    return ended and len(folders) == 1 == sum("__stg_" in name for name in house.tables())


def of_slow(house: House) -> list[dict[str, Any]]:
    return [row for row in house.transactions() if row["source_id"] == house.source(SLOW)["id"]]


def asked_in_the_site(house: House, process: subprocess.Popen[str]) -> None:
    """What the button of ETL Transaction does; tests/browser presses it."""
    house.sql(
        "UPDATE etl_transaction SET cancel_requested = 1 WHERE status = 'running' "
        "AND source_id = ?",
        house.source(SLOW)["id"],
    )


def terminated(house: House, process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)


def interrupted(house: House, process: subprocess.Popen[str]) -> None:
    """Ctrl-C: every process of the console hears it."""
    os.killpg(process.pid, signal.SIGINT)


Way = Callable[[House, "subprocess.Popen[str]"], None]
SIGNALS = [
    pytest.param(terminated, id="SIGTERM", marks=needs_signals),
    pytest.param(interrupted, id="Ctrl-C", marks=needs_signals),
]
WAYS = [pytest.param(asked_in_the_site, id="Stop"), *SIGNALS]


def recorded(house: House) -> dict[str, Any]:
    """What the installation keeps of the stopped run; it says the same everywhere."""
    (run,) = of_slow(house)
    (logged,) = (row for row in house.rows("log_error") if row["transaction_id"] == run["id"])
    assert (logged["message"], logged["code"]) == (run["error"], run["error_code"])
    assert run["ended_at"] is not None
    status = house.status(SLOW)
    assert (status["state"], status["message"]) == (run["status"], run["error"])
    house.is_tidy()
    return {
        "status": run["status"],
        "code": run["error_code"],
        "step": run["step"],
        "logged step": logged["step"],
        "action": logged["action"],
        "notified": logged["notified_at"],
    }


@pytest.mark.parametrize(
    "mode", [[], ["--slices", "2"], ["--parallel", "2"]], ids=["alone", "sliced", "parallel"]
)
@pytest.mark.parametrize("stop", WAYS)
def test_a_stopped_run_is_stopped_in_every_record(
    house: House,
    start: Start,
    books: Oracle,
    erp: Sandbox,
    stop: Way,
    mode: list[str],
) -> None:
    process = start(SLOW, NEXT, *mode, "--json")
    stop(house, process)
    out, err = finish(process)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    told = json.loads(out)
    assert (told["exit_code"], told["mail"]) == (130, "")
    run = told["runs"][0]
    action = "Run it again when you wish."
    assert (run["view"], run["status"]) == (f"ERP.{SLOW}", "failed")
    assert (run["error"]["code"], run["error"]["step"]) == ("stopped", "extract")
    assert run["error"]["action"].startswith(action)
    found = recorded(house)
    assert found.pop("action") == run["error"]["action"]
    assert found == {
        "status": "failed",
        "code": "stopped",
        "step": "extract",
        "logged step": "extract",
        "notified": None,
    }
    erp.faults.clear()
    house.run_one(SLOW)
    same(loaded(house.target(SLOW.lower())), books.rows(SLOW))


@pytest.mark.parametrize("parallel", [[], ["--parallel", "2"]], ids=["alone", "parallel"])
def test_stop_in_the_site_ends_one_view_and_the_others_go_on(
    house: House, start: Start, books: Oracle, parallel: list[str]
) -> None:
    process = start("--all", *parallel)
    asked_in_the_site(house, process)
    out, err = finish(process)
    assert process.returncode == 130, out + err
    assert f"ERP.{SLOW}: STOPPED at step extract\n    stopped: The load of ERP.{SLOW}" in out
    assert "in the admin site" in out
    assert f"ERP.{NEXT}: succeeded, {ROWS} rows" in out
    same(loaded(house.target(NEXT.lower())), books.rows(NEXT))


@pytest.mark.parametrize("stop", SIGNALS)
def test_a_signal_ends_the_whole_command(house: House, start: Start, stop: Way) -> None:
    process = start("--all")
    stop(house, process)
    out, err = finish(process)
    assert process.returncode == 130, out + err
    assert f"ERP.{SLOW}: STOPPED at step extract" in out
    assert "by Ctrl-C or a signal" in out
    assert out.endswith("views that are not listed were not begun.\n")
    assert NEXT not in out
    assert len(house.transactions()) == 1


@pytest.mark.parametrize(
    ("stop", "exit_code"),
    [
        pytest.param(asked_in_the_site, 3, id="Stop"),
        pytest.param(terminated, 130, id="SIGTERM", marks=needs_signals),
    ],
)
def test_a_view_that_failed_before_decides_unless_the_command_is_told_to_end(
    house: House, start: Start, erp: Sandbox, stop: Way, exit_code: int
) -> None:
    erp.faults.set("error_at_row", row=0, code=1722, text="invalid number", match='"PROMPT"')
    process = start(NEXT, SLOW, "--json")
    stop(house, process)
    out, _ = finish(process)
    assert process.returncode == exit_code
    codes = [run["error"]["code"] for run in json.loads(out)["runs"]]
    assert codes == ["ORA-01722", "stopped"]
