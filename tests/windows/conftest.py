"""A Windows for these tests, and an ERP that they may change.

windows   the Python of a checkout on Windows, made once and kept, copied for each run
erp       a sandbox of this ring's own, on Linux; loopback is shared

Without Wine the ring is skipped. Whoever names a folder in ETL_TEST_WINDOWS wants the ring: then
a Windows that cannot be made is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.windows import making
from tests.windows.server import WindowsPython
from tests.windows.wine import WindowsUnavailable, Wine, check_machine

if TYPE_CHECKING:
    from tests.sandbox.serve import Sandbox

HERE = Path(__file__).resolve().parent
ERP_ROWS = 1_500
# Making a Windows counts towards the first test.
TEST_SECONDS = 7_200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Wine is slow, and pytest's own limit is for other rings."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(scope="session")
def windows() -> Iterator[WindowsPython]:
    """A copy of the made Windows with this checkout in it; its programs end with the session."""
    try:
        check_machine()
        name = f"windows-{making.key()}"
        with making.copy(making.cache_folder(), name, making.make) as run:
            python = WindowsPython(Wine(run / "prefix"))
            python.take_checkout()
            with python.kept_up():
                yield python
    except WindowsUnavailable as error:
        if os.environ.get("ETL_TEST_WINDOWS"):
            raise
        pytest.skip(f"no Windows could be made: {error}")


@pytest.fixture(scope="module")
def erp() -> Iterator[Sandbox]:
    """About 1,500 rows over nine views, and a BigQuery."""
    from tests.sandbox.serve import Sandbox

    with Sandbox(ERP_ROWS) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_fault_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "erp" in request.fixturenames:
        request.getfixturevalue("erp").faults.clear()
