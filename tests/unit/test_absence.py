"""Evidence for the absence of a media file that NXCloud can neither delete nor find. Times are in seconds."""

import pytest

from media_cleanup.model import Media
from media_cleanup.provider.absence import Evidence

ABSENT = Media("8615800001795", "absent")
OTHER = Media("8615800001795", "other")


@pytest.fixture
def evidence() -> Evidence:
    return Evidence()


def is_absent(evidence: Evidence, media: Media, now: float) -> bool:
    """Whether a media file counts as absent after a failed `deleteMedia` and a failed `getMedia`."""
    evidence.failed(media, now - 0.2)
    evidence.failed(media, now)
    return evidence.is_absent(media, now)


def test_absence_without_any_confirmation_is_not_proved(evidence: Evidence) -> None:
    assert not evidence.is_alive(0)
    assert not is_absent(evidence, ABSENT, 0)
    assert not is_absent(evidence, ABSENT, 40)


def test_absence_with_recent_confirmation_is_proved_at_once(evidence: Evidence) -> None:
    evidence.confirmed(OTHER, 0)
    assert is_absent(evidence, ABSENT, 30)


def test_confirmation_expires_after_a_minute(evidence: Evidence) -> None:
    evidence.confirmed(OTHER, 0)
    assert evidence.is_alive(59.9)
    assert not evidence.is_alive(60)
    assert not evidence.is_alive(61)
    assert not is_absent(evidence, ABSENT, 60)


def test_absence_at_start_of_outage_is_not_proved(evidence: Evidence) -> None:
    evidence.confirmed(OTHER, 0)
    evidence.failed(OTHER, 1)
    assert not is_absent(evidence, ABSENT, 2)
    assert not is_absent(evidence, ABSENT, 40)


def test_confirmation_between_failures_proves_absence_in_outage(evidence: Evidence) -> None:
    evidence.confirmed(OTHER, 0)
    evidence.failed(OTHER, 1)
    assert not is_absent(evidence, ABSENT, 2)
    evidence.confirmed(OTHER, 3)
    evidence.failed(OTHER, 4)
    assert is_absent(evidence, ABSENT, 40)


def test_confirmation_requested_before_first_failure_is_no_proof(evidence: Evidence) -> None:
    evidence.failed(OTHER, 1)
    assert not is_absent(evidence, ABSENT, 10)
    evidence.confirmed(OTHER, 9)  # the time of its request; the response arrived later
    assert not is_absent(evidence, ABSENT, 40)


def test_confirmation_requested_at_first_failure_is_no_proof(evidence: Evidence) -> None:
    evidence.failed(OTHER, 1)
    assert not is_absent(evidence, ABSENT, 10)
    evidence.confirmed(OTHER, 10)
    assert not is_absent(evidence, ABSENT, 40)


def test_late_response_keeps_the_newer_confirmation(evidence: Evidence) -> None:
    evidence.confirmed(OTHER, 50)
    evidence.confirmed(OTHER, 0)
    assert evidence.is_alive(100)


def test_media_found_later_needs_new_evidence(evidence: Evidence) -> None:
    evidence.confirmed(OTHER, 0)
    evidence.failed(OTHER, 1)
    assert not is_absent(evidence, ABSENT, 2)
    evidence.confirmed(ABSENT, 3)
    assert not is_absent(evidence, ABSENT, 4)


def test_other_failure_a_minute_ago_is_ignored(evidence: Evidence) -> None:
    evidence.failed(OTHER, 0)
    evidence.confirmed(OTHER, 50)
    assert is_absent(evidence, ABSENT, 60)


def test_other_failure_over_a_minute_ago_is_ignored(evidence: Evidence) -> None:
    evidence.failed(OTHER, 0)
    evidence.confirmed(OTHER, 50)
    assert is_absent(evidence, ABSENT, 61)


def test_other_failure_within_a_minute_delays_the_proof(evidence: Evidence) -> None:
    evidence.failed(OTHER, 0)
    evidence.confirmed(OTHER, 50)
    assert not is_absent(evidence, ABSENT, 59.9)


def test_failures_beyond_the_limit_are_forgotten(evidence: Evidence) -> None:
    evidence.confirmed(OTHER, 0)
    evidence.failed(OTHER, 0)
    for number in range(10_001):
        assert not is_absent(evidence, Media("8615800001795", str(number)), 1)
    evidence.confirmed(OTHER, 2)
    assert is_absent(evidence, Media("8615800001795", "1"), 3)
    assert not is_absent(
        evidence, Media("8615800001795", "0"), 3
    )  # its first failure is forgotten, so another must follow
