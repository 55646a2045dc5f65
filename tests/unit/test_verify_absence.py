"""Two proofs, an hour apart: what a batch's results become, what is recorded, and when a message is redelivered."""

from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.absence import AbsenceExperiments, Proof
from media_cleanup.request import Attempt, Request
from media_cleanup.result import Confirmation, Result, WorkItem
from media_cleanup.verify_absence import VerifyAbsence
from tests.conftest import PHONE, Context

MEDIA, OTHER = Media(PHONE, "media"), Media(PHONE, "other")
ELSEWHERE = Media("4915112345678", "media")
FAILED = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.PROVIDER_FAILED, provider_code=-1, may_be_absent=True)
INTERVAL_S = 3600


@dataclass
class Fakes:
    """A verifier with this proof for each business phone, and records with these ages of first proofs, in seconds."""

    proofs: dict[str, Proof] = field(default_factory=dict)
    ages_s: dict[Media, float] = field(default_factory=dict)
    unreachable: bool = False
    unwritable: bool = False
    asked: list[tuple[str, list[Media]]] = field(default_factory=list)
    confirmed: list[Media] = field(default_factory=list)

    def prove(self, business_phone: str, media: list[Media], _: Attempt) -> Proof:
        self.asked.append((business_phone, media))
        return self.proofs[business_phone]

    def get_proof_age_s(self, media: Media) -> float | None:
        self._fail(fails=self.unreachable)
        return self.ages_s.get(media)

    def put_proof(self, media: Media) -> None:
        self._fail(fails=self.unwritable)
        self.ages_s[media] = 0

    def remove_proof(self, media: Media) -> None:
        self._fail(fails=self.unwritable)
        del self.ages_s[media]

    def confirm(self, media: Media, confirmation: Confirmation) -> None:
        assert (confirmation.outcome, confirmation.reason) == (Outcome.ALREADY_GONE, Reason.VERIFIED_ABSENT)
        self.confirmed.append(media)

    def _fail(self, *, fails: bool) -> None:
        if fails:
            raise DependencyUnavailable(Reason.IDEMPOTENCY_UNREACHABLE, "the table t answered Throttling")

    def verify(self, *handled: WorkItem) -> list[Result]:
        """Verify a batch. Returns all results."""
        verification = VerifyAbsence(cast("AbsenceExperiments", self), cast("DeletionRecords", self), INTERVAL_S)
        verification.verify(handled)
        return [result for each in handled for result in each.results]


def failed(*media: Media, attempt: int = 3, time_left_ms: int = 60_000) -> WorkItem:
    """A request whose calls for these media files failed."""
    return WorkItem(
        Request(media[0]),
        Attempt(attempt, Context(time_left_ms=time_left_ms)),
        [replace(FAILED, media=m) for m in media],
    )


@pytest.fixture
def fakes() -> Fakes:
    return Fakes({PHONE: Proof(absent=frozenset({MEDIA, OTHER})), ELSEWHERE.business_phone: Proof(detail="no proof")})


def test_first_proof_is_recorded_and_hides_for_an_hour(fakes: Fakes) -> None:
    [result] = fakes.verify(failed(MEDIA))
    assert (result.outcome, result.reason_text) == (
        Outcome.UNAVAILABLE,
        "provider_failed: absence proven once of twice",
    )
    assert (result.retry_after_s, fakes.ages_s, fakes.confirmed) == (3600, {MEDIA: 0}, [])


def test_second_proof_after_an_hour_is_verified_absent(fakes: Fakes) -> None:
    fakes.ages_s[MEDIA] = 3600
    [result] = fakes.verify(failed(MEDIA))
    assert (result.outcome, result.reason_text) == (Outcome.ALREADY_GONE, "verified_absent")
    assert result.confirmed_ms
    assert fakes.confirmed == [MEDIA]


def test_media_is_not_asked_for_within_the_hour(fakes: Fakes) -> None:
    fakes.ages_s[MEDIA] = 3000.5
    [result] = fakes.verify(failed(MEDIA))
    assert (result.outcome, result.retry_after_s, fakes.asked) == (Outcome.UNAVAILABLE, 600, [])


@pytest.mark.parametrize(("attempt", "asked"), [(1, 0), (2, 0), (3, 1), (15, 1)])
def test_absence_is_verified_from_the_third_receive(attempt: int, asked: int, fakes: Fakes) -> None:
    results = fakes.verify(failed(MEDIA, attempt=attempt))
    assert len(fakes.asked) == asked
    assert (results == [replace(FAILED, media=MEDIA)]) == (not asked)


