"""First, incremental, backfill and full loads by every disposition, on a clock that we set.

One story, told once: 09:00 first load; 10:00 the increment after corrections, back-dated
postings, cancellations, a late commit and a deletion; 10:05 a row that was stamped at the very
bound; 10:10 nothing new; a backfill of what nobody stamped; a full load. Every target is compared with what the ledger says by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import IMPORTED_AT, Oracle
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox

NINE_O_CLOCK = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)  # 09:00 where the database stands
MINUTE = timedelta(minutes=1)
# How the ledger's stamp is declared, and how a time of day of 10 March becomes one.
STAMPS = {
    "D": ("DATE", "TO_DATE('2026-03-10 {}', 'YYYY-MM-DD HH24:MI:SS')"),
    "T": ("TIMESTAMP(6)", "TO_TIMESTAMP('2026-03-10 {}.000000', 'YYYY-MM-DD HH24:MI:SS.FF6')"),
    "Z": (
        "TIMESTAMP(6) WITH TIME ZONE",
        "TO_TIMESTAMP_TZ('2026-03-10 {}.000000 +07:00', 'YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM')",
    ),
}
KEYED = {"key_columns": ["ID"], "overlap": "00:01:00"}
WAYS: dict[str, dict[str, Any]] = {
    "LOG": {"write_disposition": "append"},
    "VERSIONS": {"write_disposition": "append", **KEYED},
    "MERGED": {"write_disposition": "merge", **KEYED, "partition": "month"},
    "WINDOW": {"write_disposition": "replace_window", **KEYED, "partition": "day"},
    "SPAN": {"write_disposition": "replace_window", "overlap": "00:01:00", "load_mode": "csv"},
    "COPY": {"write_disposition": "replace"},
}
QUIET = ("D_LOG", "T_LOG", "Z_LOG", "D_MERGED", "Z_WINDOW")
Amounts = Counter[tuple[int, Decimal]]


class Clock:
    """The database's clock."""

    def __init__(self) -> None:
        self.now = NINE_O_CLOCK

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Chapter:
    """What was so after one run: the ledger, each target, each watermark, each outcome."""

    ledger: dict[str, Amounts]
    targets: dict[str, Amounts]
    latest: dict[str, Amounts]
    watermarks: dict[str, str]
    told: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Scene:
    """A sandbox with the three ledgers, and a house that loads them in every way."""

    house: House
    oracle: Oracle
    clock: Clock

    def change(self, *statements: str) -> None:
        """Run statements on each ledger; {at[HH:MM:SS]} is its stamp of that time."""
        self.oracle.execute(
            *(
                statement.format(ledger=f"ERP.LEDGER_{letter}", at=At(letter))
                for letter in STAMPS
                for statement in statements
            )
        )

    def run(self, *arguments: str) -> Chapter:
        told = self.house.run(*arguments)
        chapter = Chapter({}, {}, {}, {}, told)
        for letter in STAMPS:
            chapter.ledger[letter] = Counter(
                {
                    (int(row[2]), row[0]): n
                    for row, n in self.oracle.rows(f"LEDGER_{letter}").items()
                }
            )
        for view in views():
            chapter.targets[view] = self.amounts(view.lower())
            chapter.watermarks[view] = self.house.watermark(view)
            if WAYS[view[2:]].get("key_columns"):
                chapter.latest[view] = self.amounts(f"{view.lower()}_latest")
        return chapter

    def amounts(self, table: str) -> Amounts:
        rows = self.house.query(f"SELECT id, amount FROM {{dataset}}.{table}")
        return Counter((row["id"], row["amount"]) for row in rows)


class At:
    """`at[10:00:00]` inside a statement's braces."""

    def __init__(self, letter: str) -> None:
        self.text = STAMPS[letter][1]

    def __getitem__(self, time: str) -> str:
        return self.text.format(time.replace("-", ":"))


def views() -> Iterator[str]:
    """Every way for the DATE ledger, the three that differ by clock for the others."""
    for letter in STAMPS:
        for way in WAYS:
            if letter == "D" or way in ("LOG", "MERGED") or (letter, way) == ("Z", "WINDOW"):
                yield f"{letter}_{way}"


