"""A plain second implementation of the deletion rules, one media file after another, to compare the code with."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class PlainContent:
    """An object's content as S3 shows it; without `digest`, its eTag is none."""

    etag: str
    size: int
    digest: bool


@dataclass(frozen=True)
class PlainLink:
    """A link; no version id means that the object had none of its own, no content that it was gone."""

    version_id: str | None
    content: PlainContent | None
    media: str
    sequencer: str | None


@dataclass(frozen=True)
class PlainObject:
    """An object that can be read, with the media files in its metadata and tags."""

    version_id: str | None
    content: PlainContent
    media: frozenset[str]


@dataclass(frozen=True)
class Case:
    """The facts of a decision; `links_after_head` are the links as read after `current`."""

    deleted_version_id: str | None
    deletion_sequencer: str | None
    links: tuple[PlainLink, ...]
    media_in_key: str | None
    current: PlainObject | None
    links_after_head: tuple[PlainLink, ...]


def expected_media(case: Case) -> set[str]:
    """Return the media files to delete."""
    stood_for = {link.media for link in case.links} | ({case.media_in_key} if case.media_in_key else set())
    return {media for media in stood_for if not is_kept(case, media) and is_covered(case, media)}


def expected_reason(case: Case) -> str | None:
    """Return the reason for deleting nothing; None where something is deleted."""
    if expected_media(case):
        return None
    if case.current is not None:
        return "object_exists"
    return "stored_later" if len(case.links) > 0 else "no_media"


def expected_carried_over(case: Case) -> set[PlainLink]:
    """Return the links to replace: of kept media files, covered, and not the current object's own."""
    return {
        link
        for link in case.links
        if case.current is not None
        and covers(case, link)
        and is_kept(case, link.media)
        and not is_own(case.current, link)
    }


def is_kept(case: Case, media: str) -> bool:
    """Whether the current object stands for a media file: by its key, its labels, or a link of it or its content."""
    if case.current is None:
        return False
    if media == case.media_in_key or media in case.current.media:
        return True
    links = [link for link in case.links_after_head if link.media == media]
    return any(is_own(case.current, link) or has_content(case.current, link) for link in links)


def is_own(current: PlainObject, link: PlainLink) -> bool:
    """Whether a link is one of this version; without versions, of this eTag."""
    if current.version_id is None and link.version_id is None:
        return link.content is not None and link.content.etag == current.content.etag
    return current.version_id == link.version_id


def has_content(current: PlainObject, link: PlainLink) -> bool:
    """Whether a link is one of the same content: the same eTag, or the same size where an eTag is not a digest."""
    if link.content is None:
        return False
    if link.content.etag == current.content.etag:
        return True
    both_are_digests = link.content.digest and current.content.digest
    return not both_are_digests and link.content.size == current.content.size


def is_covered(case: Case, media: str) -> bool:
    """Whether the deletion covers a media file: by the key if no object can be read, or by one of its links."""
    if case.current is None and media == case.media_in_key:
        return True
    return any(covers(case, link) for link in case.links if link.media == media)


def covers(case: Case, link: PlainLink) -> bool:
    """Whether the deletion ends a link: of its version, or all if no object can be read; else what is not newer."""
    not_newer = (
        case.deletion_sequencer is None
        or link.sequencer is None
        or as_fraction(link.sequencer) <= as_fraction(case.deletion_sequencer)
    )
    if case.deleted_version_id is None:
        return not_newer
    if case.current is None:
        return True
    if case.deleted_version_id == "null":
        return link.version_id is None and not_newer
    return link.version_id == case.deleted_version_id


def as_fraction(sequencer: str) -> Fraction:
    """Return a sequencer as a fraction: its digits follow the point, so that zeros on the right do not matter."""
    return sum((Fraction(int(digit, 16), 16**place) for place, digit in enumerate(sequencer, start=1)), Fraction())
