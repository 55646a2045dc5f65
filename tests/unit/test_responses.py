"""Parsed responses of NXCloud, by status, headers and body."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nxcloud import (
    ApiError,
    ClockSkewError,
    InvalidRequestError,
    InvalidResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
)
from nxcloud.responses import ApiResponse, parse_response, parse_retry_after

DATE = "Thu, 15 Jan 2026 09:26:53 GMT"
NOW_MS = 1768469213000  # the same time


def parse(status: int, payload: object, headers: dict[str, str] | None = None) -> ApiResponse:
    return parse_response(status, headers or {}, json.dumps(payload).encode(), ("a key", "a secret"), NOW_MS)


def parse_error(status: int, payload: object, headers: dict[str, str] | None = None) -> NxCloudError:
    with pytest.raises(NxCloudError) as caught:
        parse(status, payload, headers)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 299])
def test_code_0_with_http_2xx_is_a_success(status: int) -> None:
    response = parse(status, {"code": 0, "message": "success", "data": {"success": True}})
    assert response == ApiResponse(0, "success", {"success": True}, status)


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_data_other_than_an_object_is_empty(data: object) -> None:
    assert parse(200, {"code": 0, "data": data}) == ApiResponse(0, "", {}, 200)


@pytest.mark.parametrize("status", [199, 300, 307, 400, 404, 500, 503])
def test_code_0_with_other_http_status_is_invalid(status: int) -> None:
    error = parse_error(status, {"code": 0, "message": "success", "data": {"success": True}})
    assert type(error) is InvalidResponseError
    assert str(error) == f"NXCloud answered HTTP {status}"
    assert (error.provider_code, error.provider_message, error.http_status) == (0, "success", status)


@pytest.mark.parametrize("status", [200, 299, 400, 401, 499])
def test_other_code_with_http_2xx_or_4xx_is_an_api_error(status: int) -> None:
    error = parse_error(status, {"code": 9002, "message": "wrong number"})
    assert type(error) is InvalidRequestError
    assert (error.provider_code, error.provider_message, error.http_status) == (9002, "wrong number", status)


def test_negative_code_is_an_api_error() -> None:
    error = parse_error(200, {"code": -1, "message": "failed"})
    assert (type(error), error.provider_code) == (RequestFailedError, -1)


@pytest.mark.parametrize("payload", [{"code": 0}, {"code": 9002}, {"code": -1}, "text"])
def test_http_429_is_throttled_whatever_the_code(payload: object) -> None:
    error = parse_error(429, payload, {"Retry-After": "7"})
    assert (type(error), error.http_status, error.retry_after_s) == (ThrottledError, 429, 7)


def test_9099_carries_metas_own_code_and_message() -> None:
    meta = {"code": 130429, "message": "Rate limit hit", "type": "OAuthException", "fbtrace_id": "A1"}
    error = parse_error(200, {"code": 9099, "message": "WhatsApp error", "data": {"error": meta}})
    assert (type(error), error.provider_code, error.meta_code) == (ThrottledError, 9099, 130429)
    assert error.provider_message == "WhatsApp error: Rate limit hit"


@pytest.mark.parametrize(
    "data", [None, [], {}, {"error": None}, {"error": "4"}, {"error": {"code": "4"}}, {"error": {"code": True}}]
)
def test_9099_without_metas_code_is_an_api_error(data: object) -> None:
    error = parse_error(200, {"code": 9099, "message": "WhatsApp error", "data": data})
    assert (type(error), error.provider_code, error.meta_code) == (ApiError, 9099, None)


def test_meta_code_of_another_code_is_not_read() -> None:
    assert parse_error(200, {"code": -1, "data": {"error": {"code": 4}}}).meta_code is None


@pytest.mark.parametrize(
    ("headers", "body", "fault"),
    [
        ({"Content-Encoding": "gzip"}, b"\x1f\x8b", "compressed (gzip), although identity was requested"),
        (
            {"Content-Encoding": "abcdefghijklmnopq"},
            b"{}",
            "compressed (abcdefghijklmnop), although identity was requested",
        ),
        ({"Content-Encoding": " BR "}, b"{}", "compressed (br), although identity was requested"),
        ({}, b'\xef\xbb\xbf{"code": 0, "data": {"success": true}}', "with a byte order mark before its JSON"),
        ({}, b'{"code": 9002, "code": 0, "data": {"success": true}}', "with JSON that has a key twice"),
        ({}, b'{"code": 0, "data": {"success": false, "success": true}}', "with JSON that has a key twice"),
    ],
)
def test_fault_of_the_body_is_named(headers: dict[str, str], body: bytes, fault: str) -> None:
    with pytest.raises(InvalidResponseError, match=re.escape(f"NXCloud answered HTTP 200 {fault}")):
        parse_response(200, headers, body, (), NOW_MS)


def test_object_with_many_keys_is_parsed() -> None:
    many = {f"key-{number}": number for number in range(1000)}
    assert parse(200, {"code": 0, "data": many}).data == many


def test_identity_encoding_is_no_fault() -> None:
    assert parse(200, {"code": 0}, {"Content-Encoding": "identity"}).code == 0


@pytest.mark.parametrize("status", [200, 400, 429, 503])
@pytest.mark.parametrize("code", [0, -1, 28, 1003, 9002, 9099, 4711, None])
def test_retry_after_counts_on_any_response(status: int, code: int | None) -> None:
    headers = {"Retry-After": "7"}
    if (status, code) == (200, 0):
        assert parse(status, {"code": code}, headers).retry_after_s == 7
    else:
        assert parse_error(status, {"code": code}, headers).retry_after_s == 7


@pytest.mark.parametrize("status", [199, 300, 307, 399, 500, 503])
def test_other_code_with_other_http_status_is_invalid(status: int) -> None:
    error = parse_error(status, {"code": 9002, "message": "wrong number"}, {"Retry-After": "7"})
    assert type(error) is InvalidResponseError
    assert (error.provider_code, error.http_status, error.retry_after_s) == (9002, status, 7)


@pytest.mark.parametrize("code", ["0", 0.0, False, True, None, [0], {}])
def test_code_other_than_an_integer_is_invalid(code: object) -> None:
    error = parse_error(200, {"code": code, "data": {"success": True}}, {"Retry-After": "7"})
    assert type(error) is InvalidResponseError
    assert str(error) == "NXCloud answered HTTP 200 without a JSON object and its code"
    assert (error.http_status, error.retry_after_s) == (200, 7)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"0", b"null", b"\xff", b"[" * 100_000])
def test_body_other_than_a_json_object_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidResponseError):
        parse_response(200, {}, body, (), NOW_MS)


def test_api_error_carries_the_servers_time() -> None:
    error = parse_error(200, {"code": 1004, "message": "ts"}, {"Date": DATE})
    assert type(error) is ClockSkewError
    assert error.server_time_ms == 1768469213000


@pytest.mark.parametrize("message", [None, 7, ["text"]])
def test_message_other_than_text_is_empty(message: object) -> None:
    assert parse_error(200, {"code": -1, "message": message}).provider_message == ""


def test_message_is_redacted_before_the_cut() -> None:
    error = parse_error(200, {"code": -1, "message": "no a key, a secret, a key " + "x" * 300})
    assert error.provider_message is not None
    assert error.provider_message.startswith("no ***, ***, *** xxx")
    assert len(error.provider_message) == 256


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        ("-1", 0),
        ("1.5", 0),
        ("123456789", 123_456_789),
        ("9" * 10, 999_999_999),
        ("9" * 5000, 999_999_999),
        ("", 0),
        (None, None),
        ("Thu, 15 Jan 2026 10:26:53 GMT", 3600),
        ("Thu, 15 Jan 2026 09:25:53 GMT", 0),
        ("soon", 0),
        ("5, 9", 0),
    ],
)
def test_retry_after_is_parsed_in_each_form(text: str | None, seconds: int | None) -> None:
    headers = {"Date": DATE} | ({} if text is None else {"Retry-After": text})
    after_s = parse_retry_after(headers, 0)
    assert after_s == seconds
    assert not isinstance(after_s, float)


@pytest.mark.parametrize("date", [None, "", "now"])
def test_retry_after_date_without_server_date_is_from_now(date: str | None) -> None:
    headers = {"Retry-After": DATE} | ({} if date is None else {"Date": date})
    assert parse_retry_after(headers, NOW_MS - 60_000) == 60
    assert parse_retry_after(headers, NOW_MS + 60_000) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["code", "data", "success"]), inner),
    max_leaves=8,
)


@given(st.integers(100, 599), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_response_returns_or_raises_nxcloud_error(status: int, body: bytes) -> None:
    try:
        response = parse_response(status, {}, body, ("secret",), NOW_MS)
    except NxCloudError:
        return
    assert (response.code, json.loads(body)["code"]) == (0, 0)
    assert 200 <= status < 300
