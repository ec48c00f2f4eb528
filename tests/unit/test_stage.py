"""Staging without Oracle: whatever the values, both kinds of part hold exactly the batches."""

from __future__ import annotations

import base64
import math
import struct
import tempfile
from datetime import UTC, datetime
from decimal import Context, Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_oracle_to_bq import stage
from etl_oracle_to_bq.errors import ConfigError, EtlError, SchemaMismatch, StageError
from etl_oracle_to_bq.model import LoadMode, Part
from etl_oracle_to_bq.stage.stager import GROUP_ROWS
from etl_oracle_to_bq.stage.text import as_text
from etl_oracle_to_bq.stage.values import check_values, fit

NOW = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)
NUMERIC = pa.decimal128(38, 9)
BIGNUMERIC = pa.decimal256(76, 38)
SCHEMA = pa.schema(
    [
        ("i", pa.int64()),
        ("n", NUMERIC),
        ("bn", BIGNUMERIC),
        ("f", pa.float64()),
        ("d", pa.date32()),
        ("dt", pa.timestamp("us")),
        ("ts", pa.timestamp("us", "UTC")),
        ("s", pa.large_string()),
        ("b", pa.large_binary()),
        ("yes", pa.bool_()),
    ]
)


def decimals(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**digits - 1
    edges = st.sampled_from([0, 1, -1, 5, 10**scale, most, -most, 10 ** (scale // 3)])
    whole = st.integers(-most, most) | edges
    return whole.map(lambda number: Decimal(number).scaleb(-scale, BIG))


BIG = Context(prec=100)
TEXTS = st.sampled_from(
    [
        "\\N",
        "NULL",
        '"',
        '""',
        "a,b",
        "ก่อน ภาษี ๑๒๓",
        "😀👨‍👩‍👧",
        "\r\n",
        "\n",
        "\r",
        "\t",
        " ",
        "\x00",
        "\x1f",
        "'",
        ";",
        "0E-9",
        "\ufeff",
        "\u2028",
        "\\",
        "=1+1",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
MOMENTS = st.datetimes() | st.sampled_from(
    [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1969, 12, 31, 23, 59)]  # noqa: DTZ001
)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "i": st.integers(-(2**63), 2**63 - 1),
    "n": decimals(38, 9),
    "bn": decimals(76, 38),
    "f": st.floats(),
    "d": st.dates(),
    "dt": MOMENTS,
    "ts": MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)),
    "s": TEXTS,
    "b": st.binary(min_size=1, max_size=12),
    "yes": st.booleans(),
}
ROWS = st.lists(st.fixed_dictionaries({k: st.none() | v for k, v in VALUES.items()}), max_size=12)


def batches_of(rows: list[dict[str, object]], cuts: int) -> list[pa.RecordBatch]:
    """The rows as several slices of one batch, so that offsets are exercised too."""
    whole = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    step = max(1, len(rows) // cuts)
    return [whole.slice(start, step) for start in range(0, max(1, len(rows)), step)]


def staged(
    batches: list[pa.RecordBatch], mode: LoadMode, folder: Path, **named: object
) -> list[Part]:
    stager = stage.Stager(folder, SCHEMA, mode=mode, imported_at=NOW, **named)
    try:
        for batch in batches:
            stager.write(batch)
        return stager.finish()
    finally:
        stager.discard()


def read_csv(path: Path, schema: pa.Schema = SCHEMA) -> pa.Table:
    """A CSV part read as BigQuery reads it: unquoted empty is NULL, bytes are base64.

    Bytes and BIGNUMERIC stay text here, because pyarrow's reader has neither.
    """
    as_text = (pa.large_binary(), BIGNUMERIC)
    types = {f.name: pa.large_string() if f.type in as_text else f.type for f in schema}
    types[stage.IMPORTED_AT] = pa.timestamp("us", "UTC")
    return pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=["true"],
            false_values=["false"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def cell(value: object) -> object:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack(">d", value)
    return value


def cells(table: pa.Table) -> list[dict[str, object]]:
    return [{name: cell(value) for name, value in row.items()} for row in table.to_pylist()]


def expected(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    stamps = pa.array([NOW] * len(rows), pa.timestamp("us", "UTC"))
    return cells(table.append_column(stage.IMPORTED_AT, stamps))


@settings(max_examples=150)
@given(ROWS, st.integers(1, 4))
def test_parquet_and_csv_parts_hold_exactly_the_rows(
    rows: list[dict[str, object]], cuts: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        batches = batches_of(rows, cuts)
        parquet = staged(batches, LoadMode.DATAFRAME, folder)
        csv = staged(batches, LoadMode.CSV, folder)
        if not rows:
            assert parquet == csv == []
            return
        wanted = expected(rows)
        assert cells(pq.read_table(parquet[0].path)) == wanted
        from_csv = cells(read_csv(csv[0].path))
        for row in from_csv:
            row["b"] = None if row["b"] is None else base64.b64decode(row["b"], validate=True)
            row["bn"] = None if row["bn"] is None else Decimal(row["bn"])
        assert from_csv == wanted
        assert parquet[0].rows == csv[0].rows == len(rows)
        assert csv[0].bytes == csv[0].path.stat().st_size


def test_csv_dialect_is_the_one_the_loader_is_told() -> None:
    row = {
        "i": -1, "n": Decimal("-0.050000000"), "bn": Decimal("1E-38"), "f": 0.1,
        "d": datetime(1, 2, 3).date(), "dt": datetime(1, 2, 3, 4, 5, 6), "ts": NOW, "s": 'a"b\n',  # noqa: DTZ001
        "b": b"\xff", "yes": True,
    }  # fmt: skip
    empty = dict.fromkeys(row)
    with tempfile.TemporaryDirectory() as name:
        (part,) = staged(batches_of([row, empty], 1), LoadMode.CSV, Path(name))
        text = part.path.read_bytes().decode("utf-8")
    assert text.split("\n", 1)[0] == '"i","n","bn","f","d","dt","ts","s","b","yes","ImportedAt"'
    stamp = '"2026-11-23 04:05:06.000789Z"'
    assert text.split("\n", 1)[1] == (
        '-1,"-0.05","0.00000000000000000000000000000000000001",0.1,0001-02-03,'
        f'0001-02-03 04:05:06.000000,{stamp},"a""b\n","/w==",true,{stamp}\n'
        f",,,,,,,,,,{stamp}\n"
    )


@given(st.lists(st.none() | decimals(38, 9)))
def test_decimals_are_written_in_full_without_exponent(values: list[Decimal | None]) -> None:
    texts = as_text(pa.array(values, NUMERIC)).to_pylist()
    assert all(text is None or "E" not in text.upper() for text in texts)
    assert [None if text is None else Decimal(text) for text in texts] == values


def test_parts_are_closed_by_size_and_handed_over_as_they_finish(tmp_path: Path) -> None:
    column = pa.array(range(GROUP_ROWS), pa.int64())
    schema = pa.schema([("i", pa.int64())])
    seen: list[Part] = []
    stager = stage.Stager(
        tmp_path, schema, mode=LoadMode.CSV, imported_at=NOW,
        limits=stage.StageLimits(part_bytes=1024), on_part=seen.append,
    )  # fmt: skip
    for _ in range(3):
        stager.write(pa.RecordBatch.from_arrays([column], names=["i"]))
    parts = stager.finish()
    assert seen == parts
    assert [part.number for part in parts] == [1, 2, 3]
    assert [part.rows for part in parts] == [GROUP_ROWS] * 3
    assert [part.path.name for part in parts] == [f"part-0000{n}.csv" for n in (1, 2, 3)]


def test_an_adopted_table_keeps_its_datetime_stamp(tmp_path: Path) -> None:
    row = dict.fromkeys(SCHEMA.names)
    (part,) = staged(batches_of([row], 1), LoadMode.DATAFRAME, tmp_path, imported_at_zoned=False)
    field = pq.read_schema(part.path).field(stage.IMPORTED_AT)
    assert field.type == pa.timestamp("us")
    assert pq.read_table(part.path)[stage.IMPORTED_AT].to_pylist() == [NOW.replace(tzinfo=None)]


def test_a_stamp_without_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time zone"):
        stage.Stager(tmp_path, SCHEMA, mode=LoadMode.CSV, imported_at=NOW.replace(tzinfo=None))


def large_strings(values: list[bytes]) -> pa.Array:
    """Text as the driver's Arrow path delivers it: bytes that nobody has checked."""
    raw = pa.array(values, pa.large_binary())
    return pa.Array.from_buffers(pa.large_string(), len(values), raw.buffers())


@pytest.mark.parametrize("bad", [0, 1, 7, 8])
def test_text_that_is_not_utf8_stops_with_column_and_row(bad: int) -> None:
    values = [b"\xe0\xb8\x81"] * 9
    values[bad] = b"\xa1\xa2"
    batch = pa.RecordBatch.from_arrays([large_strings(values)], names=["name"])
    with pytest.raises(
        StageError, match=f"Column name, row {100 + bad + 1} of the export"
    ) as caught:
        check_values(batch, 100)
    assert caught.value.code == "bad-text"


def test_a_decimal_that_wrapped_around_is_refused() -> None:
    wrapped = pa.Array.from_buffers(
        NUMERIC,
        2,
        [None, pa.py_buffer((5).to_bytes(16, "little") + (10**38).to_bytes(16, "little"))],
    )
    with pytest.raises(StageError, match="row 2 of the export") as caught:
        check_values(pa.RecordBatch.from_arrays([wrapped], names=["amount"]), 0)
    assert caught.value.code == "value-does-not-fit"


def test_a_value_above_100_mb_is_refused() -> None:
    batch = pa.RecordBatch.from_arrays([large_strings([b"a", b"x" * 100_000_001])], names=["doc"])
    with pytest.raises(StageError, match=r"Column doc, row 2 .*100000001 bytes"):
        check_values(batch, 0)


def test_a_number_that_does_not_fit_is_named_not_rounded() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([Decimal("1"), Decimal("1.5")])], names=["N"])
    with pytest.raises(
        StageError, match=r"Column n, row 12 of the export: the value 1\.5"
    ) as caught:
        fit(batch, pa.schema([("n", pa.int64())]), 10)
    assert caught.value.code == "value-does-not-fit"


def test_naive_utc_moments_become_timestamps_unchanged() -> None:
    moment = datetime(2026, 3, 1, 2, 30)  # noqa: DTZ001
    batch = pa.RecordBatch.from_arrays([pa.array([moment], pa.timestamp("us"))], names=["T"])
    fitted = fit(batch, pa.schema([("t", pa.timestamp("us", "UTC"))]), 0)
    assert fitted.to_pylist() == [{"t": moment.replace(tzinfo=UTC)}]


def test_another_number_of_columns_is_a_mismatch() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1])], names=["n"])
    with pytest.raises(SchemaMismatch):
        fit(batch, SCHEMA, 0)


