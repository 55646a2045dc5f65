"""Which media a removal takes along, told a second time: by plain values, one media after another, in no hurry."""

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
    """An object that can be read, with the media that its metadata name."""

    version_id: str | None
    etag: str
    media: frozenset[str]


@dataclass(frozen=True)
class Case:
    """All that a choice is made from; `links_later` are the links as they were after the look at the object."""

    removed_version_id: str | None
    removal_sequencer: str | None
    links: tuple[PlainLink, ...]
    spelled: str | None
    readable: PlainObject | None
    links_later: tuple[PlainLink, ...]


def chosen(case: Case) -> set[str]:
    """The media that go."""
    stood_for = {link.media for link in case.links} | ({case.spelled} if case.spelled else set())
    return {media for media in stood_for if not stays(case, media) and is_taken(case, media)}


def stays(case: Case, media: str) -> bool:
    """Whether the object that can be read stands for a media: by its key, its metadata, or a link to just it."""
    if case.readable is None:
        return False
    if media == case.spelled or media in case.readable.media:
        return True
    for link in case.links_later:
        has_versions = link.version_id is not None or case.readable.version_id is not None
        same_version = link.version_id == case.readable.version_id
        same_content = link.etag == case.readable.etag
        if link.media == media and (same_version if has_versions else same_content):
            return True
    return False


def is_taken(case: Case, media: str) -> bool:
    """Whether the removal reaches a media: by the key if nothing is left to read, or by one of its links."""
    if case.readable is None and media == case.spelled:
        return True
    return any(reaches(case, link) for link in case.links if link.media == media)


def reaches(case: Case, link: PlainLink) -> bool:
    """Whether the removal ends a link: of its version; else made before; else if nothing is left to read."""
    if case.removed_version_id is not None:
        return link.version_id == case.removed_version_id or case.readable is None
    if case.removal_sequencer is not None and link.sequencer is not None:
        return moment(link.sequencer) < moment(case.removal_sequencer)
    return case.readable is None


def moment(sequencer: str) -> Fraction:
    """A sequencer as a fraction: its digits follow the point, so that zeros on the right do not matter."""
    return sum((Fraction(int(digit, 16), 16**place) for place, digit in enumerate(sequencer, start=1)), Fraction())
