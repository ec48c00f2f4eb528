"""Anonymous blocks: assignments, SQL statements and the package procedures that clients call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tests.sandbox.oracle.engine import ast, binds, convert
from tests.sandbox.oracle.engine.convert import Expr
from tests.sandbox.oracle.engine.queries import QueryCompiler
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.engine.translate import finished
from tests.sandbox.oracle.engine.types import Ty, of_column, parse_type
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Bind, Result

if TYPE_CHECKING:
    from tests.sandbox.oracle.engine.session import EngineSession


class _Variables(Scope):
    """Names that are PL/SQL variables: found when no column has them."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, int] = {}
        self.types: dict[str, Ty] = {}

    def resolve(self, parts: tuple[str, ...], pos: int) -> Expr | None:
        """A variable as one more bind."""
        if len(parts) != 1 or parts[0] not in self.places:
            return None
        ty = self.types[parts[0]]
        return Expr(f"CAST($b{self.places[parts[0]]} AS {ty.duck})", ty)


class BlockRunner:
    """Runs one block; binds and variables are one list of typed values."""

    def __init__(self, session: EngineSession, given: Sequence[Bind]) -> None:
        self.session = session
        self.given = list(given)
        self.out: dict[int, object] = {}
        pairs = [binds.type_and_value(bind) for bind in given]
        self.types = [ty for ty, _ in pairs]
        self.values = [value for _, value in pairs]
        self.variables = _Variables()

    def run(self, block: ast.Block) -> Result:
        """Carry out every statement; OUT values of what was assigned."""
        for name, type_text, default in block.variables:
            self._declare(name, type_text, default)
        for statement in block.statements:
            self._statement(statement)
        return Result(rows_affected=0, out=dict(self.out))

    def _declare(self, name: str, type_text: str, default: ast.Node | None) -> None:
        plain = type_text.upper().removeprefix("CONSTANT").strip()
        plain = {"PLS_INTEGER": "NUMBER", "BINARY_INTEGER": "NUMBER", "BOOLEAN": "NUMBER(1)"}.get(
            plain, plain
        )
        ty = of_column(parse_type(plain))
        self.variables.places[name] = len(self.types)
        self.variables.types[name] = ty
        self.types.append(ty)
        self.values.append(None)
        if default is not None:
            self.values[-1] = self._evaluate(default, ty)

    def _statement(self, node: ast.Node) -> None:
        match node:
            case ast.Assign():
                self._store(node.target, self._evaluate(node.value, self._target_type(node.target)))
            case ast.Call():
                self._call(node)
            case ast.SelectInto():
                self._select_into(node)
            case ast.Insert() | ast.Update() | ast.Delete():
                self.session.change(node, self.types, self.values, self.variables)
            case ast.Block():
                for statement in node.statements:
                    self._statement(statement)
            case ast.ExecuteImmediate():
                text = self._evaluate(node.text, convert.varchar(32767))
                self.session.execute(str(text), [])
            case ast.Simple(verb="COMMIT"):
                self.session.commit()
            case ast.Simple(verb="ROLLBACK"):
                self.session.rollback()
            case ast.Simple(verb="NULL" | "SAVEPOINT"):
                return
            case ast.SetTransaction():
                self.session.set_transaction(node)
            case _:
                raise OracleError(6550, "PLS-00103: that statement is not supported here", node.pos)

    # -- values ---------------------------------------------------------------------------

    def _target_type(self, target: ast.Node) -> Ty:
        if isinstance(target, ast.BindRef):
            return binds.out_type(self.given[target.index])
        if isinstance(target, ast.Name) and target.parts[-1] in self.variables.types:
            return self.variables.types[target.parts[-1]]
        name = ".".join(getattr(target, "parts", ("?",)))
        raise OracleError(6550, f"PLS-00201: identifier '{name}' must be declared", target.pos)

    def _store(self, target: ast.Node, value: object) -> None:
        ty = self._target_type(target)
        if isinstance(target, ast.BindRef):
            place = target.index
            self.out[place] = binds.python_value(value, ty)
        else:
            place = self.variables.places[target.parts[-1]]  # type: ignore[attr-defined]
        self.types[place], self.values[place] = ty, value

    def _evaluate(self, node: ast.Node, ty: Ty) -> object:
        """The value of an expression, as DuckDB gives it."""
        compiler = QueryCompiler(self.session.database.catalogue, self.session.settings, self.types)
        value = convert.convert(compiler.value(node, self.variables), ty, self.session.settings)
        return self.session.evaluate(value.sql, self.values)

    def _select_into(self, node: ast.SelectInto) -> None:
        session = self.session
        compiler = QueryCompiler(session.database.catalogue, session.settings, self.types)
        compiled = compiler.query(node.query, self.variables)
        if len(compiled.outputs) != len(node.targets):
            raise OracleError(6550, "PLS-00394: wrong number of values in the INTO list", node.pos)
        items = [
            convert.convert(
                Expr(f"q.c{i}", output.ty), self._target_type(target), session.settings
            ).sql
            for i, (output, target) in enumerate(zip(compiled.outputs, node.targets, strict=True))
        ]
        sql = f"SELECT {', '.join(items)} FROM ({compiled.sql}) AS q LIMIT 2"
        rows = session.rows(sql, finished(compiler, compiled), self.values)
        if not rows:
            raise OracleError(1403, "no data found")
        if len(rows) > 1:
            raise OracleError(1422, "exact fetch returns more than requested number of rows")
        for target, value in zip(node.targets, rows[0], strict=True):
            self._store(target, value)

    # -- procedures -----------------------------------------------------------------------

    def _call(self, node: ast.Call) -> None:
        parts = node.parts[1:] if node.parts[0] in ("SYS", "APPS") else node.parts
        procedure = PROCEDURES.get(".".join(parts))
        if procedure is None or not self._may_call(parts[0]):
            name = ".".join(node.parts)
            raise OracleError(
                6550,
                f"line 1, column {node.pos + 1}:\nPLS-00201: identifier '{name}' must be declared",
                node.pos,
            )
        arguments = [self._argument(arg) for arg in node.args]
        outputs = procedure(self.session, arguments)
        for index, value in (outputs or {}).items():
            target = node.args[index]
            ty = self._target_type(target)
            self._store(target, value if ty.duck != "VARCHAR" or value is None else str(value))

    def _may_call(self, package: str) -> bool:
        if package != "DBMS_FLASHBACK":
            return True
        return self.session.database.catalogue.may_execute(self.session.settings.user, package)

    def _argument(self, node: ast.Node) -> str | None:
        """An argument as text; OUT arguments have none yet."""
        if isinstance(node, ast.BindRef) and self.types[node.index].null:
            return None
        if isinstance(node, ast.Name) and node.parts[-1] in ("TRUE", "FALSE"):
            return node.parts[-1]
        value = self._evaluate(node, convert.varchar(32767))
        return None if value is None else str(value)


