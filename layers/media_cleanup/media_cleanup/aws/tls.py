"""Lets the connections of all AWS clients share one TLS context, which reads the authorities' certificates once."""

from functools import cache
from ssl import SSLContext
from threading import Lock
from typing import Any

from botocore.httpsession import create_urllib3_context

_READING = Lock()  # of two first connections, one waits for the other


def read_certificates_once(client: Any) -> None:  # noqa: ANN401 (any client)
    """Give all connections of a client the shared context.

    botocore lets each new connection read all certificates: 16 ms of a whole processor, 55 ms at 512 MB. It has no
    option for this, so two of its private names are used. A later botocore without them works as before.
    """
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    set_up = getattr(session, "_setup_ssl_cert", None)
    if session is None or set_up is None:
        return

    def set_up_with_shared_context(pool: Any, *arguments: Any) -> None:  # noqa: ANN401 (urllib3's pool, passed on)
        set_up(pool, *arguments)
        if pool.ca_certs:
            pool.conn_kw["ssl_context"] = _context(pool.ca_certs)
            pool.ca_certs = None

    session._setup_ssl_cert = set_up_with_shared_context  # noqa: SLF001 (see above)


def _context(certificates: str) -> SSLContext:
    with _READING:
        return _read(certificates)


@cache
def _read(certificates: str) -> SSLContext:
    context: SSLContext = create_urllib3_context()
    context.load_verify_locations(certificates)
    return context
