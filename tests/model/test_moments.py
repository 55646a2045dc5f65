"""Moments that chance meets too seldom, each played on purpose."""

import pytest

from tests.model.bucket import BUCKET, Version, Versioning
from tests.model.world import PLAIN_KEY, SPELLING_KEY, Run, World

ONE, TWO = frozenset({"media-1"}), frozenset({"media-2"})


def test_a_store_whose_event_comes_again_after_its_object_went_is_looked_at_again() -> None:
    world = World(Versioning.UNVERSIONED)
    world.bucket.store(PLAIN_KEY, "one", ONE)
    indexing = begin_next(world)
    world.advance(indexing)  # HEAD: there
    world.bucket.delete(PLAIN_KEY)
    finish(world, begin_next(world))  # no link yet
    world.advance(indexing)  # the link is written
    world.advance(indexing, failing=True)  # the second look
    world.come_to_rest()
    assert deleted_at_rest(world) == ONE


def test_a_version_that_went_while_it_was_linked_loses_its_media_though_a_newer_one_lives() -> None:
    world = World(Versioning.ENABLED)
    world.bucket.store(PLAIN_KEY, "one", ONE)
    indexing = begin_next(world)
    world.advance(indexing)  # HEAD: there
    world.bucket.store(PLAIN_KEY, "two", TWO)
    finish(world, begin_next(world))
    world.bucket.delete_version(world.bucket.versions_of(PLAIN_KEY)[0])
    finish(world, begin_next(world))  # no link of this version yet
    world.come_to_rest()
    assert deleted_at_rest(world) == ONE


def test_two_versions_with_one_media_lose_it_with_the_second_of_them() -> None:
    world = World(Versioning.ENABLED)
    for content in ("one", "two"):
        world.bucket.store(PLAIN_KEY, content, ONE)
        world.come_to_rest()
    world.bucket.delete_version(readable(world))
    world.come_to_rest()
    assert world.deleted == set()
    world.bucket.delete_version(readable(world))
    world.come_to_rest()
    assert deleted_at_rest(world) == ONE


def test_an_earlier_stores_sequencer_does_not_count_for_a_version_of_equal_content() -> None:
    world = World(Versioning.UNVERSIONED)
    world.bucket.store(PLAIN_KEY, "one", frozenset())
    world.bucket.versioning = Versioning.ENABLED
    world.bucket.delete(PLAIN_KEY)
    world.bucket.store(PLAIN_KEY, "one", ONE)
    finish(world, begin_next(world))  # the first store's event: its eTag is there, in the version stored since
    world.bucket.store(PLAIN_KEY, "two", TWO)
    finish(world, begin_next(world))  # the deletion, which was before that version
    assert (world.deleted, world.broken) == (set(), [])


def test_a_later_stores_labels_do_not_count_for_an_earlier_store() -> None:
    world = World(Versioning.UNVERSIONED)
    world.bucket.store(PLAIN_KEY, "one", frozenset())
    world.bucket.delete(PLAIN_KEY)
    world.bucket.store(PLAIN_KEY, "two", TWO)
    finish(world, begin_next(world))  # the first store's event: its eTag is there no more
    world.bucket.versioning = Versioning.ENABLED
    world.bucket.store(PLAIN_KEY, "three", ONE)
    finish(world, begin_next(world))  # the deletion, which was before the second store
    assert (world.deleted, world.broken) == (set(), [])


def test_a_link_made_between_the_query_and_the_look_protects_its_media() -> None:
    world = World(Versioning.UNVERSIONED)
    world.bucket.store(PLAIN_KEY, "one", ONE)
    world.come_to_rest()
    world.bucket.delete(PLAIN_KEY)
    deletion = begin_next(world)
    world.advance(deletion)  # the query: a link of the first store
    world.bucket.store(PLAIN_KEY, "two", frozenset())
    world.ask("index", bucket=BUCKET, key=PLAIN_KEY, media_id="media-1")
    for _ in ("the store", "the message"):
        finish(world, begin_next(world))
    finish(world, deletion)
    assert (world.deleted, world.broken) == (set(), [])


