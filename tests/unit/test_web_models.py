"""The configuration database: no wrong row, by form, by shell or by SQL; secrets encrypted."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Group
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from etl_oracle_to_bq import model
from etl_web_admin.catalog.encryption import WrongKey
from etl_web_admin.catalog.models import DataSource, DataStore, EtlTransaction, choices
from tests.waiting import run
from tests.web import KEY, OTHER_KEY, SECRET, make_run, make_source, make_store, source_values

pytestmark = pytest.mark.django_db
CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.ETL_SECRET_KEYS = [KEY]


def refused_by_sql(make: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make()


@pytest.mark.parametrize(
    "name",
    [
        "LoadMode",
        "WriteDisposition",
        "LoadType",
        "RunStatus",
        "PartitionType",
        "SchemaPolicy",
        "BadDates",
        "BareNumbers",
        "Clock",
    ],
)
def test_choices_are_those_of_the_etl(name: str) -> None:
    """The site does not import the ETL, so the two lists must be kept equal."""
    assert set(getattr(choices, name).values) == {item.value for item in getattr(model, name)}


def test_fields_carry_the_names_of_the_etl() -> None:
    """A field of the dataclass without a column would be lost on the way.

    The E-Business Suite context has columns of other names, the project is a setting.
    """
    for table, noun in ((DataStore, model.Store), (DataSource, model.Source)):
        columns = {column.name for column in table._meta.concrete_fields}
        assert set(noun.__dataclass_fields__) - {"ebs", "project"} <= columns


WRONG_SOURCES = {
    "merge without keys": {"key_columns": []},
    "increment without column": {"incremental_column": ""},
    "append with overlap without keys": {
        "write_disposition": "append",
        "overlap": timedelta(minutes=5),
        "key_columns": [],
    },
    "unknown disposition": {"write_disposition": "upsert"},
    "unknown mode": {"load_mode": "xlsx"},
    "partition type without column": {"partition_type": "day"},
    "partition column without type": {"partition_column": "GL_DATE"},
    "expiration without partition": {"partition_expiration_days": 30},
    "filter without partition": {"require_partition_filter": True},
    "five cluster columns": {"cluster_columns": ["A", "B", "C", "D", "E"]},
    "negative overlap": {"overlap": timedelta(seconds=-1)},
    "never expected": {"expected_every": timedelta(0)},
    "batch of nothing": {"batch_size": 0},
    "too many slices": {"slices": 65},
    "shrink above all": {"shrink_limit_percent": 101},
    "transform in CSV mode": {"load_mode": "csv", "transform": "clean"},
    "no dataset": {"dataset": ""},
}


@pytest.mark.parametrize("wrong", WRONG_SOURCES.values(), ids=WRONG_SOURCES.keys())
def test_a_wrong_source_is_refused_by_validation_and_by_sql(wrong: dict[str, Any]) -> None:
    """The form, the shell and a bare INSERT alike."""
    row = DataSource(store=make_store(), **source_values(**wrong))
    with pytest.raises(ValidationError):
        row.full_clean()
    refused_by_sql(row.save)


@pytest.mark.parametrize(
    "wrong",
    [
        {"view": "XX_GL_V"},
        {"view": "APPS.XX;DROP"},
        {"dataset": "fin-ance"},
        {"target": "a`b"},
        {"key_columns": "ID"},
        {"key_columns": ["ID", "ID"]},
        {"key_columns": [1]},
        {"column_types": {"RATE": "MONEY"}},
        {"column_types": ["RATE"]},
        {"date_columns": ["GL_DATE"], "column_types": {"GL_DATE": "DATE"}},
        {"transform": "os.system"},
        {"watermark": "yesterday"},
    ],
)
def test_a_name_of_a_wrong_form_is_refused(wrong: dict[str, Any]) -> None:
    """Before it can reach any SQL."""
    with pytest.raises(ValidationError):
        DataSource(store=make_store(), **source_values(**wrong)).full_clean()


def test_all_faults_are_told_at_once() -> None:
    """One round instead of five."""
    row = DataSource(
        store=make_store(), **source_values(dataset="a-b", batch_size=0, key_columns=[])
    )
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert set(caught.value.message_dict) == {"dataset", "batch_size", "__all__"}


def test_a_target_left_empty_is_the_view_in_lower_case() -> None:
    """As the glossary says."""
    row = DataSource(store=make_store(), **source_values(view="APPS.XX$GL", target=""))
    row.full_clean()
    assert row.target == "xx_gl"


def test_two_views_cannot_share_a_table() -> None:
    """Nor one view be there twice."""
    source = make_source()
    refused_by_sql(lambda: make_source(source.store, view="APPS.OTHER"))
    refused_by_sql(lambda: make_source(source.store, target="other"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"service_name": ""},
        {"sid": "X"},
        {"host": ""},
        {"descriptor": "(DESCRIPTION=)"},
        {"port": 0},
        {"port": 65536},
        {"protocol": "udp"},
        {"user": ""},
        {"ebs_user_id": 1},
        {"ebs_product": "AR"},
    ],
)
def test_a_wrong_store_is_refused_by_validation_and_by_sql(wrong: dict[str, Any]) -> None:
    """Exactly one address, and the E-Business Suite context whole or not at all."""
    values = {"name": "S", "host": "h", "service_name": "P", "user": "u", **wrong}
    with pytest.raises(ValidationError):
        DataStore(**values).full_clean()
    refused_by_sql(DataStore(**values).save)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "--help"},
        {"name": "a\nb"},
        {"host": "h/x"},
        {"host": "http://h"},
        {"session_time_zone": "Bangkok"},
        {"session_time_zone": "+7"},
        {"current_schema": "A;B"},
        {"user": "u\n"},
    ],
)
def test_a_store_of_a_wrong_form_is_refused(wrong: dict[str, Any]) -> None:
    """Names end up in commands and connect strings."""
    values = {"name": "S", "host": "h", "service_name": "P", "user": "u", **wrong}
    with pytest.raises(ValidationError):
        DataStore(**values).full_clean()


def test_a_view_runs_once_at_a_time() -> None:
    """The database says so, whoever asks."""
    source = make_source()
    make_run(source)
    make_run(source, "running")
    refused_by_sql(lambda: make_run(source, "running"))


def test_a_run_ends_exactly_when_it_no_longer_runs() -> None:
    """No half-ended rows."""
    source = make_source()
    refused_by_sql(lambda: make_run(source, "failed", ended_at=None))
    row = make_run(source, "running")
    refused_by_sql(lambda: EtlTransaction.objects.filter(pk=row.pk).update(status="failed"))


def test_a_store_with_sources_and_a_source_with_history_stay() -> None:
    """Deleting would take the evidence along."""
    from django.db.models import ProtectedError

    source = make_source()
    make_run(source)
    for row in (source, source.store):
        with pytest.raises(ProtectedError):
            row.delete()


def test_a_password_is_encrypted_in_the_database() -> None:
    """What SQL sees is a token."""
    store = make_store()
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM data_store")
        (stored,) = cursor.fetchone()
    assert Fernet(KEY).decrypt(stored).decode() == SECRET
    assert DataStore.objects.get(pk=store.pk).password == SECRET


def test_a_wrong_key_raises_and_never_gives_the_token(settings: Any) -> None:
    """A login with a token for a password could lock the Oracle account."""
    make_store()
    settings.ETL_SECRET_KEYS = [OTHER_KEY]
    with pytest.raises(WrongKey):
        _ = DataStore.objects.get().password


def test_lists_and_saves_need_no_key(settings: Any) -> None:
    """Only a password that is read or written does, and then the message says what to do."""
    make_store()
    settings.ETL_SECRET_KEYS = []
    store = DataStore.objects.get()
    store.port = 1522
    store.save()
    with pytest.raises(ImproperlyConfigured, match="generate_key"):
        _ = store.password
    settings.ETL_SECRET_KEYS = ["not-a-key"]
    with pytest.raises(ImproperlyConfigured) as caught:
        _ = store.password
    assert "not-a-key" not in str(caught.value)
    settings.ETL_SECRET_KEYS = [KEY]
    assert DataStore.objects.get().password == SECRET


def test_a_secret_can_be_neither_searched_nor_serialized() -> None:
    """Two ways to guess or to leak it."""
    from django.core import serializers
    from django.forms.models import model_to_dict

    store = make_store()
    with pytest.raises(FieldError):
        DataStore.objects.filter(password__startswith="g").exists()
    dumped = serializers.serialize("json", [store])
    assert SECRET not in dumped
    assert '"password": ""' in dumped
    assert model_to_dict(store)["password"] == ""
    assert SECRET not in repr(store) + str(store) + repr(DataStore.objects.get().__dict__)


def test_keys_are_rotated(settings: Any) -> None:
    """Afterwards the old key is not needed; with a missing key nothing changes."""
    make_store(wallet_password="wallet")
    settings.ETL_SECRET_KEYS = [OTHER_KEY, KEY]
    call_command("rotate_keys")
    settings.ETL_SECRET_KEYS = [OTHER_KEY]
    assert DataStore.objects.get().password == SECRET
    assert DataStore.objects.get().wallet_password == "wallet"
    settings.ETL_SECRET_KEYS = [KEY]
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("rotate_keys")


def test_the_roles_come_with_the_schema() -> None:
    """Each role may what the one before may, and more."""
    rights = {
        group.name: set(group.permissions.values_list("codename", flat=True))
        for group in Group.objects.all()
    }
    assert set(rights) == {"viewer", "operator", "administrator"}
    assert rights["viewer"] < rights["operator"] < rights["administrator"]
    assert rights["operator"] - rights["viewer"] == {"run_datasource", "acknowledge_logerror"}
    assert not {c for c in rights["administrator"] if c.endswith(("_user", "_group"))}


def _make_template(path: Path) -> subprocess.CompletedProcess[str]:
    manage = CHECKOUT / "etl_web_admin" / "manage.py"
    return run(
        [sys.executable, manage, "make_template_database", path],
        env={**os.environ, "ETL_DATABASE_URL": f"sqlite:///{path.parent / 'unused.db'}"},
    )


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def test_the_committed_database_is_a_fresh_migration(tmp_path: Path) -> None:
    """Same tables, same rows, no account, nothing beside it; made by make_template_database."""
    fresh = tmp_path / "fresh.db"
    made = _make_template(fresh)
    assert made.returncode == 0, made.stderr
    committed = CHECKOUT / "etl_config_transaction.db"
    assert _dump(committed) == _dump(fresh)
    # Bytes 18 and 19 of a SQLite file: 2 for WAL, the mode that both programs work in.
    assert committed.read_bytes()[18:20] == fresh.read_bytes()[18:20] == bytes([2, 2])
    with closing(sqlite3.connect(committed)) as database:
        for table in ("data_store", "data_source", "etl_transaction", "log_error", "auth_user"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert [path.name for path in tmp_path.iterdir()] == ["fresh.db"]
    assert "exists already" in _make_template(fresh).stderr


def test_models_and_migrations_agree() -> None:
    """Nobody forgot a migration."""
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
