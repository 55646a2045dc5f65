"""Parses NXCloud's responses: a confirmed success is returned, everything else is raised."""

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nxcloud.clock import http_date_ms
from nxcloud.errors import META_ERROR, InvalidResponseError, NxCloudError, ThrottledError, error_type

MAX_MESSAGE_CHARACTERS = 256
MAX_RETRY_AFTER_S = 999_999_999
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response with `code` 0: the API's code and message, its `data`, HTTP status, and `Retry-After` in seconds."""

    code: int
    message: str
    data: dict[str, Any]
    http_status: int
    retry_after_s: int | None = None


def parse_response(
    status: int, headers: Mapping[str, str], body: bytes, secrets: tuple[str, ...], now_ms: int
) -> ApiResponse:
    """Return a response whose `code` is 0 and whose HTTP status agrees. Raises NxCloudError for any other.

    `secrets` are the values sent with the request; they are removed from the provider's message.
    """
    payload, fault = _json_object(headers, body)
    code = payload.get("code") if type(payload.get("code")) is int else None  # `true` is an int to isinstance
    data: dict[str, Any] = payload["data"] if isinstance(payload.get("data"), dict) else {}
    meta_code, meta_message = _meta_error(data) if code == META_ERROR else (None, None)
    message = _redact(secrets, payload.get("message"), meta_message)
    retry_after_s = parse_retry_after(headers, now_ms)
    if code == 0 and 200 <= status < 300:
        return ApiResponse(code, message, data, status, retry_after_s)
    kind, description = _describe_failure(status, code, meta_code, message, fault)
    raise kind(
        description,
        provider_code=code,
        meta_code=meta_code,
        provider_message=None if code is None else message,
        http_status=status,
        retry_after_s=retry_after_s,
        server_time_ms=http_date_ms(headers.get("Date")),
    )


def _describe_failure(
    status: int, code: int | None, meta_code: int | None, message: str, fault: str | None
) -> tuple[type[NxCloudError], str]:
    """The kind and the description of a failure; `fault` is what is wrong with the body, where that can be named."""
    answered = f"NXCloud answered HTTP {status}"
    if status == http.client.TOO_MANY_REQUESTS:
        return ThrottledError, answered
    if code is None:
        return InvalidResponseError, f"{answered} {fault or 'without a JSON object and its code'}"
    if code != 0 and (200 <= status < 300 or 400 <= status < 500):
        return error_type(code, meta_code), f"NXCloud refused the call with code {code}: {message}"
    return InvalidResponseError, answered


def parse_retry_after(headers: Mapping[str, str], now_ms: int) -> int | None:
    """Seconds to wait, from a `Retry-After` in seconds or as a date; None where there is none.

    A date counts from the response's own `Date`, without one from `now_ms`, Unix milliseconds. A header of another form
    says 0 seconds: the server asks for patience, though not for how much.
    """
    text = headers.get("Retry-After")
    if text is None:
        return None
    if re.fullmatch("[0-9]+", text.strip()):
        return int(text) if len(text.strip()) < 10 else MAX_RETRY_AFTER_S  # Python converts only so many digits
    until_ms, date_ms = http_date_ms(text), http_date_ms(headers.get("Date"))
    return 0 if until_ms is None else max(0, (until_ms - (now_ms if date_ms is None else date_ms)) // 1000)


def _json_object(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Any], str | None]:
    """The JSON object in the body; or an empty one, and what is wrong with the body where that can be named."""
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        return {}, f"compressed ({encoding[:16]}), although identity was requested"
    if body.startswith(_BYTE_ORDER_MARK):
        return {}, "with a byte order mark before its JSON"
    try:
        payload = json.loads(body.decode(), object_pairs_hook=_unique)
    except _DuplicateKeyError:
        return {}, "with JSON that has a key twice"
    except (ValueError, RecursionError):
        return {}, None
    return (payload, None) if isinstance(payload, dict) else ({}, None)


class _DuplicateKeyError(Exception):
    """A JSON object has a key twice, so its meaning depends on the parser."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise _DuplicateKeyError
    return unique


def _meta_error(data: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """Code and message of Meta's own error in the data of code 9099."""
    match data.get("error"):
        case {"code": int(code), "message": str(message)} if type(code) is int:
            return code, message
        case {"code": int(code)} if type(code) is int:
            return code, None
    return None, None


def _redact(secrets: tuple[str, ...], message: object, meta_message: str | None) -> str:
    """The provider's message, and Meta's, without the secrets, cut to a length for logs."""
    text = ": ".join(part for part in (message, meta_message) if isinstance(part, str) and part)
    for secret in secrets:
        text = text.replace(secret, "***")
    return text[:MAX_MESSAGE_CHARACTERS]
