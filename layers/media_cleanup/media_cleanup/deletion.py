"""Carries out one deletion request: from what it names, over what S3 says now, to the provider's answer."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from media_cleanup.credentials import CredentialsError, CredentialsStore, SecretUnreachableError
from media_cleanup.events import NoDeletion, NotUnderstood, Request
from media_cleanup.media import InvalidMediaError, Media, S3Object, media_in_key
from media_cleanup.objects import ObjectUnknownError, is_readable
from media_cleanup.outcome import Outcome, Result, classify
from media_cleanup.settings import Settings
from nxcloud import MediaClient, NxCloudError, system_clock_ms

LONGEST_CALL_S = 10.0
SHORTEST_CALL_S = 1.0
TIME_TO_FINISH_S = 2.0  # after a call: log, dead-letter, answer


class Deletion:
    """Carries out requests; kept for the life of the execution environment, with its connections and credentials.

    `time_left_ms` tells how many milliseconds the invocation has left, as Lambda's context does.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credentials = CredentialsStore(settings.secret_id)
        self._nxcloud = MediaClient(settings.base_url, algorithm=settings.sign_algorithm, now_ms=system_clock_ms)

    def carry_out(self, request: Request, time_left_ms: Callable[[], int]) -> Outcome:
        """What became of a request. Never raises, so that a fault in one request does not hold up its neighbours."""
        try:
            outcome = self._outcome(request.subject, time_left_ms)
        except Exception as error:  # noqa: BLE001 (a bug: its place is told, its text may hold what logs must not)
            place = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"internal_error: {type(error).__name__} in {place.name}, line {place.lineno}"
            outcome = Outcome(result=Result.UNAVAILABLE, reason=reason)
        return replace(outcome, happened_ms=request.happened_ms)

    def _outcome(
        self, subject: Media | S3Object | NoDeletion | NotUnderstood, time_left_ms: Callable[[], int]
    ) -> Outcome:
        match subject:
            case NoDeletion(reason, bucket, key):
                return Outcome(result=Result.SKIPPED, reason=reason, bucket=bucket, key=key)
            case NotUnderstood(reason):
                return Outcome(result=Result.REJECTED, reason=f"not_understood: {reason}")
            case Media():
                return self._delete(subject, time_left_ms)
            case S3Object(bucket, key):
                return replace(self._delete_copy_of(subject, time_left_ms), bucket=bucket, key=key)

    def _delete_copy_of(self, file: S3Object, time_left_ms: Callable[[], int]) -> Outcome:
        """Deletes the media that an object's key spells, unless the object can be read: undeletes, later stores."""
        if not file.key.startswith(self._settings.object_key_prefix):
            return Outcome(result=Result.SKIPPED, reason="outside_prefix")
        try:
            media = media_in_key(file.key, self._settings.object_key_pattern, self._settings.default_business_phone)
        except InvalidMediaError as error:
            return Outcome(result=Result.REJECTED, reason=f"invalid_key: {error}")
        if media is None:
            return Outcome(result=Result.SKIPPED, reason="no_media")
        try:
            if is_readable(file):
                return Outcome(result=Result.SKIPPED, reason="object_exists", media=media)
        except ObjectUnknownError as error:
            return Outcome(result=Result.UNAVAILABLE, reason=f"object_unknown: {error}", media=media)
        return self._delete(media, time_left_ms)

    def _delete(self, media: Media, time_left_ms: Callable[[], int]) -> Outcome:
        """Makes the signed call, and says what the provider's answer means."""
        try:
            credentials = self._credentials.get()
        except CredentialsError as error:
            return Outcome(result=Result.UNAVAILABLE, reason=f"credentials_unusable: {error}", media=media)
        except SecretUnreachableError as error:
            return Outcome(result=Result.UNAVAILABLE, reason=f"secret_unreachable: {error}", media=media)
        if self._settings.dry_run:
            return Outcome(result=Result.SKIPPED, reason="dry_run", media=media)
        deadline_s = min(LONGEST_CALL_S, time_left_ms() / 1000 - TIME_TO_FINISH_S)
        if deadline_s < SHORTEST_CALL_S:
            return Outcome(result=Result.UNAVAILABLE, reason="out_of_time", media=media)
        started = monotonic()
        try:
            answer = self._nxcloud.delete_media(
                credentials, media.business_phone, media.media_id, deadline_s=deadline_s
            )
        except NxCloudError as error:
            result, reason = classify(error)
            return Outcome(
                result=result,
                reason=reason,
                media=media,
                provider_code=error.provider_code,
                provider_message=error.provider_message,
                http_status=error.http_status,
                latency_ms=_since(started),
            )
        return Outcome(
            result=Result.DELETED,
            media=media,
            provider_code=answer.code,
            provider_message=answer.message,
            http_status=answer.http_status,
            latency_ms=_since(started),
            confirmed_ms=system_clock_ms(),
        )


def _since(started: float) -> int:
    return round((monotonic() - started) * 1000)