def source(view: str) -> dict[str, object]:
    values = dict(WAYS[view[2:]])
    partition = values.pop("partition", "")
    if partition:
        values |= {"partition_column": "POSTED", "partition_type": partition}
    return {"view": f"ERP.{view}", "incremental_column": "CHANGED", **values}


@pytest.fixture(scope="module")
def scene(erp: Sandbox, new_house: NewHouse) -> Iterator[Scene]:
    clock = Clock()
    with Sandbox(100, bigquery=False, reader_password=erp.reader_password, clock=clock) as sandbox:
        oracle = Oracle(sandbox)
        for letter, (kind, _) in STAMPS.items():
            columns = {"ID": "NUMBER(10)", "AMOUNT": "NUMBER(12,2)", "POSTED": "DATE"}
            oracle.table(f"LEDGER_{letter}", columns | {"CHANGED": kind})
        for view in views():
            oracle.view(view, f"SELECT * FROM ERP.LEDGER_{view[0]}")
        house = new_house()
        house.sql("DELETE FROM data_source")
        house.change_store(port=sandbox.server.port)
        house.add(*map(source, views()), store=STORE)
        yield Scene(house, oracle, clock)


@dataclass(frozen=True)
class Story:
    first: Chapter
    increment: Chapter
    edge: Chapter
    quiet: Chapter
    backfill: Chapter
    full: Chapter


@pytest.fixture(scope="module")
def story(scene: Scene) -> Story:
    posted = "DATE '2026-02-27'"
    scene.change(
        *(
            f"INSERT INTO {{ledger}} VALUES ({number}, {number}.25, {posted}, {stamp})"
            for number, stamp in {
                1: "{at[08-00-00]}",  # will be corrected
                2: "{at[08-00-00]}",  # will be cancelled
                3: "{at[08-59-45]}",  # will be deleted, inside the overlap
                4: "NULL",  # nobody ever stamped it
                5: "{at[09-00-00]}",  # exactly at the upper bound
                6: "{at[23-00-00]}",  # in the future
                7: "{at[08-30-00]}",  # will be changed without a stamp
            }.items()
        )
    )
    first = scene.run("--all")
    scene.change(
        "UPDATE {ledger} SET AMOUNT = 100.01, CHANGED = {at[09-30-00]} WHERE ID = 1",
        "UPDATE {ledger} SET AMOUNT = 0, CHANGED = {at[09-30-00]} WHERE ID = 2",
        "DELETE FROM {ledger} WHERE ID = 3",
        "INSERT INTO {ledger} VALUES (8, 8.25, DATE '2025-11-05', {at[09-45-00]})",  # back-dated
        "INSERT INTO {ledger} VALUES (9, 9.25, DATE '2026-03-10', {at[08-59-30]})",  # late
        "UPDATE {ledger} SET POSTED = DATE '2026-01-15', CHANGED = {at[09-50-00]} WHERE ID = 5",
        "INSERT INTO {ledger} VALUES (10, 10.25, DATE '2026-03-10', {at[10-00-00]})",
    )
    scene.clock.now = NINE_O_CLOCK + 60 * MINUTE
    increment = scene.run("--all")
    scene.clock.now += 5 * MINUTE
    edge = scene.run("--all")
    scene.clock.now += 5 * MINUTE
    quiet = scene.run(*QUIET)
    scene.change("UPDATE {ledger} SET AMOUNT = 777.77 WHERE ID = 7")
    keyed = [view for view in views() if view[2:] in ("MERGED", "WINDOW", "SPAN")]
    backfill = scene.run(*keyed, "--from", "2026-03-10T01:00", "--to", "2026-03-10T08:45")
    full = scene.run("--all", "--full")
    return Story(first, increment, edge, quiet, backfill, full)


def some(*numbers: int, **changed: str) -> Amounts:
    """Rows by number with their first amount, or the one given as `n3="1.50"`."""
    amounts = {number: f"{number}.25" for number in numbers}
    amounts |= {int(name[1:]): amount for name, amount in changed.items()}
    return Counter((number, Decimal(amount)) for number, amount in amounts.items())


