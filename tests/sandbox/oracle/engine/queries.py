"""Compiles query blocks: FROM, joins, ROWNUM, grouping, ordering, set operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.sandbox.oracle.engine import aggregates, ast, convert, rownum
from tests.sandbox.oracle.engine.catalogue import Catalogue, DictionaryView, Table, View
from tests.sandbox.oracle.engine.convert import Expr, Settings
from tests.sandbox.oracle.engine.expressions import ExpressionCompiler
from tests.sandbox.oracle.engine.grouping import check_grouping, signature
from tests.sandbox.oracle.engine.joins import FromCompiler
from tests.sandbox.oracle.engine.scope import Output, Scope, Source
from tests.sandbox.oracle.engine.types import LOB_KINDS, Ty, family, unify
from tests.sandbox.oracle.errors import OracleError


@dataclass(frozen=True, slots=True)
class Compiled:
    """DuckDB SQL whose columns are c0, c1, ..., and what Oracle calls them."""

    sql: str
    outputs: tuple[Output, ...]


@dataclass(slots=True)
class Environment:
    """What changes on the way into a view: whose rights and names, and which snapshot."""

    user: str
    schema: str
    snapshot: str = "$scn"
    ctes: dict[str, Compiled] = field(default_factory=dict)


class QueryCompiler(ExpressionCompiler):
    """One statement's compiler. `as_of` collects the operands of AS OF, to be evaluated first."""

    def __init__(self, catalogue: Catalogue, settings: Settings, binds: Sequence[Ty] = ()) -> None:
        self.catalogue = catalogue
        self.settings = settings
        self.binds = binds
        self.environment = Environment(settings.user, settings.schema)
        self.as_of: list[tuple[bool, str]] = []
        self.tables: list[tuple[str, Table]] = []
        self._aliases = 0

    def alias(self) -> str:
        """A fresh name."""
        self._aliases += 1
        return f"t{self._aliases}"

    def context(self, space: str, name: str) -> str | None:
        """SYS_CONTEXT's value; '' when it is NULL, None when there is no such parameter."""
        if space != "USERENV":
            return dict(self.settings.context).get(f"{space}.{name}", "")
        return dict(self.settings.context).get(name)

    def require_execute(self, package: str, node: ast.Call) -> None:
        """Raise ORA-00904 when the user may not execute a package."""
        if not self.catalogue.may_execute(self.environment.user, package):
            spelled = ".".join(f'"{part}"' for part in node.parts)
            raise OracleError(904, f"{spelled}: invalid identifier", node.pos)

    # -- queries --------------------------------------------------------------------------

    def query(self, query: ast.Query, outer: Scope | None) -> Compiled:
        """A whole query expression."""
        if query.for_update:
            raise OracleError(
                1031, "insufficient privileges (FOR UPDATE: this account only reads)", query.pos
            )
        saved = self.environment.ctes
        self.environment.ctes = dict(saved)
        try:
            prefix = self._ctes(query, outer)
            if isinstance(query.body, ast.SetOperation):
                compiled = self._set_operation(query.body, query, outer)
            else:
                compiled = _Block(self, query, query.body, outer).compiled()
        finally:
            self.environment.ctes = saved
        return replace(compiled, sql=prefix + compiled.sql)

    def _ctes(self, query: ast.Query, outer: Scope | None) -> str:
        parts = []
        for cte in query.ctes:
            compiled = self.query(cte.query, outer)
            outputs = compiled.outputs
            if cte.columns:
                if len(cte.columns) != len(outputs):
                    raise OracleError(32038, "number of WITH clause column names does not match")
                outputs = tuple(
                    replace(o, name=n) for o, n in zip(outputs, cte.columns, strict=True)
                )
            name = self.alias()
            parts.append(f"{name} AS ({compiled.sql})")
            self.environment.ctes[cte.name] = Compiled(f"SELECT * FROM {name}", outputs)
        return f"WITH {', '.join(parts)} " if parts else ""

    def _set_operation(
        self, body: ast.SetOperation, query: ast.Query, outer: Scope | None
    ) -> Compiled:
        sides = [self.query(body.left, outer), self.query(body.right, outer)]
        if len(sides[0].outputs) != len(sides[1].outputs):
            raise OracleError(1789, "query block has incorrect number of result columns", body.pos)
        outputs = tuple(
            self._set_output(body, a, b)
            for a, b in zip(sides[0].outputs, sides[1].outputs, strict=True)
        )
        op = body.op.replace("MINUS", "EXCEPT")
        parts = [self._converted(side, outputs) for side in sides]
        sql = f"({parts[0]}) {op} ({parts[1]})"
        return self._ordered(Compiled(sql, outputs), query)

    def _set_output(self, body: ast.SetOperation, left: Output, right: Output) -> Output:
        try:
            ty = unify([left.ty, right.ty])
        except OracleError:
            raise OracleError(
                1790,
                "expression must have same datatype as corresponding expression",
                body.pos,
            ) from None
        if ty.kind in LOB_KINDS and body.op != "UNION ALL":
            raise OracleError(932, f"inconsistent datatypes: expected - got {family(ty)}", body.pos)
        return Output(left.name, ty, left.nullable or right.nullable)

    def _converted(self, compiled: Compiled, outputs: Sequence[Output]) -> str:
        """The same rows in other types."""
        pairs = zip(compiled.outputs, outputs, strict=True)
        items = [
            f"{convert.convert(Expr(f'q.c{i}', old.ty), new.ty, self.settings).sql} AS c{i}"
            for i, (old, new) in enumerate(pairs)
        ]
        return f"SELECT {', '.join(items)} FROM ({compiled.sql}) AS q"

    def _ordered(self, compiled: Compiled, query: ast.Query) -> Compiled:
        """ORDER BY and FETCH over a finished result, by position or output name."""
        if not (query.order or query.offset or query.fetch):
            return compiled
        source = Source("", "", "q", compiled.outputs, "")
        scope = Scope([source])
        keys = []
        for item in query.order:
            index = position(item.value, len(compiled.outputs))
            value = source.column(index) if index is not None else self.value(item.value, scope)
            keys += order_terms(value, item, self.settings)
        tail = self.tail(query, keys)
        return Compiled(f"SELECT * FROM ({compiled.sql}) AS q{tail}", compiled.outputs)

    def tail(self, query: ast.Query, keys: Sequence[str]) -> str:
        """QUALIFY, ORDER BY, LIMIT and OFFSET."""
        order = f" ORDER BY {', '.join(keys)}" if keys else ""
        limit, qualify = "", ""
        if query.fetch is not None:
            count = convert.whole(self.value(query.fetch, Scope()))
            if query.with_ties and keys:
                qualify = f" QUALIFY rank() OVER ({order.strip()}) <= {count}"
            elif query.percent:
                limit = f" LIMIT ({count})%"
            else:
                limit = f" LIMIT greatest({count}, 0)"
        if query.offset is not None:
            limit += f" OFFSET greatest({convert.whole(self.value(query.offset, Scope()))}, 0)"
        return qualify + order + limit

    # -- relations ------------------------------------------------------------------------

    def table_source(self, node: ast.TableRef) -> Source:
        """A named source: a WITH name, a table, a view or a dictionary view."""
        if node.link:
            raise OracleError(
                2019, "connection description for remote database not found", node.pos
            )
        alias = node.alias or node.parts[-1]
        if len(node.parts) == 1 and node.parts[0] in self.environment.ctes:
            if node.as_of is not None:
                raise OracleError(8187, "snapshot expression not allowed here", node.pos)
            compiled = self.environment.ctes[node.parts[0]]
            return self._subquery_source(compiled, alias, node.pos)
        if node.parts in (("DUAL",), ("SYS", "DUAL")):
            dummy = Output("DUMMY", convert.varchar(1))
            return self._subquery_source(Compiled("SELECT 'X' AS c0", (dummy,)), alias, node.pos)
        relation = self.catalogue.resolve(
            node.parts, self.environment.schema, self.environment.user, node.pos
        )
        saved = self.environment.snapshot
        if node.as_of is not None and not isinstance(relation, DictionaryView):
            if not self.catalogue.may_flash_back(self.environment.user, relation):
                raise OracleError(1031, "insufficient privileges", node.pos)
            self.environment.snapshot = self.snapshot(node.as_of)
        try:
            return self._relation(relation, alias, node.pos)
        finally:
            self.environment.snapshot = saved

    def snapshot(self, as_of: ast.AsOf) -> str:
        """Registers an AS OF operand and gives the parameter that will hold its SCN."""
        value = self.value(as_of.value, Scope())
        if as_of.timestamp:
            value = convert.instant(convert.moment(value, self.settings), self.settings)
            sql = f"ns_us({value.sql})" if value.ty.fine else value.sql
        else:
            sql = convert.decimal_text(value)
        self.as_of.append((as_of.timestamp, sql))
        return f"$asof{len(self.as_of) - 1}"

    def _relation(self, relation: Table | View | DictionaryView, alias: str, pos: int) -> Source:
        if isinstance(relation, Table):
            return self._base_table(relation, alias, pos)
        if isinstance(relation, View):
            source = self._subquery_source(self._view(relation), alias, pos)
            source.owner = relation.owner
            return source
        sql = relation.sql.replace("{user}", convert.quote(self.environment.user))
        return self._subquery_source(Compiled(sql, relation.outputs), alias, pos)

    def _base_table(self, table: Table, alias: str, pos: int) -> Source:
        name = self.alias()
        self.tables.append((self.environment.snapshot, table))
        visible = visibility(self.environment.snapshot, self.settings)
        sql = f"(SELECT * FROM {table.storage} WHERE {visible}) AS {name}"
        rowid = f"rowid_text({table.number}, {name}.rid)"
        return Source(alias, table.owner, name, table.outputs, sql, rowid, pos)

    def _view(self, view: View) -> Compiled:
        """The view's query, with its owner's names and rights."""
        saved = self.environment
        self.environment = Environment(view.owner, view.owner, saved.snapshot)
        try:
            compiled = self.query(view.query, None)
        except OracleError as error:
            if error.code == 1031:
                raise
            raise OracleError(
                4063, f'view "{view.owner}.{view.name}" has errors ({error.text})'
            ) from error
        finally:
            self.environment = saved
        if any(a.ty != b.ty for a, b in zip(compiled.outputs, view.outputs, strict=True)):
            compiled = Compiled(self._converted(compiled, view.outputs), view.outputs)
        sql = compiled.sql
        if view.needs_context and not self.settings.context_set:
            sql = f"SELECT * FROM ({sql}) AS q WHERE FALSE"
        return Compiled(sql, view.outputs)

    def _subquery_source(self, compiled: Compiled, alias: str, pos: int) -> Source:
        name = self.alias()
        return Source(alias, "", name, compiled.outputs, f"({compiled.sql}) AS {name}", pos=pos)

    def query_source(self, node: ast.QueryRef, scope: Scope) -> Source:
        """A subquery in FROM."""
        saved = self.environment.snapshot
        if node.as_of is not None:
            self.environment.snapshot = self.snapshot(node.as_of)
        try:
            compiled = self.query(node.query, scope if node.lateral else scope.outer)
        finally:
            self.environment.snapshot = saved
        return self._subquery_source(compiled, node.alias, node.pos)


