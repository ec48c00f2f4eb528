"""Arrow batches → CSV or Parquet parts on disk.

A `Stager` encodes in a thread of its own, so that the driver can decode meanwhile (pyarrow
releases the GIL, the driver holds it). No Python object is made per value.

What the loader must set for a CSV part, because BigQuery refuses it otherwise: one header
row to skip, quoted newlines allowed, UTF-8, the empty null marker (NULL is an unquoted empty
field), and ASCII control characters preserved (text may hold NUL). BYTES are base64.
"""

from etl_oracle_to_bq.schema import IMPORTED_AT
from etl_oracle_to_bq.stage.folders import keep_failed, remove_folder, sweep, work_folder
from etl_oracle_to_bq.stage.stager import StageLimits, Stager
from etl_oracle_to_bq.stage.transforms import Transform, load_transforms

__all__ = [
    "IMPORTED_AT",
    "StageLimits",
    "Stager",
    "Transform",
    "keep_failed",
    "load_transforms",
    "remove_folder",
    "sweep",
    "work_folder",
]
