"""What a name, a list of names or a moment must look like before it may reach any SQL.

Every validator raises ValidationError with a sentence that says what is wrong and what is
allowed. The same validators run in the forms, in `full_clean` and in the command line.
"""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError

ORACLE_NAME_BYTES = 128
MAX_CLUSTER_COLUMNS = 4
WATERMARK_FORMAT = "%Y-%m-%dT%H:%M:%S.%f"
TARGET_TYPES = (
    "BIGNUMERIC",
    "BOOL",
    "BYTES",
    "DATE",
    "DATETIME",
    "FLOAT64",
    "INT64",
    "NUMERIC",
    "STRING",
    "TIMESTAMP",
)


def oracle_name(value: str) -> None:
    """One Oracle identifier: a letter of any script, then letters, digits, `_ $ #`."""
    if not value:
        raise ValidationError("A name is empty.")
    if len(value.encode()) > ORACLE_NAME_BYTES:
        raise ValidationError(f"{value!r} is longer than Oracle's {ORACLE_NAME_BYTES} bytes.")
    if not _is_letter(value[0]) or not all(_is_oracle_character(c) for c in value):
        raise ValidationError(
            f"{value!r} is not an Oracle name: a letter first, then letters, digits, _ $ #."
        )
    if value != value.upper():
        raise ValidationError(f"{value!r} must be written as Oracle stores it: {value.upper()}.")


def oracle_view(value: str) -> None:
    """`OWNER.VIEW`, both of them Oracle names."""
    parts = value.split(".")
    if len(parts) != 2:
        raise ValidationError(f"{value!r} is not OWNER.VIEW, for example APPS.XX_GL_LINES_V.")
    for part in parts:
        oracle_name(part)


def oracle_names(value: Any) -> None:
    """A JSON list of different Oracle names."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValidationError('This must be a list of names, for example ["HEADER_ID"].')
    for name in value:
        oracle_name(name)
    repeated = sorted({name for name in value if value.count(name) > 1})
    if repeated:
        raise ValidationError(f"Named more than once: {', '.join(repeated)}.")


def cluster_columns(value: Any) -> None:
    """At most four names: BigQuery clusters by no more."""
    oracle_names(value)
    if len(value) > MAX_CLUSTER_COLUMNS:
        raise ValidationError(
            f"BigQuery clusters by at most {MAX_CLUSTER_COLUMNS} columns; {len(value)} are named."
        )


def column_types(value: Any) -> None:
    """A JSON object: Oracle column name → BigQuery type."""
    if not isinstance(value, dict):
        raise ValidationError('This must be an object, for example {"RATE": "BIGNUMERIC"}.')
    for name, kind in value.items():
        oracle_name(name)
        if kind not in TARGET_TYPES:
            raise ValidationError(
                f"{name}: {kind!r} is not a type that can be chosen: {', '.join(TARGET_TYPES)}."
            )


def dataset_name(value: str) -> None:
    """A BigQuery dataset: letters, digits, underscores, at most 1,024 characters.

    https://cloud.google.com/bigquery/docs/datasets#dataset-naming
    """
    if not re.fullmatch(r"[A-Za-z0-9_]{1,1024}", value):
        raise ValidationError(f"{value!r} is not a dataset name: letters, digits and _ only.")


def table_name(value: str) -> None:
    """A BigQuery table: letters, marks, digits, `_`, `-` of any script, at most 1,024 bytes.

    https://cloud.google.com/bigquery/docs/tables#table_naming (spaces are allowed there and
    refused here: they only make trouble in reports).
    """
    if not value or len(value.encode()) > 1024 or not all(map(_fits_table, value)):
        raise ValidationError(f"{value!r} is not a table name: letters, digits, _ and - only.")


def default_target(view: str) -> str:
    """The table that a view is loaded into unless another is named: its name in lower case.

    `$`, `#` and whatever else BigQuery refuses become `_`.
    """
    name = view.rpartition(".")[2].lower()
    return "".join(c if _fits_table(c) else "_" for c in name)


def store_name(value: str) -> None:
    """The name of a data store, as the command line takes it: no leading hyphen, no quotes."""
    if not re.fullmatch(r"\w[\w .\-]{0,63}", value) or value != value.strip():
        raise ValidationError(
            f"{value!r} is not a name: letters, digits, blanks, _ . - and at most 64 of them."
        )


def host_name(value: str) -> None:
    """A host name or an IP address, without scheme, port or path."""
    if not re.fullmatch(
        r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,253}[A-Za-z0-9])?|[0-9A-Fa-f:.]+", value
    ):
        raise ValidationError(f"{value!r} is not a host name or an IP address.")


def printable(value: str) -> None:
    """No control characters, which would end up in connect strings and logs."""
    if any(unicodedata.category(c) == "Cc" for c in value):
        raise ValidationError("Control characters (line ends, tabs, …) are not allowed here.")


def connect_word(value: str) -> None:
    """A service name or SID: nothing that would end its place in a connect descriptor."""
    if re.search(r"[()='\"\\\s]", value):
        raise ValidationError("Brackets, quotes, blanks, = and \\ are not allowed here.")


def connect_folder(value: str) -> None:
    """A wallet's folder, which becomes part of a connect descriptor: `(x86)` may be in it."""
    if re.search(r"[='\"]", value):
        raise ValidationError("Quotes and = are not allowed in the name of this folder.")


