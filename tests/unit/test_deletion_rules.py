"""Deletion rules: the order of sequencers, versions, and the media files that the current object keeps."""

import pytest

from media_cleanup.deletion_rules import CurrentObject, Decision, Facts, ObjectDeletion, decide, is_older
from media_cleanup.model import Link, Media, S3Object
from media_cleanup.outcome import Reason

OLD, NEW, IN_KEY = Media("8615800001795", "old"), Media("8615800001795", "new"), Media("8615800001795", "in-key")
OBJECT_EXISTS = Decision(frozenset(), Reason.OBJECT_EXISTS)
STORED_LATER = Decision(frozenset(), Reason.STORED_LATER)
NO_MEDIA = Decision(frozenset(), Reason.NO_MEDIA)


def file(version_id: str | None = None) -> S3Object:
    return S3Object("example-bucket", "house.jpg", version_id)


def deleted(*media: Media) -> Decision:
    return Decision(frozenset(media))


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
    ("deletion", "link", "current", "decision"),
    [
        (ObjectDeletion(file()), Link(file(), "a", OLD), None, deleted(OLD)),
        # the order is unknown
        (ObjectDeletion(file()), Link(file(), "a", OLD), CurrentObject(None, "b"), OBJECT_EXISTS),
        (ObjectDeletion(file(), "2"), Link(file(), "a", OLD, "1"), CurrentObject(None, "b"), deleted(OLD)),
        (ObjectDeletion(file(), "2"), Link(file(), "a", OLD, "1"), None, deleted(OLD)),
        # the later store has a deletion event of its own
        (ObjectDeletion(file(), "2"), Link(file(), "a", OLD, "3"), None, STORED_LATER),
        (ObjectDeletion(file(), "2"), Link(file(), "a", OLD), CurrentObject(None, "b"), OBJECT_EXISTS),
        (ObjectDeletion(file()), Link(file(), "a", OLD, "1"), CurrentObject(None, "b"), OBJECT_EXISTS),
        (ObjectDeletion(file("v1"), "9"), Link(file("v1"), "a", OLD, "1"), CurrentObject("v2", "b"), deleted(OLD)),
        (ObjectDeletion(file("v2"), "9"), Link(file("v1"), "a", OLD, "1"), CurrentObject("v3", "c"), OBJECT_EXISTS),
        # no version can be read any more
        (ObjectDeletion(file("v2"), "9"), Link(file("v1"), "a", OLD, "1"), None, deleted(OLD)),
        (ObjectDeletion(file("marker"), "9"), Link(file("v1"), "a", OLD, "1"), CurrentObject("v1", "a"), OBJECT_EXISTS),
        # undeleted meanwhile
        (ObjectDeletion(file(), "9"), Link(file("v1"), "a", OLD, "1"), CurrentObject("v1", "a"), OBJECT_EXISTS),
    ],
)
def test_deletion_with_one_link_is_decided(
    deletion: ObjectDeletion, link: Link, current: CurrentObject | None, decision: Decision
) -> None:
    assert decide(deletion, Facts([link], None, current, [link])) == decision


def test_current_object_keeps_media_of_metadata_links_and_key() -> None:
    links = [Link(file(), "a", OLD, "1"), Link(file(), "a", NEW, "1")]
    deletion = ObjectDeletion(file(), "2")
    in_metadata = CurrentObject(None, "b", frozenset({NEW}))
    assert decide(deletion, Facts(links, IN_KEY, in_metadata, links)) == deleted(OLD)
    assert decide(deletion, Facts(links, OLD, CurrentObject(None, "b"), links)) == deleted(NEW)
    assert decide(deletion, Facts(links, None, CurrentObject(None, "a"), links)) == OBJECT_EXISTS
    assert decide(deletion, Facts(links, None, CurrentObject("null?", "a"), links)) == deleted(OLD, NEW)


def test_link_written_after_the_first_read_keeps_the_media() -> None:
    links = [Link(file(), "a", OLD, "1")]
    after_head = [*links, Link(file(), "b", OLD)]
    deletion, current = ObjectDeletion(file(), "2"), CurrentObject(None, "b")
    assert decide(deletion, Facts(links, None, current, links)) == deleted(OLD)
    assert decide(deletion, Facts(links, None, current, after_head)) == OBJECT_EXISTS


def test_media_linked_to_two_versions_is_kept_for_the_current() -> None:
    links = [Link(file("v1"), "a", OLD, "1"), Link(file("v2"), "a", OLD, "2")]
    deletion = ObjectDeletion(file("v1"), "3")
    assert decide(deletion, Facts(links, None, CurrentObject("v2", "a"), links)) == OBJECT_EXISTS
    assert decide(deletion, Facts(links)) == deleted(OLD)


def test_media_in_key_is_deleted_only_without_current_object() -> None:
    assert decide(ObjectDeletion(file()), Facts([], IN_KEY)) == deleted(IN_KEY)
    assert decide(ObjectDeletion(file("v1")), Facts([], IN_KEY)) == deleted(IN_KEY)
    assert decide(ObjectDeletion(file()), Facts([], IN_KEY, CurrentObject(None, "a"))) == OBJECT_EXISTS


def test_deletion_without_links_and_media_in_key_has_no_media() -> None:
    assert decide(ObjectDeletion(file()), Facts([])) == NO_MEDIA
    assert decide(ObjectDeletion(file("v1"), "1"), Facts([])) == NO_MEDIA
