"""The brake grants a limited number of deletions an hour, with one reservation for each invocation."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from media_cleanup.brake import Brake
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.masking import mask_numbers
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.result import Result

HOUR, HOUR_S = 490_000, 3600  # since 1970, and in seconds
DELETED = Result(outcome=Outcome.DELETED)
FAILED = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.PROVIDER_FAILED)


@dataclass
class FakeTable:
    """The hours' counters, which grant `limit` deletions each. `reservations` are the sizes that were asked for."""

    limit: int
    now_s: float = HOUR * HOUR_S
    taken: dict[int, int] = field(default_factory=dict)
    reservations: list[int] = field(default_factory=list)

    def reserve(self, hour: int, count: int) -> int:
        before = self.taken.get(hour, 0)
        self.taken[hour] = before + count
        self.reservations.append(count)
        return max(0, min(count, self.limit - before))

    def brake(self, environments: int = 5) -> Brake:
        return Brake(self.limit, environments, self.reserve, lambda: self.now_s)


def delete(brake: Brake, requests: int, result: Result = DELETED) -> list[str]:
    """Make an invocation with this many deletions; return their outcomes or reasons."""
    brake.begin_invocation(requests)
    return [attempt(brake, result) for _ in range(requests)]


def attempt(brake: Brake, result: Result = DELETED) -> str:
    try:
        if refusal := brake.limit_error():
            return refusal.reason
        return brake.delete_with_permit(lambda: result).outcome
    except DependencyUnavailable as error:
        return error.reason


def test_brake_that_is_off_reserves_nothing() -> None:
    table = FakeTable(0)
    assert delete(table.brake(), 1000) == ["deleted"] * 1000
    assert table.reservations == []


def test_invocation_reserves_once_for_all_its_requests() -> None:
    table = FakeTable(10_000)
    brake = table.brake()
    for _ in range(3):
        delete(brake, 10)
    assert table.reservations == [10, 10, 10]


@pytest.mark.parametrize("requests", [0, 1])
def test_invocation_reserves_one_permit_at_least(requests: int) -> None:
    table = FakeTable(10_000)
    brake = table.brake()
    brake.begin_invocation(requests)
    assert attempt(brake) == "deleted"
    assert table.reservations == [1]


def test_deletion_outside_an_invocation_reserves_one_permit() -> None:
    table = FakeTable(10_000)
    assert attempt(table.brake()) == "deleted"
    assert table.reservations == [1]


def test_hour_has_no_more_deletions_than_the_limit() -> None:
    table = FakeTable(1000)
    brakes = [table.brake() for _ in range(5)]
    outcomes = [outcome for _ in range(30) for brake in brakes for outcome in delete(brake, 10)]
    assert outcomes.count("deleted") == 1000
    assert outcomes.count("braked") == 500


def test_reached_limit_costs_one_reservation_for_each_invocation() -> None:
    table = FakeTable(100)
    brake = table.brake(environments=1)
    assert delete(brake, 100).count("deleted") == 100
    before = len(table.reservations)
    assert delete(brake, 10) == ["braked"] * 10
    assert len(table.reservations) == before + 1


def test_limit_is_readable_in_the_masked_reason() -> None:
    table = FakeTable(0)
    brake = Brake(123_456, 5, table.reserve, lambda: table.now_s)
    with pytest.raises(DependencyUnavailable) as caught:
        brake.delete_with_permit(lambda: DELETED)
    assert mask_numbers(str(caught.value)).startswith("braked: MaxDeletionsPerHour (123,456) is reached")


def test_next_hour_has_new_permits() -> None:
    table = FakeTable(10)
    brake = table.brake(environments=1)
    assert delete(brake, 11) == ["deleted"] * 10 + ["braked"]
    table.now_s += HOUR_S
    assert delete(brake, 1) == ["deleted"]


