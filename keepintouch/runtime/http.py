"""A small HTTP server for a service without a web framework: /metrics, /healthz and /readyz on a port of its own."""

import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import orjson

from keepintouch.runtime.errors import UserError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Reasons = Callable[[], Sequence[str]]
"""Says why not, in slugs; nothing to say means yes. Called on server threads, so it must be quick and thread-safe."""

_JSON = "application/json"


class StatusServer:
    """Serves from threads until closed; a context manager.

    /healthz answers 200 unless `unwell` gives reasons (then 503: restart me), /readyz 200 or 503 by `not_ready`,
    /metrics the metrics of `registry` (default: the process's) in the format asked for.
    """

    def __init__(self, port: int, *, not_ready: Reasons, unwell: Reasons = tuple, host: str = "127.0.0.1",
                 registry: "CollectorRegistry | None" = None, setting: str | None = None) -> None:
        """Listen on `host`:`port` (0: any free one, then see `port`).

        Raises UserError if the port is taken, naming `setting`, the environment variable that moves it.
        """
        answer = _answers(not_ready, unwell, registry)

        class Handler(_Handler):
            respond = staticmethod(answer)

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            move = f"set {setting} to a free one" if setting else "choose another"
            raise UserError(f"cannot listen on {host}:{port} ({error.strerror}): end what uses the port, or {move}"
                            ) from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="status-server", daemon=True)

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


Answer = Callable[[str, str], tuple[int, str, bytes]]


def _answers(not_ready: Reasons, unwell: Reasons, registry: "CollectorRegistry | None") -> Answer:
    from prometheus_client import REGISTRY
    from prometheus_client.exposition import choose_encoder

    def answer(path: str, accept: str) -> tuple[int, str, bytes]:
        match path.partition("?")[0]:
            case "/healthz":
                return _state("healthy", unwell())
            case "/readyz":
                return _state("ready", not_ready())
            case "/metrics":
                encode, content_type = choose_encoder(accept)
                return 200, content_type, encode(registry or REGISTRY)
        return 404, _JSON, b'{"error":"not_found"}'

    return answer


def _state(name: str, reasons: Sequence[str]) -> tuple[int, str, bytes]:
    return 503 if reasons else 200, _JSON, orjson.dumps({name: not reasons, "reasons": list(reasons)})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "keep-in-touch"
    sys_version = ""
    timeout = 10   # seconds that a silent client keeps a thread
    respond: Answer

    def do_GET(self) -> None:
        try:
            status, content_type, body = self.respond(self.path, self.headers.get("Accept", ""))
        except Exception as error:   # whatever it is, the prober must hear that something is wrong
            status, content_type, body = 500, _JSON, orjson.dumps({"error": type(error).__name__})
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 – the base class looks for this name

    def log_message(self, *_: object) -> None:
        """Say nothing: a probe every few seconds is not worth a line."""
