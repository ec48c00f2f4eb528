"""Random histories of one view: business, runs, deaths, faults, changes of configuration.

`Ledger` says what README and design promise: which rows a run takes and what its write
disposition makes of them. After each settled run the target must be what it says, row by row.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.acceptance.crash.books import COLUMNS, MODES, VARIANTS, Book, Row
from tests.acceptance.crash.conftest import ROUNDS
from tests.acceptance.crash.deaths import COMMIT, AtRandom, Death, Step
from tests.acceptance.crash.test_faults_bigquery import FAULTS as WIRE_FAULTS
from tests.acceptance.crash.test_faults_bigquery import REQUESTS
from tests.acceptance.crash.test_faults_oracle import FAULTS as ORACLE_FAULTS
from tests.acceptance.crash.world import World
from tests.sandbox.bigquery.proxy import Rule
from tests.sandbox.dataset.base import OWNER
from tests.sandbox.dataset.build import grant_reading
from tests.sandbox.oracle.session import BaseSession

DAYS_OF_A_HISTORY = 8
HISTORIES = 8
OVERLAPS = {"00:00:00": timedelta(0), "01:00:00": timedelta(hours=1), "1 00:00:00": timedelta(1)}
DEATHS: list[Death] = [
    Step("after:save_plan"),
    Step("after:create_staging"),
    Step("after:load_part"),
    Step("before:commit"),
    Step("after:verify"),
    COMMIT,
    Step("after:commit"),
    Step("after:succeed"),
    Step("before:drop_staging"),
    Step("before:load_status"),
    AtRandom(1),
    AtRandom(2),
    AtRandom(3),
]
BUSINESS = ["insert", "insert", "update", "delete", "late", "null", "future"]
RUNS = ["run", "run", "die", "die", "die", "backfill", "BigQuery", "Oracle"]
QUICK_ORACLE = [name for name in ORACLE_FAULTS if not name.startswith("stall")]
CHANGED = 4
ONE_ROW_A_KEY = ("merge", "replace_window")
NO_END = datetime(9999, 12, 31)  # noqa: DTZ001


@dataclass
class Ledger:
    """What the target must hold: by id, or by id and stamp where every version is kept."""

    disposition: str
    overlap: timedelta
    watermark: datetime | None = None
    one_row_a_key: bool = False
    rows: dict[object, Row] = field(default_factory=dict)

    def apply(self, oracle: Counter[Row], now: datetime, full: bool) -> None:
        """A run that reads these rows of Oracle at `now`, and commits."""
        everything = full or self.watermark is None or self.disposition == "replace"
        # A window that is replaced is open above: see README, "Load types".
        upper = NO_END if self.disposition == "replace_window" else now
        window = None if everything else (min(self.watermark, now) - self.overlap, upper)
        read = self._take(oracle, window)
        # A column without times of day may get more rows of a day that has begun.
        mark = now if any(has_time(row) for row in read) else midnight(now)
        self.watermark = max(self.watermark or mark, mark)
        self.one_row_a_key = self.disposition in ONE_ROW_A_KEY

    @property
    def made_otherwise(self) -> bool:
        """Whether a target that may hold several rows of a key now is to hold one."""
        single = self.disposition in ONE_ROW_A_KEY
        return self.watermark is not None and single and not self.one_row_a_key

    def backfill(self, oracle: Counter[Row], lower: datetime, upper: datetime) -> None:
        """A run over a window that was named; the watermark stays."""
        self._take(oracle, (lower, upper))

    def _take(self, oracle: Counter[Row], window: tuple[datetime, datetime] | None) -> list[Row]:
        staged = [row for row in oracle if window is None or within(row, window)]
        if self.disposition != "append" and window is None:
            self.rows = {}
        if self.disposition == "replace_window" and window is not None:
            keys = {self._key(row) for row in staged}
            kept = {k: r for k, r in self.rows.items() if not within(r, window) or k in keys}
            self.rows = kept
        for row in staged:
            self.rows[self._key(row)] = row
        return staged

    def _key(self, row: Row) -> object:
        return (row[0], row[CHANGED]) if self.disposition == "append" else row[0]

    def shown(self) -> Counter[Row]:
        """The rows of the target; of `<target>_latest` where every version is kept."""
        newest: dict[object, Row] = {}
        for row in sorted(
            self.rows.values(), key=lambda row: (row[CHANGED] is not None, row[CHANGED] or 0)
        ):
            newest[row[0]] = row
        return Counter(newest.values())


def within(row: Row, window: tuple[datetime, datetime]) -> bool:
    """Whether the row's stamp lies in the half-open window; one without a stamp never does."""
    stamp = row[CHANGED]
    return isinstance(stamp, datetime) and window[0] <= stamp < window[1]