# -- the packages -------------------------------------------------------------------------------

Procedure = Callable[["EngineSession", list[str | None]], "dict[int, object] | None"]


def _initialize(session: EngineSession, args: list[str | None]) -> None:
    """FND_GLOBAL.APPS_INITIALIZE(user, responsibility, application[, security group])."""
    names = ("USER_ID", "RESP_ID", "RESP_APPL_ID", "SECURITY_GROUP_ID")
    if len(args) < 3 or any(value is None for value in args[:3]):
        raise OracleError(6550, "PLS-00306: wrong number or types of arguments in call")
    for name, value in zip(names, args, strict=False):
        session.set_context(f"FND_GLOBAL.{name}", value or "")


def _init_multi_org(session: EngineSession, args: list[str | None]) -> None:
    """MO_GLOBAL.INIT(product): needs the application context first."""
    if not session.has_context("FND_GLOBAL.RESP_ID"):
        raise OracleError(20001, "APP-FND-02902: Multi-org profile option is required")
    product = (args[0] if args else "") or ""
    session.set_context("MO_GLOBAL.PRODUCT", product)
    session.set_context("MULTI_ORG.ACCESS_MODE", "M")


def _set_policy(session: EngineSession, args: list[str | None]) -> None:
    """MO_GLOBAL.SET_POLICY_CONTEXT(mode, org)."""
    session.set_context("MO_GLOBAL.PRODUCT", "POLICY")
    session.set_context("MULTI_ORG.ACCESS_MODE", args[0] or "")
    session.set_context("MULTI_ORG.CURRENT_ORG_ID", (args[1] if len(args) > 1 else "") or "")


