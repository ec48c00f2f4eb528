"""Database rows become the dataclasses of `model` here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from etl_oracle_to_bq.errors import ConfigError
from etl_oracle_to_bq.model import (
    BadDates,
    BareNumbers,
    EbsContext,
    LoadMode,
    PartitionType,
    SchemaPolicy,
    Source,
    Store,
    Watermark,
    WriteDisposition,
)

# Passwords that this process has decrypted; `Catalog.scrub` keeps them out of every text.
SECRETS: set[str] = set()


def source(row: Any, project: str) -> Source:
    mark = moment(row.watermark)
    return Source(
        id=row.pk,
        view=row.view,
        store=store(row.store),
        active=row.active,
        load_order=row.load_order,
        dataset=row.dataset,
        target=row.target,
        load_mode=LoadMode(row.load_mode),
        write_disposition=WriteDisposition(row.write_disposition),
        key_columns=tuple(row.key_columns),
        incremental_column=row.incremental_column,
        overlap=row.overlap,
        safety_lag=row.safety_lag,
        first_load_column=row.first_load_column,
        first_load_date=row.first_load_date,
        partition_column=row.partition_column,
        partition_type=PartitionType(row.partition_type),
        partition_expiration_days=row.partition_expiration_days,
        require_partition_filter=row.require_partition_filter,
        cluster_columns=tuple(row.cluster_columns),
        date_columns=tuple(row.date_columns),
        column_types=dict(row.column_types),
        schema_policy=SchemaPolicy(row.schema_policy),
        bad_dates=BadDates(row.bad_dates),
        bare_numbers=BareNumbers(row.bare_numbers),
        batch_size=row.batch_size,
        transform=row.transform,
        adopt=row.adopt,
        allow_empty=row.allow_empty,
        shrink_limit_percent=row.shrink_limit_percent,
        snapshot_group=row.snapshot_group,
        slices=row.slices,
        project=project,
        watermark=Watermark(mark, row.watermark_scope) if mark else None,
    )


def store(row: Any) -> Store:
    SECRETS.update(secret for secret in (row.password, row.wallet_password) if secret)
    return Store(
        id=row.pk,
        name=row.name,
        host=row.host,
        port=row.port,
        user=row.user,
        password=row.password,
        service_name=row.service_name,
        sid=row.sid,
        descriptor=row.descriptor,
        protocol=row.protocol,
        wallet_location=row.wallet_location,
        wallet_password=row.wallet_password,
        thick=row.thick,
        session_time_zone=row.session_time_zone,
        current_schema=row.current_schema,
        ebs=_ebs(row),
    )


def _ebs(row: Any) -> EbsContext | None:
    if not row.ebs_product:
        return None
    return EbsContext(
        user_id=row.ebs_user_id,
        responsibility_id=row.ebs_responsibility_id,
        application_id=row.ebs_application_id,
        security_group_id=row.ebs_security_group_id,
        product=row.ebs_product,
    )


def named(rows: Sequence[Any], name: str) -> Any:
    store, _, view = name.rpartition(":")
    view = view.upper()
    found = [
        row
        for row in rows
        if view in (row.view.upper(), row.view.upper().partition(".")[2])
        and store in ("", row.store.name)
    ]
    if len(found) > 1:
        full = ", ".join(f"{row.view} of {row.store.name}" for row in found)
        raise ConfigError(f"{name} is ambiguous: {full}.", code="ambiguous-view", view=name)
    if not found:
        raise ConfigError(
            f"{name} is not a configured view.", code="unknown-view", view=name, step="config"
        )
    return found[0]


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def text_of(value: datetime | None) -> str:
    return value.isoformat(timespec="microseconds") if value else ""
