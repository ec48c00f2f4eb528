"""One Oracle, one BigQuery behind a fault proxy, one installation: what every test here has.

`World.settle` is the heart: an ordinary run, after which nothing may tell that anything ever
went wrong: targets equal Oracle, transactions tell the truth, nothing is left lying about.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import oracledb
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.acceptance.crash.books import (
    MODES,
    READ_TARGET,
    VARIANTS,
    Book,
    Clock,
    Row,
    Variant,
    in_bigquery,
    in_oracle,
)
from tests.acceptance.crash.runner import Done, Runner
from tests.installation import Installation, store_row
from tests.sandbox.bigquery.launcher import BigQueryEmulator
from tests.sandbox.bigquery.proxy import FaultProxy
from tests.sandbox.serve import SERVER_ZONE, Sandbox
from tests.waiting import HANG_SECONDS

STORE = "Books"
DATASET = "books"
GOOD = ("succeeded", "no_rows")


@dataclass
class World:
    """The parts are public: tests reach into what they need."""

    sandbox: Sandbox
    clock: Clock
    emulator: BigQueryEmulator
    proxy: FaultProxy
    installation: Installation
    runner: Runner
    oracle: oracledb.Connection
    books: dict[str, Book]
    seconds_of_a_run: float = 1.0
    """How long a run that succeeded took, of one view, last time."""

    def add(self, variant: Variant, mode: str = "dataframe", **changes: object) -> Book:
        """A table of its own, loaded in this way; `changes` are fields of its data source."""
        (book,) = self.add_all([(variant, mode)], **changes)
        return book

    def add_all(self, wanted: Iterable[tuple[Variant, str]], **changes: object) -> list[Book]:
        """Several tables, configured at once."""
        added = []
        for variant, mode in wanted:
            number = len(self.books) + 1
            book = Book(f"BOOK_{number:03d}", variant, mode, random.Random(number))
            book.create(self.sandbox.database)
            self.books[book.view] = book
            added.append(book)
        self.configure(added, **changes)
        return added

    def configure(self, books: Iterable[Book], **changes: object) -> None:
        """Write the data sources of these tables, with `changes`, into the configuration."""
        env = self.sandbox.env()
        sources = [{**b.variant.source(b.table, b.mode, STORE), **changes} for b in books]
        known = self.installation.rows("data_store")
        password = {} if known else {STORE: env["SANDBOX_ORACLE_PASSWORD"]}
        self.installation.configure([store_row(STORE, env)], sources, password)

    def run(self, *arguments: str, point: str = "never", number: int = 1) -> Done:
        """`run --json ARGUMENTS`, dying at `point`."""
        command = ("run", "--json", *arguments)
        return self.runner.run(self.installation, *command, point=point, number=number)

    @contextlib.contextmanager
    def hurried(self, *settings: str) -> Iterator[None]:
        """With these time limits of the product so short that they run out while a test waits.

        Twice as long as a whole run takes here and now, so that no healthy request misses them.
        """
        limit = max(2, math.ceil(2 * self.seconds_of_a_run))
        self.installation.write_settings(**dict.fromkeys(settings, str(limit)))
        try:
            yield
        finally:
            self.installation.write_settings(**dict.fromkeys(settings, f"{HANG_SECONDS:.0f}"))

    def business(self, *books: Book) -> None:
        """Something happens in these tables, and time passes."""
        for book in books:
            book.post(self.sandbox.database)
        self.clock.tick()

    def oracle_says(self, book: Book) -> Counter[Row]:
        """The rows of the table now."""
        return in_oracle(self.oracle, book)

    def target_says(self, book: Book) -> Counter[Row]:
        """The rows of the target now; empty when it is not there."""
        with self._client() as client:
            name = f"{client.project}.{DATASET}.{book.target}"
            try:
                return in_bigquery(list(client.query(READ_TARGET.format(name)).result()))
            except NotFound:
                return Counter()

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """The answer of BigQuery; `{}` stands for the dataset."""
        with self._client() as client:
            rows = client.query(text.format(f"{client.project}.{DATASET}")).result()
            return [tuple(row.values()) for row in rows]

    def settle(self, *books: Book) -> None:
        """Run these views as on any night, and check that all is well; see `check`."""
        began = time.monotonic()
        done = self.run(*(book.view for book in books))
        assert done.code == 0, done
        self.seconds_of_a_run = (time.monotonic() - began) / len(books)
        self.check(*books)

    def check(self, *books: Book) -> None:
        """Targets equal Oracle, watermarks stand at Oracle's clock, nothing is left behind."""
        for book in books:
            wanted, found = self.oracle_says(book), self.target_says(book)
            assert found == wanted, differing(book, wanted, found)
            mark = self.source(book)["watermark"]
            assert mark == self.server_time().isoformat(timespec="microseconds"), book
        assert self.leftovers() == []
        unsettled = [
            run
            for run in self.transactions()
            if run["status"] == "running" or run["needs_settling"]
        ]
        assert unsettled == []

    def leftovers(self) -> list[str]:
        """Staging tables and files of runs that are over."""
        work = self.installation.folder / "var" / "work"
        files = [str(path) for path in work.rglob("*")] if work.is_dir() else []
        with self._client() as client:
            try:
                tables = [table.table_id for table in client.list_tables(DATASET)]
            except NotFound:
                tables = []
        return files + [name for name in tables if "__stg_" in name]

    def took_effect(self, run_id: str) -> bool:
        """Whether BigQuery has a commit job of this run that succeeded; its own word."""
        with self._client() as client:
            try:
                job = client.get_job(f"etl_{run_id}_commit_1", location="US")
            except NotFound:
                return False
        return job.labels.get("etl_run") == run_id and job.done() and job.error_result is None

    def transactions(self, book: Book | None = None) -> list[dict[str, Any]]:
        """The rows of ETL Transaction, oldest first, perhaps of one view only."""
        rows = self.installation.rows("etl_transaction")
        wanted = None if book is None else self.source(book)["id"]
        return [row for row in rows if wanted in (None, row["source_id"])]

    def source(self, book: Book) -> dict[str, Any]:
        """The row of Data Source."""
        (row,) = (r for r in self.installation.rows("data_source") if r["view"] == book.view)
        return row

    def server_time(self) -> datetime:
        """The clock of the Oracle server, naive."""
        return self.clock().astimezone(SERVER_ZONE).replace(tzinfo=None)

    @contextlib.contextmanager
    def _client(self) -> Iterator[bigquery.Client]:
        options = ClientOptions(api_endpoint=self.emulator.host)
        with bigquery.Client(
            project=self.emulator.project,
            credentials=AnonymousCredentials(),
            client_options=options,
        ) as client:
            yield client


