"""What each failure of the provider means for a request."""

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


def classify(error: NxCloudError) -> tuple[Result, str]:
    """What a failed call means for the request, and the reason to give."""
    match error:
        case InvalidRequestError():  # 1001, 1002, 9000, 9002, 9006
            return Result.REJECTED, "refused_by_provider"
        case CredentialsRefusedError():  # 1003, 1005, other 100X
            return Result.UNAVAILABLE, "credentials_refused"
        case ClockSkewError():  # 1004
            return Result.UNAVAILABLE, "clock_skewed"
        case NoAnswerError():  # network errors, deadlines
            return Result.UNAVAILABLE, f"no_answer: {error}"
        case InvalidAnswerError():  # HTTP 5xx and 429, redirects, no JSON, oversized
            return Result.UNAVAILABLE, f"invalid_answer: {error}"
        case _:  # -1, 9001, unknown codes, `success` false
            return Result.UNAVAILABLE, "provider_failed"


def may_mean_absent(error: NxCloudError) -> bool:
    """Whether NXCloud may mean that it has no such media: -1, 9001 or an unknown code, with HTTP 200."""
    return type(error) is RefusedError and error.provider_code != 0 and error.http_status == 200
