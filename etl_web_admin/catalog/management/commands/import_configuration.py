"""`manage.py import_configuration FILE`: stores and sources from a file that a site exported."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from etl_web_admin.catalog import exchange


class Command(BaseCommand):
    """Takes the whole file or nothing; passwords are set apart, by `set_store_password`."""

    help = "Import data stores and data sources from an exported file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One argument: the file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise CommandError, with every fault, when the file is not taken."""
        try:
            # A file that an editor on Windows has saved may begin with a byte order mark.
            outcome = exchange.load(options["file"].read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise CommandError(f"{options['file']} is not UTF-8 text: {error}") from error
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise CommandError("Nothing was imported:\n" + "\n".join(error.messages)) from error
        self.stdout.write(f"{len(outcome.created)} created, {len(outcome.changed)} changed.")
        for name in outcome.without_password:
            self.stdout.write(f"{name} has no password yet: manage.py set_store_password {name!r}")
