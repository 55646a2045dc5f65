"""Which media go with a removal is what the plain reference says, whatever there is to choose from."""

from hypothesis import given, settings
from hypothesis import strategies as st

from media_cleanup.deletion_rules import CurrentObject, ObjectDeletion, decide
from media_cleanup.model import Link, Media, S3Object
from tests.model.bucket import BUCKET
from tests.model.reference import Case, PlainLink, PlainObject, chosen
from tests.model.world import PHONE, PLAIN_KEY

MEDIA = st.sampled_from(["media-1", "media-2", "media-3"])
ETAGS = st.sampled_from(["one", "two"])
VERSION_IDS = st.sampled_from([None, "v1", "v2"])
SEQUENCERS = st.none() | st.text("09AF", min_size=1, max_size=4)
LINKS = st.lists(st.builds(PlainLink, VERSION_IDS, st.none() | ETAGS, MEDIA, SEQUENCERS), max_size=5).map(tuple)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Some of the links may be gone by the second query, and others there."""
    links = draw(LINKS)
    later = tuple(link for link in links if draw(st.integers(0, 3))) + draw(LINKS)
    readable = st.none() | st.builds(PlainObject, VERSION_IDS, ETAGS, st.frozensets(MEDIA, max_size=2))
    return Case(draw(VERSION_IDS), draw(SEQUENCERS), links, draw(st.none() | MEDIA), draw(readable), later)


@settings(max_examples=2000, derandomize=True, deadline=None, database=None)
@given(cases())
def test_the_choice_equals_that_of_the_plain_reference(case: Case) -> None:
    seen = case.readable
    living = CurrentObject(seen.version_id, seen.etag, frozenset(map(_media, seen.media))) if seen else None
    goes = decide(
        ObjectDeletion(_file(case.removed_version_id), case.removal_sequencer),
        map(_link, case.links),
        _media(case.spelled) if case.spelled else None,
        living,
        map(_link, case.links_later),
    )
    assert {media.media_id for media in goes} == chosen(case)


def _file(version_id: str | None) -> S3Object:
    return S3Object(BUCKET, PLAIN_KEY, version_id)


def _media(media_id: str) -> Media:
    return Media(PHONE, media_id)


def _link(link: PlainLink) -> Link:
    return Link(_file(link.version_id), link.etag, _media(link.media), link.sequencer)
