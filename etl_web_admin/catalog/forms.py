"""The forms of the site; every rule about a row itself lives in the models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from etl_web_admin.catalog import etl, validators
from etl_web_admin.catalog.fields import ColumnsField, OracleNameField, SpanField, TypesField
from etl_web_admin.catalog.models import DataSource, DataStore

ADDRESS = ("host", "port", "service_name", "sid", "descriptor", "protocol")
MAX_CONFIGURATION_BYTES = 5 * 1024 * 1024


def _password(label: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        strip=False,
        max_length=1024,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password"}, render_value=False
        ),
    )


class StoreForm(forms.ModelForm):  # type: ignore[type-arg]
    """A data store. Passwords go in and never come out: an empty field keeps the stored one."""

    new_password = _password("Password")
    new_wallet_password = _password("Wallet password")

    class Meta:
        model = DataStore
        exclude = ("password", "wallet_password")
        widgets = {"descriptor": UnfoldAdminTextareaWidget(attrs={"rows": 3})}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            for name in ("new_password", "new_wallet_password"):
                if name in self.fields:
                    self.fields[name].help_text = "Stored encrypted, never shown. Empty keeps it."

    def clean(self) -> dict[str, Any] | None:
        """A stored password goes to no other server than the one it was given for."""
        cleaned = super().clean()
        moved = set(self.changed_data).intersection(ADDRESS)
        if self.instance.pk and moved and not self.cleaned_data.get("new_password"):
            self.add_error(
                "new_password", "The address changed: enter the password again for the new one."
            )
        if not self.instance.pk and not self.cleaned_data.get("new_password"):
            self.add_error("new_password", "A data store needs a password.")
        return cleaned

    def save(self, commit: bool = True) -> DataStore:
        """Put the passwords that were typed into the row."""
        if self.cleaned_data.get("new_password"):
            self.instance.password = self.cleaned_data["new_password"]
        if self.cleaned_data.get("new_wallet_password"):
            self.instance.wallet_password = self.cleaned_data["new_wallet_password"]
        saved: DataStore = super().save(commit)
        return saved


_COLUMNS = {column.name: column for column in DataSource._meta.concrete_fields}


def _help(name: str) -> str:
    return str(_COLUMNS[name].help_text)


def _default(name: str) -> Any:
    return _COLUMNS[name].get_default()


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A data source; lists are typed with commas, spans in words."""

    view = OracleNameField(max_length=257, help_text=_help("view"))
    incremental_column = OracleNameField(required=False, help_text=_help("incremental_column"))
    first_load_column = OracleNameField(required=False, help_text=_help("first_load_column"))
    partition_column = OracleNameField(required=False)
    key_columns = ColumnsField(required=False, help_text=_help("key_columns"))
    cluster_columns = ColumnsField(required=False, help_text=_help("cluster_columns"))
    date_columns = ColumnsField(required=False, help_text=_help("date_columns"))
    column_types = TypesField(
        required=False, help_text="BigQuery type per column, one a line: RATE = BIGNUMERIC."
    )
    overlap = SpanField(
        initial=_default("overlap"),
        help_text="How far before the watermark the next window begins, for rows that are "
        "committed late: 1 d. Zero loses them.",
    )
    safety_lag = SpanField(
        initial=_default("safety_lag"),
        help_text="How far behind Oracle's clock a window ends: 2 min.",
    )
    expected_every = SpanField(
        initial=_default("expected_every"),
        help_text="A source without a success for longer than this is late: 1 d.",
    )

    class Meta:
        model = DataSource
        fields = "__all__"

    def add_prefix(self, field_name: str) -> str:
        """Unfold takes any POST with `dataset` for one of its own, and drops it."""
        return super().add_prefix("bigquery_dataset" if field_name == "dataset" else field_name)

    def clean_transform(self) -> str:
        """Only a registered function can be named; what was stored before may stay."""
        name: str = self.cleaned_data["transform"]
        if name and name != self.initial.get("transform"):
            validators.python_name(name)
            _check_registered(name)
        return name


