"""Sends entries to AWS in batches, while there is time."""

from collections.abc import Callable, Iterator, Sequence

from media_cleanup.outcome import Reason
from media_cleanup.request import MIN_AWS_CALL_MS, Deadline

MAX_BATCH_ENTRIES = 10  # of SQS's SendMessageBatch and EventBridge's PutEvents
MAX_BATCH_SIZE = (
    200_000  # in the unit of the sizes: below 256 KiB of EventBridge, and 1 MiB of SQS whatever the characters
)


def send_in_batches(
    sizes: Sequence[int], send: Callable[[list[int]], dict[int, str]], deadline: Deadline
) -> dict[int, str]:
    """Send the entries of these sizes by `send`, which takes positions.

    Returns the errors of entries that were not accepted, by their positions, as `send` does.
    """
    errors: dict[int, str] = {}
    for batch in _batches(sizes):
        if deadline.get_remaining_time_in_millis() < MIN_AWS_CALL_MS:
            errors |= dict.fromkeys(batch, Reason.OUT_OF_TIME.value)
        else:
            errors |= send(batch)
    return errors


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """The positions of entries, in batches that the service accepts."""
    batch: list[int] = []
    total = 0
    for position, size in enumerate(sizes):
        if batch and (len(batch) == MAX_BATCH_ENTRIES or total + size > MAX_BATCH_SIZE):
            yield batch
            batch, total = [], 0
        batch.append(position)
        total += size
    if batch:
        yield batch
