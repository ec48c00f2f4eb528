"""Django settings of the admin site and of the configuration database.

Read from the environment, then from the file that `ETL_ENV_FILE` names, else from `.env` in
the checkout. The site's own settings are listed in `SITE_SETTINGS`; README's table is
asserted from it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.utils.functional import lazy
from dotenv import dotenv_values

from etl_web_admin import collected
from etl_web_admin.secret_key import read_or_make

CHECKOUT = Path(__file__).resolve().parent.parent

# Name, default as shown, what it is for.
SITE_SETTINGS: tuple[tuple[str, str, str], ...] = (
    (
        "ETL_DATABASE_URL",
        "`etl_config_transaction.db` in the checkout",
        "configuration database: `sqlite:////path/file.db` or `postgres://user:password@host/name`",
    ),
    (
        "ETL_SECRET_KEYS",
        "none, required for passwords",
        "keys of the stored Oracle passwords, comma separated, the first one encrypts",
    ),
    ("ETL_TIME_ZONE", "`UTC`", "time zone of the site's pages, e.g. `Asia/Bangkok`"),
    ("DJANGO_SECRET_KEY", "made once, beside the database", "key that signs the site's sessions"),
    ("ETL_SITE_HOSTS", "`localhost,127.0.0.1`", "host names under which the site answers"),
    ("ETL_SITE_HTTPS", "`0`", "`1` behind a TLS proxy: secure cookies, HSTS, redirect to https"),
    ("ETL_SITE_SESSION_HOURS", "`8`", "a session ends this long after its last page"),
    ("ETL_SITE_DEBUG", "`0`", "`1` for developers only: error pages with details"),
    ("ETL_ADMINS", "none", "mail addresses that are told of failures, comma separated"),
    ("EMAIL_HOST", "none: no mail is sent", "SMTP server"),
    ("EMAIL_PORT", "`25`", "its port"),
    ("EMAIL_HOST_USER", "none", "its user"),
    ("EMAIL_HOST_PASSWORD", "none", "its password"),
    ("EMAIL_USE_TLS", "`0`", "`1` for STARTTLS"),
    ("EMAIL_USE_SSL", "`0`", "`1` for TLS from the first byte"),
    ("ETL_MAIL_FROM", "`etl@localhost`", "sender of the mails"),
)


def _environment() -> Mapping[str, str]:
    named = os.environ.get("ETL_ENV_FILE")
    path = Path(named) if named else CHECKOUT / ".env"
    if named and not path.is_file():
        raise ImproperlyConfigured(f"ETL_ENV_FILE names {path}, and there is no such file.")
    return {**_file_values(path), **os.environ} if path.is_file() else dict(os.environ)


def _file_values(path: Path) -> dict[str, str]:
    try:
        values = dotenv_values(path, encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ImproperlyConfigured(f"{path} is not UTF-8: {error}.") from None
    return {name: value or "" for name, value in values.items()}


# In small letters: Django's page of a failure (ETL_SITE_DEBUG=1) shows every setting in capitals.
_values = _environment()


def _text(name: str, default: str = "") -> str:
    return _values.get(name, "").strip() or default


def _list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in _text(name, default).split(",") if part.strip()]


def _number(name: str, default: int) -> int:
    text = _text(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be a whole number above 0.")
    return int(text)


def _flag(name: str) -> bool:
    text = _text(name, "0")
    if text not in ("0", "1"):
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be 0 or 1.")
    return text == "1"


def _database(url: str) -> dict[str, Any]:
    try:
        database: dict[str, Any] = {**dj_database_url.parse(url)}
    except ValueError:
        # `from None`, and without the address: it may hold a password.
        raise ImproperlyConfigured(
            "ETL_DATABASE_URL is not an address of a database; a password in it must be "
            "percent-encoded."
        ) from None
    if database["ENGINE"] == "django.db.backends.postgresql" and not find_spec("psycopg"):
        raise ImproperlyConfigured(
            "ETL_DATABASE_URL names a PostgreSQL database, and the package psycopg is not "
            "installed: python -m pip install -q --no-deps --no-compile --only-binary :all: "
            "-r etl_web_admin/requirements-postgresql.txt"
        )
    if database["ENGINE"] == "django.db.backends.sqlite3":
        if database["NAME"] != ":memory:":
            # A relative path means the same file wherever the process stands.
            database["NAME"] = str(CHECKOUT / database["NAME"])
        # Many short writers (the runs of a night) beside readers (the site): without WAL and
        # IMMEDIATE most of their transactions fail with "database is locked".
        database["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            # FULL: NORMAL may forget the last transactions at a power loss, and a run whose row
            # is forgotten after its commit would load its window once more.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    return database


DATABASES = {
    "default": _database(
        _text(
            "ETL_DATABASE_URL", f"sqlite:///{(CHECKOUT / 'etl_config_transaction.db').as_posix()}"
        )
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Folders of the ETL: the site only links to logs, and keeps its session key here when the
# database is a server.
DATA_FOLDER = (CHECKOUT / _text("ETL_DATA_DIR", "var")).resolve()


@cache
def _secret_key() -> str:
    key = _text("DJANGO_SECRET_KEY")
    if key:
        return key
    database = DATABASES["default"]
    beside = DATA_FOLDER
    if database["ENGINE"] == "django.db.backends.sqlite3" and database["NAME"] != ":memory:":
        beside = Path(database["NAME"]).resolve().parent
    return read_or_make(beside / ".etl_site_secret_key")


# Made on first use: the command line, which signs nothing, leaves no file behind.
SECRET_KEY = lazy(_secret_key, str)()

ETL_SECRET_KEYS = _list("ETL_SECRET_KEYS")

INSTALLED_APPS = [
    # First, so that its dashboard stands in for unfold's index page.
    "etl_web_admin.catalog",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "etl_web_admin.catalog.middleware.same_origin_only",
    "etl_web_admin.static.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "etl_web_admin.catalog.middleware.end_unused_sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "etl_web_admin.urls"
WSGI_APPLICATION = "etl_web_admin.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = _text("ETL_TIME_ZONE", "UTC")

STATIC_URL = "static/"
STATIC_ROOT = collected.folder(CHECKOUT / "staticfiles")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "etl_web_admin.static.HashedWhenCollected"},
}
# Before `serve` collected them (runserver, tests) the files come straight from the packages.
WHITENOISE_USE_FINDERS = True

DEBUG = _flag("ETL_SITE_DEBUG")
ALLOWED_HOSTS = _list("ETL_SITE_HOSTS", "localhost,127.0.0.1")
HTTPS = _flag("ETL_SITE_HTTPS")
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = _number("ETL_SITE_SESSION_HOURS", 8) * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = False

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

EMAIL_HOST = _text("EMAIL_HOST")
EMAIL_PORT = _number("EMAIL_PORT", 25)
EMAIL_HOST_USER = _text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = _text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = _flag("EMAIL_USE_TLS")
EMAIL_USE_SSL = _flag("EMAIL_USE_SSL")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _text("ETL_MAIL_FROM", "etl@localhost")
# To standard error only: Django's own mail of a failed page would carry what was typed into it.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        name: {"handlers": ["console"], "level": "INFO", "propagate": False}
        for name in ("django", "etl_web_admin")
    },
}
ADMINS = [(address, address) for address in _list("ETL_ADMINS")]

SITE_NAME = "Oracle ERP → BigQuery"
UNFOLD = {
    "SITE_TITLE": SITE_NAME,
    "SITE_HEADER": SITE_NAME,
    "SITE_SUBHEADER": "nightly loads",
    "SITE_SYMBOL": "database_upload",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("catalog/icon.svg"),
        }
    ],
    "SHOW_BACK_BUTTON": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "DASHBOARD_CALLBACK": "etl_web_admin.catalog.dashboard.fill",
    "LOGIN": {"form": "etl_web_admin.catalog.login.ThrottledLogin"},
    "STYLES": [lambda request: static("catalog/site.css")],
    "SCRIPTS": [lambda request: static("catalog/site.js")],
    "COLORS": {
        "primary": {
            "50": "#eef6ff",
            "100": "#d9eaff",
            "200": "#bcdaff",
            "300": "#8ec3ff",
            "400": "#59a1ff",
            "500": "#337dfa",
            "600": "#1d5fe0",
            "700": "#194bb6",
            "800": "#1a4192",
            "900": "#1b3a74",
            "950": "#152447",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "etl_web_admin.catalog.menu.items",
    },
}
