"""Outcome and reason of a request, by the failure of its call to NXCloud."""

import json

import pytest

from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.classification import classify, may_mean_absent, shows_outage
from nxcloud import (
    ApiError,
    ClockSkewError,
    CredentialsRefusedError,
    InvalidRequestError,
    InvalidResponseError,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
)
from nxcloud.responses import parse_response

UNAVAILABLE, REJECTED = Outcome.UNAVAILABLE, Outcome.REJECTED


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidRequestError("wrong"), (REJECTED, Reason.REFUSED_BY_PROVIDER, None)),
        (CredentialsRefusedError("wrong"), (UNAVAILABLE, Reason.CREDENTIALS_REFUSED, None)),
        (ClockSkewError("late"), (UNAVAILABLE, Reason.CLOCK_SKEWED, None)),
        (ThrottledError("fast"), (UNAVAILABLE, Reason.THROTTLED, None)),
        (ThrottledError("fast", meta_code=130429), (UNAVAILABLE, Reason.THROTTLED, "Meta's error 130429")),
        (ApiError("failed"), (UNAVAILABLE, Reason.PROVIDER_FAILED, None)),
        (ApiError("failed", meta_code=190), (UNAVAILABLE, Reason.PROVIDER_FAILED, "Meta's error 190")),
        (RequestFailedError("failed"), (UNAVAILABLE, Reason.PROVIDER_FAILED, None)),
        (RequestFailedError("failed", meta_code=100), (UNAVAILABLE, Reason.PROVIDER_FAILED, "Meta's error 100")),
        (NoResponseError("silence"), (UNAVAILABLE, Reason.NO_ANSWER, "silence")),
        (InvalidResponseError("HTML"), (UNAVAILABLE, Reason.INVALID_ANSWER, "HTML")),
    ],
)
def test_error_maps_to_outcome_reason_and_detail(
    error: NxCloudError, expected: tuple[Outcome, Reason, str | None]
) -> None:
    assert classify(error) == expected


def response_error(code: object, status: int = 200, meta_code: object = None, **headers: str) -> NxCloudError:
    """The error of a response with this code, and with Meta's inside."""
    data = None if meta_code is None else {"error": {"code": meta_code, "message": "of Meta"}}
    body = json.dumps({"code": code, "message": "text", "data": data}).encode()
    with pytest.raises(NxCloudError) as caught:
        parse_response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, (), 0)
    return caught.value


@pytest.mark.parametrize(
    ("code", "meta_code"), [(-1, None), (9001, None), (9099, 100), (-1, 130429), (9001, 4)], ids=str
)
def test_request_failed_with_http_200_may_mean_absent(code: int, meta_code: int | None) -> None:
    assert may_mean_absent(response_error(code, meta_code=meta_code))


@pytest.mark.parametrize(
    "code", [1, -2, 27, 28, 88, 1001, 1003, 1004, 1005, 4711, 9000, *range(9002, 9099), 9100, "-1", -1.0, True]
)
def test_any_other_code_never_means_absent(code: object) -> None:
    assert not may_mean_absent(response_error(code))


@pytest.mark.parametrize("meta_code", [None, 4, 80007, 130429, 131056, 1, 2, 10, 190, 200, 299, 131000, "100", 100.0])
def test_9099_without_metas_100_never_means_absent(meta_code: object) -> None:
    assert not may_mean_absent(response_error(9099, meta_code=meta_code))


@pytest.mark.parametrize("code", [-1, 9001])
@pytest.mark.parametrize("status", [199, 201, 299, 302, 400, 404, 410, 429, 500, 503])
def test_other_http_status_never_means_absent(code: int, status: int) -> None:
    assert not may_mean_absent(response_error(code, status))
    assert not may_mean_absent(RequestFailedError("failed", provider_code=code, http_status=status))


@pytest.mark.parametrize(
    "retry_after", ["0", "60", "-1", "1.5", "99999999999", "soon", "", "Thu, 15 Jan 2026 09:26:53 GMT"]
)
def test_response_with_retry_after_never_means_absent(retry_after: str) -> None:
    assert not may_mean_absent(response_error(-1, Retry_After=retry_after))


@pytest.mark.parametrize("error", [NoResponseError("silence"), InvalidResponseError("HTML", http_status=200)])
def test_error_without_code_never_means_absent(error: NxCloudError) -> None:
    assert not may_mean_absent(error)


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (NoResponseError("no complete answer"), True),
        (InvalidResponseError("", http_status=500), True),
        (InvalidResponseError("", http_status=599), True),
        (InvalidResponseError("", http_status=499), False),
        (InvalidResponseError("", http_status=200), False),
        (InvalidResponseError("", http_status=500, provider_code=9001), False),
        (RequestFailedError("", http_status=200, provider_code=-1), False),
        (ThrottledError("", http_status=429), False),
        (CredentialsRefusedError("", http_status=500, provider_code=1003), False),
    ],
)
def test_outage_is_no_connection_no_response_or_5xx_without_json(error: NxCloudError, *, outage: bool) -> None:
    assert shows_outage(error) is outage
