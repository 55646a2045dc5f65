"""The log line's fields: phone numbers are masked in each text."""

import json

from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import Delivery, log_fields
from media_cleanup.request import Origin
from media_cleanup.result import Result
from tests.conftest import MEDIA_ID, PHONE

MASKED = "86158****1795"


def test_each_field_masks_the_requests_own_number() -> None:
    spelled = "86/158,0000/1795"
    result = Result(
        outcome=Outcome.REJECTED,
        reason=Reason.INVALID_ANSWER,
        detail=f"no JSON: {spelled}",
        media=Media(PHONE, MEDIA_ID),
        bucket=f"photos-{PHONE}",
        key=f"2026-01-15/{spelled}/{MEDIA_ID}.jpg",
        provider_message=f"{spelled} is not bound",
        origin=Origin(spelled, f"AWS:{spelled}", f"on behalf of {spelled}", spelled),
    )
    fields = log_fields(result, Delivery("direct"))
    assert PHONE not in json.dumps(fields)
    assert (fields["bucket"], fields["provider_message"]) == (f"photos-{MASKED}", f"{MASKED} is not bound")
    assert fields["object_key"] == f"2026-01-15/{MASKED}/{MEDIA_ID}.jpg"
    assert fields["reason"] == f"invalid_answer: no JSON: {MASKED}"
    assert (fields["version_id"], fields["requester"]) == (MASKED, f"AWS:{MASKED}")
    assert (fields["deletion_reason"], fields["requested_by"]) == (f"on behalf of {MASKED}", MASKED)


def test_account_id_and_version_id_stay_readable() -> None:
    origin = Origin("WDK123456789fqfpZTzTUgDPVQzKO8TP", "123456789012")
    fields = log_fields(
        Result(outcome=Outcome.DELETED, media=Media(PHONE, MEDIA_ID), origin=origin), Delivery("direct")
    )
    assert (fields["version_id"], fields["requester"]) == (origin.version_id, origin.requester)


def test_own_number_in_the_form_of_an_id_is_masked() -> None:
    phone = "447700900123"
    result = Result(outcome=Outcome.DELETED, media=Media(phone, MEDIA_ID), origin=Origin(f"{phone:x<32}", phone))
    fields = log_fields(result, Delivery("direct"))
    assert (fields["version_id"], fields["requester"]) == (f"{'44770****0123':x<33}", "44770****0123")


def test_bucket_of_a_request_without_media_is_masked() -> None:
    result = Result(outcome=Outcome.SKIPPED, reason=Reason.NO_MEDIA, bucket="photos-86-158-0000-1795", key="a")
    assert log_fields(result, Delivery("direct"))["bucket"] == f"photos-{MASKED}"
