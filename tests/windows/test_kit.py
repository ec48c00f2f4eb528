"""The kit itself, without Wine: what is fetched, how it is kept, when the ring is skipped."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.installation import ROOT
from tests.windows import making, python
from tests.windows.wine import HOW_TO_GET_IT

PINNED = """\
# A comment.
always[extra]==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via something
Only_Here==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:cc
elsewhere==3.0 ; sys_platform != 'win32' and python_version >= '3' \\
    --hash=sha256:dd
"""
pytestmark = pytest.mark.skipif(os.name == "nt", reason="this is Windows, which needs no kit")


def test_markers_are_judged_as_on_windows(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(PINNED, encoding="utf-8")
    assert python.requirements(file) == {
        "always": "always[extra]==1.0 --hash=sha256:aa --hash=sha256:bb",
        "only-here": "Only_Here==2.0 --hash=sha256:cc",
    }


def test_the_products_packages_are_not_fetched_twice() -> None:
    product, tests = (python.requirements(file) for file in making.PINS)
    ours = python.for_unit_tests(tests, product)
    assert {"colorama", "tzdata", "numpy"} <= set(product)
    assert {"pytest", "pytest-xdist", "hypothesis", "duckdb"} <= set(ours)
    assert not set(ours) & (set(product) | {"playwright", "uvloop"})
    assert set(tests) >= python.NOT_FOR_UNIT_TESTS


# What a process does that wants a copy: it tells what it found there, and waits for its end.
WANTS_A_COPY = """
import sys, time
from pathlib import Path
from tests.windows import making

def make(folder):
    with (cache.parent / "made").open("a") as log:
        log.write("made\\n")
    (folder / "prefix").mkdir()
    (folder / "prefix" / "system.reg").write_text("half")
    if sys.argv[2] == "dies":
        print("half", flush=True)
        time.sleep(3600)
    time.sleep(0.5)
    (folder / "prefix" / "system.reg").write_text("whole")

cache = Path(sys.argv[1])
with making.copy(cache, "windows-0", make) as run:
    print(run.name, (run / "prefix" / "system.reg").read_text(), flush=True)
    sys.stdin.read()
"""


class Process:
    """Wants a copy of what is in `cache`, and lives until it is told to end."""

    def __init__(self, cache: Path, how: str = "lives") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WANTS_A_COPY, str(cache), how],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def said(self) -> list[str]:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def end(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "a folder"


def made(cache: Path) -> int:
    return len((cache.parent / "made").read_text(encoding="utf-8").splitlines())


def test_two_processes_at_once_make_it_once_and_have_a_copy_each(cache: Path) -> None:
    processes = [Process(cache), Process(cache)]
    (one, first), (other, second) = (process.said() for process in processes)
    assert (first, second, made(cache)) == ("whole", "whole", 1)
    assert one != other
    registry = [cache / name / "prefix" / "system.reg" for name in (one, other, "windows-0")]
    assert len({file.stat().st_ino for file in registry}) == 3
    for process in processes:
        process.end()
    assert sorted(path.name for path in cache.iterdir()) == ["lock", "windows-0"]


def test_an_interrupted_making_leaves_nothing_behind(cache: Path) -> None:
    dying = Process(cache, "dies")
    assert dying.said() == ["half"]
    dying.kill()
    next_one = Process(cache)
    assert next_one.said()[1] == "whole"
    next_one.end()
    assert made(cache) == 2
    assert sorted(path.name for path in cache.iterdir()) == ["lock", "windows-0"]


def test_the_copy_of_a_killed_run_is_deleted_by_the_next(cache: Path) -> None:
    living, killed = Process(cache), Process(cache)
    (name, _), (left, _) = living.said(), killed.said()
    killed.kill()
    assert (cache / left).exists()
    next_one = Process(cache)
    next_one.said()
    assert not (cache / left).exists() and (cache / name).exists()
    for process in (living, next_one):
        process.end()


def test_what_is_not_used_any_more_is_deleted(cache: Path) -> None:
    for name, days in {"windows-old": making.UNUSED_DAYS + 1, "windows-new": 1}.items():
        (cache / name).mkdir(parents=True)
        used = time.time() - days * 86_400
        os.utime(cache / name, (used, used))
    process = Process(cache)
    process.said()
    process.end()
    assert sorted(path.name for path in cache.glob("windows-*")) == ["windows-0", "windows-new"]


def ring(tmp_path: Path, **environment: str) -> str:
    """The output of the ring on a machine without Wine."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ETL_", "PYTEST_"))}
    env |= {"PATH": str(tmp_path), **environment}
    one = "tests/windows/test_unit.py::test_the_product_passes_its_unit_tests"
    options = ("-n", "0", "-p", "no:cacheprovider", one)
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False
    )
    return done.stdout


def test_without_wine_the_ring_is_skipped_and_says_how_to_get_it(tmp_path: Path) -> None:
    told = ring(tmp_path)
    assert HOW_TO_GET_IT in told and "1 skipped" in told


def test_where_the_ring_is_wanted_a_lacking_wine_is_an_error(tmp_path: Path) -> None:
    told = ring(tmp_path, ETL_TEST_WINDOWS=str(tmp_path / "cache"))
    assert HOW_TO_GET_IT in told and "1 error" in told
