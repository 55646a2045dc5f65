"""The simulation keeps the queue's books."""

from random import Random

import pytest

from tools.capacity.simulation import DAY_S, HOUR_S, MOST_IN_FLIGHT, STEP_S, Course, Scenario, simulate


def course_of(
    deletions_a_day: int,
    *,
    down_h: float,
    max_concurrency: int = 5,
    most_calls_a_second: float = 1e9,
    retention_s: int = 4 * DAY_S,
    days: int = 4,
) -> Course:
    scenario = Scenario(
        name="a test's",
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


def test_while_all_is_well_each_deletion_is_one_call_at_once() -> None:
    course = course_of(1_000, down_h=0, days=1)
    assert course.calls == course.confirmed == pytest.approx(1_000, abs=1)
    assert course.longest_lag_s == 0.5
    assert {(moment.waiting, moment.in_flight) for moment in course.moments} == {(0, 0)}


def test_a_day_without_the_provider_gives_nothing_up_and_is_over_hours_later() -> None:
    course = course_of(1_000, down_h=24)
    assert course.given_up == course.expired == 0
    assert course.confirmed == pytest.approx(4_000, abs=20)
    assert 24 * HOUR_S < course.longest_lag_s < 29.2 * HOUR_S  # the schedule's longest way to the 15th receive
    assert 0 < course.late_until_h - 30 <= 4.9
    assert max(moment.in_flight for moment in course.moments) == pytest.approx(1_000, abs=5)


def test_what_was_sent_in_the_first_hours_of_two_such_days_is_given_up() -> None:
    course = course_of(1_000, down_h=48)
    assert 18 / 24 * 1_000 < course.given_up < 24 / 24 * 1_000
    assert course.confirmed + course.given_up == pytest.approx(4_000, abs=20)


def test_no_more_are_in_flight_than_sqs_allows_and_the_others_wait() -> None:
    course = course_of(10_000_000, down_h=6, max_concurrency=50, days=1)
    [at_noon] = [moment for moment in course.moments if moment.hour == 12]
    assert 0.99 * MOST_IN_FLIGHT < at_noon.in_flight <= MOST_IN_FLIGHT
    assert at_noon.in_flight + at_noon.waiting == pytest.approx(2_500_000, rel=0.01)


def test_what_is_more_than_the_batches_can_take_waits_until_it_is_too_old() -> None:
    course = course_of(10_000_000, down_h=0, max_concurrency=2, retention_s=DAY_S, days=3)  # 40 of 116 a second
    assert course.moments[-1].calls_a_second == pytest.approx(40, rel=0.02)
    assert course.longest_lag_s == pytest.approx(DAY_S, abs=2 * STEP_S)
    waiting = course.moments[-1].waiting
    assert course.confirmed + course.expired + waiting == pytest.approx(30_000_000, rel=0.01)
    assert course.expired > 0


def test_calls_beyond_what_the_provider_takes_come_again() -> None:
    course = course_of(2_000_000, down_h=0, most_calls_a_second=20, days=1)
    assert course.confirmed == pytest.approx(20 * DAY_S, rel=0.01)
    assert course.calls > 1.5 * course.confirmed
