"""Data Source: one Oracle view and how it is loaded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from etl_web_admin.catalog import validators
from etl_web_admin.catalog.models.choices import (
    BadDates,
    BareNumbers,
    LoadMode,
    PartitionType,
    SchemaPolicy,
    WriteDisposition,
    between,
    filled,
    one_of,
)
from etl_web_admin.catalog.models.store import DataStore

ZERO = timedelta(0)
MAX_SPAN = timedelta(days=3653)
HAS_KEYS = Q(key_columns__0__isnull=False)


def _rule(name: str, condition: Q, message: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"source_{name}", condition=condition, violation_error_message=message
    )


class DataSource(models.Model):
    """One Oracle view, its target in BigQuery, and the watermark of its last load."""

    view = models.CharField(
        max_length=257,
        validators=[validators.oracle_view],
        help_text="OWNER.VIEW as Oracle stores it, e.g. APPS.XX_GL_LINES_V.",
    )
    store = models.ForeignKey(
        DataStore, on_delete=models.PROTECT, related_name="sources", verbose_name="data store"
    )
    active = models.BooleanField(default=True, help_text="Part of `run --all`.")
    load_order = models.PositiveIntegerField(
        default=100, help_text="Smaller numbers are loaded first."
    )
    dataset = models.CharField(
        max_length=1024, validators=[validators.dataset_name], help_text="BigQuery dataset."
    )
    target = models.CharField(
        "target table",
        max_length=1024,
        blank=True,
        validators=[validators.table_name],
        help_text="BigQuery table; empty: the view's name in lower case.",
    )
    load_mode = models.CharField(
        max_length=16, choices=LoadMode.choices, default=LoadMode.DATAFRAME
    )
    write_disposition = models.CharField(
        max_length=16, choices=WriteDisposition.choices, default=WriteDisposition.MERGE
    )
    key_columns = models.JSONField(
        default=list,
        blank=True,
        validators=[validators.oracle_names],
        help_text="Columns that together name one row.",
    )
    incremental_column = models.CharField(
        max_length=128,
        blank=True,
        validators=[validators.oracle_name],
        help_text="Says when a row was last changed, e.g. LAST_UPDATE_DATE.",
    )
    overlap = models.DurationField(
        default=ZERO,
        help_text="How far before the watermark the next window begins, for rows that are "
        "committed late (HH:MM:SS).",
    )
    safety_lag = models.DurationField(
        default=ZERO, help_text="How far behind Oracle's clock a window ends (HH:MM:SS)."
    )
    first_load_column = models.CharField(
        max_length=128,
        blank=True,
        validators=[validators.oracle_name],
        help_text="Empty: the incremental column.",
    )
    first_load_date = models.DateField(
        null=True, blank=True, help_text="Full loads take rows from here on; empty: all rows."
    )
    partition_column = models.CharField(
        max_length=128, blank=True, validators=[validators.oracle_name]
    )
    partition_type = models.CharField(
        max_length=8, choices=PartitionType.choices, default=PartitionType.NONE
    )
    partition_expiration_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="BigQuery deletes partitions older than this. Empty: never.",
    )
    require_partition_filter = models.BooleanField(
        default=False, help_text="BigQuery refuses queries that do not name partitions."
    )
    cluster_columns = models.JSONField(
        default=list,
        blank=True,
        validators=[validators.cluster_columns],
        help_text="At most four, the most selective first.",
    )
    date_columns = models.JSONField(
        default=list,
        blank=True,
        validators=[validators.oracle_names],
        help_text="Oracle DATE columns without a time of day: loaded as DATE.",
    )
    column_types = models.JSONField(
        "column type overrides",
        default=dict,
        blank=True,
        validators=[validators.column_types],
        help_text='BigQuery type per column, e.g. {"RATE": "BIGNUMERIC"}.',
    )
    schema_policy = models.CharField(
        max_length=16, choices=SchemaPolicy.choices, default=SchemaPolicy.STRICT
    )
    bad_dates = models.CharField(max_length=8, choices=BadDates.choices, default=BadDates.FAIL)
    bare_numbers = models.CharField(
        max_length=8,
        choices=BareNumbers.choices,
        default=BareNumbers.ROUND,
        help_text="NUMBER columns without declared precision.",
    )
    batch_size = models.PositiveIntegerField(
        default=50_000,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="Rows fetched at a time.",
    )
    transform = models.CharField(
        max_length=128,
        blank=True,
        validators=[validators.python_name],
        help_text="Registered function that each batch goes through (DataFrame mode only).",
    )
    adopt = models.BooleanField(
        "adopt existing table",
        default=False,
        help_text="Write into a table that this product did not create.",
    )
    allow_empty = models.BooleanField(
        default=False, help_text="Replace: an empty result may replace a table that has rows."
    )
    shrink_limit_percent = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Replace: hold the load when rows shrink by more than this. Empty: no limit.",
    )
    snapshot_group = models.CharField(
        max_length=64,
        blank=True,
        validators=[validators.printable],
        help_text="Views of one group are read at the same moment.",
    )
    slices = models.PositiveIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
        help_text="Connections that read the view side by side.",
    )
    expected_every = models.DurationField(
        default=timedelta(days=1),
        help_text="A source without a success for longer than this is late (D HH:MM:SS).",
    )
    watermark = models.CharField(
        max_length=26,
        blank=True,
        editable=False,
        validators=[validators.watermark],
        help_text="Upper bound of the last committed window, in the incremental column's clock.",
    )
    watermark_scope = models.TextField(blank=True, editable=False)
    watermark_moved_at = models.DateTimeField(null=True, blank=True, editable=False)
    target_created = models.BooleanField(default=False, editable=False)

    class Meta:
        db_table = "data_source"
        ordering = ("load_order", "view")
        verbose_name = "Data Source"
        verbose_name_plural = "Data Source"
        permissions = (("run_datasource", "Can start and stop loads"),)
        indexes = (models.Index(fields=("active", "load_order", "view"), name="source_order"),)
        constraints = (
            models.UniqueConstraint(
                fields=("store", "view"),
                name="source_view_once",
                violation_error_message="This data store already has this view.",
            ),
            models.UniqueConstraint(
                fields=("dataset", "target"),
                name="source_target_once",
                violation_error_message="Another view is loaded into this table.",
            ),
            *filled("source", ("view", "dataset", "target")),
            one_of("source", "load_mode", LoadMode),
            one_of("source", "write_disposition", WriteDisposition),
            one_of("source", "partition_type", PartitionType),
            one_of("source", "schema_policy", SchemaPolicy),
            one_of("source", "bad_dates", BadDates),
            one_of("source", "bare_numbers", BareNumbers),
            between("source", "batch_size", 1, 1_000_000),
            between("source", "slices", 1, 64),
            between("source", "shrink_limit_percent", 1, 100),
            between("source", "partition_expiration_days", 1, 1_000_000),
            _rule(
                "durations",
                Q(overlap__gte=ZERO, safety_lag__gte=ZERO, expected_every__gt=ZERO),
                "Overlap and safety lag cannot be negative, and the expected schedule must be "
                "above zero.",
            ),
            _rule(
                "merge_needs_keys",
                ~Q(write_disposition=WriteDisposition.MERGE) | HAS_KEYS,
                "Merge needs key columns.",
            ),
            _rule(
                "append_overlap_needs_keys",
                ~Q(write_disposition=WriteDisposition.APPEND) | Q(overlap=ZERO) | HAS_KEYS,
                "Append with an overlap needs key columns: without them the rows of the overlap "
                "would be added twice.",
            ),
            _rule(
                "increment_needs_column",
                Q(write_disposition=WriteDisposition.REPLACE) | ~Q(incremental_column=""),
                "Without an incremental column only Replace is possible.",
            ),
            _rule(
                "partition_column_and_type",
                Q(partition_type=PartitionType.NONE, partition_column="")
                | (~Q(partition_type=PartitionType.NONE) & ~Q(partition_column="")),
                "A partition column and a partition type belong together: give both or neither.",
            ),
            _rule(
                "partition_options",
                ~Q(partition_column="")
                | Q(partition_expiration_days__isnull=True, require_partition_filter=False),
                "Partition expiration and the partition filter need a partition column.",
            ),
            _rule(
                "at_most_four_cluster_columns",
                Q(cluster_columns__4__isnull=True),
                "BigQuery clusters by at most 4 columns.",
            ),
            _rule(
                "transform_needs_dataframe",
                Q(transform="") | Q(load_mode=LoadMode.DATAFRAME),
                "A transform runs in DataFrame mode only.",
            ),
            _rule(
                "first_load_needs_column",
                Q(first_load_date__isnull=True)
                | ~Q(first_load_column="")
                | ~Q(incremental_column=""),
                "A first load date needs a first load column or an incremental column.",
            ),
        )

    def __str__(self) -> str:
        return self.view

    def clean_fields(self, exclude: Any = None) -> None:
        """Fill the target in before the fields are checked: it has a default of its own."""
        if not self.target:
            self.target = validators.default_target(self.view)
        super().clean_fields(exclude=exclude)

    def clean(self) -> None:
        """Check what no constraint can: spans that no column holds, lists that contradict."""
        spans = ("overlap", "safety_lag", "expected_every")
        values = {name: getattr(self, name) for name in spans}
        long = [n for n, v in values.items() if isinstance(v, timedelta) and abs(v) > MAX_SPAN]
        if long:
            raise ValidationError(dict.fromkeys(long, "This is longer than ten years."))
        overridden = set(self.column_types) if isinstance(self.column_types, dict) else set()
        dates = self.date_columns if isinstance(self.date_columns, list) else []
        both = sorted(overridden.intersection(name for name in dates if isinstance(name, str)))
        if both:
            raise ValidationError(
                {
                    "column_types": f"{', '.join(both)}: named both here and in date columns; "
                    "one is enough."
                }
            )
