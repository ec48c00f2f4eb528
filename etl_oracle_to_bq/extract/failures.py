"""Every exception of the driver → the product's error tree, in one place."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import oracledb

from etl_oracle_to_bq.errors import EtlError, SourceError, SourceUnavailable, kind_of

CONNECTION_LOST = "DPY-4011"
CANNOT_CONNECT = "DPY-6005"
UNKNOWN_HOST = "ORA-12545"
NO_LISTENER = "ORA-12541"
NO_ANSWER = "ORA-12170"
RECURSIVE = "ORA-00604"
BAD_CERTIFICATE = "tls-certificate"
SHORTEST_SECRET = 4


@contextmanager
def oracle_errors(doing: str, *secrets: str) -> Iterator[None]:
    """Raise what Oracle, its driver or the network raises as the class of its code in the registry.

    That is SourceError or SourceUnavailable, and StageError for a value or a batch that the
    driver cannot hold. `doing` begins the message ("Reading ERP.V_INVOICES"). The secrets never
    appear in it.
    """
    try:
        yield
    except (oracledb.Error, oracledb.Warning, OSError) as error:
        found = translate(error, doing, *secrets)
        # A chained traceback would print the driver's own text.
        raise found from (None if _tells(error, _maskable(secrets)) else error)


def translate(error: BaseException, doing: str, *secrets: str) -> EtlError:
    """The product's error for one of the driver's or the socket's; see `oracle_errors`."""
    code = code_of(error)
    message = f"{doing}: {_plain(str(error))}"
    for secret in _maskable(secrets):
        message = message.replace(secret, "***")
    kind = kind_of(code, SourceUnavailable if _is_recoverable(error) else SourceError)
    return kind(message, code=code)


def code_of(error: BaseException) -> str:
    """The most telling code: an ORA code in the text, a nested DPY code, or the driver's own.

    "Cannot connect" (DPY-6005) and "connection closed" (DPY-4011) carry their reason on a
    later line, the listener's refusals as "Similar to ORA-nnnnn", and ORA-00604 names the
    error of the statement inside the database that failed.
    """
    if isinstance(error, OSError):
        return _network_code(error)
    full = str(getattr(error.args[0] if error.args else None, "full_code", "")) or CONNECTION_LOST
    if full == RECURSIVE:
        deeper = [code for code in re.findall(r"ORA-\d{5}", str(error)) if code != full]
        return str(deeper[0]) if deeper else full
    named = re.search(r"ORA-\d{5}", str(error))
    if full.startswith("DPY-") and named:
        return named.group()
    if full != CANNOT_CONNECT:
        return full
    nested = re.findall(r"DPY-\d{4}", str(error))
    deeper = [code for code in nested if code != full]
    if deeper:
        return str(deeper[0])
    cause = error.__cause__
    return _network_code(cause) if isinstance(cause, OSError) else full


def _network_code(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return CANNOT_CONNECT if error.errno == socket.EAI_AGAIN else UNKNOWN_HOST
    if isinstance(error, ssl.SSLCertVerificationError):
        return BAD_CERTIFICATE
    if isinstance(error, ConnectionRefusedError):
        return NO_LISTENER
    return NO_ANSWER if isinstance(error, TimeoutError) else CONNECTION_LOST


def _is_recoverable(error: BaseException) -> bool:
    """What the driver says, for a code that the registry does not have.

    It cannot be trusted for all: it denies "cannot connect" (DPY-6005) and affirms ORA-00600.
    """
    details = error.args[0] if error.args else None
    return bool(getattr(details, "isrecoverable", False))


def _plain(text: str) -> str:
    """The driver's text without its links to documentation, on one line."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("Help: ")]
    return " ".join(filter(None, lines))


def _maskable(secrets: tuple[str, ...]) -> list[str]:
    """Those long enough that the masked text would not spell them out by its gaps."""
    return [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]


def _tells(error: BaseException, secrets: list[str]) -> bool:
    seen: BaseException | None = error
    while seen:
        if any(secret in str(seen) for secret in secrets):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
