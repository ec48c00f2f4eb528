"""A PostgreSQL server of the tests' own, made by the installed `initdb`; gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import waiting
from tests.waiting import HANG_SECONDS

HOW_TO_GET_IT = (
    "PostgreSQL is not installed, so leases are not tried on it: apt-get install postgresql "
    "(elsewhere: any PostgreSQL whose initdb is on the PATH)"
)


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; the newest version when there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    debian = Path("/usr/lib/postgresql")
    folders = [initdb.parent for initdb in debian.glob("*/bin/initdb")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


@contextmanager
def server(folder_of_programs: Path) -> Iterator[str]:
    """A running server; the value is its address, to which `/database` is added."""
    folder = Path(tempfile.mkdtemp(prefix="etl-postgres-"))
    # PostgreSQL refuses to run as root.
    account = "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    if account:
        shutil.chown(folder, account)
    data, said, log = folder / "data", folder / "said", folder / "log"

    def run(program: str, *arguments: str) -> None:
        # Into a file: the server that `pg_ctl` starts would hold a pipe open.
        with said.open("ab") as output:
            command = [folder_of_programs / program, "-D", data, *arguments]
            done = waiting.run(command, user=account, cwd=folder, stdout=output, stderr=output)
        if done.returncode:
            texts = [path.read_text(errors="backslashreplace") for path in (said, log)]
            raise RuntimeError("\n".join([f"{program} failed:", *texts]))

    options = "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    try:
        run("initdb", "-U", "etl", "-A", "trust", "-E", "UTF8", "--no-sync")
        # Not earlier: until the server has it, another process may take it.
        port = _free_port()
        limit = f"{HANG_SECONDS:.0f}"
        run("pg_ctl", "-w", "-t", limit, "-l", str(log), "-o", options.format(port), "start")
        try:
            yield f"postgres://etl@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
