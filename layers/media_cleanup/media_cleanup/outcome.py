"""The closed vocabulary of results: outcomes and reasons."""

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a request. All are final except `unavailable`, which is redelivered."""

    DELETED = "deleted"  # NXCloud confirmed the deletion
    ALREADY_GONE = "already_gone"  # deleted earlier, or verified absent
    LINKED = "linked"  # index function only: the link is written
    SKIPPED = "skipped"  # nothing to do
    UNAVAILABLE = "unavailable"  # not possible now
    REJECTED = "rejected"  # can never succeed, or was given up


class Reason(StrEnum):
    """The reason for an outcome. These words are public: logs, dead letters and documentation use them."""

    # already_gone
    REMEMBERED = "remembered"  # the idempotency table holds a confirmed deletion
    VERIFIED_ABSENT = "verified_absent"  # NXCloud can neither delete nor find the media file

    # skipped
    NOT_A_DELETION = "not_a_deletion"  # an S3 event of another type
    NOT_A_STORE = "not_a_store"  # index function: an S3 event of another type
    TEST_EVENT = "test_event"  # sent by S3 when a notification is configured
    EMPTY = "empty"  # an event without records
    OBJECT_EXISTS = "object_exists"  # the current object keeps the media file
    STORED_LATER = "stored_later"  # the links are newer than the deletion
    NO_MEDIA = "no_media"  # the object has no link, and its key names no media file
    OUTSIDE_PREFIX = "outside_prefix"  # the key does not begin with ObjectKeyPrefix
    GONE_OR_REPLACED = "gone_or_replaced"  # index function: the event's object does not exist any more
    DRY_RUN = "dry_run"  # DryRun is set

    # unavailable
    PROVIDER_FAILED = "provider_failed"  # -1, 9001, 9003 to 9005, 9007, 9099, unknown codes, `success` false
    CIRCUIT_OPEN = "circuit_open"  # calls have stopped for a while after repeated network errors or HTTP 5xx
    PACED = "paced"  # CallsPerSecond allows no call in the rest of the invocation; a wait, and no failure
    BRAKED = "braked"  # MaxDeletionsPerHour is reached; a wait, and no failure
    THROTTLED = "throttled"  # 27, 28, 88, 9099 with a rate limit of Meta, HTTP 429
    VERIFICATION_PAUSED = "verification_paused"  # three controls in a row proved nothing
    NO_ANSWER = "no_answer"  # network error, or the deadline passed
    INVALID_ANSWER = "invalid_answer"  # HTTP error, redirect, no JSON, oversized response
    CLOCK_SKEWED = "clock_skewed"  # 1004 after correcting the clock
    CREDENTIALS_REFUSED = "credentials_refused"  # 1003, 1005, other 100X
    CREDENTIALS_UNUSABLE = "credentials_unusable"  # the secret is missing, malformed or a placeholder
    SECRET_UNREACHABLE = "secret_unreachable"  # noqa: S105 (a reason; Secrets Manager failed)
    INDEX_UNREACHABLE = "index_unreachable"  # the media index table failed
    IDEMPOTENCY_UNREACHABLE = "idempotency_unreachable"  # the idempotency table failed
    OBJECT_UNKNOWN = "object_unknown"  # S3 did not say whether the object exists
    DELETION_NOT_ASKED = "deletion_not_asked"  # index function: the deletion queue failed
    IN_PROGRESS = "in_progress"  # another invocation is deleting the media file
    OUT_OF_TIME = "out_of_time"  # too little time left in the invocation
    INTERNAL_ERROR = "internal_error"  # an unexpected exception

    # rejected
    NOT_UNDERSTOOD = "not_understood"  # malformed
    INVALID_KEY = "invalid_key"  # the key names a business phone without a Media-ID, or the reverse
    SSE_C_OBJECT = "sse_c_object"  # the object is encrypted with a customer-provided key, so it cannot be looked at
    REFUSED_BY_PROVIDER = "refused_by_provider"  # 1001, 1002, 9000, 9002, 9006
    GAVE_UP = "gave_up"  # unavailable at the 15th failed receive, or a day before the queue's retention ends
    EVENT_NOT_PUBLISHED = "event_not_published"  # of a dead letter: the outcome stands, its event was not accepted
