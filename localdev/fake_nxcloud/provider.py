"""NXCloud's behaviour without HTTP: validates requests as its documentation says, and keeps media files in memory.

Written from the provider's public documentation, deliberately without any of the client's code.
"""

import hashlib
import hmac
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

ACTIONS = ("deleteMedia", "getMedia", "uploadMedia")
SIGNED_HEADERS = ("accessKey", "action", "bizType", "ts")
WINDOW_MS = 60_000
MESSAGES = {
    0: "success",
    -1: "request failed, please contact technical support",
    1001: "a required header is missing",
    1002: "bizType, action or a body parameter is wrong",
    1003: "wrong signature",
    1004: "ts differs by more than 60 seconds",
    1005: "accessKey is wrong or lacks the right",
    28: "too many calls per second",
    9000: "a parameter is missing",
    9001: "system business error, please contact technical support",
    9002: "the merchant's phone number is wrong",
    9006: "the number is not bound to an application",
    9099: "WhatsApp error",
}
LIFETIME_MS = 30 * 24 * 3600 * 1000  # source: Meta, "Media": WhatsApp keeps uploaded media for 30 days
MEGABYTE = 1_000_000
MAX_BYTES = {
    "image": 5 * MEGABYTE,
    "audio": 16 * MEGABYTE,
    "video": 16 * MEGABYTE,
    "application": 100 * MEGABYTE,
    "text": 100 * MEGABYTE,
}
META_RATE_LIMIT = {"code": 130429, "message": "Rate limit hit", "type": "OAuthException", "fbtrace_id": "A1b2C3"}


@dataclass(frozen=True)
class Call:
    """One request as received. `checked` is the result of its validation: the error, or "signature valid"."""

    action: str
    business_phone: str
    media_id: str
    code: int
    checked: str
    algorithm: str
    ts: str
    body: bytes = field(repr=False)
    received_ms: int = 0


@dataclass(frozen=True)
class Reply:
    """The JSON of a response, its HTTP status, and its `Retry-After` in seconds."""

    code: int
    data: dict[str, Any] | None = None
    message: str | None = None
    status: int = 200
    retry_after: int | None = None

    def json(self) -> bytes:
        """Return the encoded body."""
        message = MESSAGES.get(self.code, f"code {self.code}") if self.message is None else self.message
        return json.dumps({"code": self.code, "message": message, "data": self.data}).encode()