@pytest.mark.parametrize("late", [True, False], ids=["linked late", "linked by tags"])
def test_a_media_left_over_goes_with_the_last_version_that_could_be_read(*, late: bool) -> None:
    world = World(Versioning.ENABLED)
    world.bucket.store(PLAIN_KEY, "one", ONE if late else frozenset())
    if not late:
        world.bucket.tag(readable(world), ONE)
        world.come_to_rest()
    world.bucket.delete(PLAIN_KEY)
    world.bucket.store(PLAIN_KEY, "two", TWO)
    finish(world, begin(world, next(at for at, one in enumerate(world.messages) if one.queue == "deletion")))
    world.come_to_rest()
    world.bucket.delete_version(readable(world))  # on top is the delete marker now
    world.come_to_rest()
    assert deleted_at_rest(world) == ONE | TWO


def test_a_slice_that_could_not_ask_is_swept_again() -> None:
    world = World(Versioning.UNVERSIONED)
    world.bucket.store(PLAIN_KEY, "one", ONE)
    world.come_to_rest()
    world.bucket.delete(PLAIN_KEY)
    world.lose(world.messages[0])
    world.send("sweep", "{}")
    sweep = begin_next(world)
    for _ in ("progress", "scan", "look", "scan", "links"):
        world.advance(sweep)
    world.advance(sweep, failing=True)  # the message
    assert sweep.finished
    world.send("sweep", "{}")
    world.come_to_rest()
    assert deleted_at_rest(world) == ONE


@pytest.mark.parametrize("versioning", [Versioning.UNVERSIONED, Versioning.ENABLED])
def test_a_sweep_that_saw_an_object_gone_takes_nothing_from_its_next_store(versioning: Versioning) -> None:
    world = World(versioning)
    world.bucket.store(PLAIN_KEY, "one", ONE)
    world.come_to_rest()
    world.bucket.delete(PLAIN_KEY)
    world.lose(world.messages[0])
    world.send("sweep", "{}")
    finish(world, begin_next(world))
    world.bucket.store(PLAIN_KEY, "one", ONE)
    world.come_to_rest()
    assert (world.deleted, world.broken) == (set(), [])


def test_a_sweep_takes_the_media_of_a_version_that_went_unheard_of_and_no_other() -> None:
    world = World(Versioning.ENABLED)
    for content, media in (("one", ONE), ("two", TWO)):
        world.bucket.store(PLAIN_KEY, content, media)
        world.come_to_rest()
    world.bucket.delete_version(world.bucket.ever[0])
    world.lose(world.messages[0])
    world.sweep_through()
    assert deleted_at_rest(world) == ONE


def test_a_slice_that_ends_leaves_the_next_link_to_the_next_one() -> None:
    world = World(Versioning.UNVERSIONED)
    world.bucket.store(SPELLING_KEY, "two", ONE | TWO)  # as many links as a slice sweeps
    world.bucket.store(PLAIN_KEY, "three", frozenset({"media-3"}))
    world.come_to_rest()
    world.bucket.delete(PLAIN_KEY)
    world.lose(world.messages[0])
    world.sweep_through()
    assert deleted_at_rest(world) == {"media-3"}


def deleted_at_rest(world: World) -> frozenset[str]:
    """The media that are deleted, once no promise is found broken."""
    assert world.broken_at_rest() == []
    return frozenset(world.deleted)


def begin_next(world: World) -> Run:
    """An invocation for the message that has waited longest, standing before its first call."""
    return begin(world, 0)


def begin(world: World, position: int) -> Run:
    """An invocation for the message at this position, likewise."""
    world.deliver(world.messages[position])
    return world.runs[-1]


def finish(world: World, run: Run) -> None:
    """Lets an invocation make all its calls."""
    while not run.finished:
        world.advance(run)


def readable(world: World) -> Version:
    """The version that can be read."""
    version = world.bucket.readable(PLAIN_KEY)
    assert version
    return version


def test_a_media_of_two_versions_goes_with_the_first_of_them_while_a_third_can_be_read() -> None:
    world = World(Versioning.ENABLED)
    for content, media in (("one", ONE), ("two", ONE), ("three", TWO)):
        world.bucket.store(PLAIN_KEY, content, media)
        world.come_to_rest()
    world.bucket.delete_version(world.bucket.ever[0])
    world.come_to_rest()
    assert deleted_at_rest(world) == ONE


def test_a_delete_marker_takes_what_was_linked_before_it_though_the_file_was_stored_again() -> None:
    world = World(Versioning.ENABLED)
    world.bucket.store(PLAIN_KEY, "one", ONE)
    world.come_to_rest()
    world.bucket.delete(PLAIN_KEY)
    world.bucket.store(PLAIN_KEY, "two", TWO)
    world.come_to_rest()
    assert deleted_at_rest(world) == ONE
