"""Classifies failed calls of NXCloud: the outcome and reason of the request."""

from media_cleanup.outcome import Outcome, Reason
from nxcloud import (
    ApiError,
    ClockSkewError,
    CredentialsRefusedError,
    InvalidRequestError,
    InvalidResponseError,
    NoResponseError,
    NxCloudError,
)


def classify(error: NxCloudError) -> tuple[Outcome, Reason, str | None]:
    """Return the outcome, the reason and its detail for a failed call."""
    match error:
        case InvalidRequestError():  # 1001, 1002, 9000, 9002, 9006
            return Outcome.REJECTED, Reason.REFUSED_BY_PROVIDER, None
        case CredentialsRefusedError():  # 1003, 1005, other 100X
            return Outcome.UNAVAILABLE, Reason.CREDENTIALS_REFUSED, None
        case ClockSkewError():  # 1004
            return Outcome.UNAVAILABLE, Reason.CLOCK_SKEWED, None
        case NoResponseError():  # network errors, deadlines
            return Outcome.UNAVAILABLE, Reason.NO_ANSWER, str(error)
        case InvalidResponseError():  # HTTP 5xx and 429, redirects, no JSON, oversized
            return Outcome.UNAVAILABLE, Reason.INVALID_ANSWER, str(error)
        case _:  # -1, 9001, unknown codes, `success` false
            return Outcome.UNAVAILABLE, Reason.PROVIDER_FAILED, None


def may_mean_absent(error: NxCloudError) -> bool:
    """Whether NXCloud may have no such media file: -1, 9001 or an unknown code, with HTTP 200."""
    return type(error) is ApiError and error.provider_code != 0 and error.http_status == 200
