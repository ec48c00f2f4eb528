"""The control channel of a running sandbox: JSON over HTTP on the loopback.

    POST http://127.0.0.1:PORT/TOKEN/COMMAND   {"argument": value, ...}  ->  200 and JSON
    a wrong argument                                                      ->  400 {"error": ...}

The token in the path keeps other users of the machine out; it is in SANDBOX_CONTROL.
"""

from __future__ import annotations

import http.client
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.waiting import HANG_SECONDS

Command = Callable[..., object]


class ControlFailed(RuntimeError):
    """The sandbox refused a command; the message says why."""


class ControlServer:
    """Offers named commands, each called with the request's JSON object as its arguments."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._path = f"/{secrets.token_urlsafe(16)}/"
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.commands = {self._path + name: call for name, call in commands.items()}
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What SANDBOX_CONTROL holds."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._path.rstrip('/')}"

    def start(self) -> None:
        """Serve in a thread."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox-control", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; harmless when it never started."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    commands: Mapping[str, Command]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        command = self.server.commands.get(self.path)
        if command is None:
            self._answer(404, {"error": "no such command"})
            return
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._answer(200, command(**json.loads(body or b"{}")))
        except (TypeError, ValueError) as error:
            self._answer(400, {"error": str(error)})
        # The caller is told, whatever went wrong; the sandbox goes on.
        except Exception as error:
            self._answer(500, {"error": f"{type(error).__name__}: {error}"})

    def _answer(self, status: int, payload: object) -> None:
        body = json.dumps(payload, ensure_ascii=False, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the path holds the token."""


def call(url: str, command: str, arguments: Mapping[str, object]) -> object:
    """Send one command to a running sandbox and return its answer.

    Raises ControlFailed when the sandbox refuses it or does not answer.
    """
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=HANG_SECONDS)
    try:
        connection.request("POST", f"{address.path}/{command}", json.dumps(dict(arguments)))
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ControlFailed(f"no sandbox answers at {address.netloc}: {error}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise ControlFailed(answer["error"])
    return answer
