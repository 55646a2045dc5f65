"""What NXCloud's answers mean, by status, headers and body."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nxcloud import ApiError, ClockSkewError, InvalidRequestError, InvalidResponseError, NxCloudError
from nxcloud.responses import ApiResponse, confirmed, retry_after_s

DATE = "Thu, 15 Jan 2026 09:26:53 GMT"


def read(status: int, answer: object, headers: dict[str, str] | None = None) -> ApiResponse:
    return confirmed(status, headers or {}, json.dumps(answer).encode(), ("a key", "a secret"))


def refused(status: int, answer: object, headers: dict[str, str] | None = None) -> NxCloudError:
    with pytest.raises(NxCloudError) as caught:
        read(status, answer, headers)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 299])
def test_code_0_is_confirmed_where_http_agrees(status: int) -> None:
    answer = read(status, {"code": 0, "message": "success", "data": {"success": True}})
    assert answer == ApiResponse(0, "success", {"success": True}, status)


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_data_that_are_no_object_are_none(data: object) -> None:
    assert read(200, {"code": 0, "data": data}) == ApiResponse(0, "", {}, 200)


@pytest.mark.parametrize("status", [199, 300, 307, 400, 404, 429, 500, 503])
def test_code_0_proves_nothing_where_http_disagrees(status: int) -> None:
    error = refused(status, {"code": 0, "message": "success", "data": {"success": True}})
    assert type(error) is InvalidResponseError
    assert str(error) == f"NXCloud answered HTTP {status}"
    assert (error.provider_code, error.provider_message, error.http_status) == (0, "success", status)


@pytest.mark.parametrize("status", [200, 299, 400, 401, 499])
def test_another_code_is_believed_where_it_is_the_requests_fault(status: int) -> None:
    error = refused(status, {"code": 9002, "message": "wrong number"})
    assert type(error) is InvalidRequestError
    assert (error.provider_code, error.provider_message, error.http_status) == (9002, "wrong number", status)


def test_a_code_below_0_is_one_too() -> None:
    error = refused(200, {"code": -1, "message": "failed"})
    assert (type(error), error.provider_code) == (ApiError, -1)


@pytest.mark.parametrize("status", [199, 300, 307, 399, 429, 500, 503])
def test_another_code_is_not_believed_from_a_server_that_is_unwell(status: int) -> None:
    error = refused(status, {"code": 9002, "message": "wrong number"}, {"Retry-After": "7"})
    assert type(error) is InvalidResponseError
    assert (error.provider_code, error.http_status, error.retry_after_s) == (9002, status, 7)


@pytest.mark.parametrize("code", ["0", 0.0, False, True, None, [0], {}])
def test_a_code_is_a_whole_number(code: object) -> None:
    error = refused(200, {"code": code, "data": {"success": True}}, {"Retry-After": "7"})
    assert type(error) is InvalidResponseError
    assert str(error) == "NXCloud answered HTTP 200 without a JSON object and its code"
    assert (error.http_status, error.retry_after_s) == (200, 7)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"0", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_proves_nothing(body: bytes) -> None:
    with pytest.raises(InvalidResponseError):
        confirmed(200, {}, body, ())


def test_the_time_of_the_server_comes_with_a_refusal() -> None:
    error = refused(200, {"code": 1004, "message": "ts"}, {"Date": DATE})
    assert type(error) is ClockSkewError
    assert error.server_time_ms == 1768469213000


@pytest.mark.parametrize("message", [None, 7, ["text"]])
def test_a_message_that_is_no_text_is_empty(message: object) -> None:
    assert refused(200, {"code": -1, "message": message}).provider_message == ""


def test_secrets_are_blotted_out_of_messages_before_they_are_cut() -> None:
    error = refused(200, {"code": -1, "message": "no a key, a secret, a key " + "x" * 300})
    assert error.provider_message is not None
    assert error.provider_message.startswith("no ***, ***, *** xxx")
    assert len(error.provider_message) == 256


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        ("-1", None),
        ("1.5", None),
        ("9" * 9, 999_999_999),
        ("9" * 10, None),
        ("", None),
        (None, None),
        ("Thu, 15 Jan 2026 10:26:53 GMT", 3600),
        ("Thu, 15 Jan 2026 09:25:53 GMT", 0),
        ("soon", None),
    ],
)
def test_retry_after_in_each_of_its_forms(text: str | None, seconds: int | None) -> None:
    after_s = retry_after_s(text, DATE)
    assert after_s == seconds
    assert not isinstance(after_s, float)


@pytest.mark.parametrize("date", [None, "", "now"])
def test_a_date_to_wait_for_says_nothing_without_the_servers_own(date: str | None) -> None:
    assert retry_after_s(DATE, date) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["code", "data", "success"]), inner),
    max_leaves=8,
)


@given(st.integers(100, 599), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_whatever_it_holds_raises_anything_unexpected(status: int, body: bytes) -> None:
    try:
        answer = confirmed(status, {}, body, ("secret",))
    except NxCloudError:
        return
    assert (answer.code, json.loads(body)["code"]) == (0, 0)
    assert 200 <= status < 300
