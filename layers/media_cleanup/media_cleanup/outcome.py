"""What became of a request."""

from dataclasses import dataclass, replace
from enum import StrEnum

from media_cleanup.media import Media, S3Object

LAST_ATTEMPT = 15


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

    `reason` begins with a word to count by; details follow after a colon. `provider_*`, `http_status`, `retry_after_s`
    and `latency_ms` come from the call. `confirmed_ms` is when the provider confirmed, as Unix milliseconds.
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
    retry_after_s: int | None = None
    latency_ms: int | None = None
    confirmed_ms: int | None = None

    def about(self, file: S3Object | None) -> "Outcome":
        """The same outcome, with the object that it concerns."""
        return replace(self, bucket=file.bucket, key=file.key) if file else self

    @property
    def authentication_failed(self) -> bool:
        """Whether a person must look at the credentials."""
        return (self.reason or "").removeprefix("gave_up: ").startswith("credentials_")


def given_up(outcome: Outcome, attempt: int) -> Outcome:
    """The outcome as it stands: what is still unavailable at the message's last receive is rejected."""
    if outcome.result is Result.UNAVAILABLE and attempt >= LAST_ATTEMPT:
        return replace(outcome, result=Result.REJECTED, reason=f"gave_up: {outcome.reason}")
    return outcome
