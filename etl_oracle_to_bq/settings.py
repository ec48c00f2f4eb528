"""`.env` and environment → one frozen `Settings`; the only place that reads `os.environ`.

The environment wins over the file. `ETL_ENV_FILE` names the file, otherwise `.env` at the
top of the checkout is read when it is there. The admin site reads the same file for the
settings that are its own (`etl_web_admin/settings.py`): database, secret keys, mail.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from etl_oracle_to_bq.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024

# README's table of settings is asserted from this: name, default as shown, what it is for.
SETTINGS: tuple[tuple[str, str, str], ...] = (
    ("ETL_ENV_FILE", "`.env` in the checkout", "file that the settings below are read from"),
    ("GOOGLE_CLOUD_PROJECT", "none, required", "BigQuery project that is loaded into and billed"),
    (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "Google's own search",
        "service account file (JSON) of the loader",
    ),
    (
        "ETL_BQ_LOCATION",
        "`US`",
        "location of the datasets and of every job, e.g. `asia-southeast1`",
    ),
    ("ETL_MAX_BYTES_BILLED", "no limit", "a query that would bill more bytes than this is refused"),
    ("BIGQUERY_EMULATOR_HOST", "none", "address of an emulator, with scheme; then no credentials"),
    ("ETL_DATA_DIR", "`var` in the checkout", "work, error and log folders"),
    ("ETL_LOG_DAYS", "30", "log files and kept parts older than this are deleted"),
    ("ETL_PART_MB", "64", "size at which a staged part is closed and loaded"),
    ("ETL_STAGE_LIMIT_MB", "20480", "most that one run may have staged on disk"),
    ("ETL_ATTEMPTS", "3", "tries of one view when an error is transient"),
    ("ETL_RETRY_SECONDS", "20", "pause before the second try; it doubles, with jitter"),
    ("ETL_LEASE_SECONDS", "90", "a run that gives no sign for this long may be taken over"),
    ("ETL_CONNECT_SECONDS", "30", "deadline of connecting to Oracle"),
    ("ETL_CALL_SECONDS", "3600", "deadline of one round trip to Oracle"),
    ("ETL_BQ_SECONDS", "600", "how long a request that BigQuery does not answer is tried again"),
    ("ETL_TRANSFORMS", "none", "Python module whose `TRANSFORMS` DataFrame mode may run"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a run needs to know of its server. Sizes in bytes, times in seconds."""

    project: str
    location: str
    emulator_host: str
    credentials_file: str
    maximum_bytes_billed: int | None
    data_folder: Path
    batch_log_folders: tuple[Path, ...]
    log_days: int
    part_bytes: int
    stage_limit_bytes: int
    attempts: int
    retry_seconds: float
    lease_seconds: int
    connect_seconds: float
    call_seconds: float
    bigquery_seconds: float
    transforms_module: str
    started_by: str

    @property
    def work_folder(self) -> Path:
        """Where the parts of living runs are."""
        return self.data_folder / "work"

    @property
    def errors_folder(self) -> Path:
        """Where the parts of failed runs are kept for inspection."""
        return self.data_folder / "errors"

    @property
    def log_folder(self) -> Path:
        """Where each process writes its own log file."""
        return self.data_folder / "log"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings.

    Raises ConfigError `missing-setting` or `invalid-setting`, naming the variable.
    """
    return _Reader(_environment() if environment is None else environment).settings()


def _environment() -> Mapping[str, str]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etl_web_admin.settings")
    named = os.environ.get("ETL_ENV_FILE")
    path = Path(named) if named else CHECKOUT / ".env"
    if named and not path.is_file():
        raise ConfigError(
            f"ETL_ENV_FILE names {path}, and there is no such file.", code="invalid-setting"
        )
    return {**_file_values(path), **os.environ} if path.is_file() else dict(os.environ)


def _file_values(path: Path) -> dict[str, str]:
    try:
        values = dotenv_values(path, encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}.", code="invalid-setting") from None
    return {name: value or "" for name, value in values.items()}


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def settings(self) -> Settings:
        text = self._text
        limit = self._number("ETL_MAX_BYTES_BILLED", 0, least=0)
        return Settings(
            project=text("GOOGLE_CLOUD_PROJECT"),
            location=text("ETL_BQ_LOCATION", "US"),
            emulator_host=text("BIGQUERY_EMULATOR_HOST"),
            credentials_file=_in_checkout(text("GOOGLE_APPLICATION_CREDENTIALS")),
            maximum_bytes_billed=limit or None,
            data_folder=(CHECKOUT / text("ETL_DATA_DIR", "var")).resolve(),
            batch_log_folders=self._batch_log_folders(),
            log_days=self._number("ETL_LOG_DAYS", 30),
            part_bytes=self._number("ETL_PART_MB", 64) * MIB,
            stage_limit_bytes=self._number("ETL_STAGE_LIMIT_MB", 20_480) * MIB,
            attempts=self._number("ETL_ATTEMPTS", 3),
            retry_seconds=self._number("ETL_RETRY_SECONDS", 20, least=0),
            lease_seconds=self._number("ETL_LEASE_SECONDS", 90, least=2),
            connect_seconds=self._number("ETL_CONNECT_SECONDS", 30),
            call_seconds=self._number("ETL_CALL_SECONDS", 3600),
            bigquery_seconds=self._number("ETL_BQ_SECONDS", 600),
            transforms_module=text("ETL_TRANSFORMS"),
            # Not a setting: the admin site hands over who pressed the button.
            started_by=text("ETL_STARTED_BY"),
        )

    def _batch_log_folders(self) -> tuple[Path, ...]:
        """The two places of `schedule_task.bat`, which cannot read the settings file."""
        # Not a setting either: Windows says where temporary files go.
        temporary = self._text("TEMP")
        folder = CHECKOUT / "var" / "log"
        return (folder, Path(temporary)) if temporary else (folder,)

    def _text(self, name: str, default: str = "") -> str:
        return self._environment.get(name, "").strip() or default

    def _number(self, name: str, default: int, *, least: int = 1) -> int:
        text = self._text(name, str(default))
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise ConfigError(
                f"{name} is {text!r}; it must be a whole number of at least {least}.",
                code="invalid-setting",
            )
        return int(text)


def _in_checkout(path: str) -> str:
    """A relative path means the same file wherever the process stands; empty stays empty."""
    return str(CHECKOUT / path) if path else ""


def require_project(settings: Settings) -> str:
    """The BigQuery project; raises ConfigError `missing-setting` when none is set."""
    if not settings.project:
        raise ConfigError(
            "GOOGLE_CLOUD_PROJECT is not set, so there is no BigQuery project to load into.",
            code="missing-setting",
        )
    return settings.project
