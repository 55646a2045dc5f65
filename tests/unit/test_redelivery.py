"""What a dead-lettered message tells of itself."""

from datetime import UTC, datetime

from media_cleanup.observability import Delivery
from media_cleanup.outcome import Outcome, Result
from media_cleanup.redelivery import dead_letter_attributes

FAILED_AT = datetime(2026, 1, 15, 9, 26, 53, tzinfo=UTC)


def told(outcome: Outcome, delivery: Delivery) -> dict[str, str]:
    attributes = dead_letter_attributes(outcome, delivery, FAILED_AT)
    assert {attribute["DataType"] for attribute in attributes.values()} == {"String"}
    return {name: attribute["StringValue"] for name, attribute in attributes.items()}


def test_everything_that_makes_it_readable_without_logs() -> None:
    outcome = Outcome(
        result=Result.REJECTED, reason="refused_by_provider", provider_code=9002, provider_message="wrong number"
    )
    assert told(outcome, Delivery("sqs", message_id="m-1")) == {
        "reason": "refused_by_provider",
        "provider_code": "9002",
        "provider_message": "wrong number",
        "failed_at": "2026-01-15T09:26:53+00:00",
        "source_message_id": "m-1",
    }


def test_no_attribute_is_empty_since_sqs_takes_none() -> None:
    outcome = Outcome(result=Result.REJECTED, reason="not_understood", provider_message=" \x00\x1b ")
    assert told(outcome, Delivery("sqs")).keys() == {"reason", "failed_at"}


def test_attributes_are_cleaned_cut_and_masked() -> None:
    outcome = Outcome(
        result=Result.REJECTED, reason="a\x00b\ud800c\uffff", provider_message="8615800001795 " + "x" * 300
    )
    attributes = told(outcome, Delivery("sqs"))
    assert attributes["reason"] == "abc"
    assert attributes["provider_message"] == "86158****1795 " + "x" * 242
