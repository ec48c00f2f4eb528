"""Mail to the administrators, through a real SMTP server and past every way it can fail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from etl_oracle_to_bq.notify import Failure, mail_failures
from tests.waiting import HANG_SECONDS

FAILURE = Failure(
    view="APPS.XX_GL_V",
    step="extract",
    code="ORA-01555",
    message="snapshot too old — ภาพเก่าเกินไป",
    action="Load it in smaller windows.",
    run_id="4f2a",
    warnings=("3 rows have no LAST_UPDATE_DATE",),
)
USER, PASSWORD = "etl", "mail-geheim-1"
# The stand-in takes a password without TLS, and says that one should not.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH")


class Box:
    """What an SMTP server does with a mail: keep it."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        return "250 taken"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def serve(box: Box, **options: Any) -> Controller:
    return Controller(
        box, hostname="127.0.0.1", port=free_port(), ready_timeout=HANG_SECONDS, **options
    )


@pytest.fixture
def box(settings: Any) -> Iterator[Box]:
    """A server that takes every mail, and settings that lead to it."""
    box = Box()
    server = serve(box)
    server.start()
    settings.EMAIL_PORT = server.port
    yield box
    server.stop()


@pytest.fixture(autouse=True)
def _mail_settings(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_TIMEOUT = HANG_SECONDS
    settings.EMAIL_PORT = free_port()
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.ADMINS = [(a, a) for a in ("mis@example.com", "finance@example.com")]
    settings.SERVER_EMAIL = "etl@example.com"


def test_the_administrators_read_what_happened_and_what_to_do(box: Box) -> None:
    assert mail_failures([FAILURE], "etl-server") == ""
    (mail,) = box.mails
    assert mail["From"] == "etl@example.com"
    assert box.recipients == ["mis@example.com", "finance@example.com"]
    assert "APPS.XX_GL_V: ORA-01555 at extract on etl-server" in mail["Subject"]
    body = mail.get_content()
    for fact in (FAILURE.message, FAILURE.action, "run 4f2a", "step extract", *FAILURE.warnings):
        assert fact in body
    assert "target and its watermark are as they were" in body


def test_many_failures_are_one_mail(box: Box) -> None:
    failures = [Failure(f"APPS.V{n}", "", "DPY-6005", "no", "act", "r") for n in range(7)]
    assert mail_failures(failures, "etl-server") == ""
    (mail,) = box.mails
    subject = str(mail["Subject"])
    assert "7 views failed on etl-server: APPS.V0, APPS.V1" in subject
    assert "APPS.V5" not in subject
    assert all(f"APPS.V{n} did not load" in mail.get_content() for n in range(7))


def test_an_end_that_is_not_known_is_not_told_as_known(box: Box) -> None:
    assert mail_failures([replace(FAILURE, unsettled=True)], "etl-server") == ""
    text = box.mails[0].get_content()
    assert "APPS.XX_GL_V may have loaded" in text
    assert "did not load" not in text


def test_without_administrators_the_reason_says_so(box: Box, settings: Any) -> None:
    settings.ADMINS = []
    assert "ETL_ADMINS" in mail_failures([FAILURE], "etl-server")
    assert box.mails == []


def test_without_a_mail_server_the_reason_says_so(settings: Any) -> None:
    settings.EMAIL_HOST = ""
    assert "EMAIL_HOST" in mail_failures([FAILURE], "etl-server")


def test_a_wrong_port_is_a_reason_and_no_error() -> None:
    assert "ConnectionRefusedError" in mail_failures([FAILURE], "etl-server")


def test_an_unknown_host_is_a_reason_and_no_error(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.invalid"
    assert "the mail server did not take the mail" in mail_failures([FAILURE], "etl-server")


@pytest.fixture
def rude_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server that hangs up at once, or says nothing at all."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                if request.param == "silent":
                    over.wait(HANG_SECONDS)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("rude_port", "reason"),
    [("hangs up", "SMTPServerDisconnected"), ("silent", "TimeoutError")],
    indirect=["rude_port"],
)
def test_a_server_that_is_rude_is_a_reason_and_no_error(
    rude_port: int, reason: str, settings: Any
) -> None:
    settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = rude_port, 0.5
    told = mail_failures([FAILURE], "etl-server")
    assert reason in told or "timed out" in told


@pytest.fixture
def strict_box(settings: Any) -> Iterator[Box]:
    """A server that wants user and password."""

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = LoginPassword(USER.encode(), PASSWORD.encode())
        # `handled` would mean that the client has its answer already.
        return AuthResult(success=data == right, handled=False)

    box = Box()
    server = serve(box, authenticator=known, auth_required=True, auth_require_tls=False)
    server.start()
    settings.EMAIL_PORT = server.port
    yield box
    server.stop()


@pytest.mark.parametrize("password", ["wrong", "ผิด", ""])
def test_a_bad_password_is_a_reason_that_does_not_show_it(
    strict_box: Box, settings: Any, password: str
) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = USER, password
    told = mail_failures([FAILURE], "etl-server")
    assert "the mail server did not take the mail" in told
    assert not password or password not in told
    assert strict_box.mails == []


def test_the_right_password_is_taken(strict_box: Box, settings: Any) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = USER, PASSWORD
    assert mail_failures([FAILURE], "etl-server") == ""
    assert len(strict_box.mails) == 1


def test_a_server_without_tls_is_a_reason_where_tls_is_asked_for(box: Box, settings: Any) -> None:
    settings.EMAIL_USE_TLS = True
    assert "STARTTLS" in mail_failures([FAILURE], "etl-server")
    assert box.mails == []


def test_contradicting_settings_are_a_reason_and_no_error(settings: Any) -> None:
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = True
    assert "EMAIL_USE_TLS/EMAIL_USE_SSL" in mail_failures([FAILURE], "etl-server")
