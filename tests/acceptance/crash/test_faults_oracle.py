"""Oracle's wire breaks, stalls, refuses and lies about undo, in the middle of a run.

A fault that strikes once is not noticed but as a warning; one that stays fails the run with
exit code 3 and leaves the target as it was. Afterwards an ordinary run settles all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest

from tests.acceptance.crash.books import VARIANTS, Book
from tests.acceptance.crash.runner import Done
from tests.acceptance.crash.world import World, rotated

# Of statements on the tables of these tests, so that the dictionary's are left alone.
MATCH = "BOOK_"
FAULTS = {
    "cut after rows": ("drop_after_rows", {"rows": 1}),
    "cut at once": ("drop_after_rows", {"rows": 0}),
    "cut after bytes": ("drop_after_bytes", {"bytes": 40}),
    "ORA-03113": ("error_at_row", {"row": 1, "code": 3113, "text": "end-of-file on channel"}),
    "ORA-01555": ("error_at_row", {"row": 1, "code": 1555, "text": "snapshot too old"}),
    "ORA-00604 of a lost line": (
        "error_at_row",
        {"row": 1, "code": 604, "text": "error at recursive SQL level 1\nORA-03113: end-of-file"},
    ),
    "ORA-12170": ("error_at_row", {"row": 0, "code": 12170, "text": "timeout occurred"}),
    "ORA-00600": ("error_at_row", {"row": 1, "code": 600, "text": "internal error"}),
    "stall until the deadline": ("stall", {"row": 1}),
}
PERMANENT = {
    "ORA-00604": ("error_at_row", {"row": 1, "code": 604, "text": "error at recursive SQL"}),
    "ORA-00942": ("error_at_row", {"row": 0, "code": 942, "text": "table does not exist"}),
    "ORA-01031": ("error_at_row", {"row": 0, "code": 1031, "text": "insufficient privileges"}),
}
DOORS = {
    "no service": ("refuse_service", {"code": 12514}),
    "listener full": ("refuse_service", {"code": 12519}),
    "silent listener": ("silent", {}),
}
LIMITS = ("ETL_CALL_SECONDS", "ETL_CONNECT_SECONDS")


@pytest.fixture(scope="module")
def books(world: World) -> Iterator[Book]:
    """Loaded tables of each variant, in turn, for ever."""
    made = world.add_all(islice(rotated(), 2 * len(VARIANTS)))
    world.settle(*made)
    return (made[turn % len(made)] for turn in range(10_000))


def told(world: World, book: Book) -> Done:
    """A run that waits for Oracle for some seconds only."""
    with world.hurried(*LIMITS):
        return world.run(book.view)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_statement_that_passes(
    world: World, books: Iterator[Book], fault: str, tally: Counter[str], rounds: int
) -> None:
    name, arguments = FAULTS[fault]
    for book in islice(books, 2 * rounds):
        world.business(book)
        world.sandbox.faults.set(name, **arguments, match=MATCH, times=1)
        done = told(world, book)
        assert not world.sandbox.faults.as_dict(), "the fault did not strike"
        assert done.code == 0, done
        assert "failed" in str(done.runs[0]["warnings"]), done
        world.check(book)
        tally["faults of Oracle's wire"] += 1


@pytest.mark.parametrize("fault", FAULTS | PERMANENT)
def test_a_fault_in_a_statement_that_stays(
    world: World, books: Iterator[Book], fault: str, tally: Counter[str]
) -> None:
    name, arguments = (FAULTS | PERMANENT)[fault]
    book = next(books)
    world.business(book)
    before = world.target_says(book)
    world.sandbox.faults.set(name, **arguments, match=MATCH)
    done = told(world, book)
    world.sandbox.faults.clear()
    (run,) = done.runs
    assert (done.code, run["status"]) == (3, "failed"), done
    tries = world.transactions(book)[-1]["attempt"]
    assert tries == 1 if fault in PERMANENT else tries > 1
    assert world.target_says(book) == before
    assert world.leftovers() == []
    world.business(book)
    world.settle(book)
    tally["faults of Oracle's wire"] += 1


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("door", DOORS)
def test_a_door_that_is_shut(
    world: World, books: Iterator[Book], door: str, stays: bool, tally: Counter[str]
) -> None:
    name, arguments = DOORS[door]
    book = next(books)
    world.business(book)
    world.sandbox.faults.set(name, **arguments, times=None if stays else 1)
    done = told(world, book)
    world.sandbox.faults.clear()
    assert done.code == (3 if stays else 0), done
    if not stays:
        world.check(book)
    world.business(book)
    world.settle(book)
    tally["faults of Oracle's wire"] += 1


def test_without_flashback_one_transaction_shows_one_moment(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    for book in islice(books, 3):
        world.business(book)
        world.sandbox.faults.set("no_flashback", code=1031)
        world.settle(book)
        world.sandbox.faults.clear()
        tally["faults of Oracle's wire"] += 1
