"""Walks the index for objects that are gone though no event said so, and asks for the deletion of what they stood for.

A pass goes through the whole index, slice by slice. A slice asks before it remembers how far it came, so that one that
failed is done again. It deletes nothing itself: the deletion function looks for itself, by the same rules as ever.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from media_cleanup.asking import ask_for_deletion
from media_cleanup.aws import Aws
from media_cleanup.index import MediaIndex, Place, Progress
from media_cleanup.media import S3Object
from media_cleanup.objects import Objects, ObjectUnknownError
from media_cleanup.observability import count, logger, shown
from media_cleanup.settings import SweepSettings

PAUSE_S = 0.02  # before each look, so at most 50 a second, of one or two HEADs
MOST_GONE = 100  # in one slice, which must have the time to ask for them
PATIENCE_S = 15  # a deletion that is under way is usually done by then, and the links are gone
TIME_TO_FINISH_MS = 25_000  # for patience and asking


@dataclass(slots=True)
class _Found:
    """What a slice has found, and how far it has come; `unknown` counts objects by why S3 did not tell of them."""

    after: Place | None
    ended: bool = False
    links: int = 0
    looked_at: set[S3Object] = field(default_factory=set)
    gone: dict[S3Object, None] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)


class Sweep:
    """The sweep function's work; kept for the life of the execution environment, with its connections."""

    def __init__(
        self,
        settings: SweepSettings,
        aws: Aws,
        now_s: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._aws = aws
        self._now_s = now_s
        self._pause = pause
        self._index = MediaIndex(aws, settings.media_index_table)
        self._objects = Objects(aws)

    @classmethod
    def from_settings(cls, settings: SweepSettings) -> "Sweep":
        """The sweep with AWS at its edges."""
        return cls(settings, Aws())

    def sweep_on(self, time_left_ms: Callable[[], int]) -> dict[str, int]:
        """Sweeps on from where the last slice ended, or rests until the next pass is due; counts what it found.

        `time_left_ms` tells how many milliseconds the invocation has left, as Lambda's context does. Raises
        IndexUnreachableError and RequestNotSentError; the next slice then begins where this one did.
        """
        progress = self._due()
        if progress is None:
            return count(SweptLinks=0, SweptGone=0, SweptUnknown=0)
        found = self._walk(progress.after, time_left_ms)
        gone = self._ask_for(found.gone)
        self._index.remember(Progress(progress.began_s, found.after, found.ended))
        for reason, objects in found.unknown.items():
            logger.warning("objects_unknown", extra={"reason": reason, "objects": objects})
        counts = count(SweptLinks=found.links, SweptGone=gone, SweptUnknown=found.unknown.total())
        logger.info("index_sweep", extra={"counts": counts, "pass_ended": found.ended})
        return counts

    def _due(self) -> Progress | None:
        """The pass that is under way, or a new one, None where that has time."""
        now_s = int(self._now_s())
        progress = self._index.progress()
        if progress is None or (progress.ended and now_s >= progress.began_s + self._settings.every_s):
            return Progress(now_s)
        return None if progress.ended else progress

    def _walk(self, after: Place | None, time_left_ms: Callable[[], int]) -> _Found:
        found = _Found(after)
        for place, link in self._index.walk(after):
            if time_left_ms() < TIME_TO_FINISH_MS or len(found.gone) >= MOST_GONE:
                return found
            found.after = place
            if link.file.key.startswith(self._settings.object_key_prefix):
                found.links += 1
                self._look_at(link.file, found)
        found.ended = True
        return found

    def _look_at(self, file: S3Object, found: _Found) -> None:
        if file in found.looked_at:
            return
        found.looked_at.add(file)
        self._pause(PAUSE_S)
        try:
            if gone := self._objects.gone_part(file):
                found.gone[gone] = None
        except ObjectUnknownError as error:
            found.unknown[f"{file.bucket}: {error}"] += 1

    def _ask_for(self, gone: Collection[S3Object]) -> int:
        """Asks for the deletion of what still has links after a while; returns how many."""
        asked = 0
        if gone:
            self._pause(PATIENCE_S)
        for file in gone:
            links = [link for link in self._index.links_of(file) if file.version_id in (None, link.file.version_id)]
            if links:
                message_id = ask_for_deletion(self._aws, self._settings.deletion_queue_url, file)
                name = {"bucket": file.bucket, "object_key": shown(file.key), "version_id": file.version_id}
                logger.warning("object_gone", extra=name | {"links": len(links), "message_id": message_id})
                asked += len(links)
        return asked
