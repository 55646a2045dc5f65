"""TLS: certificates are verified, and read once for all connections of all clients."""

import io
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import certifi
import pytest
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from requests import adapters

from media_cleanup.aws.clients import AwsClients
from nxcloud import InvalidRequestError, MediaClient, NoResponseError, transport
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE


class _Handler(BaseHTTPRequestHandler):
    """Answers as DynamoDB to a read without a result, and as NXCloud to a deletion; then closes the connection."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"code": 0, "message": "", "data": {"success": true}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _SurplusHandler(_Handler):
    """Refuses each call, and sends a success right after the refusal, in one TLS record."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        refusal = b'{"code": 9002, "message": "wrong number"'
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        # The refusal fills the buffer of its reader, so that the success stays in the TLS connection
        size = io.DEFAULT_BUFFER_SIZE - len(head % 1000)
        success = b'{"code": 0, "message": "", "data": {"success": true}}'
        self.wfile.write(head % size + refusal.ljust(size - 1) + b"}" + head % len(success) + success)


def create_certificate(folder: Path) -> Path:
    """Create a certificate of this machine, in a file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "certificate.pem"
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password) + certificate.public_bytes(pem)
    file.write_bytes(text)
    return file


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The certificate of the server, which nothing trusts yet."""
    return create_certificate(tmp_path)


@contextmanager
def tls_server(certificate: Path, handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A TLS server; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    """The address of a TLS server that closes each connection after its response."""
    with tls_server(certificate, _Handler) as address:
        yield address


@pytest.fixture
def clients(url: str, monkeypatch: pytest.MonkeyPatch) -> AwsClients:
    """AWS clients of that server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return AwsClients()


def read(clients: AwsClients) -> None:
    clients.dynamodb.get_item(TableName="a-table", Key={"id": {"S": "any"}})


def test_aws_clients_read_certificates_once(
    certificate: Path, clients: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    clients.create("dynamodb")
    read(clients)
    certificate.unlink()  # so that a new connection cannot read them
    read(clients)


def test_aws_clients_refuse_unknown_certificate(clients: AwsClients) -> None:
    with pytest.raises(SSLError, match="certificate verify failed"):
        read(clients)


@pytest.fixture
def _new_context() -> Iterator[None]:
    transport._tls_context.cache_clear()  # noqa: SLF001 (the next session reads the certificates)
    yield
    transport._tls_context.cache_clear()  # noqa: SLF001 (they are those of the test)


@pytest.mark.usefixtures("_new_context")
def test_nxcloud_client_reads_certificates_once(certificate: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certifi, "where", lambda: str(certificate))
    monkeypatch.setattr(adapters, "DEFAULT_CA_BUNDLE_PATH", __file__)  # what each connection would read
    client = MediaClient(url)
    client.delete_media(CREDENTIALS, PHONE, MEDIA_ID)
    certificate.unlink()  # so that a new connection cannot read them
    client.delete_media(CREDENTIALS, PHONE, MEDIA_ID)


@pytest.mark.usefixtures("_new_context")
def test_decrypted_bytes_are_not_the_next_response(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certifi, "where", lambda: str(certificate))
    with tls_server(certificate, _SurplusHandler) as url:
        client = MediaClient(url)
        for _ in range(2):
            with pytest.raises(InvalidRequestError):
                client.delete_media(CREDENTIALS, PHONE, MEDIA_ID)
        client._session.close()  # noqa: SLF001 (its connections, before the server)


def test_nxcloud_client_refuses_unknown_certificate(url: str) -> None:
    with pytest.raises(NoResponseError, match="SSLCertVerificationError"):
        MediaClient(url).delete_media(CREDENTIALS, PHONE, MEDIA_ID)
