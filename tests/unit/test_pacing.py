"""Calls get their turns at even intervals, without a wait longer than the invocation."""

from dataclasses import dataclass, field

import pytest

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from media_cleanup.provider.pacing import MARGIN, Pacer


@dataclass
class FakeTime:
    """A clock that does not move by itself; `slept` are the durations of all sleeps, which do not move it either."""

    now_s: float = -1000.0  # a monotonic clock may begin anywhere
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def pacer(self, calls_per_s: float, jitter: float = 0) -> Pacer:
        return Pacer(calls_per_s, self.clock, self.slept.append, lambda: jitter)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def test_calls_without_rate_never_sleep(time: FakeTime) -> None:
    pacer = time.pacer(0)
    pacer.begin_invocation()
    for _ in range(100):
        pacer.wait_for_turn(0)
    assert time.slept == []


def test_concurrent_calls_get_turns_at_even_intervals(time: FakeTime) -> None:
    pacer = time.pacer(4)
    for _ in range(4):
        pacer.wait_for_turn(60)
    assert time.slept == pytest.approx([0, 0.2625, 0.525, 0.7875])  # 5 % further apart than the rate asks for


def test_call_after_a_longer_time_is_made_at_once(time: FakeTime) -> None:
    pacer = time.pacer(4)
    pacer.wait_for_turn(60)
    time.now_s += 10
    pacer.wait_for_turn(60)
    pacer.wait_for_turn(60)
    assert time.slept == pytest.approx([0, 0, MARGIN / 4])  # the time in between is not saved up


@pytest.mark.parametrize(("jitter", "intervals"), [(0, 1), (0.5, 1.5), (1, 2)])
def test_first_call_of_invocation_waits_one_to_two_intervals(time: FakeTime, jitter: float, intervals: float) -> None:
    pacer = time.pacer(4, jitter)
    pacer.begin_invocation()
    pacer.wait_for_turn(60)
    assert time.slept == pytest.approx([intervals * MARGIN / 4])


def test_refusal_is_known_without_a_turn(time: FakeTime) -> None:
    pacer = time.pacer(MARGIN / 4)
    assert pacer.turn_error(0) is None
    pacer.wait_for_turn(0)
    assert pacer.turn_error(4) is None
    refusal = pacer.turn_error(3.9)
    assert refusal
    assert refusal.reason is Reason.PACED
    time.now_s += 10
    assert pacer.turn_error(0) is None
    assert time.pacer(0).turn_error(-1) is None


def test_pacer_without_arguments_has_no_limit() -> None:
    assert Pacer().interval_s == 0


def test_turn_beyond_the_invocation_is_refused_at_once(time: FakeTime) -> None:
    pacer = time.pacer(MARGIN / 4)
    pacer.wait_for_turn(0)
    for _ in range(2):  # a refused call uses up no turn
        with pytest.raises(DependencyUnavailable) as caught:
            pacer.wait_for_turn(3.9)
        assert caught.value.reason is Reason.PACED
    pacer.wait_for_turn(4)
    assert time.slept == [0, 4]
