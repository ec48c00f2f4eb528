"""`manage.py createsuperuser`: Django's own, which says so when it made no account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError


class Command(createsuperuser.Command):
    """Django's own ends with 0 when there is nobody to ask."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise CommandError when it would have to ask and standard input is no terminal."""
        if options["interactive"] and not self.stdin.isatty():
            raise CommandError(
                "No account was made, because there is no terminal to ask for its name and "
                "password. Use --noinput with --username, --email and DJANGO_SUPERUSER_PASSWORD."
            )
        super().handle(*args, **options)