class Refusal(Exception):  # noqa: N818 (a refusal is a response of the provider, not an error of the fake)
    """The provider responds with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(MESSAGES.get(code, f"code {code}"))
        self.code = code


@dataclass
class RateLimit:
    """A token bucket: `rate` calls a second, up to `burst` at once; each call beyond gets the `reply`."""

    rate: float
    burst: int
    reply: Reply
    _tokens: float | None = None
    _filled_ms: int = 0

    def allows(self, now_ms: int) -> bool:
        """Take a token, if there is one."""
        tokens = self.burst if self._tokens is None else self._tokens + (now_ms - self._filled_ms) * self.rate / 1000
        self._filled_ms, self._tokens = now_ms, min(self.burst, tokens)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


THROTTLING = {  # each way in which NXCloud may say that a caller is too fast
    "HTTP 429": Reply(-1, status=429, retry_after=1),
    "code 28": Reply(28),
    "code 9099 with 130429": Reply(9099, {"error": META_RATE_LIMIT}),
    "code -1": Reply(-1),
}


@dataclass
class Account:
    """A further account: its access secret, and its business phones, which no other account may use."""

    access_secret: str
    numbers: set[str]


class Provider:
    """An account with its access key, its media files, and a record of the calls received.

    `numbers`: the bound phone numbers; None binds every number. `accounts`: further ones, by access key. `now_ms`: the
    provider's own clock. Troubles, to set: `rate_limit`; `out_of_order`, business phones whose every call fails with
    9001; `refused_actions`, with their codes; `lifetime_ms`, after which a media file expires. `troubles` counts the
    calls that met each.
    """

    def __init__(
        self,
        access_key: str,
        access_secret: str,
        *,
        numbers: set[str] | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.access_key = access_key
        self.access_secret = access_secret
        self.numbers = numbers
        self.accounts: dict[str, Account] = {}
        self.now_ms = now_ms
        self.media: MutableMapping[tuple[str, str], dict[str, str]] = {}
        self.evergreen: set[tuple[str, str]] = set()  # restored after each deletion, so that a sample can be run again
        self.rate_limit: RateLimit | None = None
        self.out_of_order: set[str] = set()
        self.refused_actions: dict[str, int] = {}
        self.lifetime_ms = LIFETIME_MS
        self.troubles: Counter[str] = Counter()
        self.expired: set[tuple[str, str]] = set()
        self.refused: set[tuple[str, str]] = set()  # their deletion is refused permanently
        self.calls: list[Call] = []
        self._uploaded_ms: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def add_media(self, business_phone: str, media_id: str | None = None, file_name: str = "file.jpg") -> str:
        """Store a media file as if it had been uploaded, and return its Media-ID."""
        media_id = media_id or str(uuid.uuid4())
        self._uploaded_ms[business_phone, media_id] = self.now_ms()
        self.media[business_phone, media_id] = {
            "mime_type": "image/jpeg",
            "file_name": file_name,
            "url": f"https://media.example.com/{media_id}",
        }
        return media_id

    def expire(self, business_phone: str, media_id: str) -> None:
        """Remove a media file, as WhatsApp does after its lifetime."""
        if self.media.pop((business_phone, media_id), None):
            self.expired.add((business_phone, media_id))

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Validate a request, and carry it out. `headers` must find names in any case, as HTTP requires."""
        action = path.removeprefix("/api/wa/")
        fields: dict[str, Any] = {}
        with self._lock:
            try:
                self._check(action, headers, body)
                fields = _fields(headers, body)
                self._check_account(headers["accessKey"], str(fields.get("business_phone")))
                reply, checked = self._throttle() or self._do(action, fields), "signature valid"
            except Refusal as refusal:
                reply, checked = Reply(refusal.code), str(refusal)
            self.calls.append(
                Call(
                    action=action,
                    business_phone=str(fields.get("business_phone", "")),
                    media_id=str(fields.get("Media-ID", "")),
                    code=reply.code,
                    checked=checked,
                    algorithm=headers.get("algorithm") or "md5",
                    ts=headers.get("ts") or "",
                    body=body,
                    received_ms=self.now_ms(),
                )
            )
            return reply

    def _check(self, action: str, headers: Mapping[str, str], body: bytes) -> None:
        """Validate the calling convention: headers, account, time, signature, in that order."""
        if any(not headers.get(name) for name in (*SIGNED_HEADERS, "sign")):
            raise Refusal(1001)
        algorithm = headers.get("algorithm") or "md5"
        if headers["bizType"] != "2" or headers["action"] != action or algorithm not in {"md5", "sha256"}:
            raise Refusal(1002)
        access_secret = self._access_secret(headers["accessKey"])
        if not headers["ts"].isdigit() or abs(int(headers["ts"]) - self.now_ms()) > WINDOW_MS:
            raise Refusal(1004)
        text = "&".join(f"{name}={headers[name]}" for name in SIGNED_HEADERS).encode()
        if body and not _is_multipart(headers):
            text += b"&body=" + body
        text += f"&accessSecret={access_secret}".encode()
        if not hmac.compare_digest(hashlib.new(algorithm, text).hexdigest(), headers["sign"]):
            raise Refusal(1003)

    def _access_secret(self, access_key: str) -> str:
        if access_key == self.access_key:
            return self.access_secret
        if access_key not in self.accounts:
            raise Refusal(1005)
        return self.accounts[access_key].access_secret

    def _check_account(self, access_key: str, phone: str) -> None:
        """Refuse a business phone of another account."""
        owner = next((key for key, account in self.accounts.items() if phone in account.numbers), self.access_key)
        if access_key != owner:
            raise Refusal(1005)

    def _throttle(self) -> Reply | None:
        """The reply to a call beyond the rate limit."""
        if self.rate_limit is None or self.rate_limit.allows(self.now_ms()):
            return None
        self.troubles["throttled"] += 1
        return self.rate_limit.reply

    def _do(self, action: str, fields: dict[str, Any]) -> Reply:
        """Carry out a call."""
        phone = self._check_fields(action, fields)
        if action == "uploadMedia":
            return self._upload(phone, fields)
        media = (phone, str(fields["Media-ID"]))
        if self.now_ms() - self._uploaded_ms.get(media, self.now_ms()) >= self.lifetime_ms:
            self.expire(*media)
        stored = self.media.get(media)
        self.troubles["media expired"] += media in self.expired
        if stored is None:
            raise Refusal(-1)  # the documentation does not say how NXCloud responds for a missing media file
        if action == "getMedia":
            return Reply(0, dict(stored))
        if media in self.refused:
            raise Refusal(9002)
        if media not in self.evergreen:
            del self.media[media]
        return Reply(0, {"success": True})

    def _check_fields(self, action: str, fields: dict[str, Any]) -> str:
        """Validate the fields and the account's rights. Returns the business phone."""
        required = ("business_phone", "messaging_product", *(("type",) if action == "uploadMedia" else ("Media-ID",)))
        if any(not fields.get(name) for name in required):
            raise Refusal(9000)
        if fields["messaging_product"] != "whatsapp":
            raise Refusal(1002)
        phone = str(fields["business_phone"])
        if not phone.isdigit():
            raise Refusal(9002)
        if self.numbers is not None and phone not in self.numbers:
            raise Refusal(9006)
        if phone in self.out_of_order:
            self.troubles["number out of order"] += 1
            raise Refusal(9001)
        if code := self.refused_actions.get(action):
            self.troubles[f"{action} refused"] += 1
            raise Refusal(code)
        return phone

    def _upload(self, phone: str, fields: dict[str, Any]) -> Reply:
        """Store a file of a known type, up to Meta's documented size."""
        kind = str(fields["type"]).partition("/")[0]
        if "content" not in fields:
            raise Refusal(9000)
        if len(fields["content"]) > MAX_BYTES.get(kind, 0):
            raise Refusal(1002)
        return Reply(0, {"id": self.add_media(phone, file_name=str(fields["file_name"]))})


def _is_multipart(headers: Mapping[str, str]) -> bool:
    return (headers.get("Content-Type") or "").startswith("multipart/form-data")


def _fields(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if _is_multipart(headers):
        message = message_from_bytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body)
        fields: dict[str, Any] = {}
        for part in message.walk():
            name = part.get_param("name", header="content-disposition")
            if part.get_filename():
                fields |= {"file_name": part.get_filename(), "content": part.get_payload(decode=True)}
            elif name:
                fields[str(name)] = bytes(part.get_payload(decode=True) or b"").decode()
        return fields
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise Refusal(1002)
    return parsed
