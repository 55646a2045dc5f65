"""Races too rare for generated histories, each as a script of calls."""

import pytest

from tests.model.bucket import BUCKET, Version, Versioning
from tests.model.system import KEY_WITH_MEDIA, PLAIN_KEY, REFUSED, Invocation, ModelSystem

ONE, TWO, NONE = frozenset({"media-1"}), frozenset({"media-2"}), frozenset[str]()


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


def test_sequencer_of_earlier_store_leaves_current_media() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", frozenset())
    system.bucket.versioning = Versioning.ENABLED
    system.bucket.delete(PLAIN_KEY)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    finish(system, start_next(system))  # the first store's event: its eTag matches the version stored since
    finish(system, start_next(system))  # the deletion, which was before that version
    system.drain()
    assert (system.deleted, system.violations_at_rest()) == (set(), [])


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


def test_sweep_of_missing_version_leaves_old_versions() -> None:
    system = ModelSystem(Versioning.ENABLED)
    for content, media in (("one", ONE), ("two", TWO), ("three", NONE)):
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


def test_tags_given_with_the_store_link_media() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", NONE, ONE)
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.drain()
    assert deleted_media(system) == ONE


@pytest.mark.parametrize("kms", [False, True], ids=["same eTag", "re-encrypted"])
def test_in_place_copy_keeps_media_linked_by_message(*, kms: bool) -> None:
    system = ModelSystem(Versioning.ENABLED)
    system.bucket.store(PLAIN_KEY, "one", NONE)
    system.send_request("index", bucket=BUCKET, key=PLAIN_KEY, media_id="media-1")
    system.drain()
    system.bucket.copy(current_version(system), PLAIN_KEY, kms=kms)
    system.drain()
    system.bucket.delete_version(system.bucket.all_versions[0])  # a month later
    system.drain()
    assert deleted_media(system) == NONE
    assert [link.version_id for link in system.table.links()] == [current_version(system).version_id]
    system.bucket.delete_version(current_version(system))
    system.drain()
    assert deleted_media(system) == ONE


def test_in_place_copy_keeps_media_of_tags_not_yet_linked() -> None:
    system = ModelSystem(Versioning.ENABLED)
    system.bucket.store(PLAIN_KEY, "one", NONE, ONE)
    system.drain()
    system.bucket.store(PLAIN_KEY, "three", NONE, ONE)  # its event is late
    system.bucket.delete_version(system.bucket.all_versions[0])
    finish(system, start(system, 1))
    system.drain()
    assert deleted_media(system) == NONE


@pytest.mark.parametrize("versioning", Versioning)
def test_deletion_in_outage_holds_after_the_next_store(versioning: Versioning) -> None:
    system = ModelSystem(versioning)
    system.bucket.store(PLAIN_KEY, "one", NONE)
    system.send_request("index", bucket=BUCKET, key=PLAIN_KEY, media_id="media-1")
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.outage = True
    finish(system, start_next(system))
    system.bucket.store(PLAIN_KEY, "two", TWO)
    system.drain()
    assert deleted_media(system) == ONE


def test_object_gone_while_linked_anew_is_decided_again() -> None:
    system = ModelSystem(Versioning.ENABLED)
    for content, media in (("one", ONE), ("two", TWO), ("three", NONE)):
        system.bucket.store(PLAIN_KEY, content, media)
    system.drain()
    system.bucket.tag(current_version(system), ONE)
    system.messages.clear()  # the tags' event is lost
    system.bucket.delete_version(system.bucket.all_versions[0])
    deletion = start_next(system)
    for _ in ("links", "HEAD", "links", "tags"):
        system.advance(deletion)
    system.bucket.delete_version(current_version(system))  # "two" is current, which stands for TWO
    finish(system, start_next(system))  # of "three", which has no link yet
    finish(system, deletion)
    system.drain()
    assert deleted_media(system) == ONE


def test_null_object_below_versions_keeps_its_link() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", NONE)
    system.send_request("index", bucket=BUCKET, key=PLAIN_KEY, media_id="media-1")
    system.drain()
    system.bucket.versioning = Versioning.ENABLED
    system.bucket.store(PLAIN_KEY, "three", ONE)
    system.drain()
    system.send_request("deletion", bucket=BUCKET, key=PLAIN_KEY)
    system.drain()
    assert len(system.table.links()) == 2
    system.bucket.delete_version(current_version(system))
    system.drain()
    assert deleted_media(system) == NONE


