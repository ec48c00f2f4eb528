"""Oracle's data dictionary: what can be read, and with which columns."""

from __future__ import annotations

import difflib
import re
from typing import Any

import oracledb

from etl_oracle_to_bq.errors import ConfigError
from etl_oracle_to_bq.model import OracleColumn, OracleView

MOST_VIEWS = 1_000
MOST_HINTS = 3
MOST_SYNONYMS = 8
# Schemas that come with the database; ALL_USERS.ORACLE_MAINTAINED says so only since 12.1.
ORACLE_OWN = (
    "SYS", "SYSTEM", "PUBLIC", "XDB", "MDSYS", "CTXSYS", "ORDSYS", "ORDDATA", "ORDPLUGINS",
    "WMSYS", "LBACSYS", "OLAPSYS", "OUTLN", "DBSNMP", "APPQOSSYS", "AUDSYS", "DVSYS", "DVF",
    "GSMADMIN_INTERNAL", "OJVMSYS", "EXFSYS", "SI_INFORMTN_SCHEMA",
)  # fmt: skip
NAME = re.compile(r'(?:("[^"]+"|[^".\s]+)\.)?("[^"]+"|[^".\s]+)')
CHARACTER_TYPES = {"VARCHAR2", "NVARCHAR2", "CHAR", "NCHAR", "VARCHAR"}
READABLE = "'VIEW', 'TABLE', 'MATERIALIZED VIEW'"


def readable(cursor: oracledb.Cursor, like: str) -> list[tuple[str, str]]:
    """Owner and name of views and tables; see `OracleSession.views`."""
    owners = ", ".join(f"'{owner}'" for owner in ORACLE_OWN)
    cursor.execute(
        "SELECT owner, object_name FROM (SELECT DISTINCT owner, object_name FROM all_objects "
        f"WHERE object_type IN ({READABLE}) AND owner NOT IN ({owners}) "
        "AND (:wanted IS NULL OR INSTR(UPPER(owner || '.' || object_name), :wanted) > 0) "
        f"ORDER BY owner, object_name) WHERE ROWNUM <= {MOST_VIEWS}",
        {"wanted": like.upper() or None},
    )
    return [(owner, name) for owner, name in cursor.fetchall()]


def describe(cursor: oracledb.Cursor, view: str) -> OracleView:
    """The view with its columns; see `OracleSession.describe`."""
    owner, name = _split(cursor, view)
    found = _look_up(cursor, owner, name)
    if found is None:
        raise _unknown(cursor, owner, name)
    columns = _columns(cursor, *_behind_synonyms(cursor, *found))
    if not columns:
        raise ConfigError(
            f"{found[0]}.{found[1]} is there, but shows no columns to this account "
            "(a synonym over a database link, or to something that was dropped?).",
            code="unknown-view",
        )
    # The synonym's own name is queried: in E-Business Suite the row security and the
    # edition hang on it, not on the table behind.
    return OracleView(found[0], found[1], columns)


def column_name(view: OracleView, column: str) -> str:
    """The dictionary's spelling of a column: as written, else in capitals.

    Raises ConfigError `unknown-column`.
    """
    names = {found.name for found in view.columns}
    for spelling in (column, column.upper()):
        if spelling in names:
            return spelling
    raise ConfigError(f"{view.owner}.{view.name} has no column {column}.", code="unknown-column")


def _split(cursor: oracledb.Cursor, view: str) -> tuple[str, str]:
    match = NAME.fullmatch(view.strip())
    if not match:
        raise ConfigError(f"{view!r} is not of the form OWNER.VIEW.", code="unknown-view")
    owner, name = match.groups()
    if owner is None:
        cursor.execute("SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM DUAL")
        (owner,) = cursor.fetchone() or ("",)
    return owner.strip('"'), name.strip('"')


def _look_up(cursor: oracledb.Cursor, owner: str, name: str) -> tuple[str, str] | None:
    spellings = [(owner, name), (owner.upper(), name), (owner.upper(), name.upper())]
    cursor.execute(
        "SELECT owner, object_name FROM all_objects "
        "WHERE owner IN (:owner, :owner_capitals) AND object_name IN (:name, :name_capitals) "
        f"AND object_type IN ({READABLE}, 'SYNONYM')",
        {
            "owner": owner,
            "owner_capitals": owner.upper(),
            "name": name,
            "name_capitals": name.upper(),
        },
    )
    found = {(row[0], row[1]) for row in cursor.fetchall()}
    return next((spelling for spelling in spellings if spelling in found), None)


def _behind_synonyms(cursor: oracledb.Cursor, owner: str, name: str) -> tuple[str, str]:
    for _ in range(MOST_SYNONYMS):
        cursor.execute(
            "SELECT table_owner, table_name FROM all_synonyms "
            "WHERE owner = :owner AND synonym_name = :name",
            {"owner": owner, "name": name},
        )
        row = cursor.fetchone()
        if row is None:
            return owner, name
        owner, name = row
    return owner, name


def _columns(cursor: oracledb.Cursor, owner: str, name: str) -> tuple[OracleColumn, ...]:
    cursor.execute(
        "SELECT column_name, data_type, data_precision, data_scale, data_length, char_length, "
        "nullable FROM all_tab_columns WHERE owner = :owner AND table_name = :name "
        "ORDER BY column_id",
        {"owner": owner, "name": name},
    )
    return tuple(_column(*row) for row in cursor.fetchall())


def _column(
    name: str,
    data_type: str,
    precision: Any,
    scale: Any,
    data_length: Any,
    char_length: Any,
    nullable: str,
) -> OracleColumn:
    length = None
    if data_type in CHARACTER_TYPES:
        length = int(char_length or data_length)
    elif data_type == "RAW":
        length = int(data_length)
    return OracleColumn(
        name=name,
        data_type=_full_type(data_type, scale),
        precision=None if precision is None else int(precision),
        scale=None if scale is None else int(scale),
        length=length,
        nullable=nullable != "N",
    )


def _full_type(data_type: str, scale: Any) -> str:
    """`TIMESTAMP WITH TIME ZONE` of scale 6 → `TIMESTAMP(6) WITH TIME ZONE`, as Oracle says it."""
    if data_type.startswith("TIMESTAMP") and "(" not in data_type and scale is not None:
        return data_type.replace("TIMESTAMP", f"TIMESTAMP({int(scale)})", 1)
    return data_type


def _unknown(cursor: oracledb.Cursor, owner: str, name: str) -> ConfigError:
    cursor.execute(
        "SELECT username FROM all_users WHERE username IN (:owner, :capitals)",
        {"owner": owner, "capitals": owner.upper()},
    )
    row = cursor.fetchone()
    if row is None:
        return ConfigError(
            f"{owner}.{name}: the database has no schema {owner}.", code="unknown-view"
        )
    cursor.execute(
        "SELECT object_name FROM all_objects WHERE owner = :owner "
        f"AND object_type IN ({READABLE}, 'SYNONYM')",
        {"owner": row[0]},
    )
    visible = [found[0] for found in cursor.fetchall()]
    alike = difflib.get_close_matches(name.upper(), visible, MOST_HINTS)
    hint = f" Named alike: {', '.join(alike)}." if alike else ""
    return ConfigError(
        f"{owner}.{name}: schema {row[0]} exists, but this account sees no view of that name "
        f"in it: it does not exist, or READ on it is not granted.{hint}",
        code="unknown-view",
    )
