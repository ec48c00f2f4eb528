"""The nouns: frozen, secretive where they hold secrets, and exact about what belongs to what."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import pytest

from etl_oracle_to_bq import model

STORE = model.Store(
    4, "erp", "db.example", 1521, "etl", "s3cret", service_name="ERP", wallet_password="w4llet"
)
SOURCE = model.Source(
    1, "ERP.V_GL", STORE, "finance", "v_gl", incremental_column="LAST_UPDATE_DATE"
)


def test_a_store_never_shows_its_passwords() -> None:
    for text in (repr(STORE), str(STORE), repr(SOURCE)):
        assert "s3cret" not in text
        assert "w4llet" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"view": "ERP.V_OTHER"},
        {"incremental_column": "CREATION_DATE"},
        {"dataset": "other"},
        {"target": "other"},
        {"store": dataclasses.replace(STORE, id=5)},
    ],
)
def test_a_watermark_scope_follows_what_the_watermark_depends_on(change: dict[str, object]) -> None:
    assert dataclasses.replace(SOURCE, **change).scope != SOURCE.scope


@pytest.mark.parametrize("change", [{"load_order": 7}, {"batch_size": 9}, {"id": 8}])
def test_a_watermark_scope_ignores_the_rest(change: dict[str, object]) -> None:
    assert dataclasses.replace(SOURCE, **change).scope == SOURCE.scope


def test_a_request_with_a_beginning_is_a_backfill() -> None:
    assert not model.Request().backfill
    assert model.Request(backfill_from=datetime.fromisoformat("2026-01-01")).backfill


def test_a_table_is_named_without_its_project() -> None:
    assert model.Table("finance", "v_gl", ()).path == "finance.v_gl"


def test_nouns_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SOURCE.view = "ERP.V_OTHER"  # type: ignore[misc]
