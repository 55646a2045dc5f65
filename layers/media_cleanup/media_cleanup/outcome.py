"""What became of a request, and what each failure of the provider means for it."""

from dataclasses import dataclass, replace
from enum import StrEnum

from media_cleanup.media import Media, S3Object
from nxcloud import (
    ClockSkewError,
    CredentialsRefusedError,
    InvalidAnswerError,
    InvalidRequestError,
    NoAnswerError,
    NxCloudError,
)


class Result(StrEnum):
    """`rejected` can never succeed; `unavailable` comes again; the others are done. Only links are `linked`."""

    DELETED = "deleted"
    LINKED = "linked"
    ALREADY_GONE = "already_gone"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one request, and whatever of these facts there is to know.

    `reason` begins with a word to count by; details follow after a colon. `provider_*`, `http_status` and `latency_ms`
    come from the call. `confirmed_ms` is when the provider confirmed, as Unix milliseconds.
    """

    result: Result
    reason: str | None = None
    media: Media | None = None
    bucket: str | None = None
    key: str | None = None
    happened_ms: int | None = None
    provider_code: int | None = None
    provider_message: str | None = None
    http_status: int | None = None
    latency_ms: int | None = None
    confirmed_ms: int | None = None

    def about(self, file: S3Object | None) -> "Outcome":
        """The same outcome, with the object that it concerns."""
        return replace(self, bucket=file.bucket, key=file.key) if file else self

    @property
    def authentication_failed(self) -> bool:
        """Whether a person must look at the credentials."""
        return (self.reason or "").startswith("credentials_")


def classify(error: NxCloudError) -> tuple[Result, str]:
    """What a failed call means for the request, and the reason to give."""
    match error:
        case InvalidRequestError():
            return Result.REJECTED, "refused_by_provider"
        case CredentialsRefusedError():
            return Result.UNAVAILABLE, "credentials_refused"
        case ClockSkewError():
            return Result.UNAVAILABLE, "clock_skewed"
        case NoAnswerError():
            return Result.UNAVAILABLE, f"no_answer: {error}"
        case InvalidAnswerError():
            return Result.UNAVAILABLE, f"invalid_answer: {error}"
        case _:
            return Result.UNAVAILABLE, "provider_failed"
