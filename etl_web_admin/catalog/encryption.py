"""Passwords at rest: Fernet tokens, keys outside the database (`ETL_SECRET_KEYS`).

The first key encrypts, every key decrypts: `manage.py rotate_keys` re-encrypts under the
first, after which the older ones can be removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField


class WrongKey(Exception):
    """A stored password cannot be read with the keys of this server."""


class Ciphertext(str):
    """The stored form of a secret; it never reaches a form, a log or Oracle."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Ciphertext(…)"


def fernet() -> MultiFernet:
    """The server's keys; raises ImproperlyConfigured when there are none or one is malformed."""
    keys: list[str] = settings.ETL_SECRET_KEYS
    if not keys:
        raise ImproperlyConfigured(
            "ETL_SECRET_KEYS is not set, so passwords can be neither written nor read. "
            "Run `python etl_web_admin/manage.py generate_key` and put the line into .env."
        )
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        # `from None`: the cause's text may hold part of the key.
        raise ImproperlyConfigured(
            "ETL_SECRET_KEYS holds something that is not a Fernet key "
            "(44 characters, made by `manage.py generate_key`)."
        ) from None


def encrypt(text: str) -> Ciphertext:
    """`text` as a token under the first key; the empty string stays empty."""
    return Ciphertext(fernet().encrypt(text.encode()).decode("ascii") if text else "")


def decrypt(token: str) -> str:
    """The text of a token; raises WrongKey, never returns the token itself."""
    if not token:
        return ""
    try:
        return fernet().decrypt(token.encode("ascii")).decode()
    except InvalidToken:
        raise WrongKey(
            "A stored password cannot be read: it was written under a key that is not in "
            "ETL_SECRET_KEYS. Add the old key behind the new one, or write the password again."
        ) from None


def rotate(token: str) -> Ciphertext:
    """The same secret under the first key; raises WrongKey."""
    if not token:
        return Ciphertext("")
    try:
        return Ciphertext(fernet().rotate(token.encode("ascii")).decode("ascii"))
    except InvalidToken:
        raise WrongKey("A stored password cannot be read with the keys of this server.") from None


class _Secret:
    """Decrypts when the attribute is read, so that a list page needs no key."""

    def __init__(self, field: models.Field[Any, Any]) -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Any:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        value = instance.__dict__[self.field.attname]
        return decrypt(value) if isinstance(value, Ciphertext) else value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedField(_TextField):
    """Text that is encrypted in the database and plain in Python; it cannot be searched by."""

    descriptor_class = _Secret

    def from_db_value(self, value: str | None, *_: Any) -> Ciphertext | None:
        """Mark what comes from the database, so that it is decrypted only when read."""
        return None if value is None else Ciphertext(value)

    def get_prep_value(self, value: Any) -> str:
        """The token to store; a token that was never read is stored as it stands."""
        if isinstance(value, Ciphertext):
            return str(value)
        return str(encrypt(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """What is in the row object, without decrypting it on the way back."""
        return model_instance.__dict__[self.attname]

    def value_from_object(self, obj: models.Model) -> str:
        """Never the secret: forms and serializers ask here."""
        return ""

    def get_lookup(self, lookup_name: str) -> Any:
        """No lookups: a filter on a secret would be a way to guess it."""
        return None
