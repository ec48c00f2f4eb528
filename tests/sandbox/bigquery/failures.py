"""Errors in the service's words: an ErrorProto for a job, an HTTP error for a request.

Reasons and codes: https://docs.cloud.google.com/bigquery/docs/error-messages
"""

from __future__ import annotations

import re
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
from bqemulator.jobs import error_mapper

from tests.sandbox.bigquery.bignumeric import DoesNotFit
from tests.sandbox.bigquery.corrections import Patch


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


_stock_translate = error_mapper.translate_runtime_error
_WRAPPED = "Query execution failed: "
_UDF = re.compile(r"Python exception occurred while executing the UDF: \w+: ([^\n]*)")


def _translate(error: BaseException, *, duckdb_sql: str | None = None) -> DomainError:
    """The stock translation, which hides known errors and whole tracebacks in its fallback."""
    known = _stock_translate(error, duckdb_sql=duckdb_sql)
    if isinstance(error, DomainError) and known.message.startswith(_WRAPPED):
        return error
    inside = _UDF.search(known.message)
    return InvalidQueryError(inside.group(1), location="query") if inside else known


def patches() -> list[Patch]:
    """The corrections of this file."""
    source = "docs.cloud.google.com/bigquery/docs/error-messages"
    modules = ("jobs.executor", "jobs.error_mapper")
    return [Patch(f"bqemulator.{m}:translate_runtime_error", _translate, source) for m in modules]


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
    if isinstance(error, duckdb.Error):
        return _translate(error)
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
