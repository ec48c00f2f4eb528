"""The .env file that tells others where a sandbox is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MARK = "SANDBOX_ORACLE_DSN="


class EnvFileInUse(RuntimeError):
    """The file for the environment holds something that is not a sandbox's."""


def write_env_file(path: Path, settings: dict[str, str]) -> None:
    """Write a .env file whole or not at all, readable by its owner only where that exists.

    Raises EnvFileInUse when the file exists and is not a sandbox's.
    """
    check_env_file(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{key}={value}\n" for key, value in settings.items())
    Path(name).replace(path)


def check_env_file(path: Path) -> None:
    """Raise EnvFileInUse when writing `path` would destroy something that is not a sandbox's."""
    if path.exists():
        text = path.read_text(encoding="utf-8", errors="replace")
        if text.strip() and MARK not in text:
            raise EnvFileInUse(f"{path} exists and was not written by a sandbox")


def read_env_file(path: Path) -> dict[str, str]:
    """The settings of a file that `write_env_file` wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
