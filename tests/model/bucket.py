"""A model of one S3 bucket: versions, delete markers, null versions, and S3's notifications of their events."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote_plus

BUCKET = "media-source"


class Versioning(StrEnum):
    """The bucket's versioning state."""

    UNVERSIONED = "unversioned"
    ENABLED = "enabled"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class Stored:
    """What S3 keeps of an object's content: the eTag, the size, and whether SSE-KMS encrypts it."""

    etag: str
    size: int = 0
    kms: bool = False


@dataclass(eq=False)
class Version:
    """One version of a key, or one delete marker.

    `version_id` is "null" for a version stored without versioning. `media` are the ids in its metadata, `tagged` all
    ids that its tags ever named. `stored_at`, `last_current_at` and `ended_at` are times of the bucket: when it was
    stored, when it was last the current object, and each time when a deletion of the whole object ended it.
    `removed_at` is the time of its own permanent deletion.
    """

    key: str
    version_id: str
    stored: Stored
    media: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    is_marker: bool = False
    stored_at: int = 0
    last_current_at: int = -1
    ended_at: list[int] = field(default_factory=list)
    removed_at: int | None = None
    tagged: set[str] = field(default_factory=set)

    @property
    def labelled(self) -> frozenset[str]:
        """All ids that its metadata and tags ever named."""
        return self.media | self.tagged


class Bucket:
    """The bucket's versions by key, the newest last; `send` receives each notification's queue and body."""

    def __init__(self, versioning: Versioning, send: Callable[[str, str], None]) -> None:
        self.versioning = versioning
        self.now = 0
        self.all_versions: list[Version] = []
        self._versions: dict[str, list[Version]] = {}
        self._send = send
        self._events = 0

    def versions(self, key: str) -> list[Version]:
        """Return all versions of a key, delete markers included."""
        return self._versions.setdefault(key, [])

    def find(self, key: str, version_id: str | None) -> Version | None:
        """Return the version of this id, else the newest one; a delete marker too."""
        found = [version for version in self.versions(key) if version_id in (None, version.version_id)]
        return found[-1] if found else None

    def current(self, key: str) -> Version | None:
        """Return the version that a reader of the key gets now."""
        newest = self.find(key, None)
        return None if newest is None or newest.is_marker else newest

    def tick(self) -> int:
        """Let time pass between two changes; the current objects of all keys are current until now."""
        for key in self._versions:
            if current := self.current(key):
                current.last_current_at = self.now
        self.now += 1
        return self.now

    def store(
        self, key: str, content: str, media: frozenset[str], tags: frozenset[str] = frozenset(), *, kms: bool = False
    ) -> None:
        """Put an object with its tags; equal contents have equal eTags, except with SSE-KMS."""
        self._store(key, self._stored(content, kms=kms), media, tags, "Put")

    def copy(self, source: Version, key: str, *, kms: bool = False) -> None:
        """Copy a version with its metadata and tags, to another key or onto its own; re-encrypted with `kms`."""
        content = source.stored.etag.partition("#")[0]
        self._store(key, self._stored(content, kms=kms), source.media, source.tags, "Copy")

    def _stored(self, content: str, *, kms: bool) -> Stored:
        etag = f"{content}#{len(self.all_versions)}" if kms else content
        return Stored(etag, len(content), kms)

    def _store(self, key: str, stored: Stored, media: frozenset[str], tags: frozenset[str], operation: str) -> None:
        """Store a version. Tags given with it cause no event of their own."""
        version = Version(key, self._new_id(), stored, media, tags, tagged=set(tags))
        self._push(version)
        self._notify("index", f"ObjectCreated:{operation}", version, etag=stored.etag)

    def tag(self, version: Version, media: frozenset[str]) -> None:
        """Replace a version's tags."""
        self.tick()
        version.tags = media
        version.tagged |= media
        self._notify("index", "ObjectTagging:Put", version, etag=version.stored.etag, has_sequencer=False)

    def delete(self, key: str, family: str = "ObjectRemoved") -> None:
        """Delete an object without naming a version: permanently, or by a delete marker."""
        now = self.tick()
        for version in self.all_versions:
            if version.key == key:
                version.ended_at.append(now)
        if self.versioning is Versioning.UNVERSIONED:
            if self.versions(key):
                self._notify("deletion", f"{family}:Delete", self.versions(key).pop())
        else:
            marker = self._push(Version(key, self._new_id(), Stored(""), is_marker=True))
            self._notify("deletion", f"{family}:DeleteMarkerCreated", marker)

    def delete_version(self, version: Version, family: str = "ObjectRemoved") -> None:
        """Delete one version, or one delete marker, permanently."""
        version.removed_at = self.tick()
        self.versions(version.key).remove(version)
        self._notify("deletion", f"{family}:Delete", version)

    def _push(self, version: Version) -> Version:
        """Put a version on top; a key has at most one null version."""
        version.stored_at = self.tick()
        versions = self.versions(version.key)
        for old in [old for old in versions if old.version_id == version.version_id == "null"]:
            versions.remove(old)
        versions.append(version)
        self.all_versions.append(version)
        return version

    def _new_id(self) -> str:
        return f"v{len(self.all_versions)}" if self.versioning is Versioning.ENABLED else "null"

    def _notify(self, queue: str, name: str, version: Version, *, etag: str = "", has_sequencer: bool = True) -> None:
        """Send the notification in S3's format: keys form-encoded, fields left out where S3 has none."""
        fields = {"key": quote_plus(version.key), "eTag": etag, "sequencer": self._sequencer() if has_sequencer else ""}
        fields["versionId"] = "" if self.versioning is Versioning.UNVERSIONED else version.version_id
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": "2026-11-25T04:00:00.000Z",
            "eventName": name,
            "s3": {"bucket": {"name": BUCKET}, "object": {name: value for name, value in fields.items() if value}},
        }
        self._send(queue, json.dumps({"Records": [record]}))

    def _sequencer(self) -> str:
        """Return the next sequencer: in order as right-padded text, not as a number or as left-padded text."""
        self._events += 1
        return f"00{self._events:02X}" + "5B1C9E"[: self._events * 5 % 7]
