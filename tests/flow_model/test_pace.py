"""In no second more calls than the rate, whichever execution environments make them."""

from random import Random

import pytest

from tests.flow_model.simulation import most_calls, simulate

RATES = [(2, 2), (5, 2), (10, 4), (25, 5), (20, 20), (30, 20), (200, 8), (200, 20), (1000, 20)]
SLOW = [(1, 2), (2, 5), (5, 20), (15, 20)]


@pytest.mark.parametrize(("rate", "places"), RATES)
def test_no_second_has_more_calls_than_the_rate(rate: float, places: int) -> None:
    for seed in range(3):
        calls = simulate(rate, places, Random(seed))  # noqa: S311 (to spread load)
        assert most_calls(calls, 1) <= rate


@pytest.mark.parametrize(("rate", "places"), SLOW)
def test_share_below_one_holds_over_the_time_of_one_call(rate: float, places: int) -> None:
    for seed in range(3):
        calls = simulate(rate, places, Random(seed), 1200)  # noqa: S311 (to spread load)
        assert most_calls(calls, places / rate) <= places
        assert most_calls(calls, 1) <= places


@pytest.mark.parametrize(("rate", "places", "least"), [(200, 20, 0.5), (20, 20, 0.8), (5, 20, 0.8)])
def test_long_batches_use_most_of_the_rate(rate: float, places: int, least: float) -> None:
    calls = simulate(rate, places, Random(1), 1200)  # noqa: S311 (to spread load)
    assert len(calls) > least * rate * 1200


def test_calls_are_counted_in_any_window() -> None:
    assert most_calls([0, 0.5, 0.99, 1.0, 5], 1) == 3
    assert most_calls([0, 0.5, 0.99, 1.0, 5], 1.01) == 4
