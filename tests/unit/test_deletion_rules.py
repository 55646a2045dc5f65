"""Deletion rules: the order of sequencers, versions, and the media files that the current object keeps."""

import pytest

from media_cleanup.deletion_rules import CurrentObject, Decision, Facts, ObjectDeletion, decide, is_older, with_tags
from media_cleanup.model import Content, Link, Media, S3Object
from media_cleanup.outcome import Reason

OLD, NEW, IN_KEY = Media("8615800001795", "old"), Media("8615800001795", "new"), Media("8615800001795", "in-key")
OBJECT_EXISTS = Decision(frozenset(), Reason.OBJECT_EXISTS)
STORED_LATER = Decision(frozenset(), Reason.STORED_LATER)
NO_MEDIA = Decision(frozenset(), Reason.NO_MEDIA)


def file(version_id: str | None = None) -> S3Object:
    return S3Object("example-bucket", "house.jpg", version_id)


def link(version_id: str | None, etag: str | None, media: Media = OLD, sequencer: str | None = None) -> Link:
    return Link(file(version_id), Content(etag, 7) if etag else None, media, sequencer)


def current(version_id: str | None, etag: str, *media: Media, digest: bool = True) -> CurrentObject:
    return CurrentObject(file(version_id), Content(etag, 7, digest), frozenset(media))


def deleted(*media: Media) -> Decision:
    return Decision(frozenset(media))


def carried_over(*links: Link) -> Decision:
    return Decision(frozenset(), Reason.OBJECT_EXISTS, links)


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6", True),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E5", False),
        ("0055AED6DCD90281E6", "0055AED6DCD90281E5", False),
        ("00FF", "01", True),  # as numbers, or padded on the left, the order would be the opposite
        ("01", "00FF", False),
        ("01", "0100", False),  # equal once padded
        ("01", "01001", True),
    ],
)
def test_sequencers_are_compared_as_text_padded_on_the_right(one: str, other: str, *, older: bool) -> None:
    assert is_older(one, other) is older


@pytest.mark.parametrize(
    ("deletion", "old", "exists", "decision"),
    [
        (ObjectDeletion(file()), link(None, "a"), None, deleted(OLD)),
        # a deletion holds after the next store, whether the order is known or not
        (ObjectDeletion(file()), link(None, "a"), current(None, "b"), deleted(OLD)),
        (ObjectDeletion(file(), "2"), link(None, "a", sequencer="1"), current(None, "b"), deleted(OLD)),
        (ObjectDeletion(file(), "2"), link(None, "a", sequencer="1"), None, deleted(OLD)),
        (ObjectDeletion(file(), "2"), link(None, "a"), current(None, "b"), deleted(OLD)),
        (ObjectDeletion(file()), link(None, "a", sequencer="1"), current(None, "b"), deleted(OLD)),
        (ObjectDeletion(file()), link(None, None), current(None, "b"), deleted(OLD)),
        (ObjectDeletion(file(), "2"), link("v1", "a", sequencer="2"), current("v2", "b"), deleted(OLD)),
        # the later store has a deletion event of its own
        (ObjectDeletion(file(), "2"), link(None, "a", sequencer="3"), None, STORED_LATER),
        (ObjectDeletion(file(), "2"), link(None, "a", sequencer="3"), current(None, "b"), OBJECT_EXISTS),
        # one version
        (ObjectDeletion(file("v1"), "9"), link("v1", "a", sequencer="1"), current("v2", "b"), deleted(OLD)),
        (ObjectDeletion(file("v2"), "9"), link("v1", "a", sequencer="1"), current("v3", "c"), OBJECT_EXISTS),
        (ObjectDeletion(file("v2"), "9"), link(None, "a", sequencer="1"), current("v3", "c"), OBJECT_EXISTS),
        # no version can be read any more
        (ObjectDeletion(file("v2"), "9"), link("v1", "a", sequencer="1"), None, deleted(OLD)),
        (ObjectDeletion(file("null"), "1"), link("v1", "a", sequencer="9"), None, deleted(OLD)),
        # a delete marker, then undeleted meanwhile
        (ObjectDeletion(file("marker"), "9"), link("v1", "a", sequencer="1"), current("v1", "a"), OBJECT_EXISTS),
        (ObjectDeletion(file(), "9"), link("v1", "a", sequencer="1"), current("v1", "a"), OBJECT_EXISTS),
        # objects share the name `null` one after another
        (ObjectDeletion(file("null"), "2"), link(None, "a", sequencer="1"), current("v3", "c"), deleted(OLD)),
        (ObjectDeletion(file("null"), "2"), link(None, "a", sequencer="3"), current("v3", "c"), OBJECT_EXISTS),
        (ObjectDeletion(file("null"), "2"), link("v1", "a", sequencer="1"), current("v3", "c"), OBJECT_EXISTS),
        (ObjectDeletion(file("v1"), "2"), link(None, "a", sequencer="1"), current("v3", "c"), OBJECT_EXISTS),
        # the same content: an in-place copy
        (ObjectDeletion(file("v1")), link("v1", "a"), current("v2", "a"), carried_over(link("v1", "a"))),
        (ObjectDeletion(file("v1")), link("v1", "a"), current("v2", "b", digest=False), carried_over(link("v1", "a"))),
        (ObjectDeletion(file()), link(None, "a"), current("v2", "a"), carried_over(link(None, "a"))),
        (ObjectDeletion(file("v1")), link("v1", None), current("v2", "a"), deleted(OLD)),
    ],
)
def test_deletion_with_one_link_is_decided(
    deletion: ObjectDeletion, old: Link, exists: CurrentObject | None, decision: Decision
) -> None:
    assert decide(deletion, Facts([old], None, exists, [old])) == decision


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (Content("a", 7), Content("a", 7), True),
        (Content("a", 7), Content("b", 7), False),
        (Content("a", 7, etag_is_digest=False), Content("b", 7), True),
        (Content("a", 7), Content("b", 7, etag_is_digest=False), True),
        (Content("a", 7, etag_is_digest=False), Content("b", 8), False),
        (Content("a", None, etag_is_digest=False), Content("b", None), False),
        (Content("a", None), Content("a", 7), True),
        (Content("a", 7), None, False),
    ],
)
def test_contents_are_compared_by_digest_or_size(one: Content, other: Content | None, *, equal: bool) -> None:
    assert one.equals(other) is equal