def _check_registered(name: str) -> None:
    try:
        known = [str(item["name"]) for item in etl.ask("transforms")["transforms"]]
    except etl.Refusal as refusal:
        raise ValidationError(
            f"The registered transforms cannot be read: {refusal.message}"
        ) from None
    if name not in known:
        raise ValidationError(
            f"{name} is not registered. Registered: {', '.join(known) or 'none'} "
            "(ETL_TRANSFORMS in .env)."
        )


class RunForm(forms.Form):
    """What to load now."""

    KINDS = (
        ("run", "Run now: what tonight's run would load"),
        ("full", "Full reload: everything from the first load date"),
        ("backfill", "Backfill: one window; the watermark does not move"),
    )
    kind = forms.ChoiceField(
        choices=KINDS, initial="run", label="Load", widget=UnfoldAdminRadioSelectWidget
    )
    lower = forms.CharField(
        label="Backfill from",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-01-01"}),
    )
    upper = forms.CharField(
        label="Backfill to, exclusive",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-02-01"}),
        help_text="In the incremental column's own clock: a date, or 2026-01-31T18:00:00.",
    )

    def clean_lower(self) -> str:
        """ISO form."""
        return _iso(self.cleaned_data["lower"])

    def clean_upper(self) -> str:
        """ISO form."""
        return _iso(self.cleaned_data["upper"])

    def clean(self) -> dict[str, Any]:
        """A backfill needs both bounds, in order; nothing else takes bounds."""
        lower, upper = self.cleaned_data.get("lower"), self.cleaned_data.get("upper")
        if self.cleaned_data.get("kind") != "backfill" or self.errors:
            return self.cleaned_data
        if not lower or not upper:
            raise ValidationError("A backfill needs both: from and to.")
        if lower >= upper:
            raise ValidationError("From must be before to.")
        return self.cleaned_data

    def arguments(self, view: str) -> list[str]:
        """The command line of the chosen load."""
        kind = self.cleaned_data["kind"]
        if kind == "full":
            return ["run", view, "--full"]
        if kind == "backfill":
            bounds = self.cleaned_data
            return ["run", view, f"--from={bounds['lower']}", f"--to={bounds['upper']}"]
        return ["run", view]


def _iso(text: str) -> str:
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValidationError("Write a date, 2026-01-31, or 2026-01-31T18:00:00.") from None
    if moment.tzinfo:
        raise ValidationError("Write it without a zone, in the incremental column's own clock.")
    return moment.isoformat()


class WatermarkForm(forms.Form):
    """Where the next load shall begin."""

    KINDS = (
        ("set", "Set it: the next load begins there"),
        ("reset", "Reset it: the next load is a first load"),
        ("keep", "Keep it for the source as it is configured now"),
    )
    kind = forms.ChoiceField(choices=KINDS, label="Watermark", widget=UnfoldAdminRadioSelectWidget)
    moment = forms.CharField(
        label="Moment",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-01-31T18:00:00"}),
        help_text="Only to set it: in the incremental column's own clock.",
    )

    def clean_moment(self) -> str:
        """ISO form."""
        return _iso(self.cleaned_data["moment"])

    def clean(self) -> dict[str, Any]:
        """Setting needs a moment."""
        if self.cleaned_data.get("kind") == "set" and not self.cleaned_data.get("moment"):
            raise ValidationError("Give the moment to set.")
        return self.cleaned_data

    def arguments(self, view: str) -> list[str]:
        """The command line of the chosen change."""
        if self.cleaned_data["kind"] == "set":
            return ["watermark", view, f"--set={self.cleaned_data['moment']}"]
        return ["watermark", view, f"--{self.cleaned_data['kind']}"]


class PurgeForm(forms.Form):
    """How much history to keep."""

    days = forms.IntegerField(
        label="Delete what is older than (days)",
        min_value=30,
        max_value=36_500,
        initial=365,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="The last success of each source and running loads are kept whatever their age.",
    )


class ImportForm(forms.Form):
    """A configuration file of another server."""

    file = forms.FileField(label="Configuration file (JSON)", widget=UnfoldAdminFileFieldWidget)

    def clean_file(self) -> Any:
        """A size that a configuration can have."""
        file = self.cleaned_data["file"]
        if file.size > MAX_CONFIGURATION_BYTES:
            raise ValidationError("A configuration file is at most 5 MiB.")
        return file
