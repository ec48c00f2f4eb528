"""Style sheets and scripts, served by the site itself; nothing comes from elsewhere."""

from __future__ import annotations

import tempfile
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
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="draft-") as folder:
        draft = Path(folder) / root.name
        command = collectstatic.Command()
        command.storage = HashedWhenCollected(location=draft)
        call_command(command, interactive=False, verbosity=0)
        try:
            draft.rename(root)
        except OSError:
            # Another start was faster; its files are the same.
            if not root.is_dir():
                raise
