"""A module whose import in a child process is met by Ctrl-C; see `test_children.py`."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable

from etl_oracle_to_bq import children

if multiprocessing.current_process().name != "MainProcess":
    os.kill(os.getpid(), signal.SIGINT)


def answering(inbox: children.Inbox, send: Callable[[object], None]) -> None:
    """Say that the import went through."""
    send("here")
