"""The capacity simulation of the deletion queue."""

from random import Random

import pytest

from tools.capacity.simulation import DAY_S, HOUR_S, MOST_IN_FLIGHT, STEP_S, Course, Scenario, simulate


def run_scenario(
    deletions_a_day: int,
    *,
    down_h: float,
    max_concurrency: int = 5,
    most_calls_a_second: float = 1e9,
    retention_s: int = 4 * DAY_S,
    days: int = 4,
) -> Course:
    scenario = Scenario(
        name="test",
        deletions_a_day=deletions_a_day,
        max_concurrency=max_concurrency,
        batch_s=0.5,
        failing_batch_s=0.5,
        recovers_h=6 + down_h,
        most_calls_a_second=most_calls_a_second,
        retention_s=retention_s,
        days=days,
    )
    return simulate(scenario, Random(1).random)  # noqa: S311 (to spread load)


def test_simulation_without_failures_calls_once_per_deletion() -> None:
    course = run_scenario(1_000, down_h=0, days=1)
    assert course.calls == course.confirmed == pytest.approx(1_000, abs=1)
    assert course.longest_lag_s == 0.5
    assert {(moment.waiting, moment.in_flight) for moment in course.moments} == {(0, 0)}


def test_simulation_of_a_day_of_outage_gives_nothing_up() -> None:
    course = run_scenario(1_000, down_h=24)
    assert course.given_up == course.expired == 0
    assert course.confirmed == pytest.approx(4_000, abs=20)
    assert 24 * HOUR_S < course.longest_lag_s < 29.2 * HOUR_S  # the longest time to the 15th receive
    assert 0 < course.late_until_h - 30 <= 4.9
    assert max(moment.in_flight for moment in course.moments) == pytest.approx(1_000, abs=5)


def test_simulation_of_two_days_of_outage_gives_early_ones_up() -> None:
    course = run_scenario(1_000, down_h=48)
    assert 18 / 24 * 1_000 < course.given_up < 24 / 24 * 1_000
    assert course.confirmed + course.given_up == pytest.approx(4_000, abs=20)


def test_simulation_keeps_the_in_flight_quota_of_sqs() -> None:
    course = run_scenario(10_000_000, down_h=6, max_concurrency=50, days=1)
    [at_noon] = [moment for moment in course.moments if moment.hour == 12]
    assert 0.99 * MOST_IN_FLIGHT < at_noon.in_flight <= MOST_IN_FLIGHT
    assert at_noon.in_flight + at_noon.waiting == pytest.approx(2_500_000, rel=0.01)


def test_simulation_over_capacity_expires_waiting_messages() -> None:
    course = run_scenario(10_000_000, down_h=0, max_concurrency=2, retention_s=DAY_S, days=3)  # 40 of 116 a second
    assert course.moments[-1].calls_a_second == pytest.approx(40, rel=0.02)
    assert course.longest_lag_s == pytest.approx(DAY_S, abs=2 * STEP_S)
    waiting = course.moments[-1].waiting
    assert course.confirmed + course.expired + waiting == pytest.approx(30_000_000, rel=0.01)
    assert course.expired > 0


def test_simulation_over_the_providers_rate_retries_calls() -> None:
    course = run_scenario(2_000_000, down_h=0, most_calls_a_second=20, days=1)
    assert course.confirmed == pytest.approx(20 * DAY_S, rel=0.01)
    assert course.calls > 1.5 * course.confirmed
