"""The door to people: one mail to the administrators for each command that had errors.

A mail that cannot be sent is logged and reported to the caller; it never changes the result
of a run. Server, sender and recipients are Django's mail settings (`EMAIL_*`, `ETL_ADMINS`).
"""

from __future__ import annotations

import contextlib
import logging
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """What the administrators are told of one failed view.

    `unsettled` says that its commit may have taken effect all the same.
    """

    view: str
    step: str
    code: str
    message: str
    action: str
    run_id: str
    warnings: tuple[str, ...] = ()
    unsettled: bool = False


def mail_failures(failures: Sequence[Failure], host: str) -> str:
    """Mail the administrators; returns '' when sent, else the reason in plain words.

    `host` is the ETL server's name. Without recipients or a mail server nothing is sent, and the
    reason says so.
    """
    from django.conf import settings
    from django.core import mail

    if not settings.ADMINS:
        return "no administrators are set (ETL_ADMINS)"
    if not settings.EMAIL_HOST:
        return "no mail server is set (EMAIL_HOST)"
    subject, body = _subject(failures, host), "\n\n".join(map(_paragraph, failures))
    try:
        with contextlib.closing(mail.get_connection()) as connection:
            mail.mail_admins(subject, body, connection=connection)
    # SMTPServerDisconnected (a bad password) and ConnectionRefusedError (no server) are both here;
    # ValueError is TLS together with SSL, or a user or password that SMTP cannot write.
    except (smtplib.SMTPException, OSError, ValueError) as error:
        reason = f"the mail server did not take the mail: {type(error).__name__}: {error}"
        log.warning("%s", reason)
        return reason
    return ""


def _subject(failures: Sequence[Failure], host: str) -> str:
    first = failures[0]
    if len(failures) == 1:
        return f"{first.view}: {first.code} at {first.step or 'start'} on {host}"
    return f"{len(failures)} views failed on {host}: " + ", ".join(f.view for f in failures[:5])


def _paragraph(failure: Failure) -> str:
    stands = (
        f"{failure.view} may have loaded: how its commit ended is not known or could not be "
        "recorded. The next run of the view finds it out."
        if failure.unsettled
        else f"{failure.view} did not load. Its target and its watermark are as they were."
    )
    lines = [
        stands,
        f"What happened: {failure.message}",
        f"What to do:    {failure.action}",
        f"Where:         step {failure.step or 'start'}, code {failure.code}, run {failure.run_id}",
    ]
    lines += [f"Warning:       {warning}" for warning in failure.warnings]
    return "\n".join(lines)