def visibility(snapshot: str, settings: Settings) -> str:
    """Which row versions a statement sees: those of its SCN and its own uncommitted ones."""
    plain = f"scn_from <= {snapshot} AND scn_to > {snapshot}"
    if snapshot != "$scn" or not settings.own_changes:
        return plain
    return "(scn_from <= $scn OR scn_from = $tx) AND scn_to > $scn AND scn_to <> $tx"


def position(node: ast.Node, count: int) -> int | None:
    """ORDER BY 2 means the second column. Raises ORA-01785."""
    if not isinstance(node, ast.Number) or not node.text.isdigit():
        return None
    if not 1 <= int(node.text) <= count:
        raise OracleError(
            1785, "ORDER BY item must be the number of a SELECT-list expression", node.pos
        )
    return int(node.text) - 1


def order_terms(value: Expr, item: ast.OrderItem, settings: Settings) -> list[str]:
    """DuckDB sort terms: NULLs last ascending and first descending unless told."""
    first = item.descending if item.nulls_first is None else item.nulls_first
    suffix = f"{'DESC' if item.descending else 'ASC'} NULLS {'FIRST' if first else 'LAST'}"
    return [f"{key} {suffix}" for key in convert.order_keys(value, settings)]


class _Block:
    """One SELECT with the ORDER BY and FETCH of the query around it."""

    def __init__(
        self,
        compiler: QueryCompiler,
        query: ast.Query,
        select: ast.Select,
        outer: Scope | None,
    ) -> None:
        self.compiler = compiler
        self.query = query
        self.select = select
        self.scope = Scope(outer=outer)
        self.settings = compiler.settings

    def compiled(self) -> Compiled:
        """The block as DuckDB SQL."""
        source, where = self._from_where()
        source, where, limit = self._rownum(source, where)
        check_grouping(self.select, self.query.order, self.scope)
        values = self._items()
        outputs = tuple(Output(name, v.ty, v.nullable) for name, v in values)
        items = ", ".join(f"{v.sql} AS c{i}" for i, (_, v) in enumerate(values))
        distinct = "DISTINCT " if self.select.distinct else ""
        self._refuse_lobs(outputs)
        tests = f" WHERE {' AND '.join(where)}" if where else ""
        sql = f"SELECT {distinct}{items} FROM {source}{tests}{self._group()}{limit}"
        if self.select.distinct:
            return self._distinct_order(Compiled(sql, outputs))
        keys = [
            term
            for item in self.query.order
            for term in order_terms(self._order_value(item, values), item, self.settings)
        ]
        return Compiled(sql + self.compiler.tail(self.query, keys), outputs)

    def _refuse_lobs(self, outputs: Sequence[Output]) -> None:
        lob = next((o for o in outputs if o.ty.kind in LOB_KINDS), None)
        if self.select.distinct and lob is not None:
            raise OracleError(
                932, f"inconsistent datatypes: expected - got {family(lob.ty)}", self.select.pos
            )

    def _from_where(self) -> tuple[str, list[str]]:
        sources = FromCompiler(self.compiler, self.scope)
        if self.select.connect_by is not None:
            return rownum.level_source(self.compiler, self.select, self.scope), []
        where = split_and(self.select.where)
        source, rest = sources.compiled(self.select.sources, where)
        self.where_nodes = rest
        return source, []

    def _rownum(self, source: str, where: list[str]) -> tuple[str, list[str], str]:
        nodes = getattr(self, "where_nodes", [])
        plan = rownum.plan(self.select, self.query, nodes)
        tests = [self.compiler.condition(node, self.scope) for node in plan.plain]
        limits, extra = rownum.bounds(self.compiler, plan.bounds, self.scope)
        tests += extra
        limit = f" LIMIT greatest(least({', '.join(limits)}), 0)" if limits else ""
        if not plan.numbered:
            return source, where + tests, limit
        source = rownum.numbered(self.compiler, self.scope, source, where + tests, limit)
        return source, [], ""

    def _items(self) -> list[tuple[str, Expr]]:
        values: list[tuple[str, Expr]] = []
        for item in self.select.items:
            if isinstance(item.value, ast.Star):
                values += self._star(item.value)
                continue
            value = self.compiler.value(item.value, self.scope)
            name = item.alias or item.text
            if not item.alias and isinstance(item.value, ast.Name):
                name = item.value.parts[-1]
            values.append((name, value))
        return values

    def _star(self, node: ast.Star) -> list[tuple[str, Expr]]:
        sources = self.scope.matching(node.parts)
        if not sources:
            spelled = ".".join(f'"{part}"' for part in node.parts)
            raise OracleError(904, f"{spelled}: invalid identifier", node.pos)
        merged = {} if node.parts else self.scope.merged
        columns = list(merged.items())
        for source in sources:
            columns += [
                (output.name, source.column(index))
                for index, output in enumerate(source.outputs)
                if output.name not in merged and not output.hidden
            ]
        return columns

    def _group(self) -> str:
        parts = [self._grouping(grouping) for grouping in self.select.group]
        text = f" GROUP BY {', '.join(parts)}" if parts else ""
        if self.select.having is not None:
            text += f" HAVING {self.compiler.condition(self.select.having, self.scope)}"
        return text

    def _grouping(self, grouping: ast.Grouping) -> str:
        def one(node: ast.Node) -> str:
            if isinstance(node, ast.Tuple):
                return f"({', '.join(one(item) for item in node.items)})"
            value = self.compiler.value(node, self.scope)
            if value.ty.kind in LOB_KINDS:
                raise OracleError(
                    932, f"inconsistent datatypes: expected - got {family(value.ty)}", node.pos
                )
            return value.sql

        inner = ", ".join(one(node) for node in grouping.items)
        word = {"SETS": "GROUPING SETS"}.get(grouping.kind, grouping.kind)
        return f"{word} ({inner})" if word else inner

    def _order_value(self, item: ast.OrderItem, values: list[tuple[str, Expr]]) -> Expr:
        index = position(item.value, len(values))
        if index is not None:
            return values[index][1]
        node = item.value
        if isinstance(node, ast.Name) and len(node.parts) == 1:
            for select_item, (name, value) in zip(self._flat_items(), values, strict=False):
                if select_item is not None and select_item.alias == node.parts[0] == name:
                    return value
        return self.compiler.value(node, self.scope)

    def _flat_items(self) -> list[ast.Item | None]:
        """The select items aligned with their values; None for what `*` gave."""
        flat: list[ast.Item | None] = []
        for item in self.select.items:
            if isinstance(item.value, ast.Star):
                flat += [None] * len(self._star(item.value))
            else:
                flat.append(item)
        return flat

    def _distinct_order(self, compiled: Compiled) -> Compiled:
        """ORDER BY of a DISTINCT block may only name what is selected."""
        if not self.query.order:
            return self.compiler._ordered(compiled, self.query)
        known = {
            signature(item.value, self.scope): str(index + 1)
            for index, item in enumerate(self._flat_items())
            if item is not None
        }
        order = []
        for item in self.query.order:
            place = known.get(signature(item.value, self.scope))
            if place is not None and position(item.value, len(compiled.outputs)) is None:
                item = replace(item, value=ast.Number(item.value.pos, place))
            order.append(item)
        try:
            return self.compiler._ordered(compiled, replace(self.query, order=tuple(order)))
        except OracleError as error:
            if error.code == 904:
                raise OracleError(1791, "not a SELECTed expression", error.offset) from None
            raise


def split_and(node: ast.Node | None) -> list[ast.Node]:
    """The conjuncts of a condition."""
    if node is None:
        return []
    if isinstance(node, ast.Logic) and node.op == "AND":
        return [*split_and(node.left), *split_and(node.right)]
    return [node]


__all__ = ["Compiled", "QueryCompiler", "aggregates"]