def test_the_limit_on_disk_stops_the_run_and_gives_the_room_back(tmp_path: Path) -> None:
    folder = stage.work_folder(tmp_path, "run1")
    schema = pa.schema([("i", pa.int64())])
    stager = stage.Stager(
        folder, schema, mode=LoadMode.CSV, imported_at=NOW,
        limits=stage.StageLimits(part_bytes=1024, total_bytes=10 * 1024 * 1024),
    )  # fmt: skip
    batch = pa.RecordBatch.from_arrays([pa.array(range(GROUP_ROWS))], names=["i"])
    with pytest.raises(StageError) as caught:
        for _ in range(10):
            stager.write(batch)
        stager.finish()
    assert caught.value.code == "disk-full"
    stager.discard()
    assert not folder.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("mode", list(LoadMode))
def test_a_full_disk_is_told_apart(tmp_path: Path, mode: LoadMode) -> None:
    folder = stage.work_folder(tmp_path, "run1")
    suffix = "csv" if mode is LoadMode.CSV else "parquet"
    (folder / f"part-00001.{suffix}").symlink_to("/dev/full")
    stager = stage.Stager(folder, SCHEMA, mode=mode, imported_at=NOW)
    stager.write(batches_of([dict.fromkeys(SCHEMA.names)], 1)[0])
    with pytest.raises(StageError) as caught:
        stager.finish()
    stager.discard()
    assert caught.value.code == "disk-full"
    assert not folder.exists()


