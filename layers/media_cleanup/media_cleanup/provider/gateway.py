"""The gateway to NXCloud: deletes one media file, and recovers from a skewed clock and rotated credentials."""

from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.absence import Evidence
from media_cleanup.provider.classification import classify, may_mean_absent
from media_cleanup.request import Attempt
from media_cleanup.result import Result
from nxcloud import (
    ClockSkewError,
    CorrectedClock,
    Credentials,
    CredentialsRefusedError,
    MediaClient,
    NxCloudError,
    system_clock_ms,
)

MAX_CALL_S = 10.0
MIN_CALL_S = 1.0
FINISH_S = 2.0  # after a call: links, record, log line, dead letter, answer

Response = TypeVar("Response")


class NxCloudGateway:
    """NXCloud, for concurrent workers; kept for the life of the execution environment.

    `clock` is the clock that `client` signs with. `verify_absence`: whether `getMedia` may prove that a media file is
    absent.
    """

    def __init__(
        self, client: MediaClient, clock: CorrectedClock, credentials: CredentialsStore, *, verify_absence: bool
    ) -> None:
        self._client = client
        self._clock = clock
        self._credentials = credentials
        self._verify_absence = verify_absence
        self._evidence = Evidence()

    def check_credentials(self) -> None:
        """Check that there are usable credentials. Raises DependencyUnavailable."""
        self._credentials.get()

    def delete(self, media: Media, attempt: Attempt) -> Result:
        """Delete a media file. Raises DependencyUnavailable where NXCloud cannot be called now."""
        self.check_credentials()  # reading the secret does not count as NXCloud's latency
        started = monotonic()
        try:
            response = self._call_with_recovery(self._client.delete_media, media, attempt)
        except NxCloudError as error:
            return self._failure(error, media, attempt, started)
        return Result(
            outcome=Outcome.DELETED,
            media=media,
            provider_code=response.code,
            provider_message=response.message,
            http_status=response.http_status,
            latency_ms=_since_ms(started),
            confirmed_ms=system_clock_ms(),
        )

    def _failure(self, error: NxCloudError, media: Media, attempt: Attempt, started: float) -> Result:
        outcome, reason, detail = classify(error)
        if attempt.number > 1 and may_mean_absent(error) and self._is_absent(media, attempt):
            outcome, reason = Outcome.ALREADY_GONE, Reason.VERIFIED_ABSENT
        return Result(
            outcome=outcome,
            reason=reason,
            detail=detail,
            media=media,
            provider_code=error.provider_code,
            provider_message=error.provider_message,
            http_status=error.http_status,
            retry_after_s=error.retry_after_s,
            latency_ms=_since_ms(started),
            confirmed_ms=system_clock_ms() if outcome is Outcome.ALREADY_GONE else None,
        )

    def _is_absent(self, media: Media, attempt: Attempt) -> bool:
        """Whether `getMedia` fails as `deleteMedia` did, and NXCloud has recently proved that it works."""
        if not self._verify_absence or not self._evidence.is_alive(monotonic()):
            return False
        try:
            self._call_with_recovery(self._client.get_media, media, attempt)
        except NxCloudError as error:
            return may_mean_absent(error) and self._evidence.is_absent(media, monotonic())
        except DependencyUnavailable:
            return False
        return False

    def _call_with_recovery(self, call: Callable[..., Response], media: Media, attempt: Attempt) -> Response:
        """Call NXCloud, and once more after correcting the clock or reading the credentials again."""
        credentials = self._credentials.get()
        try:
            return self._call(call, credentials, media, attempt)
        except ClockSkewError as error:
            if not self._clock.correct(error.server_time_ms):
                raise
            return self._call(call, credentials, media, attempt)
        except CredentialsRefusedError:
            refreshed = self._credentials.refresh_after_refusal(credentials)
            if refreshed is None:
                self._credentials.refuse(credentials)
                raise
        try:
            return self._call(call, refreshed, media, attempt)
        except CredentialsRefusedError:
            self._credentials.refuse(refreshed)
            raise

    def _call(
        self, call: Callable[..., Response], credentials: Credentials, media: Media, attempt: Attempt
    ) -> Response:
        """Make one call that ends before the invocation. Raises DependencyUnavailable and NxCloudError."""
        deadline_s = min(MAX_CALL_S, attempt.remaining_ms / 1000 - FINISH_S)
        if deadline_s < MIN_CALL_S:
            raise DependencyUnavailable(Reason.OUT_OF_TIME)
        asked_at = monotonic()
        try:
            response = call(credentials, media.business_phone, media.media_id, deadline_s=deadline_s)
        except NxCloudError:
            self._evidence.failed(media, monotonic())
            raise
        self._evidence.confirmed(media, asked_at)
        return response


def _since_ms(started: float) -> int:
    return round((monotonic() - started) * 1000)
