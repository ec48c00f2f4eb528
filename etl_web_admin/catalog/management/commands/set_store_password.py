"""`manage.py set_store_password STORE`: the password comes from a prompt or standard input.

Never from the command line, which other users of the server can read.
"""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from etl_web_admin import console
from etl_web_admin.catalog.models import DataStore


class Command(BaseCommand):
    """Encrypts and stores the Oracle password of one data store."""

    help = "Set the password of a data store; it is read from a prompt or standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One argument: the name of the store."""
        parser.add_argument("store")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise CommandError for an unknown store, no password or no key to encrypt it with."""
        name = console.typed(options["store"])
        store = DataStore.objects.filter(name=name).first()
        if store is None:
            raise CommandError(f"There is no data store named {name!r}.")
        store.password = _asked()
        if not store.password:
            raise CommandError("The password is empty; nothing was changed.")
        try:
            store.save(update_fields=["password"])
        except ImproperlyConfigured as error:
            # `from None`: a traceback would go through the password's own frame.
            raise CommandError(str(error)) from None
        self.stdout.write(f"The password of {store.name} is set.")


def _asked() -> str:
    try:
        if sys.stdin.isatty():
            return console.typed(getpass.getpass("Oracle password: "))
        return console.typed(sys.stdin.readline().rstrip("\r\n"))
    except UnicodeError:
        # `from None`: the error shows what was read.
        raise CommandError(
            "The password is not in the encoding of standard input; nothing was changed. "
            "Give it in UTF-8 and set PYTHONUTF8=1."
        ) from None
