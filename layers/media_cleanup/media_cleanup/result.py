"""The result of a request."""

from dataclasses import dataclass, field, replace

from media_cleanup.errors import DependencyUnavailable, RequestRejectedError
from media_cleanup.model import Link, Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import NO_ORIGIN, Attempt, Origin, Request

_WAITS = {Reason.PACED, Reason.BRAKED}
_AUTHENTICATION_REASONS = {Reason.CREDENTIALS_REFUSED, Reason.CREDENTIALS_UNUSABLE}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The confirmed end of a media file, as the idempotency table records it; `confirmed_ms` is a Unix time."""

    outcome: Outcome
    reason: Reason | None
    provider_code: int | None
    confirmed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one request, or of one media file of a request.

    `detail` explains `reason`; `last_reason` is the reason before giving up. `provider_*`, `http_status`,
    `retry_after_s` (seconds) and `latency_ms` come from NXCloud's response. `confirmed_ms` is the time of NXCloud's
    confirmation, `occurred_ms` that of the S3 event, both as Unix milliseconds. The runner sets `bucket`, `key`,
    `occurred_ms` and `origin`; the use case sets everything else. `may_be_absent`: NXCloud's failure may mean that
    there is no such media file; `links` are those to remove once it is gone. `earlier_confirmation` is the one
    that a `remembered` result repeats.
    """

    outcome: Outcome
    reason: Reason | None = None
    detail: str | None = None
    last_reason: Reason | None = None
    media: Media | None = None
    bucket: str | None = None
    key: str | None = None
    occurred_ms: int | None = None
    origin: Origin = NO_ORIGIN
    provider_code: int | None = None
    provider_message: str | None = None
    http_status: int | None = None
    retry_after_s: int | None = None
    latency_ms: int | None = None
    confirmed_ms: int | None = None
    may_be_absent: bool = False
    links: tuple[Link, ...] = ()
    earlier_confirmation: Confirmation | None = None

    @classmethod
    def unavailable(cls, error: DependencyUnavailable, media: Media | None = None) -> "Result":
        """Create the result of a request that a dependency prevented."""
        return cls(outcome=Outcome.UNAVAILABLE, reason=error.reason, detail=error.detail, media=media)

    @classmethod
    def rejected(cls, error: RequestRejectedError) -> "Result":
        """Create the result of a request that can never succeed."""
        return cls(outcome=Outcome.REJECTED, reason=error.reason, detail=error.detail)

    @property
    def reason_text(self) -> str | None:
        """The reason with its details after a colon, as logs and dead letters show it."""
        return ": ".join(part for part in (self.reason, self.last_reason, self.detail) if part) or None

    @property
    def is_gone(self) -> bool:
        """Whether the media file is gone."""
        return self.outcome in {Outcome.DELETED, Outcome.ALREADY_GONE}

    @property
    def confirmation(self) -> Confirmation | None:
        """The confirmation that this result is, or that it repeats; None where nothing was confirmed."""
        if self.earlier_confirmation:
            return self.earlier_confirmation
        if self.confirmed_ms is None:
            return None
        code = None if self.reason is Reason.VERIFIED_ABSENT else self.provider_code  # which an experiment proved
        return Confirmation(self.outcome, self.reason, code, self.confirmed_ms)

    @property
    def own_numbers(self) -> tuple[str, ...]:
        """The phone numbers of the result's media file, which are masked wherever its texts are shown."""
        return (self.media.business_phone,) if self.media else ()

    @property
    def is_waiting(self) -> bool:
        """Whether the request waits for its turn, which is not a failure."""
        return self.reason in _WAITS

    @property
    def authentication_failed(self) -> bool:
        """Whether the credentials need attention."""
        return bool(_AUTHENTICATION_REASONS & {self.reason, self.last_reason})

    def of_request(self, request: Request) -> "Result":
        """Return a copy with the request's object, event time and origin."""
        result = replace(self, occurred_ms=request.occurred_ms, origin=request.origin)
        return replace(result, bucket=request.obj.bucket, key=request.obj.key) if request.obj else result


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A request with its attempt; `results` is empty until `handle_all` fills it."""

    request: Request
    attempt: Attempt
    results: list[Result] = field(default_factory=list)