def differing(book: Book, wanted: Counter[Row], found: Counter[Row]) -> str:
    """What a person needs to see of two unequal tables."""
    missing, surplus = wanted - found, found - wanted
    return f"{book}: missing {sorted(missing.items())}, too many {sorted(surplus.items())}"


@contextlib.contextmanager
def world(folder: Path, durable: bool = False, **settings: str) -> Iterator[World]:
    """Everything up; `durable`: BigQuery survives a restart; `settings` are of the product."""
    clock = Clock()
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(rows=200, bigquery=False, clock=clock))
        emulator = stack.enter_context(BigQueryEmulator(folder / "bigquery" if durable else None))
        proxy = stack.enter_context(FaultProxy(emulator.host))
        env = {
            **sandbox.env(),
            "BIGQUERY_EMULATOR_HOST": proxy.host,
            "GOOGLE_CLOUD_PROJECT": emulator.project,
        }
        oracle = stack.enter_context(
            oracledb.connect(
                user=sandbox.reader, password=sandbox.reader_password, dsn=sandbox.oracle_dsn
            )
        )
        yield World(
            sandbox=sandbox,
            clock=clock,
            emulator=emulator,
            proxy=proxy,
            installation=Installation(folder / "installed", env, settings),
            runner=stack.enter_context(Runner()),
            oracle=oracle,
            books={},
        )


def rotated(variants: Iterable[str] = tuple(VARIANTS)) -> Iterator[tuple[Variant, str]]:
    """Variants in turn, each time in the other mode, for ever."""
    names = list(variants)
    turn = 0
    while True:
        yield VARIANTS[names[turn % len(names)]], MODES[(turn + turn // len(names)) % 2]
        turn += 1


def plan_of(run: dict[str, Any]) -> dict[str, Any]:
    """The plan that a transaction keeps."""
    plan: dict[str, Any] = json.loads(run["plan"] or "{}")
    return plan