def arrived(story: Story, view: str) -> Amounts:
    """The ledger at 10:00 without the row that was stamped at that moment."""
    return story.increment.ledger[view[0]] - some(10)


def of(way: str) -> list[str]:
    return [view for view in views() if view.endswith(f"_{way}")]


ALL_VIEWS = list(views())
# What is replaced has no upper bound, so that it holds what is stamped later too.
OPEN_ENDED = ("COPY", "WINDOW", "SPAN")


@pytest.mark.parametrize("view", ALL_VIEWS)
def test_the_first_load_takes_every_row(story: Story, view: str) -> None:
    chapter = story.first
    # Without keys a row must never come twice, so those from the bound on wait for their window.
    expected = some(1, 2, 3, 4, 7) if view.endswith("LOG") else chapter.ledger[view[0]]
    assert chapter.targets[view] == expected
    told = chapter.told[view]
    assert (told["load_type"], told["status"]) == (
        "full" if view.endswith("COPY") else "first",
        "succeeded",
    )
    warned = " ".join(told["warnings"])
    assert "1 rows have no changed" in warned
    assert "2 rows have a changed at or after the upper bound" in warned


@pytest.mark.parametrize("view", ALL_VIEWS)
def test_the_watermark_is_oracle_s_clock_in_the_column_s_zone(story: Story, view: str) -> None:
    def mark(local: str, utc: str) -> str:
        return f"2026-03-10T{utc if view[0] == 'Z' else local}:00.000000"

    assert story.first.watermarks[view] == mark("09:00", "02:00")
    assert story.increment.watermarks[view] == mark("10:00", "03:00")
    assert story.edge.watermarks[view] == mark("10:05", "03:05")
    # A window without rows may be one of a date-only column: its day is not over.
    quiet = mark("10:05", "03:10" if view in QUIET else "03:05")
    assert story.quiet.watermarks[view] == story.backfill.watermarks[view] == quiet
    assert story.full.watermarks[view] == mark("10:10", "03:10")


@pytest.mark.parametrize("view", of("MERGED"))
def test_merge_ends_as_oracle_but_for_the_deletion(story: Story, view: str) -> None:
    assert story.increment.targets[view] == arrived(story, view) + some(3)
    assert story.increment.latest[view] == story.increment.targets[view]


@pytest.mark.parametrize("view", of("WINDOW"))
def test_replace_window_ends_as_oracle_with_the_deletion(story: Story, view: str) -> None:
    assert story.increment.targets[view] == story.increment.ledger[view[0]]


def test_replace_window_without_keys_keeps_what_moved_out(story: Story) -> None:
    ledger = story.increment.ledger["D"]
    assert story.increment.targets["D_SPAN"] == ledger + some(1, 2)
    assert "Without key columns" in " ".join(story.increment.told["D_SPAN"]["warnings"])


def test_replace_ends_as_oracle(story: Story) -> None:
    assert story.increment.targets["D_COPY"] == story.increment.ledger["D"]


def test_append_with_keys_keeps_every_version_and_shows_the_newest(story: Story) -> None:
    increment = story.increment
    assert increment.latest["D_VERSIONS"] == arrived(story, "D_VERSIONS") + some(3)
    new = some(5, 8, 9, n1="100.01", n2="0")
    assert increment.targets["D_VERSIONS"] == story.first.targets["D_VERSIONS"] + new


@pytest.mark.parametrize("view", of("LOG"))
def test_append_without_keys_takes_each_stamp_once(story: Story, view: str) -> None:
    """The late row lies before the watermark: without keys there can be no overlap for it."""
    expected = story.first.targets[view] + some(5, 8, n1="100.01", n2="0")
    assert story.increment.targets[view] == expected


@pytest.mark.parametrize("view", ALL_VIEWS)
def test_a_row_at_the_bound_comes_once_and_with_the_next_window(story: Story, view: str) -> None:
    news = Counter() if view.endswith(OPEN_ENDED) else some(10)
    assert story.edge.targets[view] == story.increment.targets[view] + news


