"""How numbers, spans and moments are written on the pages."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone

register = template.Library()

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


@register.filter
def count(value: float | None) -> str:
    """`1,234,567`, or a dash while unknown."""
    return "–" if value is None else f"{value:,.0f}"


@register.filter
def span(value: timedelta | float | None) -> str:
    """Seconds or a timedelta, in its two largest units: `2 d 3 h`, `4 min 5 s`, `0.8 s`."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    for position, (size, unit) in enumerate(_STEPS):
        if seconds >= size:
            whole, rest = divmod(int(seconds), size)
            below, name = (*_STEPS, (1, "s"))[position + 1]
            return f"{whole} {unit} {rest // below} {name}" if rest // below else f"{whole} {unit}"
    raise AssertionError("sixty seconds are a minute")


@register.filter
def size(value: int | None) -> str:
    """Bytes in a unit that people read, or a dash while unknown."""
    if value is None:
        return "–"
    amount, unit = float(value), 0
    while amount >= 1024 and unit < len(_BYTES) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:,.0f} {_BYTES[unit]}" if unit == 0 else f"{amount:,.1f} {_BYTES[unit]}"


@register.filter
def moment(value: datetime | None) -> str:
    """An aware moment in the site's zone, to the second, without the zone's name."""
    return "–" if value is None else timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")


@register.filter
def clock(value: str) -> str:
    """A stored naive moment (a watermark, a bound), to the second; its zone is Oracle's."""
    return value.replace("T", " ").partition(".")[0] if value else "–"


@register.filter
def share(value: float, whole: float) -> str:
    """`value` as a CSS percentage of `whole`."""
    return f"{100 * value / whole:.2f}%" if whole else "0%"
