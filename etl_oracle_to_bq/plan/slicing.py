"""How one view is read over several connections: which rows each of them takes; pure.

A `Cut` puts each row into a numbered bucket, Oracle counts the rows of each bucket in the
export's own snapshot, and neighbouring buckets are joined to slices of about the same size.
Every row is in exactly one bucket; rows whose column is NULL are in the first slice. Ranges
come first, because an index or the partitions of the table can serve them; a hash of the key
reads the whole view on each connection, but always divides evenly. Without a key, numbers with
a declared size serve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from etl_oracle_to_bq.model import Bind, OracleColumn, Plan, PlannedColumn, Query
from etl_oracle_to_bq.plan import query as sql
from etl_oracle_to_bq.plan.query import Predicate
from etl_oracle_to_bq.schema import in_utc, number_digits, quoted

ORIGIN = datetime(2000, 1, 1)  # noqa: DTZ001
GREGORIAN = datetime(1582, 10, 15)  # noqa: DTZ001
SHORT_WINDOW = timedelta(days=3)
NUMBER_BUCKETS = 200
NUMBERS = {"INT64", "NUMERIC", "BIGNUMERIC"}
# Joined to one text, which Oracle limits to 4,000 bytes.
MOST_HASHED = 8
# A slice this many times larger than its share makes the others wait.
WORST_SHARE = 1.5

Counted = Sequence[tuple[int | None, int]]


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows of one connection, and how many Oracle counted there."""

    number: int
    query: Query
    rows: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A way to divide the rows: `counting` gives buckets with their rows, in any order.

    `between(low, high)` are the rows of the buckets from `low` to before `high`; None is the
    first or the last one. No slice begins at a bucket before `least`. `what` tells people.
    """

    what: str
    counting: Query
    between: Callable[[int | None, int | None], Predicate]
    least: int | None = None


@dataclass(frozen=True, slots=True)
class NumberRange:
    """A whole-number column, and the query for its smallest and largest value."""

    column: OracleColumn
    query: Query


def date_cut(plan: Plan) -> Cut | None:
    """By days of the incremental column, else of the target's partition column.

    By hours when the window is short. None when the view has neither, as a date.
    """
    for name in (plan.incremental, plan.target.partition_column):
        column = next((each.source for each in plan.columns if name and each.name == name), None)
        if column is not None and sql.clock_of(column) is not None:
            return _date_cut(plan, column)
    return None


def number_range(plan: Plan) -> NumberRange | None:
    """The first key column that holds whole numbers, None without one.

    Without keys, the first column that does.
    """
    for column in _dividing(plan):
        digits = number_digits(column.source)
        if column.type in NUMBERS and digits and digits[1] == 0:
            value = quoted(column.source)
            select = f'SELECT MIN({value}) AS "LOW", MAX({value}) AS "HIGH"'
            return NumberRange(column.source, _query(plan, select))
    return None


def number_cut(plan: Plan, column: OracleColumn, low: int, high: int) -> Cut:
    """By ranges of a whole-number column whose values lie in `[low, high]`."""
    width = (high - low) // NUMBER_BUCKETS + 1
    value = quoted(column)

    def edge(bucket: int) -> Bind:
        # MOD takes the sign of the number, so that a bucket of negative numbers ends at its name
        # and bucket 0 lies on both sides.
        return Bind(bucket if bucket > 0 else bucket - width + 1, "NUMBER")

    def between(first: int | None, last: int | None) -> Predicate:
        return _between(
            value,
            None if first is None else (":from_bucket", edge(first)),
            None if last is None else (":to_bucket", edge(last)),
        )

    bucket = f"{value} - MOD({value}, :width)"
    counting = _counting(plan, bucket, {"width": Bind(width, "NUMBER")})
    return Cut(f"{column.name} by ranges", counting, between)


def hash_cut(plan: Plan, slices: int) -> Cut | None:
    """By a hash of the key columns, without keys of some number columns; None without either."""
    keys = [quoted(column.source) for column in _dividing(plan)]
    if not keys:
        return None
    # One text of all columns; that two rows may give the same text does no harm here.
    bucket = f"NVL(ORA_HASH({' || CHR(0) || '.join(keys)}, {slices - 1}), 0)"

    def between(first: int | None, last: int | None) -> Predicate:
        return _between(
            bucket,
            None if first is None else (":from_bucket", Bind(first, "NUMBER")),
            None if last is None else (":to_bucket", Bind(last, "NUMBER")),
        )

    what = "hash of the key columns" if plan.keys else "hash of number columns"
    return Cut(what, _counting(plan, bucket, {}), between)


def slices(plan: Plan, cut: Cut, counted: Counted, number: int) -> tuple[Slice, ...]:
    """At most `number` slices of neighbouring buckets, as even as the buckets allow."""
    known = sorted(
        (bucket, rows) for bucket, rows in counted if bucket is not None and _can_begin(cut, bucket)
    )
    missing = sum(rows for bucket, rows in counted if not _can_begin(cut, bucket))
    share = (missing + sum(rows for _, rows in known)) / number
    edges: list[int] = []
    sizes = [missing]
    seen = missing
    for bucket, rows in known:
        # The next slice begins where the middle of the bucket lies past the next share.
        if seen and seen + rows / 2 > share * (len(edges) + 1) and len(edges) < number - 1:
            edges.append(bucket)
            sizes.append(0)
        sizes[-1] += rows
        seen += rows
    bounds = zip([None, *edges], [*edges, None], strict=True)
    return tuple(
        Slice(place, _sliced(plan, cut.between(low, high)), size)
        for place, ((low, high), size) in enumerate(zip(bounds, sizes, strict=True), 1)
    )


def _can_begin(cut: Cut, bucket: int | None) -> bool:
    return bucket is not None and (cut.least is None or bucket >= cut.least)


def even(made: Sequence[Slice], number: int) -> bool:
    """True when no slice is much larger than its share."""
    total = sum(each.rows for each in made)
    return largest(made) * number <= WORST_SHARE * total


def largest(made: Sequence[Slice]) -> int:
    """The rows of the largest slice: the others wait for it."""
    return max(each.rows for each in made)


def _dividing(plan: Plan) -> list[PlannedColumn]:
    """The key columns; without keys some numbers with a declared size, which are short as text.

    What a view computes, such as ROWNUM or an age in days, has none, and may be another value
    in each slice.
    """
    if plan.keys:
        return [column for key in plan.keys for column in plan.columns if column.name == key]
    sized = (
        column
        for column in plan.columns
        if column.type in NUMBERS and number_digits(column.source) is not None
    )
    return list(islice(sized, MOST_HASHED))


def _date_cut(plan: Plan, column: OracleColumn) -> Cut:
    hours = _short(plan, column)
    unit, per_day = ("HH24", 24) if hours else ("DD", 1)
    begun = f"TRUNC({in_utc(column)}, '{unit}')"
    number = f"ROUND((\"BUCKET\" - DATE '{ORIGIN:%Y-%m-%d}') * {per_day})"

    def between(first: int | None, last: int | None) -> Predicate:
        lower = (
            Predicate()
            if first is None
            else sql.bound(column, ">=", "from_bucket", _edge(first, per_day))
        )
        upper = (
            Predicate()
            if last is None
            else sql.bound(column, "<", "to_bucket", _edge(last, per_day))
        )
        both = lower & upper
        return both if first is not None or not both.sql else _or_null(both, quoted(column))

    what = f"{column.name} by {'hours' if hours else 'days'}"
    # Before this day Oracle counts days by the Julian calendar, and before year 1 no bind holds
    # them; dates of either kind exist in ERP data.
    least = (GREGORIAN - ORIGIN).days * per_day
    return Cut(what, _counting(plan, begun, {}, number), between, least)


def _edge(number: int, per_day: int) -> datetime:
    return ORIGIN + timedelta(hours=number * 24 // per_day)


def _short(plan: Plan, column: OracleColumn) -> bool:
    window = plan.window
    if window is None or window.lower is None or window.upper is None:
        return False
    named = next(each.name for each in plan.columns if each.source == column)
    return window.column == named and window.upper - window.lower <= SHORT_WINDOW


def _between(
    value: str, lower: tuple[str, Bind] | None, upper: tuple[str, Bind] | None
) -> Predicate:
    terms = Predicate()
    for operator, end in ((">=", lower), ("<", upper)):
        if end is not None:
            terms = terms & Predicate(f"{value} {operator} {end[0]}", {end[0][1:]: end[1]})
    return _or_null(terms, value) if lower is None and terms.sql else terms


def _or_null(terms: Predicate, value: str) -> Predicate:
    return replace(terms, sql=f"({terms.sql} OR {value} IS NULL)")


def _counting(plan: Plan, bucket: str, extra: dict[str, Bind], number: str = '"BUCKET"') -> Query:
    """Rows by bucket, which `number` numbers: once a bucket, not once a row."""
    each = _query(plan, f'SELECT {bucket} AS "BUCKET"')
    text = f'SELECT {number}, COUNT(*) AS "N"\nFROM (\n{each.sql}\n)\nGROUP BY "BUCKET"'
    return Query(text, {**each.binds, **extra})


def _query(plan: Plan, select: str) -> Query:
    rows = Predicate(plan.rows, {n: b for n, b in plan.query.binds.items() if n != "scn"})
    return sql.over(select, plan.origin, plan.moment, rows)


def _sliced(plan: Plan, more: Predicate) -> Query:
    rows = Predicate(plan.rows, {n: b for n, b in plan.query.binds.items() if n != "scn"})
    return sql.export(plan.origin, plan.moment, plan.columns, rows & more)
