"""The ways in which the fake NXCloud can misbehave, each as it looks on the wire."""

import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "latency",  # answers rightly, `seconds` late
    "code",  # answers with `code` and does nothing
    "unconfirmed",  # code 0, but data.success is false
    "raw",  # answers HTTP `status` with `body` as it stands
    "status",  # answers HTTP `status` with a page of HTML, and Retry-After where `retry_after` is given
    "redirect",  # answers 307 to `location`
    "reset",  # resets the connection instead of answering
    "lost",  # does what is asked, and then resets the connection
    "close",  # closes the connection without a word
    "hang",  # answers nothing for `seconds`
    "drip_headers",  # one byte of an endless header every 50 ms
    "drip_body",  # one byte of a body every 50 ms
    "oversized",  # more than a megabyte
    "truncated",  # half an answer
]
DRIP_S = 0.05


@dataclass(frozen=True)
class Fault:
    """One way to misbehave, for the next `times` calls of `action` (any action, where it is None)."""

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
    """Ends the connection with a reset, not with an orderly close."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang(connection: socket.socket, seconds: float) -> None:
    """Says nothing until the time is over or the other side has gone."""
    connection.settimeout(seconds)
    with contextlib.suppress(OSError):
        connection.recv(1)


def drip(connection: socket.socket, beginning: bytes, seconds: float) -> None:
    """Sends a beginning, and then a byte now and then until the time is over or the other side has gone."""
    connection.sendall(beginning)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.sendall(b"a")
        time.sleep(DRIP_S)  # dripping is what this fault does
