"""Standard streams that cannot end a program, for every process of the product.

The ETL uses this too, so nothing but the standard library is imported here.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Of a pipe that nobody reads any more. Windows calls that an invalid argument.
READER_GONE = {errno.EPIPE, errno.EINVAL} if os.name == "nt" else {errno.EPIPE}


class _Output(io.RawIOBase):
    """Where a stream writes to. An error is kept, not raised: what was done stays done."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return bool(self._raw.isatty())

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def write(self, data: ReadableBuffer, /) -> int:
        """How many bytes were taken; all of them when they cannot be written."""
        try:
            written: int | None = self._raw.write(data)
            if written is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        except OSError as error:
            if error.errno not in READER_GONE:
                self.error = error
            return memoryview(data).nbytes
        return written


def make_safe() -> None:
    """Replace the standard streams by such that never raise.

    What the code page of a console lacks is written as an escape; a full disk and a reader
    that went away are survived; a stream that is not there (a service, pythonw) takes all.
    """
    # In this order, so that on Linux each takes the lowest free number: its own. A file of a
    # load that got number 2 would be written to by whatever a library says.
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _nothing("r" if name == "stdin" else "w"))
        elif name != "stdin" and type(stream) is io.TextIOWrapper:
            # Any other type is not Python's own but of a program around this one.
            setattr(sys, name, _safe(stream))


def report_loss() -> bool:
    """Say on standard error that a part of standard output could not be written, if so.

    A reader that went away has seen what it wanted: that is no loss.
    """
    output = _raw(sys.stdout)
    sys.stdout.flush()
    if not isinstance(output, _Output) or output.error is None:
        return False
    reason = output.error.strerror
    sys.stderr.write(f"Standard output is not complete, it could not be written: {reason}.\n")
    return True


def typed(text: str) -> str:
    """An argument or an input line as it was typed, where the locale knows ASCII only.

    Raises UnicodeError when it is neither in the locale's encoding nor in UTF-8.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(text).decode("utf-8")
    return text


def _nothing(mode: str) -> IO[Any]:
    return Path(os.devnull).open(mode, encoding="utf-8", errors="backslashreplace")


def _raw(stream: TextIO) -> Any:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def _safe(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    output = _Output(_raw(stream))
    buffer: Any = output
    # `python -u` has no buffer.
    if isinstance(stream.buffer, io.BufferedWriter):
        buffer = io.BufferedWriter(output)
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