def test_failure_that_cannot_mean_absent_is_left_alone(fakes: Fakes) -> None:
    throttled = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.THROTTLED, media=MEDIA, retry_after_s=7)
    both = WorkItem(Request(MEDIA), Attempt(3, Context()), [throttled, replace(FAILED, media=OTHER)])
    assert fakes.verify(both)[0] == throttled
    assert fakes.asked == [(PHONE, [OTHER])]


def test_media_of_one_number_shares_one_experiment(fakes: Fakes) -> None:
    fakes.verify(failed(OTHER), failed(ELSEWHERE), failed(MEDIA, OTHER))
    assert fakes.asked == [(ELSEWHERE.business_phone, [ELSEWHERE]), (PHONE, [MEDIA, OTHER])]


def test_result_of_each_message_for_the_media_is_replaced(fakes: Fakes) -> None:
    fakes.ages_s[MEDIA] = 4000
    results = fakes.verify(failed(MEDIA, attempt=1), failed(MEDIA))
    assert [result.outcome for result in results] == [Outcome.ALREADY_GONE] * 2


def test_experiment_without_proof_explains_itself(fakes: Fakes) -> None:
    fakes.proofs[PHONE] = Proof(reason=Reason.VERIFICATION_PAUSED, detail="why", retry_after_s=700)
    [result] = fakes.verify(failed(MEDIA))
    assert (result.outcome, result.reason_text, result.retry_after_s) == (
        Outcome.UNAVAILABLE,
        "verification_paused: why",
        700,
    )


def test_found_media_loses_its_first_proof(fakes: Fakes) -> None:
    fakes.ages_s = {MEDIA: 4000, OTHER: 4000}
    fakes.proofs[PHONE] = Proof(found=frozenset({MEDIA}), detail="no proof")
    found, unknown = fakes.verify(failed(MEDIA, OTHER))
    assert (found.outcome, found.detail) == (Outcome.UNAVAILABLE, "getMedia finds the media file")
    assert (unknown.outcome, unknown.detail) == (Outcome.UNAVAILABLE, "no proof")
    assert fakes.ages_s == {OTHER: 4000}


def test_unreachable_table_leaves_media_unavailable(fakes: Fakes) -> None:
    fakes.unreachable = True
    [result] = fakes.verify(failed(MEDIA))
    assert (result.outcome, result.reason) == (Outcome.UNAVAILABLE, Reason.PROVIDER_FAILED)
    assert result.detail == "absence not verified: idempotency_unreachable: the table t answered Throttling"
    assert fakes.asked == []


def test_first_proof_that_cannot_be_recorded_is_none(fakes: Fakes) -> None:
    fakes.unwritable = True
    fakes.ages_s[OTHER] = 4000
    first, second = fakes.verify(failed(MEDIA, OTHER))
    assert (first.outcome, first.retry_after_s) == (Outcome.UNAVAILABLE, 0)
    assert second.outcome is Outcome.ALREADY_GONE


def test_nothing_is_asked_with_too_little_time_left(fakes: Fakes) -> None:
    [result] = fakes.verify(failed(MEDIA, time_left_ms=5_999))
    assert (result.outcome, fakes.asked) == (Outcome.UNAVAILABLE, [])
    assert result.detail == "absence not verified: out_of_time"


def test_experiment_has_at_most_100_media_files(fakes: Fakes) -> None:
    media = [Media(PHONE, f"media-{number:03}") for number in range(101)]
    fakes.proofs[PHONE] = Proof(absent=frozenset(media))
    *proven, last = fakes.verify(failed(*media))
    assert {result.retry_after_s for result in proven} == {3600}
    assert (last.retry_after_s, last.detail) == (0, "absence not verified: too little time left in the invocation")
    fakes.verify(failed(*media))
    assert fakes.asked[-1] == (PHONE, [media[-1]])  # the others wait for their second proof


def test_batch_without_doubts_asks_nothing(fakes: Fakes) -> None:
    deleted = WorkItem(Request(MEDIA), Attempt(3, Context()), [Result(outcome=Outcome.DELETED, media=MEDIA)])
    assert fakes.verify(deleted) == deleted.results
    assert fakes.verify() == []
    assert fakes.asked == []
