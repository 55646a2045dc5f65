"""Use case of the sweep function: find linked objects whose deletion event was missed, and request their deletion.

A pass scans the whole index, in slices. A slice sends its deletion requests before it saves its checkpoint, so a failed
slice is repeated. It deletes nothing itself: the deletion function decides by the same rules as for any event.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.deletion_queue import DeletionQueue
from media_cleanup.aws.media_index import ItemKey, MediaIndex
from media_cleanup.aws.s3_objects import ObjectHead, S3Objects
from media_cleanup.aws.sweep_checkpoint import SweepCheckpoint, SweepCheckpoints
from media_cleanup.deletion_rules import CurrentObject, is_gone
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Link, S3Object
from media_cleanup.request import Deadline
from media_cleanup.settings import SweepIndexSettings
from media_cleanup.telemetry import emit_counts, logger, masked

PAUSE_S = 0.02  # before each object, so at most 50 objects a second, of one or two HEADs
MAX_MISSING_PER_SLICE = 100  # so that there is time to request their deletion
GRACE_PERIOD_S = 15  # a deletion in progress is usually done by then, and its links removed
FINISH_MS = 25_000  # for the grace period and the deletion requests


@dataclass(slots=True)
class _Slice:
    """The progress and findings of a slice.

    `gone` are the links whose object is gone, by the object whose deletion is to be requested; `refused` counts those
    that NXCloud refused permanently, `unknown` counts objects by the reason why S3 gave no answer. `heads` holds all
    HEADs of this slice.
    """

    after: ItemKey | None
    finished: bool = False
    links: int = 0
    refused: int = 0
    heads: dict[S3Object, ObjectHead | None] = field(default_factory=dict)
    gone: dict[S3Object, list[Link]] = field(default_factory=dict)
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

    @classmethod
    def from_settings(cls, settings: SweepIndexSettings) -> "SweepIndex":
        """Create the sweep with real AWS clients."""
        return cls(settings, AwsClients())

    def sweep_slice(self, deadline: Deadline) -> dict[str, int]:
        """Sweep the next slice, or do nothing until the next pass is due. Returns the counts of its findings.

        Raises DependencyUnavailable; the next slice then starts where this one started.
        """
        checkpoint = self._due_checkpoint()
        if checkpoint is None:
            return emit_counts(SweptLinks=0, SweptGone=0, SweptRefused=0, SweptUnknown=0)
        findings = self._scan(checkpoint.after, deadline)
        gone = self._request_deletions(findings.gone)
        if not self._checkpoints.save(replace(checkpoint, after=findings.after, finished=findings.finished)):
            logger.warning("checkpoint_moved_meanwhile")  # by a slice that ran at the same time
        for reason, objects in findings.unknown.items():
            logger.warning("objects_unknown", extra={"reason": reason, "objects": objects})
        counts = emit_counts(
            SweptLinks=findings.links,
            SweptGone=gone,
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
            findings.after = item_key
            if link.obj.key.startswith(self._settings.object_key_prefix):
                findings.links += 1
                self._check(link, findings)
        findings.finished = True
        return findings

    def _check(self, link: Link, findings: _Slice) -> None:
        try:
            if not self._is_gone(link, findings):
                return
        except DependencyUnavailable as error:
            findings.unknown[f"{link.obj.bucket}: {error.detail}"] += 1
            return
        if link.refused:
            findings.refused += 1
            return
        current_exists = findings.heads[link.obj.whole] is not None
        findings.gone.setdefault(link.obj if current_exists else link.obj.whole, []).append(link)

    def _is_gone(self, link: Link, findings: _Slice) -> bool:
        head = self._head(link.obj.whole, findings)
        if head is None:
            return is_gone(link, None, version_exists=False)
        current = CurrentObject(head.obj.identity, head.content)
        if current.owns(link):
            return False
        if link.obj.version_id:
            return is_gone(link, current, version_exists=self._head(link.obj, findings) is not None)
        if head.obj.identity.version_id is None or link.content is None:  # `null` is current, or there are no versions
            return is_gone(link, current, version_exists=False)
        null = self._head(replace(link.obj, version_id="null"), findings)
        return is_gone(link, current, version_exists=null is not None and null.content.etag == link.content.etag)

    def _head(self, obj: S3Object, findings: _Slice) -> ObjectHead | None:
        if obj not in findings.heads:
            self._sleep(PAUSE_S)
            findings.heads[obj] = self._objects.head(obj)
        return findings.heads[obj]

    def _request_deletions(self, gone: Mapping[S3Object, Sequence[Link]]) -> int:
        """Request the deletion of objects whose links remain after the grace period. Returns the links' number."""
        requested = 0
        if gone:
            self._sleep(GRACE_PERIOD_S)
        for obj, found in gone.items():
            links = [link for link in self._index.get_links(obj) if link in found]
            if links:
                message_id = self._deletion_queue.request_deletion(obj)
                name = {"bucket": obj.bucket, "object_key": masked(obj.key), "version_id": obj.version_id}
                logger.warning("object_gone", extra=name | {"links": len(links), "message_id": message_id})
                requested += len(links)
        return requested