def test_an_error_while_others_wait_reaches_the_caller_and_leaves_no_part(tmp_path: Path) -> None:
    bad = pa.RecordBatch.from_arrays([pa.array(["x"])], names=["i"])
    stager = stage.Stager(
        tmp_path, pa.schema([("i", pa.int64())]), mode=LoadMode.DATAFRAME, imported_at=NOW
    )
    with pytest.raises(StageError):
        for _ in range(1_000):
            stager.write(bad)
        stager.finish()
    stager.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_on_part_raises_reaches_the_caller(tmp_path: Path) -> None:
    def refuse(part: Part) -> None:
        raise EtlError("no", code="unexpected")

    with pytest.raises(EtlError, match="no"):
        staged(batches_of([dict.fromkeys(SCHEMA.names)], 1), LoadMode.CSV, tmp_path, on_part=refuse)


def test_discard_drops_the_unfinished_part_and_keeps_finished_ones(tmp_path: Path) -> None:
    schema = pa.schema([("i", pa.int64())])
    stager = stage.Stager(
        tmp_path, schema, mode=LoadMode.CSV, imported_at=NOW,
        limits=stage.StageLimits(part_bytes=10 * 1024 * 1024),
    )  # fmt: skip
    for _ in range(4):
        stager.write(pa.RecordBatch.from_arrays([pa.array(range(GROUP_ROWS))], names=["i"]))
    while not stager.parts():
        stager.write(pa.RecordBatch.from_arrays([pa.array(range(GROUP_ROWS))], names=["i"]))
    stager.discard()
    assert sorted(tmp_path.iterdir()) == [part.path for part in stager.parts()]


