"""Counts the receives of a message that failed: those that only waited do not count towards giving up."""

from collections.abc import Sequence

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Outcome
from media_cleanup.request import MIN_AWS_CALL_MS, Attempt
from media_cleanup.result import Result
from media_cleanup.telemetry import logger
from media_cleanup.triggers.backoff import MAX_ATTEMPTS
from media_cleanup.triggers.runner import RequestHandler


def count_failed_receives(use_case: RequestHandler, results: Sequence[Result], attempt: Attempt) -> int:
    """Return the number of a message's receives that may have failed, and record the present one if it only waited.

    Which ones waited is read from the 15th receive on alone, since it cannot matter before.
    """
    unavailable = [result for result in results if result.outcome is Outcome.UNAVAILABLE]
    if use_case.wait_records is None or attempt.message_id is None or not unavailable:
        return attempt.number
    try:
        attempt.require_time(MIN_AWS_CALL_MS)
        if all(result.is_waiting for result in unavailable):
            use_case.wait_records.add(attempt.message_id, attempt.number)
        elif attempt.number >= MAX_ATTEMPTS:
            return attempt.number - use_case.wait_records.count(attempt.message_id)
    except DependencyUnavailable as error:
        logger.warning("wait_count_unknown", extra={"error": str(error), "message_id": attempt.message_id})
        return MAX_ATTEMPTS - 1  # a later receive decides whether to give up
    return attempt.number
