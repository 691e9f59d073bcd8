import http.client
import json
import socket

import pytest
from prometheus_client import CollectorRegistry, Counter

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.http import StatusServer
from keepintouch.runtime.ports import free_port


def get(server: StatusServer, path: str, method: str = "GET", **headers: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_ready_when_there_is_nothing_against_it() -> None:
    reasons = ["partitions_not_assigned"]
    with StatusServer(0, not_ready=lambda: reasons) as server:
        status, _, body = get(server, "/readyz")
        assert (status, json.loads(body)) == (503, {"ready": False, "reasons": ["partitions_not_assigned"]})
        assert get(server, "/healthz")[0] == 200
        reasons.clear()
        status, _, body = get(server, "/readyz?verbose")
        assert (status, json.loads(body)) == (200, {"ready": True, "reasons": []})


def test_unwell_asks_for_a_restart() -> None:
    with StatusServer(0, not_ready=list, unwell=lambda: ["consumer_stuck"]) as server:
        status, _, body = get(server, "/healthz")
        assert (status, json.loads(body)["reasons"]) == (503, ["consumer_stuck"])


def test_metrics_of_the_registry_in_the_format_asked_for() -> None:
    registry = CollectorRegistry()
    Counter("texts_sent", "Texts sent", registry=registry).inc()
    with StatusServer(0, not_ready=list, registry=registry) as server:
        status, kind, body = get(server, "/metrics")
        assert (status, kind.split(";")[0]) == (200, "text/plain")
        assert b"texts_sent_total 1.0" in body
        assert get(server, "/metrics", Accept="application/openmetrics-text")[1].startswith("application/openmetrics-text")


def test_everything_else_is_not_there_and_a_fault_is_no_traceback() -> None:
    def broken() -> list[str]:
        raise KeyError("secret")

    with StatusServer(0, not_ready=broken) as server:
        assert get(server, "/")[0] == 404
        status, _, body = get(server, "/readyz")
        assert (status, json.loads(body)) == (500, {"error": "KeyError"})
        assert get(server, "/healthz", method="HEAD") == (200, "application/json", b"")


def test_a_taken_port_is_one_line_that_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port} .*set NOTIFIER_HTTP_PORT"):
            StatusServer(port, not_ready=list, setting="NOTIFIER_HTTP_PORT")


def test_closing_frees_the_port() -> None:
    server = StatusServer(free_port(), not_ready=list).start()   # one that nobody is given by chance in the meantime
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 60)
    StatusServer(0, not_ready=list).close()   # never started