def _enable_at_scn(session: EngineSession, args: list[str | None]) -> None:
    session.enable_flashback(int(args[0] or 0))


def _enable_at_time(session: EngineSession, args: list[str | None]) -> None:
    moment = session.evaluate_moment(args[0] or "")
    session.enable_flashback(session.database.storage.scn_at(moment.replace(tzinfo=dt.UTC)))


def _context(*names: str) -> Procedure:
    """A procedure that stores its arguments under context names."""

    def run(session: EngineSession, args: list[str | None]) -> None:
        for name, value in zip(names, [*args, *[""] * len(names)], strict=False):
            session.set_context(name, value or "")

    return run


def _set_context(session: EngineSession, args: list[str | None]) -> None:
    session.set_context(f"{args[0]}.{args[1]}".upper(), args[2] or "")


def _set_nls(session: EngineSession, args: list[str | None]) -> None:
    session.alter((((args[0] or "").upper(), (args[1] or "").strip("'")),))


def _sleep(session: EngineSession, args: list[str | None]) -> None:
    session.sleep(float(args[0] or 0))


def _nothing(session: EngineSession, args: list[str | None]) -> None:
    """Accepted; changes nothing that anyone can see here."""


def _put_line(session: EngineSession, args: list[str | None]) -> None:
    session.output.append((args[0] if args else "") or "")


def _get_line(session: EngineSession, args: list[str | None]) -> dict[int, object]:
    if session.output:
        return {0: session.output.pop(0), 1: "0"}
    return {0: None, 1: "1"}


def _raise(session: EngineSession, args: list[str | None]) -> None:
    code = abs(int(args[0] or 0))
    raise OracleError(code, (args[1] if len(args) > 1 else "") or "")


def _reset_package(session: EngineSession, args: list[str | None]) -> None:
    session.reset_packages()


def _disable_flashback(session: EngineSession, args: list[str | None]) -> None:
    session.disable_flashback()


PROCEDURES: dict[str, Procedure] = {
    "FND_GLOBAL.APPS_INITIALIZE": _initialize,
    "MO_GLOBAL.INIT": _init_multi_org,
    "MO_GLOBAL.SET_POLICY_CONTEXT": _set_policy,
    "DBMS_FLASHBACK.ENABLE_AT_SYSTEM_CHANGE_NUMBER": _enable_at_scn,
    "DBMS_FLASHBACK.ENABLE_AT_TIME": _enable_at_time,
    "DBMS_FLASHBACK.DISABLE": _disable_flashback,
    "DBMS_SESSION.SET_IDENTIFIER": _context("CLIENT_IDENTIFIER"),
    "DBMS_SESSION.CLEAR_IDENTIFIER": _context("CLIENT_IDENTIFIER"),
    "DBMS_SESSION.SET_CONTEXT": _set_context,
    "DBMS_SESSION.SET_NLS": _set_nls,
    "DBMS_SESSION.RESET_PACKAGE": _reset_package,
    "DBMS_SESSION.MODIFY_PACKAGE_STATE": _reset_package,
    "DBMS_SESSION.SET_ROLE": _nothing,
    "DBMS_SESSION.SLEEP": _sleep,
    "DBMS_LOCK.SLEEP": _sleep,
    "DBMS_APPLICATION_INFO.SET_MODULE": _context("MODULE", "ACTION"),
    "DBMS_APPLICATION_INFO.SET_ACTION": _context("ACTION"),
    "DBMS_APPLICATION_INFO.SET_CLIENT_INFO": _context("CLIENT_INFO"),
    "DBMS_OUTPUT.ENABLE": _nothing,
    "DBMS_OUTPUT.DISABLE": _nothing,
    "DBMS_OUTPUT.PUT_LINE": _put_line,
    "DBMS_OUTPUT.GET_LINE": _get_line,
    "RAISE_APPLICATION_ERROR": _raise,
}
