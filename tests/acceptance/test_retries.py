"""What is tried again, how often, and what never is: one layer decides."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.serve import Sandbox

VIEW = "V_PROJECT_STATUS"


@pytest.fixture
def patient(new_house: NewHouse) -> House:
    """A house that tries three times, at once."""
    house = new_house(ETL_ATTEMPTS="3")
    house.change(VIEW, write_disposition="replace", date_columns=[])
    return house


def left(erp: Sandbox, fault: str) -> object:
    return erp.faults.as_dict().get(fault, {}).get("times", 0)


def test_connecting_is_tried_once_an_attempt(patient: House, erp: Sandbox, oracle: Oracle) -> None:
    erp.faults.set("refuse_service", times=10)
    patient.fails(VIEW, 3, "ORA-12514")
    assert left(erp, "refuse_service") == 10 - 3
    assert patient.transactions()[-1]["attempt"] == 3
    erp.faults.set("refuse_service", times=2)
    outcome = patient.run_one(VIEW)
    assert [("ORA-12514" in text and "Tried again" in text) for text in outcome["warnings"]] == [
        True,
        True,
    ]
    same(loaded(patient.target(VIEW.lower())), oracle.rows(VIEW))


def test_a_lost_connection_is_tried_again_from_the_beginning(
    patient: House, erp: Sandbox, oracle: Oracle
) -> None:
    erp.faults.set("drop_after_rows", rows=4, match=VIEW, times=2)
    assert patient.run_one(VIEW)["status"] == "succeeded"
    same(loaded(patient.target(VIEW.lower())), oracle.rows(VIEW))
    patient.is_tidy()


@pytest.mark.parametrize(("times", "attempts", "succeeds"), [(1, 2, True), (9, 2, False)])
def test_a_defect_of_the_database_is_tried_once_more(
    patient: House, erp: Sandbox, times: int, attempts: int, succeeds: bool
) -> None:
    erp.faults.set(
        "error_at_row", row=4, code=600, text="internal error code", match=VIEW, times=times
    )
    outcome = patient.run_one(VIEW, exit_code=0 if succeeds else 3)
    assert (outcome["error"] is None) == succeeds
    assert patient.transactions()[-1]["attempt"] == attempts


def test_what_somebody_must_mend_is_tried_once(patient: House, erp: Sandbox) -> None:
    erp.faults.set("error_at_row", row=4, code=1722, text="invalid number", match=VIEW)
    patient.fails(VIEW, 3, "ORA-01722")
    assert patient.transactions()[-1]["attempt"] == 1


def test_a_wrong_password_is_never_tried_twice(patient: House, erp: Sandbox) -> None:
    """Each try would count towards the lock of the account."""
    patient.installation.manage("set_store_password", "Sandbox ERP", text="wrong\n")
    patient.fails(VIEW, 3, "ORA-01017")
    assert patient.transactions()[-1]["attempt"] == 1
