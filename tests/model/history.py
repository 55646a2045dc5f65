"""Plays one history: generated events of objects, interleaved with the calls of concurrent invocations.

Turns are picked by hand: hypothesis's RuleBasedStateMachine took eight times as long for 1,200 histories of the same
length (26 s of processor time instead of 3 s), and has no weights for its rules.
"""

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.model.bucket import BUCKET, Version, Versioning
from tests.model.system import DAY_S, KEY_WITH_MEDIA, MEDIA_IN_KEY, PHONE, PLAIN_KEY, Message, ModelSystem

KEYS = (PLAIN_KEY, KEY_WITH_MEDIA)
CONTENTS = ("one", "two")
MEDIA = ("media-1", "media-2", "media-3", "media-4", MEDIA_IN_KEY)
NO_LABELS = frozenset[str]()
LABELS = (*(frozenset({media}) for media in MEDIA), frozenset[str](), frozenset(MEDIA[:2]))
FAMILIES = ("ObjectRemoved", "LifecycleExpiration")
MAX_CHANGES = 8
MAX_TURNS = 100

T = TypeVar("T")
Turn = Callable[[], None]


class History:
    """A system with its history; `pick` returns a number below its argument, and so picks one of the options.

    `switching`: the bucket's versioning changes. `losing`: events of deletions are lost, and the sweep runs. In every
    history NXCloud has outages.
    """

    def __init__(
        self, versioning: Versioning, pick: Callable[[int], int], *, switching: bool = False, losing: bool = False
    ) -> None:
        self.system = ModelSystem(versioning)
        self._pick = pick
        self._switching = switching
        self._losing = losing
        self._failures_left = self._repeats_left = 2

    def play(self) -> list[str]:
        """Play the whole history until everything is delivered and finished; return the broken promises."""
        changes = 2 + self._pick(MAX_CHANGES - 1)
        try:
            for _ in range(MAX_TURNS):
                turn = self._one_of(self._turns(changes) or [None])
                if turn is None:
                    break
                changes -= turn == self._change
                turn()
            self.system.drain()
            if self._losing:
                self.system.sweep_whole_index()
        finally:
            self.system.abandon()
        return self.system.violations_at_rest()

    def _one_of(self, options: Sequence[T]) -> T:
        return options[self._pick(len(options))] if len(options) > 1 else options[0]

    def _turns(self, changes: int) -> list[Turn | None]:
        turns: list[Turn | None] = [self._change, self._change] if changes else []
        turns += [self._deliver] if self.system.messages else []
        turns += [self._advance, self._advance, self._finish] if self.system.invocations else []
        turns += [self._lose] if self._losing and self._undelivered_deletions() else []
        turns += [self._sweep] if self._losing and changes else []
        turns += [self._toggle_outage] if changes else []
        return turns

    # Turns of the functions

    def _deliver(self) -> None:
        message = self._one_of(self.system.messages)
        repeated = self._repeats_left > 0 and self._pick(6) == 5
        self._repeats_left -= repeated
        self.system.deliver(message, repeated=repeated)

    def _undelivered_deletions(self) -> list[Message]:
        """Return S3's notifications of deletions that have not been delivered yet."""
        messages = [message for message in self.system.messages if message.queue == "deletion"]
        return [message for message in messages if "Records" in json.loads(message.body)]

    def _lose(self) -> None:
        self.system.lose(self._one_of(self._undelivered_deletions()))

    def _sweep(self) -> None:
        self.system.now_s += self._pick(2) * DAY_S
        self.system.send("sweep", "{}")

    def _toggle_outage(self) -> None:
        """Begin or end an outage of NXCloud; what is stored meanwhile is stored between decision and confirmation."""
        self.system.outage = not self.system.outage
        self.system.trace.append(f"outage: {self.system.outage}")

    def _advance(self) -> None:
        invocation = self._one_of(self.system.invocations)
        failing = self._failures_left > 0 and self._pick(8) == 7
        self._failures_left -= failing
        self.system.advance(invocation, failing=failing)

    def _finish(self) -> None:
        invocation = self._one_of(self.system.invocations)
        while not invocation.finished:
            self.system.advance(invocation)

    # Changes of objects

    def _change(self) -> None:
        key = self._one_of(KEYS)
        versions = self.system.bucket.versions(key)
        changes: list[Callable[[str], None]] = [self._store, self._store, self._link, self._request_deletion]
        changes += [self._copy, self._copy_onto_itself, self._delete, self._delete] if versions else []
        changes += [self._tag] if any(not version.is_marker for version in versions) else []
        if self._is_versioned():
            changes += [self._delete_version, self._delete_version] if versions else []
            changes += [self._undelete] if versions and versions[-1].is_marker else []
        changes += [self._switch_versioning] if self._switching else []
        changes += [self._backfill] if self._losing else []
        change = self._one_of(changes)
        self.system.trace.append(f"{change.__name__} {key}")
        change(key)

    def _is_versioned(self) -> bool:
        return self.system.bucket.versioning is not Versioning.UNVERSIONED

    def _store(self, key: str) -> None:
        """Store with metadata and tags, in one of four cases with SSE-KMS, whose eTags are not digests."""
        tags = self._one_of((NO_LABELS, *LABELS))
        content, kms = self._one_of(CONTENTS), self._pick(4) == 3
        self.system.bucket.store(key, content, self._one_of(LABELS), tags, kms=kms)

    def _copy(self, key: str) -> None:
        """Copy any version to the other key, or onto its own; metadata and tags stay."""
        stored = [version for version in self.system.bucket.versions(key) if not version.is_marker]
        if stored:
            self.system.bucket.copy(self._one_of(stored), self._one_of(KEYS))

    def _copy_onto_itself(self, key: str) -> None:
        """Copy the current object in place, as a change of its storage class or of its encryption does."""
        current = self.system.bucket.current(key)
        if current:
            self.system.bucket.copy(current, key, kms=self._pick(2) == 1)

    def _tag(self, key: str) -> None:
        stored = [version for version in self.system.bucket.versions(key) if not version.is_marker]
        self.system.bucket.tag(self._one_of(stored), self._one_of(LABELS))

    def _delete(self, key: str) -> None:
        self.system.bucket.delete(key, self._one_of(FAMILIES))

    def _delete_version(self, key: str) -> None:
        version = self._one_of(self.system.bucket.versions(key))
        self.system.bucket.delete_version(version, self._one_of(FAMILIES))

    def _undelete(self, key: str) -> None:
        self.system.bucket.delete_version(self.system.bucket.versions(key)[-1])

    def _switch_versioning(self, _: str) -> None:
        """Enable or suspend versioning; a bucket that once had versions can only be suspended."""
        enabled = self.system.bucket.versioning is Versioning.ENABLED
        self.system.bucket.versioning = Versioning.SUSPENDED if enabled else Versioning.ENABLED

    def _link(self, key: str) -> None:
        version, media = self._some_version(key), self._one_of(MEDIA)
        self.system.send_request(
            "index", bucket=BUCKET, key=key, version_id=version, business_phone=PHONE, media_id=media
        )

    def _backfill(self, key: str) -> None:
        """Request that an object be indexed, as a backfill does."""
        self.system.send_request("index", bucket=BUCKET, key=key, version_id=self._some_version(key))

    def _request_deletion(self, key: str) -> None:
        """Request the deletion of an object's media files, or of a media file by its name."""
        if self._pick(3):
            self.system.send_request("deletion", bucket=BUCKET, key=key, version_id=self._some_version(key))
        else:
            self.system.send_request("deletion", business_phone=PHONE, media_id=self._one_of(MEDIA))

    def _some_version(self, key: str) -> str | None:
        versions: list[Version | None] = [None, *(self.system.bucket.versions(key) if self._is_versioned() else [])]
        version = self._one_of(versions)
        return version.version_id if version else None
