"""Faults that the fake NXCloud can inject, each as it looks on the wire."""

import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "latency",  # correct response, `seconds` late
    "interim",  # an interim response with `status`, such as 102 or 103, then the correct one
    "code",  # response with `code`, without effect
    "unconfirmed",  # code 0, but data.success is false
    "raw",  # HTTP `status` with exactly this `body`
    "status",  # HTTP `status` with an HTML page, and Retry-After if `retry_after` is set
    "redirect",  # HTTP 307 to `location`
    "reset",  # resets the connection instead of responding
    "lost",  # carries out the call, then resets the connection
    "close",  # closes the connection without a response
    "hang",  # no response for `seconds`
    "drip_headers",  # one byte of an endless header every 50 ms
    "drip_body",  # one byte of a body every 50 ms
    "oversized",  # a body of more than 1 MB
    "truncated",  # half a response
]
DRIP_S = 0.05


@dataclass(frozen=True)
class Fault:
    """A fault of the next `times` calls of `action`; of any action where that is None."""

    kind: Kind
    times: int = 1
    action: str | None = None
    code: int = -1
    status: int = 503
    retry_after: int | None = None
    location: str = ""
    body: str = ""
    message: str | None = None
    seconds: float = 0.0


def reset(connection: socket.socket) -> None:
    """Close the connection with a TCP reset instead of an orderly close."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang(connection: socket.socket, seconds: float) -> None:
    """Send nothing until the time is over or the client has closed the connection."""
    connection.settimeout(seconds)
    with contextlib.suppress(OSError):
        connection.recv(1)


def drip(connection: socket.socket, beginning: bytes, seconds: float) -> None:
    """Send the beginning, then a byte every 50 ms until the time is over or the client has closed the connection."""
    connection.sendall(beginning)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.sendall(b"a")
        time.sleep(DRIP_S)  # this fault is slow
