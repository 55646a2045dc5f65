"""NXCloud's client over HTTP: signatures, responses, faults on the wire, deadlines, and connections."""

import gzip
import socket
import socketserver
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.fake_nxcloud.faults import Kind
from nxcloud import (
    ApiError,
    ClockSkewError,
    Credentials,
    CredentialsRefusedError,
    InvalidFileError,
    InvalidRequestError,
    InvalidResponseError,
    MediaClient,
    MediaFile,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
    system_clock_ms,
)
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE

DEADLINE_S = 5.0  # never waited for, except by a bug
SHORT_DEADLINE_S = 0.2  # waited for; four times the pause between two bytes of a dripping server
FAULT_S = 20.0
AF_UNSUPPORTED = 255  # an address family that no machine has


@pytest.fixture
def client(fake_nxcloud: FakeNxCloud) -> MediaClient:
    return MediaClient(fake_nxcloud.url)


class NoTurnError(Exception):
    """There is no turn for a second request."""


def deletion_error(
    client: MediaClient, credentials: Credentials = CREDENTIALS, deadline_s: float = DEADLINE_S
) -> NxCloudError:
    """Call deleteMedia, and return the error that it raises."""
    with pytest.raises(NxCloudError) as caught:
        client.delete_media(credentials, PHONE, MEDIA_ID, deadline_s=deadline_s)
    return caught.value


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_delete_media_sends_signed_request(fake_nxcloud: FakeNxCloud, algorithm: str) -> None:
    response = MediaClient(fake_nxcloud.url, algorithm=algorithm).delete_media(CREDENTIALS, PHONE, MEDIA_ID)  # type: ignore[arg-type]  # a str of pytest
    assert (response.code, response.message, response.http_status) == (0, "success", 200)
    assert fake_nxcloud.provider.media == {}
    [call] = fake_nxcloud.provider.calls
    assert (call.checked, call.algorithm) == ("signature valid", algorithm)
    assert call.body == (
        b'{"business_phone": "8615800001795", "Media-ID": "fd81acff-eea8-4d9d-acc9-6c62904d6615",'
        b' "messaging_product": "whatsapp"}'
    )


def test_get_media_returns_media_file(client: MediaClient) -> None:
    file = client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    assert file == MediaFile("image/jpeg", "file.jpg", f"https://media.example.com/{MEDIA_ID}")


def test_get_media_of_missing_media_raises_api_error(client: MediaClient) -> None:
    with pytest.raises(ApiError) as caught:
        client.get_media(CREDENTIALS, PHONE, "unknown")
    assert caught.value.provider_code == -1


def test_get_media_without_url_raises_api_error(client: MediaClient, fake_nxcloud: FakeNxCloud) -> None:
    fake_nxcloud.misbehave(Fault("unconfirmed"))
    with pytest.raises(ApiError):
        client.get_media(CREDENTIALS, PHONE, MEDIA_ID)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_upload_media_returns_media_id(fake_nxcloud: FakeNxCloud, algorithm: str) -> None:
    client = MediaClient(fake_nxcloud.url, algorithm=algorithm)  # type: ignore[arg-type]  # a str of pytest
    media_id = client.upload_media(CREDENTIALS, PHONE, b"\x89PNG", "picture.png")
    assert fake_nxcloud.provider.media[PHONE, media_id]["file_name"] == "picture.png"
    [call] = fake_nxcloud.provider.calls
    assert (call.checked, call.action, call.business_phone) == ("signature valid", "uploadMedia", PHONE)


@pytest.mark.parametrize("data", ["null", "{}", '{"id": null}', '{"id": ""}', '{"id": 7}', '{"success": true}'])
def test_upload_without_media_id_is_no_success(client: MediaClient, fake_nxcloud: FakeNxCloud, data: str) -> None:
    fake_nxcloud.misbehave(Fault("raw", status=200, body=f'{{"code": 0, "data": {data}}}'))
    with pytest.raises(ApiError, match="did not confirm"):
        client.upload_media(CREDENTIALS, PHONE, b"x", "a.png")


