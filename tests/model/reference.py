"""A plain second implementation of the deletion rules, one media file after another, to compare the code with."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class PlainLink:
    """A link; no version id means that the object had none of its own."""

    version_id: str | None
    etag: str | None
    media: str
    sequencer: str | None


@dataclass(frozen=True)
class PlainObject:
    """An object that can be read, with the media files in its metadata."""

    version_id: str | None
    etag: str
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


def is_kept(case: Case, media: str) -> bool:
    """Whether the current object stands for a media file: by its key, its metadata, or a link to this very object."""
    if case.current is None:
        return False
    if media == case.media_in_key or media in case.current.media:
        return True
    for link in case.links_after_head:
        has_versions = link.version_id is not None or case.current.version_id is not None
        same_version = link.version_id == case.current.version_id
        same_content = link.etag == case.current.etag
        if link.media == media and (same_version if has_versions else same_content):
            return True
    return False


def is_covered(case: Case, media: str) -> bool:
    """Whether the deletion covers a media file: by the key if no object can be read, or by one of its links."""
    if case.current is None and media == case.media_in_key:
        return True
    return any(covers(case, link) for link in case.links if link.media == media)


def covers(case: Case, link: PlainLink) -> bool:
    """Whether the deletion ends a link: of its version; else made before; else if no object can be read."""
    if case.deleted_version_id is not None:
        return link.version_id == case.deleted_version_id or case.current is None
    if case.deletion_sequencer is not None and link.sequencer is not None:
        return as_fraction(link.sequencer) < as_fraction(case.deletion_sequencer)
    return case.current is None


def as_fraction(sequencer: str) -> Fraction:
    """Return a sequencer as a fraction: its digits follow the point, so that zeros on the right do not matter."""
    return sum((Fraction(int(digit, 16), 16**place) for place, digit in enumerate(sequencer, start=1)), Fraction())
