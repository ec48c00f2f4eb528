"""Runs one DuckDB statement of a job, and counts what it changed.

DuckDB lets two source rows update one target row; the service does not
(https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax#merge_statement).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.sql.parameters import _replace_question_marks
from sqlglot import exp

_NAMED = re.compile(r"\$p(\d+)\b")
_VERB = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DmlCounts:
    """Rows that a DML statement inserted, updated and deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def __add__(self, other: DmlCounts) -> DmlCounts:
        return DmlCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
        )

    @property
    def total(self) -> int:
        """numDmlAffectedRows."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class StatementResult:
    """The rows of a statement, their DuckDB types, and its counts when it is DML."""

    table: pa.Table
    description: Any
    counts: DmlCounts | None


def run_statement(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: list[Any],
) -> StatementResult:
    """Execute `sql` (DuckDB's dialect) and return rows and counts.

    Raises InvalidQueryError for a MERGE or UPDATE that matches a row twice; DuckDB's own
    errors pass.
    """
    verb = _verb(sql)
    if verb in ("MERGE", "UPDATE"):
        named, values = _name_parameters(sql, parameters)
        tree = sqlglot.parse_one(named, read="duckdb")
        _refuse_double_matches(connection, tree, values)
        if verb == "MERGE":
            return _merge(connection, tree, values)
    for part in _one_alteration_each(sql):
        result = connection.execute(part, parameters) if parameters else connection.execute(part)
    table = result.to_arrow_table()
    return StatementResult(table, result.description, _counts(verb, table))


def _verb(sql: str) -> str:
    match = _VERB.match(sql)
    return match.group(1).upper() if match else ""


def _one_alteration_each(sql: str) -> list[str]:
    """DuckDB alters one thing per statement, BigQuery many."""
    if sql.lstrip()[:5].upper() != "ALTER":
        return [sql]
    tree = sqlglot.parse_one(sql, read="duckdb")
    if not isinstance(tree, exp.Alter):
        return [sql]
    parts = []
    for action in tree.args["actions"]:
        part = tree.copy()
        part.set("actions", [action.copy()])
        parts.append(part.sql(dialect="duckdb"))
    return parts


def _counts(verb: str, table: pa.Table) -> DmlCounts | None:
    if not verb:
        return None
    rows = int(table.column(0)[0].as_py()) if table.num_rows and table.num_columns else 0
    if verb == "INSERT":
        return DmlCounts(inserted=rows)
    return DmlCounts(updated=rows) if verb == "UPDATE" else DmlCounts(deleted=rows)


def _name_parameters(sql: str, parameters: list[Any]) -> tuple[str, dict[str, Any]]:
    """Number the markers by name, so that a part of the statement can be run by itself."""
    numbers = iter(range(1, len(parameters) + 1))
    named = _replace_question_marks(sql, lambda _match: f"$p{next(numbers)}")
    named = re.sub(r"\$(\d+)\b", r"$p\1", named)
    return named, {f"p{i}": value for i, value in enumerate(parameters, 1)}


def _run(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any]
) -> duckdb.DuckDBPyConnection:
    used = {f"p{number}" for number in _NAMED.findall(sql)}
    bound = {name: value for name, value in values.items() if name in used}
    return connection.execute(sql, bound) if bound else connection.execute(sql)


def _refuse_double_matches(
    connection: duckdb.DuckDBPyConnection, tree: exp.Expression, values: dict[str, Any]
) -> None:
    query = _double_match_query(tree)
    if query is not None and _run(connection, query, values).fetchone() is not None:
        raise InvalidQueryError(
            "UPDATE/MERGE must match at most one source row for each target row",
            location="query",
        )


def _double_match_query(tree: exp.Expression) -> str | None:
    """SQL that finds a target row with two source rows that would change it."""
    if isinstance(tree, exp.Merge):
        changing = _matched_condition(tree)
        if changing is None:
            return None
        source, on = tree.args["using"], tree.args["on"]
    elif isinstance(tree, exp.Update) and tree.args.get("from_"):
        changing = exp.true()
        source = tree.args["from_"].this
        where = tree.args.get("where")
        on = where.this if where is not None else exp.true()
    else:
        return None
    target = tree.this
    sql = [part.sql(dialect="duckdb") for part in (target, source, on, changing)]
    name = exp.to_identifier(target.alias_or_name, quoted=True).sql(dialect="duckdb")
    return (
        f"SELECT 1 FROM {sql[0]} JOIN {sql[1]} ON {sql[2]} WHERE {sql[3]} "
        f"GROUP BY {name}.rowid HAVING COUNT(*) > 1 LIMIT 1"
    )


def _matched_condition(tree: exp.Merge) -> exp.Expression | None:
    conditions = [
        when.args.get("condition") or exp.true()
        for when in tree.args["whens"].expressions
        if when.args.get("matched")
    ]
    return exp.or_(*(condition.copy() for condition in conditions)) if conditions else None


def _merge(
    connection: duckdb.DuckDBPyConnection, tree: exp.Expression, values: dict[str, Any]
) -> StatementResult:
    sql = f"{tree.sql(dialect='duckdb')} RETURNING merge_action"
    actions = _run(connection, sql, values).to_arrow_table().column(0)
    found = {row["values"]: row["counts"] for row in pc.value_counts(actions).to_pylist()}
    counts = DmlCounts(found.get("INSERT", 0), found.get("UPDATE", 0), found.get("DELETE", 0))
    table = pa.table({"Count": pa.array([counts.total], pa.int64())})
    return StatementResult(table, None, counts)
