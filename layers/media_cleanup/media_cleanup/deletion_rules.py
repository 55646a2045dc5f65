"""Pure rules: which media files the deletion of an object deletes."""

from collections.abc import Collection
from dataclasses import dataclass

from media_cleanup.model import Link, Media, S3Object
from media_cleanup.outcome import Reason


@dataclass(frozen=True, slots=True)
class CurrentObject:
    """The object as it can be read now, and the media files in its metadata."""

    version_id: str | None
    etag: str
    media: frozenset[Media] = frozenset()

    def matches(self, link: Link) -> bool:
        """Whether the link is of this version, or of this content where there are no versions."""
        if self.version_id or link.obj.version_id:
            return self.version_id == link.obj.version_id
        return self.etag == link.etag


@dataclass(frozen=True, slots=True)
class ObjectDeletion:
    """The deletion of one version where `obj` has one, else of the object as of `sequencer`."""

    obj: S3Object
    sequencer: str | None = None

    def covers(self, link: Link, *, object_exists: bool) -> bool:
        """Whether the deletion ends this link. `object_exists`: whether the object can be read now.

        Where it cannot, the deletion of one version covers also what earlier deletions had to leave.
        """
        if self.obj.version_id:
            return link.obj.version_id == self.obj.version_id or not object_exists
        if self.sequencer and link.sequencer:
            return is_older(link.sequencer, self.sequencer)
        return not object_exists


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a deletion is decided on.

    `links` are all links of the key, `media_in_key` is the media file that the key names. `current` is the current
    object, None where there is none. `links_after_head` are the links as read after `current`: a link written between
    the two reads already protects its media file.
    """

    links: Collection[Link]
    media_in_key: Media | None = None
    current: CurrentObject | None = None
    links_after_head: Collection[Link] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The media files to delete; where there are none, the reason."""

    to_delete: frozenset[Media]
    reason: Reason | None = None


def decide(deletion: ObjectDeletion, facts: Facts) -> Decision:
    """Decide which media files a deletion deletes: those of covered links, except what the current object keeps."""
    current, in_key = facts.current, {facts.media_in_key} if facts.media_in_key else set()
    covered = {link.media for link in facts.links if deletion.covers(link, object_exists=current is not None)}
    if current is None:
        to_delete = covered | in_key
    else:
        own = {link.media for link in facts.links_after_head if current.matches(link)}
        to_delete = covered - in_key - current.media - own
    if to_delete:
        return Decision(frozenset(to_delete))
    if current:
        return Decision(frozenset(), Reason.OBJECT_EXISTS)
    return Decision(frozenset(), Reason.STORED_LATER if facts.links else Reason.NO_MEDIA)


def is_older(sequencer: str, other: str) -> bool:
    """Whether one sequencer of a key is older than another.

    They are compared as text, the shorter right-padded with zeros (source: Amazon S3 User Guide, "Event message
    structure").
    """
    length = max(len(sequencer), len(other))
    return sequencer.ljust(length, "0") < other.ljust(length, "0")
