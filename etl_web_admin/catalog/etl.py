"""The door to the ETL: its command line as a process of its own, never its code.

`ask` waits for a short question and returns its JSON; `launch` starts a load that outlives
the web request. Arguments are a list (no shell), names are validated before they get here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from etl_web_admin.catalog.models import DataSource

ASK_SECONDS = 90
# Half of the threads of `serve`: a silent Oracle must not take the whole site.
AT_ONCE = threading.BoundedSemaphore(4)
WAIT_SECONDS = 5


class Refusal(Exception):
    """The command line said no: its error, in plain words."""

    def __init__(
        self, code: str, message: str, action: str = "", differences: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.action = action
        self.differences = tuple(differences)


@dataclass(frozen=True, slots=True)
class Started:
    """A load that was started: its process, and the file that its output goes to."""

    process: subprocess.Popen[bytes]
    output: Path


def ask(*arguments: str, seconds: int = ASK_SECONDS) -> dict[str, Any]:
    """The JSON answer of one short command; raises Refusal."""
    if not AT_ONCE.acquire(timeout=WAIT_SECONDS):
        raise Refusal("busy", "Too many questions are open.", "Try again in a moment.")
    try:
        return _asked(arguments, seconds)
    finally:
        AT_ONCE.release()


def named(source: DataSource) -> str:
    """How the command line knows the source, whatever other stores have a view of this name."""
    return f"{source.store.name}:{source.view}"


def _asked(arguments: Sequence[str], seconds: int) -> dict[str, Any]:
    try:
        done = subprocess.run(
            _command(*arguments, "--json"),
            cwd=settings.CHECKOUT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            env=_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refusal(
            "answer-late",
            f"There was no answer within {seconds} seconds.",
            "Check host, port and firewall of the data store, then try again.",
        ) from None
    except OSError as error:
        raise Refusal("not-started", f"The command line could not be started: {error}") from None
    return _answer(done.stdout, done.returncode)


def launch(user: str, *arguments: str) -> Started:
    """Start a load as a process that lives on when the site stops. Raises Refusal.

    `user` is who asked for it; the run's row in ETL Transaction shows the name.
    """
    folder = settings.DATA_FOLDER / "log"
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    output = folder / f"etl-site-{stamp}-{uuid.uuid4().hex[:8]}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with output.open("wb") as file:
            process = subprocess.Popen(
                _command(*arguments, "--json"),
                cwd=settings.CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=_environment() | {"ETL_STARTED_BY": user},
                **_detached(),
            )
    except OSError as error:
        raise Refusal("not-started", f"The load could not be started: {error}") from None
    # Somebody must wait for the child, or it stays a zombie for as long as the site runs.
    threading.Thread(target=process.wait, daemon=True).start()
    return Started(process, output)


def failure_of(started: Started) -> Refusal:
    """What a load that has already ended said; it goes to the person who started it."""
    code = started.process.returncode
    try:
        _answer(started.output.read_bytes(), code)
    except Refusal as refusal:
        return refusal
    return Refusal("ended", f"The load ended at once with exit code {code}.")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "etl_oracle_to_bq", *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}


def _detached() -> dict[str, Any]:
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        return {"creationflags": flags}
    return {"start_new_session": True}


def _answer(stdout: bytes, code: int) -> dict[str, Any]:
    answer = _last_object(stdout.decode("utf-8", errors="replace"))
    if answer is None:
        raise Refusal("no-answer", f"The command line ended with exit code {code} and no answer.")
    error = _error_in(answer)
    if error is not None:
        raise Refusal(
            str(error.get("code", "")),
            str(error.get("message", "")),
            str(error.get("action", "")),
            [str(difference) for difference in error.get("differences") or []],
        )
    if code != 0:
        raise Refusal("failed", f"The command line ended with exit code {code}.")
    return answer


def _error_in(answer: dict[str, Any]) -> dict[str, Any] | None:
    """The error of the whole command, or the first of one of its views."""
    views = [*(answer.get("plans") or []), *(answer.get("runs") or [])]
    errors = [each.get("error") for each in (answer, *views) if isinstance(each, dict)]
    return next((error for error in errors if isinstance(error, dict)), None)


def _last_object(text: str) -> dict[str, Any] | None:
    """The JSON object in the output, which log lines may precede."""
    candidates = [text, *reversed(text.splitlines())]
    for candidate in candidates:
        if candidate.strip().startswith("{"):
            try:
                value = json.loads(candidate)
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
    return None
