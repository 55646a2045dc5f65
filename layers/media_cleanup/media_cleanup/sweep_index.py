"""Use case of the sweep function: find linked objects whose deletion event was missed, and request their deletion.

A pass scans the whole index, in slices. A slice sends its deletion requests before it saves its checkpoint, so a failed
slice is repeated. It deletes nothing itself: the deletion function decides by the same rules as for any event.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.deletion_queue import DeletionQueue
from media_cleanup.aws.media_index import ItemKey, MediaIndex
from media_cleanup.aws.s3_objects import S3Objects
from media_cleanup.aws.sweep_checkpoint import SweepCheckpoint, SweepCheckpoints
from media_cleanup.deletion_rules import CurrentObject
from media_cleanup.errors import DependencyUnavailable, RequestRejectedError
from media_cleanup.model import Link, S3Object
from media_cleanup.request import MIN_STEP_MS, Deadline
from media_cleanup.settings import SweepIndexSettings
from media_cleanup.telemetry import VERSION_ID, emit_counts, logger, masked, masked_unless

PAUSE_S = 0.02  # before each HEAD, so at most 50 a second
MAX_MISSING_PER_SLICE = 100  # so that there is time to request their deletion
GRACE_PERIOD_S = 15  # a deletion in progress is usually done by then, and its links removed
FINISH_MS = 25_000  # for the grace period and the deletion requests


@dataclass(frozen=True, slots=True)
class _Gone:
    """The links of one object or version that is gone. `replaced`: another object has been stored in its place.

    `before` is the item before the first of them, None where that is the first of the table.
    """

    before: ItemKey | None
    replaced: bool
    links: list[Link] = field(default_factory=list)

    @property
    def log_message(self) -> str:
        """The log message of the deletion request: a missed event, or an overwritten object, which sends none."""
        return "object_replaced" if self.replaced else "object_gone"


@dataclass(slots=True)
class _Slice:
    """The progress and findings of a slice.

    `gone` has the objects whose deletion is to be requested, in the order of the scan; `refused` counts the gone links
    that NXCloud refused permanently, `unknown` counts links by the reason why S3 gave no answer. `current` is the
    current object of `key`, which was read last: the scan returns the links of a key together.
    """

    after: ItemKey | None
    finished: bool = False
    links: int = 0
    refused: int = 0
    key: S3Object | None = None
    current: CurrentObject | None = None
    gone: dict[S3Object, _Gone] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)


class SweepIndex:
    """Sweeps the index slice by slice."""

    def __init__(
        self,
        settings: SweepIndexSettings,
        clients: AwsClients,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clients = clients
        self._settings = settings
        self._now_s = now_s
        self._sleep = sleep
        self._index = MediaIndex(clients, settings.media_index_table)
        self._checkpoints = SweepCheckpoints(clients, settings.media_index_table)
        self._objects = S3Objects(clients)
        self._deletion_queue = DeletionQueue(clients, settings.deletion_queue_url)

    def create_clients(self) -> None:
        """Create the AWS clients of every slice; that of SQS is for missed events."""
        self.clients.create("dynamodb", "s3")

    def first_calls(self) -> tuple[Callable[[], object], ...]:
        """Return what connects to DynamoDB, for the next slice or the hourly check."""
        return (self._checkpoints.load,)

    def sweep_slice(self, deadline: Deadline) -> dict[str, int]:
        """Sweep the next slice, or do nothing until the next pass is due. Returns the counts of its findings.

        Raises DependencyUnavailable; the next slice then starts where this one started.
        """
        checkpoint = self._due_checkpoint()
        if checkpoint is None:
            return emit_counts(SweptLinks=0, SweptGone=0, SweptReplaced=0, SweptRefused=0, SweptUnknown=0)
        findings = self._scan(checkpoint.after, deadline)
        requested = self._request_deletions(findings, deadline)
        if not self._checkpoints.save(replace(checkpoint, after=findings.after, finished=findings.finished)):
            logger.warning("checkpoint_moved_meanwhile")  # by a slice that ran at the same time
        for reason, objects in findings.unknown.items():
            logger.warning("objects_unknown", extra={"reason": masked(reason), "objects": objects})
        counts = emit_counts(
            SweptLinks=findings.links,
            SweptGone=requested["object_gone"],
            SweptReplaced=requested["object_replaced"],
            SweptRefused=findings.refused,
            SweptUnknown=findings.unknown.total(),
        )
        logger.info("index_sweep", extra={"counts": counts, "pass_ended": findings.finished})
        return counts

    def _due_checkpoint(self) -> SweepCheckpoint | None:
        """Return the checkpoint of the current pass, or of a new one; None until the next pass is due."""
        now_s = int(self._now_s())
        checkpoint = self._checkpoints.load()
        if checkpoint is None or (checkpoint.finished and now_s >= checkpoint.started_s + self._settings.every_s):
            return SweepCheckpoint(now_s, revision=checkpoint.revision if checkpoint else 0)
        return None if checkpoint.finished else checkpoint

    def _scan(self, after: ItemKey | None, deadline: Deadline) -> _Slice:
        findings = _Slice(after)
        for item_key, link in self._index.scan(after):
            if deadline.get_remaining_time_in_millis() < FINISH_MS or len(findings.gone) >= MAX_MISSING_PER_SLICE:
                return findings
            if link.obj.key.startswith(self._settings.object_key_prefix):
                findings.links += 1
                self._check(link, findings)
            findings.after = item_key
        findings.finished = True
        return findings

    def _check(self, link: Link, findings: _Slice) -> None:
        try:
            current = self._current(link.obj.without_version, findings)
            gone = self._is_gone(link, current)
        except (DependencyUnavailable, RequestRejectedError) as error:
            findings.unknown[f"{link.obj.bucket}: {error.detail}"] += 1
            return
        if gone and link.refused:
            findings.refused += 1
        elif gone:
            replaced = current is not None and not link.obj.version_id
            found = _Gone(findings.after, replaced)
            findings.gone.setdefault(link.obj if current else link.obj.without_version, found).links.append(link)

    def _is_gone(self, link: Link, current: CurrentObject | None) -> bool:
        """Whether a link's object is gone; without a current object all are, for old versions lie under a marker."""
        if current is None:
            return True
        if current.owns(link) or (not link.obj.version_id and current.stands_for(link)):
            return False
        self._sleep(PAUSE_S)
        return not self._objects.exists(link)

    def _current(self, obj: S3Object, findings: _Slice) -> CurrentObject | None:
        if findings.key != obj:
            self._sleep(PAUSE_S)
            head = self._objects.head(obj)
            findings.key, findings.current = (
                obj,
                CurrentObject(head.obj.without_null_version, head.content) if head else None,
            )
        return findings.current

    def _request_deletions(self, findings: _Slice, deadline: Deadline) -> Counter[str]:
        """Request the deletion of objects whose links remain after the grace period. Returns the numbers of links.

        Where the time ends, the next slice starts before the first object that is left.
        """
        requested: Counter[str] = Counter()
        if findings.gone:
            self._sleep(GRACE_PERIOD_S)
        for obj, found in findings.gone.items():
            if deadline.get_remaining_time_in_millis() < MIN_STEP_MS:
                findings.after, findings.finished = found.before, False
                break
            links = [link for link in self._index.get_links(obj) if link in found.links]
            if links:
                message_id = self._deletion_queue.request_deletion(obj)
                extra = _names(obj, links) | {"links": len(links), "message_id": message_id}
                logger.warning(found.log_message, extra=extra)
                requested[found.log_message] += len(links)
        return requested


def _names(obj: S3Object, links: Sequence[Link]) -> dict[str, object]:
    """An object's names as logs show them, without the phone numbers of its links."""
    own_numbers = sorted({link.media.business_phone for link in links})
    return {
        "bucket": masked(obj.bucket, *own_numbers),
        "object_key": masked(obj.key, *own_numbers),
        "version_id": masked_unless(VERSION_ID, obj.version_id, *own_numbers),
    }
