"""Errors in the service's words: an ErrorProto for a job, an HTTP error for a request.

Reasons and codes: https://docs.cloud.google.com/bigquery/docs/error-messages
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

import duckdb
from bqemulator.domain.errors import (
    AlreadyExistsError,
    DomainError,
    InvalidQueryError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceInUseError,
    UnsupportedFeatureError,
    ValidationError,
)
from bqemulator.jobs.error_mapper import translate_runtime_error

from tests.sandbox.bigquery.bignumeric import DoesNotFit


class LoadFailed(DomainError):
    """Data that a load job could not read: reason `invalid`, one message per bad value."""

    http_status = 400
    bq_reason = "invalid"
    grpc_status_name = "INVALID_ARGUMENT"

    def __init__(self, *messages: str) -> None:
        texts = [f"Error while reading data, error message: {text}" for text in messages]
        super().__init__(texts[0])
        self.messages = texts


class PreconditionFailed(DomainError):
    """An If-Match header whose etag is not the resource's."""

    http_status = 412
    bq_reason = "conditionNotMet"
    grpc_status_name = "FAILED_PRECONDITION"


class NotImitated(DomainError):
    """Something that the service can do and the sandbox does not: refused, never ignored."""

    http_status = 501
    bq_reason = "notImplemented"
    grpc_status_name = "UNIMPLEMENTED"


_BY_REASON: dict[str, type[DomainError]] = {
    kind.bq_reason: kind
    for kind in (
        AlreadyExistsError,
        InvalidQueryError,
        NotFoundError,
        OutOfRangeError,
        PermissionDeniedError,
        ResourceInUseError,
        UnsupportedFeatureError,
        ValidationError,
    )
}


def error_protos(error: Exception) -> list[dict[str, Any]]:
    """The `status.errors` of a job that ended with `error`; the first is its errorResult."""
    known = as_domain_error(error)
    messages = known.messages if isinstance(known, LoadFailed) else [known.message]
    proto: dict[str, Any] = {"reason": known.bq_reason}
    if known.location:
        proto["location"] = known.location
    return [{**proto, "message": message} for message in messages]


def as_domain_error(error: Exception) -> DomainError:
    """`error` itself, or what it means in the service's words.

    An engine error is the query's fault (400 invalidQuery); anything else is the sandbox's own
    and is written to standard error in full.
    """
    if isinstance(error, DomainError):
        return error
    if isinstance(error, duckdb.InvalidInputException) and DoesNotFit.__name__ in str(error):
        return InvalidQueryError(f"numeric overflow: {error}", location="query")
    if isinstance(error, duckdb.Error):
        return translate_runtime_error(error)
    if isinstance(error, DoesNotFit):
        return OutOfRangeError(str(error))
    traceback.print_exception(error, file=sys.stderr)
    return SandboxFault(f"sandbox fault: {type(error).__name__}: {error}")


class SandboxFault(DomainError):
    """A mistake in the sandbox, shown as such."""

    http_status = 500
    bq_reason = "internalError"
    grpc_status_name = "INTERNAL"


def request_error(proto: dict[str, Any]) -> DomainError:
    """The HTTP error that says the same as a job's errorResult."""
    kind = _BY_REASON.get(proto["reason"], SandboxFault)
    return kind(proto["message"], location=proto.get("location"))
