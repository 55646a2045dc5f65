"""Carries out deletion requests: from what one names, over what S3 says now, to the provider's answer."""

from collections.abc import Callable
from functools import partial

from media_cleanup.aws import Aws
from media_cleanup.credentials import CredentialsStore
from media_cleanup.events import Happening, LinkRequest, Nothing, NotUnderstood, ObjectEvent, Subject
from media_cleanup.idempotency import ConfirmedDeletions
from media_cleanup.index import IndexUnreachableError, MediaIndex
from media_cleanup.links import Link, LivingObject, Removal, media_to_delete
from media_cleanup.media import InvalidMediaError, Media, S3Object, media_in_key, media_in_labels
from media_cleanup.objects import Objects, ObjectUnknownError
from media_cleanup.observability import DELETION, logger
from media_cleanup.outcome import Outcome, Result
from media_cleanup.provider import Provider
from media_cleanup.settings import DeletionSettings
from nxcloud import CorrectedClock, MediaClient


class Deletion:
    """The deletion function's task (see `task.Task`)."""

    story = DELETION

    def __init__(self, settings: DeletionSettings, aws: Aws, provider: Provider, confirmed: ConfirmedDeletions) -> None:
        self.settings = settings
        self.queue_url = settings.deletion_queue_url
        self.aws = aws
        self._provider = provider
        self._confirmed = confirmed
        self._index = MediaIndex(aws, settings.media_index_table)
        self._objects = Objects(aws)

    @classmethod
    def from_settings(cls, settings: DeletionSettings) -> "Deletion":
        """The task with AWS and NXCloud at its edges."""
        aws, clock = Aws(), CorrectedClock()
        nxcloud = MediaClient(settings.base_url, algorithm=settings.sign_algorithm, now_ms=clock)
        credentials = CredentialsStore(aws, settings.secret_id)
        provider = Provider(nxcloud, clock, credentials, verify_absence=settings.verify_absence)
        return cls(settings, aws, provider, ConfirmedDeletions(aws, settings.idempotency_table))

    def outcomes(self, subject: Subject, attempt: int, time_left_ms: Callable[[], int]) -> list[Outcome]:
        """What became of a request, one outcome for each media that goes."""
        match subject:
            case Media():
                return [self._delete(subject, attempt, time_left_ms)]
            case ObjectEvent(Happening.REMOVED | Happening.NAMED, _, S3Object() as file):
                outcomes = self._delete_copies_of(Removal(file, subject.sequencer), attempt, time_left_ms)
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

    def _delete_copies_of(self, removal: Removal, attempt: int, time_left_ms: Callable[[], int]) -> list[Outcome]:
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
            self._delete_with(media, [link for link in links if link.media == media], attempt, time_left_ms)
            for media in doomed
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
        media, _ = media_in_labels([seen.metadata], self.settings.default_business_phone)
        return LivingObject(seen.file.version_id, seen.etag, frozenset(media))

    def _delete_with(self, media: Media, links: list[Link], attempt: int, time_left_ms: Callable[[], int]) -> Outcome:
        """Deletes a media, and once that is confirmed, all of the object's links to it."""
        outcome = self._delete(media, attempt, time_left_ms)
        if outcome.result in {Result.DELETED, Result.ALREADY_GONE}:
            try:
                for link in links:
                    self._index.remove(link)
            except IndexUnreachableError as error:  # the media is gone all the same; a repeat may call once more
                logger.warning("link_not_removed", extra={"error": str(error), "media_id": media.media_id})
        return outcome

    def _delete(self, media: Media, attempt: int, time_left_ms: Callable[[], int]) -> Outcome:
        """Deletes a media, unless its deletion is remembered or under way."""
        delete = partial(self._provider.delete, media, attempt, time_left_ms, dry_run=self.settings.dry_run)
        return delete() if self.settings.dry_run else self._confirmed.once(media, delete, time_left_ms)
