"""Which columns a name can mean inside one query block."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sandbox.oracle.engine.convert import Expr
from tests.sandbox.oracle.engine.types import Ty
from tests.sandbox.oracle.errors import OracleError


@dataclass(frozen=True, slots=True)
class Output:
    """One column that a query or table offers; in SQL it is `c<position>`."""

    name: str
    ty: Ty
    nullable: bool = True
    hidden: bool = False


@dataclass(slots=True)
class Source:
    """One item of FROM: `sql` is `(SELECT ...) AS t1`, columns are `t1.c0` and so on."""

    alias: str
    owner: str
    sql_alias: str
    outputs: tuple[Output, ...]
    sql: str
    rowid: str = ""
    pos: int = 0
    nullable: bool = False
    prefix: str = ""

    def column(self, index: int) -> Expr:
        """A reference to one column."""
        output = self.outputs[index]
        prefix = self.prefix or f"{self.sql_alias}.c"
        return Expr(f"{prefix}{index}", output.ty, output.nullable or self.nullable)

    def find(self, name: str, pos: int) -> Expr | None:
        """The column called `name`. Raises ORA-00918 when there are two."""
        found = [i for i, output in enumerate(self.outputs) if output.name == name]
        if len(found) > 1:
            raise OracleError(918, "column ambiguously defined", pos)
        return self.column(found[0]) if found else None


@dataclass(slots=True)
class Scope:
    """The sources of one block; `outer` is the block around a subquery."""

    sources: list[Source] = field(default_factory=list)
    outer: Scope | None = None
    merged: dict[str, Expr] = field(default_factory=dict)
    rownum: str = ""
    aliases: dict[str, Expr] = field(default_factory=dict)
    level: str = ""

    def resolve(self, parts: tuple[str, ...], pos: int) -> Expr | None:
        """The column that a dotted name means, in this block or one around it."""
        found = self._here(parts, pos)
        if found is None and self.outer is not None:
            return self.outer.resolve(parts, pos)
        return found

    def _here(self, parts: tuple[str, ...], pos: int) -> Expr | None:
        name = parts[-1]
        if len(parts) == 1 and name in self.merged:
            return self.merged[name]
        found = [
            column
            for source in self.matching(parts[:-1])
            if (column := source.find(name, pos)) is not None
        ]
        if len(found) > 1:
            raise OracleError(918, "column ambiguously defined", pos)
        return found[0] if found else None

    def matching(self, qualifier: tuple[str, ...]) -> list[Source]:
        """The sources that `t.` or `owner.t.` means; all when there is no qualifier."""
        if not qualifier:
            return self.sources
        if len(qualifier) == 1:
            return [source for source in self.sources if source.alias == qualifier[0]]
        return [
            source
            for source in self.sources
            if len(qualifier) == 2 and (source.owner, source.alias) == qualifier
        ]

    def rowid(self, qualifier: tuple[str, ...], pos: int) -> str:
        """The row id of a base table. Raises ORA-01445 where there is none."""
        candidates = self.matching(qualifier)
        found = [source.rowid for source in candidates if source.rowid]
        if len(found) == 1 and len(candidates) == 1:
            return found[0]
        if len(candidates) > 1:
            raise OracleError(918, "column ambiguously defined", pos)
        raise OracleError(
            1445, "cannot select ROWID from, or sample, a join view without a key-preserved table",
            pos,
        )  # fmt: skip
