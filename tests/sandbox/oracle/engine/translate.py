"""Oracle SQL text to DuckDB SQL, with what must be known to run it. Cached."""

from __future__ import annotations

import functools
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.sandbox.oracle.engine import ast, convert
from tests.sandbox.oracle.engine.catalogue import Catalogue, Table
from tests.sandbox.oracle.engine.convert import Expr, Settings
from tests.sandbox.oracle.engine.parser import parse
from tests.sandbox.oracle.engine.queries import Compiled, QueryCompiler
from tests.sandbox.oracle.engine.types import Ty
from tests.sandbox.oracle.session import Column, Kind

_STRING = re.compile(r"'(?:[^']|'')*'")
_PARAMETER = re.compile(r"\$(\w+)")
_VOLATILE = re.compile(r"\buuid\(|py_scn_")


@dataclass(frozen=True, slots=True)
class Translated:
    """A query ready for DuckDB.

    `as_of` holds (is timestamp, DuckDB expression) for $asof0, $asof1, ...; `tables` says
    which base table is read at which snapshot parameter. `fixed` is False when the rows
    depend on more than the parameters.
    """

    sql: str
    columns: tuple[Column, ...]
    types: tuple[Ty, ...]
    as_of: tuple[tuple[bool, str], ...]
    tables: tuple[tuple[str, Table], ...]
    parameters: frozenset[str]
    fixed: bool
    dictionary: bool


@functools.lru_cache(maxsize=2000)
def parsed(sql: str) -> tuple[ast.Node, tuple[str, ...]]:
    """The statement and its bind names."""
    node, binds = parse(sql)
    return node, tuple(binds)


def parameters_in(*sqls: str) -> frozenset[str]:
    """The $names in DuckDB SQL, outside string literals."""
    return frozenset(name for sql in sqls for name in _PARAMETER.findall(_STRING.sub("''", sql)))


class Translator:
    """Translates and remembers; one for a database."""

    def __init__(self, catalogue: Catalogue, limit: int = 500) -> None:
        self.catalogue = catalogue
        self._limit = limit
        self._known: OrderedDict[object, Translated] = OrderedDict()
        self._lock = threading.Lock()

    def query(self, sql: str, settings: Settings, binds: Sequence[Ty]) -> Translated:
        """A query's translation, from the cache when nothing that matters has changed."""
        key = (sql, settings, tuple(binds), self.catalogue.version)
        with self._lock:
            found = self._known.get(key)
        if found is None:
            node, _ = parsed(sql)
            assert isinstance(node, ast.Query)
            compiler = QueryCompiler(self.catalogue, settings, binds)
            found = finished(compiler, compiler.query(node, None))
            with self._lock:
                self._known[key] = found
                while len(self._known) > self._limit:
                    self._known.popitem(last=False)
        return found


def finished(compiler: QueryCompiler, compiled: Compiled) -> Translated:
    """Brings the columns to the representation of the seam."""
    items = [
        _sent(Expr(f"q.c{i}", o.ty), compiler.settings) for i, o in enumerate(compiled.outputs)
    ]
    sql = compiled.sql
    if any(item != f"q.c{i}" for i, item in enumerate(items)):
        named = ", ".join(f"{item} AS c{i}" for i, item in enumerate(items))
        sql = f"SELECT {named} FROM ({sql}) AS q"
    parameters = parameters_in(sql)
    read = parameters_in(sql, *(operand for _, operand in compiler.as_of))
    return Translated(
        sql,
        tuple(o.ty.column(o.name, o.nullable) for o in compiled.outputs),
        tuple(o.ty for o in compiled.outputs),
        tuple(compiler.as_of),
        tuple(compiler.tables),
        parameters,
        not any(name.startswith("rt_") or name == "tx" for name in read)
        and not _VOLATILE.search(sql),
        re.search(r"\bd_[a-z]+ d\b", sql) is not None,
    )


def _sent(value: Expr, settings: Settings) -> str:
    ty = value.ty
    if ty.kind is Kind.TIMESTAMP_LTZ:
        return convert.naive(value, settings).sql
    if ty.digits is not None and ty.digits[1] == 0 and ty.digits[0] <= 18:
        return f"CAST({value.sql} AS BIGINT)"
    return value.sql
