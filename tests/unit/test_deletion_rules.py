"""Which media go with a removal: the order of sequencers, versions, and what the living object keeps."""

import pytest

from media_cleanup.deletion_rules import CurrentObject, ObjectDeletion, decide, is_older
from media_cleanup.model import Link, Media, S3Object

OLD, NEW, SPELLED = Media("8615800001795", "old"), Media("8615800001795", "new"), Media("8615800001795", "spelled")


def file(version_id: str | None = None) -> S3Object:
    return S3Object("example-bucket", "house.jpg", version_id)


@pytest.mark.parametrize(
    ("one", "other", "before"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6", True),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E5", False),
        ("0055AED6DCD90281E6", "0055AED6DCD90281E5", False),
        ("00FF", "01", True),  # as numbers, or padded on the left, it would be the other way round
        ("01", "00FF", False),
        ("01", "0100", False),  # equal once padded
        ("01", "01001", True),
    ],
)
def test_sequencers_are_compared_as_text_padded_on_the_right(one: str, other: str, *, before: bool) -> None:
    assert is_older(one, other) is before


@pytest.mark.parametrize(
    ("removal", "link", "living", "goes"),
    [
        (ObjectDeletion(file()), Link(file(), "a", OLD), None, True),
        (ObjectDeletion(file()), Link(file(), "a", OLD), CurrentObject(None, "b"), False),  # the order is unknown
        (ObjectDeletion(file(), "2"), Link(file(), "a", OLD, "1"), CurrentObject(None, "b"), True),
        (ObjectDeletion(file(), "2"), Link(file(), "a", OLD, "1"), None, True),
        (ObjectDeletion(file(), "2"), Link(file(), "a", OLD, "3"), None, False),  # its own removal will take it
        (ObjectDeletion(file(), "2"), Link(file(), "a", OLD), CurrentObject(None, "b"), False),
        (ObjectDeletion(file()), Link(file(), "a", OLD, "1"), CurrentObject(None, "b"), False),
        (ObjectDeletion(file("v1"), "9"), Link(file("v1"), "a", OLD, "1"), CurrentObject("v2", "b"), True),
        (ObjectDeletion(file("v2"), "9"), Link(file("v1"), "a", OLD, "1"), CurrentObject("v3", "c"), False),
        (ObjectDeletion(file("v2"), "9"), Link(file("v1"), "a", OLD, "1"), None, True),  # nothing is left to read
        (ObjectDeletion(file("marker"), "9"), Link(file("v1"), "a", OLD, "1"), CurrentObject("v1", "a"), False),
        (
            ObjectDeletion(file(), "9"),
            Link(file("v1"), "a", OLD, "1"),
            CurrentObject("v1", "a"),
            False,
        ),  # undeleted meanwhile
    ],
)
def test_what_a_removal_takes(removal: ObjectDeletion, link: Link, living: CurrentObject | None, *, goes: bool) -> None:
    assert decide(removal, [link], None, living, [link]) == ({OLD} if goes else set())


def test_a_living_object_keeps_what_its_metadata_its_links_and_its_key_name() -> None:
    links = [Link(file(), "a", OLD, "1"), Link(file(), "a", NEW, "1")]
    removal = ObjectDeletion(file(), "2")
    assert decide(removal, links, SPELLED, CurrentObject(None, "b", frozenset({NEW})), links) == {OLD}
    assert decide(removal, links, OLD, CurrentObject(None, "b"), links) == {NEW}
    assert decide(removal, links, None, CurrentObject(None, "a"), links) == set()
    assert decide(removal, links, None, CurrentObject("null?", "a"), links) == {OLD, NEW}


def test_a_link_made_while_the_object_was_looked_at_protects_already() -> None:
    links = [Link(file(), "a", OLD, "1")]
    late = [*links, Link(file(), "b", OLD)]
    assert decide(ObjectDeletion(file(), "2"), links, None, CurrentObject(None, "b"), links) == {OLD}
    assert decide(ObjectDeletion(file(), "2"), links, None, CurrentObject(None, "b"), late) == set()


def test_a_media_that_goes_for_one_version_stays_for_the_living_one() -> None:
    links = [Link(file("v1"), "a", OLD, "1"), Link(file("v2"), "a", OLD, "2")]
    assert decide(ObjectDeletion(file("v1"), "3"), links, None, CurrentObject("v2", "a"), links) == set()
    assert decide(ObjectDeletion(file("v1"), "3"), links, None, None, []) == {OLD}


def test_what_a_key_spells_goes_only_when_nothing_can_be_read() -> None:
    assert decide(ObjectDeletion(file()), [], SPELLED, None, []) == {SPELLED}
    assert decide(ObjectDeletion(file("v1")), [], SPELLED, None, []) == {SPELLED}
    assert decide(ObjectDeletion(file()), [], SPELLED, CurrentObject(None, "a"), []) == set()
