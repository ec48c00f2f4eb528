"""The registry of codes: complete, consistent with the error tree, and used as it says."""

from __future__ import annotations

import ast
import re
import ssl
from pathlib import Path

import oracledb
import pytest
from google.api_core import exceptions as api

import etl_oracle_to_bq
import etl_web_admin
from etl_oracle_to_bq import codes, errors
from etl_oracle_to_bq.extract.failures import translate
from etl_oracle_to_bq.load.failures import error_for, job_failure
from etl_web_admin.catalog.models.history import STOPPED
from tests.unit.raised_codes import Made, Product

PACKAGE = Path(etl_oracle_to_bq.__file__).parent
SITE = Path(etl_web_admin.__file__).parent
README = PACKAGE.parent / "README.md"
CLASSES = {
    name: item
    for name, item in vars(errors).items()
    if isinstance(item, type) and issubclass(item, errors.EtlError)
}
MADE = list(Product(PACKAGE, SITE).made())
OF_ORACLE = [row for row in codes.CODES.values() if re.match(r"(ORA|DPY|DPI)-", row.code)]
OF_BIGQUERY = [
    row
    for row in codes.CODES.values()
    if row.kind.startswith("Destination") and row.code not in codes.OWN
]


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


def agrees(made: Made) -> bool:
    """The registry has the code, and under the class that it is raised with."""
    if made.code == f"<{made.kind}>":
        return True
    return made.code in codes.CODES and codes.CODES[made.code].kind == made.kind


def test_every_error_is_made_with_a_registered_code_of_its_own_class() -> None:
    assert len(MADE) > 80
    assert [made for made in MADE if not agrees(made)] == []


def test_every_text_that_names_a_class_and_a_code_agrees() -> None:
    """As docstrings do: "Raises ConfigError `unknown-view` or `ambiguous-view`"."""
    named = re.compile(rf"\b({'|'.join(CLASSES)})((?:(?:,| or|, or| and)?\s+`[\w-]+`)+)")
    texts = [path.read_text(encoding="utf-8") for path in (*PACKAGE.rglob("*.py"), README)]
    pairs = {
        (kind, code)
        for text in texts
        for kind, quoted in named.findall(text)
        for code in re.findall(r"`([\w-]+)`", quoted)
    }
    assert len(pairs) > 30
    assert {pair for pair in pairs if codes.CODES[pair[1]].kind != pair[0]} == set()


def test_refusals_of_the_site_itself_have_codes_of_their_own() -> None:
    """Its pages show them where the codes of the registry stand, too."""
    calls = (
        node
        for path in SITE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal" and node.args
    )
    own = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert {"busy", "no-answer"} <= own
    assert own & set(codes.CODES) == set()


def test_the_site_knows_the_code_of_a_stop() -> None:
    assert codes.CODES[STOPPED].kind == "Stopped"


def test_every_code_of_our_own_is_raised_somewhere() -> None:
    assert codes.OWN - {made.code for made in MADE} == set()


def test_a_class_that_contradicts_the_registry_is_found_wherever_the_code_comes_from(
    tmp_path: Path,
) -> None:
    (tmp_path / "contradicting.py").write_text(
        "NAME = 'bad-text'\n"
        "def direct(): raise errors.ConfigError('', code='bad-dates')\n"
        "def chosen(x): raise ConfigError('', code='null-keys' if x else 'unknown-view')\n"
        "def variable():\n    code = 'disk-full'\n    raise ConfigError('', code=code)\n"
        "def constant(): raise ConfigError('', code=NAME)\n"
        "def helper(text, code): raise ConfigError(text, code=code)\n"
        "def caller(): helper('', 'disk-error')\n"
        "def other_caller(): helper('', code='lease-held')\n"
        "def problem(): raise_problems([Problem('slice-died', '')])\n"
        "def raise_problems(problems): raise ConfigError('', code=problems[0].code)\n"
        "def passed_on():\n    try: f()\n    except Busy as error:\n"
        "        raise ConfigError('', code=error.code)\n"
        "def sent_by_a_library(error): raise ConfigError('', code=error.code)\n",
        encoding="utf-8",
    )
    found = {made.code for made in Product(tmp_path).made() if not agrees(made)}
    assert found == {
        *("bad-dates", "null-keys", "disk-full", "bad-text", "disk-error", "lease-held"),
        *("slice-died", "<Busy>", ""),
    }


