"""The floor of loading: parts that lie in the folder, uploaded and loaded with BigQuery's client.

One after another into a new table; nothing is checked, nothing is committed.
"""

from __future__ import annotations

import json
import os

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.benchmarks.programs.sandbox import FOLDER, answer

types = json.loads((FOLDER / "types.json").read_text(encoding="utf-8"))
CSV = bigquery.LoadJobConfig(
    source_format=bigquery.SourceFormat.CSV,
    schema=[bigquery.SchemaField(name, kind) for name, kind in types.items()],
    skip_leading_rows=1,
    allow_quoted_newlines=True,
)
PARQUET = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.PARQUET, autodetect=True)
client = bigquery.Client(
    project=os.environ["GOOGLE_CLOUD_PROJECT"],
    credentials=AnonymousCredentials(),
    client_options={"api_endpoint": os.environ["BIGQUERY_EMULATOR_HOST"]},
)
client.create_dataset("straight", exists_ok=True)
client.delete_table("straight.loaded", not_found_ok=True)
rows = 0
for part in sorted(FOLDER.glob("part-*")):
    config = CSV if part.suffix == ".csv" else PARQUET
    with part.open("rb") as file:
        job = client.load_table_from_file(
            file, "straight.loaded", size=part.stat().st_size, job_config=config
        )
    rows += job.result().output_rows
answer(rows)
