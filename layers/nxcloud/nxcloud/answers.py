"""Reads what NXCloud answers: a confirmed success, or the error that it stands for."""

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nxcloud.clock import http_date_ms
from nxcloud.errors import InvalidAnswerError, refusal

MAX_MESSAGE_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """A confirmed success: the API's code and message, its `data`, and the HTTP status they came with."""

    code: int
    message: str
    data: dict[str, Any]
    http_status: int


def confirmed(status: int, headers: Mapping[str, str], body: bytes, secrets: tuple[str, ...]) -> Answer:
    """The answer with `code` 0 that HTTP's status agrees with; all others are raised, as NxCloudError.

    `secrets` are what the request carried, which no message may repeat.
    """
    answer = _json_object(body)
    after_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"))
    code = answer.get("code")
    if type(code) is not int:  # `true` is an int to isinstance
        raise InvalidAnswerError(
            f"NXCloud answered HTTP {status} without a JSON object and its code",
            http_status=status,
            retry_after_s=after_s,
        )
    message = _without(secrets, answer.get("message"))
    if 200 <= status < 300 and code == 0:
        data = answer.get("data")
        return Answer(code, message, data if isinstance(data, dict) else {}, status)
    if code != 0 and (200 <= status < 300 or 400 <= status < 500) and status != http.client.TOO_MANY_REQUESTS:
        raise refusal(code, message, status, http_date_ms(headers.get("Date")))
    what = f"NXCloud answered HTTP {status}"
    raise InvalidAnswerError(
        what, provider_code=code, provider_message=message, http_status=status, retry_after_s=after_s
    )


def retry_after_s(text: str | None, date: str | None) -> int | None:
    """The seconds to wait: `Retry-After` tells them, or a date to be compared with the answer's own."""
    if text and re.fullmatch("[0-9]{1,9}", text.strip()):
        return int(text)
    until_ms, now_ms = http_date_ms(text), http_date_ms(date)
    return None if until_ms is None or now_ms is None else max(0, (until_ms - now_ms) // 1000)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body.decode())
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _without(secrets: tuple[str, ...], message: object) -> str:
    """The provider's words, cut to a length for logs, with anything blotted out that it should not have repeated."""
    text = message if isinstance(message, str) else ""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text[:MAX_MESSAGE_CHARACTERS]
