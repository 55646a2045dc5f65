"""Known mistakes in redelivery and idempotency, and whether the tests in this folder catch each."""

import sys

from tests.model.planted_bugs import PlantedBug, main

BUGS = (
    PlantedBug(
        "an unavailable message is let go",
        "redelivery.py",
        "    if unavailable:\n",
        "    if False:\n",
    ),
    PlantedBug(
        "a message is let go that could not be dead-lettered",
        "redelivery.py",
        "        raise ComesAgainError(None) from None",
        "        return",
    ),
    PlantedBug(
        "only the first part of a message is dead-lettered",
        "redelivery.py",
        "for request, outcomes in parts:",
        "for request, outcomes in parts[:1]:",
    ),
    PlantedBug(
        "nothing is ever given up",
        "redelivery.py",
        "given_up(outcome, attempt)",
        "outcome",
    ),
    PlantedBug("given up one receive too early", "outcome.py", "LAST_ATTEMPT = 15", "LAST_ATTEMPT = 14"),
    PlantedBug("given up one receive too late", "outcome.py", "LAST_ATTEMPT = 15", "LAST_ATTEMPT = 16"),
    PlantedBug(
        "given up at the 15th receive alone, which may have crashed",
        "outcome.py",
        "attempt >= LAST_ATTEMPT",
        "attempt == LAST_ATTEMPT",
    ),
    PlantedBug("a schedule of less than a day", "redelivery.py", "LONGEST_DELAY_S = 4 *", "LONGEST_DELAY_S = 3 *"),
    PlantedBug("a delay of more than SQS allows", "redelivery.py", "LONGEST_DELAY_S = 4 *", "LONGEST_DELAY_S = 12 *"),
    PlantedBug(
        "Retry-After without a bound",
        "redelivery.py",
        "min(outcome.retry_after_s or 0, LONGEST_DELAY_S)",
        "outcome.retry_after_s or 0",
    ),
    PlantedBug(
        "Retry-After ignored",
        "redelivery.py",
        "min(outcome.retry_after_s or 0, LONGEST_DELAY_S)",
        "0",
    ),
    PlantedBug(
        "delays are not set",
        "redelivery.py",
        "if delays and task.queue_url:",
        "if False:",
    ),
    PlantedBug(
        "no record at all",
        "deletion.py",
        "delete() if self.settings.dry_run else self._confirmed.once(media, delete, time_left_ms)",
        "delete()",
    ),
    PlantedBug(
        "every outcome is remembered",
        "idempotency.py",
        "if outcomes[0].result is not Result.DELETED:",
        "if False:",
    ),
    PlantedBug("remembered for too short a time", "idempotency.py", "REMEMBERED_S = 30", "REMEMBERED_S = 29"),
    PlantedBug("remembered for too long a time", "idempotency.py", "REMEMBERED_S = 30", "REMEMBERED_S = 31"),
    PlantedBug(
        "records in progress that outlive their invocation",
        "idempotency.py",
        "return self.time_left_ms()",
        "return self.time_left_ms() + 3_600_000",
    ),
    PlantedBug(
        "a record in progress that ends before its invocation",
        "idempotency.py",
        "return self.time_left_ms()",
        "return self.time_left_ms() // 10",
    ),
    PlantedBug(
        "a call for a media that another worker is on",
        "idempotency.py",
        'return Outcome(result=Result.UNAVAILABLE, reason="in_progress", media=media)',
        "return delete()",
    ),
    PlantedBug(
        "a table that does not answer taken for a confirmation",
        "idempotency.py",
        "return Outcome(result=Result.UNAVAILABLE, reason=reason, media=media)",
        "return Outcome(result=Result.ALREADY_GONE, reason=reason, media=media)",
    ),
    PlantedBug(
        "records kept by the number alone",
        "idempotency.py",
        "remembered(media=[media.business_phone, media.media_id])",
        "remembered(media=[media.business_phone])",
    ),
)

if __name__ == "__main__":
    sys.exit(main(BUGS, "tests/redelivery_model"))
