"""Oracle statements to `ast` nodes. Errors carry Oracle's numbers and offsets."""

from __future__ import annotations

from tests.sandbox.oracle.engine import ast
from tests.sandbox.oracle.engine.lexer import T
from tests.sandbox.oracle.engine.parse_expressions import ExpressionParser
from tests.sandbox.oracle.engine.token_reader import RESERVED
from tests.sandbox.oracle.errors import OracleError

_NO_ALIAS = RESERVED | frozenset(
    [
        "JOIN",
        "INNER",
        "LEFT",
        "RIGHT",
        "FULL",
        "CROSS",
        "NATURAL",
        "OFFSET",
        "FETCH",
        "USING",
        "LATERAL",
        "KEEP",
        "LOG",
        "RETURNING",
    ]
)
_UNSUPPORTED = frozenset({"MERGE", "CALL", "EXPLAIN"})
_DDL = frozenset(
    [
        "CREATE",
        "DROP",
        "TRUNCATE",
        "GRANT",
        "REVOKE",
        "RENAME",
        "COMMENT",
        "ANALYZE",
        "PURGE",
        "FLASHBACK",
        "AUDIT",
        "NOAUDIT",
    ]
)


def parse(sql: str) -> tuple[ast.Node, list[str]]:
    """The statement in `sql`, and the names of its binds in the order the wire sends them."""
    parser = StatementParser(sql)
    if parser.is_word("BEGIN") or parser.is_word("DECLARE"):
        from tests.sandbox.oracle.engine.parse_blocks import BlockParser

        parser = BlockParser(sql)
    node = parser.statement()
    parser.expect_end()
    return node, parser.binds


