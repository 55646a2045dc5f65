"""Calls NXCloud's media API: `deleteMedia`, `getMedia` and `uploadMedia`, one signed HTTP request each."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from nxcloud.clock import system_clock_ms
from nxcloud.errors import ApiError, InvalidResponseError, NoResponseError
from nxcloud.files import Source, load_file
from nxcloud.responses import ApiResponse, parse_response, parse_retry_after
from nxcloud.signing import Algorithm, Credentials, SignatureAuth
from nxcloud.transport import StaleConnectionError, deadline_session

BASE_URL = "https://api2.nxcloud.com"
DEADLINE_S = 10.0
UPLOAD_DEADLINE_S = 60.0
MAX_RESPONSE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A media file as `getMedia` describes it: MIME type, file name, and download URL."""

    mime_type: str
    file_name: str
    url: str


class _StaleConnection(NoResponseError):  # noqa: N818 (a kind of NoResponseError, for this module alone)
    """A kept-alive connection was closed by the server; the call may succeed on a new one."""


class MediaClient:
    """NXCloud's media API over keep-alive connections.

    `now_ms` returns the time to sign with, as Unix milliseconds. Each call takes at most `deadline_s` seconds in total,
    and raises a subclass of NxCloudError unless the API confirms success. `before_repeat` is called with the seconds
    left before a request is sent for the second time; what it raises ends the call.
    """

    def __init__(
        self,
        base_url: str = BASE_URL,
        *,
        algorithm: Algorithm = "md5",
        now_ms: Callable[[], int] = system_clock_ms,
        before_repeat: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._algorithm: Algorithm = algorithm
        self._now_ms = now_ms
        self._before_repeat = before_repeat
        self._session = deadline_session(self._base_url)

    def delete_media(
        self, credentials: Credentials, business_phone: str, media_id: str, *, deadline_s: float = DEADLINE_S
    ) -> ApiResponse:
        """Delete a media file (source: NXCloud, "deleteMedia"). Success is `code` 0 and `data.success` true."""
        response = self._send("deleteMedia", credentials, _json_body(business_phone, media_id), deadline_s)
        if response.data.get("success") is not True:
            raise _unconfirmed(response)
        return response

    def get_media(
        self, credentials: Credentials, business_phone: str, media_id: str, *, deadline_s: float = DEADLINE_S
    ) -> MediaFile:
        """Look a media file up (source: NXCloud, "getMedia"). Success has a URL in place of `success`."""
        response = self._send("getMedia", credentials, _json_body(business_phone, media_id), deadline_s)
        match response.data:
            case {"mime_type": str(mime_type), "file_name": str(file_name), "url": str(url)}:
                return MediaFile(mime_type, file_name, url)
        raise _unconfirmed(response)

    def upload_media(  # noqa: PLR0913 (the fields of the call)
        self,
        credentials: Credentials,
        business_phone: str,
        source: Source,
        file_name: str | None = None,
        mime_type: str | None = None,
        *,
        deadline_s: float = UPLOAD_DEADLINE_S,
    ) -> str:
        """Upload a file from a path, bytes or a binary stream (source: NXCloud, "uploadMedia"). Returns its Media-ID.

        Name and MIME type are guessed where they are not given; see `files.load_file`. The file is read into memory.
        """
        file = load_file(source, file_name, mime_type)
        fields = {"business_phone": business_phone, "messaging_product": "whatsapp", "type": file.mime_type}
        body = {"data": fields, "files": {"file": (file.name, file.content, file.mime_type)}}
        response = self._send("uploadMedia", credentials, body, deadline_s)
        match response.data:
            case {"id": str(media_id)} if media_id:
                return media_id
        raise _unconfirmed(response)

    def _send(self, action: str, credentials: Credentials, body: dict[str, Any], deadline_s: float) -> ApiResponse:
        """Send one signed request, and parse its response. `body`: the keyword arguments of `requests.post` for it."""
        auth = SignatureAuth(credentials, action, self._now_ms, self._algorithm)
        response, content = self._post_with_reconnect(action, body, auth, deadline_s)
        # Removed from NXCloud's message, which may repeat them
        secrets = (credentials.access_key, credentials.access_secret, response.request.headers["sign"])
        return parse_response(response.status_code, response.headers, content, secrets, _signed_ms(response))

    def _post_with_reconnect(
        self, action: str, body: dict[str, Any], auth: SignatureAuth, deadline_s: float
    ) -> tuple[requests.Response, bytes]:
        """Send a request within the deadline, once more where a kept-alive connection was stale."""
        started = time.monotonic()
        try:
            return self._post_once(action, body, auth, deadline_s)
        except _StaleConnection:
            self._session.close()  # the pool's other connections are as old
        # Outside of `except`: otherwise the first error would become the context, and so the root cause, of the second
        self._before_repeat(deadline_s - (time.monotonic() - started))
        return self._post_once(action, body, auth, max(deadline_s - (time.monotonic() - started), 0.001))

    def _post_once(
        self, action: str, body: dict[str, Any], auth: SignatureAuth, deadline_s: float
    ) -> tuple[requests.Response, bytes]:
        """Send one HTTP request. Third-party exceptions end here, since some carry the signed headers."""
        try:
            with self._session.post(
                f"{self._base_url}/api/wa/{action}",
                **body,
                auth=auth,
                timeout=urllib3.Timeout(total=deadline_s),  # type: ignore[arg-type]  # requests hands it to urllib3
                allow_redirects=False,
                stream=True,
            ) as response:
                return response, _read(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            cause = _root_cause(error)
            kind = _StaleConnection if isinstance(cause, StaleConnectionError) else NoResponseError
            raise kind(f"no complete answer from NXCloud: {_describe(cause, deadline_s)}") from None


def _json_body(business_phone: str, media_id: str) -> dict[str, Any]:
    fields = {"business_phone": business_phone, "Media-ID": media_id, "messaging_product": "whatsapp"}
    return {"data": json.dumps(fields).encode(), "headers": {"Content-Type": "application/json"}}


def _unconfirmed(response: ApiResponse) -> ApiError:
    """The error of a response with `code` 0 whose data does not confirm it."""
    return ApiError(
        f"NXCloud did not confirm the call: {response.message}",
        provider_code=response.code,
        provider_message=response.message,
        http_status=response.http_status,
        retry_after_s=response.retry_after_s,
    )


def _root_cause(error: BaseException) -> BaseException:
    while not isinstance(error, StaleConnectionError) and (cause := error.__cause__ or error.__context__):
        error = cause
    return error


def _describe(error: BaseException, deadline_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"the deadline of {deadline_s:g} s passed"
    detail = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def _read(response: requests.Response) -> bytes:
    """Read the body undecoded; `Accept-Encoding: identity` asked for no compression."""
    body = bytearray()
    while chunk := response.raw.read(MAX_RESPONSE_BYTES + 1 - len(body), decode_content=False):
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise InvalidResponseError(
                f"NXCloud answered with more than {MAX_RESPONSE_BYTES // 1024} KiB",
                http_status=response.status_code,
                retry_after_s=parse_retry_after(response.headers, _signed_ms(response)),
            )
    return bytes(body)


def _signed_ms(response: requests.Response) -> int:
    """The time that the request was signed with, as Unix milliseconds."""
    return int(response.request.headers["ts"])
