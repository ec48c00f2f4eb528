"""Accounts and sessions that differ: E-Business Suite's context, and one without flashback."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.dataset.views import ORG_INVOICES, VIEWS
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox
from tests.waiting import finish, until

EBS = {
    "ebs_user_id": 1013,
    "ebs_responsibility_id": 50559,
    "ebs_application_id": 200,
    "ebs_security_group_id": 0,
    "ebs_product": "AR",
}


def test_a_multi_org_view_is_empty_until_the_store_has_its_context(
    house: House, erp: Sandbox, oracle: Oracle
) -> None:
    view, base = ORG_INVOICES.name, "RA_CUSTOMER_TRX_ALL"
    house.add(
        {
            "view": f"ERP.{view}",
            "key_columns": list(ORG_INVOICES.keys),
            "incremental_column": "LAST_UPDATE_DATE",
            "date_columns": list(ORG_INVOICES.dates),
        },
        store=STORE,
    )
    assert house.run_one(view)["status"] == "no_rows"
    house.change_store(**EBS)
    told = house.run_one(view, "--full")
    (count,) = house.query(f"SELECT COUNT(*) AS n FROM {{dataset}}.{view.lower()}")
    assert told["rows"]["loaded"] == count["n"] == oracle.rows(base).total() > 0


def test_an_account_without_flashback_reads_in_one_transaction(
    house: House, erp: Sandbox, oracle: Oracle
) -> None:
    view = "V_AR_RECEIPTS"
    house.change_store(user=erp.plain_reader)
    done = house.installation.manage("set_store_password", STORE, text=erp.plain_password + "\n")
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(house.installation.database)) as connection:
        (stored,) = connection.execute("SELECT password FROM data_store").fetchone()
    assert erp.plain_password not in stored
    told = house.run_one(view)
    assert "read in one read-only transaction instead" in " ".join(told["warnings"])
    assert house.transactions()[-1]["scn"] is None
    same(loaded(house.target(view.lower())), oracle.rows(view, VIEWS[view].dates))


def test_flashback_that_is_refused_is_a_warning(house: House, erp: Sandbox) -> None:
    erp.faults.set("no_flashback", code=1031)
    told = house.run_one("V_GL_ACCOUNTS")
    assert "ORA-01031" in " ".join(told["warnings"])
    assert house.transactions()[-1]["scn"] is None


def test_rows_that_arrive_between_counting_and_reading_wait(
    house: House, erp: Sandbox, oracle: Oracle
) -> None:
    """Without flashback too: the read-only transaction holds one moment for both statements."""
    oracle.table("BETWEEN_TWO", {"ID": "NUMBER(5)"}, "1", "2")
    house.add({"view": "ERP.BETWEEN_TWO", "write_disposition": "replace"}, store=STORE)
    erp.faults.set("no_flashback", code=1031)
    erp.faults.set("stall", match="WINDOW_ROWS", times=1)
    running = house.installation.start("run", "BETWEEN_TWO")
    try:
        until(lambda: "stall" not in erp.faults.as_dict(), "the count to stand still", running)
        oracle.insert("BETWEEN_TWO", "3")
    finally:
        erp.faults.clear("stall")
        out, err = finish(running)
    assert running.returncode == 0, out + err
    assert [
        row["id"] for row in house.query("SELECT id FROM {dataset}.between_two ORDER BY id")
    ] == [1, 2]
