"""What runs in the child process: check the version, correct the emulator, serve until told.

Standard input is the leash: when it closes, the parent wants an end or is gone. Standard
output carries one line, `ready PORT`; everything else goes to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from tests.sandbox.bigquery import corrections

_STOP_SECONDS = 3.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input closes or SIGTERM arrives; 2 when the emulator is the wrong one."""
    options = _parse(arguments)
    # The parent decides when this process ends: a Ctrl-C in its console reaches both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        corrections.check_version()
        server = _corrected_server(options)
    except corrections.WrongEmulator as error:
        print(error, file=sys.stderr)
        return 2
    asyncio.run(_serve(server, options.scratch))
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.bigquery")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--scratch", type=Path, required=True)
    return parser.parse_args(arguments)


def _corrected_server(options: argparse.Namespace) -> Any:
    """Build the emulator with every correction applied; imports are late, after the check."""
    try:
        from bqemulator.config import LogFormat, LogLevel, PersistenceMode, Settings
        from bqemulator.observability.logging_ import configure_logging

        configure_logging(level=LogLevel.CRITICAL, fmt=LogFormat.JSON)
        from bqemulator.server import EmulatorServer

        from tests.sandbox.bigquery.all_patches import all_patches
    except (ImportError, AttributeError) as error:
        raise corrections.WrongEmulator(f"the emulator lacks a name: {error}") from error
    corrections.apply(all_patches())
    persistent = options.data_dir is not None
    return EmulatorServer(
        Settings(
            rest_port=options.port,
            grpc_port=0,
            persistence_mode=(
                PersistenceMode.PERSISTENT if persistent else PersistenceMode.EPHEMERAL
            ),
            data_dir=options.data_dir,
            enable_format_extensions=False,
            upload_staging_dir=options.scratch / "uploads",
            log_level=LogLevel.CRITICAL,
            metrics_enabled=False,
        )
    )


async def _serve(server: Any, scratch: Path) -> None:
    await server.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=_watch_parent, args=(loop, stop), daemon=True).start()
    # Windows loops have no signal handlers; there the leash alone ends the process.
    with contextlib.suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    print(f"ready {server.rest_port}", flush=True)
    await stop.wait()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.stop(), _STOP_SECONDS)
    shutil.rmtree(scratch, ignore_errors=True)
    # A request that still runs in a worker thread must not keep the process alive.
    os._exit(0)


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while sys.stdin.buffer.read(1):
        pass
    loop.call_soon_threadsafe(stop.set)