@pytest.mark.parametrize(("mime_type", "size"), [("image/png", 5_000_001), ("model/obj", 1)])
def test_upload_beyond_the_limits_of_nxcloud_is_refused(client: MediaClient, mime_type: str, size: int) -> None:
    with pytest.raises(InvalidRequestError):
        client.upload_media(CREDENTIALS, PHONE, b"x" * size, "file", mime_type)


def test_upload_beyond_the_limits_of_whatsapp_is_not_sent(client: MediaClient, fake_nxcloud: FakeNxCloud) -> None:
    with pytest.raises(
        InvalidFileError, match=r"house\.jpg is larger than the 5 MB that WhatsApp allows for image/jpeg"
    ):
        client.upload_media(CREDENTIALS, PHONE, bytes(5 * 2**20 + 1), "house.jpg")
    assert fake_nxcloud.connections == 0


def test_upload_sends_path_and_stream_as_they_are(
    client: MediaClient, fake_nxcloud: FakeNxCloud, tmp_path: Path
) -> None:
    path = tmp_path / "Haus am See.pdf"
    path.write_bytes(b"%PDF\r\n--\x00\xff")
    with path.open("rb") as stream:
        for source in (path, str(path), stream):
            media_id = client.upload_media(CREDENTIALS, PHONE, source)
            assert fake_nxcloud.provider.media[PHONE, media_id]["file_name"] == "Haus am See.pdf"
            call = fake_nxcloud.provider.calls[-1]
            assert (call.code, path.read_bytes() in call.body) == (0, True)
            assert b"Content-Type: application/pdf" in call.body


@pytest.mark.parametrize(
    ("credentials", "kind", "code"),
    [
        (Credentials("test-access-key", "wrong"), CredentialsRefusedError, 1003),
        (Credentials("wrong", "test-access-secret"), CredentialsRefusedError, 1005),
    ],
)
def test_wrong_credentials_raise_credentials_refused_error(
    client: MediaClient, credentials: Credentials, kind: type[Exception], code: int
) -> None:
    error = deletion_error(client, credentials)
    assert (type(error), error.provider_code) == (kind, code)


def test_wrong_clock_raises_clock_skew_error(fake_nxcloud: FakeNxCloud) -> None:
    late = MediaClient(fake_nxcloud.url, now_ms=lambda: system_clock_ms() - 61_000)
    assert type(deletion_error(late)) is ClockSkewError


