"""The one error tree of the product.

    EtlError                      .code .transient .exit_code .step .view .run_id .action
    │                             itself: a defect, or a process that died              exit 1
    ├─ ConfigError                unknown or invalid view, missing setting               exit 2
    ├─ SourceError                Oracle said no; .code is ORA-nnnnn or DPY-nnnn          exit 3
    │   └─ SourceUnavailable      the same, and worth another try
    ├─ SchemaMismatch             .differences: all of them                              exit 4
    ├─ StageError                 a value the column cannot hold; disk full              exit 5
    ├─ DestinationError           BigQuery said no; .code is BigQuery's reason           exit 6
    │   └─ DestinationUnavailable the same, and worth another try
    ├─ CatalogError               the configuration database cannot be read or written   exit 7
    ├─ Busy                       another live run holds the view                        exit 75
    └─ Stopped                    somebody stopped the run on purpose                    exit 130

A door (extract, stage, load, catalog, notify) translates its library's exceptions into
this tree in one place. `code` is a key of `codes.CODES`, from which `action`, the README's
table and the mails are made; a code that is not in the registry gets its kind's action.

The registry also says which class a code belongs to. An error of another class cannot be made
with it, so that a code means one exit code; doors ask `kind_of` for the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from etl_oracle_to_bq.codes import CODES, action_for


class EtlError(Exception):
    """Something that stopped a run, told so that the reader knows what to do next.

    `message` says what happened and to which view; `code` names it in the registry. `step`,
    `view` and `run_id` are filled in by `run.py` when the door that raised did not know them.
    Raises ValueError when the registry has the code under another class.
    """

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str, view: str = "", step: str = "") -> None:
        super().__init__(message)
        kind = type(self).__name__
        if code in CODES and CODES[code].kind != kind:
            raise ValueError(f"{code} is a {CODES[code].kind} in the registry, not a {kind}")
        self.message = message
        self.code = code
        self.view = view
        self.step = step
        self.run_id = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors travel between the processes of one run; their keyword arguments need help."""
        return _travelled, (type(self), self.message, dict(self.__dict__))

    @property
    def action(self) -> str:
        """One plain-words sentence: what the reader can do next."""
        return action_for(self.code, type(self).__name__)

    def __str__(self) -> str:
        return self.message


def _travelled(kind: type[EtlError], message: str, state: dict[str, Any]) -> EtlError:
    error = kind.__new__(kind, message)
    error.__dict__.update(state)
    return error


class ConfigError(EtlError):
    """The configuration names something that does not exist, or is not allowed."""

    exit_code = 2


class SourceError(EtlError):
    """Oracle refused, and will refuse again until somebody acts."""

    exit_code = 3


class SourceUnavailable(SourceError):
    """Oracle could not be reached or dropped the connection; another try may work."""

    transient = True


class SchemaMismatch(EtlError):
    """The view and its target differ in a way that the schema policy does not allow."""

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        code: str,
        differences: Sequence[str] = (),
        view: str = "",
        step: str = "",
    ) -> None:
        super().__init__(message, code=code, view=view, step=step)
        self.differences = tuple(differences)


class StageError(EtlError):
    """A row could not be staged exactly, or the disk could not take it."""

    exit_code = 5


class DestinationError(EtlError):
    """BigQuery refused, and will refuse again until somebody acts."""

    exit_code = 6


class DestinationUnavailable(DestinationError):
    """BigQuery could not be reached or is overloaded; another try may work."""

    transient = True


class CatalogError(EtlError):
    """The configuration database cannot be read or written."""

    exit_code = 7


class Busy(EtlError):
    """Another live run holds the view."""

    exit_code = 75


class Stopped(EtlError):
    """Somebody stopped the run on purpose: Stop in ETL Transaction, Ctrl-C, or a signal."""

    exit_code = 130


KINDS: dict[str, type[EtlError]] = {
    kind.__name__: kind
    for kind in (
        EtlError,
        ConfigError,
        SourceError,
        SourceUnavailable,
        SchemaMismatch,
        StageError,
        DestinationError,
        DestinationUnavailable,
        CatalogError,
        Busy,
        Stopped,
    )
}
"""Every class of the tree by its name, which is the `kind` of the registry."""


def kind_of(code: str, otherwise: type[EtlError]) -> type[EtlError]:
    """The class that the registry has a code under; `otherwise` for a code it does not have."""
    return KINDS[CODES[code].kind] if code in CODES else otherwise
