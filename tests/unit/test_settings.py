"""Settings: defaults, limits, the file, and who wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl_oracle_to_bq import settings
from etl_oracle_to_bq.errors import ConfigError

NUMBERS = {
    "ETL_LOG_DAYS": 1,
    "ETL_PART_MB": 1,
    "ETL_STAGE_LIMIT_MB": 1,
    "ETL_ATTEMPTS": 1,
    "ETL_RETRY_SECONDS": 0,
    "ETL_LEASE_SECONDS": 2,
    "ETL_CONNECT_SECONDS": 1,
    "ETL_CALL_SECONDS": 1,
    "ETL_MAX_BYTES_BILLED": 0,
}


def refused(environment: dict[str, str]) -> ConfigError:
    with pytest.raises(ConfigError) as refusal:
        settings.load(environment)
    assert (refusal.value.code, refusal.value.exit_code) == ("invalid-setting", 2)
    return refusal.value


def test_nothing_set_gives_the_defaults() -> None:
    found = settings.load({})
    assert found.location == "US"
    assert found.data_folder == settings.CHECKOUT / "var"
    assert found.log_folder.parent == found.work_folder.parent == found.errors_folder.parent
    assert found.maximum_bytes_billed is None
    assert found.part_bytes == 64 * 1024 * 1024


def test_blanks_around_a_value_do_not_count() -> None:
    assert settings.load({"ETL_BQ_LOCATION": " EU "}).location == "EU"
    assert settings.load({"ETL_BQ_LOCATION": "  "}).location == "US"


@pytest.mark.parametrize(("name", "least"), NUMBERS.items())
def test_numbers_have_a_least_value(name: str, least: int) -> None:
    settings.load({name: str(least)})
    for wrong in (str(least - 1), "-5", "1.5", "ten", "1e3", "٣", "1_000", "+5"):
        assert name in str(refused({name: wrong}))


@pytest.mark.parametrize("given", ["deeper/var", "./deeper/var"])
def test_a_relative_folder_lies_in_the_checkout_wherever_the_process_stands(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = settings.load({"ETL_DATA_DIR": given})
    assert found.data_folder == settings.CHECKOUT / "deeper" / "var"


def test_an_absolute_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert settings.load({"ETL_DATA_DIR": str(tmp_path)}).data_folder == tmp_path


def test_a_relative_credentials_file_lies_in_the_checkout_too(tmp_path: Path) -> None:
    name = "GOOGLE_APPLICATION_CREDENTIALS"
    assert settings.load({}).credentials_file == ""
    assert settings.load({name: "k.json"}).credentials_file == str(settings.CHECKOUT / "k.json")
    given = str(tmp_path / "k.json")
    assert settings.load({name: given}).credentials_file == given


def test_the_logs_of_the_batch_file_are_where_it_writes_them(tmp_path: Path) -> None:
    """Wherever the data folder is: a batch file cannot read the settings file."""
    beside = settings.CHECKOUT / "var" / "log"
    given = {"ETL_DATA_DIR": str(tmp_path), "TEMP": str(tmp_path / "temp")}
    assert settings.load(given).batch_log_folders == (beside, tmp_path / "temp")
    assert settings.load({}).batch_log_folders == (beside,)


def test_a_project_is_demanded_only_where_it_is_needed() -> None:
    with pytest.raises(ConfigError, match="GOOGLE_CLOUD_PROJECT is not set") as refusal:
        settings.require_project(settings.load({}))
    assert refusal.value.code == "missing-setting"
    given = settings.load({"GOOGLE_CLOUD_PROJECT": "erp"})
    assert settings.require_project(given) == "erp"


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [*NUMBERS, "ETL_BQ_LOCATION", "GOOGLE_CLOUD_PROJECT", "ETL_DATA_DIR"]:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "Einstellungen für ERP.env"
    monkeypatch.setenv("ETL_ENV_FILE", str(path))
    return path


def test_the_environment_wins_over_the_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("ETL_BQ_LOCATION=EU\nETL_ATTEMPTS=7\n", encoding="utf-8")
    monkeypatch.setenv("ETL_ATTEMPTS", "9")
    found = settings.load()
    assert (found.location, found.attempts) == ("EU", 9)


def test_a_byte_order_mark_does_not_hide_the_first_setting(env_file: Path) -> None:
    env_file.write_text("GOOGLE_CLOUD_PROJECT=erp\n", encoding="utf-8-sig")
    assert settings.load().project == "erp"


def test_windows_line_ends_and_thai_comments_are_read(env_file: Path) -> None:
    env_file.write_bytes("# ที่ตั้ง\r\nETL_BQ_LOCATION=EU\r\n".encode())
    assert settings.load().location == "EU"


@pytest.mark.parametrize("encoding", ["cp874", "utf-16"])
def test_a_file_in_another_encoding_is_refused_in_words(env_file: Path, encoding: str) -> None:
    env_file.write_bytes("# ที่ตั้ง\nETL_BQ_LOCATION=EU\n".encode(encoding))
    with pytest.raises(ConfigError, match="is not UTF-8") as refusal:
        settings.load()
    assert str(env_file) in str(refusal.value)


def test_a_named_file_that_is_not_there_is_refused(env_file: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        settings.load()
