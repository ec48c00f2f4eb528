"""Style sheets and scripts, served by the site itself; nothing comes from elsewhere."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.management.commands import collectstatic
from django.core.management import call_command
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedWhenCollected(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names after `collect` (which `serve` runs), plain names before."""

    def stored_name(self, name: str) -> str:
        """The name under which a file is served."""
        hashed: str = self.hashed_files.get(self.hash_key(self.clean_name(name)), name)
        return hashed


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Whitenoise that does not mind a checkout in which nothing was collected yet."""

    def add_files(self, root: str, prefix: str | None = None) -> None:
        """Serve the files under `root`, if there is one."""
        if Path(root).is_dir():
            super().add_files(root, prefix)


def collect() -> None:
    """Collect all files into STATIC_ROOT, unless that was done before.

    The folder appears whole, under its name at once, and is never changed afterwards: another
    site of this checkout may be serving from it. Raises OSError.
    """
    root = Path(settings.STATIC_ROOT)
    if root.is_dir():
        return
    # Not a temporary folder: on Windows only its maker may read what was made in one.
    draft = root.with_name(f"{root.name}-{os.getpid()}-{secrets.token_hex(4)}")
    command = collectstatic.Command()
    command.storage = HashedWhenCollected(location=draft)
    try:
        call_command(command, interactive=False, verbosity=0)
        draft.rename(root)
    except OSError:
        # Another start may have been faster; its files are the same.
        if not root.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
