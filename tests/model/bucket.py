"""A model of one S3 bucket: versions, delete markers, null versions, and the notifications that S3 sends of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote_plus

BUCKET = "media-source"


class Versioning(StrEnum):
    """What the bucket does with what is overwritten or deleted."""

    UNVERSIONED = "unversioned"
    ENABLED = "enabled"
    SUSPENDED = "suspended"


@dataclass(eq=False)
class Version:
    """One store of a key, or one delete marker.

    `version_id` is "null" for what was stored while the bucket kept no versions. `media` are the ids in its metadata.
    `stood_for` are all ids that it ever stood for: by metadata, tags, and links. It has `ended` once it was removed,
    overwritten without a trace, or hidden by a delete marker, or once a request named it.
    It has `left_readable` if it was removed and its key could be read at each moment since.
    """

    key: str
    version_id: str
    etag: str
    media: frozenset[str] = frozenset()
    is_marker: bool = False
    tags: frozenset[str] = frozenset()
    stood_for: set[str] = field(default_factory=set)
    ended: bool = False
    left_readable: bool = False


class Bucket:
    """The bucket's versions by key, the newest last; `send` takes each notification's queue and text."""

    def __init__(self, versioning: Versioning, send: Callable[[str, str], None]) -> None:
        self.versioning = versioning
        self.ever: list[Version] = []
        self._stacks: dict[str, list[Version]] = {}
        self._send = send
        self._happenings = 0

    def versions_of(self, key: str) -> list[Version]:
        """All that is there under a key, delete markers included."""
        return self._stacks.setdefault(key, [])

    def named(self, key: str, version_id: str | None) -> Version | None:
        """The version of this id, else the newest one; a delete marker too."""
        found = [one for one in self.versions_of(key) if version_id in (None, one.version_id)]
        return found[-1] if found else None

    def readable(self, key: str) -> Version | None:
        """The version that a reader of the key gets now."""
        newest = self.named(key, None)
        return None if newest is None or newest.is_marker else newest

    def store(self, key: str, content: str, media: frozenset[str], how: str = "Put") -> None:
        """Puts an object; equal contents have equal eTags."""
        version = self._push(Version(key, self._new_id(), f"etag-of-{content}", media, stood_for=set(media)))
        self._notify("index", f"ObjectCreated:{how}", version, etag=version.etag)

    def tag(self, version: Version, media: frozenset[str]) -> None:
        """Replaces a version's tags."""
        version.tags = media
        version.stood_for |= media
        self._notify("index", "ObjectTagging:Put", version, etag=version.etag, ordered=False)

    def delete(self, key: str, family: str = "ObjectRemoved") -> None:
        """Deletes an object without naming a version: for good, or by a delete marker."""
        for version in self.versions_of(key):
            version.ended = True
        if self.versioning is Versioning.UNVERSIONED:
            if self.versions_of(key):
                self._notify("deletion", f"{family}:Delete", self.versions_of(key).pop())
        else:
            marker = self._push(Version(key, self._new_id(), "", is_marker=True))
            self._notify("deletion", f"{family}:DeleteMarkerCreated", marker)

    def delete_version(self, version: Version, family: str = "ObjectRemoved") -> None:
        """Deletes one version, or one delete marker, for good.

        A null version has no name that events could tell from the object's: its deletion counts as the object's.
        """
        for ending in self.versions_of(version.key) if version.version_id == "null" else [version]:
            ending.ended = True
        self.versions_of(version.key).remove(version)
        version.left_readable = True
        self._watch(version.key)
        self._notify("deletion", f"{family}:Delete", version)

    def _push(self, version: Version) -> Version:
        """Puts a version on top; there is but one null version of a key."""
        stack = self.versions_of(version.key)
        for old in [old for old in stack if old.version_id == version.version_id == "null"]:
            old.ended = True
            stack.remove(old)
        stack.append(version)
        self.ever.append(version)
        self._watch(version.key)
        return version

    def _watch(self, key: str) -> None:
        """Notes for all that left a key whether it can be read."""
        for version in self.ever:
            if version.key == key and self.readable(key) is None:
                version.left_readable = False

    def _new_id(self) -> str:
        return f"v{len(self.ever)}" if self.versioning is Versioning.ENABLED else "null"

    def _notify(self, queue: str, name: str, version: Version, *, etag: str = "", ordered: bool = True) -> None:
        """Sends the notification in S3's own form: keys form-encoded, details left out where S3 has none."""
        details = {"key": quote_plus(version.key), "eTag": etag, "sequencer": self._sequencer() if ordered else ""}
        details["versionId"] = "" if self.versioning is Versioning.UNVERSIONED else version.version_id
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": "2026-11-25T04:00:00.000Z",
            "eventName": name,
            "s3": {"bucket": {"name": BUCKET}, "object": {name: value for name, value in details.items() if value}},
        }
        self._send(queue, json.dumps({"Records": [record]}))

    def _sequencer(self) -> str:
        """The next sequencer: in order as text padded on the right, out of order as a number or padded on the left."""
        self._happenings += 1
        return f"00{self._happenings:02X}" + "5B1C9E"[: self._happenings * 5 % 7]
