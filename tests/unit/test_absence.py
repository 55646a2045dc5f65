"""When a media that NXCloud can neither delete nor find counts as gone; a small clock in seconds tells when."""

import pytest

from media_cleanup.model import Media
from media_cleanup.provider.absence import Evidence

GONE = Media("8615800001795", "gone")
UNKNOWN = Media("8615800001795", "other")


@pytest.fixture
def evidence() -> Evidence:
    return Evidence()


def missed(evidence: Evidence, media: Media, now: float) -> bool:
    """Neither deleted nor found: what to make of it."""
    evidence.failed(media, now - 0.2)
    evidence.failed(media, now)
    return evidence.is_absent(media, now)


def test_a_provider_that_confirms_nothing_proves_nothing(evidence: Evidence) -> None:
    assert not evidence.is_alive(0)
    assert not missed(evidence, GONE, 0)
    assert not missed(evidence, GONE, 40)


def test_a_calm_provider_that_works_for_others_is_believed_at_once(evidence: Evidence) -> None:
    evidence.confirmed(UNKNOWN, 0)
    assert missed(evidence, GONE, 30)


def test_proof_of_life_is_good_for_a_minute(evidence: Evidence) -> None:
    evidence.confirmed(UNKNOWN, 0)
    assert evidence.is_alive(59.9)
    assert not evidence.is_alive(60)
    assert not evidence.is_alive(61)
    assert not missed(evidence, GONE, 60)


def test_the_beginning_of_an_outage_is_not_taken_for_absence(evidence: Evidence) -> None:
    evidence.confirmed(UNKNOWN, 0)
    evidence.failed(UNKNOWN, 1)
    assert not missed(evidence, GONE, 2)
    assert not missed(evidence, GONE, 40)


def test_a_confirmation_between_two_misses_proves_absence_even_in_bad_weather(evidence: Evidence) -> None:
    evidence.confirmed(UNKNOWN, 0)
    evidence.failed(UNKNOWN, 1)
    assert not missed(evidence, GONE, 2)
    evidence.confirmed(UNKNOWN, 3)
    evidence.failed(UNKNOWN, 4)
    assert missed(evidence, GONE, 40)


def test_an_answer_that_was_asked_for_before_the_first_miss_proves_nothing(evidence: Evidence) -> None:
    evidence.failed(UNKNOWN, 1)
    assert not missed(evidence, GONE, 10)
    evidence.confirmed(UNKNOWN, 9)  # it arrived late
    assert not missed(evidence, GONE, 40)


def test_an_answer_that_was_asked_for_just_then_proves_nothing_either(evidence: Evidence) -> None:
    evidence.failed(UNKNOWN, 1)
    assert not missed(evidence, GONE, 10)
    evidence.confirmed(UNKNOWN, 10)
    assert not missed(evidence, GONE, 40)


def test_late_answers_do_not_turn_the_proof_back(evidence: Evidence) -> None:
    evidence.confirmed(UNKNOWN, 50)
    evidence.confirmed(UNKNOWN, 0)
    assert evidence.is_alive(100)


def test_a_media_that_was_found_after_all_begins_anew(evidence: Evidence) -> None:
    evidence.confirmed(UNKNOWN, 0)
    evidence.failed(UNKNOWN, 1)
    assert not missed(evidence, GONE, 2)
    evidence.confirmed(GONE, 3)
    assert not missed(evidence, GONE, 4)


def test_a_failure_of_long_ago_disturbs_nobody(evidence: Evidence) -> None:
    evidence.failed(UNKNOWN, 0)
    evidence.confirmed(UNKNOWN, 50)
    assert missed(evidence, GONE, 60)


def test_so_does_one_of_a_little_longer_ago(evidence: Evidence) -> None:
    evidence.failed(UNKNOWN, 0)
    evidence.confirmed(UNKNOWN, 50)
    assert missed(evidence, GONE, 61)


def test_a_failure_within_the_minute_makes_the_first_miss_wait(evidence: Evidence) -> None:
    evidence.failed(UNKNOWN, 0)
    evidence.confirmed(UNKNOWN, 50)
    assert not missed(evidence, GONE, 59.9)


def test_very_many_failures_are_not_all_remembered(evidence: Evidence) -> None:
    evidence.confirmed(UNKNOWN, 0)
    evidence.failed(UNKNOWN, 0)
    for number in range(10_001):
        assert not missed(evidence, Media("8615800001795", str(number)), 1)
    evidence.confirmed(UNKNOWN, 2)
    assert missed(evidence, Media("8615800001795", "1"), 3)
    assert not missed(evidence, Media("8615800001795", "0"), 3)  # forgotten, and so waits for another miss
