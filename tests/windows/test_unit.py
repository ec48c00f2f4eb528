"""The unit tests of the product under Windows' Python; those of the sandbox when asked for."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.windows.making import TEST_PACKAGES
from tests.windows.server import WindowsPython

SANDBOX = ("tests/unit/sandbox", "tests/unit/sandbox_bigquery", "tests/unit/sandbox_engine")
# It reads what every package of every ring says of itself; not all of them are there.
LEFT_OUT = (*SANDBOX, "tests/unit/test_requirements.py")
# Why a unit test may be skipped on Windows.
NOT_THERE = {"needs Linux's /dev/full"}
SKIPPED = re.compile(r"^SKIPPED \[\d+\] [^:]+:\d+: (.*)$", re.MULTILINE)


def run_tests(python: WindowsPython, *arguments: str) -> None:
    """Run pytest there, in one process; each skipped test must have a reason that is known."""
    packages = python.wine.path(python.wine.prefix / TEST_PACKAGES)
    options = ("-n", "0", "-q", "--tb=short", "-p", "no:cacheprovider")
    done = subprocess.run(
        python.command("-m", "pytest", *options, *arguments),
        cwd=python.checkout,
        env={**python.environment(), "PYTHONPATH": str(packages)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding=python.encoding,
        errors="backslashreplace",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(SKIPPED.findall(done.stdout)) <= NOT_THERE
    print(done.stdout.splitlines()[-1])


def test_the_product_passes_its_unit_tests(windows: WindowsPython) -> None:
    run_tests(windows, "tests/unit", *(f"--ignore={path}" for path in LEFT_OUT))


@pytest.mark.skipif(
    os.environ.get("ETL_TEST_WINDOWS_ALL") != "1",
    reason="the unit tests of the sandbox run under Wine with ETL_TEST_WINDOWS_ALL=1",
)
def test_the_sandbox_passes_its_unit_tests(windows: WindowsPython) -> None:
    run_tests(windows, *SANDBOX)
