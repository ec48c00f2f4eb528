"""Oracle's datetime format models: their elements, and reading strings by them (TO_DATE)."""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass, field

from tests.sandbox.oracle.engine.zones import zone
from tests.sandbox.oracle.errors import OracleError

MONTHS = [
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
]
DAYS = ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"]
ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
_NAMES = [
    "SYYYY",
    "YYYY",
    "YYY",
    "Y,YYY",
    "YY",
    "SYEAR",
    "YEAR",
    "RRRR",
    "RR",
    "IYYY",
    "IYY",
    "IY",
    "SCC",
    "CC",
    "Y",
    "I",
    "Q",
    "MONTH",
    "MON",
    "MM",
    "RM",
    "MI",
    "IW",
    "WW",
    "W",
    "DDD",
    "DD",
    "DAY",
    "DY",
    "D",
    "J",
    "HH24",
    "HH12",
    "HH",
    "SSSSS",
    "SS",
    "FF1",
    "FF2",
    "FF3",
    "FF4",
    "FF5",
    "FF6",
    "FF7",
    "FF8",
    "FF9",
    "FF",
    "A.M.",
    "P.M.",
    "AM",
    "PM",
    "B.C.",
    "A.D.",
    "BC",
    "AD",
    "TZH",
    "TZM",
    "TZR",
    "TZD",
    "FM",
    "FX",
    "X",
]
_ELEMENT = re.compile(
    r'(?P<quoted>"[^"]*")|(?P<name>'
    + "|".join(re.escape(n) for n in sorted(_NAMES, key=len, reverse=True))
    + r")(?P<th>TH\b)?|(?P<punct>[-/,.;: ]|[^\w\s])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Element:
    """One element: `name` upper-cased ('' for literal text), `text` as written."""

    name: str
    text: str
    fill: bool = True
    suffix: bool = False


@functools.lru_cache(maxsize=500)
def elements(model: str) -> tuple[Element, ...]:
    """The elements of a model. Raises ORA-01821 for one that does not exist."""
    found: list[Element] = []
    at, fill = 0, True
    while at < len(model):
        match = _ELEMENT.match(model, at)
        if match is None:
            raise OracleError(1821, "date format not recognized")
        at = match.end()
        if match.group("quoted") is not None:
            found.append(Element("", match.group("quoted")[1:-1]))
        elif match.group("punct") is not None:
            found.append(Element("", match.group("punct")))
        elif match.group("name").upper() == "FM":
            fill = not fill
        else:
            name = match.group("name")
            found.append(Element(name.upper(), name, fill, match.group("th") is not None))
    return tuple(found)


@dataclass(slots=True)
class _Fields:
    """What a string gave so far."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    day_of_year: int | None = None
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanos: int = 0
    afternoon: bool | None = None
    before_christ: bool = False
    twelve_hours: bool = False
    sign: int = 1
    offset: int | None = None
    region: str | None = None
    julian: int | None = None
    seconds_of_day: int | None = None
    seen: set[str] = field(default_factory=set)


_DIGITS = {
    "YYYY": 4, "SYYYY": 4, "YYY": 3, "YY": 2, "Y": 1, "RR": 2, "RRRR": 4, "MM": 2, "DD": 2,
    "DDD": 3, "HH24": 2, "HH12": 2, "HH": 2, "MI": 2, "SS": 2, "SSSSS": 5, "J": 7, "D": 1,
    "TZH": 2, "TZM": 2,
}  # fmt: skip
_TIME = frozenset({"HH24", "HH12", "HH", "MI", "SS", "SSSSS", "X", "AM", "PM", "A.M.", "P.M."})


@dataclass(frozen=True, slots=True)
class Parsed:
    """Naive local seconds since 1970 and nanoseconds; `offset` in minutes when one was given."""

    seconds: int
    nanos: int
    offset: int | None


def parse_moment(text: str, model: str, today: dt.datetime) -> Parsed:
    """Read `text` by `model` as TO_DATE and TO_TIMESTAMP_TZ do.

    Year and month default to those of `today`, the day to 1. Raises Oracle's errors 01821 to
    01861.
    """
    reader = _Reader(text.strip(" "))
    parts = elements(model)
    for index, element in enumerate(parts):
        if reader.done and _may_end(parts[index:]):
            break
        reader.read(element)
    if not reader.done:
        raise OracleError(1830, "date format picture ends before converting entire input string")
    return _assembled(reader.fields, today)


def _may_end(rest: tuple[Element, ...]) -> bool:
    """The time of day may be left out of the string."""
    return all(e.name == "" or e.name in _TIME or e.name.startswith(("FF", "TZ")) for e in rest)


class _Reader:
    """Walks the string element by element."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.fields = _Fields()

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def read(self, element: Element) -> None:
        """Read one element."""
        name = element.name
        if name == "":
            self._literal(element.text)
        elif name == "FX":
            return
        else:
            self._skip_blanks()
            self._value(name)

    def _skip_blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1

    def _literal(self, text: str) -> None:
        if text.strip() == "":
            self._skip_blanks()
            return
        if len(text) > 1 or text.isalnum():
            if self.text[self.at : self.at + len(text)] != text:
                raise OracleError(1861, "literal does not match format string")
            self.at += len(text)
            return
        self._skip_blanks()
        if self.done:
            raise OracleError(1840, "input value not long enough for date format")
        if not self.text[self.at].isalnum():
            self.at += 1

    def _value(self, name: str) -> None:
        if name == "X":
            if not self.done and self.text[self.at] in ".,":
                self.at += 1
            return
        if self.done:
            raise OracleError(1840, "input value not long enough for date format")
        if name in ("MONTH", "MON"):
            self.fields.month = self._month_name()
        elif name in ("DAY", "DY"):
            self._word(DAYS, 1846, "not a valid day of the week")
        elif name in ("AM", "PM", "A.M.", "P.M."):
            self._meridian()
        elif name in ("BC", "AD", "B.C.", "A.D."):
            self._era()
        elif name.startswith("FF"):
            self._fraction(name)
        elif name == "TZR":
            self._region()
        elif name == "TZD":
            self._letters()
        elif name == "RM":
            word = self._letters()
            if word not in ROMAN:
                raise OracleError(1843, "not a valid month")
            self.fields.month = ROMAN.index(word) + 1
        elif name in _DIGITS:
            self._number(name)
        elif name == "Y,YYY":
            self.fields.year = int(self._digits(5, allow=",").replace(",", ""))
        else:
            raise OracleError(1820, "format code cannot appear in date input format")

    def _letters(self) -> str:
        start = self.at
        while not self.done and self.text[self.at].isalpha():
            self.at += 1
        return self.text[start : self.at].upper()

    def _month_name(self) -> int:
        start = self.at
        word = self._letters()
        for index, month in enumerate(MONTHS):
            if word == month:
                return index + 1
        for index, month in enumerate(MONTHS):
            if word[:3] == month[:3]:
                self.at = start + 3
                return index + 1
        raise OracleError(1843, "not a valid month")

    def _word(self, words: list[str], code: int, message: str) -> None:
        word = self._letters()
        if len(word) < 3 or not any(w.startswith(word) for w in words):
            raise OracleError(code, message)

    def _meridian(self) -> None:
        match = re.compile(r"([AP])\.?M\.?", re.IGNORECASE).match(self.text, self.at)
        if match is None:
            raise OracleError(1855, "AM/A.M. or PM/P.M. required")
        self.fields.afternoon = match.group(1).upper() == "P"
        self.at = match.end()

    def _era(self) -> None:
        match = re.compile(r"(B\.?C|A\.?D)\.?", re.IGNORECASE).match(self.text, self.at)
        if match is None:
            raise OracleError(1856, "BC/B.C. or AD/A.D. required")
        self.fields.before_christ = match.group(1).upper().startswith("B")
        self.at = match.end()

    def _digits(self, most: int, allow: str = "") -> str:
        start = self.at
        while (
            self.at < len(self.text)
            and self.at - start < most
            and (self.text[self.at].isdigit() or self.text[self.at] in (allow or "\0"))
        ):
            self.at += 1
        if self.at == start:
            raise OracleError(
                1858, "a non-numeric character was found where a numeric was expected"
            )
        return self.text[start : self.at]

    def _fraction(self, name: str) -> None:
        digits = self._digits(int(name[2:] or 9))
        self.fields.nanos = int(digits.ljust(9, "0")[:9])

    def _region(self) -> None:
        match = re.compile(r"[-+]?\d{1,2}:\d{2}|[A-Za-z_/+\-0-9]+").match(self.text, self.at)
        if match is None:
            raise OracleError(1882, "timezone region not found")
        self.fields.region = match.group()
        self.at = match.end()

    def _number(self, name: str) -> None:
        fields = self.fields
        if name == "MM" and self.text[self.at].isalpha():
            fields.month = self._month_name()
            return
        if name in ("SYYYY", "TZH", "YYYY") and self.text[self.at] in "+-":
            if name == "YYYY":
                raise OracleError(
                    1841,
                    "(full) year must be between -4713 and +9999, and not be 0",
                )
            sign = -1 if self.text[self.at] == "-" else 1
            self.at += 1
            if name == "TZH":
                fields.sign = sign
            else:
                fields.before_christ = sign < 0
        most = 4 if name == "RR" and self._digit_run() >= 4 else _DIGITS[name]
        digits = self._digits(most)
        self._store(name, int(digits), len(digits))

    def _digit_run(self) -> int:
        match = re.compile(r"\d*").match(self.text, self.at)
        return len(match.group()) if match else 0

    def _store(self, name: str, value: int, digits: int) -> None:
        fields = self.fields
        if name in ("YYYY", "SYYYY", "YYY", "YY", "Y", "RR", "RRRR"):
            fields.year = _full_year(name, value, digits)
        elif name == "MM":
            fields.month = value
        elif name == "DD":
            fields.day = value
        elif name == "DDD":
            fields.day_of_year = value
        elif name in ("HH24", "HH12", "HH"):
            fields.hour = value
            fields.twelve_hours = name != "HH24"
        elif name == "MI":
            fields.minute = value
        elif name == "SS":
            fields.second = value
        elif name == "SSSSS":
            fields.seconds_of_day = value
        elif name == "J":
            fields.julian = value
        elif name == "TZH":
            fields.offset = fields.sign * value * 60
        elif name == "TZM":
            fields.offset = (fields.offset or 0) + fields.sign * value


def _full_year(name: str, value: int, digits: int) -> int:
    if name.startswith("R") and digits <= 2:
        return value + (2000 if value < 50 else 1900)
    if name in ("YYY", "YY", "Y"):
        return 2000 + value
    return value


def _assembled(fields: _Fields, today: dt.datetime) -> Parsed:
    seconds = _days(fields, today) * 86400 + _seconds_of_day(fields)
    offset = fields.offset
    if fields.region is not None:
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
        offset = zone(fields.region).offset_at(moment)
        if zone(fields.region).minutes is None:
            shifted = moment - dt.timedelta(minutes=offset)
            offset = zone(fields.region).offset_at(shifted)
    return Parsed(seconds, fields.nanos, offset)


def _days(fields: _Fields, today: dt.datetime) -> int:
    if fields.julian is not None:
        return fields.julian - 2440588
    year = today.year if fields.year is None else fields.year
    if fields.before_christ:
        year = -year
    if year == 0 or not -4713 < year < 10000:
        raise OracleError(1841, "(full) year must be between -4713 and +9999, and not be 0")
    month = fields.month if fields.month is not None else today.month
    if fields.day_of_year is not None:
        if not 1 <= fields.day_of_year <= (366 if _leap(year) else 365):
            raise OracleError(1848, "day of year must be between 1 and 365 (366 for leap year)")
        return days_from_civil(year, 1, 1) + fields.day_of_year - 1
    day = 1 if fields.day is None else fields.day
    if not 1 <= month <= 12:
        raise OracleError(1843, "not a valid month")
    if not 1 <= day <= 31:
        raise OracleError(1847, "day of month must be between 1 and last day of month")
    if day > (31, 29 if _leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]:
        raise OracleError(1839, "date not valid for month specified")
    return days_from_civil(year, month, day)


def _seconds_of_day(fields: _Fields) -> int:
    if fields.seconds_of_day is not None:
        if fields.seconds_of_day > 86399:
            raise OracleError(1853, "seconds in day must be between 0 and 86399")
        return fields.seconds_of_day
    hour = fields.hour
    if fields.twelve_hours and not 1 <= hour <= 12:
        raise OracleError(1849, "hour must be between 1 and 12")
    if fields.afternoon is not None:
        hour = hour % 12 + (12 if fields.afternoon else 0)
    elif fields.twelve_hours:
        hour %= 12
    if hour > 23:
        raise OracleError(1850, "hour must be between 0 and 23")
    if fields.minute > 59:
        raise OracleError(1851, "minutes must be between 0 and 59")
    if fields.second > 59:
        raise OracleError(1852, "seconds must be between 0 and 59")
    return hour * 3600 + fields.minute * 60 + fields.second


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a proleptic Gregorian date.

    Source: H. Hinnant, chrono-Compatible Low-Level Date Algorithms.
    """
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (
        era * 146097
        + year_of_era * 365
        + year_of_era // 4
        - year_of_era // 100
        + day_of_year
        - 719468
    )
