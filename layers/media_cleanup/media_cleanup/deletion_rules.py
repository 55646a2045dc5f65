"""Pure rules: which media files the deletion of an object deletes, and which the current object keeps."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from media_cleanup.model import Content, Link, Media, S3Object
from media_cleanup.outcome import Reason


@dataclass(frozen=True, slots=True)
class CurrentObject:
    """The object as it can be read now, and the media files in its metadata and tags."""

    obj: S3Object
    content: Content
    media_files: frozenset[Media] = frozenset()

    def owns(self, link: Link) -> bool:
        """Whether the link is of this very object: of its version; where there is none, of its eTag."""
        if self.obj.version_id or link.obj.version_id:
            return self.obj.version_id == link.obj.version_id
        return link.content is not None and self.content.etag == link.content.etag

    def stands_for(self, link: Link) -> bool:
        """Whether the object is linked to the link's media file: by its own link, or by one of the same content."""
        return self.owns(link) or self.content.equals(link.content)

    def own_link(self, media: Media) -> Link:
        """Create the object's own link to a media file."""
        return Link(self.obj, self.content, media)


@dataclass(frozen=True, slots=True)
class ObjectDeletion:
    """The deletion of one version where `obj` has one, else of the object as of `sequencer`."""

    obj: S3Object
    sequencer: str | None = None

    def covers(self, link: Link, *, object_exists: bool) -> bool:
        """Whether the deletion ends this link. `object_exists`: whether there is a current object.

        It does not depend on objects that were stored since, so a deletion covers the same links at every attempt.
        """
        if self.obj.version_id and not object_exists:
            return True  # all links of the key, since no object is left to keep them
        if self.obj.without_null_version.version_id:
            return link.obj.version_id == self.obj.version_id
        if self.obj.version_id == "null" and link.obj.version_id:
            return False
        # Without a version, or with `null`, a name that many objects have one after another: links that are not newer
        link_is_newer = self.sequencer and link.sequencer and is_older(self.sequencer, link.sequencer)
        return not link_is_newer


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

    def links_to(self, media: Media) -> tuple[Link, ...]:
        """Return the key's links to a media file."""
        return tuple(link for link in self.links if link.media == media)


@dataclass(frozen=True, slots=True)
class Decision:
    """The media files to delete; where there are none, the reason. `carried_over` are links to replace.

    A carried-over link is covered by the deletion, but the current object keeps its media file: by its own link from
    now on.
    """

    to_delete: frozenset[Media]
    reason: Reason | None = None
    carried_over: tuple[Link, ...] = ()


def decide(deletion: ObjectDeletion, facts: Facts) -> Decision:
    """Decide which media files a deletion deletes: those of covered links, except what the current object keeps."""
    current = facts.current
    in_key = {facts.media_in_key} if facts.media_in_key else set()
    covered = [link for link in facts.links if deletion.covers(link, object_exists=current is not None)]
    if current is None:
        to_delete = {link.media for link in covered} | in_key
        reason = Reason.STORED_LATER if facts.links else Reason.NO_MEDIA
        return Decision(frozenset(to_delete), None if to_delete else reason)
    kept = in_key | current.media_files | {link.media for link in facts.links_after_head if current.stands_for(link)}
    to_delete = {link.media for link in covered} - kept
    carried_over = tuple(link for link in covered if link.media in kept and not current.owns(link))
    return Decision(frozenset(to_delete), None if to_delete else Reason.OBJECT_EXISTS, carried_over)


def with_tags(facts: Facts, media_files: Collection[Media]) -> Facts:
    """Return the facts with the media files in the current object's tags."""
    current = facts.current
    return replace(
        facts, current=current and replace(current, media_files=current.media_files | frozenset(media_files))
    )


def is_older(sequencer: str, other: str) -> bool:
    """Whether one sequencer of a key is older than another.

    They are compared as text, the shorter right-padded with zeros (source: Amazon S3 User Guide, "Event message
    structure").
    """
    length = max(len(sequencer), len(other))
    return sequencer.ljust(length, "0") < other.ljust(length, "0")
