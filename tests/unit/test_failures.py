"""Receives that only waited do not count towards giving up."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import Attempt
from media_cleanup.result import Result
from media_cleanup.triggers.failures import count_failed_receives
from media_cleanup.triggers.runner import RequestHandler
from tests.conftest import Context

FAILED = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.NO_ANSWER)
OPEN = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.CIRCUIT_OPEN)
PACED = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.PACED)
BRAKED = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.BRAKED)
DELETED = Result(outcome=Outcome.DELETED)


@dataclass
class FakeWaits:
    """The receives of one message that only waited; `reads` counts the questions for them."""

    receives: set[int] = field(default_factory=set)
    reads: int = 0
    failure: DependencyUnavailable | None = None

    def add(self, message_id: str, receive: int) -> None:
        assert message_id == "message"
        if self.failure:
            raise self.failure
        self.receives.add(receive)

    def count(self, message_id: str) -> int:
        assert message_id == "message"
        self.reads += 1
        if self.failure:
            raise self.failure
        return len(self.receives)


def count(
    waits: FakeWaits | None, *results: Result, receive: int, message_id: str | None = "message", left_ms: int = 60_000
) -> int:
    use_case = cast("RequestHandler", SimpleNamespace(wait_records=waits))
    return count_failed_receives(use_case, results, Attempt(receive, Context(time_left_ms=left_ms), message_id))


@pytest.mark.parametrize("results", [(PACED,), (BRAKED,), (PACED, DELETED), (PACED, BRAKED)])
def test_receive_that_only_waits_is_recorded(results: tuple[Result, ...]) -> None:
    waits = FakeWaits()
    count(waits, *results, receive=3)
    assert waits.receives == {3}


@pytest.mark.parametrize("results", [(FAILED,), (OPEN,), (DELETED,), (PACED, FAILED), ()])
def test_other_receive_before_the_15th_costs_nothing(results: tuple[Result, ...]) -> None:
    waits = FakeWaits()
    assert count(waits, *results, receive=14) == 14
    assert (waits.receives, waits.reads) == (set(), 0)


@pytest.mark.parametrize(("waited", "receive", "failures"), [(0, 15, 15), (1, 15, 14), (1, 16, 15), (40, 54, 14)])
def test_receives_that_waited_are_not_counted(waited: int, receive: int, failures: int) -> None:
    assert count(FakeWaits(set(range(1, waited + 1))), FAILED, receive=receive) == failures


def test_unreadable_table_gives_nothing_up() -> None:
    failure = DependencyUnavailable(Reason.IDEMPOTENCY_UNREACHABLE)
    assert count(FakeWaits(failure=failure), FAILED, receive=15) == 14
    assert count(FakeWaits(failure=failure), PACED, receive=15) == 14


def test_table_is_not_called_without_time_for_it() -> None:
    waits = FakeWaits()
    assert count(waits, PACED, receive=5, left_ms=1_999) == 14
    assert waits.receives == set()


def test_use_case_that_never_waits_counts_every_receive() -> None:
    assert count(None, FAILED, receive=15) == 15
    assert count(FakeWaits(), FAILED, receive=15, message_id=None) == 15
