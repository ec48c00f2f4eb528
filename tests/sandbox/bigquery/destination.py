"""The table that a load or query job writes: created, truncated or appended to, all or nothing.

Sources: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/Job (writeDisposition,
createDisposition, schemaUpdateOptions of JobConfigurationLoad and JobConfigurationQuery),
https://docs.cloud.google.com/bigquery/docs/managing-table-schemas and
https://docs.cloud.google.com/bigquery/docs/load-data-partitioned-tables. That WRITE_TRUNCATE
keeps partitioning, labels and description, and may change clustering, is unverified.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import (
    Clustering,
    TableFieldSchema,
    TableMeta,
    TableSchema,
    TimePartitioning,
)
from bqemulator.domain.errors import AlreadyExistsError, NotFoundError, ValidationError
from bqemulator.storage.sql_identifiers import quoted_table_ref

from tests.sandbox.bigquery import ddl, metadata, partitions
from tests.sandbox.bigquery.engine import current_work


@dataclass(frozen=True)
class Destination:
    """Where and how a job writes; `write` does it inside the running job's transaction."""

    context: AppContext
    ids: tuple[str, str, str]
    partition: partitions.Partition | None = None
    write_disposition: str = "WRITE_APPEND"
    may_create: bool = True
    partitioning: TimePartitioning | None = None
    clustering: Clustering | None = None
    updates: frozenset[str] = frozenset()
    properties: dict[str, Any] = field(default_factory=dict)
    expiration: datetime | None = None

    @classmethod
    def of_load(cls, context: AppContext, project: str, config: dict[str, Any]) -> Destination:
        """The destination of `configuration.load`; appends by default."""
        return cls._of(context, project, config, "WRITE_APPEND")

    @classmethod
    def of_query(cls, context: AppContext, project: str, config: dict[str, Any]) -> Destination:
        """The destination of `configuration.query`; wants an empty table by default."""
        return cls._of(context, project, config, "WRITE_EMPTY")

    @classmethod
    def _of(
        cls, context: AppContext, project: str, config: dict[str, Any], default: str
    ) -> Destination:
        ids, partition = table_ids(project, config["destinationTable"])
        return cls(
            context=context,
            ids=ids,
            partition=partition,
            write_disposition=config.get("writeDisposition") or default,
            may_create=config.get("createDisposition", "CREATE_IF_NEEDED") != "CREATE_NEVER",
            partitioning=metadata.partitioning_from_rest(config),
            clustering=metadata.clustering_from_rest(config),
            updates=frozenset(config.get("schemaUpdateOptions") or ()),
            properties=config.get("destinationTableProperties") or {},
        )

    @property
    def existing(self) -> TableMeta | None:
        """The table as it stands; NotFoundError when the dataset is missing."""
        metadata.require_dataset(self.context, *self.ids[:2])
        return self.context.catalog.get_table(*self.ids)

    @property
    def path(self) -> str:
        """`project:dataset.table`, as messages spell it."""
        return f"{self.ids[0]}:{self.ids[1]}.{self.ids[2]}"

    def write(self, relation: str, fields: tuple[TableFieldSchema, ...]) -> int:
        """Write the rows of `relation` (SQL after FROM), whose columns are `fields`, by name.

        Returns the number of rows written. Raises NotFoundError, AlreadyExistsError (409
        `duplicate`) or ValidationError as the dispositions and schemas demand.
        """
        meta = self._prepare(fields)
        self._refuse_other_partitions(meta, relation)
        connection = current_work().connection
        tp = meta.time_partitioning
        partitions.refuse_too_many(connection, relation, tp, partitions.PER_JOB)
        ref = quoted_table_ref(*self.ids)
        row = connection.execute(f"INSERT INTO {ref} BY NAME SELECT * FROM {relation}").fetchone()
        partitions.refuse_too_many(connection, ref, tp, partitions.PER_TABLE)
        return int(row[0]) if row else 0

    def _prepare(self, fields: tuple[TableFieldSchema, ...]) -> TableMeta:
        meta = self.existing
        if meta is None:
            return self._create(fields)
        if meta.table_type != "TABLE":
            raise ValidationError(f"{self.path} is not a table but a {meta.table_type}")
        self._refuse_other_layout(meta)
        if self.write_disposition == "WRITE_TRUNCATE" and self.partition is None:
            meta = self._replace(meta, fields)
        else:
            meta = self._fit(meta, fields)
            self._empty_first(meta)
        return self.context.catalog.update_table(metadata.touched(self.context, meta))

    def _create(self, fields: tuple[TableFieldSchema, ...]) -> TableMeta:
        if not self.may_create:
            raise NotFoundError(f"Not found: Table {self.path}")
        if not fields:
            raise ValidationError("Schema has no fields.")
        meta = metadata.new_table(
            self.context,
            self.ids,
            fields,
            time_partitioning=self.partitioning,
            clustering=self.clustering,
            description=self.properties.get("description"),
            friendly_name=self.properties.get("friendlyName"),
            labels=self.properties.get("labels") or {},
            expiration_time=self.expiration,
        )
        create_table(self.context, meta)
        return meta

    def _refuse_other_layout(self, meta: TableMeta) -> None:
        asked, has = self.partitioning, meta.time_partitioning
        if asked is not None and _layout(asked) != _layout(has):
            raise ValidationError(
                "Incompatible table partitioning specification. Expects partitioning "
                f"specification {_spell(has)}, but input partitioning specification is "
                f"{_spell(asked)}"
            )
        if (
            self.clustering is not None
            and self.clustering != meta.clustering
            and self.write_disposition != "WRITE_TRUNCATE"
        ):
            raise ValidationError("Incompatible table clustering specification.")

    def _replace(self, meta: TableMeta, fields: tuple[TableFieldSchema, ...]) -> TableMeta:
        engine, ref = self.context.engine, quoted_table_ref(*self.ids)
        clustering = self.clustering or meta.clustering
        if fields and [_key(f) for f in fields] != [_key(f) for f in meta.schema_.fields]:
            meta = meta.model_copy(update={"schema_": TableSchema(fields=fields)})
            metadata.validate(meta)
            engine.execute(f"DROP TABLE {ref}")
            engine.execute(f"CREATE TABLE {ref} ({metadata.column_definitions(fields)})")
        else:
            engine.execute(f"DELETE FROM {ref}")
        return meta.model_copy(update={"clustering": clustering})

    def _fit(self, meta: TableMeta, fields: tuple[TableFieldSchema, ...]) -> TableMeta:
        """The table with what schemaUpdateOptions allow; ValidationError for other differences."""
        columns = {column.name.lower(): column for column in meta.schema_.fields}
        additions = []
        for new in fields:
            old = columns.get(new.name.lower())
            if old is None:
                additions.append(self._addition(new))
            elif (old.type, old.mode == "REPEATED") != (new.type, new.mode == "REPEATED"):
                self._refuse(f"Field {old.name} has changed type from {old.type} to {new.type}")
            elif old.mode == "REQUIRED" and new.mode == "NULLABLE":
                meta = self._relax(meta, old)
        return ddl.add_columns(self.context, meta, additions) if additions else meta

    def _addition(self, new: TableFieldSchema) -> TableFieldSchema:
        if "ALLOW_FIELD_ADDITION" not in self.updates:
            self._refuse(f"Cannot add fields (field: {new.name})")
        if new.mode == "REQUIRED":
            self._refuse(f"Cannot add required fields to an existing schema. (field: {new.name})")
        return new

    def _relax(self, meta: TableMeta, old: TableFieldSchema) -> TableMeta:
        if "ALLOW_FIELD_RELAXATION" not in self.updates:
            self._refuse(f"Field {old.name} has changed mode from REQUIRED to NULLABLE")
        return relax(self.context, meta, old.name)

    def _refuse(self, difference: str) -> None:
        raise ValidationError(f"Provided Schema does not match Table {self.path}. {difference}")

    def _empty_first(self, meta: TableMeta) -> None:
        engine, ref = self.context.engine, quoted_table_ref(*self.ids)
        where = f" WHERE {self.partition.condition(meta)}" if self.partition else ""
        if self.write_disposition in ("WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA"):
            engine.execute(f"DELETE FROM {ref}{where}")
        elif self.write_disposition == "WRITE_EMPTY":
            if engine.execute(f"SELECT 1 FROM {ref}{where} LIMIT 1").fetchone() is not None:
                raise AlreadyExistsError(f"Already Exists: Table {self.path}")
        elif self.write_disposition != "WRITE_APPEND":
            raise ValidationError(f"Invalid write disposition {self.write_disposition}")

    def _refuse_other_partitions(self, meta: TableMeta, relation: str) -> None:
        if self.partition is None:
            return
        condition = self.partition.condition(meta)
        sql = f"SELECT 1 FROM {relation} WHERE NOT ({condition}) LIMIT 1"
        if current_work().connection.execute(sql).fetchone() is not None:
            raise ValidationError(
                f"Some rows belong to different partitions rather than destination partition "
                f"{self.ids[2]}${self.partition.id}"
            )


