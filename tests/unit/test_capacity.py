"""The capacity simulation of the deletion queue."""

from random import Random

import pytest

from tools.capacity.simulation import DAY_S, HOUR_S, MAX_IN_FLIGHT, STEP_S, Scenario, SimulationResult, simulate


def run_scenario(
    deletions_per_day: int,
    *,
    down_h: float,
    max_concurrency: int = 5,
    max_calls_per_s: float = 1e9,
    retention_s: int = 4 * DAY_S,
    days: int = 4,
    has_circuit: bool = True,
    calls_per_second: float = 0,
) -> SimulationResult:
    scenario = Scenario(
        name="test",
        deletions_per_day=deletions_per_day,
        max_concurrency=max_concurrency,
        batch_s=0.5,
        failing_batch_s=0.5,
        has_circuit=has_circuit,
        calls_per_second=calls_per_second,
        outage_end_h=6 + down_h,
        max_calls_per_s=max_calls_per_s,
        retention_s=retention_s,
        days=days,
    )
    return simulate(scenario, Random(1).random)  # noqa: S311 (to spread load)


def test_simulation_without_failures_calls_once_per_deletion() -> None:
    result = run_scenario(1_000, down_h=0, days=1)
    assert result.calls == result.confirmed == pytest.approx(1_000, abs=1)
    assert result.longest_lag_s == 0.5
    assert {(snapshot.visible, snapshot.in_flight) for snapshot in result.snapshots} == {(0, 0)}


def test_simulation_of_a_day_of_outage_gives_nothing_up() -> None:
    result = run_scenario(1_000, down_h=24)
    assert result.given_up == result.expired == 0
    assert result.confirmed == pytest.approx(4_000, abs=20)
    assert 24 * HOUR_S < result.longest_lag_s < 29.2 * HOUR_S  # the longest time to the 15th receive
    assert 0 < result.late_until_h - 30 <= 4.9
    assert max(snapshot.in_flight for snapshot in result.snapshots) == pytest.approx(1_000, abs=5)


def test_simulation_of_two_days_of_outage_gives_early_ones_up() -> None:
    result = run_scenario(1_000, down_h=48)
    assert 18 / 24 * 1_000 < result.given_up < 24 / 24 * 1_000
    assert result.confirmed + result.given_up == pytest.approx(4_000, abs=20)


def test_simulation_keeps_the_in_flight_quota_of_sqs() -> None:
    result = run_scenario(10_000_000, down_h=6, max_concurrency=50, days=1)
    [before_end] = [snapshot for snapshot in result.snapshots if snapshot.hour == 11.5]
    assert 0.99 * MAX_IN_FLIGHT < before_end.in_flight <= MAX_IN_FLIGHT
    assert before_end.in_flight + before_end.visible == pytest.approx(5.5 / 24 * 10_000_000, rel=0.01)


def test_simulation_over_capacity_expires_waiting_messages() -> None:
    result = run_scenario(10_000_000, down_h=0, max_concurrency=2, retention_s=DAY_S, days=3)  # 40 of 116 a second
    assert result.snapshots[-1].calls_per_s == pytest.approx(40, rel=0.02)
    assert result.longest_lag_s == pytest.approx(DAY_S, abs=2 * STEP_S)
    visible = result.snapshots[-1].visible
    assert result.confirmed + result.expired + visible == pytest.approx(30_000_000, rel=0.01)
    assert result.expired > 0


def test_simulation_over_the_providers_rate_retries_calls() -> None:
    result = run_scenario(2_000_000, down_h=0, max_calls_per_s=20, days=1)
    assert result.confirmed == pytest.approx(20 * DAY_S, rel=0.01)
    assert result.calls > 1.5 * result.confirmed


def test_simulation_of_paced_calls_gives_nothing_up() -> None:
    flood = {"down_h": 24, "max_concurrency": 50, "max_calls_per_s": 20, "days": 8, "retention_s": 9 * DAY_S}
    assert run_scenario(1_000_000, **flood).given_up > 0  # type: ignore[arg-type]  # of several types
    paced = run_scenario(1_000_000, **flood, calls_per_second=20)  # type: ignore[arg-type]  # of several types
    assert paced.given_up == paced.expired == 0


def test_simulation_of_an_outage_makes_fewer_calls_with_a_circuit() -> None:
    without = run_scenario(1_000_000, down_h=24, has_circuit=False)
    with_circuit = run_scenario(1_000_000, down_h=24)
    assert without.outage.calls == without.outage.receives
    assert with_circuit.outage.calls < without.outage.calls / 100
    assert with_circuit.outage.calls <= 5 * DAY_S / 60
    assert with_circuit.given_up == without.given_up == 0
