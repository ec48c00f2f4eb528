"""Pseudo-columns and functions without parentheses: SYSDATE, USER, ROWNUM, ROWID and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.oracle.engine import ast, convert
from tests.sandbox.oracle.engine.convert import Expr, Settings, quote
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.engine.types import DATE, Ty, number, timestamp, timestamp_tz, varchar
from tests.sandbox.oracle.engine.zones import Zone, zone
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind

if TYPE_CHECKING:
    from tests.sandbox.oracle.engine.expressions import ExpressionCompiler

ROWID = Ty(Kind.ROWID, length=18)


def column(compiler: ExpressionCompiler, node: ast.Name, scope: Scope) -> Expr | None:
    """What a name means that is no column, or None."""
    name = node.parts[-1]
    if name == "ROWID":
        return Expr(scope.rowid(node.parts[:-1], node.pos), ROWID)
    if name == "ORA_ROWSCN":
        raise OracleError(
            904, f'"{name}": invalid identifier (ORA_ROWSCN is not kept here)', node.pos
        )
    if len(node.parts) > 1:
        from tests.sandbox.oracle.engine import functions

        call = ast.Call(node.pos, node.parts, parens=False)
        return functions.compile_call(compiler, call, scope)
    if name == "ROWNUM":
        return _rownum(scope, node.pos)
    if name == "LEVEL":
        if not scope.level:
            raise OracleError(1788, "CONNECT BY clause required in this query block", node.pos)
        return Expr(scope.level, number(18), False)
    return clock(name, compiler.settings) or _identity(name, compiler.settings)


def _rownum(scope: Scope, pos: int) -> Expr:
    if not scope.rownum:
        raise OracleError(976, "Specified pseudocolumn or operator not allowed here", pos)
    return Expr(scope.rownum, number(18), False)


def clock(name: str, settings: Settings, scale: int = 6) -> Expr | None:
    """The clocks. SYSDATE and SYSTIMESTAMP are the server's, CURRENT_... the session's."""
    if name == "SYSDATE":
        return Expr("CAST($rt_sysdate AS TIMESTAMP)", DATE, False)
    utc = Expr("CAST($rt_utc AS TIMESTAMP)", timestamp(6), False)
    if name == "SYSTIMESTAMP":
        sql = f"tz_from({utc.sql}, CAST($rt_server_offset AS SMALLINT))"
        return _scaled(Expr(sql, timestamp_tz(6), False), scale, settings)
    if name == "CURRENT_TIMESTAMP":
        return _scaled(convert.at_zone(utc, settings.zone, 6), scale, settings)
    local = Expr(settings.zone.to_local(utc.sql), timestamp(6), False)
    if name == "LOCALTIMESTAMP":
        return _scaled(local, scale, settings)
    if name == "CURRENT_DATE":
        return convert.to_moment_type(local, DATE, settings)
    return None


def _scaled(value: Expr, scale: int, settings: Settings) -> Expr:
    return convert.to_moment_type(value, Ty(value.ty.kind, scale=scale), settings)


def _identity(name: str, settings: Settings) -> Expr | None:
    if name == "USER":
        return Expr(quote(settings.user), varchar(128), False, settings.user)
    if name == "SESSIONTIMEZONE":
        return Expr(quote(settings.zone.name), varchar(75), False, settings.zone.name)
    if name == "DBTIMEZONE":
        return Expr(quote("+00:00"), varchar(6), False, "+00:00")
    if name == "UID":
        return Expr("CAST(107 AS DECIMAL(10,0))", number(10), False)
    return None


def named_zone(name: Expr, settings: Settings) -> Zone | None:
    """The zone that a constant string names."""
    if name.constant is None:
        return None
    if name.constant.upper() == "LOCAL":
        return settings.zone
    return zone(name.constant)
