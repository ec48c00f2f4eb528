"""The fault proxy, before a small server that remembers what reached it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.sandbox.bigquery.proxy import Fault, FaultProxy, Rule
from tests.waiting import HANG_SECONDS


class Upstream(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.reached: list[tuple[str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.reached.append((self.command, self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    with FaultProxy(f"http://127.0.0.1:{upstream.server_address[1]}") as running:
        yield running


def send(
    proxy: FaultProxy, body: object = b"hello", method: str = "POST", path: str = "/jobs?x=1"
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(proxy.host).netloc, timeout=HANG_SECONDS)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_requests_pass_unchanged_and_are_logged(proxy: FaultProxy, upstream: Upstream) -> None:
    assert send(proxy, b"\x00\r\n" * 100) == (200, b"\x00\r\n" * 100)
    assert send(proxy, iter([b"a", b"bc"]), "PUT") == (200, b"abc")
    assert [r[2] for r in upstream.reached] == [b"\x00\r\n" * 100, b"abc"]
    assert [(e.method, e.status, e.fault) for e in proxy.log] == [
        ("POST", 200, Fault.PASS),
        ("PUT", 200, Fault.PASS),
    ]
    assert [e.body for e in proxy.requests("PUT", "/jobs")] == [b"abc"]


def test_a_dropped_request_never_arrives(proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.rules.append(Rule(Fault.DROP_REQUEST, nth=2))
    assert send(proxy)[0] == 200
    with pytest.raises(ConnectionError):
        send(proxy)
    assert send(proxy)[0] == 200
    assert len(upstream.reached) == 2
    assert [e.status for e in proxy.log] == [200, None, 200]


def test_a_dropped_answer_was_done(proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.rules.append(Rule(Fault.DROP_ANSWER))
    with pytest.raises(ConnectionError):
        send(proxy)
    assert len(upstream.reached) == 1


def test_an_answer_of_the_proxys_own(proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.rules.append(Rule(Fault.ANSWER, status=403, reason="rateLimitExceeded", times=2))
    for _ in range(2):
        status, body = send(proxy)
        assert (status, json.loads(body)["error"]["errors"][0]["reason"]) == (
            403,
            "rateLimitExceeded",
        )
    assert send(proxy)[0] == 200
    assert len(upstream.reached) == 1


def test_a_stall_delays(proxy: FaultProxy) -> None:
    proxy.rules.append(Rule(Fault.STALL, seconds=0.3))
    started = time.monotonic()
    assert send(proxy)[0] == 200
    assert time.monotonic() - started >= 0.3


def test_an_upload_is_reset_in_its_middle(proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.rules.append(Rule(Fault.RESET_UPLOAD, method="PUT"))
    with pytest.raises(ConnectionError):
        send(proxy, b"x" * 20_000_000, "PUT")
    assert upstream.reached == []
    assert len(proxy.log[0].body) == 10_000_000


def test_a_rule_fits_method_path_and_body(proxy: FaultProxy) -> None:
    rule = Rule(Fault.ANSWER, method="POST", path="/jobs", body="MERGE", times=0)
    proxy.rules.append(rule)
    assert send(proxy, b"SELECT")[0] == 200
    assert send(proxy, b"MERGE", path="/other")[0] == 200
    assert send(proxy, b"MERGE", "PUT")[0] == 200
    assert [send(proxy, b"a MERGE b")[0] for _ in range(3)] == [503] * 3
    assert (rule.seen, rule.fired) == (3, 3)


def test_hooks_run_before_and_after_the_service(proxy: FaultProxy, upstream: Upstream) -> None:
    reached: list[int] = []
    note = lambda path: reached.append(len(upstream.reached))  # noqa: E731
    proxy.rules.append(Rule(Fault.PASS, before=note, after=note))
    assert send(proxy)[0] == 200
    assert reached == [0, 1]


def test_the_service_sees_the_proxys_host(proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection(urlsplit(proxy.host).netloc, timeout=HANG_SECONDS)
    connection.request("POST", "/", b"")
    answer = connection.getresponse()
    assert answer.getheader("X-Host") == urlsplit(proxy.host).netloc
    answer.read()
    connection.close()
