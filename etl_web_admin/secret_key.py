"""The key that signs the site's sessions: made once, kept in a file only its owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def read_or_make(path: Path) -> str:
    """The key in `path`; made there first when the file is absent. Raises OSError.

    Two processes that start at the same time end up with one key: the name is taken in one
    step, and whoever comes second reads what the first has written.
    """
    if not path.exists():
        _make(path)
    key = path.read_text(encoding="ascii").strip()
    if len(key) < 50:
        raise ValueError(f"{path} does not hold a session key; delete it, and a new one is made.")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(64))
    try:
        # Neither call replaces a file that is already there.
        (os.rename if os.name == "nt" else os.link)(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
