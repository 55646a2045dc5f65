"""Message attributes of dead letters."""

from dataclasses import replace
from datetime import UTC, datetime

from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import Delivery
from media_cleanup.request import Request
from media_cleanup.result import Result
from media_cleanup.triggers.dead_letters import DeadLetter, create_dead_letters, dead_letter_attributes
from tests.conftest import MEDIA_ID

FAILED_AT = datetime(2026, 1, 15, 9, 26, 53, tzinfo=UTC)
REFUSED = Result(outcome=Outcome.REJECTED, reason=Reason.REFUSED_BY_PROVIDER)


def attribute_values(result: Result, delivery: Delivery) -> dict[str, str]:
    attributes = dead_letter_attributes(result, delivery, FAILED_AT)
    assert {attribute["DataType"] for attribute in attributes.values()} == {"String"}
    return {name: attribute["StringValue"] for name, attribute in attributes.items()}


def test_dead_letter_explains_itself_without_logs() -> None:
    result = Result(
        outcome=Outcome.REJECTED,
        reason=Reason.REFUSED_BY_PROVIDER,
        provider_code=9002,
        provider_message="wrong number",
    )
    assert attribute_values(result, Delivery("sqs", message_id="m-1")) == {
        "reason": "refused_by_provider",
        "provider_code": "9002",
        "provider_message": "wrong number",
        "failed_at": "2026-01-15T09:26:53+00:00",
        "source_message_id": "m-1",
    }


def test_attribute_without_value_is_left_out() -> None:  # SQS refuses empty ones
    result = Result(outcome=Outcome.REJECTED, reason=Reason.NOT_UNDERSTOOD, provider_message=" \x00\x1b ")
    assert attribute_values(result, Delivery("sqs")).keys() == {"reason", "failed_at"}


def test_attributes_are_sanitized_masked_and_cut() -> None:
    result = Result(
        outcome=Outcome.REJECTED,
        reason=Reason.NOT_UNDERSTOOD,
        detail="a\x00b\ud800c\uffff",
        provider_message="8615800001795 " + "x" * 300,
    )
    attributes = attribute_values(result, Delivery("sqs"))
    assert attributes["reason"] == "not_understood: abc"
    assert attributes["provider_message"] == "86158****1795 " + "x" * 242


def test_number_split_by_refused_characters_is_masked() -> None:
    split = "8615\x000000\x0b1795 and 49/30,1234567"
    result = Result(
        outcome=Outcome.REJECTED, reason=Reason.GAVE_UP, media=Media("49301234567", MEDIA_ID), provider_message=split
    )
    assert attribute_values(result, Delivery("sqs"))["provider_message"] == "86150****1795 and 49301****4567"


def test_size_is_that_of_body_names_and_values() -> None:
    attributes = dead_letter_attributes(REFUSED, Delivery("sqs"), FAILED_AT)
    values = {"reason": "refused_by_provider", "failed_at": "2026-01-15T09:26:53+00:00"}
    assert DeadLetter("a body", attributes).characters == len("a body" + "".join(values) + "".join(values.values()))


def test_whole_message_has_the_reason_of_its_first_rejected_part() -> None:
    request = Request(Media("8615800001795", MEDIA_ID))
    deleted, skipped = Result(outcome=Outcome.DELETED), Result(outcome=Outcome.SKIPPED)
    others = [replace(REFUSED, provider_code=number) for number in range(11)]
    parts = [(request, [deleted]), *((request, [deleted, skipped, other, deleted]) for other in others)]
    [letter] = create_dead_letters("body", parts, Delivery("sqs"), FAILED_AT)
    values = {name: attribute["StringValue"] for name, attribute in letter.attributes.items()}
    assert (values["provider_code"], values["rejected_parts"]) == ("0", "11")
