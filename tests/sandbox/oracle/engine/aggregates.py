"""Aggregate and analytic functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING

from tests.sandbox.oracle.engine import ast, convert
from tests.sandbox.oracle.engine.convert import Expr
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.engine.types import (
    DOUBLE,
    FLOATING_KINDS,
    LOB_KINDS,
    NUMBER,
    family,
    number,
    varchar,
)
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind

if TYPE_CHECKING:
    from tests.sandbox.oracle.engine.expressions import ExpressionCompiler

_STATISTICS = {
    "STDDEV": "stddev_samp",
    "STDDEV_SAMP": "stddev_samp",
    "STDDEV_POP": "stddev_pop",
    "VARIANCE": "var_samp",
    "VAR_SAMP": "var_samp",
    "VAR_POP": "var_pop",
    "CORR": "corr",
    "COVAR_POP": "covar_pop",
    "COVAR_SAMP": "covar_samp",
    "MEDIAN": "median",
}
_RANKS = frozenset({"ROW_NUMBER", "RANK", "DENSE_RANK"})
_SHARES = frozenset({"CUME_DIST", "PERCENT_RANK"})
_NEIGHBOURS = frozenset({"LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE"})
_AGGREGATES = frozenset({"COUNT", "SUM", "AVG", "MIN", "MAX", "LISTAGG", "GROUPING", *_STATISTICS})
_ANALYTIC_ONLY = _RANKS | _SHARES | _NEIGHBOURS | {"NTILE", "RATIO_TO_REPORT"}


def aggregated(node: object) -> bool:
    """True when an aggregate (not analytic) call occurs in `node`, subqueries aside."""
    if isinstance(node, ast.Call) and node.parts[-1] in _AGGREGATES and node.over is None:
        return len(node.parts) == 1
    return any(aggregated(child) for child in children(node))


def analytic(node: object) -> bool:
    """True when an analytic call occurs in `node`, subqueries aside."""
    if isinstance(node, ast.Call) and node.over is not None:
        return True
    return any(analytic(child) for child in children(node))


def children(node: object) -> Iterator[object]:
    """The parts of a node, without going into subqueries."""
    if isinstance(node, tuple):
        yield from node
    elif is_dataclass(node) and not isinstance(node, (ast.Query, type)):
        for each in fields(node):
            yield getattr(node, each.name)


def compile_call(compiler: ExpressionCompiler, node: ast.Call, scope: Scope) -> Expr | None:
    """An aggregate or analytic call, or None when `node` is neither."""
    name = node.parts[-1]
    if len(node.parts) > 1 or name not in _AGGREGATES | _ANALYTIC_ONLY:
        return None
    if name in _ANALYTIC_ONLY and node.over is None:
        raise OracleError(30484, "missing window specification for this function", node.pos)
    return _Call(compiler, node, scope).compiled()


class _Call:
    """One call, with its OVER clause ready to be put behind every DuckDB aggregate."""

    def __init__(self, compiler: ExpressionCompiler, node: ast.Call, scope: Scope) -> None:
        self.compiler = compiler
        self.node = node
        self.scope = scope
        self.settings = compiler.settings
        self.over = "" if node.over is None else f" OVER ({self._window(node.over)})"

    def compiled(self) -> Expr:
        """The typed result."""
        name = self.node.parts[-1]
        if name == "COUNT":
            return self._count()
        if name == "GROUPING":
            inner = ", ".join(self.arg(i).sql for i in range(len(self.node.args)))
            return Expr(f"CAST(grouping({inner}) AS DECIMAL(10,0))", number(10), False)
        if name == "LISTAGG":
            return self._listagg()
        if self.node.keep is not None:
            return self._keep(name)
        if name in ("MIN", "MAX"):
            return self._extreme(name.lower())
        if name == "SUM":
            return self._sum(self.arg(0))
        if name == "AVG":
            return self._average(self.arg(0))
        if name in _STATISTICS:
            return self._statistic(name)
        return self._analytic(name)

    def arg(self, index: int) -> Expr:
        """A compiled argument. Raises ORA-00909 when it is missing."""
        if index >= len(self.node.args):
            raise OracleError(909, "invalid number of arguments", self.node.pos)
        return self.compiler.value(self.node.args[index], self.scope)

    # -- OVER -----------------------------------------------------------------------------

    def _window(self, window: ast.Window) -> str:
        parts = []
        if window.partition:
            keys = [
                key
                for node in window.partition
                for key in convert.order_keys(self.compiler.value(node, self.scope), self.settings)
            ]
            parts.append(f"PARTITION BY {', '.join(keys)}")
        if window.order:
            parts.append(f"ORDER BY {self.order(window.order)}")
        parts.append(window.frame)
        return " ".join(part for part in parts if part)

    def order(self, items: tuple[ast.OrderItem, ...]) -> str:
        """ORDER BY items; Oracle sorts NULLs last ascending, first descending."""
        keys = []
        for item in items:
            value = self.compiler.value(item.value, self.scope)
            first = item.descending if item.nulls_first is None else item.nulls_first
            suffix = f"{'DESC' if item.descending else 'ASC'} NULLS {'FIRST' if first else 'LAST'}"
            keys += [f"{key} {suffix}" for key in convert.order_keys(value, self.settings)]
        return ", ".join(keys)

    def aggregate(self, name: str, body: str, tail: str = "") -> str:
        """`name(body)` with DISTINCT and OVER where they were written."""
        distinct = "DISTINCT " if self.node.distinct else ""
        return f"{name}({distinct}{body}){tail}{self.over}"

    # -- plain aggregates -----------------------------------------------------------------

    def _count(self) -> Expr:
        if self.node.args and isinstance(self.node.args[0], ast.Star):
            body = "count(*)" + self.over
        else:
            value = self.arg(0)
            if self.node.distinct and value.ty.kind in LOB_KINDS:
                raise OracleError(932, f"inconsistent datatypes: expected - got {family(value.ty)}")
            body = self.aggregate("count", value.sql)
        return Expr(f"CAST({body} AS DECIMAL(18,0))", number(18), False)

    def _sum(self, value: Expr) -> Expr:
        value = convert.numeric(value)
        if value.ty.kind in FLOATING_KINDS:
            return Expr(self.aggregate("sum", convert.double(value)), DOUBLE)
        if value.ty.digits is not None:
            return Expr(self.aggregate("sum", value.sql), number(38, value.ty.digits[1]))
        x = value.sql
        if self.node.distinct:
            return Expr(f"n_sum({self.aggregate('list', x)})", NUMBER)
        small = f"CASE WHEN n_small({x}) THEN TRY_CAST({x} AS DECIMAL(38,10)) END"
        big = f"CASE WHEN NOT n_small({x}) THEN {x} END"
        total = convert.decimal_text(Expr(self.aggregate("sum", small), number(38, 10)))
        rest = f"n_sum({self.aggregate('list', big, f' FILTER ({big} IS NOT NULL)')})"
        both = f"n_add(coalesce({total}, '0'), coalesce({rest}, '0'))"
        count = self.aggregate("count", x)
        return Expr(f"CASE WHEN {count} > 0 THEN {both} END", NUMBER)

    def _average(self, value: Expr) -> Expr:
        count = Expr(f"CAST({self.aggregate('count', value.sql)} AS DECIMAL(18,0))", number(18))
        total = self._sum(value)
        if total.ty.kind in FLOATING_KINDS:
            return Expr(self.aggregate("avg", convert.double(value)), DOUBLE)
        sql = convert.arithmetic("/", total, count).sql
        return Expr(f"CASE WHEN {count.sql} > 0 THEN {sql} END", NUMBER)

    def _extreme(self, name: str) -> Expr:
        value = self.arg(0)
        if value.ty.kind in LOB_KINDS:
            raise OracleError(932, f"inconsistent datatypes: expected - got {family(value.ty)}")
        ty = value.ty if value.ty.precision is None else replace(value.ty)
        if convert.is_text_number(value):
            key = f"n_key({value.sql})"
        elif value.ty.kind is Kind.TIMESTAMP_TZ:
            key = convert.instant(value, self.settings).sql
        else:
            return Expr(f"{name}({value.sql}){self.over}", _described(ty))
        return Expr(f"arg_{name}({value.sql}, {key}){self.over}", _described(ty))

    def _statistic(self, name: str) -> Expr:
        args = ", ".join(convert.double(self.arg(i)) for i in range(len(self.node.args)))
        body = self.aggregate(_STATISTICS[name], args)
        if name in ("STDDEV", "VARIANCE"):
            body = f"coalesce({body}, CASE WHEN {self.aggregate('count', args)} = 1 THEN 0.0 END)"
        return Expr(f"n_double({body})", NUMBER)

    def _keep(self, name: str) -> Expr:
        """MIN or MAX ... KEEP (DENSE_RANK FIRST|LAST ORDER BY one key, NULLs aside)."""
        keep = self.node.keep
        if keep is None or name not in ("MIN", "MAX") or len(keep.order) != 1:
            raise OracleError(604, f"{name} KEEP with that ORDER BY is not supported here")
        value = self.arg(0)
        key = convert.order_keys(
            self.compiler.value(keep.order[0].value, self.scope), self.settings
        )[-1]
        last = keep.last != keep.order[0].descending
        return Expr(f"arg_{'max' if last else 'min'}({value.sql}, {key}){self.over}", value.ty)

    def _listagg(self) -> Expr:
        value = convert.text(self.arg(0), self.settings)
        separator = "''"
        if len(self.node.args) > 1:
            separator = convert.text(self.arg(1), self.settings).sql
        order = f" ORDER BY {self.order(self.node.within)}" if self.node.within else ""
        distinct = "DISTINCT " if self.node.distinct else ""
        body = f"string_agg({distinct}{value.sql}, {separator}{order}){self.over}"
        return Expr(f"nullif({body}, '')", varchar(4000))

    # -- analytic only --------------------------------------------------------------------

    def _analytic(self, name: str) -> Expr:
        if name in _RANKS:
            return Expr(f"CAST({name.lower()}(){self.over} AS DECIMAL(18,0))", number(18), False)
        if name == "NTILE":
            body = f"ntile({convert.whole(self.arg(0))}){self.over}"
            return Expr(f"CAST({body} AS DECIMAL(18,0))", number(18))
        if name in _SHARES:
            return Expr(f"n_double({name.lower()}(){self.over})", NUMBER)
        if name == "RATIO_TO_REPORT":
            return convert.arithmetic("/", self.arg(0), self._sum(self.arg(0)))
        return self._neighbour(name)

    def _neighbour(self, name: str) -> Expr:
        value = self.arg(0)
        args = [value.sql]
        if len(self.node.args) > 1:
            args.append(convert.whole(self.arg(1)))
        if len(self.node.args) > 2:
            args.append(convert.convert(self.arg(2), value.ty, self.settings).sql)
        ignore = " IGNORE NULLS" if self.node.ignore_nulls else ""
        return Expr(f"{name.lower()}({', '.join(args)}{ignore}){self.over}", value.ty)


def _described(ty: convert.Ty) -> convert.Ty:
    """Aggregates of a NUMBER(p,s) are described as a bare NUMBER."""
    if ty.kind in (Kind.NUMBER, Kind.FLOAT):
        return replace(ty, kind=Kind.NUMBER, precision=None, scale=None)
    return ty
