"""How tests wait: for as long as what they wait for lives, and to one generous end.

    until(lambda: len(readers(process)) == 3, "three readers", process)
    out, err = finish(process)
    done = run([sys.executable, "-m", "tests.sandbox", "demo"])

A busy machine is a normal machine, so nothing here says how quick something must be. What has
not happened after HANG_SECONDS hangs: the wait fails and says what it waited for and what the
process printed. A process that ends too early fails the wait at once.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

# The end of every wait for something that a test needs. The slowest of them takes a minute on
# a machine that has ten other things to do. pytest's own `timeout` (pyproject.toml) is longer,
# because one test waits several times.
HANG_SECONDS = 600.0
HANG_MILLISECONDS = 1000 * HANG_SECONDS
# A time limit of the driver or the product that a test lets run out. Within the same time the
# two sides must still agree on the end of the call, so it is not as short as it could be.
SHORT_SECONDS = 1.0
# Between two looks at a condition.
LOOK_SECONDS = 0.02


def until(
    condition: Callable[[], object], what: str, process: subprocess.Popen[str] | None = None
) -> None:
    """Return when `condition` is true; `process` is the one that makes it so.

    Raises AssertionError after HANG_SECONDS, and as soon as the process has ended without it.
    """
    end = time.monotonic() + HANG_SECONDS
    while True:
        # Looked at first: what a process did last is seen after its end, too.
        ended = process is not None and process.poll() is not None
        if condition():
            return
        if process is not None and ended:
            raise AssertionError(f"Waited for {what}, but {_last_words(process)}")
        if time.monotonic() > end:
            raise AssertionError(f"Waited {HANG_SECONDS:g} s for {what}; {_killed(process)}")
        time.sleep(LOOK_SECONDS)


def finish(
    process: subprocess.Popen[str], what: str = "the end of a process", text: str | None = None
) -> tuple[str, str]:
    """Output and errors of a process that ends by itself; `text` goes to its standard input.

    Raises AssertionError when it still lives after HANG_SECONDS; it is killed then.
    """
    try:
        out, err = process.communicate(text, timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"Waited {HANG_SECONDS:g} s for {what}; {_killed(process)}") from None
    return out or "", err or ""


def run(
    command: Sequence[object], *, text: str | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its exit code; see `finish`.

    Output and errors are captured unless `options`, which are those of Popen, say otherwise.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    arguments = [str(argument) for argument in command]
    with subprocess.Popen(arguments, **{**pipes, "encoding": "utf-8", **options}) as process:
        out, err = finish(process, f"the end of {arguments}", text)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def next_line(process: subprocess.Popen[str], what: str) -> str:
    """The next line of standard output.

    Raises AssertionError when the process ends first or says nothing for HANG_SECONDS.
    """
    assert process.stdout is not None
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    read = process.stdout.readline
    threading.Thread(target=lambda: lines.put(read()), daemon=True).start()
    try:
        line = lines.get(timeout=HANG_SECONDS)
    except queue.Empty:
        raise AssertionError(f"Waited {HANG_SECONDS:g} s for {what}; {_killed(process)}") from None
    if not line:
        process.wait(HANG_SECONDS)
        raise AssertionError(f"Waited for {what}, but {_last_words(process)}")
    return line


def listens(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lives(process: psutil.Process | int) -> bool:
    """Whether a process still runs; one that nobody has waited for yet does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(process) if isinstance(process, int) else process
        return found.is_running() and found.status() != psutil.STATUS_ZOMBIE
    return False


def _killed(process: subprocess.Popen[str] | None) -> str:
    """Kill a process that hangs, with its children; what it had printed."""
    if process is None:
        return "it did not happen."
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        for each in (*parent.children(recursive=True), parent):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait()
    return _last_words(process)


def _last_words(process: subprocess.Popen[str]) -> str:
    """How an ended process ended, and what it printed to those pipes that are still open."""
    if process.stdin is not None and process.stdin.closed:
        process.stdin = None
    printed = [text for text in process.communicate() if text]
    return f"the process ended with {process.returncode}. It printed:\n" + "\n".join(printed)
