"""Lambda's Runtime API on loopback, for one function under measurement.

The initialization phase ends when the function asks for its first event; an invocation ends with its response (source:
AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes").
"""

import json
import threading
import time
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

TIMEOUT_S = 60
ARN = "arn:aws:lambda:us-east-1:000000000000:function:measured"


class RuntimeApi:
    """The Runtime API, as a context manager. `address` is the value of AWS_LAMBDA_RUNTIME_API."""

    def __init__(self) -> None:
        self.events: Queue[object] = Queue()
        self.asked: Queue[float] = Queue()
        self.responses: Queue[tuple[float, Any]] = Queue()
        self._server = _Server(self)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_until_asked(self) -> float:
        """Return the time at which the function asked for an event, by `time.perf_counter`. Raises TimeoutError."""
        asked: float = _get(self.asked)
        return asked

    def invoke(self, event: object) -> tuple[float, Any]:
        """Hand an event to the function that has asked for it. Returns seconds, and the response or the error."""
        started = time.perf_counter()
        self.events.put(event)
        ended, response = _get(self.responses)
        self.wait_until_asked()
        return ended - started, response


def _get(queue: "Queue[Any]") -> Any:  # noqa: ANN401 (the queue's items)
    try:
        return queue.get(timeout=TIMEOUT_S)
    except Empty:
        raise TimeoutError(f"the function was silent for {TIMEOUT_S} seconds") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (the base class's signature)
        """Ignore connections that end with the function."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer the function's request for its next event, once there is one."""
        self.server.api.asked.put(time.perf_counter())
        body = json.dumps(self.server.api.events.get()).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + TIMEOUT_S) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", ARN)
        self._send_body(body)

    def do_POST(self) -> None:
        """Take the response to an event, or an error, that of the initialization included."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.api.responses.put((time.perf_counter(), json.loads(body)))
        self.send_response(HTTPStatus.ACCEPTED)
        self._send_body(b"{}")

    def _send_body(self, body: bytes) -> None:
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""
