"""Decides, from what is known of an object, which media its deletion takes along."""

from collections.abc import Iterable
from dataclasses import dataclass

from media_cleanup.media import Media, S3Object


@dataclass(frozen=True, slots=True)
class Link:
    """This object, in this version or with this eTag, stands for that media.

    `sequencer` is that of the store that made the link, None where it came from tags or a message.
    """

    file: S3Object
    etag: str | None
    media: Media
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class LivingObject:
    """An object as it can be read now, and the media that its metadata name."""

    version_id: str | None
    etag: str
    media: frozenset[Media] = frozenset()

    def is_meant_by(self, link: Link) -> bool:
        """Whether a link was made for this very version, or this very content where there are no versions."""
        if self.version_id or link.file.version_id:
            return self.version_id == link.file.version_id
        return self.etag == link.etag


@dataclass(frozen=True, slots=True)
class Removal:
    """What was deleted: one version where `file` names one, else the object as it stood at `sequencer`."""

    file: S3Object
    sequencer: str | None = None

    def takes(self, link: Link, *, readable: bool) -> bool:
        """Whether this removal ends what the link stands for; `readable`: whether the object can be read now.

        Where it cannot be read any more, the removal of one version takes along what earlier removals had to leave.
        """
        if self.file.version_id:
            return link.file.version_id == self.file.version_id or not readable
        if self.sequencer and link.sequencer:
            return is_before(link.sequencer, self.sequencer)
        return not readable


def is_before(one: str, other: str) -> bool:
    """Whether one sequencer of a key is older than another.

    They are compared as text, the shorter right-padded with zeros (source: Amazon S3 User Guide, "Event message
    structure").
    """
    length = max(len(one), len(other))
    return one.ljust(length, "0") < other.ljust(length, "0")


def media_to_delete(
    removal: Removal, links: Iterable[Link], spelled: Media | None, living: LivingObject | None, kept: Iterable[Link]
) -> set[Media]:
    """The media that a removal takes along.

    `links` are the object's links, `spelled` is the media in its key. `living` is the object as it can be read now,
    None where it cannot; whatever that stands for stays. `kept` are the links as read after `living` was: one that was
    made in between protects its media already.
    """
    taken = {link.media for link in links if removal.takes(link, readable=living is not None)}
    if living is None:
        return taken | ({spelled} if spelled else set())
    return taken - {spelled} - living.media - {link.media for link in kept if living.is_meant_by(link)}
