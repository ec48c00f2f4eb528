"""INSERT, UPDATE and DELETE: new row versions under the transaction's id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from tests.sandbox.oracle.engine import ast, convert
from tests.sandbox.oracle.engine.catalogue import Catalogue, Table
from tests.sandbox.oracle.engine.convert import Expr, Settings
from tests.sandbox.oracle.engine.queries import QueryCompiler
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.engine.storage import FIRST_TRANSACTION, FOREVER
from tests.sandbox.oracle.engine.types import CHAR_KINDS, PADDED_KINDS, Ty
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Column, Kind


class Change:
    """One DML statement, compiled; `table` is what it changes."""

    def __init__(
        self, catalogue: Catalogue, settings: Settings, binds: Sequence[Ty], outer: Scope | None
    ) -> None:
        self.compiler = QueryCompiler(catalogue, settings, binds)
        self.settings = settings
        self.catalogue = catalogue
        self.outer = outer
        self.table: Table

    def compiled(self, node: ast.Insert | ast.Update | ast.Delete) -> str:
        """DuckDB SQL for the temporary table of changes: old rid or NULL, then new values."""
        self.table = self._target(node.table, type(node).__name__.upper())
        if isinstance(node, ast.Insert):
            return self._insert(node)
        source = self.compiler._base_table(self.table, node.table.alias or self.table.name, 0)
        scope = Scope([source], outer=self.outer)
        where = "TRUE" if node.where is None else self.compiler.condition(node.where, scope)
        items = [
            f"{source.sql_alias}.rid",
            f"{source.sql_alias}.scn_from",
            f"{source.sql_alias}.scn_to",
        ]
        if isinstance(node, ast.Update):
            items += self._updated(node, scope)
        return f"SELECT {', '.join(items)} FROM {source.sql} WHERE {where}"

    def _target(self, ref: ast.TableRef, privilege: str) -> Table:
        relation = self.catalogue.resolve(
            ref.parts, self.settings.schema, self.settings.user, ref.pos
        )
        if not isinstance(relation, Table):
            raise OracleError(1732, "data manipulation operation not legal on this view", ref.pos)
        user = self.settings.user
        granted = (user, relation.owner, relation.name, privilege) in self.catalogue.grants
        if user not in (relation.owner, "SYS", "SYSTEM") and not granted:
            raise OracleError(1031, "insufficient privileges", ref.pos)
        return relation

    def _insert(self, node: ast.Insert) -> str:
        names = node.columns or tuple(column.name for column in self.table.columns)
        known = {column.name: i for i, column in enumerate(self.table.columns)}
        for name in names:
            if name not in known:
                raise OracleError(904, f'"{name}": invalid identifier', node.pos)
        if node.query is not None:
            compiled = self.compiler.query(node.query, self.outer)
            given = [Expr(f"q.c{i}", o.ty) for i, o in enumerate(compiled.outputs)]
            source = f" FROM ({compiled.sql}) AS q"
        else:
            scope = Scope(outer=self.outer)
            given = [self.compiler.value(value, scope) for value in node.values]
            source = ""
        if len(given) != len(names):
            few = len(given) < len(names)
            raise OracleError(947 if few else 913, f"{'not enough' if few else 'too many'} values")
        by_index = {known[name]: value for name, value in zip(names, given, strict=True)}
        values = [
            self._assigned(by_index.get(i), column, output.ty)
            for i, (column, output) in enumerate(
                zip(self.table.columns, self.table.outputs, strict=True)
            )
        ]
        columns = ", ".join(f"{value} AS c{i}" for i, value in enumerate(values))
        return f"SELECT NULL AS rid, NULL AS scn_from, NULL AS scn_to, {columns}{source}"

    def _updated(self, node: ast.Update, scope: Scope) -> list[str]:
        given: dict[str, Expr] = {}
        names = {column.name for column in self.table.columns}
        for target, value in node.assignments:
            if target.parts[-1] not in names:
                raise OracleError(904, f'"{target.parts[-1]}": invalid identifier', target.pos)
            given[target.parts[-1]] = self.compiler.value(value, scope)
        items = []
        for i, column in enumerate(self.table.columns):
            old = scope.sources[0].column(i).sql
            if column.name in given:
                old = self._assigned(given[column.name], column, self.table.outputs[i].ty)
            items.append(f"{old} AS c{i}")
        return items

    def _assigned(self, value: Expr | None, column: Column, ty: Ty) -> str:
        """A value as the column holds it. Raises ORA-01400, 01438, 12899 when it does not fit."""
        where = f'"{self.table.owner}"."{self.table.name}"."{column.name}"'
        if value is None or value.ty.null:
            if not column.nullable:
                raise OracleError(1400, f"cannot insert NULL into ({where})")
            return f"CAST(NULL AS {ty.duck})"
        if ty.kind in CHAR_KINDS:
            sql = self._fitted_text(value, column, where)
        elif ty.kind is Kind.NUMBER and ty.precision is not None:
            sql = convert.cast(value, ty, self.settings).sql
        else:
            sql = convert.convert(value, ty, self.settings).sql
        if column.nullable or not value.nullable:
            return sql
        refusal = convert.quote(f"ORA-01400: cannot insert NULL into ({where})")
        return f"coalesce({sql}, error({refusal}))"

    def _fitted_text(self, value: Expr, column: Column, where: str) -> str:
        text = convert.text(value, self.settings).sql
        limit = column.length or 1
        measure = f"length({text})" if column.char_semantics else f"strlen({text})"
        refusal = convert.quote(f"ORA-12899: value too large for column {where} (maximum: {limit})")
        checked = f"CASE WHEN {measure} > {limit} THEN error({refusal}) ELSE {text} END"
        if column.kind in PADDED_KINDS:
            return f"pad_char({checked}, {limit}, {str(column.char_semantics).lower()})"
        return checked


def apply(
    cursor: duckdb.DuckDBPyConnection,
    change: Change,
    sql: str,
    parameters: Mapping[str, object],
    transaction: int,
    node: ast.Node,
) -> int:
    """Carry out a change inside one DuckDB transaction; the number of rows."""
    table = change.table
    cursor.execute("BEGIN")
    try:
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE changes AS {sql}", parameters or None)
        count = _count(cursor, "SELECT count(*) FROM changes")
        if count:
            _check_locks(cursor, transaction)
            _write(cursor, table, transaction, node)
        cursor.execute("DROP TABLE changes")
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    return count


def _check_locks(cursor: duckdb.DuckDBPyConnection, transaction: int) -> None:
    """A row that another transaction changed is locked; Oracle would wait, this refuses."""
    locked = _count(
        cursor,
        f"SELECT count(*) FROM changes WHERE scn_to BETWEEN {FIRST_TRANSACTION} AND "
        f"{FOREVER - 1} AND scn_to <> {transaction}",
    )
    if locked:
        raise OracleError(54, "resource busy and acquire with NOWAIT specified or timeout expired")


def _write(
    cursor: duckdb.DuckDBPyConnection, table: Table, transaction: int, node: ast.Node
) -> None:
    columns = ", ".join(f"c{i}" for i in range(len(table.columns)))
    name = table.storage
    if isinstance(node, ast.Insert):
        cursor.execute(
            f"INSERT INTO {name} SELECT {columns}, {table.rows} + row_number() OVER (), "
            f"{transaction}, {FOREVER} FROM changes"
        )
        table.rows += _count(cursor, "SELECT count(*) FROM changes")
        return
    own = f"rid IN (SELECT rid FROM changes WHERE scn_from = {transaction})"
    cursor.execute(f"DELETE FROM {name} WHERE scn_from = {transaction} AND {own}")
    current = f"scn_to = {FOREVER} AND rid IN (SELECT rid FROM changes)"
    cursor.execute(f"UPDATE {name} SET scn_to = {transaction} WHERE {current}")
    if isinstance(node, ast.Update):
        cursor.execute(
            f"INSERT INTO {name} SELECT {columns}, rid, {transaction}, {FOREVER} FROM changes"
        )


def _count(cursor: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = cursor.execute(sql).fetchone()
    return int(row[0]) if row else 0