def test_failed_parts_are_kept_and_dead_folders_swept(tmp_path: Path) -> None:
    work, errors = tmp_path / "work", tmp_path / "errors"
    for run in ("a", "b", "c"):
        (stage.work_folder(work, run) / "part-00001.csv").write_text(run, encoding="utf-8")
    kept = stage.keep_failed(work / "a", errors)
    assert kept == errors / "a"
    assert (errors / "a" / "part-00001.csv").read_text(encoding="utf-8") == "a"
    assert stage.sweep(work, lambda: ["b"]) == [work / "c"]
    assert sorted(work.iterdir()) == [work / "b"]
    assert list(stage.work_folder(work, "b").iterdir()) == []
    assert stage.keep_failed(work / "b", errors) is None
    assert stage.sweep(tmp_path / "nowhere", list) == []


def rows_of_three() -> list[pa.RecordBatch]:
    return batches_of(
        [{**dict.fromkeys(SCHEMA.names), "i": n, "s": f"ข้อ {n}"} for n in range(3)], 1
    )


def test_a_transform_sees_an_arrow_backed_frame_and_its_result_is_staged(tmp_path: Path) -> None:
    kinds: dict[str, str] = {}

    def upper(frame):  # type: ignore[no-untyped-def]
        kinds.update({name: str(kind) for name, kind in frame.dtypes.items()})
        return frame.assign(s=frame["s"].str.replace("ข้อ", "NO"))

    (part,) = staged(rows_of_three(), LoadMode.DATAFRAME, tmp_path, transform=upper)
    assert kinds["n"] == "decimal128(38, 9)[pyarrow]"
    assert pq.read_table(part.path)["s"].to_pylist() == ["NO 0", "NO 1", "NO 2"]
    assert pq.read_schema(part.path).field("s").type == pa.large_string()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda frame: frame.drop(columns=["n"]), "transform-mismatch"),
        (lambda frame: frame.assign(extra=1), "transform-mismatch"),
        (lambda frame: frame.assign(i=frame["i"].astype("double[pyarrow]")), "transform-mismatch"),
        (lambda frame: frame[frame["i"] > 0], "counts-disagree"),
        (lambda frame: frame["no such column"], "transform-failed"),
        (lambda frame: None, "transform-failed"),
    ],
)
def test_a_transform_may_not_change_columns_types_or_rows(
    tmp_path: Path, change: stage.Transform, code: str
) -> None:
    with pytest.raises(EtlError) as caught:
        staged(rows_of_three(), LoadMode.DATAFRAME, tmp_path, transform=change)
    assert caught.value.code == code
    assert isinstance(caught.value, SchemaMismatch) == (code == "transform-mismatch")


def test_transforms_come_from_the_named_module_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "good_transforms.py").write_text("TRANSFORMS = {'same': lambda f: f}", "utf-8")
    (tmp_path / "bad_transforms.py").write_text("TRANSFORMS = {'same': 1}", "utf-8")
    (tmp_path / "no_transforms.py").write_text("x = 1", "utf-8")
    (tmp_path / "broken_transforms.py").write_text("def", "utf-8")
    assert set(stage.load_transforms("good_transforms")) == {"same"}
    assert stage.load_transforms("") == {}
    for module in ("bad_transforms", "no_transforms", "broken_transforms", "not_there"):
        with pytest.raises(ConfigError) as caught:
            stage.load_transforms(module)
        assert caught.value.code == "unknown-transform"
