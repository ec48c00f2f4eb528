"""Recursive descent over Oracle expressions and conditions."""

from __future__ import annotations

from tests.sandbox.oracle.engine import ast
from tests.sandbox.oracle.engine.lexer import T
from tests.sandbox.oracle.engine.token_reader import RESERVED, TokenReader
from tests.sandbox.oracle.errors import OracleError

_COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "^=": "<>", "~=": "<>"} | {
    op: op for op in ("<", "<=", ">", ">=")
}


class ExpressionParser(TokenReader):
    """Parses values and conditions; statements build on it."""

    def __init__(self, sql: str, *, plsql: bool = False) -> None:
        super().__init__(sql)
        self.plsql = plsql
        self.binds: list[str] = []

    # -- conditions -----------------------------------------------------------------------

    def condition(self) -> ast.Node:
        """Anything: OR is the loosest operator."""
        node = self._and()
        while self.is_word("OR"):
            pos = self.advance().start
            node = ast.Logic(pos, "OR", node, self._and())
        return node

    def _and(self) -> ast.Node:
        node = self._not()
        while self.is_word("AND"):
            pos = self.advance().start
            node = ast.Logic(pos, "AND", node, self._not())
        return node

    def _not(self) -> ast.Node:
        if self.is_word("NOT"):
            pos = self.advance().start
            return ast.Not(pos, self._not())
        if self.is_word("EXISTS"):
            pos = self.advance().start
            self.expect_op("(")
            query = self.query()
            self.expect_op(")")
            return ast.Exists(pos, query)
        return self._predicate()

    def _predicate(self) -> ast.Node:
        left = self.expression()
        pos = self.token.start
        if self.token.kind is T.OP and self.token.value in _COMPARISONS:
            return self._comparison(left, pos)
        if self.take_words("IS"):
            return self._is(left, pos)
        negated = self.is_word("NOT") and (
            self.is_word("IN", ahead=1)
            or self.is_word("LIKE", ahead=1)
            or self.is_word("BETWEEN", ahead=1)
        )
        if negated:
            self.advance()
        node = self._negatable(left, pos)
        if node is None:
            return left
        return ast.Not(pos, node) if negated else node

    def _comparison(self, left: ast.Node, pos: int) -> ast.Node:
        op = _COMPARISONS[self.advance().value]
        for word in ("ANY", "SOME", "ALL"):
            if self.take_words(word):
                quantifier = "ALL" if word == "ALL" else "ANY"
                return ast.Compare(pos, op, left, self._primary(), quantifier)
        return ast.Compare(pos, op, left, self.expression())

    def _is(self, left: ast.Node, pos: int) -> ast.Node:
        negated = self.take_words("NOT")
        for what in ("NULL", "NAN", "INFINITE"):
            if self.take_words(what):
                node = ast.IsNull(pos, left, what)
                return ast.Not(pos, node) if negated else node
        raise self.fail(908, "missing NULL keyword")

    def _negatable(self, left: ast.Node, pos: int) -> ast.Node | None:
        if self.take_words("BETWEEN"):
            low = self.expression()
            self.expect_words("AND")
            return ast.Between(pos, left, low, self.expression())
        if self.take_words("IN"):
            right = self._primary()
            return ast.In(pos, left, right.items if isinstance(right, ast.Tuple) else (right,))
        if self.take_words("LIKE"):
            pattern = self.expression()
            escape = self.expression() if self.take_words("ESCAPE") else None
            return ast.Like(pos, left, pattern, escape)
        return None

    # -- values ---------------------------------------------------------------------------

    def expression(self) -> ast.Node:
        """`+`, `-` and `||` bind equally in Oracle."""
        node = self._term()
        while self.is_op("+", "-", "||"):
            token = self.advance()
            node = ast.Binary(token.start, token.value, node, self._term())
        return node

    def _term(self) -> ast.Node:
        node = self._unary()
        while self.is_op("*", "/"):
            token = self.advance()
            node = ast.Binary(token.start, token.value, node, self._unary())
        return node

    def _unary(self) -> ast.Node:
        if self.is_op("+", "-"):
            token = self.advance()
            return ast.Unary(token.start, token.value, self._unary())
        if self.is_word("PRIOR"):
            pos = self.advance().start
            return ast.Unary(pos, "PRIOR", self._unary())
        return self._postfix(self._primary())

    def _postfix(self, node: ast.Node) -> ast.Node:
        while self.is_word("AT"):
            pos = self.token.start
            if self.take_words("AT", "LOCAL"):
                node = ast.AtZone(pos, node, None)
            elif self.take_words("AT", "TIME", "ZONE"):
                node = ast.AtZone(pos, node, self._primary())
            else:
                break
        return node

    def _primary(self) -> ast.Node:
        token = self.token
        if token.kind is T.NUMBER:
            self.advance()
            return ast.Number(token.start, token.value)
        if token.kind is T.STRING:
            self.advance()
            return ast.String(token.start, token.value, self.sql[token.start] in "nN")
        if token.kind is T.BIND:
            return self.bind()
        if token.kind is T.OP:
            return self._operator_primary()
        if token.kind is T.QUOTED:
            return self._name_or_call()
        if token.kind is T.WORD:
            return self._word_primary()
        raise self.fail(936, "missing expression")

    def bind(self) -> ast.BindRef:
        """A placeholder, numbered by occurrence in SQL and by name in PL/SQL, as on the wire."""
        token = self.advance()
        if self.plsql and token.value in self.binds:
            return ast.BindRef(token.start, self.binds.index(token.value), token.value)
        self.binds.append(token.value)
        return ast.BindRef(token.start, len(self.binds) - 1, token.value)

    def _operator_primary(self) -> ast.Node:
        pos = self.token.start
        if self.is_op("*"):
            self.advance()
            return ast.Star(pos)
        if not self.take_op("("):
            raise self.fail(936, "missing expression")
        if self.query_ahead():
            query = self.query()
            self.expect_op(")")
            return ast.Subquery(pos, query)
        if self.take_op(")"):
            return ast.Tuple(pos, ())
        items = self.separated(self.condition)
        self.expect_op(")")
        return items[0] if len(items) == 1 else ast.Tuple(pos, items)

    def query_ahead(self) -> bool:
        """True when SELECT or WITH comes next, inside any number of parentheses.

        `((SELECT ...) + 1)` is a value: it is told from a parenthesised query by what
        follows the matching parenthesis.
        """
        depth = 0
        while self.is_op("(", ahead=depth):
            depth += 1
        if not (self.is_word("SELECT", ahead=depth) or self.is_word("WITH", ahead=depth)):
            return False
        ahead, open_parens = depth, depth
        while open_parens > 0 and self.peek(ahead).kind is not T.END:
            open_parens += self.is_op("(", ahead=ahead) - self.is_op(")", ahead=ahead)
            ahead += 1
            if open_parens < depth and not self._continues_query(ahead):
                return False
        return True

    def _continues_query(self, ahead: int) -> bool:
        words = ("UNION", "MINUS", "INTERSECT", "ORDER", "FETCH", "OFFSET", "EXCEPT")
        return self.is_op(")", ahead=ahead) or any(self.is_word(w, ahead=ahead) for w in words)

    def _word_primary(self) -> ast.Node:
        pos = self.token.start
        if self.take_words("NULL"):
            return ast.Null(pos)
        if self.take_words("CASE"):
            return self._case(pos)
        if self.is_op("(", ahead=1):
            if self.take_words("CAST"):
                return self._cast(pos)
            if self.take_words("EXTRACT"):
                return self._extract(pos)
            if self.take_words("TRIM"):
                return self._trim(pos)
        for word in ("DATE", "TIMESTAMP"):
            if self.is_word(word) and self.peek().kind is T.STRING:
                self.advance()
                return ast.Moment(pos, word, self.advance().value)
        if self.is_word("INTERVAL") and self.peek().kind is T.STRING:
            self.advance()
            return self._interval(pos)
        return self._name_or_call()

    def _case(self, pos: int) -> ast.Node:
        operand = None if self.is_word("WHEN") else self.condition()
        whens = []
        while self.take_words("WHEN"):
            when = self.condition()
            self.expect_words("THEN")
            whens.append((when, self.condition()))
        default = self.condition() if self.take_words("ELSE") else None
        if not whens:
            raise self.fail(905, "missing keyword")
        self.expect_words("END")
        return ast.Case(pos, operand, tuple(whens), default)

    def _cast(self, pos: int) -> ast.Node:
        self.expect_op("(")
        value = self.condition()
        self.expect_words("AS")
        type_text = self.type_text()
        self.expect_op(")")
        return ast.Cast(pos, value, type_text)

    def type_text(self) -> str:
        """The source of a type up to the parenthesis or comma that ends it."""
        start, depth, end = self.token.start, 0, self.token.start
        while self.token.kind is not T.END:
            if depth == 0 and (self.is_op(")", ",", ";", ":=") or self.is_word("DEFAULT")):
                break
            depth += self.is_op("(") - self.is_op(")")
            end = self.advance().end
        return self.sql[start:end]

    def _extract(self, pos: int) -> ast.Node:
        self.expect_op("(")
        field = self.advance().value
        self.expect_words("FROM")
        value = self.expression()
        self.expect_op(")")
        return ast.Extract(pos, field, value)

    def _trim(self, pos: int) -> ast.Node:
        self.expect_op("(")
        side = "BOTH"
        for word in ("LEADING", "TRAILING", "BOTH"):
            if self.take_words(word):
                side = word
        chars: ast.Node | None = None
        if not self.is_word("FROM"):
            chars = self.expression()
        if self.take_words("FROM"):
            value = self.expression()
        elif chars is None:
            raise self.fail(936, "missing expression")
        else:
            chars, value = None, chars
        self.expect_op(")")
        return ast.Trim(pos, side, chars, value)

    def _interval(self, pos: int) -> ast.Node:
        text = self.advance().value
        first = self._interval_unit()
        last = self._interval_unit() if self.take_words("TO") else first
        return ast.IntervalLiteral(pos, text, first, last)

    def _interval_unit(self) -> str:
        unit = self.advance().value
        if unit not in ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"):
            raise OracleError(905, "missing keyword", self.tokens[self.at - 1].start)
        if self.take_op("("):
            self.separated(self.advance)
            self.expect_op(")")
        return unit

    # -- names and calls ------------------------------------------------------------------

    def _name_or_call(self) -> ast.Node:
        pos = self.token.start
        if self.token.kind is T.WORD and self.token.value in RESERVED:
            raise self.fail(936, "missing expression")
        parts = [self.identifier()]
        while self.take_op("."):
            if self.take_op("*"):
                return ast.Star(pos, tuple(parts))
            parts.append(self.identifier())
        if self.is_op("(") and self.is_op("+", ahead=1) and self.is_op(")", ahead=2):
            self.at += 3
            return ast.Name(pos, tuple(parts), outer=True)
        if self.take_op("("):
            return self._call(pos, tuple(parts))
        return ast.Name(pos, tuple(parts))

    def _call(self, pos: int, parts: tuple[str, ...]) -> ast.Node:
        distinct = self.take_words("DISTINCT") or self.take_words("UNIQUE")
        if not distinct:
            self.take_words("ALL")
        args: list[ast.Node] = []
        names: list[str] = []
        while not self.is_op(")"):
            named = self.token.kind is T.WORD and self.is_op("=>", ahead=1)
            names.append(self.advance().value if named else "")
            if named:
                self.advance()
            args.append(self.condition())
            ignore = self._ignore_nulls()
            if not self.take_op(","):
                break
        else:
            ignore = False
        self.expect_op(")")
        ignore = self._ignore_nulls() or ignore
        return ast.Call(
            pos,
            parts,
            tuple(args),
            distinct,
            self._within(),
            self._keep(),
            self._over(),
            ignore,
            True,
            tuple(names) if any(names) else (),
        )

    def _ignore_nulls(self) -> bool:
        self.take_words("RESPECT", "NULLS")
        return self.take_words("IGNORE", "NULLS")

    def _within(self) -> tuple[ast.OrderItem, ...]:
        if not self.take_words("WITHIN", "GROUP"):
            return ()
        self.expect_op("(")
        order = self.order_by()
        self.expect_op(")")
        return order

    def _keep(self) -> ast.Keep | None:
        if not self.take_words("KEEP"):
            return None
        self.expect_op("(")
        self.expect_words("DENSE_RANK")
        last = self.take_words("LAST")
        if not last:
            self.expect_words("FIRST")
        order = self.order_by()
        self.expect_op(")")
        return ast.Keep(last, order)

    def _over(self) -> ast.Window | None:
        if not (self.is_word("OVER") and self.is_op("(", ahead=1)):
            return None
        self.at += 2
        partition: tuple[ast.Node, ...] = ()
        if self.take_words("PARTITION", "BY"):
            partition = self.separated(self.expression)
        order = self.order_by() if self.is_word("ORDER") else ()
        start = self.token.start
        while not self.is_op(")") and self.token.kind is not T.END:
            self.advance()
        frame = self.sql[start : self.token.start].strip()
        self.expect_op(")")
        return ast.Window(partition, order, frame)

    def order_by(self) -> tuple[ast.OrderItem, ...]:
        """ORDER [SIBLINGS] BY items."""
        self.expect_words("ORDER")
        self.take_words("SIBLINGS")
        if not self.take_words("BY"):
            raise self.fail(924, "missing BY keyword")
        return self.separated(self._order_item)

    def _order_item(self) -> ast.OrderItem:
        value = self.expression()
        descending = self.take_words("DESC")
        if not descending:
            self.take_words("ASC")
        nulls_first = None
        if self.take_words("NULLS", "FIRST"):
            nulls_first = True
        elif self.take_words("NULLS", "LAST"):
            nulls_first = False
        return ast.OrderItem(value, descending, nulls_first)

    def query(self) -> ast.Query:
        """A query; the statement parser provides it."""
        raise NotImplementedError