def test_each_call_is_signed_with_its_own_timestamp(fake_nxcloud: FakeNxCloud) -> None:
    times = iter([system_clock_ms(), system_clock_ms() + 1])
    client = MediaClient(fake_nxcloud.url, now_ms=lambda: next(times))
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    first, second = fake_nxcloud.provider.calls
    assert int(second.ts) - int(first.ts) == 1
    assert {first.checked, second.checked} == {"signature valid"}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("code", code=-1), RequestFailedError),
        (Fault("code", code=9001), RequestFailedError),
        (Fault("code", code=28), ThrottledError),
        (Fault("code", code=9099), ApiError),
        (Fault("code", code=424242), ApiError),
        (Fault("unconfirmed"), ApiError),
        (Fault("code", code=9002), InvalidRequestError),
        (Fault("code", code=1009), CredentialsRefusedError),
        (Fault("status", status=429, retry_after=7), ThrottledError),
        (Fault("status", status=500), InvalidResponseError),
        (Fault("status", status=503), InvalidResponseError),
        (Fault("status", status=404), InvalidResponseError),
        (Fault("oversized"), InvalidResponseError),
        (Fault("reset"), NoResponseError),
        (Fault("lost"), NoResponseError),
        (Fault("close"), NoResponseError),
        (Fault("truncated"), NoResponseError),
        (Fault("hang", seconds=FAULT_S), NoResponseError),
        (Fault("latency", seconds=FAULT_S), NoResponseError),
        (Fault("drip_headers", seconds=FAULT_S), NoResponseError),
        (Fault("drip_body", seconds=FAULT_S), NoResponseError),
    ],
    ids=lambda value: f"{value.kind}-{value.code}-{value.status}" if isinstance(value, Fault) else "",
)
def test_fault_raises_nxcloud_error_within_the_deadline(
    client: MediaClient, fake_nxcloud: FakeNxCloud, fault: Fault, kind: type[Exception]
) -> None:
    fake_nxcloud.misbehave(fault)
    deadline_s = SHORT_DEADLINE_S if fault.seconds else DEADLINE_S
    started = monotonic()
    error = deletion_error(client, deadline_s=deadline_s)
    assert type(error) is kind
    assert ("the deadline of 0.2 s passed" in str(error)) == (deadline_s == SHORT_DEADLINE_S)
    assert monotonic() - started < FAULT_S / 2  # a wide margin for slow machines; without a deadline, FAULT_S
    assert_no_secrets(error)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "", InvalidResponseError),
        (200, "null", InvalidResponseError),
        (200, "[]", InvalidResponseError),
        (200, "<html>", InvalidResponseError),
        (200, "{", InvalidResponseError),
        (200, "[" * 60_000, InvalidResponseError),
        (200, "{}", InvalidResponseError),
        (200, '{"code": "0", "data": {"success": true}}', InvalidResponseError),
        (200, '{"code": 0.0, "data": {"success": true}}', InvalidResponseError),
        (200, '{"code": false, "data": {"success": true}}', InvalidResponseError),
        (200, '{"code": 0}', ApiError),
        (200, '{"code": 0, "data": null}', ApiError),
        (200, '{"code": 0, "data": []}', ApiError),
        (200, '{"code": 0, "data": {"success": "true"}}', ApiError),
        (200, '{"code": 0, "data": {"success": 1}}', ApiError),
        (200, '{"code": 9002, "message": null}', InvalidRequestError),
        (400, '{"code": 9002, "message": "wrong"}', InvalidRequestError),
        (401, '{"code": 1003, "message": "wrong"}', CredentialsRefusedError),
        (302, '{"code": 0, "data": {"success": true}}', InvalidResponseError),
        (404, '{"code": 0, "data": {"success": true}}', InvalidResponseError),
        (429, '{"code": 9002, "message": "slow down"}', ThrottledError),
        (200, '{"code": 9002, "code": 0, "data": {"success": true}}', InvalidResponseError),
        (200, '\ufeff{"code": 0, "data": {"success": true}}', InvalidResponseError),
        (500, '{"code": 0, "data": {"success": true}}', InvalidResponseError),
        (503, '{"code": 9002, "message": "down"}', InvalidResponseError),
    ],
)
def test_undocumented_response_is_no_success(
    client: MediaClient, fake_nxcloud: FakeNxCloud, status: int, body: str, kind: type[Exception]
) -> None:
    fake_nxcloud.misbehave(Fault("raw", status=status, body=body))
    error = deletion_error(client)
    assert (type(error), error.http_status) == (kind, status)


def test_redirect_is_not_followed(client: MediaClient, fake_nxcloud: FakeNxCloud) -> None:
    with FakeNxCloud(CREDENTIALS.access_key, CREDENTIALS.access_secret) as elsewhere:
        fake_nxcloud.misbehave(Fault("redirect", location=f"{elsewhere.url}/api/wa/deleteMedia"))
        error = deletion_error(client)
        assert (type(error), error.http_status) == (InvalidResponseError, 307)
        assert elsewhere.provider.calls == []


