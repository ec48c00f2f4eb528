"""Oracle's errors as the stand-in raises them: a number, Oracle's own text, an offset."""

from __future__ import annotations


class OracleError(Exception):
    """An error that the client sees as `ORA-nnnnn: text`.

    `offset` is the 0-based character position in the SQL text, 0 when unknown.
    """

    def __init__(self, code: int, text: str, offset: int = 0) -> None:
        super().__init__(f"ORA-{code:05d}: {text}")
        self.code = code
        self.text = text
        self.offset = offset

    @property
    def message(self) -> str:
        """The text as the server sends it."""
        return f"ORA-{self.code:05d}: {self.text}\n"
