"""What an outcome tells, and when a request is given up."""

import pytest

from media_cleanup.model import S3Object
from media_cleanup.outcome import Outcome
from media_cleanup.result import Result
from media_cleanup.triggers.backoff import give_up


def unavailable(reason: str | None = "no_answer") -> Result:
    return Result(outcome=Outcome.UNAVAILABLE, reason=reason)


@pytest.mark.parametrize("attempt", [15, 16, 20])
def test_what_is_unavailable_at_the_15th_receive_is_given_up(attempt: int) -> None:
    assert give_up(unavailable(), attempt) == Result(outcome=Outcome.REJECTED, reason="gave_up: no_answer")


@pytest.mark.parametrize("attempt", [1, 14])
def test_before_that_it_comes_again(attempt: int) -> None:
    assert give_up(unavailable(), attempt) == unavailable()


def test_an_outcome_is_about_an_object_where_there_is_one() -> None:
    outcome = unavailable().about(S3Object("bucket", "key", "version"))
    assert (outcome.bucket, outcome.key) == ("bucket", "key")
    assert unavailable().about(None) == unavailable()


@pytest.mark.parametrize(
    ("reason", "failed"),
    [
        ("credentials_refused", True),
        ("credentials_unusable: text", True),
        ("gave_up: credentials_refused", True),
        ("no_answer: credentials_refused", False),
        (None, False),
    ],
)
def test_whether_a_person_must_look_at_the_credentials(reason: str | None, *, failed: bool) -> None:
    assert unavailable(reason).authentication_failed is failed
