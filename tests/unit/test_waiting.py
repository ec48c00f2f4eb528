"""What the tests wait with: a condition, an end, a line; and what they say when it never comes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import waiting

QUICK = "print('done', flush=True)"
FAILING = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
# Talks, and then hangs, and so does a child of its own, which holds the same pipes.
HANGING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print(child.pid, flush=True)
print("half of it", end="", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait hangs after two seconds here."""
    monkeypatch.setattr(waiting, "HANG_SECONDS", 2.0)


def start(program: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8"
    )


def test_a_condition_is_waited_for() -> None:
    answers = iter([0, "", None, "yes"])
    waiting.until(lambda: next(answers), "a yes")


def test_what_never_happens_is_named(soon: None) -> None:
    with pytest.raises(AssertionError, match=r"Waited 2 s for a miracle; it did not happen\."):
        waiting.until(lambda: False, "a miracle")


def test_a_process_that_ends_without_it_ends_the_wait_at_once() -> None:
    with (
        start(FAILING) as process,
        pytest.raises(AssertionError, match=r"for a sign, but .* with 3\. It printed:\nout\n\nerr"),
    ):
        waiting.until(lambda: False, "a sign", process)


def test_what_a_process_does_last_is_seen_after_its_end(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    with start(f"input(); open({str(sign)!r}, 'w').close()") as process:

        def look() -> bool:
            """Too early, the first time; then the process ends."""
            seen = sign.exists()
            process.communicate("go\n" if process.returncode is None else None)
            return seen

        waiting.until(look, "the sign", process)


def test_a_process_is_run_to_its_end_whatever_its_code() -> None:
    done = waiting.run([sys.executable, "-c", FAILING])
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    done = waiting.run([sys.executable, "-c", "print(input())"], text="asked\n")
    assert done.stdout == "asked\n"


def test_a_process_that_hangs_is_killed_and_quoted(soon: None) -> None:
    process = start(HANGING)
    with pytest.raises(AssertionError) as caught:
        waiting.finish(process, "its end")
    told = str(caught.value)
    # A kill of Windows ends a process with the number of a signal that nobody sent.
    ended = process.returncode
    assert ended == (15 if os.name == "nt" else -9)
    assert told.startswith(f"Waited 2 s for its end; the process ended with {ended}. It printed:\n")
    assert told.endswith("half of it")
    child = int(told.splitlines()[1])
    assert not waiting.lives(process.pid)
    waiting.until(lambda: not waiting.lives(child), "the end of the child")


def test_lines_are_read_one_by_one(soon: None) -> None:
    with start("print('one'); print('two')") as process:
        assert waiting.next_line(process, "one") == "one\n"
        assert waiting.next_line(process, "two") == "two\n"
        with pytest.raises(AssertionError, match="for three, but the process ended with 0"):
            waiting.next_line(process, "three")


def test_a_process_that_says_no_more_is_killed(soon: None) -> None:
    with start(HANGING) as process:
        waiting.next_line(process, "the number")
        with pytest.raises(AssertionError, match="Waited 2 s for the rest of the line; the proc"):
            waiting.next_line(process, "the rest of the line")
        assert process.returncode


def test_who_lives_and_who_listens() -> None:
    assert waiting.lives(os.getpid()) and waiting.lives(psutil.Process())
    with start(QUICK) as process:
        # Nobody has asked for its exit code yet: a zombie does not live.
        waiting.until(lambda: not waiting.lives(process.pid), "the end of a process")
    assert not waiting.lives(process.pid)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert waiting.listens(port)
    assert not waiting.listens(port)
