"""Form fields for lists of columns, types per column, and spans of time."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_duration
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_WORD = re.compile(r"(\d{1,6}) *(d|h|min|s)(?![a-z])", re.ASCII)


class OracleNameField(forms.CharField):
    """An Oracle name, typed in any case, kept as Oracle stores it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget)
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> str:
        """Upper case."""
        return (super().to_python(value) or "").upper()


class ColumnsField(OracleNameField):
    """A list of Oracle names, written with commas between."""

    def prepare_value(self, value: Any) -> Any:
        """The list as text."""
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """The text as a list, in its order."""
        if isinstance(value, list):
            return value
        return [name for name in re.split(r"[\s,]+", super().to_python(value)) if name]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare lists, not their spelling."""
        return bool(self.to_python(initial or []) != self.to_python(data))


class TypesField(forms.CharField):
    """BigQuery types per column: one `COLUMN = TYPE` a line."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": 3}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        """The mapping as lines."""
        if isinstance(value, dict):
            return "\n".join(f"{name} = {kind}" for name, kind in value.items())
        return value

    def to_python(self, value: Any) -> Any:
        """The lines as a mapping; raises ValidationError for a line without `=`."""
        if isinstance(value, dict):
            return value
        types: dict[str, str] = {}
        for line in (super().to_python(value) or "").splitlines():
            name, equals, kind = line.partition("=")
            if not line.strip():
                continue
            if not equals:
                raise ValidationError(f"{line.strip()!r} is not COLUMN = TYPE.")
            types[name.strip().upper()] = kind.strip().upper()
        return types

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare mappings, not their spelling."""
        try:
            return bool(self.to_python(initial or {}) != self.to_python(data))
        except ValidationError:
            return True


class SpanField(forms.DurationField):
    """A span of time as people write it: `15 min`, `1 d 6 h`; `HH:MM:SS` is taken too."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget)
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        """The span in words, in every unit that it has."""
        return span_text(value) if isinstance(value, timedelta) else value

    def to_python(self, value: Any) -> timedelta | None:
        """The words as a span; raises ValidationError."""
        if value in self.empty_values or isinstance(value, timedelta):
            return value if isinstance(value, timedelta) else None
        text = str(value).strip().lower()
        try:
            parsed = _parsed(text)
        except OverflowError:
            raise ValidationError("This is longer than any span of time.") from None
        if parsed is None:
            raise ValidationError("Write a span such as 15 min, 2 h, 1 d 6 h or 00:15:00.")
        return parsed


def _parsed(text: str) -> timedelta | None:
    words = _WORD.findall(text)
    if words and not _WORD.sub("", text).strip():
        return sum((int(number) * _UNITS[unit] for number, unit in words), timedelta(0))
    return parse_duration(text) if ":" in text else None


def span_text(value: timedelta) -> str:
    """`1 d 6 h`, exact to the second; finer or negative spans in Django's own form."""
    if value < timedelta(0) or value.microseconds:
        return str(value)
    words, rest = [], value
    for unit, length in _UNITS.items():
        number, rest = divmod(rest, length)
        if number:
            words.append(f"{number} {unit}")
    return " ".join(words) or "0 s"
