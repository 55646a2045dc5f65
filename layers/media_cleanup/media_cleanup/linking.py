"""Writes links: what a stored or tagged object, or an uploader's message, says that an object stands for."""

from collections.abc import Callable
from functools import partial

from media_cleanup.asking import RequestNotSentError, ask_for_deletion
from media_cleanup.aws import Aws
from media_cleanup.events import Happening, LinkRequest, Nothing, NotUnderstood, ObjectEvent, Subject
from media_cleanup.index import IndexUnreachableError, MediaIndex
from media_cleanup.links import Link
from media_cleanup.media import Media, S3Object, media_in_labels
from media_cleanup.objects import Objects, ObjectUnknownError, Seen
from media_cleanup.observability import LINKING
from media_cleanup.outcome import Outcome, Result
from media_cleanup.settings import LinkingSettings


class Linking:
    """The index function's task (see `task.Task`)."""

    story = LINKING
    queue_url = None

    def __init__(self, settings: LinkingSettings, aws: Aws) -> None:
        self.settings = settings
        self.aws = aws
        self._index = MediaIndex(aws, settings.media_index_table)
        self._objects = Objects(aws)

    @classmethod
    def from_settings(cls, settings: LinkingSettings) -> "Linking":
        """The task with AWS at its edges."""
        return cls(settings, Aws())

    def outcomes(  # noqa: PLR0911 (one a kind of subject)
        self,
        subject: Subject,
        attempt: int,  # noqa: ARG002 (nothing here depends on it)
        time_left_ms: Callable[[], int],  # noqa: ARG002 (no call here waits for the provider)
    ) -> list[Outcome]:
        """What became of a request, one outcome for each media that is linked."""
        match subject:
            case ObjectEvent(Happening.STORED | Happening.TAGGED | Happening.NAMED, _, S3Object() as file):
                return self._at(file, partial(self._link_as_labelled, subject, file))
            case LinkRequest(file, media):
                return self._at(file, partial(self._link_as_asked, file, media))
            case ObjectEvent(Happening.STORED | Happening.TAGGED, name):
                return [_rejected(f"{name} without a bucket and a key that an object can have")]
            case ObjectEvent(_, name, other):
                return [Outcome(result=Result.SKIPPED, reason=f"not_a_store: {name}").about(other)]
            case Nothing(reason):
                return [Outcome(result=Result.SKIPPED, reason=reason)]
            case Media():
                return [_rejected("names a media and no object: to delete it, send it to the deletion queue")]
            case NotUnderstood(reason):
                return [_rejected(reason)]

    def _at(self, file: S3Object, link: Callable[[], list[Outcome]]) -> list[Outcome]:
        """The outcomes of linking an object, with what keeps it from being linked now."""
        try:
            outcomes = link()
        except ObjectUnknownError as error:
            outcomes = [Outcome(result=Result.UNAVAILABLE, reason=f"object_unknown: {error}")]
        except IndexUnreachableError as error:
            outcomes = [Outcome(result=Result.UNAVAILABLE, reason=f"index_unreachable: {error}")]
        except RequestNotSentError as error:
            outcomes = [Outcome(result=Result.UNAVAILABLE, reason=f"deletion_not_asked: {error}")]
        return [outcome.about(file) for outcome in outcomes]

    def _link_as_labelled(self, event: ObjectEvent, file: S3Object) -> list[Outcome]:
        """Links an object as its metadata or its tags say, whichever the event is about, or else both."""
        if not file.key.startswith(self.settings.object_key_prefix):
            return [Outcome(result=Result.SKIPPED, reason="outside_prefix")]
        # What a later store put in this one's place must not pass for it; a version cannot be replaced
        seen = self._objects.look_at(file, None if file.version_id else event.etag)
        if seen is None:
            self._look_again(file)
            return [Outcome(result=Result.SKIPPED, reason="gone_or_replaced")]
        labels = [] if event.happening is Happening.TAGGED else [seen.metadata]
        labels += [] if event.happening is Happening.STORED else [self._tags_of(seen)]
        media, errors = media_in_labels(labels, self.settings.default_business_phone)
        # A HEAD by another name than the event's may have seen another store than the one that the sequencer counts
        same = seen.file.version_id == file.version_id and (file.version_id or event.etag)
        for one in media:
            self._index.write(Link(seen.file, seen.etag, one, event.sequencer if same else None))
        if media:
            self._look_again(seen.file)
        linked = [Outcome(result=Result.LINKED, media=one) for one in media]
        return linked + [_rejected(str(error)) for error in errors] or [
            Outcome(result=Result.SKIPPED, reason="no_media")
        ]

    def _tags_of(self, seen: Seen) -> dict[str, str]:
        """The tags of just the object that was seen, which a second look must find unchanged."""
        tags = self._objects.tags_of(seen.file)
        if tags is None or self._objects.look_at(seen.file, None if seen.file.version_id else seen.etag) is None:
            raise ObjectUnknownError("it was replaced while its tags were read")
        return tags

    def _link_as_asked(self, file: S3Object, media: Media) -> list[Outcome]:
        """Links an object as a message says: the version that it names, else the current one; even if it is gone."""
        if not file.key.startswith(self.settings.object_key_prefix):
            return [_rejected("the key lies outside of OBJECT_KEY_PREFIX, where deletions are not looked at")]
        seen = self._objects.look_at(file)
        self._index.write(Link(seen.file, seen.etag, media) if seen else Link(file, None, media))
        self._look_again(seen.file if seen else file)
        return [Outcome(result=Result.LINKED, media=media)]

    def _look_again(self, file: S3Object) -> None:
        """Asks for the deletion of what an object is linked to, where it, or this version of it, is gone by now.

        A deletion that came before the link was written has not seen the link; one that comes later will.
        """
        gone = self._objects.gone_part(file)
        if gone and self._index.links_of(file):
            ask_for_deletion(self.aws, self.settings.deletion_queue_url, gone)


def _rejected(reason: str) -> Outcome:
    return Outcome(result=Result.REJECTED, reason=f"not_understood: {reason}")
