"""TO_CHAR and TO_DATE as DuckDB SQL, by Oracle's format models."""

from __future__ import annotations

from tests.sandbox.oracle.engine import convert
from tests.sandbox.oracle.engine.convert import Expr, Settings, quote
from tests.sandbox.oracle.engine.date_models import DAYS, MONTHS, ROMAN, Element, elements
from tests.sandbox.oracle.engine.types import Ty, timestamp, timestamp_tz, varchar
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind

# strftime codes for elements that are plain zero-padded numbers.
_STRFTIME = {"MM": "%m", "DD": "%d", "HH24": "%H", "HH12": "%I", "HH": "%I", "MI": "%M", "SS": "%S"}
_STRFTIME |= {"DDD": "%j"}
_NUMBERS = {
    "Q": "quarter({t})",
    "MM": "month({t})",
    "DD": "day({t})",
    "DDD": "dayofyear({t})",
    "D": "(dayofweek({t}) + 1)",
    "HH24": "hour({t})",
    "HH12": "((hour({t}) + 11) % 12 + 1)",
    "HH": "((hour({t}) + 11) % 12 + 1)",
    "MI": "minute({t})",
    "SS": "second({t})",
    "SSSSS": "(hour({t}) * 3600 + minute({t}) * 60 + second({t}))",
    "WW": "((dayofyear({t}) - 1) // 7 + 1)",
    "W": "((day({t}) - 1) // 7 + 1)",
    "IW": "weekofyear({t})",
    "IYYY": "isoyear({t})",
    "IYY": "(isoyear({t}) % 1000)",
    "IY": "(isoyear({t}) % 100)",
    "I": "(isoyear({t}) % 10)",
    "YYYY": "oracle_year({t})",
    "RRRR": "oracle_year({t})",
    "YYY": "(oracle_year({t}) % 1000)",
    "YY": "(oracle_year({t}) % 100)",
    "RR": "(oracle_year({t}) % 100)",
    "Y": "(oracle_year({t}) % 10)",
    "CC": "((oracle_year({t}) + 99) // 100)",
    "J": "(datediff('day', DATE '1970-01-01', CAST({t} AS DATE)) + 2440588)",
}
_YEARS = frozenset({"YYYY", "SYYYY", "YYY", "YY", "Y", "RR", "RRRR", "Y,YYY"})
_MONTHS = frozenset({"MM", "MON", "MONTH", "RM", "DDD"})
_WIDTHS = {
    "Q": 1, "MM": 2, "DD": 2, "DDD": 3, "D": 1, "HH24": 2, "HH12": 2, "HH": 2, "MI": 2, "SS": 2,
    "SSSSS": 5, "WW": 2, "W": 1, "IW": 2, "IYYY": 4, "IYY": 3, "IY": 2, "I": 1, "YYYY": 4,
    "RRRR": 4, "YYY": 3, "YY": 2, "RR": 2, "Y": 1, "CC": 2, "J": 7, "MONTH": 9, "MON": 3,
    "DAY": 9, "DY": 3, "SYYYY": 5, "TZH": 3, "TZM": 2, "TZR": 32, "TZD": 10, "RM": 4, "FF": 9,
    "Y,YYY": 5, "SCC": 3, "YEAR": 40, "SYEAR": 40, "X": 1,
}  # fmt: skip


def moment_to_char(value: Expr, model: str, settings: Settings) -> Expr:
    """TO_CHAR(moment, model). Raises ORA-01821 for elements that the type has not."""
    parts = elements(model)
    local = convert.micros(value, settings)
    pieces: list[str] = []
    strftime = ""
    for element in parts:
        code = _strftime_code(element)
        if code is not None:
            strftime += code
            continue
        if strftime:
            pieces.append(f"strftime({local}, {quote(strftime)})")
            strftime = ""
        pieces.append(_piece(element, value, local, settings))
    if strftime:
        pieces.append(f"strftime({local}, {quote(strftime)})")
    length = sum(_WIDTHS.get(e.name, len(e.text)) + 2 * e.suffix for e in parts)
    body = " || ".join(pieces) if pieces else "NULL"
    return Expr(f"({body})", varchar(length), value.nullable)


def _strftime_code(element: Element) -> str | None:
    if element.name == "":
        return element.text.replace("%", "%%")
    if element.suffix or not element.fill:
        return None
    return _STRFTIME.get(element.name)


def _cased(element: Element, sql: str) -> str:
    """Names follow the case in which the element is written."""
    if element.text[:2].isupper() or (len(element.text) == 1 and element.text.isupper()):
        return sql
    if element.text[0].isupper():
        return f"(left({sql}, 1) || lower(substr({sql}, 2)))"
    return f"lower({sql})"


def _from_list(names: list[str], index: str, width: int, element: Element) -> str:
    padded = [name.ljust(width) if element.fill else name for name in names]
    listed = ", ".join(quote(name) for name in padded)
    return _cased(element, f"([{listed}])[{index}]")