class StatementParser(ExpressionParser):
    """Queries, DML and the session statements that clients send."""

    def expect_end(self) -> None:
        """Nothing may follow a statement."""
        if self.token.kind is not T.END:
            raise self.fail(933, "SQL command not properly ended")

    def statement(self) -> ast.Node:
        """One SQL statement."""
        if self.is_word("SELECT") or self.is_word("WITH") or self.is_op("("):
            return self.query()
        verb = self.token
        readers = {
            "INSERT": self._insert,
            "UPDATE": self._update,
            "DELETE": self._delete,
            "ALTER": self._alter,
            "SET": self._set,
        }
        if verb.kind is T.WORD and verb.value in readers:
            self.advance()
            return readers[verb.value](verb.start)
        if verb.kind is T.WORD and verb.value in {"COMMIT", "ROLLBACK", "SAVEPOINT", "LOCK"}:
            return self._rest(verb.value)
        if verb.kind is T.WORD and verb.value in _DDL:
            return self._rest("DDL")
        if verb.kind is T.WORD and verb.value in _UNSUPPORTED:
            raise OracleError(604, f"{verb.value} is not supported here", verb.start)
        raise self.fail(900, "invalid SQL statement")

    def _rest(self, verb: str) -> ast.Node:
        """A statement of which only the verb matters, up to its end or `;`."""
        pos = self.advance().start
        start = self.token.start
        while self.token.kind is not T.END and not self.is_op(";"):
            self.advance()
        return ast.Simple(pos, verb, self.sql[start : self.token.start].strip())

    # -- queries --------------------------------------------------------------------------

    def query(self) -> ast.Query:
        """[WITH] query [set operators] [ORDER BY] [OFFSET/FETCH] [FOR UPDATE]."""
        pos = self.token.start
        ctes = self.separated(self._cte) if self.take_words("WITH") else ()
        body = self._set_operations()
        order = self.order_by() if self.is_word("ORDER") else ()
        offset = self._offset()
        fetch, percent, ties = self._fetch()
        for_update = self._for_update()
        if isinstance(body, ast.Query):
            plain = not (ctes or order or offset or fetch or for_update)
            if plain:
                return body
            body = self._wrapped(body)
        return ast.Query(pos, body, ctes, order, offset, fetch, ties, percent, for_update)

    def _wrapped(self, query: ast.Query) -> ast.Select:
        star = ast.Item(ast.Star(query.pos), "", "*")
        return ast.Select(query.pos, (star,), (ast.QueryRef(query.pos, query),))

    def _cte(self) -> ast.Cte:
        name = self.identifier()
        columns: tuple[str, ...] = ()
        if self.take_op("("):
            columns = self.separated(self.identifier)
            self.expect_op(")")
        self.expect_words("AS")
        self.expect_op("(")
        query = self.query()
        self.expect_op(")")
        return ast.Cte(name, columns, query)

    def _set_operations(self) -> ast.Select | ast.SetOperation | ast.Query:
        left = self._block()
        while self.is_word("UNION") or self.is_word("MINUS") or self.is_word("INTERSECT"):
            token = self.advance()
            op = token.value
            if op == "UNION" and self.take_words("ALL"):
                op = "UNION ALL"
            right = self._block()
            left = ast.SetOperation(token.start, op, self._as_query(left), self._as_query(right))
        return left

    def _as_query(self, body: ast.Select | ast.SetOperation | ast.Query) -> ast.Query:
        return body if isinstance(body, ast.Query) else ast.Query(body.pos, body)

    def _block(self) -> ast.Select | ast.Query:
        if self.take_op("("):
            query = self.query()
            self.expect_op(")")
            return query
        if not self.is_word("SELECT"):
            raise self.fail(928, "missing SELECT keyword")
        return self._select()

    def _select(self) -> ast.Select:
        pos = self.advance().start
        distinct = self.take_words("DISTINCT") or self.take_words("UNIQUE")
        if not distinct:
            self.take_words("ALL")
        items = self.separated(self._item)
        self._into()
        if not self.take_words("FROM"):
            raise self.fail(923, "FROM keyword not found where expected")
        sources = self.separated(self._source)
        where = self.condition() if self.take_words("WHERE") else None
        start_with, connect_by = self._hierarchy()
        group = self._group()
        having = self.condition() if self.take_words("HAVING") else None
        if having is not None and not group:
            group = self._group()
        return ast.Select(
            pos, items, sources, distinct, where, group, having, connect_by, start_with
        )

    def _into(self) -> None:
        """PL/SQL's INTO; the block parser reads it."""

    def _hierarchy(self) -> tuple[ast.Node | None, ast.Node | None]:
        start = self.condition() if self.take_words("START", "WITH") else None
        connect = None
        if self.take_words("CONNECT", "BY"):
            self.take_words("NOCYCLE")
            connect = self.condition()
        if start is None and self.take_words("START", "WITH"):
            start = self.condition()
        return start, connect

    def _item(self) -> ast.Item:
        first = self.at
        if self.is_word("FROM"):
            raise self.fail(936, "missing expression")
        value = self.condition()
        last = self.at
        text = "".join(self.sql[t.start : t.end] for t in self.tokens[first:last]).upper()
        if isinstance(value, ast.Star):
            return ast.Item(value, "", text)
        if self.take_words("AS"):
            return ast.Item(value, self._alias_name(), text)
        token = self.token
        if token.kind is T.QUOTED or (token.kind is T.WORD and token.value not in RESERVED):
            return ast.Item(value, self.identifier(), text)
        return ast.Item(value, "", text)

    def _alias_name(self) -> str:
        if self.token.kind is T.WORD and self.token.value in RESERVED:
            raise self.fail(923, "FROM keyword not found where expected")
        return self.identifier()

    def _group(self) -> tuple[ast.Grouping, ...]:
        if not self.take_words("GROUP"):
            return ()
        if not self.take_words("BY"):
            raise self.fail(924, "missing BY keyword")
        return self.separated(self._grouping)

    def _grouping(self) -> ast.Grouping:
        for kind in ("ROLLUP", "CUBE"):
            if self.is_word(kind) and self.is_op("(", ahead=1):
                self.at += 2
                items = self.separated(self.expression)
                self.expect_op(")")
                return ast.Grouping(kind, items)
        if self.take_words("GROUPING", "SETS"):
            self.expect_op("(")
            items = self.separated(self.expression)
            self.expect_op(")")
            return ast.Grouping("SETS", items)
        return ast.Grouping("", (self.expression(),))

    def _offset(self) -> ast.Node | None:
        if not self.take_words("OFFSET"):
            return None
        offset = self.expression()
        if not (self.take_words("ROWS") or self.take_words("ROW")):
            raise self.fail(905, "missing keyword")
        return offset

    def _fetch(self) -> tuple[ast.Node | None, bool, bool]:
        if not self.take_words("FETCH"):
            return None, False, False
        if not (self.take_words("FIRST") or self.take_words("NEXT")):
            raise self.fail(905, "missing keyword")
        one = self.is_word("ROW") or self.is_word("ROWS")
        count = ast.Number(self.token.start, "1") if one else self.expression()
        percent = self.take_words("PERCENT")
        if not (self.take_words("ROWS") or self.take_words("ROW")):
            raise self.fail(905, "missing keyword")
        ties = self.take_words("WITH", "TIES")
        if not ties:
            self.expect_words("ONLY")
        return count, percent, ties

    def _for_update(self) -> bool:
        if not self.take_words("FOR", "UPDATE"):
            return False
        while self.token.kind is not T.END and not self.is_op(";", ")"):
            self.advance()
        return True

    # -- FROM -----------------------------------------------------------------------------

    def _source(self) -> ast.Node:
        node = self._table()
        while True:
            pos = self.token.start
            natural = self.take_words("NATURAL")
            kind = self._join_kind()
            if not kind:
                return node
            right = self._table()
            if kind == "CROSS" or natural:
                node = ast.Join(pos, kind, node, right, natural=natural)
            elif self.take_words("USING"):
                self.expect_op("(")
                using = self.separated(self.identifier)
                self.expect_op(")")
                node = ast.Join(pos, kind, node, right, using=using)
            else:
                self.expect_words("ON")
                node = ast.Join(pos, kind, node, right, self.condition())

    def _join_kind(self) -> str:
        for kind in ("LEFT", "RIGHT", "FULL"):
            if self.is_word(kind) and (
                self.is_word("JOIN", ahead=1) or self.is_word("OUTER", ahead=1)
            ):
                self.advance()
                self.take_words("OUTER")
                self.expect_words("JOIN")
                return kind
        if self.take_words("CROSS", "JOIN"):
            return "CROSS"
        if self.take_words("INNER", "JOIN") or self.take_words("JOIN"):
            return "INNER"
        return ""

    def _table(self) -> ast.Node:
        pos = self.token.start
        lateral = self.take_words("LATERAL")
        if self.is_op("("):
            if not lateral and not self.query_ahead() and not self.is_word("SELECT", ahead=1):
                self.advance()
                node = self._source()
                self.expect_op(")")
                return node
            self.advance()
            query = self.query()
            self.expect_op(")")
            as_of = self._as_of()
            return ast.QueryRef(pos, query, self._table_alias(), as_of, lateral)
        return self._table_name(pos)

    def _table_name(self, pos: int) -> ast.TableRef:
        token = self.token
        if token.kind not in (T.WORD, T.QUOTED) or (
            token.kind is T.WORD and token.value in RESERVED
        ):
            raise self.fail(903, "invalid table name")
        parts = [self.identifier()]
        if self.take_op("."):
            parts.append(self.identifier())
        link = ""
        if self.take_op("@"):
            link = ".".join([self.identifier()])
        as_of = self._as_of()
        return ast.TableRef(pos, tuple(parts), self._table_alias(), as_of, link)

    def _as_of(self) -> ast.AsOf | None:
        for word in ("SCN", "TIMESTAMP"):
            if self.take_words("AS", "OF", word):
                return ast.AsOf(word == "TIMESTAMP", self.expression())
        if self.is_word("VERSIONS"):
            raise OracleError(30051, "VERSIONS clause not allowed here", self.token.start)
        return None

    def _table_alias(self) -> str:
        if self.is_word("AS") and not self.is_word("OF", ahead=1):
            raise self.fail(933, "SQL command not properly ended")
        token = self.token
        if token.kind is T.QUOTED or (token.kind is T.WORD and token.value not in _NO_ALIAS):
            return self.identifier()
        return ""

    # -- DML and session statements ---------------------------------------------------------

    def _insert(self, pos: int) -> ast.Node:
        self.expect_words("INTO")
        table = self._table_name(self.token.start)
        columns: tuple[str, ...] = ()
        if self.is_op("(") and not self.query_ahead():
            self.advance()
            columns = self.separated(self.identifier)
            self.expect_op(")")
        if self.take_words("VALUES"):
            self.expect_op("(")
            values = self.separated(self.expression)
            self.expect_op(")")
            return ast.Insert(pos, table, columns, values)
        if self.is_word("SELECT") or self.is_word("WITH") or self.is_op("("):
            return ast.Insert(pos, table, columns, query=self.query())
        raise self.fail(926, "missing VALUES keyword")

    def _update(self, pos: int) -> ast.Node:
        table = self._table_name(self.token.start)
        if not self.take_words("SET"):
            raise self.fail(971, "missing SET keyword")
        assignments = self.separated(self._assignment)
        where = self.condition() if self.take_words("WHERE") else None
        return ast.Update(pos, table, assignments, where)

    def _assignment(self) -> tuple[ast.Name, ast.Node]:
        pos = self.token.start
        parts = [self.identifier()]
        while self.take_op("."):
            parts.append(self.identifier())
        if not self.take_op("="):
            raise self.fail(927, "missing equal sign")
        return ast.Name(pos, tuple(parts)), self.expression()

    def _delete(self, pos: int) -> ast.Node:
        self.take_words("FROM")
        table = self._table_name(self.token.start)
        where = self.condition() if self.take_words("WHERE") else None
        return ast.Delete(pos, table, where)

    def _alter(self, pos: int) -> ast.Node:
        if not self.take_words("SESSION"):
            return self._rest("DDL")
        if not self.take_words("SET"):
            return self._rest("ALTER SESSION")
        settings = []
        while self.token.kind is not T.END and not self.is_op(";"):
            name = self.identifier()
            if not self.take_op("="):
                raise OracleError(2248, "invalid option for ALTER SESSION", self.token.start)
            settings.append((name, self._setting()))
        if not settings:
            raise OracleError(2248, "invalid option for ALTER SESSION", self.token.start)
        return ast.AlterSession(pos, tuple(settings))

    def _setting(self) -> str:
        if self.token.kind is T.END or self.is_op(";"):
            raise OracleError(2017, "integer value required", self.token.start)
        sign = "-" if self.take_op("-") else ""
        return sign + self.advance().value

    def _set(self, pos: int) -> ast.Node:
        if self.take_words("TRANSACTION"):
            read_only = self.is_word("READ", "ONLY")
            self._rest("SET TRANSACTION")
            return ast.SetTransaction(pos, read_only)
        if self.is_word("ROLE"):
            return self._rest("SET ROLE")
        raise self.fail(922, "missing or invalid option")
