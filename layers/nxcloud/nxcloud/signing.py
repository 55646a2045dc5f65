"""Signs NXCloud requests by the provider's "API interface calling convention", as authentication for `requests`."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from requests import PreparedRequest
from requests.auth import AuthBase

Algorithm = Literal["md5", "sha256"]

WHATSAPP = "2"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, sent with each call, and an access secret, never sent. Neither appears in `repr`.

    Raises ValueError, without the value, for a key that no HTTP header can carry, and for a secret that is empty, or no
    text in UTF-8.
    """

    access_key: str = field(repr=False)
    access_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.access_key or not all("!" <= character <= "~" for character in self.access_key):
            raise ValueError("the access key must be printable ASCII without spaces")
        if not self.access_secret:
            raise ValueError("the access secret is empty")
        if any("\ud800" <= character <= "\udfff" for character in self.access_secret):
            raise ValueError("the access secret holds a lone surrogate, which UTF-8 cannot encode")


def sign(headers: Mapping[str, str], body: bytes, access_secret: str, algorithm: Algorithm = "md5") -> str:
    """Return the lowercase hexadecimal signature over the headers, the exact bytes of the body, and the secret."""
    signed = "&".join(f"{name}={headers[name]}" for name in sorted(headers)).encode()
    if body:
        signed += b"&body=" + body
    signed += b"&accessSecret=" + access_secret.encode()
    return hashlib.new(algorithm, signed, usedforsecurity=False).hexdigest()


class SignatureAuth(AuthBase):
    """Adds the signed headers of one call to a prepared request, with a new `ts` for each request.

    `now_ms` returns the time as Unix milliseconds. A multipart body is not part of the signature.
    """

    def __init__(
        self, credentials: Credentials, action: str, now_ms: Callable[[], int], algorithm: Algorithm = "md5"
    ) -> None:
        self._credentials = credentials
        self._action = action
        self._now_ms = now_ms
        self._algorithm: Algorithm = algorithm

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign the request as it is now; a later change of the body invalidates the signature."""
        headers = {
            "accessKey": self._credentials.access_key,
            "action": self._action,
            "bizType": WHATSAPP,
            "ts": str(self._now_ms()),
        }
        signature = sign(headers, _signed_body(request), self._credentials.access_secret, self._algorithm)
        request.headers.update(headers, sign=signature)
        if self._algorithm != "md5":  # the provider's default; its older documentation knows no header for it
            request.headers["algorithm"] = self._algorithm
        return request


def _signed_body(request: PreparedRequest) -> bytes:
    if request.headers.get("Content-Type", "").startswith("multipart/form-data"):
        return b""
    body = request.body or b""
    return body.encode() if isinstance(body, str) else body
