"""The deletion rules decide as the plain reference does, for generated facts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from media_cleanup.deletion_rules import CurrentObject, Facts, ObjectDeletion, decide
from media_cleanup.model import Content, Link, Media, S3Object
from tests.model.bucket import BUCKET
from tests.model.reference import (
    Case,
    PlainContent,
    PlainLink,
    PlainObject,
    expected_carried_over,
    expected_media,
    expected_reason,
)
from tests.model.system import PHONE, PLAIN_KEY

MEDIA = st.sampled_from(["media-1", "media-2", "media-3"])
CONTENTS = st.builds(PlainContent, st.sampled_from(["one", "two", "three"]), st.integers(1, 2), st.booleans())
VERSION_IDS = st.sampled_from([None, "v1", "v2"])
DELETED_VERSION_IDS = st.sampled_from([None, "v1", "v2", "null"])
SEQUENCERS = st.none() | st.text("09AF", min_size=1, max_size=4)
LINKS = st.lists(st.builds(PlainLink, VERSION_IDS, st.none() | CONTENTS, MEDIA, SEQUENCERS), max_size=5).map(tuple)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Some of the links may be gone by the second query, and others added."""
    links = draw(LINKS)
    later = tuple(link for link in links if draw(st.integers(0, 3))) + draw(LINKS)
    current = st.none() | st.builds(PlainObject, VERSION_IDS, CONTENTS, st.frozensets(MEDIA, max_size=2))
    return Case(draw(DELETED_VERSION_IDS), draw(SEQUENCERS), links, draw(st.none() | MEDIA), draw(current), later)


@settings(max_examples=2000, derandomize=True, deadline=None, database=None)
@given(cases())
def test_decision_equals_plain_reference(case: Case) -> None:
    decision = decide(
        ObjectDeletion(_object(case.deleted_version_id), case.deletion_sequencer),
        Facts(
            [_link(link) for link in case.links],
            _media(case.media_in_key) if case.media_in_key else None,
            _current(case.current) if case.current else None,
            [_link(link) for link in case.links_after_head],
        ),
    )
    assert {media.media_id for media in decision.to_delete} == expected_media(case)
    assert decision.reason == expected_reason(case)
    assert set(decision.carried_over) == {_link(link) for link in expected_carried_over(case)}


def _object(version_id: str | None) -> S3Object:
    return S3Object(BUCKET, PLAIN_KEY, version_id)


def _media(media_id: str) -> Media:
    return Media(PHONE, media_id)


def _content(content: PlainContent) -> Content:
    return Content(content.etag, content.size, content.digest)


def _current(current: PlainObject) -> CurrentObject:
    return CurrentObject(_object(current.version_id), _content(current.content), frozenset(map(_media, current.media)))


def _link(link: PlainLink) -> Link:
    content = _content(link.content) if link.content else None
    return Link(_object(link.version_id), content, _media(link.media), link.sequencer)
