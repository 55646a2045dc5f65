"""What each failure of the provider means for a request."""

import pytest

from media_cleanup.classification import classify, may_mean_absent
from media_cleanup.outcome import Result
from nxcloud import (
    ClockSkewError,
    CredentialsRefusedError,
    InvalidAnswerError,
    InvalidRequestError,
    NoAnswerError,
    NxCloudError,
    RefusedError,
)
from nxcloud.errors import refusal


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidRequestError("wrong"), (Result.REJECTED, "refused_by_provider")),
        (CredentialsRefusedError("wrong"), (Result.UNAVAILABLE, "credentials_refused")),
        (ClockSkewError("late"), (Result.UNAVAILABLE, "clock_skewed")),
        (RefusedError("failed"), (Result.UNAVAILABLE, "provider_failed")),
        (NoAnswerError("silence"), (Result.UNAVAILABLE, "no_answer: silence")),
        (InvalidAnswerError("HTML"), (Result.UNAVAILABLE, "invalid_answer: HTML")),
    ],
)
def test_each_kind_of_error(error: NxCloudError, expected: tuple[Result, str]) -> None:
    assert classify(error) == expected


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([1001, 1002, 9000, 9002, 9006], InvalidRequestError),
        ([1004], ClockSkewError),
        ([1000, 1003, 1005, 1006, 1009], CredentialsRefusedError),
        ([-1, 0, 9001, 999, 1010, 9003, 424242, -1003], RefusedError),
    ],
)
def test_the_error_of_each_code(codes: list[int], kind: type[RefusedError]) -> None:
    for code in codes:
        error = refusal(code, "message", 200)
        assert type(error) is kind
        assert (error.provider_code, error.provider_message, error.http_status) == (code, "message", 200)


@pytest.mark.parametrize(
    ("error", "may_be"),
    [
        (refusal(-1, "", 200), True),
        (refusal(9001, "", 200), True),
        (refusal(4711, "", 200), True),
        (refusal(0, "", 200), False),  # code 0 without success
        (refusal(-1, "", 404), False),
        (refusal(-1, "", 199), False),
        (refusal(9002, "", 200), False),
        (refusal(1003, "", 200), False),
        (NoAnswerError("silence"), False),
        (InvalidAnswerError("HTML", provider_code=-1, http_status=200), False),
    ],
)
def test_what_may_mean_that_a_media_is_gone(error: NxCloudError, *, may_be: bool) -> None:
    assert may_mean_absent(error) is may_be
