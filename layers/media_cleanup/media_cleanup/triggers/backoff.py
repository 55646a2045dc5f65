"""The redelivery schedule: 15 attempts, with exponential backoff and jitter, over at least 24 hours."""

from dataclasses import dataclass, replace

from media_cleanup.outcome import Outcome, Reason
from media_cleanup.result import Result

FIRST_DELAY_S = 30
MAX_DELAY_S = 4 * 3600
MAX_ATTEMPTS = 15


@dataclass(frozen=True, slots=True)
class Redelivery:
    """A message that SQS delivers again after `delay_s` seconds; None for the queue's own visibility timeout."""

    delay_s: int | None


AFTER_VISIBILITY_TIMEOUT = Redelivery(None)


def give_up(result: Result, attempt: int) -> Result:
    """Return the result as it stands at this attempt: unavailable at the last one is rejected."""
    if result.outcome is Outcome.UNAVAILABLE and attempt >= MAX_ATTEMPTS:
        return replace(result, outcome=Outcome.REJECTED, reason=Reason.GAVE_UP, last_reason=result.reason)
    return result


def backoff_s(result: Result, attempt: int, jitter: float) -> int:
    """Return the seconds until an unavailable result's message is redelivered, after its receive number `attempt`.

    30 s, doubled with each receive up to 4 h, plus up to 20 % for a `jitter` of 0 to 1; or the provider's Retry-After,
    if that is longer.
    """
    delay_s = min(FIRST_DELAY_S << min(attempt - 1, 20), MAX_DELAY_S)
    return max(round(delay_s * (1 + 0.2 * jitter)), min(result.retry_after_s or 0, MAX_DELAY_S))
