"""What exists and who may see it: users, tables, views, synonyms, grants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.sandbox.oracle.engine import ast
from tests.sandbox.oracle.engine.scope import Output
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Column

READS = frozenset({"SELECT", "READ"})


@dataclass(slots=True)
class Table:
    """A base table; `storage` is its DuckDB name, `created` the SCN before which it was not."""

    owner: str
    name: str
    columns: tuple[Column, ...]
    outputs: tuple[Output, ...]
    storage: str
    number: int
    created: int
    rows: int = 0


@dataclass(slots=True)
class View:
    """A view: its text, its parsed query, and whether it waits for the application context."""

    owner: str
    name: str
    columns: tuple[Column, ...]
    outputs: tuple[Output, ...]
    text: str
    query: ast.Query
    number: int
    needs_context: bool = False


@dataclass(slots=True)
class DictionaryView:
    """A view of the data dictionary; `sql` is DuckDB's, with {user} for the session's user."""

    name: str
    outputs: tuple[Output, ...]
    sql: str
    public: bool = True


@dataclass(slots=True)
class Synonym:
    """owner.name stands for target_owner.target."""

    owner: str
    name: str
    target_owner: str
    target: str


Relation = Table | View | DictionaryView


@dataclass(slots=True)
class Catalogue:
    """All objects. `version` moves with every change, so that translations can be cached."""

    users: dict[str, str] = field(default_factory=dict)
    relations: dict[tuple[str, str], Table | View] = field(default_factory=dict)
    synonyms: dict[tuple[str, str], Synonym] = field(default_factory=dict)
    dictionary: dict[str, DictionaryView] = field(default_factory=dict)
    grants: set[tuple[str, str, str, str]] = field(default_factory=set)
    flashback_users: set[str] = field(default_factory=set)
    version: int = 0
    last_number: int = 73000

    def changed(self) -> None:
        """Forget every cached translation."""
        self.version += 1

    def next_number(self) -> int:
        """A new object number."""
        self.last_number += 1
        return self.last_number

    def find(self, owner: str, name: str) -> Table | View:
        """An object that must exist. Raises ORA-00942."""
        relation = self.relations.get((owner, name))
        if relation is None:
            raise OracleError(942, "table or view does not exist")
        return relation

    def resolve(self, parts: tuple[str, ...], schema: str, user: str, pos: int) -> Relation:
        """What a name in FROM means to `user`. Raises ORA-00942 when he may not read it."""
        relation = self._lookup(parts, schema)
        if relation is None or not self.may_read(user, relation):
            raise OracleError(942, "table or view does not exist", pos)
        return relation

    def _lookup(self, parts: tuple[str, ...], schema: str) -> Relation | None:
        owner, name = (schema, parts[0]) if len(parts) == 1 else parts
        for _ in range(10):
            if (owner, name) in self.relations:
                return self.relations[owner, name]
            synonym = self.synonyms.get((owner, name))
            if synonym is None and len(parts) == 1:
                synonym = self.synonyms.get(("PUBLIC", name))
            if synonym is None:
                break
            owner, name = synonym.target_owner, synonym.target
        if len(parts) == 1 or owner in ("SYS", "PUBLIC"):
            return self.dictionary.get(name)
        return None

    def may_read(self, user: str, relation: Relation) -> bool:
        """True for the owner, for SYS and SYSTEM, and for who was granted it."""
        if isinstance(relation, DictionaryView):
            return relation.public or self._may_read_internal(user, relation)
        if user in (relation.owner, "SYS", "SYSTEM"):
            return True
        return any(
            (grantee, relation.owner, relation.name, privilege) in self.grants
            for grantee in (user, "PUBLIC")
            for privilege in READS
        )

    def _may_read_internal(self, user: str, relation: DictionaryView) -> bool:
        names = (relation.name, relation.name.replace("V$", "V_$"))
        return user in ("SYS", "SYSTEM") or (
            user in self.flashback_users and relation.name == "V$DATABASE"
        ) or any((user, "SYS", name, p) in self.grants for name in names for p in READS)  # fmt: skip

    def may_flash_back(self, user: str, relation: Table | View) -> bool:
        """True when `user` may put AS OF on the object."""
        if user in (relation.owner, "SYS", "SYSTEM") or user in self.flashback_users:
            return True
        return (user, relation.owner, relation.name, "FLASHBACK") in self.grants

    def may_execute(self, user: str, package: str) -> bool:
        """True when `user` may call a package that is not everybody's."""
        if package == "DBMS_FLASHBACK" and self._flashes_back(user):
            return True
        return user in ("SYS", "SYSTEM") or any(
            (user, owner, package, "EXECUTE") in self.grants for owner in ("SYS", "APPS", "PUBLIC")
        )

    def _flashes_back(self, user: str) -> bool:
        """Who holds FLASHBACK on anything may use the package too: one grant, as DBAs give it."""
        return user in self.flashback_users or any(
            grantee == user and privilege == "FLASHBACK" for grantee, _, _, privilege in self.grants
        )

    def visible(self) -> Iterator[tuple[str, str, str]]:
        """(grantee, owner, name) of everything that somebody may read."""
        for relation in self.relations.values():
            yield relation.owner, relation.owner, relation.name
        for grantee, owner, name, privilege in self.grants:
            if privilege in READS and grantee != owner:
                yield grantee, owner, name
