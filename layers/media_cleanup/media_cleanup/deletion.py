"""Carries out deletion requests: from what one names, over what S3 says now, to the provider's answer."""

from collections.abc import Callable
from time import monotonic

from media_cleanup.aws import Aws
from media_cleanup.credentials import CredentialsError, CredentialsStore, SecretUnreachableError
from media_cleanup.events import Happening, LinkRequest, Nothing, NotUnderstood, ObjectEvent, Subject
from media_cleanup.index import IndexUnreachableError, MediaIndex
from media_cleanup.links import Link, LivingObject, Removal, media_to_delete
from media_cleanup.media import InvalidMediaError, Media, S3Object, media_in_key, media_in_labels
from media_cleanup.objects import Objects, ObjectUnknownError
from media_cleanup.observability import DELETION, logger
from media_cleanup.outcome import Outcome, Result, classify
from media_cleanup.settings import DeletionSettings
from nxcloud import MediaClient, NxCloudError, system_clock_ms

LONGEST_CALL_S = 10.0
SHORTEST_CALL_S = 1.0
TIME_TO_FINISH_S = 2.0  # after a call: links, log, dead-letter, answer


class Deletion:
    """The deletion function's task (see `task.Task`)."""

    story = DELETION

    def __init__(self, settings: DeletionSettings, aws: Aws, nxcloud: MediaClient) -> None:
        self.settings = settings
        self.aws = aws
        self._nxcloud = nxcloud
        self._credentials = CredentialsStore(aws, settings.secret_id)
        self._index = MediaIndex(aws, settings.media_index_table)
        self._objects = Objects(aws)

    @classmethod
    def from_settings(cls, settings: DeletionSettings) -> "Deletion":
        """The task with AWS and NXCloud at its edges."""
        nxcloud = MediaClient(settings.base_url, algorithm=settings.sign_algorithm, now_ms=system_clock_ms)
        return cls(settings, Aws(), nxcloud)

    def outcomes(self, subject: Subject, time_left_ms: Callable[[], int]) -> list[Outcome]:
        """What became of a request, one outcome for each media that goes."""
        match subject:
            case Media():
                return [self._delete(subject, time_left_ms)]
            case ObjectEvent(Happening.REMOVED, _, S3Object() as file):
                outcomes = self._delete_copies_of(Removal(file, subject.sequencer), time_left_ms)
                return [outcome.about(file) for outcome in outcomes]
            case ObjectEvent(_, name, other):
                return [Outcome(result=Result.SKIPPED, reason=f"not_a_deletion: {name}").about(other)]
            case Nothing(reason):
                return [Outcome(result=Result.SKIPPED, reason=reason)]
            case LinkRequest():
                reason = "not_understood: names both a media and an object: to link them, send it to the index queue"
                return [Outcome(result=Result.REJECTED, reason=reason)]
            case NotUnderstood(reason):
                return [Outcome(result=Result.REJECTED, reason=f"not_understood: {reason}")]

    def _delete_copies_of(self, removal: Removal, time_left_ms: Callable[[], int]) -> list[Outcome]:
        """Deletes the media that an object stood for, save those that it stands for as it can be read now."""
        file = removal.file
        if not file.key.startswith(self.settings.object_key_prefix):
            return [Outcome(result=Result.SKIPPED, reason="outside_prefix")]
        spelled, invalid = self._spelled_by(file)
        try:
            links = self._index.links_of(file)
            living = self._living(file) if links or spelled else None
            kept = self._index.links_of(file) if links and living else []
        except IndexUnreachableError as error:
            return [Outcome(result=Result.UNAVAILABLE, reason=f"index_unreachable: {error}", media=spelled)]
        except ObjectUnknownError as error:
            return [Outcome(result=Result.UNAVAILABLE, reason=f"object_unknown: {error}", media=spelled)]
        doomed = media_to_delete(removal, links, spelled, living, kept)
        outcomes = [
            self._delete_with(media, [link for link in links if link.media == media], time_left_ms) for media in doomed
        ]
        if not outcomes and not invalid:
            reason = "object_exists" if living else "stored_later" if links else "no_media"
            return [Outcome(result=Result.SKIPPED, reason=reason, media=spelled)]
        return outcomes + invalid

    def _spelled_by(self, file: S3Object) -> tuple[Media | None, list[Outcome]]:
        """The media that a key spells, or what is wrong with it."""
        try:
            spelled = media_in_key(file.key, self.settings.object_key_pattern, self.settings.default_business_phone)
        except InvalidMediaError as error:
            return None, [Outcome(result=Result.REJECTED, reason=f"invalid_key: {error}")]
        return spelled, []

    def _living(self, file: S3Object) -> LivingObject | None:
        """The object as it can be read now, whichever version the request was about."""
        seen = self._objects.look_at(S3Object(file.bucket, file.key))
        if seen is None:
            return None
        media, _ = media_in_labels(seen.metadata, self.settings.default_business_phone)
        return LivingObject(seen.file.version_id, seen.etag, frozenset(media))

    def _delete_with(self, media: Media, links: list[Link], time_left_ms: Callable[[], int]) -> Outcome:
        """Deletes a media, and once that is confirmed, all of the object's links to it."""
        outcome = self._delete(media, time_left_ms)
        if outcome.result in {Result.DELETED, Result.ALREADY_GONE}:
            try:
                for link in links:
                    self._index.remove(link)
            except IndexUnreachableError as error:  # the media is gone all the same; a repeat may call once more
                logger.warning("link_not_removed", extra={"error": str(error), "media_id": media.media_id})
        return outcome

    def _delete(self, media: Media, time_left_ms: Callable[[], int]) -> Outcome:
        """Makes the signed call, and says what the provider's answer means."""
        try:
            credentials = self._credentials.get()
        except CredentialsError as error:
            return Outcome(result=Result.UNAVAILABLE, reason=f"credentials_unusable: {error}", media=media)
        except SecretUnreachableError as error:
            return Outcome(result=Result.UNAVAILABLE, reason=f"secret_unreachable: {error}", media=media)
        if self.settings.dry_run:
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
