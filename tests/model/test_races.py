"""Races too rare for generated histories, each as a script of calls."""

import pytest

from tests.model.bucket import BUCKET, Version, Versioning
from tests.model.system import KEY_WITH_MEDIA, PLAIN_KEY, Invocation, ModelSystem

ONE, TWO = frozenset({"media-1"}), frozenset({"media-2"})


def test_redelivered_store_event_of_deleted_object_deletes_media() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    indexing = start_next(system)
    system.advance(indexing)  # HEAD finds the object
    system.bucket.delete(PLAIN_KEY)
    finish(system, start_next(system))  # no link yet
    system.advance(indexing)  # the link is written
    system.advance(indexing, failing=True)  # the second HEAD
    system.drain()
    assert deleted_media(system) == ONE


def test_version_deleted_while_linked_deletes_its_media() -> None:
    system = ModelSystem(Versioning.ENABLED)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    indexing = start_next(system)
    system.advance(indexing)  # HEAD finds the object
    system.bucket.store(PLAIN_KEY, "two", TWO)
    finish(system, start_next(system))
    system.bucket.delete_version(system.bucket.versions(PLAIN_KEY)[0])
    finish(system, start_next(system))  # no link of this version yet
    system.drain()
    assert deleted_media(system) == ONE


def test_media_of_two_versions_is_deleted_with_the_second() -> None:
    system = ModelSystem(Versioning.ENABLED)
    for content in ("one", "two"):
        system.bucket.store(PLAIN_KEY, content, ONE)
        system.drain()
    system.bucket.delete_version(current_version(system))
    system.drain()
    assert system.deleted == set()
    system.bucket.delete_version(current_version(system))
    system.drain()
    assert deleted_media(system) == ONE


def test_sequencer_of_earlier_store_is_unused_for_equal_content() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", frozenset())
    system.bucket.versioning = Versioning.ENABLED
    system.bucket.delete(PLAIN_KEY)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    finish(system, start_next(system))  # the first store's event: its eTag matches the version stored since
    system.bucket.store(PLAIN_KEY, "two", TWO)
    finish(system, start_next(system))  # the deletion, which was before that version
    assert (system.deleted, system.violations) == (set(), [])


def test_labels_of_later_store_are_not_used_for_earlier_store() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", frozenset())
    system.bucket.delete(PLAIN_KEY)
    system.bucket.store(PLAIN_KEY, "two", TWO)
    finish(system, start_next(system))  # the first store's event: its eTag does not match any more
    system.bucket.versioning = Versioning.ENABLED
    system.bucket.store(PLAIN_KEY, "three", ONE)
    finish(system, start_next(system))  # the deletion, which was before the second store
    assert (system.deleted, system.violations) == (set(), [])


def test_link_written_between_query_and_head_keeps_media() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    deletion = start_next(system)
    system.advance(deletion)  # the query: a link of the first store
    system.bucket.store(PLAIN_KEY, "two", frozenset())
    system.send_request("index", bucket=BUCKET, key=PLAIN_KEY, media_id="media-1")
    for _ in ("the store", "the message"):
        finish(system, start_next(system))
    finish(system, deletion)
    assert (system.deleted, system.violations) == (set(), [])


@pytest.mark.parametrize("late", [True, False], ids=["linked late", "linked by tags"])
def test_leftover_media_is_deleted_with_last_readable_version(*, late: bool) -> None:
    system = ModelSystem(Versioning.ENABLED)
    system.bucket.store(PLAIN_KEY, "one", ONE if late else frozenset())
    if not late:
        system.bucket.tag(current_version(system), ONE)
        system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.bucket.store(PLAIN_KEY, "two", TWO)
    finish(system, start(system, next(at for at, each in enumerate(system.messages) if each.queue == "deletion")))
    system.drain()
    system.bucket.delete_version(current_version(system))  # the delete marker is the newest now
    system.drain()
    assert deleted_media(system) == ONE | TWO


def test_sweep_slice_with_failed_deletion_request_is_repeated() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.lose(system.messages[0])
    system.send("sweep", "{}")
    sweep = start_next(system)
    for _ in ("checkpoint", "scan", "HEAD", "scan", "links"):
        system.advance(sweep)
    system.advance(sweep, failing=True)  # the message
    assert sweep.finished
    system.send("sweep", "{}")
    system.drain()
    assert deleted_media(system) == ONE


@pytest.mark.parametrize("versioning", [Versioning.UNVERSIONED, Versioning.ENABLED])
def test_sweep_of_gone_object_keeps_media_of_next_store(versioning: Versioning) -> None:
    system = ModelSystem(versioning)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.lose(system.messages[0])
    system.send("sweep", "{}")
    finish(system, start_next(system))
    system.bucket.store(PLAIN_KEY, "one", ONE)
    system.drain()
    assert (system.deleted, system.violations) == (set(), [])


def test_sweep_after_missed_version_deletion_deletes_its_media() -> None:
    system = ModelSystem(Versioning.ENABLED)
    for content, media in (("one", ONE), ("two", TWO)):
        system.bucket.store(PLAIN_KEY, content, media)
        system.drain()
    system.bucket.delete_version(system.bucket.all_versions[0])
    system.lose(system.messages[0])
    system.sweep_whole_index()
    assert deleted_media(system) == ONE


def test_sweep_slice_at_its_end_leaves_next_link_to_next_slice() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(KEY_WITH_MEDIA, "two", ONE | TWO)  # as many links as one slice sweeps
    system.bucket.store(PLAIN_KEY, "three", frozenset({"media-3"}))
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.lose(system.messages[0])
    system.sweep_whole_index()
    assert deleted_media(system) == {"media-3"}


def test_media_of_two_versions_is_deleted_while_third_is_current() -> None:
    system = ModelSystem(Versioning.ENABLED)
    for content, media in (("one", ONE), ("two", ONE), ("three", TWO)):
        system.bucket.store(PLAIN_KEY, content, media)
        system.drain()
    system.bucket.delete_version(system.bucket.all_versions[0])
    system.drain()
    assert deleted_media(system) == ONE


def test_delete_marker_before_new_store_deletes_earlier_links() -> None:
    system = ModelSystem(Versioning.ENABLED)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.bucket.store(PLAIN_KEY, "two", TWO)
    system.drain()
    assert deleted_media(system) == ONE


def deleted_media(system: ModelSystem) -> frozenset[str]:
    """Return the deleted media files, after a check that no promise is broken."""
    assert system.violations_at_rest() == []
    return frozenset(system.deleted)


def start_next(system: ModelSystem) -> Invocation:
    """Start an invocation for the message that was sent first, and pause it before its first call."""
    return start(system, 0)


def start(system: ModelSystem, position: int) -> Invocation:
    """Start an invocation for the message at this position, and pause it before its first call."""
    system.deliver(system.messages[position])
    return system.invocations[-1]


def finish(system: ModelSystem, invocation: Invocation) -> None:
    """Let an invocation make all its calls."""
    while not invocation.finished:
        system.advance(invocation)


def current_version(system: ModelSystem) -> Version:
    """Return the current version."""
    version = system.bucket.current(PLAIN_KEY)
    assert version
    return version
