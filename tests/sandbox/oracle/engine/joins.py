"""FROM: comma lists, ANSI joins, and Oracle's (+) outer joins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.oracle.engine import ast, convert
from tests.sandbox.oracle.engine.aggregates import children
from tests.sandbox.oracle.engine.convert import Expr
from tests.sandbox.oracle.engine.scope import Scope, Source
from tests.sandbox.oracle.errors import OracleError

if TYPE_CHECKING:
    from tests.sandbox.oracle.engine.queries import QueryCompiler


class FromCompiler:
    """Fills the scope with sources and writes DuckDB's FROM."""

    def __init__(self, compiler: QueryCompiler, scope: Scope) -> None:
        self.compiler = compiler
        self.scope = scope

    def compiled(
        self, nodes: tuple[ast.Node, ...], where: list[ast.Node]
    ) -> tuple[str, list[ast.Node]]:
        """DuckDB's FROM, and the conjuncts of WHERE that are no outer joins."""
        items = [self._item(node) for node in nodes]
        marked = [node for node in where if marks(node)]
        if not marked:
            return ", ".join(items), where
        plain = [node for node in where if not marks(node)]
        if any(isinstance(node, ast.Join) for node in nodes):
            raise OracleError(
                25156, "old style outer join (+) cannot be used with ANSI joins", marked[0].pos
            )
        return self._outer_joins(items, marked), plain

    def _item(self, node: ast.Node) -> str:
        if isinstance(node, ast.Join):
            return self._join(node)
        if isinstance(node, ast.TableRef):
            source = self.compiler.table_source(node)
        elif isinstance(node, ast.QueryRef):
            source = self.compiler.query_source(node, self.scope)
        else:
            raise OracleError(903, "invalid table name", node.pos)
        self.scope.sources.append(source)
        return source.sql

    # -- ANSI joins -----------------------------------------------------------------------

    def _join(self, node: ast.Join) -> str:
        begin = len(self.scope.sources)
        left = self._item(node.left)
        middle = len(self.scope.sources)
        right = self._item(node.right)
        lefts, rights = self.scope.sources[begin:middle], self.scope.sources[middle:]
        if node.kind in ("LEFT", "FULL"):
            _make_nullable(rights)
        if node.kind in ("RIGHT", "FULL"):
            _make_nullable(lefts)
        if node.kind == "CROSS" and not node.natural:
            return f"({left} CROSS JOIN {right})"
        using = self._natural(lefts, rights) if node.natural else node.using
        kind = "INNER" if node.kind == "CROSS" else node.kind
        if node.natural or node.using:
            tests = [self._using(name, lefts, rights, node) for name in using]
            on = " AND ".join(tests) or "TRUE"
        else:
            on = self.compiler.condition(node.on, self.scope) if node.on is not None else "TRUE"
        return f"({left} {kind} JOIN {right} ON {on})"

    def _natural(self, lefts: list[Source], rights: list[Source]) -> tuple[str, ...]:
        right_names = {output.name for source in rights for output in source.outputs}
        return tuple(
            output.name
            for source in lefts
            for output in source.outputs
            if output.name in right_names
        )

    def _using(self, name: str, lefts: list[Source], rights: list[Source], node: ast.Join) -> str:
        left = self.scope.merged.get(name) or self._only(name, lefts, node)
        right = self._only(name, rights, node)
        both = {"LEFT": left, "INNER": left, "CROSS": left, "RIGHT": right}.get(node.kind)
        if both is None:
            both = Expr(f"coalesce({left.sql}, {right.sql})", left.ty)
        self.scope.merged[name] = both
        return convert.compare("=", left, right, self.compiler.settings)

    def _only(self, name: str, sources: list[Source], node: ast.Join) -> Expr:
        found = [c for source in sources if (c := source.find(name, node.pos)) is not None]
        if not found:
            raise OracleError(904, f'"{name}": invalid identifier', node.pos)
        return found[0]

    # -- (+) ------------------------------------------------------------------------------

    def _outer_joins(self, items: list[str], marked: list[ast.Node]) -> str:
        """LEFT JOINs in an order in which every condition finds its tables."""
        tests: dict[int, list[ast.Node]] = {}
        for node in marked:
            inner = {self._index(name) for name in marks(node)}
            if len(inner) != 1:
                raise OracleError(
                    1468, "a predicate may reference only one outer-joined table", node.pos
                )
            tests.setdefault(inner.pop(), []).append(node)
        placed = [i for i in range(len(items)) if i not in tests]
        sql = " CROSS JOIN ".join(items[i] for i in placed)
        waiting = dict(tests)
        while waiting:
            ready = next((i for i in waiting if self._needs(i, waiting[i]) <= set(placed)), None)
            if ready is None:
                raise OracleError(1416, "two tables cannot be outer-joined to each other")
            _make_nullable([self.scope.sources[ready]])
            on = " AND ".join(self.compiler.condition(n, self.scope) for n in waiting.pop(ready))
            sql = f"({sql} LEFT JOIN {items[ready]} ON {on})"
            placed.append(ready)
        return sql

    def _index(self, name: ast.Name) -> int:
        for index, source in enumerate(self.scope.sources):
            qualified = len(name.parts) == 1 or source.alias == name.parts[-2]
            if qualified and source.find(name.parts[-1], name.pos) is not None:
                return index
        spelled = ".".join(f'"{part}"' for part in name.parts)
        raise OracleError(904, f"{spelled}: invalid identifier", name.pos)

    def _needs(self, own: int, tests: list[ast.Node]) -> set[int]:
        found: set[int] = set()
        for name in _names(tuple(tests)):
            if self.scope._here(name.parts, name.pos) is not None:
                found.add(self._index(name))
        return found - {own}


def marks(node: object) -> list[ast.Name]:
    """The names marked (+) in a condition."""
    return [name for name in _names(node) if name.outer]


def _names(node: object) -> list[ast.Name]:
    if isinstance(node, ast.Name):
        return [node]
    return [name for child in children(node) for name in _names(child)]


def _make_nullable(sources: list[Source]) -> None:
    for source in sources:
        source.nullable = True
