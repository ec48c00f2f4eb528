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

from etl_web_admin.catalog.models import DataStore


class Command(BaseCommand):
    """Encrypts and stores the Oracle password of one data store."""

    help = "Set the password of a data store; it is read from a prompt or standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One argument: the name of the store."""
        parser.add_argument("store")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise CommandError for an unknown store, no password or no key to encrypt it with."""
        store = DataStore.objects.filter(name=options["store"]).first()
        if store is None:
            raise CommandError(f"There is no data store named {options['store']!r}.")
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
    if sys.stdin.isatty():
        return getpass.getpass("Oracle password: ")
    return sys.stdin.readline().rstrip("\r\n")
