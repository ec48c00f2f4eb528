"""The error tree: exit codes, transience, and the action that each error tells."""

from __future__ import annotations

import pickle

import pytest

from etl_oracle_to_bq import codes, errors

EXIT_CODES = {
    "EtlError": 1,
    "ConfigError": 2,
    "SourceError": 3,
    "SourceUnavailable": 3,
    "SchemaMismatch": 4,
    "StageError": 5,
    "DestinationError": 6,
    "DestinationUnavailable": 6,
    "CatalogError": 7,
    "Busy": 75,
    "Stopped": 130,
}


@pytest.mark.parametrize(("kind", "exit_code"), EXIT_CODES.items())
def test_each_kind_has_its_exit_code(kind: str, exit_code: int) -> None:
    error = getattr(errors, kind)("what happened", code="nobody-knows-it", view="ERP.V_X")
    assert error.exit_code == exit_code
    assert error.transient == kind.endswith("Unavailable")
    assert (str(error), error.view, error.step, error.run_id) == (
        "what happened",
        "ERP.V_X",
        "",
        "",
    )
    assert error.action == codes.KIND_ACTIONS[kind]


def test_a_registered_code_tells_its_own_action() -> None:
    error = errors.SourceUnavailable("snapshot too old", code="ORA-01555")
    assert "smaller windows" in error.action


def test_a_mismatch_carries_every_difference() -> None:
    error = errors.SchemaMismatch("differ", code="schema-mismatch", differences=["a: 1", "b: 2"])
    assert error.differences == ("a: 1", "b: 2")


def test_an_error_travels_between_processes_as_it_is() -> None:
    error = errors.SchemaMismatch(
        "differ", code="schema-mismatch", differences=["a: 1"], view="ERP.V_X", step="plan"
    )
    error.run_id = "r1"
    error.add_note("where it happened")
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is errors.SchemaMismatch
    assert (str(arrived), vars(arrived)) == (str(error), vars(error))
    assert arrived.__notes__ == ["where it happened"]


def test_the_module_docstring_draws_the_whole_tree() -> None:
    drawn = errors.__doc__ or ""
    for kind, exit_code in EXIT_CODES.items():
        assert kind in drawn
        assert f"exit {exit_code}" in drawn