def _piece(element: Element, value: Expr, t: str, settings: Settings) -> str:
    name = element.name
    if name in ("MONTH", "MON"):
        names = [m[:3] for m in MONTHS] if name == "MON" else MONTHS
        return _from_list(names, f"month({t})", 9 if name == "MONTH" else 3, element)
    if name in ("DAY", "DY"):
        names = [d[:3] for d in DAYS] if name == "DY" else DAYS
        return _from_list(names, f"dayofweek({t}) + 1", 9 if name == "DAY" else 3, element)
    if name == "RM":
        return _from_list(ROMAN, f"month({t})", 4, element)
    if name in ("AM", "PM", "A.M.", "P.M."):
        dot = "." if "." in name else ""
        morning, evening = (quote(f"{half}{dot}M{dot}") for half in "AP")
        return _cased(element, f"CASE WHEN hour({t}) < 12 THEN {morning} ELSE {evening} END")
    if name in ("BC", "AD", "B.C.", "A.D."):
        dot = "." if "." in name else ""
        before, after = quote(f"B{dot}C{dot}"), quote(f"A{dot}D{dot}")
        return f"CASE WHEN year({t}) > 0 THEN {after} ELSE {before} END"
    if name == "SYYYY":
        blank = "' '" if element.fill else "''"
        sign = f"CASE WHEN year({t}) > 0 THEN {blank} ELSE '-' END"
        return f"({sign} || lpad(CAST(oracle_year({t}) AS VARCHAR), 4, '0'))"
    if name == "Y,YYY":
        return f"format('{{:,}}', oracle_year({t}))"
    if name.startswith("FF"):
        return _fraction(name, value, t, settings)
    if name.startswith("TZ"):
        return _zone_piece(name, value, t, settings)
    if name == "X":
        return "'.'"
    if name == "FX":
        return "''"
    if name in _NUMBERS:
        return _number_piece(element, t)
    raise OracleError(1821, "date format not recognized")


def _number_piece(element: Element, t: str) -> str:
    text = f"CAST({_NUMBERS[element.name].format(t=t)} AS VARCHAR)"
    if element.fill:
        text = f"lpad({text}, {_WIDTHS[element.name]}, '0')"
    if element.suffix:
        text = f"ordinal({text})"
    return text


def _fraction(name: str, value: Expr, t: str, settings: Settings) -> str:
    if value.ty.kind is Kind.DATE:
        raise OracleError(1821, "date format not recognized")
    scale = 6 if value.ty.scale is None else value.ty.scale
    places = int(name[2:]) if len(name) > 2 else scale
    if places == 0:
        return "''"
    if value.ty.fine or value.ty.kind is Kind.TIMESTAMP_TZ:
        nanos = f"({value.sql}).nanos"
    else:
        nanos = f"(microsecond({t}) % 1000000 * 1000)"
    return f"left(lpad(CAST({nanos} AS VARCHAR), 9, '0'), {places})"


def _zone_piece(name: str, value: Expr, t: str, settings: Settings) -> str:
    if value.ty.kind in (Kind.DATE, Kind.TIMESTAMP):
        raise OracleError(1821, "date format not recognized")
    if value.ty.kind is Kind.TIMESTAMP_LTZ and name in ("TZR", "TZD"):
        return quote(settings.zone.name)
    zoned = convert.zoned(value, settings).sql
    offset = f"({zoned}).offset"
    hours = f"CASE WHEN {offset} < 0 THEN '-' ELSE '+' END || lpad(CAST(abs({offset}) // 60 AS VARCHAR), 2, '0')"
    minutes = f"lpad(CAST(abs({offset}) % 60 AS VARCHAR), 2, '0')"
    if name == "TZH":
        return f"({hours})"
    if name == "TZM":
        return minutes
    return f"({hours} || ':' || {minutes})" if name == "TZR" else "''"


def interval_to_char(value: Expr) -> Expr:
    """An interval as Oracle prints it: `+02 03:04:05.000006` or `+01-02`."""
    precision = max(value.ty.precision or 2, 2)
    if value.ty.kind is Kind.INTERVAL_YM:
        return Expr(f"ym_char({value.sql}, {precision})", varchar(precision + 4), value.nullable)
    scale = 6 if value.ty.scale is None else value.ty.scale
    return Expr(
        f"ds_char({value.sql}, {precision}, {scale})",
        varchar(precision + scale + 12),
        value.nullable,
    )


def to_moment(value: Expr, model: str, ty: Ty, settings: Settings) -> Expr:
    """TO_DATE, TO_TIMESTAMP and TO_TIMESTAMP_TZ: `ty` says which."""
    parts = elements(model)
    if ty.kind is Kind.DATE and any(e.name.startswith(("FF", "TZ")) for e in parts):
        raise OracleError(1821, "date format not recognized")
    string = convert.text(value, settings)
    names = {e.name for e in parts}
    dated = "J" in names or (names & _YEARS and names & _MONTHS)
    today = "CAST(NULL AS TIMESTAMP)" if dated else "$rt_sysdate"
    parsed = f"m_parse({string.sql}, {quote(model)}, {today})"
    if ty.kind is Kind.DATE:
        return Expr(f"m_micros({parsed})", ty, value.nullable)
    naive = Expr(f"m_nanos({parsed})", timestamp(9), value.nullable)
    if ty.kind is Kind.TIMESTAMP:
        return convert.to_moment_type(naive, ty, settings)
    zone = settings.zone.offset(settings.zone.to_utc(f"m_micros({parsed})"))
    zoned = Expr(f"m_zoned({parsed}, {zone})", timestamp_tz(9), value.nullable)
    return convert.to_moment_type(zoned, ty, settings)
