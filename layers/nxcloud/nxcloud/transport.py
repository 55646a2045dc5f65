"""A requests session with a deadline for the whole call.

A timeout of `requests` bounds each socket operation, so a server that sends its bytes slowly can hold a call open
without limit. Here one deadline bounds connecting to all addresses of the host, the TLS handshake, sending, and reading
headers and body. Name resolution takes the time of the system's resolver.
"""

import http.client
import io
import socket
import ssl
import time
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar, NoReturn

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context


def deadline_session(base_url: str) -> requests.Session:
    """Create a session for a base URL and `urllib3.Timeout(total=…)`; no proxies, netrc or cookies."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Accept-Encoding"] = "identity"  # a compressed response is refused: its size would be unbounded
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount(base_url, _DeadlineAdapter(_tls_context() if base_url.lower().startswith("https:") else None))
    return session


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until a deadline: each read may take the remaining time, not the whole time again."""

    def __init__(self, raw: socket.SocketIO, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 (as io.RawIOBase declares it)
        self._sock.settimeout(_remaining_s(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineSocket:
    """The part of a socket that http.client's response uses, reading through `_DeadlineReader`."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        raw = self._sock.makefile("rb", buffering=0)  # keeps the socket open when http.client closes the connection
        return io.BufferedReader(_DeadlineReader(raw, self._sock, self._deadline))


class _DeadlineResponse(http.client.HTTPResponse):
    """A response with a deadline: urllib3 sets the socket's timeout to the remaining total just before creating it."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed on unread)
        deadline = time.monotonic() + (sock.gettimeout() or 0)
        super().__init__(_DeadlineSocket(sock, deadline), *args, **kwargs)  # type: ignore[arg-type]  # calls makefile alone

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line of the final response: http.client takes an interim one other than 100 for it."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
            if status == http.client.SWITCHING_PROTOCOLS:  # not requested; what follows is not a response
                raise http.client.BadStatusLine(str(status))
            if status >= 200 or status == http.client.CONTINUE:  # which http.client skips itself
                return version, status, reason
            http.client.parse_headers(self.fp)  # of the interim response


class StaleConnectionError(OSError):
    """A kept-alive connection that had carried responses was closed by the server before the next one."""


class _KeepAliveConnection(HTTPConnection):
    """A connection that distinguishes being closed while idle (or frozen) from never having worked."""

    _responses = 0

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open, and has nothing to read: urllib3 does not look at bytes decrypted already."""
        pending = getattr(self.sock, "pending", lambda: 0)  # of a TLS connection
        return super().is_connected and not pending()

    def connect(self) -> None:
        self._responses = 0
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed on unread)
        try:
            super().request(*args, **kwargs)
        except (ConnectionError, ssl.SSLEOFError) as error:
            self._raise(error)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 declares it
        try:
            response = super().getresponse()
        except (ConnectionError, ssl.SSLEOFError) as error:  # http.client's RemoteDisconnected is the former, too
            self._raise(error)
        self._responses += 1
        return response

    def _raise(self, error: OSError) -> NoReturn:
        if self._responses:
            raise StaleConnectionError("the kept-alive connection was closed by the server") from error
        raise error


class _DeadlineHTTPConnection(_KeepAliveConnection):
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _DeadlineHTTPSConnection(_KeepAliveConnection, HTTPSConnection):
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)


def _connect(connection: HTTPConnection) -> socket.socket:
    """Connect to the first address that accepts; each has its share of the remaining time, the last all of it."""
    deadline = time.monotonic() + float(connection.timeout or 0)
    try:
        addresses = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NameResolutionError(connection.host, connection, error) from error  # type: ignore[arg-type]  # str() only
    failure: OSError = OSError("the host has no addresses")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # of an address family that this machine lacks
            failure = error
            continue
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_remaining_s(deadline) / (len(addresses) - number))
            sock.connect(address)
            sock.settimeout(_remaining_s(deadline))
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "connecting took too long") from failure
    raise NewConnectionError(connection, str(failure)) from failure


def _remaining_s(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline of the call has passed")
    return left


class _DeadlineHTTPPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineHTTPConnection


class _DeadlineHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _DeadlineHTTPSConnection


class _DeadlineAdapter(HTTPAdapter):
    _pools: ClassVar = {"http": _DeadlineHTTPPool, "https": _DeadlineHTTPSPool}

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed on unread)
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401 (as requests declares it)
        """Verify by the certificates of the context; requests lets each connection read all of them, in 16 ms."""
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # its stubs have no types
        conn.ca_certs = None


@cache
def _tls_context() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_verify_locations(certifi.where())
    return context
