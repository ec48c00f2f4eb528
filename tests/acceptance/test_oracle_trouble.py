"""Everything that Oracle, its listener, its rights or its stored password can refuse."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.dataset.views import VIEWS
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox
from tests.waiting import finish, until

VIEW = "V_GL_ACCOUNTS"
_numbers = itertools.count(1)


@pytest.fixture
def logins(erp: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The account of every login that reached the database's password check."""
    asked: list[str] = []
    password_of = erp.database.password_of

    def counting(user: str) -> str | None:
        asked.append(user)
        return password_of(user)

    monkeypatch.setattr(erp.database, "password_of", counting)
    return asked


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A listener that accepts, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def secrets_of(erp: Sandbox) -> list[bytes]:
    return [text.encode() for text in (erp.reader_password, erp.plain_password)]


def test_a_view_that_oracle_does_not_have(house: House) -> None:
    house.add(
        {"view": "ERP.V_GL_ACOUNTS", "write_disposition": "replace", "target": "x"}, store=STORE
    )
    message = house.fails("V_GL_ACOUNTS", 2, "unknown-view")
    assert "Named alike: V_GL_ACCOUNTS" in message


def test_a_view_that_is_not_granted(house: House) -> None:
    house.add({"view": "ERP.GL_CODE_COMBINATIONS", "write_disposition": "replace"}, store=STORE)
    assert "READ on it is not granted" in house.fails("GL_CODE_COMBINATIONS", 2, "unknown-view")


def test_an_unknown_service_and_a_closed_port(house: House, erp: Sandbox) -> None:
    house.change_store(service_name="NOWHERE")
    house.fails(VIEW, 3, "ORA-12514")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    house.change_store(service_name="ERPPDB1", port=port)
    message = house.fails(VIEW, 3, "ORA-12541")
    assert f"127.0.0.1:{port}" in message and STORE in message


def test_a_host_that_nobody_knows(house: House) -> None:
    house.change_store(host="no-such-host.invalid")
    house.fails(VIEW, 3, "ORA-12545")


def test_a_listener_that_stays_silent(house: House, silent_port: int) -> None:
    house.installation.write_settings(ETL_CONNECT_SECONDS="1")
    house.change_store(port=silent_port)
    assert "no answer within 1 seconds" in house.fails(VIEW, 3, "connect-timeout")


def test_a_wrong_password_is_tried_once(
    house: House, erp: Sandbox, logins: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.installation.write_settings(ETL_ATTEMPTS="3")
    monkeypatch.setitem(erp.database.catalogue.users, erp.reader, "somebody changed it")
    house.fails(VIEW, 3, "ORA-01017")
    assert logins == [erp.reader]
    assert not any(secret in house.text_everywhere() for secret in secrets_of(erp))


def test_a_wrong_key_never_reaches_oracle(house: House, logins: list[str]) -> None:
    house.installation.write_settings(ETL_SECRET_KEYS=Fernet.generate_key().decode("ascii"))
    done = house.etl("run", VIEW, "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "invalid-setting" and "ETL_SECRET_KEYS" in error["message"]
    assert logins == []
    assert [row["code"] for row in house.rows("log_error")] == ["invalid-setting"]
    assert house.transactions() == []


def test_an_error_in_the_middle_of_the_rows(house: House, erp: Sandbox, oracle: Oracle) -> None:
    view = "V_AR_RECEIPTS"
    before = house.run_one(view)
    rows = loaded(house.target(view.lower()))
    erp.faults.set("error_at_row", row=5, code=1722, text="invalid number", match=view)
    message = house.fails(view, 3, "ORA-01722", "--full")
    assert "invalid number" in message
    assert house.transactions()[-1]["step"] == "extract"
    assert before["rows"]["loaded"] == rows.total()
    assert loaded(house.target(view.lower())) == rows


@pytest.mark.parametrize(
    ("fault", "arguments"),
    [
        ("drop_after_rows", {"rows": 20}),
        ("drop_after_bytes", {"bytes": 2_000}),
        ("error_at_row", {"row": 10, "code": 3113, "text": "end-of-file on communication channel"}),
    ],
)
def test_a_lost_connection_is_tried_again(
    house: House, erp: Sandbox, oracle: Oracle, fault: str, arguments: dict[str, Any]
) -> None:
    house.installation.write_settings(ETL_ATTEMPTS="2")
    erp.faults.set(fault, **arguments, match="CASH_RECEIPT_ID", times=1)
    told = house.run_one("V_AR_RECEIPTS")
    assert any("Try 1 failed at step" in warning for warning in told["warnings"]), told
    assert house.transactions()[-1]["attempt"] == 2
    same(
        loaded(house.target("v_ar_receipts")),
        oracle.rows("V_AR_RECEIPTS", VIEWS["V_AR_RECEIPTS"].dates),
    )
    house.is_tidy()


def test_a_refused_service_is_tried_again(house: House, erp: Sandbox) -> None:
    house.installation.write_settings(ETL_ATTEMPTS="2")
    erp.faults.set("refuse_service", code=12528, times=1)
    told = house.run_one(VIEW)
    assert "ORA-12528" in " ".join(told["warnings"])


def test_nothing_that_a_run_writes_holds_a_password(house: House, erp: Sandbox) -> None:
    """With the loudest failure there is: a driver's traceback in Log Error, log and output."""
    erp.faults.set("drop_after_rows", rows=5, match=VIEW)
    done = house.etl("run", VIEW)
    assert done.returncode == 3
    (row,) = house.rows("log_error")
    assert "Traceback" in row["traceback"]
    everything = house.text_everywhere() + done.stdout.encode() + done.stderr.encode()
    assert not any(secret in everything for secret in secrets_of(erp))


def test_a_stop_request_ends_a_statement_that_brings_no_row(
    new_house: NewHouse, erp: Sandbox
) -> None:
    # Longer than a test waits for a process.
    house = new_house(ETL_CALL_SECONDS="3600")
    erp.faults.set("stall", match="V_AR_RECEIPTS")
    process = house.installation.start("run", "V_AR_RECEIPTS", "--json")
    try:
        asked = "UPDATE etl_transaction SET cancel_requested = 1 WHERE status = 'running'"
        until(house.transactions, "the run's row", process)
        house.sql(asked)
        out, _ = finish(process)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, out
    assert json.loads(out)["runs"][0]["error"]["code"] == "stopped"
    house.is_tidy()


def test_one_view_that_fails_does_not_stop_the_others(house: House, erp: Sandbox) -> None:
    erp.faults.set("error_at_row", row=0, code=1722, text="invalid number", match="V_AP_PAYMENTS")
    told = house.run("V_AP_PAYMENTS", VIEW, "V_PO_LISTING", exit_code=3)
    assert {view: run["status"] for view, run in told.items()} == {
        "V_AP_PAYMENTS": "failed",
        VIEW: "succeeded",
        "V_PO_LISTING": "succeeded",
    }