def test_current_object_keeps_media_of_labels_links_and_key() -> None:
    links = [link(None, "a", OLD, "1"), link(None, "a", NEW, "1")]
    deletion = ObjectDeletion(file(), "2")
    assert decide(deletion, Facts(links, IN_KEY, current(None, "b", NEW), links)) == Decision(
        frozenset({OLD}), None, (links[1],)
    )
    assert decide(deletion, Facts(links, OLD, current(None, "b"), links)) == Decision(
        frozenset({NEW}), None, (links[0],)
    )
    assert decide(deletion, Facts(links, None, current(None, "a"), links)) == OBJECT_EXISTS  # its own links
    assert decide(deletion, Facts(links, None, current("v2", "b"), links)) == deleted(OLD, NEW)


def test_tags_of_current_object_keep_media() -> None:
    links = [link("v1", "a", OLD), link("v1", "a", NEW)]
    facts = Facts(links, None, current("v2", "b", NEW), links)
    tagged = with_tags(facts, {OLD})
    assert decide(ObjectDeletion(file("v1")), facts).to_delete == {OLD}
    assert decide(ObjectDeletion(file("v1")), tagged) == carried_over(*links)
    assert with_tags(Facts(links), {OLD}) == Facts(links)


def test_link_written_after_the_first_read_keeps_the_media() -> None:
    links = [link(None, "a", OLD, "1")]
    after_head = [*links, link(None, "b", OLD)]
    deletion, exists = ObjectDeletion(file(), "2"), current(None, "b")
    assert decide(deletion, Facts(links, None, exists, links)) == deleted(OLD)
    assert decide(deletion, Facts(links, None, exists, after_head)) == carried_over(*links)


def test_media_linked_to_two_versions_is_kept_for_the_current() -> None:
    links = [link("v1", "a", OLD, "1"), link("v2", "b", OLD, "2")]
    deletion = ObjectDeletion(file("v1"), "3")
    assert decide(deletion, Facts(links, None, current("v2", "b"), links)) == carried_over(links[0])
    assert decide(deletion, Facts(links)) == deleted(OLD)


def test_own_link_of_the_current_object_has_its_content() -> None:
    assert current("v2", "b").own_link(OLD) == link("v2", "b")


def test_media_in_key_is_deleted_only_without_current_object() -> None:
    assert decide(ObjectDeletion(file()), Facts([], IN_KEY)) == deleted(IN_KEY)
    assert decide(ObjectDeletion(file("v1")), Facts([], IN_KEY)) == deleted(IN_KEY)
    assert decide(ObjectDeletion(file()), Facts([], IN_KEY, current(None, "a"))) == OBJECT_EXISTS


def test_deletion_without_links_and_media_in_key_has_no_media() -> None:
    assert decide(ObjectDeletion(file()), Facts([])) == NO_MEDIA
    assert decide(ObjectDeletion(file("v1"), "1"), Facts([])) == NO_MEDIA


def test_links_to_a_media_file_are_those_of_the_key() -> None:
    links = [link("1", "a"), link("2", "b", NEW), link("3", "c")]
    assert Facts(links).links_to(OLD) == (links[0], links[2])
    assert Facts(links).links_to(IN_KEY) == ()
