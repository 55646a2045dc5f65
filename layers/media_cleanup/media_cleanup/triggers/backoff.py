"""The redelivery schedule: 15 attempts, with exponential backoff and jitter, over at least 24 hours."""

from dataclasses import dataclass, replace

from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import QUEUE_RETENTION_S
from media_cleanup.result import Result

FIRST_DELAY_S = 30
MAX_DELAY_S = 4 * 3600
MAX_ATTEMPTS = 15  # that failed
LAST_DAY_S = QUEUE_RETENTION_S - 24 * 3600
MAX_RETENTION_S = 14 * 24 * 3600  # of SQS: what claims to be older is a sample event


@dataclass(frozen=True, slots=True)
class Redelivery:
    """A message that SQS delivers again after `delay_s` seconds; None for the queue's own visibility timeout."""

    delay_s: int | None


AFTER_VISIBILITY_TIMEOUT = Redelivery(None)


def give_up_if_exhausted(result: Result, failures: int, age_s: float = 0) -> Result:
    """Return the result as it stands after this many failed receives of its message, sent `age_s` seconds ago.

    Unavailable at the last one is rejected, except where the request waits for its turn. In the last day of the queue's
    retention, everything unavailable is: SQS would delete the message without notice.
    """
    failed = failures >= MAX_ATTEMPTS and not result.is_waiting
    if result.outcome is Outcome.UNAVAILABLE and (failed or LAST_DAY_S <= age_s < MAX_RETENTION_S):
        return replace(result, outcome=Outcome.REJECTED, reason=Reason.GAVE_UP, last_reason=result.reason)
    return result


def backoff_s(result: Result, attempt: int, jitter: float) -> int:
    """Return the seconds until an unavailable result's message is redelivered, after its receive number `attempt`.

    30 s, doubled with each receive up to 4 h, plus up to 20 % for a `jitter` of 0 to 1; or the provider's Retry-After,
    if that is longer.
    """
    delay_s = min(FIRST_DELAY_S << min(attempt - 1, 20), MAX_DELAY_S)
    return max(round(delay_s * (1 + 0.2 * jitter)), min(result.retry_after_s or 0, MAX_DELAY_S))
