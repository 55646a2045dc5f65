"""Parses NXCloud's responses: a confirmed success is returned, everything else is raised."""

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nxcloud.clock import http_date_ms
from nxcloud.errors import InvalidResponseError, error_for_code

MAX_MESSAGE_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response with `code` 0: the API's code and message, its `data`, and the HTTP status."""

    code: int
    message: str
    data: dict[str, Any]
    http_status: int


def parse_response(status: int, headers: Mapping[str, str], body: bytes, secrets: tuple[str, ...]) -> ApiResponse:
    """Return a response whose `code` is 0 and whose HTTP status agrees. Raises NxCloudError for any other.

    `secrets` are the values sent with the request; they are removed from the provider's message.
    """
    payload = _json_object(body)
    retry_after_s = parse_retry_after(headers.get("Retry-After"), headers.get("Date"))
    code = payload.get("code")
    if type(code) is not int:  # `true` is an int to isinstance
        raise InvalidResponseError(
            f"NXCloud answered HTTP {status} without a JSON object and its code",
            http_status=status,
            retry_after_s=retry_after_s,
        )
    message = _redact(secrets, payload.get("message"))
    if 200 <= status < 300 and code == 0:
        data = payload.get("data")
        return ApiResponse(code, message, data if isinstance(data, dict) else {}, status)
    if code != 0 and (200 <= status < 300 or 400 <= status < 500) and status != http.client.TOO_MANY_REQUESTS:
        raise error_for_code(code, message, status, http_date_ms(headers.get("Date")))
    raise InvalidResponseError(
        f"NXCloud answered HTTP {status}",
        provider_code=code,
        provider_message=message,
        http_status=status,
        retry_after_s=retry_after_s,
    )


def parse_retry_after(text: str | None, date: str | None) -> int | None:
    """Seconds to wait, from a `Retry-After` in seconds, or from its date relative to the response's own `Date`."""
    if text and re.fullmatch("[0-9]{1,9}", text.strip()):
        return int(text)
    until_ms, now_ms = http_date_ms(text), http_date_ms(date)
    return None if until_ms is None or now_ms is None else max(0, (until_ms - now_ms) // 1000)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body.decode())
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _redact(secrets: tuple[str, ...], message: object) -> str:
    """The provider's message without the secrets, cut to a length for logs."""
    text = message if isinstance(message, str) else ""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text[:MAX_MESSAGE_CHARACTERS]