def midnight(moment: datetime) -> datetime:
    """The beginning of its day."""
    return datetime.combine(moment.date(), time())


def has_time(row: Row) -> bool:
    """Whether the stamp is not a midnight."""
    stamp = row[CHANGED]
    return isinstance(stamp, datetime) and stamp.time() != time()


@dataclass
class ViewedBook(Book):
    """A book that the product sees through a view, which can grow a column."""

    def create(self, database: object, rows: int = 6) -> None:
        """Make table and view."""
        database.create_table(OWNER, f"{self.table}_B", COLUMNS)
        self.show(database, "")
        self._execute(database, [self._insert("SYSTIMESTAMP - 30") for _ in range(rows)])

    @property
    def stored(self) -> str:
        """The table under the view."""
        return f"{OWNER}.{self.table}_B"

    def show(self, database: object, more: str) -> None:
        """Make the view anew, with `more` columns."""
        with contextlib.suppress(KeyError):
            database.drop(OWNER, self.table)
        names = ", ".join(column.name for column in COLUMNS)
        database.create_view(OWNER, self.table, f"SELECT {names}{more} FROM {self.stored}")
        grant_reading(database, self.table)


class Shelf:
    """Fresh books for one history after another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._ready: list[ViewedBook] = []

    def take(self) -> ViewedBook:
        """A book that was never loaded."""
        if not self._ready:
            first = len(self.world.books) + 1
            variants = [VARIANTS[name] for name in ("merge", "window", "versions", "merge")]
            for number, variant in enumerate(variants, first):
                book = ViewedBook(f"BOOK_{number:03d}", variant, "csv", random.Random(number))
                book.create(self.world.sandbox.database)
                self.world.books[book.view] = book
                self._ready.append(book)
            self.world.configure(self._ready, schema_policy="add_columns")
        return self._ready.pop(0)


class History(RuleBasedStateMachine):
    """One view from its first load on."""

    shelf: Shelf
    tally: Counter[str]

    @initialize(variant=st.integers(0, 3))
    def begin(self, variant: int) -> None:
        """Take a book; it is loaded by the first run."""
        self.world = self.shelf.world
        for _ in range(variant):
            self.shelf.take()
        self.book = self.shelf.take()
        chosen = self.book.variant
        self.ledger = Ledger(chosen.disposition, OVERLAPS["01:00:00"])
        self.config: dict[str, object] = {"schema_policy": "add_columns"}
        self.late: BaseSession | None = None
        self.grown = False
        self.whole = True
        note(f"{self.book.view}: {chosen.name}")

    # Hypothesis leaves whole rules out of a history: with one, none can go missing.
    @rule(data=st.data())
    def day(self, data: st.DataObject) -> None:
        """Business, now and then a change of configuration, and the view is loaded somehow."""
        for what in data.draw(st.lists(st.sampled_from(BUSINESS), min_size=1, max_size=3)):
            self.business(what)
        if data.draw(st.sampled_from([False, False, False, True])):
            self.reconfigure(
                data.draw(st.sampled_from(MODES)),
                data.draw(st.sampled_from(list(OVERLAPS))),
                data.draw(st.sampled_from(["merge", "replace_window", "replace"])),
            )
            self.grow()
        self.load(data.draw(st.sampled_from(RUNS)), data)

    def business(self, what: str) -> None:
        """Something happens in Oracle."""
        happenings = {
            "insert": self.insert,
            "update": self.update,
            "delete": self.delete,
            "late": self.late_commit,
            "null": lambda: self.odd_stamp("NULL"),
            "future": lambda: self.odd_stamp("SYSTIMESTAMP + 1"),
        }
        happenings[what]()

    def load(self, how: str, data: st.DataObject) -> None:
        """The view is loaded, one way or another."""
        if how == "run":
            self.run(full=data.draw(st.sampled_from([False, False, True])))
        elif how == "die":
            self.die(data.draw(st.sampled_from(DEATHS)), data.draw(st.booleans()))
        elif how == "backfill":
            self.backfill(data.draw(st.integers(1, 40)), data.draw(st.booleans()))
        elif how == "BigQuery":
            request, fault = (data.draw(st.sampled_from(list(x))) for x in (REQUESTS, WIRE_FAULTS))
            self.fault_of_bigquery(request, fault)
        else:
            self.fault_of_oracle(data.draw(st.sampled_from(QUICK_ORACLE)))

    # Business in Oracle

    def execute(self, *statements: str) -> None:
        """Statements of one transaction."""
        self.book._execute(self.world.sandbox.database, list(statements))
        self.world.clock.tick(self.book.chance.choice((1, 10, 45)))

    def insert(self) -> None:
        """New rows."""
        self.execute(*(self.book._insert("SYSTIMESTAMP") for _ in range(2)))

    def update(self) -> None:
        """Some rows change, and their stamps with them."""
        amount = self.book._amount()
        self.execute(
            *(
                f"UPDATE {self.book.stored} SET AMOUNT = {amount}, CHANGED = SYSTIMESTAMP "
                f"WHERE ID = {number}"
                for number in self.book._some()
            )
        )

    def delete(self) -> None:
        """A row of any age goes."""
        if self.ledger.disposition != "append":
            number = self.book.chance.randint(1, self.book.next_id)
            self.execute(f"DELETE FROM {self.book.stored} WHERE ID = {number}")

    def odd_stamp(self, stamp: str) -> None:
        """A row without a stamp, or one of the future."""
        self.execute(self.book._insert(stamp))

    def late_commit(self) -> None:
        """A row is stamped now and committed later; or the one that waits is committed."""
        if self.late is None:
            self.late = self.world.sandbox.database.session_as(OWNER)
            self.late.execute(self.book._insert("SYSTIMESTAMP"), [])
            self.world.clock.tick(5)
        else:
            self.end_late()

    def end_late(self) -> None:
        """Commit what waits."""
        if self.late is not None:
            self.late.commit()
            self.late.close()
            self.late = None

    # Configuration

    def reconfigure(self, mode: str, overlap: str, disposition: str) -> None:
        """Merge, replace window and replace keep one row a key; append does not change."""
        if self.ledger.disposition != "append":
            self.config["write_disposition"] = self.ledger.disposition = disposition
        self.config |= {"load_mode": mode, "overlap": overlap}
        self.ledger.overlap = OVERLAPS[overlap]
        self.world.configure([self.book], **self.config)
        if self.ledger.made_otherwise:
            self.see_refused()
            self.run(full=True)

    def see_refused(self) -> None:
        """A run that would merge into what a replace has left changes nothing and says why."""
        before = self.world.target_says(self.book)
        done = self.world.run(self.book.view)
        assert done.code == 2, done
        assert done.runs[0]["error"]["code"] == "watermark-scope"
        assert self.world.target_says(self.book) == before

    def grow(self) -> None:
        """The view gets another column; rows loaded before have NULL in it until they come again."""
        if not self.grown:
            self.book.show(self.world.sandbox.database, ", ID * 2 AS TWICE")
            self.grown, self.whole = True, False
            self.world.clock.tick(1)

    # Runs

    def expect(self, full: bool = False) -> None:
        """What a run that commits now makes of the target."""
        oracle, now = self.world.oracle_says(self.book), self.world.server_time()
        self.ledger.apply(oracle, now, full)
        self.whole = self.whole or full or self.ledger.disposition == "replace"

    def see(self) -> None:
        """The target is what the ledger says, and nothing is left over."""
        wanted, found = self.ledger.shown(), self.world.target_says(self.book)
        assert found == wanted, f"missing {wanted - found}, too many {found - wanted}"
        assert self.world.leftovers() == []
        mark = self.world.source(self.book)["watermark"]
        assert self.ledger.watermark is not None
        assert mark == self.ledger.watermark.isoformat(timespec="microseconds")
        last = self.world.transactions(self.book)[-1]
        assert last["status"] in ("succeeded", "no_rows") and not last["needs_settling"]
        if self.grown:
            self.see_grown()

    def see_grown(self) -> None:
        """The added column holds what Oracle says, or NULL where a row never came again."""
        for number, twice in self.world.query(f"SELECT id, twice FROM `{{}}.{self.book.target}`"):
            assert twice == 2 * number or (twice is None and not self.whole)

    def run(self, full: bool) -> None:
        """An ordinary run, or a full reload."""
        self.expect(full)
        self.go(full)

    def go(self, full: bool = False) -> None:
        """A run that must succeed as expected."""
        done = self.world.run(self.book.view, *(["--full"] if full else []))
        assert done.code == 0, done
        self.see()
        self.tally["runs of random histories"] += 1

    def backfill(self, days: int, dies: bool) -> None:
        """A window of days gone by, perhaps in two goes."""
        if self.ledger.watermark is None or self.ledger.disposition == "replace":
            return
        # What another run left is settled first, by a run of its own.
        self.expect()
        self.go()
        upper = self.world.server_time()
        lower = upper - timedelta(days=days)
        window = ("--from", lower.isoformat(), "--to", upper.isoformat())
        if dies:
            self.world.run(self.book.view, *window, point="before:commit")
            self.tally["deaths of random histories"] += 1
        self.ledger.backfill(self.world.oracle_says(self.book), lower, upper)
        done = self.world.run(self.book.view, *window)
        assert done.code == 0, done
        self.see()

    def die(self, death: Death, again: bool) -> None:
        """A run dies; whether its commit took effect is BigQuery's to say."""
        for _ in range(1 + again):
            known = {run["run_id"] for run in self.world.transactions(self.book)}
            self.tally["deaths of random histories"] += death.run(self.world, self.book).killed
            new = [run for run in self.world.transactions(self.book) if run["run_id"] not in known]
            if any(self.world.took_effect(run["run_id"]) for run in new) or (
                new and new[-1]["status"] == "no_rows"
            ):
                self.expect()
            self.world.clock.tick(1)

    def fault_of_bigquery(self, request: str, fault: str) -> None:
        """A run meets a fault on the way to BigQuery and does not notice."""
        where = REQUESTS[request]
        self.world.proxy.rules.append(
            Rule(method=where.method, path=where.path, body=where.body, **WIRE_FAULTS[fault])
        )
        self.expect()
        self.go()
        self.world.proxy.rules.clear()

    def fault_of_oracle(self, fault: str) -> None:
        """A run meets a fault of Oracle, and tries again."""
        name, arguments = ORACLE_FAULTS[fault]
        self.expect()
        self.world.sandbox.faults.set(name, **arguments, match="BOOK_", times=1)
        self.go()
        self.world.sandbox.faults.clear()

    def teardown(self) -> None:
        """However it went on: a last full reload equals Oracle."""
        if not hasattr(self, "book"):
            return
        self.world.proxy.rules.clear()
        self.world.sandbox.faults.clear()
        self.end_late()
        self.world.clock.tick()
        self.expect(full=True)
        self.go(full=True)
        if self.ledger.disposition != "append":
            assert self.world.target_says(self.book) == self.world.oracle_says(self.book)
        self.tally["random histories"] += 1


def test_random_histories(world: World, tally: Counter[str]) -> None:
    History.shelf, History.tally = Shelf(world), tally
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=HISTORIES * ROUNDS,
            stateful_step_count=DAYS_OF_A_HISTORY,
            # Shrinking would run for hours; the failing history is printed as it is.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            derandomize=ROUNDS == 1,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
