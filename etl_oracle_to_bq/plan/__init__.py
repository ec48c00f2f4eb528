"""Every decision of a run before a row moves; pure: facts in, `Plan` out.

`making` decides, with `rules` (what is refused), `windows` (which rows), `target` (the
table and its differences) and `query` (the SQL). `verdict` judges what the probe counted.
"""

from etl_oracle_to_bq.plan.making import commit_method, make
from etl_oracle_to_bq.plan.pieces import chunks, earliest, halved, rest_of_first, whole
from etl_oracle_to_bq.plan.record import as_dict
from etl_oracle_to_bq.plan.rules import problems
from etl_oracle_to_bq.plan.slicing import (
    Cut,
    Slice,
    date_cut,
    even,
    hash_cut,
    largest,
    number_cut,
    number_range,
    slices,
)
from etl_oracle_to_bq.plan.target import (
    OWNER,
    OWNER_LABEL,
    SOURCE_LABEL,
    Differences,
    compare,
    owner_labels,
    partitions_touched,
    refuse_too_many_partitions,
)
from etl_oracle_to_bq.plan.verdict import (
    Verdict,
    appends_a_window,
    probe_verdict,
    replaces_everything,
    volume_verdict,
)
from etl_oracle_to_bq.plan.windows import backfill_chunks, load_type

__all__ = [
    "OWNER",
    "OWNER_LABEL",
    "SOURCE_LABEL",
    "Cut",
    "Differences",
    "Slice",
    "Verdict",
    "appends_a_window",
    "as_dict",
    "backfill_chunks",
    "chunks",
    "commit_method",
    "compare",
    "date_cut",
    "earliest",
    "even",
    "halved",
    "hash_cut",
    "largest",
    "load_type",
    "make",
    "number_cut",
    "number_range",
    "owner_labels",
    "partitions_touched",
    "probe_verdict",
    "problems",
    "refuse_too_many_partitions",
    "replaces_everything",
    "rest_of_first",
    "slices",
    "volume_verdict",
    "whole",
]
