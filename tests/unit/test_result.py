"""Results of requests: the reason's text, the object, and failed authentication."""

from dataclasses import replace

import pytest

from media_cleanup.errors import DependencyUnavailable, RequestRejectedError
from media_cleanup.model import Media, S3Object
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import Malformed, ObjectEvent, ObjectEventType, Origin, Request
from media_cleanup.result import Confirmation, Result


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Result(outcome=Outcome.DELETED), None),
        (Result(outcome=Outcome.SKIPPED, reason=Reason.OBJECT_EXISTS), "object_exists"),
        (
            Result(outcome=Outcome.SKIPPED, reason=Reason.NOT_A_DELETION, detail="ObjectAcl:Put"),
            "not_a_deletion: ObjectAcl:Put",
        ),
        (Result(outcome=Outcome.REJECTED, reason=Reason.GAVE_UP, last_reason=Reason.NO_ANSWER), "gave_up: no_answer"),
        (
            Result(outcome=Outcome.REJECTED, reason=Reason.GAVE_UP, last_reason=Reason.NO_ANSWER, detail="silence"),
            "gave_up: no_answer: silence",
        ),
    ],
)
def test_reason_text_joins_reason_last_reason_and_detail(result: Result, text: str | None) -> None:
    assert result.reason_text == text


def test_result_of_error_has_its_reason_and_detail() -> None:
    media = Media("8615800001795", "media")
    unavailable = Result.unavailable(DependencyUnavailable(Reason.NO_ANSWER, "silence"), media)
    assert (unavailable.outcome, unavailable.reason_text, unavailable.media) == (
        Outcome.UNAVAILABLE,
        "no_answer: silence",
        media,
    )
    rejected = Result.rejected(RequestRejectedError(Reason.INVALID_KEY, "why"))
    assert (rejected.outcome, rejected.reason_text) == (Outcome.REJECTED, "invalid_key: why")


def test_result_may_not_mean_absent_unless_stated() -> None:
    assert not Result(outcome=Outcome.UNAVAILABLE).may_be_absent


def test_result_of_request_has_its_object_event_time_and_origin() -> None:
    result = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.NO_ANSWER)
    event = ObjectEvent(ObjectEventType.REMOVED, "ObjectRemoved:Delete", S3Object("bucket", "key", "version"))
    origin = Origin("version", "s3.amazonaws.com", "Lifecycle Expiration")
    expected = replace(result, bucket="bucket", key="key", occurred_ms=7, origin=origin)
    assert result.of_request(Request(event, 7, origin=origin)) == expected
    assert result.of_request(Request(Malformed("no JSON"))) == result


@pytest.mark.parametrize(
    ("reason", "last_reason", "detail", "failed"),
    [
        (Reason.CREDENTIALS_REFUSED, None, None, True),
        (Reason.CREDENTIALS_UNUSABLE, None, "text", True),
        (Reason.GAVE_UP, Reason.CREDENTIALS_REFUSED, None, True),
        (Reason.GAVE_UP, Reason.CREDENTIALS_UNUSABLE, "text", True),
        (Reason.NO_ANSWER, None, "credentials_refused", False),
        (Reason.GAVE_UP, Reason.NO_ANSWER, "credentials_refused", False),
        (None, None, None, False),
    ],
)
def test_authentication_failed_follows_the_reasons(
    reason: Reason | None, last_reason: Reason | None, detail: str | None, *, failed: bool
) -> None:
    result = Result(outcome=Outcome.UNAVAILABLE, reason=reason, last_reason=last_reason, detail=detail)
    assert result.authentication_failed is failed


CONFIRMED = Confirmation(Outcome.DELETED, None, 0, 7)


@pytest.mark.parametrize(
    ("result", "confirmation"),
    [
        (Result(outcome=Outcome.DELETED, provider_code=0, confirmed_ms=7), CONFIRMED),
        (
            Result(
                outcome=Outcome.ALREADY_GONE, reason=Reason.VERIFIED_ABSENT, provider_code=-1, confirmed_ms=7
            ),  # the code is of the failure before the experiment
            Confirmation(Outcome.ALREADY_GONE, Reason.VERIFIED_ABSENT, None, 7),
        ),
        (
            Result(outcome=Outcome.ALREADY_GONE, reason=Reason.REMEMBERED, earlier_confirmation=CONFIRMED),
            CONFIRMED,
        ),
        (Result(outcome=Outcome.UNAVAILABLE, reason=Reason.PROVIDER_FAILED, provider_code=-1), None),
    ],
)
def test_confirmation_is_the_own_or_the_earlier_one(result: Result, confirmation: Confirmation | None) -> None:
    assert result.confirmation == confirmation


@pytest.mark.parametrize("reason", list(Reason))
def test_only_pace_and_brake_are_waited_for(reason: Reason) -> None:
    waits = reason in {Reason.PACED, Reason.BRAKED}
    assert Result(outcome=Outcome.UNAVAILABLE, reason=reason).is_waiting is waits


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_deleted_and_already_gone_mean_gone(outcome: Outcome) -> None:
    assert Result(outcome=outcome).is_gone is (outcome in {Outcome.DELETED, Outcome.ALREADY_GONE})


def test_own_number_is_that_of_the_media_file() -> None:
    assert Result(outcome=Outcome.DELETED).own_numbers == ()
    assert Result(outcome=Outcome.DELETED, media=Media("8615800001795", "media")).own_numbers == ("8615800001795",)
