"""Style sheets and scripts, served by the site itself; nothing comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedWhenCollected(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names after `collectstatic` (which `serve` runs), plain names before."""

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
