"""Mail to the administrators through a real SMTP server, and without one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import psutil
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.sandbox.serve import Sandbox
from tests.waiting import HANG_SECONDS, finish, until

BAD, WORSE, GOOD = "V_AP_PAYMENTS", "V_PO_LISTING", "V_GL_ACCOUNTS"


class Box:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        return "250 taken"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def smtp_port(box: Box) -> Iterator[int]:
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), ready_timeout=HANG_SECONDS)
    controller.start()
    yield controller.port
    controller.stop()


@pytest.fixture
def house(new_house: NewHouse, smtp_port: int, erp: Sandbox) -> House:
    erp.faults.set("error_at_row", row=0, code=1722, text="invalid number", match="VENDOR_NAME")
    return new_house(
        EMAIL_HOST="127.0.0.1", EMAIL_PORT=str(smtp_port), ETL_ADMINS="a@example.com,b@example.com"
    )


def test_one_mail_tells_of_all_that_failed(house: House, box: Box, erp: Sandbox) -> None:
    told = house.run(BAD, GOOD, WORSE, exit_code=3)
    (mail,) = box.mails
    assert set(box.recipients) == {"a@example.com", "b@example.com"}
    assert f"2 views failed on {socket.gethostname()}" in mail["subject"]
    body = mail.get_content()
    for view in (BAD, WORSE):
        assert f"ERP.{view} did not load" in body
        assert told[view]["error"]["action"] in body
        assert told[view]["run_id"] in body
    assert GOOD not in body and erp.reader_password not in body
    assert all(row["notified_at"] for row in house.rows("log_error"))


def test_success_is_not_mailed(house: House, box: Box) -> None:
    house.run_one(GOOD)
    assert box.mails == []


def test_a_mail_server_that_is_down_changes_nothing(house: House, box: Box) -> None:
    house.installation.write_settings(EMAIL_PORT=str(free_port()))
    done = house.etl("run", BAD)
    assert done.returncode == 3
    assert "Nobody was mailed: the mail server did not take the mail" in done.stdout
    (row,) = house.rows("log_error")
    assert (row["code"], row["notified_at"]) == ("ORA-01722", None)
    assert box.mails == []


def extracting(house: House, view: str) -> list[dict[str, Any]]:
    """The run of a view that is being read, if any."""
    source = house.source(view)["id"]
    runs = (row for row in house.transactions() if row["source_id"] == source)
    return [row for row in runs if (row["status"], row["step"]) == ("running", "extract")]


def asked_in_the_site(house: House, process: subprocess.Popen[str]) -> None:
    house.sql("UPDATE etl_transaction SET cancel_requested = 1 WHERE status = 'running'")


def terminated(house: House, process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(asked_in_the_site, id="Stop"),
        pytest.param(
            terminated,
            id="SIGTERM",
            marks=pytest.mark.skipif(
                sys.platform == "win32", reason="Windows ends processes without a signal"
            ),
        ),
    ],
)
def test_a_run_that_is_stopped_on_purpose_is_not_mailed(
    house: House, box: Box, erp: Sandbox, stop: Callable[[House, subprocess.Popen[str]], None]
) -> None:
    erp.faults.set("stall", row=2, match="CONCATENATED_SEGMENTS")
    process = house.installation.start("run", BAD, GOOD)
    try:
        until(lambda: extracting(house, GOOD), "a view that is being read", process)
        stop(house, process)
        out, _ = finish(process)
    finally:
        process.kill()
        process.communicate()
    assert f"ERP.{GOOD}: STOPPED" in out and "Nobody was mailed" not in out
    (mail,) = box.mails
    body = mail.get_content()
    assert f"ERP.{BAD} did not load" in body and GOOD not in body
    notified = {row["code"]: bool(row["notified_at"]) for row in house.rows("log_error")}
    assert notified == {"ORA-01722": True, "stopped": False}


def test_a_process_that_died_may_have_loaded_its_view(house: House, box: Box, erp: Sandbox) -> None:
    erp.faults.set("stall", row=2, match="CONCATENATED_SEGMENTS")
    process = house.installation.start("run", GOOD, "V_AR_RECEIPTS", "--parallel", "2")
    try:
        until(lambda: extracting(house, GOOD), "a view that is being read", process)
        psutil.Process(extracting(house, GOOD)[0]["process"]).kill()
        finish(process)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    (mail,) = box.mails
    body = mail.get_content()
    assert f"ERP.{GOOD} may have loaded" in body and "code run-died" in body
