"""Business days of the sandbox's ERP, with its own clock, and what each target says afterwards."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.oracle import Oracle, Row, loaded
from tests.sandbox.dataset.views import VIEWS
from tests.sandbox.serve import Sandbox

# The chapters of the story, and whether rows were deleted in Oracle by then.
CHAPTERS = ("first", "increment", "late commit", "deletions", "full")
Books = dict[str, Counter[Row]]


@pytest.fixture(scope="module")
def story(erp: Sandbox, oracle: Oracle, new_house: NewHouse) -> dict[str, tuple[Books, Books]]:
    """By chapter, what Oracle held and what the targets held after the run."""
    house = new_house()
    told: dict[str, tuple[Books, Books]] = {}

    def run(chapter: str, *arguments: str) -> None:
        erp.let_a_second_pass()
        house.run("--all", *arguments)
        books = {name: oracle.rows(name, spec.dates) for name, spec in VIEWS.items()}
        told[chapter] = books, {name: loaded(house.target(newest(name))) for name in VIEWS}

    run("first")
    late = erp.late_commit()
    erp.business_day()
    run("increment")
    late.commit()
    erp.business_day()
    run("late commit")
    erp.business_day(deletes=True)
    run("deletions")
    run("full", "--full")
    return told


def newest(name: str) -> str:
    """Where the newest row of each key stands: beside the target where it keeps every version."""
    spec = VIEWS[name]
    versions = spec.write_disposition == "append" and spec.keys
    return f"{name.lower()}_latest" if versions else name.lower()


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize("view", VIEWS)
def test_the_target_follows_the_business(
    story: dict[str, tuple[Books, Books]], view: str, chapter: str
) -> None:
    oracle, target = (books[view] for books in story[chapter])
    # A row that is gone stays where only changes arrive, and versions are for ever.
    disposition = VIEWS[view].write_disposition
    stays = {"merge": ("deletions",), "append": ("deletions", "full")}.get(disposition, ())
    assert oracle - target == Counter()
    gone = target - oracle
    assert not gone or chapter in stays
    assert gone <= story["late commit"][0][view]


def test_business_happened(story: dict[str, tuple[Books, Books]]) -> None:
    books = [story[chapter][0] for chapter in CHAPTERS]
    for view in VIEWS:
        assert books[0][view] != books[1][view] != books[2][view] != books[3][view]
    assert any(books[3][view].total() < books[2][view].total() for view in VIEWS) or any(
        books[2][view] - books[3][view] for view in VIEWS
    )
