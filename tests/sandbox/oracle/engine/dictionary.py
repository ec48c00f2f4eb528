"""The data dictionary: ALL_TAB_COLUMNS and its like, over plain DuckDB tables."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from tests.sandbox.oracle.engine.catalogue import Catalogue, DictionaryView, Table, View
from tests.sandbox.oracle.engine.scope import Output
from tests.sandbox.oracle.engine.types import (
    CHAR_KINDS,
    DATE,
    NUMBER,
    Ty,
    number,
    of_column,
    type_text,
    varchar,
)
from tests.sandbox.oracle.session import Column, Kind

_NAME = varchar(128)
_COUNT = number(10)
_LENGTHS = {
    Kind.DATE: 7, Kind.BINARY_FLOAT: 4, Kind.BINARY_DOUBLE: 8, Kind.TIMESTAMP: 11,
    Kind.TIMESTAMP_TZ: 13, Kind.TIMESTAMP_LTZ: 11, Kind.INTERVAL_DS: 11, Kind.INTERVAL_YM: 5,
    Kind.CLOB: 4000, Kind.NCLOB: 4000, Kind.BLOB: 4000, Kind.LONG: 0, Kind.LONG_RAW: 0,
    Kind.ROWID: 10, Kind.NUMBER: 22, Kind.FLOAT: 22,
}  # fmt: skip

_TABLES = {
    "d_columns": "owner, table_name, column_name, data_type, data_length, data_precision, "
    "data_scale, nullable, column_id, char_length, char_used",
    "d_objects": "owner, object_name, object_id, object_type",
    "d_views": "owner, view_name, text_length, text",
    "d_tables": "owner, table_name, num_rows",
    "d_synonyms": "owner, synonym_name, table_owner, table_name",
    "d_users": "username, user_id",
    "d_visible": "grantee, owner, name",
    "d_grants": "grantee, owner, table_name, privilege",
}
_NUMERIC = frozenset(
    [
        "data_length",
        "data_precision",
        "data_scale",
        "column_id",
        "char_length",
        "object_id",
        "text_length",
        "num_rows",
        "user_id",
    ]
)


def install(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the empty tables."""
    for table, columns in _TABLES.items():
        typed = [
            f"{name} {'DECIMAL(10,0)' if name in _NUMERIC else 'VARCHAR'}"
            for name in columns.split(", ")
        ]
        connection.execute(f"CREATE TABLE {table} ({', '.join(typed)})")


