"""Calls NXCloud's media API: `deleteMedia` and `getMedia`, one signed HTTP request each."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import requests
import urllib3

from nxcloud.answers import Answer, confirmed
from nxcloud.clock import system_clock_ms
from nxcloud.errors import InvalidAnswerError, NoAnswerError, refusal
from nxcloud.signing import Algorithm, Credentials, SignatureAuth
from nxcloud.transport import DeadConnectionError, bounded_session

DEADLINE_S = 10.0
MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class MediaFile:
    """What `getMedia` tells of a media: its MIME type, its file name, and where it can be downloaded."""

    mime_type: str
    file_name: str
    url: str


class _DeadConnection(NoAnswerError):  # noqa: N818 (a kind of NoAnswerError, for this module alone)
    """A connection from an earlier call had died in the meantime; on a new one the call may well succeed."""


class MediaClient:
    """NXCloud's media API over connections that are kept alive from call to call.

    `now_ms` tells the time to sign with, as Unix milliseconds. Each call takes at most its `deadline_s`, in seconds, as
    a whole, and raises a subclass of NxCloudError unless the API confirms success.
    """

    def __init__(
        self,
        base_url: str,
        *,
        algorithm: Algorithm = "md5",
        now_ms: Callable[[], int] = system_clock_ms,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._algorithm: Algorithm = algorithm
        self._now_ms = now_ms
        self._session = bounded_session()

    def delete_media(
        self, credentials: Credentials, business_phone: str, media_id: str, *, deadline_s: float = DEADLINE_S
    ) -> Answer:
        """Deletes a media (source: NXCloud, "deleteMedia"): success is `code` 0 and `data.success` true."""
        answer = self._call("deleteMedia", credentials, business_phone, media_id, deadline_s)
        if answer.data.get("success") is not True:
            raise refusal(answer.code, answer.message, answer.http_status)
        return answer

    def get_media(
        self, credentials: Credentials, business_phone: str, media_id: str, *, deadline_s: float = DEADLINE_S
    ) -> MediaFile:
        """Looks a media up (source: NXCloud, "getMedia"); its success has an address in place of `success`."""
        answer = self._call("getMedia", credentials, business_phone, media_id, deadline_s)
        match answer.data:
            case {"mime_type": str(mime_type), "file_name": str(file_name), "url": str(url)}:
                return MediaFile(mime_type, file_name, url)
        raise refusal(answer.code, answer.message, answer.http_status)

    def _call(
        self, action: str, credentials: Credentials, business_phone: str, media_id: str, deadline_s: float
    ) -> Answer:
        """Sends one signed request; an answer with `code` 0 is returned, all else is raised."""
        fields = {"business_phone": business_phone, "Media-ID": media_id, "messaging_product": "whatsapp"}
        auth = SignatureAuth(credentials, action, self._now_ms, self._algorithm)
        response, body = self._post(f"/api/wa/{action}", json.dumps(fields).encode(), auth, deadline_s)
        secrets = (credentials.access_key, credentials.access_secret, response.request.headers["sign"])
        return confirmed(response.status_code, response.headers, body, secrets)

    def _post(self, path: str, body: bytes, auth: SignatureAuth, deadline_s: float) -> tuple[requests.Response, bytes]:
        """The one answer, within the deadline; asked for again where a kept-alive connection turned out to be dead."""
        started = time.monotonic()
        try:
            return self._attempt(path, body, auth, deadline_s)
        except _DeadConnection:
            self._session.close()  # the others have been kept as long
        return self._attempt(path, body, auth, max(deadline_s - (time.monotonic() - started), 0.001))

    def _attempt(
        self, path: str, body: bytes, auth: SignatureAuth, deadline_s: float
    ) -> tuple[requests.Response, bytes]:
        """The one place where HTTP happens. Foreign exceptions end here, since some carry the signed headers."""
        try:
            with self._session.post(
                self._base_url + path,
                data=body,
                auth=auth,
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
                timeout=urllib3.Timeout(total=deadline_s),  # type: ignore[arg-type]  # requests hands it to urllib3
                allow_redirects=False,
                stream=True,
            ) as response:
                return response, _read(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            origin = _origin(error)
            kind = _DeadConnection if isinstance(origin, DeadConnectionError) else NoAnswerError
            raise kind(f"no complete answer from NXCloud: {_told(origin, deadline_s)}") from None


def _origin(error: BaseException) -> BaseException:
    while not isinstance(error, DeadConnectionError) and (origin := error.__cause__ or error.__context__):
        error = origin
    return error


def _told(error: BaseException, deadline_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"the deadline of {deadline_s:g} s passed"
    detail = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def _read(response: requests.Response) -> bytes:
    """The body as it came over the wire; `Accept-Encoding: identity` asked for it unpacked."""
    body = bytearray()
    while chunk := response.raw.read(MAX_ANSWER_BYTES + 1 - len(body), decode_content=False):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            what = f"NXCloud answered with more than {MAX_ANSWER_BYTES // 1024} KiB"
            raise InvalidAnswerError(what, http_status=response.status_code)
    return bytes(body)
