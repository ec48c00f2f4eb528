"""Seeded columns of plausible values, made a whole column at a time.

Everything is drawn from one generator in a fixed order, so that a seed and a size always
give the same table. Arrays come in the representation that `session.Kind` documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CURRENCIES = ("THB", "USD", "EUR", "JPY")
CURRENCY_SHARES = (0.62, 0.2, 0.1, 0.08)
# Baht for one unit: the middle of a year's rates, and their spread.
BAHT = {"THB": (1.0, 0.0), "USD": (35.2, 1.8), "EUR": (38.4, 2.0), "JPY": (0.243, 0.02)}
# Smallest unit of a currency, in hundredths.
MINOR_UNIT = {"THB": 1, "USD": 1, "EUR": 1, "JPY": 100}
RATES_EACH = 400
BUSINESS_SECONDS = (8 * 3600, 19 * 3600)

ENGLISH = (
    "Advance payment", "Progress billing", "Retention released", "Monthly rental",
    "Freight and insurance", "Spare parts, pump station", "Consulting services",
    "Site mobilisation", "Credit note: returned goods", 'Cable tray 4" x 2", galvanised',
    "Training & workshops", "O'Neill & Sons — variation order", "Withholding tax 3%",
    "Café supplies", "Software licence (1 yr)", "Adjustment; see memo",
)  # fmt: skip
THAI = (
    "ค่าบริการที่ปรึกษา", "ค่าเช่าสำนักงานประจำเดือน", "เงินมัดจำค่าก่อสร้าง", "ค่าวัสดุสิ้นเปลือง",
    "ภาษีหัก ณ ที่จ่าย", "ค่าขนส่งสินค้า", "ใบลดหนี้ สินค้าชำรุด", "โครงการรถไฟฟ้าสายสีน้ำเงิน",
    "ค่าล่วงเวลา ๑๒ ชั่วโมง", "งานติดตั้งระบบไฟฟ้า", "น้ำมันเชื้อเพลิง", "ปรับปรุงรายการ",
)  # fmt: skip
# What breaks a naive CSV file, and what breaks a naive reader of Unicode.
AWKWARD = (
    "line one\nline two", "windows\r\nline", 'said "paid" twice', "a,b;c|d", "tab\there",
    "\\N", "NULL", "back\\slash\\", "  leading and trailing  ", "=SUM(A1:A9)", "'", '"', "\n",
    "🚆 ด่วนมาก ✅", "👩🏽‍💻 ราคา ฿1,000", "e\u0301 ≠ é", "\u200bzero width", "ก็้ำ", "-", "0",
)  # fmt: skip
GIVEN = (
    "Somchai",
    "Anong",
    "Kittipong",
    "Maria",
    "John",
    "Yuki",
    "Pierre",
    "Napat",
    "สมหญิง",
    "วิชัย",
)
FAMILY = (
    "Saetang",
    "Wongsuwan",
    "Smith",
    "Tanaka",
    "Müller",
    "Dubois",
    "ใจดี",
    "ทองคำ",
    "Lee",
    "O'Brien",
)
TRADES = (
    "Construction",
    "Engineering",
    "Trading",
    "Logistics",
    "Energy",
    "Foods",
    "Steel",
    "Digital",
)
TRADES_TH = ("ก่อสร้าง", "วิศวกรรม", "การค้า", "ขนส่ง", "พลังงาน", "อาหาร", "เหล็กไทย", "ดิจิทัล")
PLACES = ("Siam", "Bangkok", "Chao Phraya", "Andaman", "Lanna", "Isan", "Pacific", "Mekong")
PLACES_TH = ("สยาม", "กรุงเทพ", "เจ้าพระยา", "อันดามัน", "ล้านนา", "อีสาน", "แปซิฟิก", "แม่โขง")


def decimals(units: np.ndarray, precision: int, scale: int) -> pa.Array:
    """decimal128(precision, scale) from integers that count the last decimal place."""
    words = np.empty((len(units), 2), dtype="<i8")
    words[:, 0] = units
    words[:, 1] = words[:, 0] >> 63
    buffers = [None, pa.py_buffer(words)]
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(units), buffers)


def numbered(prefix: str, ids: np.ndarray) -> pa.Array:
    """Text such as 'RC10001'."""
    return pc.binary_join_element_wise(prefix, pa.array(ids).cast(pa.string()), "")


def clock(seconds: np.ndarray) -> pa.Array:
    """timestamp[s] from seconds since 1970 in the clock of the database server."""
    return pa.array(seconds.astype("datetime64[s]"))


def fraction(seconds: np.ndarray, nanos: np.ndarray) -> pa.Array:
    """TIMESTAMP beyond microseconds: struct<seconds, nanos>."""
    fields = [pa.array(seconds.astype("i8")), pa.array(nanos.astype("i4"))]
    return pa.StructArray.from_arrays(fields, ["seconds", "nanos"])


def zoned(utc_seconds: np.ndarray, nanos: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """TIMESTAMP WITH TIME ZONE: struct<seconds (UTC), nanos, offset (minutes)>."""
    fields = [
        pa.array(utc_seconds.astype("i8")),
        pa.array(nanos.astype("i4")),
        pa.array(offsets.astype("i2")),
    ]
    return pa.StructArray.from_arrays(fields, ["seconds", "nanos", "offset"])


def seconds_of(moment: date | datetime) -> int:
    """Seconds since 1970 of a naive moment, whatever its zone."""
    return int(np.datetime64(moment, "s").astype("i8"))


class Draw:
    """Draws columns of `size` rows; `until` is the last second that any document knows."""

    def __init__(self, seed: Sequence[int], size: int, today: date) -> None:
        self.random = np.random.default_rng(seed)
        self.size = size
        self.since = seconds_of(date(today.year - 4, 1, 1))
        self.until = seconds_of(today) - 1

    def ids(self, first: int) -> np.ndarray:
        """first, first + 1, ..."""
        return np.arange(first, first + self.size, dtype="i8")

    def integers(self, low: int, high: int) -> np.ndarray:
        """Whole numbers from low to high, both included."""
        return self.random.integers(low, high, self.size, dtype="i8", endpoint=True)

    def among(self, choices: Sequence[object], shares: Sequence[float] | None = None) -> pa.Array:
        """One of the choices each; None among them is NULL."""
        return pa.array(list(choices)).take(self.index(len(choices), shares))

    def index(self, count: int, shares: Sequence[float] | None = None) -> pa.Array:
        """Positions in a list of `count`, evenly or by share."""
        if shares is None:
            return pa.array(self.random.integers(0, count, self.size, dtype="i4"))
        bounds = np.cumsum(shares)
        bounds[-1] = 1.0
        picked = np.searchsorted(bounds, self.random.random(self.size), side="right")
        return pa.array(picked.astype("i4"))

    def sparse(self, values: pa.Array, share: float = 0.08) -> pa.Array:
        """The same values with a share of NULLs, and one at least."""
        nulls = self.random.random(self.size) < share
        nulls[self.random.integers(0, self.size)] = True
        return pc.if_else(pa.array(nulls), pa.scalar(None, values.type), values)

    def text(self) -> pa.Array:
        """Descriptions in two languages, some awkward, at most 100 characters and 300 bytes."""
        plain = self.among(ENGLISH + THAI)
        joined = pc.binary_join_element_wise(plain, self.among(ENGLISH + THAI + AWKWARD), " / ")
        return pc.choose(self.index(3, (0.55, 0.35, 0.1)), plain, joined, self.among(AWKWARD))

    def long_text(self) -> pa.Array:
        """Some sentences, up to a few thousand characters."""
        paragraphs = [
            "\n".join((ENGLISH + THAI + AWKWARD)[(i * 7 + k) % 48] for k in range(1 + i * i))
            for i in range(12)
        ]
        return pc.binary_join_element_wise(self.text(), self.among(paragraphs), "\n")

    def people(self) -> pa.Array:
        """Given and family names."""
        return pc.binary_join_element_wise(self.among(GIVEN), self.among(FAMILY), " ")

    def companies(self) -> tuple[pa.Array, pa.Array]:
        """The same companies in English and in Thai."""
        place, trade = self.index(len(PLACES)), self.index(len(TRADES))
        number = pa.array(self.integers(1, 99)).cast(pa.string())
        english = [pa.array(PLACES).take(place), pa.array(TRADES).take(trade), number]
        thai = [pa.array(TRADES_TH).take(trade), pa.array(PLACES_TH).take(place), number]
        return (
            pc.binary_join_element_wise(*english, "Co., Ltd.", " "),
            pc.binary_join_element_wise("บริษัท", *thai, "จำกัด", " "),
        )

    def digits(self, count: int) -> pa.Array:
        """Text of exactly `count` decimal digits, the first not 0."""
        picked = self.random.integers(0, 10, (self.size, count), dtype="u1") + ord("0")
        picked[:, 0] = self.random.integers(ord("1"), ord("9"), self.size, endpoint=True)
        return self._strings(picked, count)

    def _strings(self, characters: np.ndarray, width: int) -> pa.Array:
        offsets = np.arange(0, (self.size + 1) * width, width, dtype="<i4")
        data = pa.py_buffer(np.ascontiguousarray(characters, dtype="u1"))
        return pa.Array.from_buffers(pa.string(), self.size, [None, pa.py_buffer(offsets), data])

    def bytes(self, width: int) -> pa.Array:
        """Random bytes of one width."""
        data = pa.py_buffer(self.random.bytes(self.size * width))
        fixed = pa.Array.from_buffers(pa.binary(width), self.size, [None, data])
        return fixed.cast(pa.binary())

    def pictures(self) -> pa.Array:
        """BLOBs from a few hundred bytes to some kilobytes."""
        pool = [self.random.bytes(200 + 700 * k) for k in range(8)]
        return self.among(pool)

    def documents(self) -> np.ndarray:
        """Midnights of business documents, in seconds; later years hold more of them."""
        span = (self.until - self.since) // 86400
        days = (np.sqrt(self.random.random(self.size)) * (span + 1)).astype("i8")
        return self.since + np.minimum(days, span) * 86400

    def during_the_day(self, midnights: np.ndarray) -> np.ndarray:
        """Those days at some second of office hours."""
        return np.minimum(midnights + self.integers(*BUSINESS_SECONDS), self.until)

    def after(self, moments: np.ndarray, days: float) -> np.ndarray:
        """Moments some `days` later on average, never past yesterday."""
        later = moments + self.random.exponential(days * 86400, self.size).astype("i8")
        return np.minimum(later, self.until)

    def currencies(self) -> np.ndarray:
        """Positions in CURRENCIES."""
        return self.index(len(CURRENCIES), CURRENCY_SHARES).to_numpy()

    def money(self, currency: np.ndarray, negative: float = 0.05) -> np.ndarray:
        """Amounts in hundredths, log-normal, whole units where the currency has no cents."""
        cents = np.exp(self.random.normal(13.2, 2.0, self.size)).clip(1, 9e13).astype("i8")
        unit = np.array([MINOR_UNIT[name] for name in CURRENCIES])[currency]
        cents = np.maximum(cents // unit, 1) * unit
        return np.where(self.random.random(self.size) < negative, -cents, cents)

    def rates(self, currency: np.ndarray) -> tuple[np.ndarray, pa.Array]:
        """Baht for one unit of a currency: as floats to multiply with, and as exact NUMBER text."""
        texts: list[str] = []
        for name in CURRENCIES:
            middle, spread = BAHT[name]
            digits = 12 if name == "JPY" else 4
            for value in self.random.normal(middle, spread / 3, RATES_EACH):
                texts.append(plain_decimal(Decimal(f"{value:.{digits}f}")))
        at = currency * RATES_EACH + self.random.integers(0, RATES_EACH, self.size)
        return np.array(texts, dtype="f8")[at], pa.array(texts).take(pa.array(at))


def plain_decimal(value: Decimal) -> str:
    """The shortest decimal text without an exponent."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def periods(midnights: np.ndarray) -> pa.Array:
    """GL period names such as '2026-03'."""
    months = midnights.astype("datetime64[s]").astype("datetime64[M]")
    return pa.array(np.datetime_as_string(months))