def connect_descriptor(value: str) -> None:
    """Empty, or a whole descriptor over TCP or TCPS.

    Not an alias or an address of a file, which the driver would open, and not the BEQ
    protocol, with which Oracle Client starts the program that the descriptor names.
    """
    if not value:
        return
    text = re.sub(r"\s+", "", value).upper()
    if not re.fullmatch(r"\(DESCRIPTION(_LIST)?=.*\)", text):
        raise ValidationError("This must be a whole descriptor: (DESCRIPTION=…).")
    if any(unicodedata.category(c) == "Cc" for c in text):
        raise ValidationError("Control characters are not allowed here.")
    protocols = set(re.findall(r"\(PROTOCOL=([^()]*)", text))
    if not protocols or not protocols <= {"TCP", "TCPS"}:
        raise ValidationError("Each address needs (PROTOCOL=TCP) or (PROTOCOL=TCPS).")
    if found := re.search(r"\((PROGRAM|ARGV0|ARGS|ENVS|IFILE)=", text):
        raise ValidationError(f"{found[1]} is not allowed: it names a program or a file.")


def session_time_zone(value: str) -> None:
    """`+07:00` or a region such as `Asia/Bangkok`: what ALTER SESSION SET TIME_ZONE takes."""
    if re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", value):
        return
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"{value!r} is neither an offset (+07:00) nor a known region.")


def python_name(value: str) -> None:
    """The name of a registered transform."""
    if not value.isidentifier():
        raise ValidationError(f"{value!r} is not the name of a registered transform.")


def watermark(value: str) -> None:
    """A moment without zone, written `YYYY-MM-DDTHH:MM:SS.ffffff`."""
    try:
        moment = datetime.strptime(value, WATERMARK_FORMAT)  # noqa: DTZ007 (Oracle's own clock)
    except ValueError:
        moment = None
    if moment is None or moment.isoformat(timespec="microseconds") != value:
        raise ValidationError(f"{value!r} is not a moment: 2026-01-31T23:59:59.000000.")


def _fits_table(character: str) -> bool:
    return character in "_-" or unicodedata.category(character)[0] in ("L", "M", "N")


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] == "L"


def _is_oracle_character(character: str) -> bool:
    # Thai vowels and other marks are part of letters; digits are those of ASCII.
    if character in "_$#" or (character.isascii() and character.isdigit()):
        return True
    return unicodedata.category(character)[0] in ("L", "M")
