"""Compiles Oracle expressions and conditions to typed DuckDB expressions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.sandbox.oracle.engine import ast, convert, moments, pseudo
from tests.sandbox.oracle.engine.convert import Expr, Settings
from tests.sandbox.oracle.engine.macros import parse_day_second, parse_year_month
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.engine.types import (
    DOUBLE,
    FLOATING_KINDS,
    INTERVAL_KINDS,
    MOMENT_KINDS,
    NULL,
    Ty,
    interval_ds,
    of_column,
    parse_type,
    unify,
    varchar,
)
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind

if TYPE_CHECKING:
    from tests.sandbox.oracle.engine.queries import Compiled


class ExpressionCompiler:
    """Values and conditions; `queries.QueryCompiler` adds query blocks."""

    settings: Settings
    binds: Sequence[Ty]

    def query(self, query: ast.Query, outer: Scope | None) -> Compiled:
        """A subquery; the query compiler provides it."""
        raise NotImplementedError

    def value(self, node: ast.Node, scope: Scope) -> Expr:
        """A value. Errors that know no place of their own are put at the node."""
        try:
            return self._value(node, scope)
        except OracleError as error:
            if not error.offset:
                error.offset = node.pos
            raise

    def _value(self, node: ast.Node, scope: Scope) -> Expr:
        match node:
            case ast.Name():
                return self._name(node, scope)
            case ast.Number():
                return self._number(node)
            case ast.String():
                return convert.string_literal(node.text)
            case ast.Null():
                return _null()
            case ast.BindRef():
                return self._bind(node)
            case ast.Moment():
                return moments.literal(node)
            case ast.IntervalLiteral():
                return _interval_literal(node)
            case ast.Call():
                return self._call(node, scope)
            case ast.Cast():
                ty = of_column(parse_type(node.type))
                return convert.cast(self.value(node.value, scope), ty, self.settings)
            case ast.Extract():
                value = self.value(node.value, scope)
                return moments.extract(node.field, value, self.settings)
            case ast.Trim():
                return self._trim(node, scope)
            case ast.Case():
                return self._case(node, scope)
            case ast.Unary():
                return self._unary(node, scope)
            case ast.Binary():
                left, right = self.value(node.left, scope), self.value(node.right, scope)
                return self._binary(node.op, left, right)
            case ast.AtZone():
                return self._at_zone(node, scope)
            case ast.Subquery():
                return self._scalar(node.query, scope)
            case ast.Star():
                raise OracleError(936, "missing expression", node.pos)
            case ast.Tuple():
                raise OracleError(907, "missing right parenthesis", node.pos)
        raise OracleError(936, "missing expression", node.pos)

    def context(self, space: str, name: str) -> str | None:
        """SYS_CONTEXT; the query compiler provides it."""
        raise NotImplementedError

    def require_execute(self, package: str, node: ast.Call) -> None:
        """Privileges; the query compiler provides it."""
        raise NotImplementedError

    # -- leaves ---------------------------------------------------------------------------

    def _name(self, node: ast.Name, scope: Scope) -> Expr:
        found = scope.resolve(node.parts, node.pos)
        if found is not None:
            return found
        found = pseudo.column(self, node, scope)
        if found is not None:
            return found
        raise OracleError(904, f"{_spelled(node.parts)}: invalid identifier", node.pos)

    def _number(self, node: ast.Number) -> Expr:
        if node.text[-1] in "FD":
            kind = Kind.BINARY_FLOAT if node.text[-1] == "F" else Kind.BINARY_DOUBLE
            ty = Ty(kind)
            return Expr(f"CAST('{node.text[:-1]}' AS {ty.duck})", ty, False)
        return convert.number_literal(Decimal(node.text))

    def _bind(self, node: ast.BindRef) -> Expr:
        ty = self.binds[node.index] if node.index < len(self.binds) else varchar(4000)
        if ty.null:
            return _null()
        return Expr(f"CAST($b{node.index} AS {ty.duck})", ty)

    def _call(self, node: ast.Call, scope: Scope) -> Expr:
        from tests.sandbox.oracle.engine import aggregates, functions

        found = aggregates.compile_call(self, node, scope)
        if found is None:
            found = functions.compile_call(self, node, scope)
        if found is None:
            raise OracleError(904, f"{_spelled(node.parts)}: invalid identifier", node.pos)
        return found

    # -- operators ------------------------------------------------------------------------

    def _trim(self, node: ast.Trim, scope: Scope) -> Expr:
        value = convert.text(self.value(node.value, scope), self.settings)
        chars = "' '"
        if node.chars is not None:
            chars = convert.text(self.value(node.chars, scope), self.settings).sql
        name = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[node.side]
        ty = varchar(value.ty.length or 1, value.ty.char_semantics)
        return Expr(f"nullif({name}({value.sql}, {chars}), '')", ty)

    def _case(self, node: ast.Case, scope: Scope) -> Expr:
        values = [self.value(then, scope) for _, then in node.whens]
        default = self.value(node.default, scope) if node.default is not None else _null()
        ty = unify([value.ty for value in (*values, default)])
        arms = []
        for (when, _), value in zip(node.whens, values, strict=True):
            if node.operand is None:
                test = self.condition(when, scope)
            else:
                test = self.condition(ast.Compare(when.pos, "=", node.operand, when), scope)
            arms.append(f"WHEN {test} THEN {convert.convert(value, ty, self.settings).sql}")
        final = convert.convert(default, ty, self.settings).sql
        return Expr(f"CASE {' '.join(arms)} ELSE {final} END", ty)

    def _unary(self, node: ast.Unary, scope: Scope) -> Expr:
        if node.op == "PRIOR":
            raise OracleError(976, "Specified pseudocolumn or operator not allowed here", node.pos)
        value = self.value(node.value, scope)
        if value.ty.kind is Kind.INTERVAL_YM:
            return Expr(f"({node.op}{value.sql})", value.ty, value.nullable)
        if value.ty.kind is Kind.INTERVAL_DS:
            return moments.scaled(value, node.op + "1")
        value = convert.numeric(value)
        if node.op == "+":
            return value
        if value.ty.digits is None and value.ty.kind not in FLOATING_KINDS:
            return convert.arithmetic("-", convert.number_literal(Decimal(0)), value)
        return Expr(f"(-{value.sql})", value.ty, value.nullable)

    def _binary(self, op: str, left: Expr, right: Expr) -> Expr:
        if op == "||":
            return convert.concat(left, right, self.settings)
        temporal = MOMENT_KINDS | INTERVAL_KINDS
        if any(v.ty.kind in temporal and not v.ty.null for v in (left, right)):
            return moments.arithmetic(op, left, right, self.settings)
        point = self.settings.numeric_characters[0]
        return convert.arithmetic(op, convert.numeric(left, point), convert.numeric(right, point))

    def _at_zone(self, node: ast.AtZone, scope: Scope) -> Expr:
        from tests.sandbox.oracle.engine.zones import zone

        value = self.value(node.value, scope)
        if value.ty.kind not in MOMENT_KINDS:
            raise convert.inconsistent("TIMESTAMP", value.ty)
        target = self.settings.zone
        if node.zone is not None:
            name = self.value(node.zone, scope)
            if name.constant is None and not name.sql.startswith("'"):
                raise OracleError(1882, "timezone region not found", node.pos)
            target = pseudo.named_zone(name, self.settings) or zone(name.constant or "")
        scale = 6 if value.ty.scale is None else value.ty.scale
        return convert.at_zone(convert.instant(value, self.settings), target, scale)

    def _scalar(self, query: ast.Query, scope: Scope) -> Expr:
        compiled = self.query(query, scope)
        if len(compiled.outputs) != 1:
            raise OracleError(913, "too many values", query.pos)
        return Expr(f"({compiled.sql})", compiled.outputs[0].ty)

    # -- conditions -----------------------------------------------------------------------

    def condition(self, node: ast.Node, scope: Scope) -> str:
        """A DuckDB condition."""
        try:
            return self._condition(node, scope)
        except OracleError as error:
            if not error.offset:
                error.offset = node.pos
            raise

    def _condition(self, node: ast.Node, scope: Scope) -> str:
        match node:
            case ast.Logic():
                left, right = self.condition(node.left, scope), self.condition(node.right, scope)
                return f"({left} {node.op} {right})"
            case ast.Not():
                return f"(NOT {self.condition(node.value, scope)})"
            case ast.Compare():
                return self._compare(node, scope)
            case ast.Between():
                low = ast.Compare(node.pos, ">=", node.value, node.low)
                high = ast.Compare(node.pos, "<=", node.value, node.high)
                return f"({self.condition(low, scope)} AND {self.condition(high, scope)})"
            case ast.In():
                return self._in(node, scope)
            case ast.Like():
                return self._like(node, scope)
            case ast.IsNull():
                return self._is_null(node, scope)
            case ast.Exists():
                return f"EXISTS ({self.query(node.query, scope).sql})"
            case ast.Call():
                from tests.sandbox.oracle.engine import functions

                found = functions.compile_condition(self, node, scope)
                if found is not None:
                    return found
        raise OracleError(920, "invalid relational operator", node.pos)

    def _compare(self, node: ast.Compare, scope: Scope) -> str:
        if node.quantifier:
            return self._quantified(node, scope)
        if isinstance(node.left, ast.Tuple):
            return self._in(ast.In(node.pos, node.left, (node.right,)), scope)
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        return convert.compare(node.op, left, right, self.settings)

    def _quantified(self, node: ast.Compare, scope: Scope) -> str:
        if isinstance(node.right, ast.Subquery):
            return self._against_query(node, node.right.query, scope)
        items = node.right.items if isinstance(node.right, ast.Tuple) else (node.right,)
        word = " OR " if node.quantifier == "ANY" else " AND "
        tests = [
            self.condition(ast.Compare(node.pos, node.op, node.left, item), scope) for item in items
        ]
        return f"({word.join(tests)})"

    def _against_query(self, node: ast.Compare, query: ast.Query, scope: Scope) -> str:
        left = self.value(node.left, scope)
        compiled = self.query(query, scope)
        right = Expr("q.c0", compiled.outputs[0].ty)
        left, right = convert.comparable([left, right], self.settings)
        if convert.is_text_number(left) and node.op not in ("=", "<>"):
            left, right = Expr(convert.double(left), DOUBLE), Expr(convert.double(right), DOUBLE)
        inner = f"SELECT {right.sql} FROM ({compiled.sql}) AS q"
        return f"({left.sql} {node.op} {node.quantifier} ({inner}))"

    def _in(self, node: ast.In, scope: Scope) -> str:
        if len(node.items) == 1 and isinstance(node.items[0], ast.Subquery):
            return self._in_query(node, node.items[0].query, scope)
        if isinstance(node.value, ast.Tuple):
            items = [item if isinstance(item, ast.Tuple) else None for item in node.items]
            if len(node.items) == len(node.value.items) and not any(items):
                items = [ast.Tuple(node.pos, node.items)]
            tests = [self._tuple_equal(node.value, item, scope) for item in items]
            return f"({' OR '.join(tests)})"
        value = self.value(node.value, scope)
        items = [self.value(item, scope) for item in node.items]
        if len(items) > 1000:
            raise OracleError(1795, "maximum number of expressions in a list is 1000", node.pos)
        every = convert.comparable([value, *items], self.settings)
        return f"({every[0].sql} IN ({', '.join(item.sql for item in every[1:])}))"

    def _tuple_equal(self, left: ast.Tuple, right: ast.Tuple | None, scope: Scope) -> str:
        if right is None or len(right.items) != len(left.items):
            raise OracleError(1797, "this operator must be followed by ANY or ALL", left.pos)
        tests = [
            self.condition(ast.Compare(a.pos, "=", a, b), scope)
            for a, b in zip(left.items, right.items, strict=True)
        ]
        return f"({' AND '.join(tests)})"

    def _in_query(self, node: ast.In, query: ast.Query, scope: Scope) -> str:
        nodes = node.value.items if isinstance(node.value, ast.Tuple) else (node.value,)
        compiled = self.query(query, scope)
        if len(compiled.outputs) != len(nodes):
            code = (913, "too many values") if len(compiled.outputs) > len(nodes) else (
                947, "not enough values")  # fmt: skip
            raise OracleError(*code, query.pos)
        left, right = [], []
        for index, item in enumerate(nodes):
            output = Expr(f"q.c{index}", compiled.outputs[index].ty)
            pair = convert.comparable([self.value(item, scope), output], self.settings)
            common = unify([pair[0].ty, pair[1].ty]) if not pair[0].ty.null else pair[1].ty
            left.append(convert.convert(pair[0], common, self.settings).sql)
            right.append(convert.convert(pair[1], common, self.settings).sql)
        inner = f"SELECT {', '.join(right)} FROM ({compiled.sql}) AS q"
        if len(left) == 1:
            return f"({left[0]} IN ({inner}))"
        return f"(({', '.join(left)}) IN ({inner}))"

    def _like(self, node: ast.Like, scope: Scope) -> str:
        value = convert.text(self.value(node.value, scope), self.settings)
        pattern = convert.text(self.value(node.pattern, scope), self.settings)
        if node.escape is None:
            return f"({value.sql} LIKE {pattern.sql})"
        escape = convert.text(self.value(node.escape, scope), self.settings)
        if escape.constant is not None and len(escape.constant) != 1:
            raise OracleError(1425, "escape character must be character string of length 1")
        return f"({value.sql} LIKE {pattern.sql} ESCAPE {escape.sql})"

    def _is_null(self, node: ast.IsNull, scope: Scope) -> str:
        value = self.value(node.value, scope)
        if node.what == "NULL":
            return f"({value.sql} IS NULL)"
        number = convert.numeric(value)
        name = "isnan" if node.what == "NAN" else "isinf"
        return f"{name}({convert.double(number)})"


def _null() -> Expr:
    return Expr("CAST(NULL AS VARCHAR)", NULL)


def _spelled(parts: tuple[str, ...]) -> str:
    return ".".join(f'"{part}"' for part in parts)


_DS_UNITS = ("DAY", "HOUR", "MINUTE", "SECOND")


def _interval_literal(node: ast.IntervalLiteral) -> Expr:
    """INTERVAL '...' units as a constant. Raises ORA-01867."""
    text = node.text.strip()
    sign, body = ("-", text[1:]) if text.startswith("-") else ("", text.removeprefix("+"))
    if node.first in ("YEAR", "MONTH"):
        if node.first == node.last:
            body = f"{body}-0" if node.first == "YEAR" else f"0-{body}"
        if node.first == "MONTH" and body[2:].isdigit():
            months = int(body[2:]) * (-1 if sign else 1)
        else:
            months = parse_year_month(sign + body)
        return Expr(f"CAST({months} AS INTEGER)", Ty(Kind.INTERVAL_YM, precision=9, scale=0), False)
    total = _literal_nanos(body, node) * (-1 if sign else 1)
    return Expr(f"ds_pack(CAST('{total}' AS HUGEINT))", interval_ds(), False)


def _literal_nanos(body: str, node: ast.IntervalLiteral) -> int:
    """Nanoseconds of a day-to-second literal; a single unit may exceed its clock range."""
    units = {"DAY": 86400, "HOUR": 3600, "MINUTE": 60, "SECOND": 1}
    if node.first == node.last:
        try:
            return int(Decimal(body) * units[node.first] * 10**9)
        except ArithmeticError:
            raise OracleError(1867, "the interval is invalid") from None
    span = _DS_UNITS[_DS_UNITS.index(node.first) : _DS_UNITS.index(node.last) + 1]
    if span == _DS_UNITS:
        parsed = parse_day_second(body)
        return parsed["days"] * 86400 * 10**9 + parsed["nanos"]
    pieces = body.replace(" ", ":").split(":")
    if len(pieces) != len(span):
        raise OracleError(1867, "the interval is invalid")
    try:
        values = [Decimal(piece) for piece in pieces]
    except ArithmeticError:
        raise OracleError(1867, "the interval is invalid") from None
    return int(sum(v * units[unit] * 10**9 for unit, v in zip(span, values, strict=True)))
