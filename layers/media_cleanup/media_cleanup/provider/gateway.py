"""The gateway to NXCloud: deletes one media file, and recovers from a skewed clock and rotated credentials."""

from dataclasses import dataclass

from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.classification import classify, may_mean_absent
from media_cleanup.provider.flow_control import FlowControl
from media_cleanup.request import Attempt
from media_cleanup.result import Result
from nxcloud import (
    ApiResponse,
    ClockSkewError,
    CorrectedClock,
    Credentials,
    CredentialsRefusedError,
    MediaClient,
    NxCloudError,
    system_clock_ms,
)

MAX_CALL_S = 10.0
MIN_NXCLOUD_CALL_S = 1.0
FINISH_S = 4.0  # after a call: links, record, log line, dead letter, answer


@dataclass(slots=True)
class _Deletion:
    """A media file to delete; `latency_s` counts the seconds of each call for it, without the wait for its turn."""

    media: Media
    attempt: Attempt
    latency_s: float = 0.0

    @property
    def latency_ms(self) -> int:
        return round(self.latency_s * 1000)


class NxCloudGateway:
    """NXCloud, for concurrent workers; kept for the life of the execution environment.

    `clock` is the clock that `client` signs with.
    """

    def __init__(
        self,
        client: MediaClient,
        clock: CorrectedClock,
        credentials: CredentialsStore,
        flow: FlowControl,
    ) -> None:
        self._client = client
        self._signing_clock = clock
        self._credentials = credentials
        self._flow = flow

    def begin_invocation(self) -> None:
        """Delay the first call of an invocation, where calls are paced."""
        self._flow.pacer.begin_invocation()

    def blocking_error(self, attempt: Attempt) -> DependencyUnavailable | None:
        """Return the error of a call that flow control would not admit in this invocation, as far as it knows."""
        return self._flow.blocking_error(attempt)

    def prepare(self) -> None:
        """Read the credentials before the first request. Raises DependencyUnavailable."""
        self._credentials.prepare()

    def check_credentials(self, business_phone: str) -> None:
        """Check that there are usable credentials for a business phone. Raises DependencyUnavailable."""
        self._credentials.get(business_phone)

    def delete(self, media: Media, attempt: Attempt) -> Result:
        """Delete a media file. Raises DependencyUnavailable where NXCloud cannot be called now."""
        credentials = self._credentials.get(media.business_phone)
        self._flow.pauses.raise_if_paused(credentials, media.business_phone)
        deletion = _Deletion(media, attempt)
        try:
            response = self._call_with_recovery(credentials, deletion)
        except NxCloudError as error:
            return _failure(deletion, error)
        return _success(deletion, response)

    def _call_with_recovery(self, credentials: Credentials, deletion: _Deletion) -> ApiResponse:
        """Call NXCloud, and once more after correcting the clock or reading the credentials again.

        Where NXCloud asks for a wait, a later receive makes the second call.
        """
        try:
            return self._call_once(credentials, deletion)
        except ClockSkewError as error:
            if not self._signing_clock.correct(error.server_time_ms) or error.retry_after_s:
                raise
        except CredentialsRefusedError as error:
            refreshed = self._credentials.refresh_after_refusal(deletion.media.business_phone, credentials)
            if refreshed is None or error.retry_after_s:
                raise
            credentials = refreshed
        return self._call_once(credentials, deletion)

    def _call_once(self, credentials: Credentials, deletion: _Deletion) -> ApiResponse:
        """Make one call, once flow control admits it. Raises DependencyUnavailable and NxCloudError."""
        media, attempt = deletion.media, deletion.attempt
        with self._flow.admit(credentials, media.business_phone, attempt):
            deadline_s = min(MAX_CALL_S, attempt.remaining_ms / 1000 - FINISH_S)
            if deadline_s < MIN_NXCLOUD_CALL_S:
                raise DependencyUnavailable(Reason.OUT_OF_TIME)
            started_s = self._flow.clock()
            try:
                return self._client.delete_media(
                    credentials, media.business_phone, media.media_id, deadline_s=deadline_s
                )
            finally:
                deletion.latency_s += self._flow.clock() - started_s


def _success(deletion: _Deletion, response: ApiResponse) -> Result:
    return Result(
        outcome=Outcome.DELETED,
        media=deletion.media,
        provider_code=response.code,
        provider_message=response.message,
        http_status=response.http_status,
        latency_ms=deletion.latency_ms,
        confirmed_ms=system_clock_ms(),
    )


def _failure(deletion: _Deletion, error: NxCloudError) -> Result:
    outcome, reason, detail = classify(error)
    return Result(
        outcome=outcome,
        reason=reason,
        detail=detail,
        media=deletion.media,
        provider_code=error.provider_code,
        provider_message=error.provider_message,
        http_status=error.http_status,
        retry_after_s=error.retry_after_s,
        latency_ms=deletion.latency_ms,
        may_be_absent=may_mean_absent(error),
    )
