"""Tables with require_partition_filter refuse queries that could not skip a partition.

Sources: https://docs.cloud.google.com/bigquery/docs/querying-partitioned-tables (one predicate
that uses only the partition column, joined by AND; views on the table too; the error text) and
https://docs.cloud.google.com/bigquery/docs/using-dml-with-partitioned-tables (MERGE: filters in
the source, in ON, or in the WHEN conditions). That DELETE and UPDATE are refused is unverified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import TableMeta
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.scripting.ast import DeclareStmt, SqlStmt
from bqemulator.scripting.parser import parse_script
from sqlglot import exp

_COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is)
_VIEW_DEPTH = 16


@dataclass(frozen=True, slots=True)
class TableRead:
    """One table that a statement reads, and the conditions that prune its partitions."""

    node: exp.Table
    meta: TableMeta
    predicates: tuple[exp.Expression, ...]


def check(context: AppContext, sql: str, project: str) -> None:
    """Raise InvalidQueryError when `sql` reads a protected table without a partition filter."""
    for tree in statements(sql):
        for read in reads(context, tree, project):
            if requires_filter(read.meta) and not read.predicates:
                meta = read.meta
                raise InvalidQueryError(
                    f"Cannot query over table '{meta.dataset_id}.{meta.table_id}' without a "
                    f"filter over column(s) '{partition_column(meta)}' that can be used for "
                    "partition elimination",
                    location="query",
                )


def statements(sql: str) -> Iterator[exp.Expression]:
    """The parsed SQL statements of `sql`; those that no parser understands fail later anyway.

    Script variables are constants to the planner, so they become parameters here.
    """
    script = parse_script(sql).statements
    variables = {
        name.lower()
        for statement in script
        if isinstance(statement, DeclareStmt)
        for name in statement.names
    }
    for statement in script:
        if isinstance(statement, SqlStmt):
            try:
                tree = sqlglot.parse_one(statement.sql, read="bigquery")
            except sqlglot.errors.ParseError:
                continue
            if isinstance(tree, exp.Expression):
                yield _with_parameters(tree, variables)


def _with_parameters(tree: exp.Expression, variables: set[str]) -> exp.Expression:
    for column in list(tree.find_all(exp.Column)):
        if not column.table and column.name.lower() in variables:
            column.replace(exp.Parameter(this=exp.to_identifier(column.name)))
    return tree


def reads(context: AppContext, tree: exp.Expression, project: str) -> list[TableRead]:
    """Every catalogued table that `tree` reads, views replaced by what they read."""
    if isinstance(tree, exp.Create) and str(tree.args.get("kind")).upper() == "VIEW":
        # A view is not a read: its own queries will be checked.
        return []
    tree = _expand_views(context, tree.copy(), project)
    found = []
    for node in tree.find_all(exp.Table):
        meta = _meta(context, node, project)
        if meta is None or _is_only_written(node):
            continue
        column = partition_column(meta)
        predicates = _predicates(node, column) if column else []
        found.append(TableRead(node, meta, tuple(predicates)))
    return found


def requires_filter(meta: TableMeta) -> bool:
    """True for a table with require_partition_filter."""
    return meta.time_partitioning is not None and meta.time_partitioning.require_partition_filter


def partition_column(meta: TableMeta) -> str:
    """The partition column; empty for a table without partitions."""
    if meta.time_partitioning is None:
        return ""
    return meta.time_partitioning.field or "_PARTITIONTIME"


def _meta(context: AppContext, node: exp.Table, project: str) -> TableMeta | None:
    if not node.name or not node.db:
        return None
    return context.catalog.get_table(node.catalog or project, node.db, node.name)


def _expand_views(context: AppContext, tree: exp.Expression, project: str) -> exp.Expression:
    for _ in range(_VIEW_DEPTH):
        views = [
            (node, meta.view_query)
            for node in tree.find_all(exp.Table)
            if (meta := _meta(context, node, project)) is not None
            and meta.view_query
            and not _is_only_written(node)
        ]
        if not views:
            return tree
        for node, query in views:
            body = sqlglot.parse_one(query, read="bigquery")
            alias = exp.TableAlias(this=exp.to_identifier(node.alias_or_name))
            node.replace(exp.Subquery(this=body, alias=alias))
    raise InvalidQueryError("Views are nested too deeply", location="query")


def _is_only_written(node: exp.Table) -> bool:
    parent = node.parent
    if isinstance(parent, exp.Schema):
        node, parent = parent, parent.parent
    writing = (exp.Insert, exp.Create, exp.Drop, exp.Alter, exp.TruncateTable)
    return isinstance(parent, writing) and node.arg_key in ("this", "expressions")


def _predicates(node: exp.Table, column: str) -> list[exp.Expression]:
    names = {"", node.alias_or_name.lower()}
    owner = node.parent
    if isinstance(owner, exp.Merge):
        return _merge_predicates(owner, names, column, is_target=owner.this is node)
    if isinstance(owner, exp.Delete | exp.Update):
        return _usable(_where(owner), names, column)
    return _select_predicates(node, names, column)


def _merge_predicates(
    merge: exp.Merge, names: set[str], column: str, *, is_target: bool
) -> list[exp.Expression]:
    on = merge.args["on"]
    usable = _usable(on, names, column)
    if on.find(exp.NullSafeEQ, exp.NullSafeNEQ):
        # Reported by users: IS NOT DISTINCT FROM beside it spoils (c IS NULL OR c IS NOT NULL).
        usable = [predicate for predicate in usable if not isinstance(predicate, exp.Or)]
    if usable or not is_target:
        return usable
    touching = [
        when
        for when in merge.args["whens"].expressions
        if when.args.get("matched") or when.args.get("source")
    ]
    per_clause = [_usable(when.args.get("condition"), names, column) for when in touching]
    if per_clause and all(per_clause):
        # The clauses' conditions are alternatives: what may be read is their union.
        return [exp.or_(*(exp.and_(*(p.copy() for p in found)) for found in per_clause))]
    return []


def _select_predicates(node: exp.Expression, names: set[str], column: str) -> list[exp.Expression]:
    select = node.find_ancestor(exp.Select)
    if select is None:
        return []
    usable = _usable(_where(select), names, column)
    for join in select.args.get("joins") or ():
        usable += _usable(join.args.get("on"), names, column)
    if usable or not _lets_filters_through(select):
        return usable
    outer = select.parent
    if isinstance(outer, exp.Merge):
        return []
    if isinstance(outer, exp.Subquery):
        return _select_predicates(outer, {"", outer.alias_or_name.lower()}, column)
    if isinstance(outer, exp.CTE):
        return _select_predicates_of_cte(outer, column)
    return []


def _select_predicates_of_cte(cte: exp.CTE, column: str) -> list[exp.Expression]:
    statement = cte.find_ancestor(exp.Select)
    uses = [t for t in statement.find_all(exp.Table) if t.name == cte.alias] if statement else []
    found = [_select_predicates(use, {"", use.alias_or_name.lower()}, column) for use in uses]
    return found[0] if found and all(found) else []


def _lets_filters_through(select: exp.Select) -> bool:
    blocking = ("group", "qualify", "distinct", "limit", "having")
    return not any(select.args.get(name) for name in blocking) and not select.find(exp.Window)


def _where(node: exp.Expression) -> exp.Expression | None:
    where = node.args.get("where")
    return where.this if where is not None else None


def _usable(condition: exp.Expression | None, names: set[str], column: str) -> list[exp.Expression]:
    if condition is None:
        return []
    parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
    return [part for part in map(_bare, parts) if _prunes(part, names, column)]


def _bare(node: exp.Expression) -> exp.Expression:
    return _bare(node.this) if isinstance(node, exp.Paren) else node


def _prunes(part: exp.Expression, names: set[str], column: str) -> bool:
    if isinstance(part, exp.And):
        return any(_prunes(_bare(p), names, column) for p in part.flatten())
    if isinstance(part, exp.Or):
        return all(_prunes(_bare(p), names, column) for p in part.flatten())
    if isinstance(part, exp.Not):
        return _prunes(_bare(part.this), names, column)
    if not isinstance(part, _COMPARISONS) or part.find(exp.Select):
        return False
    columns = list(part.find_all(exp.Column))
    return bool(columns) and all(
        c.name.lower() == column.lower() and c.table.lower() in names for c in columns
    )
