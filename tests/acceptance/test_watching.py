"""What people see: a run while it lives, the plan, the list, and the watermark in their hands."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.dataset.views import VIEWS
from tests.sandbox.serve import Sandbox
from tests.waiting import finish, until

VIEW, TARGET = "V_AR_RECEIPTS", "v_ar_receipts"


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object on standard output."""
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_run_shows_its_rows_while_it_lives(house: House, erp: Sandbox) -> None:
    house.change(VIEW, batch_size=10)
    erp.faults.set("stall", row=45, match="CASH_RECEIPT_ID")
    running = house.installation.start("run", VIEW)
    try:
        until(lambda: any(row["rows_extracted"] for row in house.transactions()), "rows", running)
        (row,) = house.transactions()
        assert (row["status"], row["step"], row["ended_at"]) == ("running", "extract", None)
        assert 10 <= row["rows_extracted"] <= 45
        assert row["rows_loaded"] == 0
        assert row["plan"] is not None and row["process"] == running.pid
        # A second run says who holds the view, and leaves it alone.
        second = house.etl("run", VIEW)
        assert second.returncode == 75
        assert f"process {running.pid}" in second.stdout
        (listed,) = (
            each
            for each in answer(house.etl("list", "--json"))["sources"]
            if each["view"] == f"ERP.{VIEW}"
        )
        assert listed["last_run"]["status"] == "running"
    finally:
        erp.faults.clear()
        out, err = finish(running)
    assert running.returncode == 0, err
    assert f"ERP.{VIEW}: succeeded" in out
    (row,) = house.transactions()
    assert (row["status"], row["step"]) == ("succeeded", "record")
    assert row["rows_extracted"] == row["rows_staged"] == row["rows_loaded"] > 45


def everything(house: House) -> tuple[object, ...]:
    """The configuration database byte for byte, and BigQuery table by table."""
    database = house.installation.database
    files = {
        path.name: path.read_bytes()
        for path in (database, *database.parent.glob(f"{database.name}-*"))
    }
    files = {name: content for name, content in files.items() if content}
    tables = {name: house.table(name).etag for name in house.tables()}
    rows = {name: loaded(house.target(name)) for name in house.tables()}
    return files, tables, rows, len(list(house.client.list_datasets()))


def test_a_plan_changes_nothing_anywhere(house: House, erp: Sandbox) -> None:
    before, scn = everything(house), erp.database.scn
    plans = answer(house.etl("plan", "--all", "--json"))["plans"]
    assert len(plans) == len(VIEWS)
    assert all(plan["creates_target"] and plan["sql"] and plan["columns"] for plan in plans)
    assert house.etl("plan", VIEW).returncode == 0
    assert everything(house) == before
    house.run_one(VIEW)
    before = everything(house)
    (plan,) = answer(house.etl("plan", VIEW, "--json"))["plans"]
    assert (plan["load_type"], plan["creates_target"]) == ("incremental", False)
    assert plan["window"]["lower"] < house.watermark(VIEW) <= plan["window"]["upper"]
    assert {bind["type"] for bind in plan["binds"].values()} == {"DATE", "NUMBER"}
    assert house.etl("plan", VIEW, "--full").returncode == 0
    assert everything(house) == before
    assert erp.database.scn == scn
    assert not (house.folder / "var" / "work").exists() or house.is_tidy() is None


def test_the_plan_is_what_the_run_does(house: House) -> None:
    (plan,) = answer(house.etl("plan", VIEW, "--json"))["plans"]
    told = house.run_one(VIEW)
    saved = json.loads(house.transactions()[-1]["plan"])
    assert plan["expected_rows"] == told["rows"]["extracted"]
    for key in ("load_type", "load_mode", "disposition", "commit", "sql", "columns", "target"):
        assert saved[key] == plan[key], key


def test_the_list_shows_each_source(house: House, erp: Sandbox) -> None:
    house.run_one(VIEW)
    erp.faults.set("error_at_row", row=0, code=1722, text="invalid number", match="V_AP_PAYMENTS")
    house.run_one("V_AP_PAYMENTS", exit_code=3)
    sources = {
        row["view"].partition(".")[2]: row for row in answer(house.etl("list", "--json"))["sources"]
    }
    assert set(sources) == set(VIEWS)
    good, bad, never = sources[VIEW], sources["V_AP_PAYMENTS"], sources["V_PO_LISTING"]
    assert good["last_run"]["status"] == "succeeded" and good["hours_since_success"] < 1
    assert good["watermark"].split(".")[0] == house.watermark(VIEW).split(".")[0]
    assert bad["last_run"]["error_code"] == "ORA-01722" and bad["last_success"] is None
    assert (never["last_run"], never["watermark"]) == (None, None)
    text = house.etl("list").stdout
    assert len(text.splitlines()) == 1 + len(VIEWS)


def test_a_run_names_its_log_file(house: House) -> None:
    house.run_one(VIEW)
    run = house.transactions()[-1]
    assert run["log_file"].startswith("etl-")
    assert (house.folder / "var" / "log" / run["log_file"]).is_file()


def test_a_watermark_is_moved_by_hand(house: House, oracle: Oracle) -> None:
    house.run_one(VIEW)
    house.client.query(
        f"DELETE FROM `{house.client.project}.{house.dataset}.{TARGET}` WHERE TRUE"
    ).result()
    assert house.etl("watermark", VIEW, "--set", "2000-01-01").returncode == 0
    told = house.run_one(VIEW)
    assert told["load_type"] == "incremental"
    same(loaded(house.target(TARGET)), oracle.rows(VIEW, VIEWS[VIEW].dates))
    assert house.etl("watermark", VIEW, "--reset").returncode == 0
    assert house.run_one(VIEW)["load_type"] == "first"


def test_a_watermark_of_another_project_is_refused(house: House) -> None:
    """What was loaded there meanwhile says nothing about the table here."""
    house.run_one(VIEW)
    house.installation.write_settings(GOOGLE_CLOUD_PROJECT="elsewhere")
    assert "elsewhere." in house.fails(VIEW, 2, "watermark-scope")


def test_a_watermark_of_another_scope_is_refused_until_somebody_decides(house: House) -> None:
    house.run_one(VIEW)
    house.change(VIEW, incremental_column="CREATION_DATE")
    message = house.fails(VIEW, 2, "watermark-scope")
    assert f"watermark ERP.{VIEW} --keep" in message and "--reset" in message
    mark = house.watermark(VIEW)
    assert house.etl("watermark", VIEW, "--keep").returncode == 0
    assert house.watermark(VIEW) == mark
    assert house.run_one(VIEW)["load_type"] == "incremental"
    house.change(VIEW, target="v_ar_receipts_2")
    house.fails(VIEW, 2, "watermark-scope")
    assert house.etl("watermark", VIEW, "--reset").returncode == 0
    assert house.run_one(VIEW)["load_type"] == "first"
    assert "v_ar_receipts_2" in house.tables()