def test_permits_are_taken_from_their_hour_and_end_with_it() -> None:
    table = FakeTable(1000)
    brake = table.brake()
    brake.begin_invocation(10)
    for passed_s in (0, HOUR_S - 1, 1):  # begins in the first hour, ends it, and begins the second
        table.now_s += passed_s
        assert attempt(brake) == "deleted"
    assert table.taken == {HOUR: 10, HOUR + 1: 10}
    table.now_s -= 1  # the clock is set back
    assert attempt(brake) == "deleted"
    assert table.taken == {HOUR: 20, HOUR + 1: 10}


def test_reached_limit_is_known_until_a_permit_is_returned() -> None:
    brake = FakeTable(1).brake()
    assert brake.limit_error() is None
    refusals: list[DependencyUnavailable | None] = []

    def fail_after_another_deletion() -> Result:
        assert attempt(brake) == "braked"
        refusals.append(brake.limit_error())
        return FAILED

    brake.delete_with_permit(fail_after_another_deletion)
    assert refusals[0]
    assert refusals[0].reason is Reason.BRAKED
    assert brake.limit_error() is None


@pytest.mark.parametrize(("limit", "reserved"), [(1000, 20), (1049, 20), (10, 1)])
def test_reservation_is_a_tenth_of_the_environments_share(limit: int, reserved: int) -> None:
    table = FakeTable(limit)
    brake = table.brake(environments=5)
    brake.begin_invocation(1000)
    attempt(brake)
    assert table.reservations == [reserved]


def test_permits_are_looked_for_again_in_each_invocation() -> None:
    table = FakeTable(5)
    brake = table.brake(environments=1)
    delete(brake, 6)
    table.taken.clear()  # released by hand
    assert delete(brake, 1) == ["deleted"]


@pytest.mark.parametrize("limit", [1, 7, 20, 999, 100_000])
def test_unused_permits_are_at_most_a_tenth_of_the_limit(limit: int) -> None:
    table = FakeTable(limit)
    for _ in range(5):  # environments that reserve for ten requests, and make one deletion
        brake = table.brake()
        brake.begin_invocation(10)
        attempt(brake)
    granted = min(limit, sum(table.reservations))
    assert granted - min(limit, 5) <= limit / 10


@pytest.mark.parametrize(
    ("reason", "comes_back"),
    [
        (Reason.PROVIDER_FAILED, True),
        (Reason.THROTTLED, True),
        (Reason.CREDENTIALS_REFUSED, True),
        (Reason.NO_ANSWER, False),
        (Reason.INVALID_ANSWER, False),
    ],
)
def test_permit_comes_back_if_nothing_can_have_been_deleted(reason: Reason, *, comes_back: bool) -> None:
    brake = FakeTable(1).brake()
    delete(brake, 1, Result(outcome=Outcome.UNAVAILABLE, reason=reason))
    assert attempt(brake) == ("deleted" if comes_back else "braked")


def test_permit_comes_back_if_the_media_was_gone() -> None:
    brake = FakeTable(1).brake()
    delete(brake, 1, Result(outcome=Outcome.ALREADY_GONE))
    assert [attempt(brake), attempt(brake)] == ["deleted", "braked"]


def test_permit_comes_back_if_no_call_is_made() -> None:
    def wait_for_turn() -> Result:
        raise DependencyUnavailable(Reason.PACED)

    brake = FakeTable(1).brake()
    with pytest.raises(DependencyUnavailable):
        brake.delete_with_permit(wait_for_turn)
    assert attempt(brake) == "deleted"


@pytest.mark.parametrize("passed_s", [HOUR_S, -HOUR_S])  # or the clock is set back
def test_permit_of_another_hour_does_not_come_back(passed_s: int) -> None:
    table = FakeTable(1)
    brake = table.brake()

    def fail_in_another_hour() -> Result:
        table.now_s += passed_s
        assert attempt(brake) == "deleted"  # another worker's, with the only permit of that hour
        return FAILED

    brake.delete_with_permit(fail_in_another_hour)
    assert attempt(brake) == "braked"


def test_concurrent_deletions_share_the_permits() -> None:
    brake = FakeTable(100).brake(environments=1)
    brake.begin_invocation(100)
    with ThreadPoolExecutor(10) as workers:
        outcomes = list(workers.map(lambda _: attempt(brake), range(150)))
    assert outcomes.count("deleted") == 100
