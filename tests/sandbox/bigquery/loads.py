"""Load jobs: read the staged files, check every value, write all rows or none.

Sources: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/Job
(JobConfigurationLoad), https://docs.cloud.google.com/bigquery/docs/batch-loading-data. Only
uploads are offered: there is no Cloud Storage in the sandbox.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
from bqemulator.catalog.models import TableFieldSchema
from bqemulator.domain.errors import ValidationError

from tests.sandbox.bigquery import metadata, parquet_files, text_files
from tests.sandbox.bigquery.destination import Destination
from tests.sandbox.bigquery.engine import Work
from tests.sandbox.bigquery.failures import LoadFailed, NotImitated
from tests.sandbox.bigquery.registry import Job
from tests.sandbox.bigquery.runner import Runner
from tests.sandbox.bigquery.source import Source

_FORMATS = {
    "CSV": text_files.read_csv,
    "NEWLINE_DELIMITED_JSON": text_files.read_json,
    "PARQUET": parquet_files.read,
}


class LoadRun:
    """One load job of an uploaded file."""

    def __init__(self, runner: Runner, path: Path) -> None:
        self._context = runner.context
        self._path = path

    def __call__(self, work: Work, job: Job) -> None:
        """Execute `job` in `work`: the body that `Runner.run_job` wants."""
        config = job.configuration["load"]
        size = self._path.stat().st_size
        destination = Destination.of_load(self._context, job.project, config)
        schema = self._schema(config, destination)
        try:
            with self._read(work, config, schema) as source:
                rows = destination.write(source.relation, source.fields)
                job.errors = source.warnings
        except duckdb.Error as error:
            raise LoadFailed(str(error)) from error
        job.statistics = {
            "load": {
                "inputFiles": "1",
                "inputFileBytes": str(size),
                "outputRows": str(rows),
                "outputBytes": str(size),
                "badRecords": str(len(source.warnings)),
            }
        }

    def _schema(
        self, config: dict[str, Any], destination: Destination
    ) -> tuple[TableFieldSchema, ...] | None:
        raw = (config.get("schema") or {}).get("fields")
        if raw:
            return metadata.fields_from_rest(raw)
        existing = destination.existing
        if existing is not None and existing.schema_.fields and _is_text(config):
            return existing.schema_.fields
        if _is_text(config):
            raise _missing_schema(config)
        return None

    def _read(
        self, work: Work, config: dict[str, Any], schema: tuple[TableFieldSchema, ...] | None
    ) -> Source:
        kind = _format(config)
        if kind not in _FORMATS:
            raise NotImitated(f"the sandbox loads {', '.join(_FORMATS)}, not {kind}")
        return _FORMATS[kind](work.connection, self._path, config, schema)


def _format(config: dict[str, Any]) -> str:
    return str(config.get("sourceFormat") or "CSV").upper()


def _is_text(config: dict[str, Any]) -> bool:
    return _format(config) != "PARQUET"


def _missing_schema(config: dict[str, Any]) -> Exception:
    if config.get("autodetect"):
        return NotImitated("the sandbox does not guess schemas: send one")
    return ValidationError("No schema specified on job or table.")
