"""Where `serve` collects style sheets and scripts: a folder for each version of them.

A site that is running keeps reading its own folder, so whoever starts a newer one from the same
checkout must not change it.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

OWN_FILES = Path(__file__).resolve().parent / "catalog" / "static"
PACKAGES = ("django", "django-unfold")


def folder(parent: Path) -> Path:
    """The folder below `parent` whose name follows from everything that is collected."""
    digest = hashlib.sha256(" ".join(map(version, PACKAGES)).encode("ascii"))
    for path in sorted(path for path in OWN_FILES.rglob("*") if path.is_file()):
        digest.update(path.relative_to(OWN_FILES).as_posix().encode("utf-8"))
        digest.update(path.read_bytes())
    return parent / digest.hexdigest()[:16]
