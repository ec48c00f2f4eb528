"""Which select items a GROUP BY allows: ORA-00937 and ORA-00979 before DuckDB sees the query."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from tests.sandbox.oracle.engine import ast
from tests.sandbox.oracle.engine.aggregates import aggregated, children
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.errors import OracleError


def signature(node: object, scope: Scope) -> object:
    """A node without its place, columns resolved: equal for equal expressions."""
    if isinstance(node, ast.Name):
        try:
            found = scope.resolve(node.parts, node.pos)
        except OracleError:
            found = None
        return ("column", found.sql) if found is not None else ("name", node.parts)
    if isinstance(node, tuple):
        return tuple(signature(child, scope) for child in node)
    if is_dataclass(node) and not isinstance(node, type):
        return (
            type(node).__name__,
            *(signature(getattr(node, f.name), scope) for f in fields(node) if f.name != "pos"),
        )
    return node


def check_grouping(select: ast.Select, order: tuple[ast.OrderItem, ...], scope: Scope) -> None:
    """Raise ORA-00937 or ORA-00979 for a column that is neither grouped nor aggregated."""
    values = [item.value for item in select.items]
    grouped_block = bool(select.group) or any(aggregated(value) for value in values)
    if not grouped_block and select.having is None:
        return
    grouped = {
        signature(node, scope) for grouping in select.group for node in _flat(grouping.items)
    }
    for value in values:
        _check(value, grouped, bool(select.group), scope)
    if select.having is not None:
        _check(select.having, grouped, bool(select.group), scope)
    aliases = {item.alias for item in select.items if item.alias}
    for item in order:
        named = isinstance(item.value, ast.Name) and item.value.parts[-1] in aliases
        if not named and not isinstance(item.value, ast.Number):
            _check(item.value, grouped, bool(select.group), scope)


def _flat(items: tuple[ast.Node, ...]) -> list[ast.Node]:
    flat: list[ast.Node] = []
    for item in items:
        flat += _flat(item.items) if isinstance(item, ast.Tuple) else [item]
    return flat


def _check(node: object, grouped: set[object], has_group: bool, scope: Scope) -> None:
    if isinstance(node, ast.Node) and grouped and signature(node, scope) in grouped:
        return
    if isinstance(node, ast.Call) and node.over is None and _is_aggregate(node):
        return
    if isinstance(node, ast.Name) and scope._here(node.parts, node.pos) is not None:
        if has_group:
            raise OracleError(979, "not a GROUP BY expression", node.pos)
        raise OracleError(937, "not a single-group group function", node.pos)
    if isinstance(node, ast.Star):
        raise OracleError(979 if has_group else 937, "not a GROUP BY expression" if has_group else (
            "not a single-group group function"), node.pos)  # fmt: skip
    for child in children(node):
        _check(child, grouped, has_group, scope)


def _is_aggregate(node: ast.Call) -> bool:
    """True when the call itself aggregates, not just something in its arguments."""
    return node.parts[-1] != "GROUPING" and aggregated(ast.Call(node.pos, node.parts))
