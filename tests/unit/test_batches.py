"""Batches of entries for AWS: ten at most, of a limited size, while there is time."""

import pytest

from media_cleanup.triggers.batches import send_in_batches
from tests.conftest import Context


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([], []),
        ([1] * 10, [list(range(10))]),
        ([1] * 21, [list(range(10)), list(range(10, 20)), [20]]),
        ([100_000, 100_000], [[0, 1]]),
        ([100_000, 100_001], [[0], [1]]),
        ([199_999, 1, 1, 199_999], [[0, 1], [2, 3]]),
        ([300_000, 1, 300_000], [[0], [1], [2]]),
        ([200_000, 100_000, 100_001], [[0], [1], [2]]),
    ],
)
def test_batches_have_ten_entries_and_200_000_at_most(sizes: list[int], batches: list[list[int]]) -> None:
    sent: list[list[int]] = []

    def send(batch: list[int]) -> dict[int, str]:
        sent.append(batch)
        return {batch[0]: "Throttling"}

    assert send_in_batches(sizes, send, Context()) == {batch[0]: "Throttling" for batch in batches}
    assert sent == batches


@pytest.mark.parametrize(("time_left_ms", "errors"), [(2_000, {}), (1_999, {0: "out_of_time"})])
def test_batch_is_sent_while_there_is_time_for_a_call(time_left_ms: int, errors: dict[int, str]) -> None:
    assert send_in_batches([1], lambda _: {}, Context(time_left_ms=time_left_ms)) == errors
