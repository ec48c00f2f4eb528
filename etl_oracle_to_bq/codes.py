"""The registry of error codes: for each its kind, and one plain-words action.

(Filled in by the errors work; README's table, the mails and the admin site are made from it.)
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One row of the registry; `kind` is the name of a class of `errors`."""

    code: str
    kind: str
    meaning: str
    action: str


CODES: dict[str, Code] = {}


def action_for(code: str, kind: str) -> str:
    """The action registered for `code`, else the one of its kind."""
    return CODES[code].action if code in CODES else kind
