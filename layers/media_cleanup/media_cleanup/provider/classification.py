"""Classifies failed calls to NXCloud: the outcome and reason of the request."""

from media_cleanup.outcome import Outcome, Reason
from nxcloud import (
    ClockSkewError,
    CredentialsRefusedError,
    InvalidRequestError,
    InvalidResponseError,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
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
        case ThrottledError():  # 27, 28, 88, 9099 with Meta's rate limits, HTTP 429
            return Outcome.UNAVAILABLE, Reason.THROTTLED, _meta_detail(error)
        case NoResponseError():  # network errors, deadlines
            return Outcome.UNAVAILABLE, Reason.NO_ANSWER, str(error)
        case InvalidResponseError():  # HTTP 5xx, redirects, no JSON, compressed, oversized
            return Outcome.UNAVAILABLE, Reason.INVALID_ANSWER, str(error)
        case _:  # -1, 9001, 9003 to 9005, 9007, 9099, unknown codes, `success` false
            return Outcome.UNAVAILABLE, Reason.PROVIDER_FAILED, _meta_detail(error)


def may_mean_absent(error: NxCloudError) -> bool:
    """Whether NXCloud may have no such media file: "request failed" with HTTP 200 and without Retry-After."""
    return isinstance(error, RequestFailedError) and error.http_status == 200 and error.retry_after_s is None


def shows_outage(error: NxCloudError) -> bool:
    """Whether NXCloud is down: no connection, no response in time, or HTTP 5xx without the JSON of its API."""
    match error:
        case NoResponseError():
            return True
        case InvalidResponseError(http_status=int(status), provider_code=None):
            return status >= 500
    return False


def _meta_detail(error: NxCloudError) -> str | None:
    return None if error.meta_code is None else f"Meta's error {error.meta_code}"
