"""`manage.py export_configuration FILE`: stores and sources as a file, without passwords."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from etl_web_admin.catalog import exchange


class Command(BaseCommand):
    """Writes what `import_configuration` reads on another server."""

    help = "Export data stores and data sources, without passwords and watermarks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One argument: the file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise CommandError when the file cannot be written."""
        try:
            options["file"].write_text(exchange.export(), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be written: {error.strerror}") from error
        self.stdout.write(f"Written: {options['file']}")
