"""The way from the functions to AWS in a storm: it throttles, fails, loses answers, and kills whoever passes."""

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Self
from urllib.parse import urlsplit

FAULTY = 0.03  # the share of AWS calls that go wrong in rough weather, besides those that are killed at
WORKER = "_worker.py"  # what the local cloud's function processes run
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/")


_OWN_HEADERS = {"content-length", "transfer-encoding", "connection"}


class Strait:
    """A proxy before the local cloud, as a context manager; `rough` turns its faults on.

    `kill_share` is the share of calls at which the caller's process is killed, before or after AWS has done its part.
    `excused` holds the idempotency ids of media that may be called for once more: a fault or a death came between
    NXCloud's confirmation and its record.
    """

    def __init__(self, cloud_url: str, seed: int, kill_share: float) -> None:
        self.cloud = urlsplit(cloud_url).netloc
        self.rough = False
        self.faults: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.excused: set[str] = set()
        self._begun: set[str] = set()
        self._kill_share = kill_share
        self._chance = Random(seed)  # noqa: S311 (repeatable on purpose)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fate(self, operation: str) -> str:
        """What happens to a call: "passes", or one of the faults."""
        with self._lock:
            drawn = self._chance.random() if self.rough else 1.0
            if drawn < self._kill_share:
                return self._chance.choice(["killed before", "killed after"])
            if drawn < self._kill_share + FAULTY:
                fate = self._chance.choice(["throttled", "failed", "lost"])
                self.faults[f"{operation} {fate}"] += 1
                return fate
            return "passes"

    def record(self, operation: str, body: bytes, fate: str) -> None:
        """Follows what the function remembers of deletions, and whom a fault excuses."""
        item = _item(operation, body)
        if item is None:
            return
        with self._lock:
            if operation == "PutItem":
                self._begun.add(item)
            elif fate != "passes":
                self.excused.add(item)
            else:
                self._begun.discard(item)

    def kill(self, port: int, operation: str, when: str) -> None:
        """Kills the process that owns a connection; whatever it was at may be called for once more."""
        process_id = _owner(port)
        if process_id is None:
            return
        with self._lock:
            self.excused |= self._begun
            self.kills[f"{when} {operation}"] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)


def record_id(business_phone: str, media_id: str) -> str:
    """The id of a deletion's record (source: Powertools for AWS Lambda, "Idempotency": prefix#hash)."""
    return "deleteMedia#" + hashlib.sha256(json.dumps([business_phone, media_id]).encode()).hexdigest()


def _item(operation: str, body: bytes) -> str | None:
    """The record that a call of DynamoDB is about; None for other calls."""
    if operation not in {"PutItem", "UpdateItem", "DeleteItem"}:
        return None
    call = json.loads(body)
    record = call.get("Item", call.get("Key", {})).get("id", {}).get("S")
    return record if isinstance(record, str) else None


def _owner(port: int) -> int | None:
    """The function's process that has this local port; None where it has gone already."""
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

    def __init__(self, address: tuple[str, int], strait: Strait) -> None:
        super().__init__(address, _Handler)
        self.strait = strait

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers that were killed are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection(self.server.strait.cloud)

    def finish(self) -> None:
        self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def _handle(self) -> None:
        strait = self.server.strait
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _SERVICE.search(self.headers.get("Authorization", ""))
        service = found["service"] if found else "unknown"
        operation = self.headers.get("X-Amz-Target", f"{service}.{self.command}").rpartition(".")[2]
        fate = strait.fate(f"{service} {operation}")
        strait.record(operation, body, fate)
        match fate:
            case "throttled" | "failed":
                self._refuse(service, fate)
            case "killed before":
                strait.kill(self.client_address[1], operation, "before")
                self.close_connection = True
            case "killed after":
                self._forward(body)
                strait.kill(self.client_address[1], operation, "after")
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

    def _refuse(self, service: str, fate: str) -> None:
        if fate == "failed":
            self._answer(500, [], b'{"__type": "InternalServerError", "message": "a storm"}')
        elif service == "s3":
            self._answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
        else:
            self._answer(400, [], b'{"__type": "ThrottlingException", "message": "a storm"}')

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        kept = [(name, value) for name, value in headers if name.lower() not in _OWN_HEADERS]
        length = {name.lower(): value for name, value in headers}.get("content-length", str(len(body)))
        for name, value in [*kept, ("Content-Length", length if self.command == "HEAD" else str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)
