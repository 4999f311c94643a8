"""A server on loopback that replies to each request as the test says, well or ill."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD: dict[str, Any] = {
    "choices": [{"message": {"role": "assistant", "content": "REAL"}, "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3},
}


class Request(BaseHTTPRequestHandler):
    """What a request asks stands in `asked`; `reply` and `send` answer it."""

    protocol_version = "HTTP/1.1"
    asked: dict[str, Any]

    def log_message(self, *args: Any) -> None: ...

    def do_POST(self) -> None:
        self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with contextlib.suppress(ConnectionError):
            self.server.behave(self)

    def head(self, status: int = 200, **headers: Any) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, body: bytes, status: int = 200, **headers: Any) -> None:
        self.head(status, Content_Length=len(body), **headers)
        self.wfile.write(body)

    def reply(self, value: Any, status: int = 200, **headers: Any) -> None:
        self.send(json.dumps(value).encode(), status, Content_Type="application/json", **headers)


class Misbehaving(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 128
    behave: Callable[[Request], None]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none of the test's faults."""


@contextlib.contextmanager
def serving(behave: Callable[[Request], None]) -> Iterator[str]:
    """The base URL of a server that behaves so."""
    server = Misbehaving(("127.0.0.1", 0), Request)
    server.behave = behave
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