def table_ids(
    project: str, reference: dict[str, Any]
) -> tuple[tuple[str, str, str], partitions.Partition | None]:
    """(project, dataset, table) and the partition that the table id may name."""
    table, partition = partitions.split_decorator(reference["tableId"])
    ids = (reference.get("projectId") or project, reference["datasetId"], table)
    return ids, partition


def create_table(context: AppContext, meta: TableMeta) -> None:
    """Create the empty table in DuckDB and in the catalog."""
    ref = quoted_table_ref(meta.project_id, meta.dataset_id, meta.table_id)
    columns = metadata.column_definitions(meta.schema_.fields) or "__placeholder INTEGER"
    context.engine.execute(f"CREATE TABLE {ref} ({columns})")
    context.catalog.create_table(meta)


def relax(context: AppContext, meta: TableMeta, column: str) -> TableMeta:
    """Make a REQUIRED column NULLABLE; returns the new metadata, not yet stored."""
    ref = quoted_table_ref(meta.project_id, meta.dataset_id, meta.table_id)
    context.engine.execute(f'ALTER TABLE {ref} ALTER COLUMN "{column}" DROP NOT NULL')
    fields = tuple(
        f.model_copy(update={"mode": "NULLABLE"}) if f.name == column else f
        for f in meta.schema_.fields
    )
    return meta.model_copy(update={"schema_": TableSchema(fields=fields)})


def _layout(tp: TimePartitioning | None) -> tuple[str, str] | None:
    return None if tp is None else (tp.type, (tp.field or "").lower())


def _spell(tp: TimePartitioning | None) -> str:
    return "none" if tp is None else f"interval(type:{tp.type.lower()},field:{tp.field})"


def _key(column: TableFieldSchema) -> tuple[Any, ...]:
    return (column.name, column.type, column.mode, tuple(_key(child) for child in column.fields))
