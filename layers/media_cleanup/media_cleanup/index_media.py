"""Use case of the index function: link objects to media files, from metadata, tags or messages."""

from collections.abc import Callable, Sequence

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.deletion_queue import DeletionQueue
from media_cleanup.aws.media_index import MediaIndex
from media_cleanup.aws.s3_objects import ObjectHead, S3Objects
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Link, Media, S3Object, media_in_labels
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import LINKING
from media_cleanup.request import Action, Attempt, Ignored, LinkRequest, Malformed, ObjectEvent, ObjectEventType
from media_cleanup.result import Result, WorkItem
from media_cleanup.settings import IndexMediaSettings


class IndexMedia:
    """The use case of the index function (see `triggers.runner.RequestHandler`)."""

    log_profile = LINKING
    queue_url = None  # redelivery by the queue's own visibility timeout
    event_bus = None
    letter_records = None
    wait_records = None

    def __init__(self, settings: IndexMediaSettings, clients: AwsClients) -> None:
        self.settings = settings
        self.clients = clients
        self._index = MediaIndex(clients, settings.media_index_table)
        self._objects = S3Objects(clients)
        self._deletion_queue = DeletionQueue(clients, settings.deletion_queue_url)

    @classmethod
    def from_settings(cls, settings: IndexMediaSettings) -> "IndexMedia":
        """Create the use case with real AWS clients."""
        return cls(settings, AwsClients())

    def create_clients(self) -> None:
        """Create the AWS clients of every link; that of SQS is for deletions and failed requests."""
        self.clients.create("dynamodb", "s3")

    def first_calls(self) -> tuple[Callable[[], None], ...]:
        """Return what connects to DynamoDB."""
        return (self._index.prepare,)

    def begin_invocation(self, requests: int) -> None:
        """Do nothing: links are not paced."""

    def handle(self, action: Action, attempt: Attempt) -> list[Result]:
        """Handle a request; one result for each media file that is linked.

        Raises DependencyUnavailable and RequestRejectedError.
        """
        match action:
            case ObjectEvent(
                type=ObjectEventType.CREATED | ObjectEventType.TAGGED | ObjectEventType.REQUESTED, obj=S3Object() as obj
            ):
                return self._link_by_labels(action, obj, attempt)
            case LinkRequest(obj, media):
                return [self._link_by_message(obj, media)]
            case ObjectEvent(ObjectEventType.CREATED | ObjectEventType.TAGGED, name):
                return [_rejected(f"{name} without a bucket and a key that an object can have")]
            case ObjectEvent(_, name):
                return [Result(outcome=Outcome.SKIPPED, reason=Reason.NOT_A_STORE, detail=name)]
            case Ignored(reason):
                return [Result(outcome=Outcome.SKIPPED, reason=reason)]
            case Media():
                return [_rejected("names a media file and no object: to delete it, send it to the deletion queue")]
            case Malformed(detail):
                return [_rejected(detail)]

    def verify(self, handled: Sequence[WorkItem]) -> None:
        """Do nothing: a link needs no verification."""

    def on_event_accepted(self, result: Result, attempt: Attempt) -> None:
        """Do nothing: links have no outcome events."""

    def _link_by_labels(self, event: ObjectEvent, obj: S3Object, attempt: Attempt) -> list[Result]:
        """Link an object by its metadata or its tags, depending on the event; by both where it is a request."""
        if not obj.key.startswith(self.settings.object_key_prefix):
            return [Result(outcome=Outcome.SKIPPED, reason=Reason.OUTSIDE_PREFIX)]
        # The eTag excludes an object that was stored later under the key; a version cannot be replaced, `null` can
        head = self._objects.head(obj, None if obj.without_null_version.version_id else event.etag)
        if head is None:
            self._request_deletion_if_gone(obj)
            return [Result(outcome=Outcome.SKIPPED, reason=Reason.GONE_OR_REPLACED)]
        labels = [] if event.type is ObjectEventType.TAGGED else [head.metadata]
        labels += [self._tags(head)] if head.has_tags or event.type is not ObjectEventType.CREATED else []
        media_files, errors = media_in_labels(labels, self.settings.default_business_phone)
        # A HEAD without a version may have read a later store than the event's. The event's sequencer is then too old,
        # so that more deletions cover the link than need to; none covers it too late.
        for each in media_files:
            attempt.require_time()
            self._index.put(Link(head.obj.without_null_version, head.content, each, event.sequencer))
        if media_files:
            self._request_deletion_if_gone(head.obj)
        linked = [Result(outcome=Outcome.LINKED, media=each) for each in media_files]
        return linked + [_rejected(str(error)) for error in errors] or [
            Result(outcome=Outcome.SKIPPED, reason=Reason.NO_MEDIA)
        ]

    def _tags(self, head: ObjectHead) -> dict[str, str]:
        """Read the tags of this very object; a second HEAD must find it unchanged."""
        tags = self._objects.tags(head.obj)
        etag = None if head.obj.without_null_version.version_id else head.content.etag
        if tags is None or self._objects.head(head.obj, etag) is None:
            raise DependencyUnavailable(Reason.OBJECT_UNKNOWN, "it was replaced while its tags were read")
        return tags

    def _link_by_message(self, obj: S3Object, media: Media) -> Result:
        """Link the version that a message names, else the current object; also an object that is gone by now."""
        if not obj.key.startswith(self.settings.object_key_prefix):
            return _rejected("the key is outside OBJECT_KEY_PREFIX, where deletions are ignored")
        head = self._objects.head(obj)
        if head is None:
            self._index.put(Link(obj.without_null_version, None, media))
            self._deletion_queue.request_deletion(obj)
            return Result(outcome=Outcome.LINKED, media=media)
        self._index.put(Link(head.obj.without_null_version, head.content, media))
        self._request_deletion_if_gone(head.obj)
        return Result(outcome=Outcome.LINKED, media=media)

    def _request_deletion_if_gone(self, obj: S3Object) -> None:
        """Request the deletion of linked media files where the object, or this version, is gone by now.

        A deletion that was handled before the link was written has not seen the link; a later one will.
        """
        missing = self._objects.missing_part(obj)
        if missing and self._index.get_links(obj):
            self._deletion_queue.request_deletion(missing)


def _rejected(detail: str) -> Result:
    return Result(outcome=Outcome.REJECTED, reason=Reason.NOT_UNDERSTOOD, detail=detail)
