"""Plays one history: what happens to the objects, and which call of which invocation comes next, picked by chance."""

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.model.bucket import BUCKET, Version, Versioning
from tests.model.world import DAY_S, PHONE, PLAIN_KEY, SPELLED, SPELLING_KEY, Message, World

KEYS = (PLAIN_KEY, SPELLING_KEY)
CONTENTS = ("one", "two")
MEDIA = ("media-1", "media-2", "media-3", "media-4", SPELLED)
LABELS = (*(frozenset({one}) for one in MEDIA), frozenset[str](), frozenset(MEDIA[:2]))
FAMILIES = ("ObjectRemoved", "LifecycleExpiration")
MAX_CHANGES = 8
MAX_TURNS = 100

T = TypeVar("T")
Turn = Callable[[], None]


class History:
    """A world to which things happen; `pick` picks one of so many possibilities, by its number."""

    def __init__(
        self, versioning: Versioning, pick: Callable[[int], int], *, switching: bool = False, losing: bool = False
    ) -> None:
        self.world = World(versioning)
        self._pick = pick
        self._switching = switching
        self._losing = losing
        self._faults_left = self._repeats_left = 2

    def play(self) -> list[str]:
        """Lets everything happen, and then come to rest; the promises that were not kept."""
        changes = 2 + self._pick(MAX_CHANGES - 1)
        try:
            for _ in range(MAX_TURNS):
                turn = self._one_of(self._turns(changes) or [None])
                if turn is None:
                    break
                changes -= turn == self._change
                turn()
            self.world.come_to_rest()
            if self._losing:
                self.world.sweep_through()
        finally:
            self.world.abandon()
        return self.world.broken_at_rest()

    def _one_of(self, options: Sequence[T]) -> T:
        return options[self._pick(len(options))] if len(options) > 1 else options[0]

    def _turns(self, changes: int) -> list[Turn | None]:
        turns: list[Turn | None] = [self._change, self._change] if changes else []
        turns += [self._deliver] if self.world.messages else []
        turns += [self._advance, self._advance, self._finish] if self.world.runs else []
        turns += [self._lose] if self._losing and self._deletions_told() else []
        turns += [self._sweep] if self._losing and changes else []
        return turns

    # What the functions do

    def _deliver(self) -> None:
        message = self._one_of(self.world.messages)
        again = self._repeats_left > 0 and self._pick(6) == 5
        self._repeats_left -= again
        self.world.deliver(message, again=again)

    def _deletions_told(self) -> list[Message]:
        """S3's notifications of deletions that have not been delivered yet."""
        return [one for one in self.world.messages if one.queue == "deletion" and "Records" in json.loads(one.body)]

    def _lose(self) -> None:
        self.world.lose(self._one_of(self._deletions_told()))

    def _sweep(self) -> None:
        self.world.now_s += self._pick(2) * DAY_S
        self.world.send("sweep", "{}")

    def _advance(self) -> None:
        run = self._one_of(self.world.runs)
        failing = self._faults_left > 0 and self._pick(8) == 7
        self._faults_left -= failing
        self.world.advance(run, failing=failing)

    def _finish(self) -> None:
        run = self._one_of(self.world.runs)
        while not run.finished:
            self.world.advance(run)

    # What happens to objects

    def _change(self) -> None:
        key = self._one_of(KEYS)
        there = self.world.bucket.versions_of(key)
        changes: list[Callable[[str], None]] = [self._store, self._store, self._link, self._ask]
        changes += [self._copy, self._delete, self._delete] if there else []
        changes += [self._tag] if any(not version.is_marker for version in there) else []
        if self._is_versioned():
            changes += [self._delete_version, self._delete_version] if there else []
            changes += [self._undelete] if there and there[-1].is_marker else []
        changes += [self._switch] if self._switching else []
        changes += [self._name] if self._losing else []
        change = self._one_of(changes)
        self.world.told.append(f"{change.__name__} {key}")
        change(key)

    def _is_versioned(self) -> bool:
        return self.world.bucket.versioning is not Versioning.UNVERSIONED

    def _store(self, key: str) -> None:
        self.world.bucket.store(key, self._one_of(CONTENTS), self._one_of(LABELS))

    def _copy(self, key: str) -> None:
        """A copy to the other key, or onto itself, keeps content and metadata."""
        original = self.world.bucket.readable(key)
        if original:
            content = original.etag.removeprefix("etag-of-")
            self.world.bucket.store(self._one_of(KEYS), content, original.media, how="Copy")

    def _tag(self, key: str) -> None:
        stored = [version for version in self.world.bucket.versions_of(key) if not version.is_marker]
        self.world.bucket.tag(self._one_of(stored), self._one_of(LABELS))

    def _delete(self, key: str) -> None:
        self.world.bucket.delete(key, self._one_of(FAMILIES))

    def _delete_version(self, key: str) -> None:
        self.world.bucket.delete_version(self._one_of(self.world.bucket.versions_of(key)), self._one_of(FAMILIES))

    def _undelete(self, key: str) -> None:
        self.world.bucket.delete_version(self.world.bucket.versions_of(key)[-1])

    def _switch(self, _: str) -> None:
        """A bucket that once kept versions can only be suspended."""
        enabled = self.world.bucket.versioning is Versioning.ENABLED
        self.world.bucket.versioning = Versioning.SUSPENDED if enabled else Versioning.ENABLED

    def _link(self, key: str) -> None:
        version, media = self._some_version(key), self._one_of(MEDIA)
        self.world.ask("index", bucket=BUCKET, key=key, version_id=version, business_phone=PHONE, media_id=media)

    def _name(self, key: str) -> None:
        """A backfill comes by."""
        self.world.ask("index", bucket=BUCKET, key=key, version_id=self._some_version(key))

    def _ask(self, key: str) -> None:
        """A request for the deletion of an object's media, or of a media by its name."""
        if self._pick(3):
            self.world.ask("deletion", bucket=BUCKET, key=key, version_id=self._some_version(key))
        else:
            self.world.ask("deletion", business_phone=PHONE, media_id=self._one_of(MEDIA))

    def _some_version(self, key: str) -> str | None:
        versions: list[Version | None] = [None, *(self.world.bucket.versions_of(key) if self._is_versioned() else [])]
        version = self._one_of(versions)
        return version.version_id if version else None
