"""Fixtures that several rings share: one sandbox for a whole test session.

    sandbox            both halves, with `sandbox.env()`; shared, so tests leave its data alone
    oracle_sandbox     the same sandbox; says that a test needs the Oracle side only
    bigquery_sandbox   the emulator of the same sandbox
    make_sandbox       makes a sandbox of one's own, Oracle only unless told, gone after the test

Faults of the shared sandbox are cleared after every test.
"""

from __future__ import annotations

import contextlib
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.sandbox.bigquery.launcher import BigQueryEmulator
    from tests.sandbox.serve import Sandbox

SHARED_ROWS = 3_000
# How long an example takes, or its making, says how busy the machine is.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# What the crash tests survived, by kind; the worker processes hand theirs to the one that tells.
SURVIVED = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """A shell starts background jobs with Ctrl-C ignored, and every process below inherits it."""
    config.stash[SURVIVED] = Counter()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what was survived here."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["survived"] = dict(session.config.stash[SURVIVED])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what was survived there."""
    node.config.stash[SURVIVED].update(getattr(node, "workeroutput", {}).get("survived", {}))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how much was survived."""
    if survived := config.stash[SURVIVED]:
        told = ", ".join(f"{number} {kind}" for kind, number in sorted(survived.items()))
        terminalreporter.write_line(f"survived: {told}")


@pytest.fixture(scope="session")
def sandbox(oracle_sandbox: Sandbox, bigquery_sandbox: BigQueryEmulator) -> Sandbox:
    """The shared sandbox with its BigQuery side up."""
    return oracle_sandbox


@pytest.fixture(scope="session")
def oracle_sandbox() -> Iterator[Sandbox]:
    """The shared sandbox; its BigQuery side starts when `bigquery_sandbox` asks for it."""
    from tests.sandbox.serve import Sandbox

    with Sandbox(SHARED_ROWS, bigquery=False) as running:
        yield running


@pytest.fixture(scope="session")
def bigquery_sandbox(oracle_sandbox: Sandbox) -> Iterator[BigQueryEmulator]:
    """The emulator of the shared sandbox."""
    from tests.sandbox.bigquery.launcher import BigQueryEmulator

    with BigQueryEmulator() as emulator:
        oracle_sandbox.bigquery = emulator
        yield emulator
        oracle_sandbox.bigquery = None


@pytest.fixture
def make_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """`make_sandbox(rows=..., bigquery=False, ...)`: see `Sandbox` for the arguments."""
    from tests.sandbox.serve import Sandbox

    with contextlib.ExitStack() as stack:

        def make(rows: int = 1_000, *, bigquery: bool = False, **options: object) -> Sandbox:
            return stack.enter_context(Sandbox(rows, bigquery=bigquery, **options))

        yield make


@pytest.fixture(autouse=True)
def _no_fault_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    shared = request.node.funcargs.get("oracle_sandbox")
    if shared is not None:
        shared.faults.clear()