def refresh(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Fill the tables from the catalogue."""
    connection.execute("BEGIN")
    for table, rows in _contents(catalogue).items():
        names = _TABLES[table].split(", ")
        columns = list(zip(*rows, strict=True)) if rows else [[] for _ in names]
        arrays = [
            pa.array(list(column), pa.int64() if name in _NUMERIC else pa.string())
            for name, column in zip(names, columns, strict=True)
        ]
        connection.register("dictionary_rows", pa.table(arrays, names=names))
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"INSERT INTO {table} SELECT * FROM dictionary_rows")
        connection.unregister("dictionary_rows")
    connection.execute("COMMIT")


def _contents(catalogue: Catalogue) -> dict[str, list[tuple[object, ...]]]:
    relations = list(catalogue.relations.values())
    views = [relation for relation in relations if isinstance(relation, View)]
    tables = [relation for relation in relations if isinstance(relation, Table)]
    objects: list[tuple[object, ...]] = [
        (r.owner, r.name, r.number, "VIEW" if isinstance(r, View) else "TABLE") for r in relations
    ]
    synonyms = catalogue.synonyms.values()
    objects += [(s.owner, s.name, 90000 + i, "SYNONYM") for i, s in enumerate(synonyms)]
    return {
        "d_columns": [
            (relation.owner, relation.name, *_column_row(column), i + 1, *_characters(column))
            for relation in relations
            for i, column in enumerate(relation.columns)
        ],
        "d_objects": objects,
        "d_views": [(v.owner, v.name, len(v.text), v.text) for v in views],
        "d_tables": [(t.owner, t.name, t.rows) for t in tables],
        "d_synonyms": [(s.owner, s.name, s.target_owner, s.target) for s in synonyms],
        "d_users": [(name, 100 + i) for i, name in enumerate(catalogue.users)],
        "d_visible": list(catalogue.visible()),
        "d_grants": list(catalogue.grants),
    }


def _column_row(column: Column) -> tuple[object, ...]:
    ty = of_column(column)
    length = _LENGTHS.get(column.kind, column.length or 1)
    if column.kind in CHAR_KINDS and column.char_semantics:
        wide = 2 if column.kind in (Kind.NCHAR, Kind.NVARCHAR2) else 4
        length = min(wide * (column.length or 1), 32767)
    precision, scale = column.precision, column.scale
    if column.kind in (Kind.INTERVAL_DS, Kind.INTERVAL_YM):
        precision = precision or 2
    if column.kind is Kind.FLOAT:
        scale = None
    return (
        column.name,
        type_text(ty),
        length,
        precision,
        scale,
        "Y" if column.nullable else "N",
    )


def _characters(column: Column) -> tuple[object, ...]:
    if column.kind not in CHAR_KINDS:
        return 0, None
    return column.length or 1, "C" if column.char_semantics else "B"


# -- the views ----------------------------------------------------------------------------------

_SEEN = (
    "EXISTS (SELECT 1 FROM d_visible v WHERE v.grantee IN ({user}, 'PUBLIC') "
    "AND v.owner = d.owner AND v.name = d."
)
_KINDS = {
    "OWNER": _NAME, "TABLE_NAME": _NAME, "COLUMN_NAME": _NAME, "DATA_TYPE": _NAME,
    "DATA_LENGTH": _COUNT, "DATA_PRECISION": _COUNT, "DATA_SCALE": _COUNT,
    "NULLABLE": varchar(1), "COLUMN_ID": _COUNT, "CHAR_LENGTH": _COUNT, "CHAR_USED": varchar(1),
    "VIEW_NAME": _NAME, "TEXT_LENGTH": _COUNT, "TEXT": Ty(Kind.LONG), "TEXT_VC": varchar(4000),
    "OBJECT_NAME": _NAME, "OBJECT_ID": _COUNT, "OBJECT_TYPE": varchar(23), "STATUS": varchar(7),
    "CREATED": DATE, "LAST_DDL_TIME": DATE, "SYNONYM_NAME": _NAME, "TABLE_OWNER": _NAME,
    "DB_LINK": _NAME, "USERNAME": _NAME, "USER_ID": _COUNT, "NUM_ROWS": _COUNT,
    "GRANTEE": _NAME, "PRIVILEGE": varchar(40), "TABLE_SCHEMA": _NAME, "COMMENTS": varchar(4000),
    "PARAMETER": varchar(128), "VALUE": varchar(160), "BANNER": varchar(80),
    "PRODUCT": varchar(80), "VERSION": varchar(80), "VERSION_FULL": varchar(80),
    "NAME": varchar(128), "CURRENT_SCN": number(18), "DBID": NUMBER, "OPEN_MODE": varchar(20),
    "DATABASE_ROLE": varchar(16), "LOG_MODE": varchar(12), "PLATFORM_NAME": varchar(101),
    "INSTANCE_NAME": varchar(16), "HOST_NAME": varchar(64), "CON_ID": _COUNT,
    "CONSTRAINT_NAME": _NAME, "CONSTRAINT_TYPE": varchar(1), "POSITION": _COUNT,
    "R_OWNER": _NAME, "R_CONSTRAINT_NAME": _NAME, "INDEX_NAME": _NAME, "UNIQUENESS": varchar(9),
    "COLUMN_POSITION": _COUNT, "TABLE_TYPE": varchar(11), "DATA_TYPE_OWNER": _NAME,
    "DATA_DEFAULT": Ty(Kind.LONG), "VIRTUAL_COLUMN": varchar(3), "HIDDEN_COLUMN": varchar(3),
    "POLICY_NAME": _NAME, "FUNCTION": _NAME, "OBJECT_OWNER": _NAME,
}  # fmt: skip


def views(version: tuple[int, int, int, int, int]) -> dict[str, DictionaryView]:
    """Every dictionary view by name."""
    found: dict[str, DictionaryView] = {}
    columns = (
        "OWNER=d.owner TABLE_NAME=d.table_name COLUMN_NAME=d.column_name DATA_TYPE=d.data_type "
        "DATA_TYPE_OWNER=NULL DATA_LENGTH=d.data_length DATA_PRECISION=d.data_precision "
        "DATA_SCALE=d.data_scale NULLABLE=d.nullable COLUMN_ID=d.column_id DATA_DEFAULT=NULL "
        "CHAR_LENGTH=d.char_length CHAR_USED=d.char_used"
    )
    created = "make_timestamp(1704067200000000)"
    families = {
        "TAB_COLUMNS": ("d_columns", columns, "table_name"),
        "TAB_COLS": (
            "d_columns",
            columns + " VIRTUAL_COLUMN='NO' HIDDEN_COLUMN='NO'",
            "table_name",
        ),
        "VIEWS": (
            "d_views",
            "OWNER=d.owner VIEW_NAME=d.view_name TEXT_LENGTH=d.text_length TEXT=d.text "
            "TEXT_VC=left(d.text,4000)",
            "view_name",
        ),
        "TABLES": ("d_tables", "OWNER=d.owner TABLE_NAME=d.table_name NUM_ROWS=d.num_rows STATUS='VALID'",
                   "table_name"),
        "OBJECTS": (
            "d_objects",
            "OWNER=d.owner OBJECT_NAME=d.object_name OBJECT_ID=d.object_id "
            f"OBJECT_TYPE=d.object_type CREATED={created} LAST_DDL_TIME={created} STATUS='VALID'",
            "object_name",
        ),
    }  # fmt: skip
    for name, (table, items, key) in families.items():
        seen = f"{_SEEN}{key})"
        if name == "OBJECTS":
            mine = "d.object_type = 'SYNONYM' AND d.owner IN ({user}, 'PUBLIC')"
            seen = f"({seen} OR {mine})"
        _add(found, f"ALL_{name}", items, f"{table} d WHERE {seen}")
        _add(found, f"DBA_{name}", items, f"{table} d", public=False)
        own = " ".join(item for item in items.split(" ") if not item.startswith("OWNER="))
        _add(found, f"USER_{name}", own, f"{table} d WHERE d.owner = {{user}}")
    _add_others(found, version)
    return found


def _add_others(found: dict[str, DictionaryView], version: tuple[int, int, int, int, int]) -> None:
    synonyms = (
        "OWNER=d.owner SYNONYM_NAME=d.synonym_name TABLE_OWNER=d.table_owner "
        "TABLE_NAME=d.table_name DB_LINK=NULL"
    )
    seen = (
        "(d.owner IN ({user}, 'PUBLIC') OR EXISTS (SELECT 1 FROM d_visible v WHERE v.grantee IN "
        "({user}, 'PUBLIC') AND v.owner = d.table_owner AND v.name = d.table_name))"
    )
    _add(found, "ALL_SYNONYMS", synonyms, f"d_synonyms d WHERE {seen}")
    _add(found, "USER_SYNONYMS", synonyms.split(" ", 1)[1], "d_synonyms d WHERE d.owner = {user}")
    created = "make_timestamp(1704067200000000)"
    users = f"USERNAME=d.username USER_ID=d.user_id CREATED={created}"
    _add(found, "ALL_USERS", users, "d_users d")
    _add(found, "USER_USERS", users, "d_users d WHERE d.username = {user}")
    grants = "GRANTEE=d.grantee OWNER=d.owner TABLE_NAME=d.table_name PRIVILEGE=d.privilege"
    mine = "d_grants d WHERE d.grantee IN ({user}, 'PUBLIC') OR d.owner = {user}"
    _add(found, "USER_TAB_PRIVS", grants, mine)
    schema = grants.replace("OWNER=", "TABLE_SCHEMA=")
    _add(found, "ALL_TAB_PRIVS", schema, mine)
    nothing = "(SELECT 1) d WHERE FALSE"
    for prefix in ("ALL", "USER"):
        _add(
            found,
            f"{prefix}_CONSTRAINTS",
            "OWNER=NULL CONSTRAINT_NAME=NULL CONSTRAINT_TYPE=NULL TABLE_NAME=NULL R_OWNER=NULL "
            "R_CONSTRAINT_NAME=NULL STATUS=NULL",
            nothing,
        )
        _add(
            found,
            f"{prefix}_CONS_COLUMNS",
            "OWNER=NULL CONSTRAINT_NAME=NULL TABLE_NAME=NULL COLUMN_NAME=NULL POSITION=NULL",
            nothing,
        )
        _add(found, f"{prefix}_TAB_COMMENTS",
             "OWNER=NULL TABLE_NAME=NULL TABLE_TYPE=NULL COMMENTS=NULL", nothing)  # fmt: skip
        _add(found, f"{prefix}_COL_COMMENTS",
             "OWNER=NULL TABLE_NAME=NULL COLUMN_NAME=NULL COMMENTS=NULL", nothing)  # fmt: skip
        _add(found, f"{prefix}_POLICIES",
             "OBJECT_OWNER=NULL OBJECT_NAME=NULL POLICY_NAME=NULL FUNCTION=NULL", nothing)  # fmt: skip
    _add(found, "SESSION_PRIVS", "PRIVILEGE='CREATE_SESSION'", "(SELECT 1) d")
    dotted = ".".join(map(str, version))
    release = f"{version[0]}.0.0.0.0"
    banner = f"Oracle Database {version[0]}c Enterprise Edition Release {release} - Production"
    _add(found, "V$VERSION", "BANNER=$banner CON_ID=0", "(SELECT 1) d", banner=banner)
    _add(
        found,
        "PRODUCT_COMPONENT_VERSION",
        f"PRODUCT=$banner VERSION='{release}' VERSION_FULL='{dotted}' STATUS='Production'",
        "(SELECT 1) d",
        banner=f"Oracle Database {version[0]}c Enterprise Edition ",
    )
    _add(
        found,
        "V$DATABASE",
        "DBID=1618033988 NAME='ERPPDB1' CURRENT_SCN=$rt_scn LOG_MODE='ARCHIVELOG' "
        "OPEN_MODE=$banner DATABASE_ROLE='PRIMARY' PLATFORM_NAME='Linux_x86_64-bit'",
        "(SELECT 1) d",
        public=False,
        banner="READ WRITE",
    )
    _add(
        found,
        "V$INSTANCE",
        f"INSTANCE_NAME='ERP1' HOST_NAME='sandbox' VERSION='{release}' STATUS='OPEN'",
        "(SELECT 1) d",
        public=False,
    )
    parameters = "(VALUES ('NLS_CHARACTERSET', 'AL32UTF8'), ('NLS_NCHAR_CHARACTERSET', 'AL16UTF16'), ('NLS_LANGUAGE', 'AMERICAN'), ('NLS_TERRITORY', 'AMERICA'), ('NLS_RDBMS_VERSION', '{v}'))"
    for name in ("NLS_DATABASE_PARAMETERS", "V$NLS_PARAMETERS"):
        _add(
            found, name, "PARAMETER=d.parameter VALUE=d.value",
            f"{parameters.replace('{v}', release)} d(parameter, value)",
        )  # fmt: skip
    _add(
        found,
        "NLS_SESSION_PARAMETERS",
        "PARAMETER=d.p.parameter VALUE=d.p.value",
        "(SELECT unnest(CAST($rt_nls AS STRUCT(parameter VARCHAR, value VARCHAR)[])) AS p) d",
    )


def _add(
    found: dict[str, DictionaryView],
    name: str,
    items: str,
    source: str,
    *,
    public: bool = True,
    banner: str = "",
) -> None:
    outputs, columns = [], []
    for index, item in enumerate(items.split(" ")):
        column, _, sql = item.partition("=")
        ty = _KINDS[column]
        quoted = "'" + banner.replace("'", "''") + "'"
        columns.append(f"CAST({sql.replace('$banner', quoted)} AS {ty.duck}) AS c{index}")
        outputs.append(Output(column, ty))
    found[name] = DictionaryView(
        name, tuple(outputs), f"SELECT {', '.join(columns)} FROM {source}", public
    )
