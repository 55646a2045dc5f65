"""What each failure of the provider means for a request."""

import pytest

from media_cleanup.outcome import Outcome
from media_cleanup.provider.classification import classify, may_mean_absent
from nxcloud import (
    ApiError,
    ClockSkewError,
    CredentialsRefusedError,
    InvalidRequestError,
    InvalidResponseError,
    NoResponseError,
    NxCloudError,
)
from nxcloud.errors import error_for_code


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidRequestError("wrong"), (Outcome.REJECTED, "refused_by_provider")),
        (CredentialsRefusedError("wrong"), (Outcome.UNAVAILABLE, "credentials_refused")),
        (ClockSkewError("late"), (Outcome.UNAVAILABLE, "clock_skewed")),
        (ApiError("failed"), (Outcome.UNAVAILABLE, "provider_failed")),
        (NoResponseError("silence"), (Outcome.UNAVAILABLE, "no_answer: silence")),
        (InvalidResponseError("HTML"), (Outcome.UNAVAILABLE, "invalid_answer: HTML")),
    ],
)
def test_each_kind_of_error(error: NxCloudError, expected: tuple[Outcome, str]) -> None:
    assert classify(error) == expected


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([1001, 1002, 9000, 9002, 9006], InvalidRequestError),
        ([1004], ClockSkewError),
        ([1000, 1003, 1005, 1006, 1009], CredentialsRefusedError),
        ([-1, 0, 9001, 999, 1010, 9003, 424242, -1003], ApiError),
    ],
)
def test_the_error_of_each_code(codes: list[int], kind: type[ApiError]) -> None:
    for code in codes:
        error = error_for_code(code, "message", 200)
        assert type(error) is kind
        assert (error.provider_code, error.provider_message, error.http_status) == (code, "message", 200)


@pytest.mark.parametrize(
    ("error", "may_be"),
    [
        (error_for_code(-1, "", 200), True),
        (error_for_code(9001, "", 200), True),
        (error_for_code(4711, "", 200), True),
        (error_for_code(0, "", 200), False),  # code 0 without success
        (error_for_code(-1, "", 404), False),
        (error_for_code(-1, "", 199), False),
        (error_for_code(9002, "", 200), False),
        (error_for_code(1003, "", 200), False),
        (NoResponseError("silence"), False),
        (InvalidResponseError("HTML", provider_code=-1, http_status=200), False),
    ],
)
def test_what_may_mean_that_a_media_is_gone(error: NxCloudError, *, may_be: bool) -> None:
    assert may_mean_absent(error) is may_be
