"""Processes of our own that end when this one does, whatever ends it.

Each child holds the reading end of a pipe whose writing end only its parent has. When the
parent dies, even by kill -9 or the Task Manager, the system closes that end, the child reads
the end of the file and leaves at once. This works alike on Windows and Linux.
"""

from __future__ import annotations

import _thread
import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from etl_web_admin import console

# Never fork: threads, sockets and locks of the parent would come along half alive.
SPAWN = multiprocessing.get_context("spawn")
ORPHANED = 70
END_SECONDS = 5.0

_STOP = "stop"

Inbox = queue.SimpleQueue[Any]
Work = Callable[[Inbox, Callable[[object], None]], None]
"""What a child does: takes what it is sent from the inbox, and sends what it found."""


class Child:
    """One process that runs `work`, a function of a module; everything sent is pickled.

    Its arguments travel through a pipe, never on the command line.
    """

    def __init__(self, work: Work) -> None:
        theirs, self._lifeline = SPAWN.Pipe(duplex=False)
        self.messages, outbox = SPAWN.Pipe(duplex=False)
        self._process = SPAWN.Process(target=_live, args=(work, theirs, outbox))
        with _without_ctrl_c():
            self._process.start()
        # Only the child holds these now, so that each side sees the other's end.
        theirs.close()
        outbox.close()

    def send(self, thing: object) -> None:
        """Put something into the child's inbox; harmless when the child is gone."""
        with contextlib.suppress(OSError):
            self._lifeline.send(thing)

    def stop(self) -> None:
        """Raise KeyboardInterrupt in the child, so that it can record its end."""
        self.send(_STOP)

    def ended_within(self, seconds: float) -> bool:
        """Wait for the child's end."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def end(self) -> None:
        """End the child at once, and wait for it."""
        self._lifeline.close()
        if not self.ended_within(END_SECONDS):
            self._process.kill()
            self._process.join()
        self.messages.close()


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Hold Ctrl-C back from this thread, and for good from a child that it starts.

    It would interrupt the child's imports, before `_live` can ignore it. Windows has no such mask.
    """
    if sys.platform == "win32":
        yield
        return
    # Started with the first child otherwise, it would lift the mask (CPython's resource_tracker).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def received(children: Iterable[Child], seconds: float) -> list[tuple[Child, Any]]:
    """What came within `seconds`; None in place of a message from a child that has ended."""
    living = list(children)
    ready = wait([child.messages for child in living], seconds)
    return [(child, _message(child)) for child in living if child.messages in ready]


def _message(child: Child) -> Any:
    # A child that is killed in the middle of a message leaves half of it.
    try:
        return child.messages.recv()
    except (EOFError, OSError):
        return None


def _live(work: Work, lifeline: Connection, outbox: Connection) -> None:
    console.make_safe()
    # Ctrl-C reaches every process of a console; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_watch, args=(lifeline, inbox), name="lifeline", daemon=True).start()
    sending = threading.Lock()

    def send(thing: object) -> None:
        with sending:
            outbox.send(thing)

    work(inbox, send)


def _watch(lifeline: Connection, inbox: Inbox) -> None:
    while True:
        try:
            thing = lifeline.recv()
        except (EOFError, OSError):
            os._exit(ORPHANED)
        if thing == _STOP:
            _interrupt_main()
        else:
            inbox.put(thing)


def _interrupt_main() -> None:
    """SIGTERM in the main thread; where there are no signals between threads, its handler."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: what is recorded on the way out must not be interrupted again.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
