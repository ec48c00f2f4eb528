"""ROWNUM, which counts rows after WHERE and before ORDER BY; and LEVEL over DUAL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox.oracle.engine import ast, convert
from tests.sandbox.oracle.engine.aggregates import aggregated, analytic, children
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.errors import OracleError

if TYPE_CHECKING:
    from tests.sandbox.oracle.engine.queries import QueryCompiler


@dataclass(frozen=True, slots=True)
class Plan:
    """WHERE without ROWNUM, the bounds on ROWNUM, and whether rows must be numbered first."""

    plain: list[ast.Node]
    bounds: list[tuple[str, ast.Node]]
    numbered: bool


def mentions(node: object) -> bool:
    """True when ROWNUM occurs in `node`, subqueries aside."""
    if isinstance(node, ast.Name) and node.parts == ("ROWNUM",):
        return True
    return any(mentions(child) for child in children(node))


def plan(select: ast.Select, query: ast.Query, where: list[ast.Node]) -> Plan:
    """Sorts the conjuncts of WHERE. Raises ORA-00604 for ROWNUM inside OR and the like."""
    plain: list[ast.Node] = []
    bounds: list[tuple[str, ast.Node]] = []
    for node in where:
        if mentions(node):
            bounds += _bounds_of(node)
        else:
            plain.append(node)
    values = [item.value for item in select.items]
    order = [item.value for item in query.order]
    used = any(mentions(node) for node in (*values, *order, *select.group, select.having))
    later = bool(order or select.group or select.distinct or query.fetch or query.offset) or any(
        aggregated(value) or analytic(value) for value in values
    )
    return Plan(plain, bounds, used or (bool(bounds) and later))


_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}


def _bounds_of(node: ast.Node) -> list[tuple[str, ast.Node]]:
    if isinstance(node, ast.Between) and not mentions((node.low, node.high)):
        return [(">=", node.low), ("<=", node.high)]
    if isinstance(node, ast.Compare) and not node.quantifier:
        if isinstance(node.left, ast.Name) and not mentions(node.right):
            return [(node.op, node.right)]
        if isinstance(node.right, ast.Name) and not mentions(node.left):
            return [(_MIRRORED[node.op], node.left)]
    raise OracleError(604, "ROWNUM inside that condition is not supported here", node.pos)


def bounds(
    compiler: QueryCompiler, found: list[tuple[str, ast.Node]], scope: Scope
) -> tuple[list[str], list[str]]:
    """LIMIT expressions, and conditions that let all rows pass or none.

    The first row that fails a test keeps number 1 from being given, so `ROWNUM > 1` and
    `ROWNUM = 2` never hold.
    """
    limits: list[str] = []
    tests: list[str] = []
    for op, node in found:
        value = f"CAST({convert.decimal_text(compiler.value(node, scope))} AS DECIMAL(38,10))"
        if op == "<=":
            limits.append(f"CAST(floor({value}) AS BIGINT)")
        elif op in ("<", "<>"):
            limits.append(f"CAST(ceil({value}) AS BIGINT) - 1")
        elif op == "=":
            limits.append("1")
            tests.append(f"({value} = 1)")
        else:
            tests.append(f"({value} {'<' if op == '>' else '<='} 1)")
    return limits, tests


def numbered(
    compiler: QueryCompiler, scope: Scope, source: str, where: list[str], limit: str
) -> str:
    """The sources as one subquery with a row number; the scope's columns move into it."""
    name = compiler.alias()
    tests = f" WHERE {' AND '.join(where)}" if where else ""
    items = []
    for each in scope.sources:
        items += [
            f"{each.column(i).sql} AS {each.sql_alias}_c{i}" for i in range(len(each.outputs))
        ]
        if each.rowid:
            items.append(f"{each.rowid} AS {each.sql_alias}_rowid")
            each.rowid = f"{name}.{each.sql_alias}_rowid"
        each.prefix = f"{name}.{each.sql_alias}_c"
    for column, value in list(scope.merged.items()):
        label = f"m{len(items)}"
        items.append(f"{value.sql} AS {label}")
        scope.merged[column] = convert.Expr(f"{name}.{label}", value.ty, value.nullable)
    items.append("CAST(row_number() OVER () AS DECIMAL(18,0)) AS row_num")
    scope.rownum = f"{name}.row_num"
    return f"(SELECT {', '.join(items)} FROM {source}{tests}{limit}) AS {name}"


def level_source(compiler: QueryCompiler, select: ast.Select, scope: Scope) -> str:
    """`FROM DUAL CONNECT BY LEVEL <= n`, the row generator; other hierarchies are refused."""
    source = select.sources[0]
    test = select.connect_by
    dual = isinstance(source, ast.TableRef) and source.parts[-1] == "DUAL"
    simple = (
        dual
        and len(select.sources) == 1
        and select.where is None
        and isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.parts in (("LEVEL",), ("ROWNUM",))
        and test.op in ("<", "<=")
    )
    if not simple or not isinstance(test, ast.Compare):
        raise OracleError(604, "CONNECT BY is supported only as DUAL CONNECT BY LEVEL <= n")
    count = convert.whole(compiler.value(test.right, scope))
    last = f"{count} + 1" if test.op == "<=" else count
    name = compiler.alias()
    scope.level = scope.rownum = f"CAST({name}.n AS DECIMAL(18,0))"
    return f"(SELECT range AS n FROM range(1, greatest({last}, 2))) AS {name}"
