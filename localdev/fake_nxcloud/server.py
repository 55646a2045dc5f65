"""The fake NXCloud's HTTP server: the three media calls, the faults, and a control interface under /_control/."""

import json
import socket
import threading
import time
from dataclasses import asdict, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any

from localdev.fake_nxcloud.faults import Fault, drip, hang, reset
from localdev.fake_nxcloud.provider import ACTIONS, Provider, Reply

if TYPE_CHECKING:
    from typing import Self  # which Python 3.10, on which the client is tested, lacks

DEFAULT_DRIP_S = 30.0


class FakeNxCloud:
    """NXCloud on loopback, as a context manager.

    `url` is its address, `provider` its state, `connections` the number of connections opened to it, `longest_s` the
    duration of the longest call in seconds, until its response or until the client closed the connection.
    """

    def __init__(
        self,
        access_key: str = "simulated-access-key",
        access_secret: str = "simulated-access-secret",  # noqa: S107 (the secret of the fake)
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        provider: Provider | None = None,
    ) -> None:
        self.provider = provider or Provider(access_key, access_secret)
        self.connections = 0
        self.longest_s = 0.0
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = _Server((host, port), self)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Self":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def misbehave(self, *faults: Fault) -> None:
        """Inject these faults into the next calls, one after another."""
        with self._lock:
            self._faults += faults

    def behave(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._faults.clear()

    def next_fault(self, action: str) -> Fault | None:
        """Return the fault to inject into the current call, if any."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.action in {None, action}:
                    self._faults[index : index + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], fake_nxcloud: FakeNxCloud) -> None:
        super().__init__(address, _Handler)
        self.fake_nxcloud = fake_nxcloud

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and count it."""
        self.fake_nxcloud.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (the base class's signature)
        """Ignore connections that the client closed early."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise the kernel delays a body until its headers are acknowledged, by 40 ms
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/_control/"):
            self._control(body)
            return
        action = self.path.removeprefix("/api/wa/")
        if action not in ACTIONS:
            self._send(HTTPStatus.NOT_FOUND, b"<html>Not Found</html>", "text/html")
            return
        began, fault = time.monotonic(), self.server.fake_nxcloud.next_fault(action)
        try:
            if fault is None or fault.kind in {"latency", "interim", "lost"}:
                self._answer(body, fault)
            else:
                self._misbehave(fault)
        finally:
            fake_nxcloud = self.server.fake_nxcloud
            fake_nxcloud.longest_s = max(fake_nxcloud.longest_s, time.monotonic() - began)

    def do_GET(self) -> None:
        self._control(b"")

    def do_DELETE(self) -> None:
        self._control(b"")

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the `Date` of a response, by the provider's own clock."""
        return super().date_time_string(
            self.server.fake_nxcloud.provider.now_ms() / 1000 if timestamp is None else timestamp
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 (the base class's signature)
        """Print nothing: calls are recorded."""

    def _answer(self, body: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.kind == "latency":
            time.sleep(fault.seconds)  # this fault is late
        if fault is not None and fault.kind == "interim":
            self.wfile.write(f"HTTP/1.1 {fault.status} Interim\r\nLink: </style.css>; rel=preload\r\n\r\n".encode())
        reply = self.server.fake_nxcloud.provider.answer(self.path, self.headers, body)  # type: ignore[arg-type]  # a Message has a mapping's methods, but is not declared as one
        if fault is not None and fault.kind == "lost":
            self._drop(hard=True)
        else:
            headers = {} if reply.retry_after is None else {"Retry-After": str(reply.retry_after)}
            self._send(reply.status, reply.json(), headers=headers)

    def _misbehave(self, fault: Fault) -> None:  # noqa: C901 (one flat case per fault)
        match fault.kind:
            case "code":
                self._send(HTTPStatus.OK, Reply(fault.code, message=fault.message).json())
            case "unconfirmed":
                self._send(HTTPStatus.OK, Reply(0, {"success": False}).json())
            case "raw":
                after = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                self._send(fault.status, fault.body.encode(), headers=after)
            case "status":
                after = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                self._send(fault.status, b"<html><h1>Something went wrong</h1></html>", "text/html", after)
            case "redirect":
                self._send(HTTPStatus.TEMPORARY_REDIRECT, b"", "text/html", {"Location": fault.location})
            case "reset":
                self._drop(hard=True)
            case "close":
                self._drop(hard=False)
            case "hang":
                hang(self.connection, fault.seconds or DEFAULT_DRIP_S)
                self._drop(hard=False)
            case "drip_headers":
                drip(self.connection, b"HTTP/1.1 200 OK\r\nX-Slow: ", fault.seconds or DEFAULT_DRIP_S)
                self._drop(hard=False)
            case "drip_body":
                beginning = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
                drip(self.connection, beginning, fault.seconds or DEFAULT_DRIP_S)
                self._drop(hard=False)
            case "oversized":
                self._send(HTTPStatus.OK, Reply(0, {"success": True, "padding": "a" * 1_100_000}).json())
            case "truncated":
                self.connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"code": 0, "mess')
                self._drop(hard=False)

    def _drop(self, *, hard: bool) -> None:
        self.close_connection = True
        if hard:
            reset(self.connection)

    def _send(
        self, status: int, body: bytes, content_type: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _control(self, body: bytes) -> None:
        """Serve the control interface: GET calls, media; POST media, faults (one each); DELETE faults, calls."""
        fake_nxcloud, provider = self.server.fake_nxcloud, self.server.fake_nxcloud.provider
        response: object = {}
        match self.command, self.path.removeprefix("/_control/"):
            case "GET", "calls":
                response = [asdict(call) | {"body": call.body.decode(errors="replace")} for call in provider.calls]
            case "GET", "media":
                response = [{"business_phone": phone, "media_id": media_id} for phone, media_id in provider.media]
            case "POST", "media":
                response = {"media_id": provider.add_media(**json.loads(body))}
            case "POST", "faults":
                fake_nxcloud.misbehave(Fault(**json.loads(body)))
            case "DELETE", "faults":
                fake_nxcloud.behave()
            case "DELETE", "calls":
                provider.calls.clear()
            case _:
                self._send(HTTPStatus.NOT_FOUND, b'{"error": "see python -m localdev.fake_nxcloud --help"}')
                return
        self._send(HTTPStatus.OK, json.dumps(response).encode())
