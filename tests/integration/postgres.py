"""A PostgreSQL server of the tests' own, made by the installed `initdb`; gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    data, port = folder / "data", _free_port()

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(folder_of_programs / program), "-D", str(data), *arguments],
            user=account,
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    try:
        run("initdb", "-U", "etl", "-A", "trust", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
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
