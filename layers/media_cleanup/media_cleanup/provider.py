"""Deletes one media at NXCloud, and mends on the spot what can be mended: the clock, and the credentials."""

from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from media_cleanup.absence import Evidence
from media_cleanup.classification import classify, may_mean_absent
from media_cleanup.credentials import (
    CredentialsError,
    CredentialsRefusedLatelyError,
    CredentialsStore,
    SecretUnreachableError,
)
from media_cleanup.media import Media
from media_cleanup.outcome import Outcome, Result
from nxcloud import (
    ClockSkewError,
    CorrectedClock,
    Credentials,
    CredentialsRefusedError,
    MediaClient,
    NxCloudError,
    system_clock_ms,
)

LONGEST_CALL_S = 10.0
SHORTEST_CALL_S = 1.0
TIME_TO_FINISH_S = 2.0  # after a call: links, record, log, dead-letter, answer

Answered = TypeVar("Answered")


class OutOfTimeError(Exception):
    """The invocation has too little time left for a call."""


class Provider:
    """NXCloud, as deletions need it; shared by concurrent workers, and kept for the life of the environment.

    `clock` is the one that `nxcloud` signs with. `verify_absence`: whether `getMedia` may show that a media is gone.
    """

    def __init__(
        self, nxcloud: MediaClient, clock: CorrectedClock, credentials: CredentialsStore, *, verify_absence: bool
    ) -> None:
        self._nxcloud = nxcloud
        self._clock = clock
        self._credentials = credentials
        self._verify_absence = verify_absence
        self._evidence = Evidence()

    def delete(self, media: Media, attempt: int, time_left_ms: Callable[[], int], *, dry_run: bool) -> Outcome:
        """What NXCloud makes of the wish to delete a media; `attempt` counts the message's receives."""
        try:
            self._credentials.get()
            if dry_run:
                return Outcome(result=Result.SKIPPED, reason="dry_run", media=media)
            return self._call_and_tell(media, attempt, time_left_ms)
        except CredentialsError as error:
            reason = f"credentials_unusable: {error}"
        except CredentialsRefusedLatelyError as error:
            reason = f"credentials_refused: {error}"
        except SecretUnreachableError as error:
            reason = f"secret_unreachable: {error}"
        except OutOfTimeError:
            reason = "out_of_time"
        return Outcome(result=Result.UNAVAILABLE, reason=reason, media=media)

    def _call_and_tell(self, media: Media, attempt: int, time_left_ms: Callable[[], int]) -> Outcome:
        started = monotonic()
        try:
            answer = self._mended(self._nxcloud.delete_media, media, time_left_ms)
        except NxCloudError as error:
            result, reason = classify(error)
            if attempt > 1 and may_mean_absent(error) and self._is_absent(media, time_left_ms):
                result, reason = Result.ALREADY_GONE, "verified_absent"
            return Outcome(
                result=result,
                reason=reason,
                media=media,
                provider_code=error.provider_code,
                provider_message=error.provider_message,
                http_status=error.http_status,
                retry_after_s=error.retry_after_s,
                latency_ms=round((monotonic() - started) * 1000),
                confirmed_ms=system_clock_ms() if result is Result.ALREADY_GONE else None,
            )
        return Outcome(
            result=Result.DELETED,
            media=media,
            provider_code=answer.code,
            provider_message=answer.message,
            http_status=answer.http_status,
            latency_ms=round((monotonic() - started) * 1000),
            confirmed_ms=system_clock_ms(),
        )

    def _is_absent(self, media: Media, time_left_ms: Callable[[], int]) -> bool:
        """Whether `getMedia` fails likewise, though NXCloud has lately shown that it can do better than that."""
        if not self._verify_absence or not self._evidence.is_alive(monotonic()):
            return False
        try:
            self._mended(self._nxcloud.get_media, media, time_left_ms)
        except NxCloudError as error:
            return may_mean_absent(error) and self._evidence.is_absent(media, monotonic())
        except (CredentialsError, CredentialsRefusedLatelyError, SecretUnreachableError, OutOfTimeError):
            return False
        return False

    def _mended(self, call: Callable[..., Answered], media: Media, time_left_ms: Callable[[], int]) -> Answered:
        """Calls NXCloud, and once more where the clock or the credentials could be mended in between."""
        credentials = self._credentials.get()
        try:
            return self._call(call, credentials, media, time_left_ms)
        except ClockSkewError as error:
            if not self._clock.correct(error.server_time_ms):
                raise
            return self._call(call, credentials, media, time_left_ms)
        except CredentialsRefusedError:
            fresh = self._credentials.after_refusal_of(credentials)
            if fresh is None:
                self._credentials.refuse(credentials)
                raise
        try:
            return self._call(call, fresh, media, time_left_ms)
        except CredentialsRefusedError:
            self._credentials.refuse(fresh)
            raise

    def _call(
        self, call: Callable[..., Answered], credentials: Credentials, media: Media, time_left_ms: Callable[[], int]
    ) -> Answered:
        """One call that ends before the function must. Raises OutOfTimeError and NxCloudError."""
        deadline_s = min(LONGEST_CALL_S, time_left_ms() / 1000 - TIME_TO_FINISH_S)
        if deadline_s < SHORTEST_CALL_S:
            raise OutOfTimeError
        asked_at = monotonic()
        try:
            answer = call(credentials, media.business_phone, media.media_id, deadline_s=deadline_s)
        except NxCloudError:
            self._evidence.failed(media, monotonic())
            raise
        self._evidence.confirmed(media, asked_at)
        return answer
