"""The client's exceptions to the error tree, in one place.

Messages name what was being done and BigQuery's own words; addresses are cut out of them,
because the address of an upload is a capability. The original exception is not chained for
the same reason.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from typing import Any

import requests.exceptions
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.bigquery import exceptions as client_exceptions
from google.resumable_media import DataCorruption, InvalidResponse

from etl_oracle_to_bq.errors import (
    DestinationError,
    DestinationUnavailable,
    EtlError,
    kind_of,
)

# Documented as worth repeating (docs/error-messages, docs/troubleshoot-quotas). quotaExceeded
# is not among them: it asks for ten minutes or more, and for somebody to look.
TRANSIENT_REASONS = frozenset(
    {
        "backendError",
        "badGateway",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "jobRateLimitExceeded",
        "rateLimitExceeded",
    }
)

# Texts of statements that lost against another writer (docs/troubleshoot-queries).
_CONFLICTING_WRITERS = ("Could not serialize access", "aborted due to concurrent update")
CONFLICT = "concurrentUpdate"

# BigQuery's reason for a job that somebody cancelled there; `stopped` is our own code for a run
# that somebody stopped here.
_RENAMED = {"stopped": "jobCancelled"}

_REASON_OF_STATUS = {
    400: "invalid",
    401: "authenticationFailed",
    403: "accessDenied",
    404: "notFound",
    408: "backendError",
    409: "duplicate",
    429: "rateLimitExceeded",
    500: "internalError",
    502: "badGateway",
}

_LINE_ERRORS = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    auth.TransportError,
    auth.TimeoutError,
    ConnectionError,
    TimeoutError,
    FutureTimeout,
)

_BAD_ADDRESSES = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)

HANDLED = (
    api.GoogleAPIError,
    api.AsyncRestUnsupportedParameterError,
    auth.GoogleAuthError,
    client_exceptions.BigQueryError,
    InvalidResponse,
    DataCorruption,
    *_LINE_ERRORS,
)

_ADDRESS = re.compile(r"(?:(?:GET|POST|PUT|PATCH|DELETE)\s+)?https?://\S+?(?=:?\s|:?$)")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what BigQuery's client raises as DestinationError or DestinationUnavailable.

    `doing` begins the message and names the table, e.g. "loading sales.orders".
    """
    try:
        yield
    except HANDLED as error:
        raise error_for(error, doing) from None


def error_for(error: BaseException, doing: str) -> EtlError:
    """The product's error for one of `HANDLED`."""
    if isinstance(error, api.RetryError):
        return _gave_up(error, doing)
    if isinstance(error, InvalidResponse):
        return error_for(_http_error(error), doing)
    if isinstance(error, api.GoogleAPICallError):
        return _answered(error, doing)
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return DestinationError(
            f"While {doing}: the secure connection failed: {_clean(error)}", code="tls"
        )
    if isinstance(error, _BAD_ADDRESSES):
        return DestinationError(
            f"While {doing}: the address of BigQuery is wrong: {_clean(error)}", code="client"
        )
    if isinstance(error, _LINE_ERRORS):
        return DestinationUnavailable(
            f"While {doing}: BigQuery cannot be reached ({type(error).__name__}).",
            code="connectionLost",
        )
    if isinstance(error, auth.DefaultCredentialsError):
        return DestinationError(
            f"While {doing}: no credentials: {_clean(error)}", code="missingCredentials"
        )
    if isinstance(error, auth.GoogleAuthError):
        return DestinationError(
            f"While {doing}: Google refuses us: {_clean(error)}", code="authenticationFailed"
        )
    return DestinationError(
        f"While {doing}: {type(error).__name__}: {_clean(error)}", code="client"
    )


def job_failure(error: Mapping[str, Any], doing: str) -> EtlError:
    """The error of a job that ended with this `error_result`."""
    reason = str(error.get("reason") or "unknown")
    message = _clean(error.get("message") or "no message")
    told = f"While {doing}: BigQuery says {message} ({reason})"
    return _error(told, CONFLICT if _lost_against_a_writer(error) else reason)


def worth_repeating(error: Mapping[str, Any]) -> bool:
    """True when a job that ended with this `error_result` may succeed under a new id."""
    return error.get("reason") in TRANSIENT_REASONS or _lost_against_a_writer(error)


def _lost_against_a_writer(error: Mapping[str, Any]) -> bool:
    return any(text in str(error.get("message")) for text in _CONFLICTING_WRITERS)


def _error(message: str, reason: str, otherwise: type[EtlError] = DestinationError) -> EtlError:
    """Of the class that the registry has the reason under, `otherwise` for an unknown reason."""
    code = _RENAMED.get(reason, reason)
    return kind_of(code, otherwise)(message, code=code)


def _http_error(error: InvalidResponse) -> BaseException:
    found: BaseException = api.from_http_response(error.response)  # type: ignore[no-untyped-call]
    return found


def _gave_up(error: api.RetryError, doing: str) -> EtlError:
    cause = error.cause
    if isinstance(cause, HANDLED) and not isinstance(cause, api.RetryError):
        inner = error_for(cause, doing)
        told = f"{inner.message} It was tried until the time limit."
        return _error(told, inner.code, DestinationUnavailable)
    return DestinationUnavailable(
        f"While {doing}: BigQuery did not answer in time.", code="connectionLost"
    )


def _answered(error: api.GoogleAPICallError, doing: str) -> EtlError:
    reason = reason_of(error)
    message = f"While {doing}: BigQuery says {_clean(_message(error))} ({reason})"
    status = error.code or 0
    passing = status in (408, 429) or status >= 500
    return _error(message, reason, DestinationUnavailable if passing else DestinationError)


def reason_of(error: api.GoogleAPICallError) -> str:
    """BigQuery's own reason, or the usual one of the status."""
    first = error.errors[0] if error.errors else None
    if isinstance(first, Mapping) and first.get("reason"):
        return str(first["reason"])
    status = int(error.code or 0)
    return _REASON_OF_STATUS.get(status, "backendError" if status >= 500 else "invalid")


def _message(error: api.GoogleAPICallError) -> str:
    first = error.errors[0] if error.errors else None
    if isinstance(first, Mapping) and first.get("message"):
        return str(first["message"])
    return str(error.message)


def _clean(text: object) -> str:
    return _ADDRESS.sub("", str(text)).lstrip(": ").strip()
