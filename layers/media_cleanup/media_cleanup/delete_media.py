"""Use case of the deletion function: delete a media file, or the media files that an object was linked to."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.aws.hourly_deletions import HourlyDeletions
from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.aws.media_index import MediaIndex
from media_cleanup.aws.s3_objects import S3Objects
from media_cleanup.aws.wait_records import WaitRecords
from media_cleanup.brake import Brake
from media_cleanup.deletion_rules import CurrentObject, Facts, ObjectDeletion, decide, with_tags
from media_cleanup.errors import DependencyUnavailable, InvalidMediaError
from media_cleanup.keyed_locks import KeyedLocks
from media_cleanup.model import Link, Media, S3Object, media_in_key, media_in_labels
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.absence import AbsenceExperiments
from media_cleanup.provider.flow_control import FlowControl
from media_cleanup.provider.gateway import NxCloudGateway
from media_cleanup.reporting import DELETION
from media_cleanup.request import (
    MIN_AWS_CALL_MS,
    Action,
    Attempt,
    Ignored,
    LinkRequest,
    Malformed,
    ObjectEvent,
    ObjectEventType,
)
from media_cleanup.result import Result, WorkItem
from media_cleanup.settings import DeleteMediaSettings
from media_cleanup.telemetry import logger, masked
from media_cleanup.verify_absence import VerifyAbsence
from nxcloud import CorrectedClock, MediaClient

SUPPORTED_REMOVALS = "S3's own ObjectRemoved and LifecycleExpiration notifications, or EventBridge's Object Deleted"


class DeleteMedia:
    """The use case of the deletion function (see `triggers.runner.RequestHandler`)."""

    log_profile = DELETION

    def __init__(
        self,
        settings: DeleteMediaSettings,
        clients: AwsClients,
        gateway: NxCloudGateway,
        experiments: AbsenceExperiments,
        records: DeletionRecords,
    ) -> None:
        self.settings = settings
        self.queue_url = settings.deletion_queue_url
        self.event_bus = settings.outcome_event_bus
        self.letter_records = records if settings.outcome_event_bus else None
        self.clients = clients
        self._gateway = gateway
        self._verification = VerifyAbsence(experiments, records, settings.absence_proof_interval_s)
        self._records = records
        self.wait_records = WaitRecords(clients, settings.idempotency_table, records.now_s)
        deletions = HourlyDeletions(clients, settings.idempotency_table, settings.max_deletions_per_hour)
        self._brake = Brake(settings.max_deletions_per_hour, settings.max_concurrency, deletions.reserve, records.now_s)
        self._locks = KeyedLocks()
        self._index = MediaIndex(clients, settings.media_index_table)
        self._objects = S3Objects(clients)

    @classmethod
    def from_settings(cls, settings: DeleteMediaSettings) -> "DeleteMedia":
        """Create the use case with real AWS clients and NXCloud's client."""
        clients, clock = AwsClients(), CorrectedClock()
        flow = FlowControl(settings.calls_per_s)
        client = MediaClient(
            settings.base_url,
            algorithm=settings.sign_algorithm,
            now_ms=clock,
            before_repeat=flow.pacer.wait_for_turn,
        )
        credentials = CredentialsStore(clients, settings.secret_id)
        gateway = NxCloudGateway(client, clock, credentials, flow)
        experiments = AbsenceExperiments(client, credentials, pacer=flow.pacer)
        records = DeletionRecords(clients, settings.idempotency_table)
        return cls(settings, clients, gateway, experiments, records)

    def handle(self, action: Action, attempt: Attempt) -> list[Result]:
        """Handle a request; one result for each media file. Raises DependencyUnavailable and RequestRejectedError."""
        match action:
            case ObjectEvent(type=ObjectEventType.REMOVED | ObjectEventType.REQUESTED, obj=S3Object() as obj):
                return self._delete_media_files_of(ObjectDeletion(obj, action.sequencer), attempt)
            case Media():
                return [self._delete_media_file(action, attempt)]
            case _:
                return [_no_deletion(action)]

    def _delete_media_files_of(self, deletion: ObjectDeletion, attempt: Attempt) -> list[Result]:
        """Delete the media files that an object stood for, except those of the current object."""
        obj = deletion.obj
        if not obj.key.startswith(self.settings.object_key_prefix):
            return [Result(outcome=Outcome.SKIPPED, reason=Reason.OUTSIDE_PREFIX)]
        in_key, results = self._media_in_key(obj.key)
        facts = self._gather(deletion, in_key)
        decision = decide(deletion, facts)
        self._carry_over(decision.carried_over, facts.current, attempt)
        for media in sorted(decision.to_delete, key=lambda media: media.media_id):  # a set has no fixed order
            result = replace(self._delete_media_file(media, attempt), links=facts.links_to(media))
            self._update_links(result, attempt)
            results.append(result)
        if results:
            return results
        return [Result(outcome=Outcome.SKIPPED, reason=decision.reason, media=in_key)]

    def _gather(self, deletion: ObjectDeletion, in_key: Media | None) -> Facts:
        """Read the facts: links, HEAD, links once more, and tags if a media file would be deleted without them."""
        obj = deletion.obj
        links = self._index.get_links(obj)
        head = self._objects.head(obj.without_version) if links or in_key else None
        if head is None:
            return Facts(links, in_key)
        current = CurrentObject(head.obj.without_null_version, head.content, self._media_files_in(head.metadata))
        # A link that was written between the first read and the HEAD counts
        facts = Facts(links, in_key, current, self._index.get_links(obj) if links else ())
        if head.has_tags and decide(deletion, facts).to_delete:
            tags = self._objects.tags(head.obj)
            if tags is None:
                raise DependencyUnavailable(Reason.OBJECT_UNKNOWN, "it was replaced while its tags were read")
            facts = with_tags(facts, self._media_files_in(tags))
        return facts

    def _delete_media_file(self, media: Media, attempt: Attempt) -> Result:
        """Delete a media file, unless its deletion or its refusal is recorded, or it is in progress."""
        try:
            if self.settings.dry_run:
                self._gateway.check_credentials(media.business_phone)
                return Result(outcome=Outcome.SKIPPED, reason=Reason.DRY_RUN, media=media)
            with self._locks.hold(media, attempt.remaining_ms / 1000):
                attempt.require_time()
                if blocked := self._blocked(media, attempt):
                    return blocked
                return self._records.once(media, attempt, lambda: self._delete_at_nxcloud(media, attempt))
        except DependencyUnavailable as error:  # of this media file alone; the request's others are still tried
            return Result.unavailable(error, media)

    def _delete_at_nxcloud(self, media: Media, attempt: Attempt) -> Result:
        """Call NXCloud, with a permit where deletions are limited by the hour."""
        return self._brake.delete_with_permit(self._gateway.delete, media, attempt)

    def _blocked(self, media: Media, attempt: Attempt) -> Result | None:
        """Return the result where flow control or the brake admits no call: before anything is written."""
        if error := self._gateway.blocking_error(attempt) or self._brake.limit_error():
            return self._records.get_confirmed(media) or Result.unavailable(error, media)
        return None

    def _media_in_key(self, key: str) -> tuple[Media | None, list[Result]]:
        """Return the media file that a key names, and no result; or none, and the result of an invalid name."""
        try:
            return media_in_key(key, self.settings.object_key_pattern, self.settings.default_business_phone), []
        except InvalidMediaError as error:
            return None, [Result(outcome=Outcome.REJECTED, reason=Reason.INVALID_KEY, detail=str(error))]

    def _media_files_in(self, labels: dict[str, str]) -> frozenset[Media]:
        """Return the media files that metadata or tags name; invalid ones keep nothing."""
        media_files, _ = media_in_labels([labels], self.settings.default_business_phone)
        return frozenset(media_files)

    def _carry_over(self, links: Sequence[Link], current: CurrentObject | None, attempt: Attempt) -> None:
        """Link the current object to what it keeps, then remove the old links whose objects are missing.

        A link that is written is followed by a check of its object, as in the index function: a deletion that was
        handled in between has not seen the link.
        """
        if current is None or self.settings.dry_run:
            return
        for link in links:
            attempt.require_time()
            own_link = current.own_link(link.media)
            self._index.put(own_link)
            if not self._objects.exists(own_link):
                raise DependencyUnavailable(Reason.OBJECT_UNKNOWN, "it was replaced while it was linked")
            if not self._objects.exists(link):
                self._index.remove(link)

    def _update_links(self, result: Result, attempt: Attempt) -> None:
        """Remove the links of a media file that is gone; mark those of a refused one for the sweep."""
        if result.is_gone and not self.event_bus:  # with a bus, after its event, which a redelivery may have to repeat
            self._remove_links(result, attempt)
        if result.reason is Reason.REFUSED_BY_PROVIDER:
            self._try_each_link(result, self._index.mark_refused, attempt, "link_not_marked")

    def _remove_links(self, result: Result, attempt: Attempt) -> None:
        self._try_each_link(result, self._index.remove, attempt, "link_not_removed")

    def _try_each_link(self, result: Result, update: Callable[[Link], None], attempt: Attempt, failure: str) -> None:
        """Update the links of a final result; a failure is logged, and leaves them to the next deletion or sweep."""
        try:
            for link in result.links:
                attempt.require_time(MIN_AWS_CALL_MS)
                update(link)
        except DependencyUnavailable as error:
            media_id = result.media and result.media.shown_id
            logger.warning(failure, extra={"error": masked(str(error)), "media_id": media_id})

    def verify(self, handled: Sequence[WorkItem]) -> None:
        """Verify the absence of media files that NXCloud could not delete."""
        if not self.settings.verify_absence:
            return
        self._verification.verify(handled)
        for each in handled:
            for result in each.results:
                if result.reason is Reason.VERIFIED_ABSENT and not self.event_bus:
                    self._remove_links(result, each.attempt)

    def on_event_accepted(self, result: Result, attempt: Attempt) -> None:
        """Remove the links of a media file that is gone, once its event is accepted."""
        if result.is_gone:
            self._remove_links(result, attempt)

    def begin_invocation(self, requests: int) -> None:
        """Begin an invocation with this many requests."""
        self._gateway.begin_invocation()
        self._brake.begin_invocation(requests)

    def create_clients(self) -> None:
        """Create the AWS clients of every deletion; that of SQS is for failed ones."""
        self.clients.create("dynamodb", "secretsmanager", "s3", *(["events"] if self.event_bus else []))

    def first_calls(self) -> tuple[Callable[[], None], ...]:
        """Return what connects to DynamoDB, and what reads the secret."""
        return self._records.prepare, self._gateway.prepare


def _no_deletion(action: ObjectEvent | LinkRequest | Ignored | Malformed) -> Result:
    """Return the result of a request that asks for no deletion, or not clearly."""
    match action:
        case ObjectEvent(ObjectEventType.UNSUPPORTED_REMOVAL, name):
            return _rejected(f"{name} does not say enough about a deletion; send {SUPPORTED_REMOVALS} instead")
        case ObjectEvent(_, name):
            return Result(outcome=Outcome.SKIPPED, reason=Reason.NOT_A_DELETION, detail=name)
        case Ignored(reason):
            return Result(outcome=Outcome.SKIPPED, reason=reason)
        case LinkRequest():
            return _rejected("names both a media file and an object: to link them, send it to the index queue")
        case Malformed(detail):
            return _rejected(detail)


def _rejected(detail: str) -> Result:
    return Result(outcome=Outcome.REJECTED, reason=Reason.NOT_UNDERSTOOD, detail=detail)
