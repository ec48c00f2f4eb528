"""ALTER SESSION: which parameters exist and what each changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tests.sandbox.oracle.engine.convert import Settings
from tests.sandbox.oracle.engine.date_models import elements
from tests.sandbox.oracle.engine.zones import Zone, zone
from tests.sandbox.oracle.errors import OracleError

_FORMATS = {
    "NLS_DATE_FORMAT": "date_format",
    "NLS_TIMESTAMP_FORMAT": "timestamp_format",
    "NLS_TIMESTAMP_TZ_FORMAT": "timestamp_tz_format",
}
# The one value that each of these may have here: anything else would have to change results.
_FIXED = {
    "NLS_LANGUAGE": {"AMERICAN", "ENGLISH"},
    "NLS_DATE_LANGUAGE": {"AMERICAN", "ENGLISH"},
    "NLS_TERRITORY": {"AMERICA"},
    "NLS_CALENDAR": {"GREGORIAN"},
    "NLS_SORT": {"BINARY"},
    "NLS_COMP": {"BINARY"},
}
_WITHOUT_EFFECT = frozenset(
    [
        "NLS_LENGTH_SEMANTICS",
        "NLS_CURRENCY",
        "NLS_ISO_CURRENCY",
        "NLS_DUAL_CURRENCY",
        "NLS_NCHAR_CONV_EXCP",
        "ISOLATION_LEVEL",
        "STATISTICS_LEVEL",
        "OPTIMIZER_MODE",
        "CURSOR_SHARING",
        "SQL_TRACE",
        "EVENTS",
        "PARALLEL_DEGREE_POLICY",
        "RESUMABLE_TIMEOUT",
        "DDL_LOCK_TIMEOUT",
        "TRACEFILE_IDENTIFIER",
        "RESULT_CACHE_MODE",
        "WORKAREA_SIZE_POLICY",
        "SORT_AREA_SIZE",
        "HASH_AREA_SIZE",
        "STANDBY_MAX_DATA_DELAY",
        "EDITION",
        "CONTAINER",
    ]
)


def first_settings(user: str, attributes: Mapping[str, str]) -> Settings:
    """A new session's settings; its zone is what the client asked for at logon."""
    where = attributes.get("time_zone", "")
    return Settings(user, user, zone(where) if where else Zone("+00:00", 0))


def altered(
    settings: Settings, pairs: Sequence[tuple[str, str]], users: Collection[str]
) -> Settings:
    """The settings after ALTER SESSION SET. Raises ORA-02248 for an unknown parameter."""
    for name, value in pairs:
        settings = _one(settings, name, value, users)
    return settings


def _one(settings: Settings, name: str, value: str, users: Collection[str]) -> Settings:
    if name == "TIME_ZONE":
        return replace(settings, zone=_zone(settings, value))
    if name == "CURRENT_SCHEMA":
        if value not in users and value not in ("SYS", "SYSTEM", "PUBLIC"):
            raise OracleError(1435, "user does not exist")
        return replace(settings, schema=value)
    if name in _FORMATS:
        elements(value)
        return replace(settings, **{_FORMATS[name]: value})
    if name == "NLS_NUMERIC_CHARACTERS":
        if len(value) != 2 or value[0] == value[1] or any(c.isdigit() for c in value):
            raise OracleError(
                12705, "Cannot access NLS data files or invalid environment specified"
            )
        return replace(settings, numeric_characters=value)
    if name in _FIXED:
        if value.upper() not in _FIXED[name]:
            raise OracleError(604, f"{name} = {value} is not supported here")
        return settings
    if name in _WITHOUT_EFFECT or name.startswith(("_", "OPTIMIZER_", "PARALLEL_")):
        return settings
    raise OracleError(2248, "invalid option for ALTER SESSION")


def _zone(settings: Settings, value: str) -> Zone:
    if value.upper() == "DBTIMEZONE":
        return Zone("+00:00", 0)
    if value.upper() == "LOCAL":
        return settings.zone
    return zone(value)


def nls_parameters(settings: Settings) -> list[dict[str, str]]:
    """NLS_SESSION_PARAMETERS."""
    values = {
        "NLS_LANGUAGE": "AMERICAN",
        "NLS_TERRITORY": "AMERICA",
        "NLS_CURRENCY": "$",
        "NLS_ISO_CURRENCY": "AMERICA",
        "NLS_NUMERIC_CHARACTERS": settings.numeric_characters,
        "NLS_CALENDAR": "GREGORIAN",
        "NLS_DATE_FORMAT": settings.date_format,
        "NLS_DATE_LANGUAGE": "AMERICAN",
        "NLS_SORT": "BINARY",
        "NLS_TIMESTAMP_FORMAT": settings.timestamp_format,
        "NLS_TIMESTAMP_TZ_FORMAT": settings.timestamp_tz_format,
        "NLS_COMP": "BINARY",
        "NLS_LENGTH_SEMANTICS": "BYTE",
    }
    return [{"parameter": name, "value": value} for name, value in values.items()]
