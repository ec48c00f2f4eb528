"""`world` for a test file, `tally` for the numbers that tests/README.md states."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.acceptance.crash.world import World
from tests.acceptance.crash.world import world as new_world
from tests.conftest import SURVIVED

# How often the matrices go round; each round takes other variants and other random moments.
ROUNDS = int(os.environ.get("ETL_TEST_ROUNDS", "1"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything up, shared by the tests of one file."""
    with new_world(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_rule_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    shared = (request.node.funcargs or {}).get("world")
    if shared is not None:
        shared.proxy.rules.clear()
        shared.sandbox.faults.clear()


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Counter[str]:
    """What was survived, by kind; shown at the end."""
    return pytestconfig.stash[SURVIVED]


@pytest.fixture(scope="session")
def rounds() -> int:
    """ETL_TEST_ROUNDS."""
    return ROUNDS