@pytest.mark.parametrize("row", codes.CODES.values(), ids=lambda row: row.code)
def test_no_error_can_be_made_with_the_code_of_another_class(row: codes.Code) -> None:
    for name, kind in CLASSES.items():
        if name == row.kind:
            assert kind("what happened", code=row.code).code == row.code
        else:
            with pytest.raises(ValueError, match=f"{row.code} is a {row.kind} in the registry"):
                kind("what happened", code=row.code)


def test_the_classes_are_known_by_their_names() -> None:
    assert errors.KINDS == CLASSES


class Told(str):
    """What the driver puts into its exceptions."""

    isrecoverable = False

    @property
    def full_code(self) -> str:
        return self.partition(":")[0]


class ToldAsRecoverable(Told):
    isrecoverable = True


@pytest.mark.parametrize("told", [Told, ToldAsRecoverable])
@pytest.mark.parametrize("row", OF_ORACLE, ids=lambda row: row.code)
def test_the_door_to_oracle_raises_what_the_registry_says(
    row: codes.Code, told: type[Told]
) -> None:
    error = translate(oracledb.DatabaseError(told(f"{row.code}: words")), "reading")
    assert (type(error).__name__, error.code) == (row.kind, row.code)


def test_a_certificate_that_is_not_trusted_has_a_code_of_the_registry() -> None:
    error = translate(ssl.SSLCertVerificationError("words"), "connecting")
    assert type(error).__name__ == codes.CODES[error.code].kind


@pytest.mark.parametrize("row", OF_BIGQUERY, ids=lambda row: row.code)
def test_the_door_to_bigquery_raises_what_the_registry_says(row: codes.Code) -> None:
    told = {"reason": row.code, "message": "words"}
    answers = [
        api.from_http_status(status, "words", errors=[told])  # type: ignore[no-untyped-call]
        for status in (400, 403, 404, 409, 429, 500, 503)
    ]
    found = [job_failure(told, "loading"), *(error_for(answer, "loading") for answer in answers)]
    found += [
        error_for(api.RetryError("late", answer), "loading")  # type: ignore[no-untyped-call]
        for answer in answers
    ]
    assert {(type(error).__name__, error.code) for error in found} == {(row.kind, row.code)}


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"reason": "stopped", "message": "Job execution was cancelled"}, "jobCancelled"),
        (
            {"reason": "invalidQuery", "message": "Could not serialize access to table"},
            "concurrentUpdate",
        ),
        ({"reason": "neverHeardOf", "message": "words"}, "neverHeardOf"),
        ({}, "unknown"),
    ],
)
def test_what_bigquery_says_of_a_job_gets_a_code_that_means_this_alone(
    told: dict[str, str], code: str
) -> None:
    error = job_failure(told, "loading")
    assert error.code == code
    assert error.exit_code == errors.DestinationError.exit_code


def test_every_kind_has_an_action_for_codes_that_nobody_registered() -> None:
    assert set(codes.KIND_ACTIONS) == set(CLASSES)
    for kind, action in codes.KIND_ACTIONS.items():
        assert codes.action_for("ORA-99999", kind) == action


def test_a_login_that_failed_is_not_worth_another_try() -> None:
    assert not any(codes.CODES[code].transient for code in codes.NEVER_RETRY_LOGIN)


@pytest.mark.parametrize("code", ["ORA-01555", "ORA-03113", "ORA-12514", "DPY-4011", "DPY-6005"])
def test_lost_connections_and_old_snapshots_are_worth_another_try(code: str) -> None:
    assert codes.CODES[code].transient


@pytest.mark.parametrize("code", ["ORA-00942", "ORA-01722", "ORA-00600", "DPY-3001", "invalid"])
def test_what_somebody_must_mend_is_not(code: str) -> None:
    assert not codes.CODES[code].transient
