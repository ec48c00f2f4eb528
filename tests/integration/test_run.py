"""The story of one view, as its row in ETL Transaction tells it afterwards."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, store_row
from tests.sandbox.serve import Sandbox
from tests.waiting import until

STORE, VIEW = "ERP", "ERP.V_AP_PAYMENTS"
STEPS = ["config", "plan", "extract", "stage", "load", "commit", "record"]


@pytest.fixture
def installation(sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Installation:
    env = sandbox.env()
    made = Installation(tmp_path, env, {"ETL_ATTEMPTS": "1"})
    source = {
        "view": VIEW,
        "store": STORE,
        "dataset": "finance",
        "target": f"t_{abs(hash(request.node.name))}",
        "write_disposition": "merge",
        "key_columns": ["CHECK_ID"],
        "incremental_column": "LAST_UPDATE_DATE",
    }
    made.configure([store_row(STORE, env)], [source], {STORE: sandbox.reader_password})
    return made


def run(installation: Installation, *options: str) -> tuple[int, dict[str, Any]]:
    done: subprocess.CompletedProcess[str] = installation.etl("run", VIEW, "--json", *options)
    (outcome,) = json.loads(done.stdout)["runs"]
    return done.returncode, outcome


def newest(installation: Installation) -> dict[str, Any]:
    return installation.rows("etl_transaction")[-1]


def reading(installation: Installation) -> bool:
    return any(row["step"] == "extract" for row in installation.rows("etl_transaction"))


def test_a_first_load_goes_through_every_step_and_the_next_finds_nothing_new(
    installation: Installation,
) -> None:
    code, outcome = run(installation)
    assert (code, outcome["status"], outcome["load_type"]) == (0, "succeeded", "first")
    rows = outcome["rows"]
    assert rows["extracted"] == rows["staged"] == rows["loaded"] == rows["inserted"] > 100
    assert list(outcome["seconds"]) == STEPS
    row = newest(installation)
    assert (row["run_id"], row["status"], row["rows_loaded"]) == (
        outcome["run_id"],
        "succeeded",
        rows["loaded"],
    )
    assert json.loads(row["job_ids"]) and json.loads(row["plan"])["view"] == VIEW
    assert set(json.loads(row["step_seconds"])) >= set(STEPS) - {"record"}
    assert not (installation.folder / "var" / "work" / row["run_id"]).exists()

    code, outcome = run(installation)
    assert (code, outcome["load_type"]) == (0, "incremental")
    assert outcome["rows"]["inserted"] in (0, None)


def test_a_failure_says_where_it_was_and_leaves_the_watermark(
    installation: Installation, sandbox: Sandbox
) -> None:
    sandbox.faults.set("error_at_row", row=20, code=942, match="VENDOR_NAME_TH")
    code, outcome = run(installation)
    assert (code, outcome["status"], outcome["watermark"]) == (3, "failed", None)
    assert (outcome["error"]["code"], outcome["error"]["step"]) == ("ORA-00942", "extract")
    (told,) = installation.rows("log_error")
    assert told["transaction_id"] == newest(installation)["id"]
    assert "Traceback" in told["traceback"]
    assert sandbox.reader_password not in told["traceback"]
    assert installation.rows("data_source")[0]["watermark"] == ""


def test_a_transient_failure_is_tried_again_and_told(
    installation: Installation, sandbox: Sandbox
) -> None:
    installation.write_settings(ETL_ATTEMPTS="2")
    sandbox.faults.set("drop_after_rows", rows=20, match="VENDOR_NAME_TH", times=1)
    code, outcome = run(installation)
    assert (code, outcome["status"]) == (0, "succeeded")
    assert any(warning.startswith("Try 1 failed at step") for warning in outcome["warnings"])
    assert newest(installation)["attempt"] == 2


def test_a_killed_run_is_settled_by_the_next(installation: Installation, sandbox: Sandbox) -> None:
    sandbox.faults.set("stall", row=20, match="VENDOR_NAME_TH")
    with installation.start("run", VIEW) as doomed:
        try:
            until(lambda: reading(installation), "a run that reads", doomed)
            busy = installation.etl("run", VIEW, "--json")
        finally:
            doomed.kill()
    assert busy.returncode == 75
    assert str(doomed.pid) in json.loads(busy.stdout)["runs"][0]["error"]["message"]
    sandbox.faults.clear()
    code, outcome = run(installation)
    assert (code, outcome["status"], outcome["load_type"]) == (0, "succeeded", "first")
    statuses = [row["status"] for row in installation.rows("etl_transaction")]
    assert statuses == ["abandoned", "succeeded"]
    assert [row["code"] for row in installation.rows("log_error")] == ["run-died"]
    assert list((installation.folder / "var" / "work").iterdir()) == []
