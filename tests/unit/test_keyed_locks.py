"""Work on the same thing runs one after another."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.keyed_locks import KeyedLocks


def test_work_on_one_thing_waits_for_its_turn() -> None:
    locks, began, order = KeyedLocks(), Event(), []

    def first() -> None:
        with locks.hold("thing", 10):
            began.set()
            waiting.wait(0.2)  # long enough for the second to run, if it did not wait
            order.append("first")

    def second() -> None:
        began.wait(10)
        with locks.hold("thing", 10):
            order.append("second")

    waiting = Event()
    with ThreadPoolExecutor(2) as workers:
        for each in [workers.submit(first), workers.submit(second)]:
            each.result()
    assert order == ["first", "second"]
    assert not locks._locks  # noqa: SLF001 (no thing is remembered without work on it)


def test_work_on_other_things_does_not_wait() -> None:
    locks = KeyedLocks()
    with locks.hold("thing", 0), locks.hold("other", 0):
        pass


@pytest.mark.parametrize("timeout_s", [0.01, 0, -1])
def test_waiting_ends_with_the_time(timeout_s: float) -> None:
    locks = KeyedLocks()
    with locks.hold("thing", 0):
        with pytest.raises(DependencyUnavailable, match="out_of_time"), locks.hold("thing", timeout_s):
            raise AssertionError("did not wait")
        with pytest.raises(DependencyUnavailable, match="out_of_time"), locks.hold("thing", timeout_s):
            raise AssertionError("did not wait")
    with locks.hold("thing", 0):
        pass


def test_failed_work_ends_its_turn() -> None:
    locks = KeyedLocks()
    with pytest.raises(ValueError, match="failed"), locks.hold("thing", 0):
        raise ValueError("failed")
    with locks.hold("thing", 0):
        pass
