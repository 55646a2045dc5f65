"""Which media go with a removal: the order of sequencers, versions, and what the living object keeps."""

import pytest

from media_cleanup.links import Link, LivingObject, Removal, is_before, media_to_delete
from media_cleanup.media import Media, S3Object

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
    assert is_before(one, other) is before


@pytest.mark.parametrize(
    ("removal", "link", "living", "goes"),
    [
        (Removal(file()), Link(file(), "a", OLD), None, True),
        (Removal(file()), Link(file(), "a", OLD), LivingObject(None, "b"), False),  # the order is unknown
        (Removal(file(), "2"), Link(file(), "a", OLD, "1"), LivingObject(None, "b"), True),
        (Removal(file(), "2"), Link(file(), "a", OLD, "1"), None, True),
        (Removal(file(), "2"), Link(file(), "a", OLD, "3"), None, False),  # its own removal will take it
        (Removal(file(), "2"), Link(file(), "a", OLD), LivingObject(None, "b"), False),
        (Removal(file()), Link(file(), "a", OLD, "1"), LivingObject(None, "b"), False),
        (Removal(file("v1"), "9"), Link(file("v1"), "a", OLD, "1"), LivingObject("v2", "b"), True),
        (Removal(file("v2"), "9"), Link(file("v1"), "a", OLD, "1"), LivingObject("v3", "c"), False),
        (Removal(file("v2"), "9"), Link(file("v1"), "a", OLD, "1"), None, True),  # nothing is left to read
        (Removal(file("marker"), "9"), Link(file("v1"), "a", OLD, "1"), LivingObject("v1", "a"), False),
        (Removal(file(), "9"), Link(file("v1"), "a", OLD, "1"), LivingObject("v1", "a"), False),  # undeleted meanwhile
    ],
)
def test_what_a_removal_takes(removal: Removal, link: Link, living: LivingObject | None, *, goes: bool) -> None:
    assert media_to_delete(removal, [link], None, living, [link]) == ({OLD} if goes else set())


def test_a_living_object_keeps_what_its_metadata_its_links_and_its_key_name() -> None:
    links = [Link(file(), "a", OLD, "1"), Link(file(), "a", NEW, "1")]
    removal = Removal(file(), "2")
    assert media_to_delete(removal, links, SPELLED, LivingObject(None, "b", frozenset({NEW})), links) == {OLD}
    assert media_to_delete(removal, links, OLD, LivingObject(None, "b"), links) == {NEW}
    assert media_to_delete(removal, links, None, LivingObject(None, "a"), links) == set()
    assert media_to_delete(removal, links, None, LivingObject("null?", "a"), links) == {OLD, NEW}


def test_a_link_made_while_the_object_was_looked_at_protects_already() -> None:
    links = [Link(file(), "a", OLD, "1")]
    late = [*links, Link(file(), "b", OLD)]
    assert media_to_delete(Removal(file(), "2"), links, None, LivingObject(None, "b"), links) == {OLD}
    assert media_to_delete(Removal(file(), "2"), links, None, LivingObject(None, "b"), late) == set()


def test_a_media_that_goes_for_one_version_stays_for_the_living_one() -> None:
    links = [Link(file("v1"), "a", OLD, "1"), Link(file("v2"), "a", OLD, "2")]
    assert media_to_delete(Removal(file("v1"), "3"), links, None, LivingObject("v2", "a"), links) == set()
    assert media_to_delete(Removal(file("v1"), "3"), links, None, None, []) == {OLD}


def test_what_a_key_spells_goes_only_when_nothing_can_be_read() -> None:
    assert media_to_delete(Removal(file()), [], SPELLED, None, []) == {SPELLED}
    assert media_to_delete(Removal(file("v1")), [], SPELLED, None, []) == {SPELLED}
    assert media_to_delete(Removal(file()), [], SPELLED, LivingObject(None, "a"), []) == set()
