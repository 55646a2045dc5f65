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


@dataclass(eq=False)
class Version:
    """One version of a key, or one delete marker.

    `version_id` is "null" for a version stored without versioning. `media` are the ids in its metadata.
    `stood_for` are all ids that it ever stood for: by metadata, tags, and links. It has `ended` once it was removed,
    overwritten without a trace, or hidden by a delete marker, or once a request named it.
    `removed_while_readable` is set if it was removed and its key could be read at each moment since.
    """

    key: str
    version_id: str
    etag: str
    media: frozenset[str] = frozenset()
    is_marker: bool = False
    tags: frozenset[str] = frozenset()
    stood_for: set[str] = field(default_factory=set)
    ended: bool = False
    removed_while_readable: bool = False


class Bucket:
    """The bucket's versions by key, the newest last; `send` receives each notification's queue and body."""

    def __init__(self, versioning: Versioning, send: Callable[[str, str], None]) -> None:
        self.versioning = versioning
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

    def store(self, key: str, content: str, media: frozenset[str], operation: str = "Put") -> None:
        """Put an object; equal contents have equal eTags."""
        version = self._push(Version(key, self._new_id(), f"etag-of-{content}", media, stood_for=set(media)))
        self._notify("index", f"ObjectCreated:{operation}", version, etag=version.etag)

    def tag(self, version: Version, media: frozenset[str]) -> None:
        """Replace a version's tags."""
        version.tags = media
        version.stood_for |= media
        self._notify("index", "ObjectTagging:Put", version, etag=version.etag, has_sequencer=False)

    def delete(self, key: str, family: str = "ObjectRemoved") -> None:
        """Delete an object without naming a version: permanently, or by a delete marker."""
        for version in self.versions(key):
            version.ended = True
        if self.versioning is Versioning.UNVERSIONED:
            if self.versions(key):
                self._notify("deletion", f"{family}:Delete", self.versions(key).pop())
        else:
            marker = self._push(Version(key, self._new_id(), "", is_marker=True))
            self._notify("deletion", f"{family}:DeleteMarkerCreated", marker)

    def delete_version(self, version: Version, family: str = "ObjectRemoved") -> None:
        """Delete one version, or one delete marker, permanently.

        A null version has no name that events could tell from the object's: its deletion counts as the object's.
        """
        for ending in self.versions(version.key) if version.version_id == "null" else [version]:
            ending.ended = True
        self.versions(version.key).remove(version)
        version.removed_while_readable = True
        self._update_removed_while_readable(version.key)
        self._notify("deletion", f"{family}:Delete", version)

    def _push(self, version: Version) -> Version:
        """Put a version on top; a key has at most one null version."""
        versions = self.versions(version.key)
        for old in [old for old in versions if old.version_id == version.version_id == "null"]:
            old.ended = True
            versions.remove(old)
        versions.append(version)
        self.all_versions.append(version)
        self._update_removed_while_readable(version.key)
        return version

    def _update_removed_while_readable(self, key: str) -> None:
        if self.current(key) is None:
            for version in self.all_versions:
                if version.key == key:
                    version.removed_while_readable = False

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
