"""The registry of codes: complete, consistent with the error tree, and used as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import etl_oracle_to_bq
from etl_oracle_to_bq import codes, errors

PACKAGE = Path(etl_oracle_to_bq.__file__).parent
CLASSES = {
    name: item
    for name, item in vars(errors).items()
    if isinstance(item, type) and issubclass(item, errors.EtlError)
}


def used_codes() -> set[str]:
    """Every literal `code="…"` of the product's source."""
    texts = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    return {code for text in texts for code in re.findall(r'\bcode="([^"]+)"', text)}


@pytest.mark.parametrize("row", codes.CODES.values(), ids=str)
def test_each_row_names_a_kind_and_tells_what_it_means_and_what_to_do(row: codes.Code) -> None:
    assert row.kind in CLASSES
    assert row.transient == CLASSES[row.kind].transient
    assert row.meaning.endswith(".")
    assert len(row.action) > 10 and row.action.endswith((".", ".env"))


def test_no_code_is_registered_twice() -> None:
    text = (PACKAGE / "codes.py").read_text(encoding="utf-8")
    registered = re.findall(r'^ {4,8}\("([\w-]+)",', text, re.MULTILINE)
    assert sorted(registered) == sorted(codes.CODES)


def test_every_code_that_the_product_raises_is_registered() -> None:
    assert used_codes() - set(codes.CODES) == set()


def test_every_kind_has_an_action_for_codes_that_nobody_registered() -> None:
    assert set(codes.KIND_ACTIONS) == set(CLASSES)
    for kind, action in codes.KIND_ACTIONS.items():
        assert codes.action_for("ORA-99999", kind) == action


def test_a_login_that_failed_is_not_worth_another_try() -> None:
    assert set(codes.CODES) >= codes.NEVER_RETRY_LOGIN
    assert not codes.NEVER_RETRY_LOGIN & codes.TRANSIENT_ORACLE


@pytest.mark.parametrize("code", ["ORA-01555", "ORA-03113", "ORA-12514", "DPY-4011", "DPY-6005"])
def test_lost_connections_and_old_snapshots_are_worth_another_try(code: str) -> None:
    assert code in codes.TRANSIENT_ORACLE


@pytest.mark.parametrize("code", ["ORA-00942", "ORA-01722", "ORA-00600", "DPY-3001", "invalid"])
def test_what_somebody_must_mend_is_not(code: str) -> None:
    assert code not in codes.TRANSIENT_ORACLE
