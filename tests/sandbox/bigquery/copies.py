"""Copy jobs: every source, same schema and layout, one atomic change.

Sources: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/Job
(JobConfigurationTableCopy; the default writeDisposition is WRITE_EMPTY),
https://docs.cloud.google.com/bigquery/docs/managing-tables#copy-table and
https://docs.cloud.google.com/bigquery/docs/managing-partitioned-tables. Labels and description
are not copied: unverified.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bqemulator.catalog.models import TableMeta
from bqemulator.domain.errors import ValidationError
from bqemulator.storage.sql_identifiers import quoted_table_ref

from tests.sandbox.bigquery import metadata
from tests.sandbox.bigquery.destination import Destination, table_ids
from tests.sandbox.bigquery.engine import Work
from tests.sandbox.bigquery.failures import NotImitated
from tests.sandbox.bigquery.registry import Job
from tests.sandbox.bigquery.runner import Runner


class CopyRun:
    """One copy job."""

    def __init__(self, runner: Runner) -> None:
        self._context = runner.context

    def __call__(self, work: Work, job: Job) -> None:
        """Execute `job` in `work`: the body that `Runner.run_job` wants."""
        config = job.configuration["copy"]
        if config.get("operationType", "COPY") != "COPY":
            raise NotImitated(f"the sandbox has no {config['operationType']} of tables")
        destination = self._destination(job.project, config)
        sources = self._sources(job.project, config)
        _refuse_different_sources([meta for meta, _ in sources])
        first = sources[0][0]
        existing = destination.existing
        if existing is None:
            destination = replace(
                destination,
                partitioning=first.time_partitioning,
                clustering=first.clustering,
                expiration=metadata.expiration_from_rest(config.get("destinationExpirationTime")),
            )
        else:
            _refuse_other_layout(first, existing)
            if destination.write_disposition != "WRITE_TRUNCATE":
                _refuse_other_columns(first, existing, destination.path)
        relation = "(" + " UNION ALL ".join(select for _, select in sources) + ")"
        rows = destination.write(relation, first.schema_.fields)
        job.statistics = {"copy": {"copiedRows": str(rows), "copiedLogicalBytes": "0"}}

    def _destination(self, project: str, config: dict[str, Any]) -> Destination:
        ids, partition = table_ids(project, config["destinationTable"])
        return Destination(
            context=self._context,
            ids=ids,
            partition=partition,
            write_disposition=config.get("writeDisposition") or "WRITE_EMPTY",
            may_create=config.get("createDisposition", "CREATE_IF_NEEDED") != "CREATE_NEVER",
        )

    def _sources(self, project: str, config: dict[str, Any]) -> list[tuple[TableMeta, str]]:
        references = config.get("sourceTables") or [config["sourceTable"]]
        return [self._source(project, reference) for reference in references]

    def _source(self, project: str, reference: dict[str, Any]) -> tuple[TableMeta, str]:
        if "@" in reference["tableId"]:
            raise NotImitated("the sandbox has no time travel")
        ids, partition = table_ids(project, reference)
        meta = metadata.require_table(self._context, *ids)
        if meta.table_type != "TABLE":
            raise ValidationError(f"Cannot copy {ids[1]}.{ids[2]}: it is a {meta.table_type}")
        where = f" WHERE {partition.condition(meta)}" if partition else ""
        columns = ", ".join(f'"{field.name}"' for field in meta.schema_.fields)
        return meta, f"SELECT {columns} FROM {quoted_table_ref(*ids)}{where}"


def _refuse_different_sources(sources: list[TableMeta]) -> None:
    first = sources[0]
    for other in sources[1:]:
        if _shape(other) != _shape(first) or other.schema_ != first.schema_:
            raise ValidationError(
                "The source tables have different schemas, partitioning or clustering"
            )


def _refuse_other_layout(source: TableMeta, target: TableMeta) -> None:
    """Partitioned into unpartitioned is allowed; every other difference is not."""
    has, wants = _shape(source), _shape(target)
    if wants[0] is not None and has[0] != wants[0]:
        raise ValidationError(
            "Incompatible table partitioning specification. Expects partitioning specification "
            f"{wants[0]}, but input partitioning specification is {has[0]}"
        )
    if has[1] != wants[1]:
        raise ValidationError(
            f"Incompatible table clustering specification. Expects clustering fields {wants[1]}, "
            f"but the input has {has[1]}"
        )


def _refuse_other_columns(source: TableMeta, target: TableMeta, path: str) -> None:
    has, wants = ({f.name.lower(): f.type for f in m.schema_.fields} for m in (source, target))
    if has != wants:
        names = sorted(set(has.items()) ^ set(wants.items()))
        raise ValidationError(f"Provided Schema does not match Table {path}. Differences: {names}")


def _shape(meta: TableMeta) -> tuple[tuple[str, str] | None, tuple[str, ...]]:
    tp = meta.time_partitioning
    clustering = meta.clustering.fields if meta.clustering is not None else ()
    return (tp.type, (tp.field or "").lower()) if tp else None, clustering
