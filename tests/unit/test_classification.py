"""Outcome and reason of a request, by the failure of its call of NXCloud."""

import pytest

from media_cleanup.outcome import Outcome, Reason
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
        (InvalidRequestError("wrong"), (Outcome.REJECTED, Reason.REFUSED_BY_PROVIDER, None)),
        (CredentialsRefusedError("wrong"), (Outcome.UNAVAILABLE, Reason.CREDENTIALS_REFUSED, None)),
        (ClockSkewError("late"), (Outcome.UNAVAILABLE, Reason.CLOCK_SKEWED, None)),
        (ApiError("failed"), (Outcome.UNAVAILABLE, Reason.PROVIDER_FAILED, None)),
        (NoResponseError("silence"), (Outcome.UNAVAILABLE, Reason.NO_ANSWER, "silence")),
        (InvalidResponseError("HTML"), (Outcome.UNAVAILABLE, Reason.INVALID_ANSWER, "HTML")),
    ],
)
def test_error_maps_to_outcome_reason_and_detail(
    error: NxCloudError, expected: tuple[Outcome, Reason, str | None]
) -> None:
    assert classify(error) == expected


@pytest.mark.parametrize(
    ("error", "possible"),
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
def test_absence_is_possible_only_after_an_unclear_code(error: NxCloudError, *, possible: bool) -> None:
    assert may_mean_absent(error) is possible