@pytest.mark.parametrize("view", QUIET)
def test_a_run_without_news_changes_nothing(story: Story, view: str) -> None:
    assert story.quiet.targets[view] == story.edge.targets[view]
    replaces = view.endswith(OPEN_ENDED)
    assert story.quiet.told[view]["status"] == ("succeeded" if replaces else "no_rows")


@pytest.mark.parametrize("view", [*of("MERGED"), *of("WINDOW"), "D_SPAN"])
def test_a_backfill_brings_what_nobody_stamped(story: Story, view: str) -> None:
    before, after = story.quiet.targets[view], story.backfill.targets[view]
    told = story.backfill.told[view]
    assert (told["load_type"], told["watermark"]) == ("backfill", None)
    if view[0] == "Z":
        # Bounds are in the column's own clock, UTC: 01:00 to 08:45 there is 08:00 to 15:45.
        assert after == story.full.ledger["Z"] + (before - story.quiet.ledger["Z"])
        return
    gone = some(1, 2) if view == "D_SPAN" else Counter()
    assert after == before - some(7) - gone + some(n7="777.77")


@pytest.mark.parametrize("view", ALL_VIEWS)
def test_a_full_load_ends_as_oracle(story: Story, view: str) -> None:
    ledger, target = story.full.ledger[view[0]], story.full.targets[view]
    if view == "D_VERSIONS":
        # Versions with a stamp that is there already are the same version: 7 stays as it was.
        assert target == story.quiet.targets[view]
    elif view.endswith("LOG"):
        assert target == ledger - some(6)
    else:
        assert target == ledger
    assert story.full.told[view]["load_type"] == "full"


def test_import_stamps_tell_versions_apart(story: Story, scene: Scene) -> None:
    assert story.full
    rows = [row for row in scene.house.target("d_versions") if row["id"] == 1]
    assert len({row[IMPORTED_AT] for row in rows}) == 2
    # Oracle's clock, which this test has set, and not that of this machine.
    assert {row[IMPORTED_AT] for row in rows} == {NINE_O_CLOCK, NINE_O_CLOCK + 60 * MINUTE}


def test_a_column_of_bare_days_loses_no_row_of_a_day_and_doubles_none(
    story: Story, scene: Scene
) -> None:
    """Rows of today may still come with a stamp that has passed: midnight."""
    house, oracle, clock = scene.house, scene.oracle, scene.clock
    assert story.full
    oracle.table("DAYS", {"ID": "NUMBER(5)", "CHANGED": "DATE"})
    for view in ("DAYS_LOG", "DAYS_MERGED"):
        oracle.view(view, "SELECT * FROM ERP.DAYS")
    common = {"incremental_column": "CHANGED"}
    house.add(
        {"view": "ERP.DAYS_LOG", "write_disposition": "append", **common},
        {"view": "ERP.DAYS_MERGED", "key_columns": ["ID"], **common},
        store=STORE,
    )

    def after(hours: int, *rows: str) -> tuple[list[int], list[int], set[str]]:
        """The ids in the log and in the merged table, and the watermarks."""
        clock.now = NINE_O_CLOCK + timedelta(hours=hours)
        oracle.insert("DAYS", *rows)
        house.run("DAYS_LOG", "DAYS_MERGED")
        log, merged = (
            sorted(row["id"] for row in house.target(table))
            for table in ("days_log", "days_merged")
        )
        return log, merged, {house.watermark("DAYS_LOG"), house.watermark("DAYS_MERGED")}

    twelfth, thirteenth = "2026-03-12T00:00:00.000000", "2026-03-13T00:00:00.000000"
    first = after(48, "1, DATE '2026-03-10'", "2, DATE '2026-03-12'")
    assert first == ([1], [1, 2], {twelfth})
    assert after(54, "3, DATE '2026-03-12'") == ([1], [1, 2, 3], {twelfth})
    assert after(72, "4, DATE '2026-03-13'") == ([1, 2, 3], [1, 2, 3, 4], {thirteenth})