def test_backfill_reads_null_version_below_versions() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    system.messages.clear()  # stored before the bucket was connected
    system.bucket.versioning = Versioning.ENABLED
    system.bucket.store(PLAIN_KEY, "two", NONE)
    system.send_request("index", bucket=BUCKET, key=PLAIN_KEY, version_id="null")
    system.drain()
    system.sweep_whole_index()
    assert deleted_media(system) == NONE
    system.bucket.delete_version(system.bucket.all_versions[0])
    system.drain()
    assert deleted_media(system) == ONE


def test_sweep_finds_object_replaced_after_missed_deletion() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", ONE)
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.lose(system.messages[0])
    system.bucket.store(PLAIN_KEY, "two", TWO)
    system.drain()
    system.sweep_whole_index()
    assert deleted_media(system) == ONE


@pytest.mark.parametrize("versioning", [Versioning.UNVERSIONED, Versioning.ENABLED])
@pytest.mark.parametrize("lost", [False, True], ids=["all events", "lost events"])
def test_daily_stores_with_same_metadata_leave_no_residue(versioning: Versioning, *, lost: bool) -> None:
    system = ModelSystem(versioning)
    for day in range(40):
        system.bucket.store(PLAIN_KEY, f"content of day {day}", ONE)
        versions = system.bucket.versions(PLAIN_KEY)
        if len(versions) > 7:  # a lifecycle rule
            system.bucket.delete_version(versions[0], "LifecycleExpiration")
            if lost:
                system.lose(system.messages[-1])
        system.drain()
    system.sweep_whole_index()
    assert deleted_media(system) == NONE
    assert len(system.table.links()) == len(system.bucket.versions(PLAIN_KEY))


def test_refused_media_is_requested_once_and_not_by_the_sweep() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(PLAIN_KEY, "one", frozenset({REFUSED}))
    system.drain()
    system.bucket.delete(PLAIN_KEY)
    system.drain()
    system.sweep_whole_index()
    assert deleted_media(system) == NONE
    assert system.sent_by_sweep == 0
    assert [link.media for link in system.table.links()] == [REFUSED]


def test_rollback_after_the_look_is_an_allowed_race() -> None:
    system = ModelSystem(Versioning.ENABLED)
    for media in (ONE, TWO):
        system.bucket.store(PLAIN_KEY, "one", media)
        system.drain()
    system.bucket.copy(system.bucket.all_versions[0], PLAIN_KEY)  # a rollback
    system.bucket.store(PLAIN_KEY, "three", NONE)
    system.drain()
    system.bucket.delete_version(system.bucket.all_versions[0])
    deletion = start_next(system)
    for _ in ("links", "HEAD", "links", "record"):
        system.advance(deletion)
    system.bucket.delete_version(current_version(system))  # the copy is current, which stands for ONE
    finish(system, deletion)
    system.drain()
    assert (system.deleted, system.violations_at_rest()) == (set(ONE), [])  # AFTER_THE_LOOK


def test_late_link_is_deleted_with_next_deletion_or_sweep() -> None:
    for sweeping in (False, True):
        system = ModelSystem(Versioning.UNVERSIONED)
        system.bucket.store(PLAIN_KEY, "one", ONE)
        indexing = start_next(system)
        system.advance(indexing)  # HEAD finds the object
        system.bucket.delete(PLAIN_KEY)
        finish(system, start_next(system))  # no link yet
        system.bucket.store(PLAIN_KEY, "two", TWO)
        finish(system, indexing)
        system.drain()
        assert deleted_media(system) == NONE  # LATE_LINK
        if sweeping:
            system.sweep_whole_index()
        else:
            system.bucket.delete(PLAIN_KEY)
            system.drain()
        assert deleted_media(system) == (ONE if sweeping else ONE | TWO)


def test_late_slice_does_not_move_checkpoint_backwards() -> None:
    system = ModelSystem(Versioning.UNVERSIONED)
    system.bucket.store(KEY_WITH_MEDIA, "two", ONE | TWO)  # as many links as one slice sweeps
    system.bucket.store(PLAIN_KEY, "three", frozenset({"media-3"}))
    system.drain()
    for _ in ("late", "fast"):
        system.send("sweep", "{}")
    late = start_next(system)
    system.advance(late)  # the checkpoint is loaded: none
    finish(system, start_next(system))  # the other slice sweeps the same links, and saves its checkpoint
    saved = system.table.checkpoint_revision
    finish(system, late)
    assert system.table.checkpoint_revision == saved


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
