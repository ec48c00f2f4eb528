"""The syntax tree of Oracle SQL: what the parser makes and the compiler reads.

`pos` is the 0-based offset of a node in the statement, for error positions. Names are
already folded to upper case unless they were quoted.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Node:
    """Anything with a place in the text."""

    pos: int


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A column or pseudo-column; `outer` when marked (+)."""

    parts: tuple[str, ...]
    outer: bool = False


@dataclass(frozen=True, slots=True)
class Star(Node):
    """`*` or `t.*`."""

    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A numeric literal; a trailing F or D makes it binary."""

    text: str


@dataclass(frozen=True, slots=True)
class String(Node):
    """A character literal, unquoted."""

    text: str
    national: bool = False


@dataclass(frozen=True, slots=True)
class Null(Node):
    """NULL."""


@dataclass(frozen=True, slots=True)
class BindRef(Node):
    """The `index`-th placeholder in textual order."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Moment(Node):
    """DATE '...' or TIMESTAMP '...'."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class IntervalLiteral(Node):
    """INTERVAL 'text' first [TO last]; precisions are not kept, the value is exact."""

    text: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Window:
    """OVER (PARTITION BY ... ORDER BY ... frame); `frame` is plain text both sides accept."""

    partition: tuple[Node, ...] = ()
    order: tuple[OrderItem, ...] = ()
    frame: str = ""


@dataclass(frozen=True, slots=True)
class Keep:
    """KEEP (DENSE_RANK FIRST|LAST ORDER BY ...)."""

    last: bool
    order: tuple[OrderItem, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function call, package functions included."""

    parts: tuple[str, ...]
    args: tuple[Node, ...] = ()
    distinct: bool = False
    within: tuple[OrderItem, ...] = ()
    keep: Keep | None = None
    over: Window | None = None
    ignore_nulls: bool = False
    parens: bool = True
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """CAST(value AS type), the type as text."""

    value: Node
    type: str


@dataclass(frozen=True, slots=True)
class Extract(Node):
    """EXTRACT(field FROM value)."""

    field: str
    value: Node


@dataclass(frozen=True, slots=True)
class Trim(Node):
    """TRIM([side] [chars FROM] value)."""

    side: str
    chars: Node | None
    value: Node


@dataclass(frozen=True, slots=True)
class Case(Node):
    """CASE, searched when `operand` is None."""

    operand: Node | None
    whens: tuple[tuple[Node, Node], ...]
    default: Node | None


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`+`, `-` or PRIOR."""

    op: str
    value: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`+ - * / ||`."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class AtZone(Node):
    """value AT TIME ZONE zone; `zone` None is AT LOCAL."""

    value: Node
    zone: Node | None


@dataclass(frozen=True, slots=True)
class Tuple(Node):
    """(a, b, ...)."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Subquery(Node):
    """A query used as a value."""

    query: Query


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`= <> < <= > >=`; `quantifier` is ANY, ALL or empty."""

    op: str
    left: Node
    right: Node
    quantifier: str = ""


@dataclass(frozen=True, slots=True)
class Between(Node):
    """value BETWEEN low AND high."""

    value: Node
    low: Node
    high: Node


@dataclass(frozen=True, slots=True)
class In(Node):
    """value IN (items) or IN (subquery)."""

    value: Node
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Like(Node):
    """value LIKE pattern [ESCAPE escape]."""

    value: Node
    pattern: Node
    escape: Node | None


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """value IS NULL; `what` is NULL, NAN or INFINITE."""

    value: Node
    what: str = "NULL"


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """EXISTS (subquery)."""

    query: Query


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """AND or OR."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Not(Node):
    """NOT condition."""

    value: Node


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One ORDER BY item; `nulls_first` None means Oracle's default."""

    value: Node
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class AsOf:
    """AS OF SCN value or AS OF TIMESTAMP value."""

    timestamp: bool
    value: Node


@dataclass(frozen=True, slots=True)
class TableRef(Node):
    """A named table or view in FROM."""

    parts: tuple[str, ...]
    alias: str = ""
    as_of: AsOf | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class QueryRef(Node):
    """A subquery in FROM."""

    query: Query
    alias: str = ""
    as_of: AsOf | None = None
    lateral: bool = False


@dataclass(frozen=True, slots=True)
class Join(Node):
    """An ANSI join; kind is INNER, LEFT, RIGHT, FULL or CROSS."""

    kind: str
    left: Node
    right: Node
    on: Node | None = None
    using: tuple[str, ...] = ()
    natural: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a select list; `text` is its source, from which Oracle names it."""

    value: Node
    alias: str
    text: str


@dataclass(frozen=True, slots=True)
class Grouping:
    """GROUP BY items; `kind` is '', ROLLUP, CUBE or SETS; SETS items are Tuples."""

    kind: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Select(Node):
    """One query block."""

    items: tuple[Item, ...]
    sources: tuple[Node, ...]
    distinct: bool = False
    where: Node | None = None
    group: tuple[Grouping, ...] = ()
    having: Node | None = None
    connect_by: Node | None = None
    start_with: Node | None = None


@dataclass(frozen=True, slots=True)
class SetOperation(Node):
    """UNION [ALL], INTERSECT, MINUS."""

    op: str
    left: Query
    right: Query


@dataclass(frozen=True, slots=True)
class Cte:
    """name [(columns)] AS (query)."""

    name: str
    columns: tuple[str, ...]
    query: Query


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A whole query expression."""

    body: Select | SetOperation
    ctes: tuple[Cte, ...] = ()
    order: tuple[OrderItem, ...] = ()
    offset: Node | None = None
    fetch: Node | None = None
    with_ties: bool = False
    percent: bool = False
    for_update: bool = False


@dataclass(frozen=True, slots=True)
class Insert(Node):
    """INSERT INTO table (columns) VALUES (...) or a query."""

    table: TableRef
    columns: tuple[str, ...]
    values: tuple[Node, ...] = ()
    query: Query | None = None


@dataclass(frozen=True, slots=True)
class Update(Node):
    """UPDATE table SET column = value, ... WHERE."""

    table: TableRef
    assignments: tuple[tuple[Name, Node], ...]
    where: Node | None


@dataclass(frozen=True, slots=True)
class Delete(Node):
    """DELETE FROM table WHERE."""

    table: TableRef
    where: Node | None


@dataclass(frozen=True, slots=True)
class AlterSession(Node):
    """ALTER SESSION SET name = value ..., values unquoted."""

    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SetTransaction(Node):
    """SET TRANSACTION READ ONLY (or anything else, which changes nothing here)."""

    read_only: bool


@dataclass(frozen=True, slots=True)
class Simple(Node):
    """COMMIT, ROLLBACK, SAVEPOINT, SET ROLE and other statements without operands."""

    verb: str
    operand: str = ""


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """target := value; the target is a bind or a variable."""

    target: Node
    value: Node


@dataclass(frozen=True, slots=True)
class SelectInto(Node):
    """SELECT ... INTO targets FROM ..."""

    query: Query
    targets: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ExecuteImmediate(Node):
    """EXECUTE IMMEDIATE text."""

    text: Node


@dataclass(frozen=True, slots=True)
class Block(Node):
    """An anonymous block."""

    variables: tuple[tuple[str, str, Node | None], ...] = ()
    statements: tuple[Node, ...] = field(default=())


Statement = Query | Insert | Update | Delete | AlterSession | SetTransaction | Simple | Block