def test_proxies_and_netrc_of_environment_are_not_used(
    client: MediaClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password netrc-password")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert client.delete_media(CREDENTIALS, PHONE, MEDIA_ID).code == 0


def test_successive_calls_share_one_connection(client: MediaClient, fake_nxcloud: FakeNxCloud) -> None:
    for _ in range(3):
        client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    assert fake_nxcloud.connections == 1


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_stale_connection_is_replaced_at_once(client: MediaClient, fake_nxcloud: FakeNxCloud, kind: Kind) -> None:
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    fake_nxcloud.misbehave(Fault(kind))
    client.delete_media(CREDENTIALS, PHONE, MEDIA_ID)
    assert fake_nxcloud.connections == 2


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_stale_connection_is_replaced_only_once(client: MediaClient, fake_nxcloud: FakeNxCloud, kind: Kind) -> None:
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    fake_nxcloud.misbehave(Fault(kind, times=2))
    assert type(deletion_error(client)) is NoResponseError
    assert fake_nxcloud.connections == 2
    assert [call.action for call in fake_nxcloud.provider.calls] == ["getMedia"]


def test_repeat_on_a_new_connection_waits_for_its_turn(fake_nxcloud: FakeNxCloud) -> None:
    turns: list[float] = []
    client = MediaClient(fake_nxcloud.url, before_repeat=turns.append)
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    fake_nxcloud.misbehave(Fault("close"))
    client.delete_media(CREDENTIALS, PHONE, MEDIA_ID, deadline_s=5)
    assert len(turns) == 1
    assert 0 < turns[0] < 5


def test_repeat_without_a_turn_is_not_made(fake_nxcloud: FakeNxCloud) -> None:
    def refuse(_: float) -> None:
        raise NoTurnError

    client = MediaClient(fake_nxcloud.url, before_repeat=refuse)
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    fake_nxcloud.misbehave(Fault("close"))
    with pytest.raises(NoTurnError):
        client.delete_media(CREDENTIALS, PHONE, MEDIA_ID)
    assert [call.action for call in fake_nxcloud.provider.calls] == ["getMedia"]


def test_reset_of_new_connection_is_not_retried(client: MediaClient, fake_nxcloud: FakeNxCloud) -> None:
    fake_nxcloud.misbehave(Fault("reset"))
    assert type(deletion_error(client)) is NoResponseError
    assert fake_nxcloud.connections == 1


@pytest.mark.parametrize(("retry_after", "seconds"), [(7, 7), (0, 0), (None, None)])
def test_retry_after_is_part_of_the_error(
    client: MediaClient, fake_nxcloud: FakeNxCloud, retry_after: int | None, seconds: int | None
) -> None:
    fake_nxcloud.misbehave(Fault("status", status=429, retry_after=retry_after))
    assert deletion_error(client).retry_after_s == seconds


def test_retry_after_counts_on_an_unconfirmed_response() -> None:
    body = b'{"code": 0, "message": "", "data": {"success": false}}'
    with raw_server(http_response(body, "Retry-After: 7")) as url:
        assert deletion_error(MediaClient(url)).retry_after_s == 7


def test_retry_after_counts_on_an_oversized_response() -> None:
    with raw_server(http_response(b" " * 100_000, "Retry-After: 7")) as url:
        assert deletion_error(MediaClient(url)).retry_after_s == 7


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_compressed_success_is_no_success_and_says_so(encoding: str) -> None:
    body = gzip.compress(b'{"code": 0, "message": "", "data": {"success": true}}')
    with raw_server(http_response(body, f"Content-Encoding: {encoding}")) as url:
        error = deletion_error(MediaClient(url))
    assert str(error) == f"NXCloud answered HTTP 200 compressed ({encoding}), although identity was requested"


# One response belongs to one call


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_response_is_skipped(client: MediaClient, fake_nxcloud: FakeNxCloud, status: int) -> None:
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    fake_nxcloud.misbehave(Fault("interim", status=status))
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    fake_nxcloud.misbehave(Fault("code", code=9002))
    assert type(deletion_error(client)) is InvalidRequestError  # its own response, not the one before
    assert fake_nxcloud.connections == 1


def test_several_interim_responses_are_skipped() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + b"HTTP/1.1 100 Continue\r\n\r\n"
    success = http_response(b'{"code": 0, "message": "", "data": {"success": true}}')
    with raw_server(interim + interim + success) as url:
        assert MediaClient(url).delete_media(CREDENTIALS, PHONE, MEDIA_ID).code == 0


def test_switching_protocols_ends_the_connection() -> None:
    success = http_response(b'{"code": 0, "message": "", "data": {"success": true}}')
    with raw_server(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + success) as url:
        assert type(deletion_error(MediaClient(url))) is NoResponseError


def test_bytes_after_a_response_are_not_the_next_response() -> None:
    refusal = http_response(b'{"code": 9002, "message": "wrong number"}')
    success = http_response(b'{"code": 0, "message": "", "data": {"success": true}}')
    with raw_server(refusal + success, refusal) as url:
        client = MediaClient(url)
        assert [type(deletion_error(client)) for _ in range(2)] == [InvalidRequestError] * 2


def test_first_address_of_several_does_not_use_up_the_deadline(
    fake_nxcloud: FakeNxCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # they fill the queue of connections that are not accepted
            each.settimeout(0)
            each.connect_ex(listener.getsockname())
        addresses = [
            (AF_UNSUPPORTED, socket.SOCK_STREAM, 0, "", ("::1", 1)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname()),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", fake_nxcloud.port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)  # no resolver names such a host
        client = MediaClient("http://nxcloud.example")
        started = monotonic()
        assert client.delete_media(CREDENTIALS, PHONE, MEDIA_ID, deadline_s=1.0).code == 0
        assert monotonic() - started < 1.0
        for each in waiting:
            each.close()


def http_response(body: bytes, *headers: str) -> bytes:
    """An HTTP response with status 200, as on the wire."""
    head = "".join(f"{header}\r\n" for header in ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n" + body


@contextmanager
def raw_server(*responses: bytes) -> Iterator[str]:
    """A server that sends these bytes, each in reply to one request; its URL."""
    left = list(responses)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while left:
                request = b""
                while b"messaging_product" not in request:
                    received = self.request.recv(65536)
                    if not received:
                        return
                    request += received
                self.request.sendall(left.pop(0))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_connection_with_unread_response_is_not_reused(client: MediaClient, fake_nxcloud: FakeNxCloud) -> None:
    fake_nxcloud.misbehave(Fault("oversized"))
    deletion_error(client)
    client.get_media(CREDENTIALS, PHONE, MEDIA_ID)
    assert fake_nxcloud.connections == 2


def test_host_that_accepts_no_connection_hits_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # they fill the queue of connections that are not accepted
            each.settimeout(0)
            each.connect_ex(listener.getsockname())
        client = MediaClient(f"http://127.0.0.1:{listener.getsockname()[1]}")
        started = monotonic()
        error = deletion_error(client, deadline_s=SHORT_DEADLINE_S)
        assert "the deadline of 0.2 s passed" in str(error)
        assert monotonic() - started < FAULT_S / 2  # Linux itself would try for two minutes
        for each in waiting:
            each.close()


def test_refused_connection_and_unknown_host_are_named() -> None:
    assert "Connection refused" in str(deletion_error(MediaClient("http://127.0.0.1:1")))
    assert "gaierror" in str(deletion_error(MediaClient("http://nowhere.invalid")))


def test_failed_tls_handshake_raises_without_secrets(fake_nxcloud: FakeNxCloud) -> None:
    error = deletion_error(MediaClient(fake_nxcloud.url.replace("http:", "https:")))
    assert "SSL" in str(error)
    assert_no_secrets(error)


def test_secrets_in_provider_message_are_redacted(client: MediaClient, fake_nxcloud: FakeNxCloud) -> None:
    secrets = f"{CREDENTIALS.access_key} and {CREDENTIALS.access_secret}"
    fake_nxcloud.misbehave(Fault("code", code=9001, message=f"you sent {secrets} " + "x" * 1000))
    error = deletion_error(client)
    assert error.provider_message is not None
    assert error.provider_message.startswith("you sent *** and *** xxx")
    assert len(error.provider_message) == 256
    assert_no_secrets(error)


def assert_no_secrets(error: BaseException) -> None:
    """Check that neither the error nor its traceback holds a secret, a signature or a third-party exception."""
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    for secret in (CREDENTIALS.access_key, CREDENTIALS.access_secret, "sign="):
        assert secret not in shown
    assert "requests.exceptions" not in shown
    assert "urllib3.exceptions" not in shown
