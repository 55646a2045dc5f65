"""A requests session whose calls end by their deadline, whatever the server does.

A timeout of `requests` bounds each socket operation, so a server that sends a byte now and then holds a call for ever.
Here one deadline bounds connecting to all addresses of the host, the TLS handshake, sending, and reading headers and
body. The time to look up the host's name is the resolver's own.
"""

import http.client
import io
import socket
import ssl
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar, NoReturn

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError


def bounded_session() -> requests.Session:
    """A session for `urllib3.Timeout(total=…)` calls: no proxies or netrc of the environment, no cookies."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", _BoundedAdapter())
    session.mount("http://", _BoundedAdapter())
    return session


class _BoundedReader(io.RawIOBase):
    """Reads a socket until a deadline: each read may take what is left of the whole time, not the whole time again."""

    def __init__(self, raw: socket.SocketIO, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 (io.RawIOBase says no more of it)
        self._sock.settimeout(_time_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedSocket:
    """What http.client's response needs of a socket, reading by `_BoundedReader`."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        raw = self._sock.makefile("rb", buffering=0)  # keeps the socket open when http.client closes the connection
        return io.BufferedReader(_BoundedReader(raw, self._sock, self._deadline))


class _BoundedResponse(http.client.HTTPResponse):
    """urllib3 sets the socket's timeout to what is left of the total just before it makes the response."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed on unread)
        deadline = time.monotonic() + (sock.gettimeout() or 0)
        super().__init__(_BoundedSocket(sock, deadline), *args, **kwargs)  # type: ignore[arg-type]  # calls makefile alone


class DeadConnectionError(OSError):
    """A connection that had carried answers before was found closed by the other side before it brought another."""


class _KeptAlive(HTTPConnection):
    """Tells a connection that died while it was kept, or its environment frozen, from one that never worked."""

    _answers = 0

    def connect(self) -> None:
        self._answers = 0
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed on unread)
        try:
            super().request(*args, **kwargs)
        except (ConnectionError, ssl.SSLEOFError) as error:
            self._tell(error)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        try:
            response = super().getresponse()
        except (ConnectionError, ssl.SSLEOFError) as error:  # http.client's RemoteDisconnected is the former, too
            self._tell(error)
        self._answers += 1
        return response

    def _tell(self, error: OSError) -> NoReturn:
        if self._answers:
            raise DeadConnectionError("the kept-alive connection was closed by the other side") from error
        raise error


class _BoundedHTTPConnection(_KeptAlive):
    response_class = _BoundedResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _BoundedHTTPSConnection(_KeptAlive, HTTPSConnection):
    response_class = _BoundedResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)


def _connect(connection: HTTPConnection) -> socket.socket:
    """Connects to the first address that answers; all of them, and the TLS handshake after, share one timeout."""
    deadline = time.monotonic() + float(connection.timeout or 0)
    try:
        addresses = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NameResolutionError(connection.host, connection, error) from error  # type: ignore[arg-type]  # str() only
    failure: OSError = OSError("the host has no addresses")
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_time_left(deadline))
            sock.connect(address)
            sock.settimeout(_time_left(deadline))
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "connecting took too long") from failure
    raise NewConnectionError(connection, str(failure)) from failure


def _time_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline of the call has passed")
    return left


class _BoundedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _BoundedHTTPConnection


class _BoundedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedHTTPSConnection


class _BoundedAdapter(HTTPAdapter):
    _pools: ClassVar = {"http": _BoundedHTTPPool, "https": _BoundedHTTPSPool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed on unread)
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools
