"""A proxy between the functions and AWS: it throttles, fails, loses responses, and kills the calling functions."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Self
from urllib.parse import urlsplit

FAULT_SHARE = 0.03  # of the AWS calls, in addition to those whose caller is killed
WORKER = "_worker.py"  # the script of the local cloud's function processes
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/")
_OWN_HEADERS = {"content-length", "transfer-encoding", "connection"}


class FaultProxy:
    """A proxy in front of the local cloud, as a context manager; `faults_enabled` turns its faults on.

    `kill_share` is the share of calls whose calling process is killed, before or after AWS has carried out the call:
    one call in each run of 1 / `kill_share`.
    `repeats_allowed` holds the ids of the idempotency records whose media files may be deleted once more: a fault or a
    kill came between NXCloud's confirmation and its record.
    """

    def __init__(self, cloud_url: str, seed: int, kill_share: float) -> None:
        self.cloud = urlsplit(cloud_url).netloc
        self.faults_enabled = False
        self.faults: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.repeats_allowed: set[str] = set()
        self._in_progress: set[str] = set()
        self._random = Random(seed)  # noqa: S311 (repeatable on purpose)
        self._kill_due = _one_in_each(round(1 / kill_share), self._random)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def draw_fault(self, operation: str) -> str:
        """Draw the fault of a call, or "none"."""
        with self._lock:
            if not self.faults_enabled:
                return "none"
            if next(self._kill_due):
                return self._random.choice(["killed before", "killed after"])
            if self._random.random() < FAULT_SHARE:
                fault = self._random.choice(["throttled", "failed", "lost"])
                self.faults[f"{operation} {fault}"] += 1
                return fault
            return "none"

    def track(self, operation: str, body: bytes, fault: str) -> None:
        """Track the idempotency records in progress, and those that a fault prevents from being completed."""
        record = _record_in(operation, body)
        if record is None:
            return
        with self._lock:
            if operation == "PutItem":
                self._in_progress.add(record)
            elif fault != "none":
                self.repeats_allowed.add(record)
            else:
                self._in_progress.discard(record)

    def kill_caller(self, port: int, operation: str, when: str) -> None:
        """Kill the process that owns a connection; its media files in progress may be deleted once more."""
        process_id = _process_of(port)
        if process_id is None:
            return
        with self._lock:
            self.repeats_allowed |= self._in_progress
            self.kills[f"{when} {operation}"] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)


def _one_in_each(count: int, random: Random) -> Iterator[bool]:
    """One True in each `count` values, at a random place."""
    while True:
        due = random.randrange(count)
        yield from (number == due for number in range(count))


def record_id(business_phone: str, media_id: str) -> str:
    """Return the id of an idempotency record (source: Powertools for AWS Lambda, "Idempotency": prefix#hash)."""
    return "deleteMedia#" + hashlib.sha256(json.dumps([business_phone, media_id]).encode()).hexdigest()


def _record_in(operation: str, body: bytes) -> str | None:
    """The id of the idempotency record in a call to DynamoDB; None for other calls."""
    if operation not in {"PutItem", "UpdateItem", "DeleteItem"}:
        return None
    call = json.loads(body)
    record = call.get("Item", call.get("Key", {})).get("id", {}).get("S")
    return record if isinstance(record, str) else None


def _process_of(port: int) -> int | None:
    """The function's process that has this local port; None if it has ended already."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if int(row[1].rpartition(":")[2], 16) == port}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if WORKER not in (process / "cmdline").read_text():
                continue
            if any(str(file.readlink()) in inodes for file in (process / "fd").iterdir()):
                return int(process.name)
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], proxy: FaultProxy) -> None:
        super().__init__(address, _Handler)
        self.proxy = proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore the connections of killed callers."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection(self.server.proxy.cloud)

    def finish(self) -> None:
        self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _handle(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _SERVICE.search(self.headers.get("Authorization", ""))
        service = found["service"] if found else "unknown"
        operation = self.headers.get("X-Amz-Target", f"{service}.{self.command}").rpartition(".")[2]
        fault = proxy.draw_fault(f"{service} {operation}")
        proxy.track(operation, body, fault)
        match fault:
            case "throttled" | "failed":
                self._refuse(service, fault)
            case "killed before":
                proxy.kill_caller(self.client_address[1], operation, "before")
                self.close_connection = True
            case "killed after":
                self._forward(body)
                proxy.kill_caller(self.client_address[1], operation, "after")
                self.close_connection = True
            case "lost":
                self._forward(body)
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case _:
                self._answer(*self._forward(body))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 (the base class's names)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        self._upstream.request(self.command, self.path, body, headers)
        response = self._upstream.getresponse()
        return response.status, response.getheaders(), response.read()

    def _refuse(self, service: str, fault: str) -> None:
        if fault == "failed":
            self._answer(500, [], b'{"__type": "InternalServerError", "message": "injected fault"}')
        elif service == "s3":
            self._answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
        else:
            self._answer(400, [], b'{"__type": "ThrottlingException", "message": "injected fault"}')

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        kept = [(name, value) for name, value in headers if name.lower() not in _OWN_HEADERS]
        length = {name.lower(): value for name, value in headers}.get("content-length", str(len(body)))
        for name, value in [*kept, ("Content-Length", length if self.command == "HEAD" else str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)
