"""Every kind of request to BigQuery meets every fault of a network, once, twice and for ever.

A fault that passes must not be noticed: the run succeeds and the job ran once. One that stays
fails the run with its exit code; the next ordinary run settles everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from tests.acceptance.crash.books import VARIANTS, Book
from tests.acceptance.crash.world import World, rotated
from tests.acceptance.crash.world import world as new_world
from tests.sandbox.bigquery.proxy import Fault, Rule

REQUESTS = {
    "describe": Rule(Fault.PASS, "GET", "/tables/"),
    "create staging": Rule(Fault.PASS, "POST", "/tables", "__stg_"),
    "upload": Rule(Fault.PASS, "POST", "/upload/"),
    "query": Rule(Fault.PASS, "POST", "/jobs", "SELECT COUNT"),
    "query results": Rule(Fault.PASS, "GET", "/queries/"),
    "commit": Rule(Fault.PASS, "POST", "/jobs", "_commit_"),
    "drop staging": Rule(Fault.PASS, "DELETE", "__stg_"),
    "load status": Rule(Fault.PASS, "POST", "/jobs", "etl_load_status"),
}
FAULTS = {
    "request lost": {"fault": Fault.DROP_REQUEST},
    "answer lost": {"fault": Fault.DROP_ANSWER},
    "503": {"fault": Fault.ANSWER, "status": 503, "reason": "backendError"},
    "500": {"fault": Fault.ANSWER, "status": 500, "reason": "internalError"},
    "429": {"fault": Fault.ANSWER, "status": 429, "reason": "rateLimitExceeded"},
    "403 rate limit": {"fault": Fault.ANSWER, "status": 403, "reason": "rateLimitExceeded"},
    "stall": {"fault": Fault.STALL, "seconds": 1.5},
    "reset in the body": {"fault": Fault.RESET_UPLOAD},
}
CLEANING_UP = {"drop staging", "load status"}


@pytest.fixture(scope="module")
def books(world: World) -> Iterator[Book]:
    """Loaded tables of each variant, in turn, for ever."""
    made = world.add_all(islice(rotated(), 2 * len(VARIANTS)))
    world.settle(*made)
    return (made[turn % len(made)] for turn in range(10_000))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_fault_that_passes_is_not_noticed(
    world: World,
    books: Iterator[Book],
    request_name: str,
    fault: str,
    tally: Counter[str],
    rounds: int,
) -> None:
    for turn in range(rounds):
        # Once and twice: an upload is sent three times at most.
        times = 1 + turn % 2
        book = next(books)
        rule = replace(REQUESTS[request_name], **FAULTS[fault], times=times)
        world.business(book)
        world.proxy.rules.append(rule)
        done = world.run(book.view)
        world.proxy.rules.clear()
        assert done.code == 0, done
        # A stalled request is late, not lost, so it is not repeated.
        assert rule.fired == times or (rule.fault is Fault.STALL and rule.fired)
        world.check(book)
        assert world.transactions(book)[-1]["status"] == "succeeded"
        tally["faults of BigQuery's wire"] += 1


@pytest.mark.parametrize("reason", ["accessDenied", "backendError"])
@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_fault_that_stays_is_told_and_settled_by_the_next_run(
    world: World, books: Iterator[Book], request_name: str, reason: str, tally: Counter[str]
) -> None:
    book = next(books)
    status = 403 if reason == "accessDenied" else 503
    rule = replace(
        REQUESTS[request_name], fault=Fault.ANSWER, status=status, reason=reason, times=0
    )
    world.business(book)
    before = world.target_says(book)
    world.proxy.rules.append(rule)
    with world.hurried("ETL_BQ_SECONDS"):
        done = world.run(book.view)
    world.proxy.rules.clear()
    (run,) = done.runs
    if request_name in CLEANING_UP:
        # The figures are right and recorded; what is left over is told, and swept next time.
        assert (done.code, run["status"]) == (0, "succeeded"), done
        assert run["warnings"], done
    else:
        assert (done.code, run["status"]) == (6, "failed"), done
        assert run["error"]["code"] == reason, done
        assert world.target_says(book) == before
    world.business(book)
    world.settle(book)
    tally["faults of BigQuery's wire"] += 1


@pytest.mark.parametrize("nth", [1, 2])
def test_a_lost_answer_never_makes_a_job_run_twice(
    world: World, books: Iterator[Book], nth: int, tally: Counter[str]
) -> None:
    """Of all writing requests of a run the n-th answers, commit included, are lost together."""
    for book in islice(books, 3):
        world.business(book)
        rules = [
            replace(REQUESTS["commit"], fault=Fault.DROP_ANSWER, times=nth),
            replace(REQUESTS["upload"], fault=Fault.DROP_ANSWER, times=nth),
        ]
        world.proxy.rules.extend(rules)
        done = world.run(book.view)
        world.proxy.rules.clear()
        assert done.code == 0, done
        assert all(rule.fired for rule in rules)
        world.check(book)
        tally["faults of BigQuery's wire"] += 2


def test_settling_survives_the_same_faults(
    world: World, books: Iterator[Book], tally: Counter[str]
) -> None:
    """The run that asks for a dead run's commit is itself refused, twice, and then not."""
    for point in ("before:commit", "after:commit"):
        for fault in ("request lost", "answer lost"):
            book = next(books)
            world.business(book)
            assert world.run(book.view, point=point).killed
            rule = Rule(method="", path="_commit_", times=2, **FAULTS[fault])
            world.proxy.rules.append(rule)
            world.settle(book)
            assert rule.fired == 2
            world.proxy.rules.clear()
            tally["faults of BigQuery's wire"] += 2


def test_the_service_is_away_and_comes_back(tmp_path: Path, tally: Counter[str]) -> None:
    """Every connection is cut for some requests in a row, whatever they are."""
    with new_world(tmp_path) as world:
        books = world.add_all(islice(rotated(), 3))
        for nth in (1, 9):
            world.business(*books)
            rule = Rule(Fault.DROP_REQUEST, nth=nth, times=4)
            world.proxy.rules.append(rule)
            world.settle(*books)
            assert rule.fired == 4
            world.proxy.rules.clear()
            tally["faults of BigQuery's wire"] += 4
