"""Child processes: what they are sent and send, and that they never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from etl_oracle_to_bq import children
from tests.integration import interrupted_import
from tests.waiting import HANG_SECONDS, lives, next_line, until

ROOT = Path(__file__).resolve().parent.parent.parent


def doubling(inbox: children.Inbox, send: Callable[[object], None]) -> None:
    """Answers each number with its double, beside the number of its process."""
    while True:
        send((os.getpid(), inbox.get() * 2))


def dying(inbox: children.Inbox, send: Callable[[object], None]) -> None:
    inbox.get()
    os._exit(1)


def recording(inbox: children.Inbox, send: Callable[[object], None]) -> None:
    """Waits for ever; what stops it is told."""
    try:
        send(os.getpid())
        inbox.get()
    except KeyboardInterrupt:
        send("stopped")


def sleeping(inbox: children.Inbox, send: Callable[[object], None]) -> None:
    """Deaf to everything but the lifeline."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    send(os.getpid())
    time.sleep(10 * HANG_SECONDS)


def stopped(inbox: children.Inbox, send: Callable[[object], None]) -> None:
    """Does nothing any more, not even end."""
    send(os.getpid())
    os.kill(os.getpid(), signal.SIGSTOP)


@pytest.fixture
def child_of() -> Iterator[Callable[[children.Work], children.Child]]:
    made: list[children.Child] = []

    def make(work: children.Work) -> children.Child:
        made.append(children.Child(work))
        return made[-1]

    yield make
    for child in made:
        child.end()


def message(child: children.Child) -> object:
    ((sender, found),) = children.received([child], HANG_SECONDS)
    assert sender is child
    return found


Make = Callable[[children.Work], children.Child]


def test_each_child_answers_for_itself(child_of: Make) -> None:
    one, other = child_of(doubling), child_of(doubling)
    one.send(4)
    other.send(5)
    (first, eight), (second, ten) = message(one), message(other)  # type: ignore[misc]
    assert (eight, ten) == (8, 10)
    assert len({first, second, os.getpid()}) == 3


def test_nothing_comes_of_nothing(child_of: Make) -> None:
    assert children.received([child_of(doubling)], 0.05) == []


def test_a_child_that_died_says_none_and_can_be_ended(child_of: Make) -> None:
    child = child_of(dying)
    child.send("go")
    assert message(child) is None
    assert child.ended_within(HANG_SECONDS)
    child.send("nobody hears this")


def test_a_stopped_child_has_its_last_word(child_of: Make) -> None:
    child = child_of(recording)
    message(child)
    child.stop()
    assert message(child) == "stopped"
    assert child.ended_within(HANG_SECONDS)


def test_an_ended_child_is_gone_whatever_it_does(
    child_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It goes by itself when the pipe closes, however slow the machine is; nobody need kill it.
    monkeypatch.setattr(children, "END_SECONDS", HANG_SECONDS)
    child = child_of(sleeping)
    process = message(child)
    assert isinstance(process, int)
    child.end()
    assert not lives(process)
    assert child._process.exitcode == children.ORPHANED


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot stop a process for a while")
def test_a_child_that_does_not_end_is_killed(
    child_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "END_SECONDS", 0.0)
    child = child_of(stopped)
    process = message(child)
    assert isinstance(process, int)
    until(lambda: psutil.Process(process).status() == psutil.STATUS_STOPPED, "a stopped child")
    child.end()
    assert not lives(process)
    assert child._process.exitcode == -signal.SIGKILL


PARENT = """
import sys
from etl_oracle_to_bq import children
from tests.integration.test_children import sleeping

if __name__ == "__main__":
    mine = [children.Child(sleeping) for _ in range(2)]
    print(*(children.received([child], None)[0][1] for child in mine), flush=True)
    sys.stdin.read()
"""


def test_children_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        line = next_line(parent, "the numbers of the children")
        processes = [int(number) for number in line.split()]
        assert len(processes) == 2
        parent.kill()
    for process in processes:
        until(lambda process=process: not lives(process), "the end of a child")


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot hold Ctrl-C back from a process")
def test_ctrl_c_does_not_meet_a_child_that_is_still_importing() -> None:
    child = children.Child(interrupted_import.answering)
    try:
        assert children.received([child], None) == [(child, "here")]
    finally:
        child.end()
