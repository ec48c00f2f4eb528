"""An HTTP proxy in front of BigQuery that does what networks do: lose, delay, refuse, cut.

    proxy = FaultProxy(emulator.host)
    proxy.start()
    proxy.rules.append(Rule(Fault.DROP_ANSWER, method="POST", path="/upload/", nth=2))

A rule looks at every request that fits `method`, `path` and `body`, and acts on the `nth` of
them and the `times - 1` after it. The first rule that acts wins. What passed is in `log`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.waiting import HANG_SECONDS

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Fault(Enum):
    """What happens to a request."""

    PASS = auto()
    """Nothing: the rule is there for its hooks."""
    DROP_REQUEST = auto()
    """The connection closes before the service sees the request."""
    DROP_ANSWER = auto()
    """The service does it, and the connection closes before the answer."""
    ANSWER = auto()
    """The proxy answers with `status` and `reason`; the service sees nothing."""
    STALL = auto()
    """Nothing happens for `seconds`; then the request passes."""
    RESET_UPLOAD = auto()
    """The connection is reset after half of the request's body."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as the proxy saw it; `status` is None when no answer was sent."""

    method: str
    path: str
    body: bytes = field(repr=False)
    status: int | None
    fault: Fault


@dataclass
class Rule:
    """When to do what. Empty texts fit everything; `times` 0 means for ever.

    `before` is called before the request is forwarded, `after` when the service has answered
    and the client has not been told: the places to kill a process at. Both get the request's
    path.
    """

    fault: Fault
    method: str = ""
    path: str = ""
    body: str = ""
    nth: int = 1
    times: int = 1
    status: int = 503
    reason: str = "backendError"
    seconds: float = 0.0
    before: Callable[[str], None] | None = None
    after: Callable[[str], None] | None = None
    seen: int = 0
    fired: int = 0

    def takes(self, method: str, path: str, body: bytes) -> bool:
        """Count the request; True when this is one to act on."""
        if self.method not in ("", method) or self.path not in path:
            return False
        if self.body.encode() not in body:
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times and self.seen >= self.nth + self.times):
            return False
        self.fired += 1
        return True


class FaultProxy:
    """A proxy on a free loopback port, in threads of this process."""

    def __init__(self, upstream_host: str) -> None:
        self._upstream = urlsplit(upstream_host)
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.stopping = threading.Event()
        self.rules: list[Rule] = []
        self.log: list[Exchange] = []

    @property
    def host(self) -> str:
        """`http://127.0.0.1:PORT`."""
        if self._server is None:
            raise RuntimeError("the proxy was not started")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Listen; returns at once."""
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and end stalls. Does nothing when it is not running."""
        server, self._server = self._server, None
        self.stopping.set()
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> FaultProxy:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def requests(self, method: str = "", path: str = "") -> list[Exchange]:
        """What was logged for a method and a part of the path."""
        with self._lock:
            return [e for e in self.log if method in ("", e.method) and path in e.path]

    def rule_for(self, method: str, path: str, body: bytes) -> Rule:
        """The rule that acts on this request; one that lets it pass when none does."""
        with self._lock:
            acting = [rule for rule in self.rules if rule.takes(method, path, body)]
        return acting[0] if acting else Rule(Fault.PASS)

    def record(self, exchange: Exchange) -> None:
        """Add to the log."""
        with self._lock:
            self.log.append(exchange)

    def connect(self) -> http.client.HTTPConnection:
        """A new connection to the service."""
        https = self._upstream.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        return kind(self._upstream.netloc, timeout=HANG_SECONDS)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Broken connections are this server's business, not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        proxy = self.server.proxy
        body = self._read_body()
        rule = proxy.rule_for(self.command, self.path, body)
        if rule.before is not None:
            rule.before(self.path)
        answer = self._answer_to(rule, body)
        status = answer[0] if answer is not None else None
        # Logged first: who has the answer may already look for it in the log.
        proxy.record(Exchange(self.command, self.path, body, status, rule.fault))
        if answer is None:
            self._hang_up(reset=rule.fault is Fault.RESET_UPLOAD)
        else:
            self._send(*answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: `FaultProxy.log` is the log."""

    def _answer_to(self, rule: Rule, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        """Status, headers and content; None when there shall be no answer."""
        if rule.fault is Fault.ANSWER:
            return rule.status, {"Content-Type": "application/json"}, _error_body(rule)
        if rule.fault in (Fault.DROP_REQUEST, Fault.RESET_UPLOAD):
            return None
        if rule.fault is Fault.STALL:
            self.server.proxy.stopping.wait(rule.seconds)
        answer = self._forward(body)
        if rule.after is not None:
            rule.after(self.path)
        return None if rule.fault is Fault.DROP_ANSWER else answer

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if length and self._resets_upload():
            return self.rfile.read(length // 2)
        return self.rfile.read(length)

    def _resets_upload(self) -> bool:
        # The body is not there yet, so that only rules without `body` can cut it in the middle.
        return any(
            rule.fault is Fault.RESET_UPLOAD
            and rule.method in ("", self.command)
            and rule.path in self.path
            and not rule.body
            and rule.seen + 1 >= rule.nth
            and (not rule.times or rule.seen + 1 < rule.nth + rule.times)
            for rule in self.server.proxy.rules
        )

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        headers["Content-Length"] = str(len(body))
        connection = self.server.proxy.connect()
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP}
        return answer.status, kept, content

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != http.client.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            # Linger on, for zero seconds: closing sends RST instead of FIN.
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        with contextlib.suppress(OSError):
            self.connection.close()


def _error_body(rule: Rule) -> bytes:
    message = f"injected by the sandbox: {rule.reason}"
    error = {
        "code": rule.status,
        "message": message,
        "errors": [{"reason": rule.reason, "message": message, "domain": "global"}],
    }
    return json.dumps({"error": error}).encode()
