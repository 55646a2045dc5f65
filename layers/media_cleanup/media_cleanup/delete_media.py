"""Use case of the deletion function: delete a media file, or the media files that an object stood for."""

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.aws.idempotency import ConfirmedDeletions
from media_cleanup.aws.media_index import MediaIndex
from media_cleanup.aws.s3_objects import S3Objects
from media_cleanup.deletion_rules import CurrentObject, Facts, ObjectDeletion, decide
from media_cleanup.errors import DependencyUnavailable, InvalidMediaError
from media_cleanup.model import Link, Media, S3Object, media_in_key, media_in_labels
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.gateway import NxCloudGateway
from media_cleanup.reporting import DELETION
from media_cleanup.request import Action, Attempt, Ignored, LinkRequest, Malformed, ObjectEvent, ObjectEventType
from media_cleanup.result import Result
from media_cleanup.settings import DeleteMediaSettings
from media_cleanup.telemetry import logger
from nxcloud import CorrectedClock, MediaClient


class DeleteMedia:
    """The request handler of the deletion function (see `triggers.runner.RequestHandler`)."""

    log_profile = DELETION

    def __init__(
        self, settings: DeleteMediaSettings, clients: AwsClients, gateway: NxCloudGateway, confirmed: ConfirmedDeletions
    ) -> None:
        self.settings = settings
        self.queue_url = settings.deletion_queue_url
        self.clients = clients
        self._gateway = gateway
        self._confirmed = confirmed
        self._index = MediaIndex(clients, settings.media_index_table)
        self._objects = S3Objects(clients)

    @classmethod
    def from_settings(cls, settings: DeleteMediaSettings) -> "DeleteMedia":
        """Create the handler with real AWS clients and NXCloud's client."""
        clients, clock = AwsClients(), CorrectedClock()
        client = MediaClient(settings.base_url, algorithm=settings.sign_algorithm, now_ms=clock)
        credentials = CredentialsStore(clients, settings.secret_id)
        gateway = NxCloudGateway(client, clock, credentials, verify_absence=settings.verify_absence)
        return cls(settings, clients, gateway, ConfirmedDeletions(clients, settings.idempotency_table))

    def handle(self, action: Action, attempt: Attempt) -> list[Result]:
        """Handle a request; one result for each media file that is deleted. Raises DependencyUnavailable."""
        match action:
            case Media():
                return [self._delete(action, attempt)]
            case ObjectEvent(ObjectEventType.REMOVED | ObjectEventType.REQUESTED, _, S3Object() as obj):
                return self._delete_media_of(ObjectDeletion(obj, action.sequencer), attempt)
            case ObjectEvent(_, name):
                return [Result(outcome=Outcome.SKIPPED, reason=Reason.NOT_A_DELETION, detail=name)]
            case Ignored(reason):
                return [Result(outcome=Outcome.SKIPPED, reason=reason)]
            case LinkRequest():
                return [_rejected("names both a media and an object: to link them, send it to the index queue")]
            case Malformed(detail):
                return [_rejected(detail)]

    def _delete_media_of(self, deletion: ObjectDeletion, attempt: Attempt) -> list[Result]:
        """Delete the media files that an object stood for, except those of the current object."""
        obj = deletion.obj
        if not obj.key.startswith(self.settings.object_key_prefix):
            return [Result(outcome=Outcome.SKIPPED, reason=Reason.OUTSIDE_PREFIX)]
        try:
            in_key = media_in_key(obj.key, self.settings.object_key_pattern, self.settings.default_business_phone)
            results = []
        except InvalidMediaError as error:
            in_key = None
            results = [Result(outcome=Outcome.REJECTED, reason=Reason.INVALID_KEY, detail=str(error))]

        facts = self._gather(obj, in_key)
        decision = decide(deletion, facts)
        for media in decision.to_delete:
            links = [link for link in facts.links if link.media == media]
            results.append(self._delete_with_links(media, links, attempt))
        return results or [Result(outcome=Outcome.SKIPPED, reason=decision.reason, media=in_key)]

    def _gather(self, obj: S3Object, in_key: Media | None) -> Facts:
        """Read the facts; links once more after the HEAD, so that a link written in between counts."""
        links = self._index.get_links(obj)
        current = self._current(obj) if links or in_key else None
        return Facts(links, in_key, current, self._index.get_links(obj) if links and current else ())

    def _current(self, obj: S3Object) -> CurrentObject | None:
        head = self._objects.head(S3Object(obj.bucket, obj.key))
        if head is None:
            return None
        media, _ = media_in_labels([head.metadata], self.settings.default_business_phone)
        return CurrentObject(head.obj.version_id, head.etag, frozenset(media))

    def _delete_with_links(self, media: Media, links: list[Link], attempt: Attempt) -> Result:
        """Delete a media file and, once that is confirmed, the object's links to it."""
        result = self._delete(media, attempt)
        if result.outcome in {Outcome.DELETED, Outcome.ALREADY_GONE}:
            try:
                for link in links:
                    self._index.remove(link)
            except DependencyUnavailable as error:  # the deletion is confirmed; a repeat may call once more
                logger.warning("link_not_removed", extra={"error": str(error), "media_id": media.media_id})
        return result

    def _delete(self, media: Media, attempt: Attempt) -> Result:
        """Delete a media file, unless its deletion is recorded or in progress."""
        try:
            if self.settings.dry_run:
                self._gateway.check_credentials()
                return Result(outcome=Outcome.SKIPPED, reason=Reason.DRY_RUN, media=media)
            return self._confirmed.once(media, attempt, lambda: self._gateway.delete(media, attempt))
        except DependencyUnavailable as error:  # of this media file alone; the request's others are still tried
            return Result.unavailable(error, media)


def _rejected(detail: str) -> Result:
    return Result(outcome=Outcome.REJECTED, reason=Reason.NOT_UNDERSTOOD, detail=detail)
