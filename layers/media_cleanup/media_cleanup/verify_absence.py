"""Use case after a batch: media files that NXCloud can neither delete nor find are verified to be absent.

It takes two proofs, an hour or more apart, since a short disturbance could mislead one. The first is remembered,
and the message hidden until the second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil

from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.absence import AbsenceExperiments, Proof
from media_cleanup.request import Attempt
from media_cleanup.result import Confirmation, Result, WorkItem
from nxcloud import system_clock_ms

FIRST_ATTEMPT = 3  # a short disturbance has passed by then, and a call that cannot succeed is not worth more
MAX_MEDIA = 100  # in one experiment


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is known about a media file after this batch: absent at `confirmed_ms`, or why not, and when to ask next."""

    confirmed_ms: int | None = None
    reason: Reason = Reason.PROVIDER_FAILED
    detail: str | None = None
    retry_after_s: int = 0


class VerifyAbsence:
    """Verifies absence with two proofs, `interval_s` seconds or more apart."""

    def __init__(self, experiments: AbsenceExperiments, records: DeletionRecords, interval_s: float) -> None:
        self._experiments = experiments
        self._records = records
        self._interval_s = interval_s

    def verify(self, handled: Sequence[WorkItem]) -> None:
        """Verify the media files in question, number by number, and replace their results."""
        in_question = {
            (result.media.business_phone, result.media.media_id): result.media
            for each in handled
            for result in each.results
            if result.media and result.may_be_absent and each.attempt.number >= FIRST_ATTEMPT
        }
        verdicts: dict[Media, _Verdict] = {}
        for business_phone, group in groupby(sorted(in_question.values(), key=_key), lambda each: each.business_phone):
            verdicts |= self._verify_number(business_phone, list(group), handled[0].attempt)
        for each in handled:
            each.results[:] = [
                _apply(verdicts[result.media], result) if result.media in verdicts and result.may_be_absent else result
                for result in each.results
            ]

    def _verify_number(
        self, business_phone: str, media_files: Sequence[Media], attempt: Attempt
    ) -> dict[Media, _Verdict]:
        waiting: dict[Media, _Verdict] = {}
        due: dict[Media, bool] = {}  # whether there is a first proof
        try:
            for each in media_files:
                attempt.require_time()
                age_s = self._records.get_proof_age_s(each)
                if age_s is not None and age_s < self._interval_s:
                    waiting[each] = self._proven_once(age_s)
                else:
                    due[each] = age_s is not None
                if len(due) == MAX_MEDIA:
                    break
            proof = self._experiments.prove(business_phone, list(due), attempt) if due else Proof()
        except DependencyUnavailable as error:
            return dict.fromkeys(media_files, _not_verified(error)) | waiting
        concluded = {each: self._conclude(each, proof, attempt, proven=due[each]) for each in due}
        return dict.fromkeys(media_files, _Verdict(detail=Proof().detail)) | waiting | concluded

    def _conclude(self, media: Media, proof: Proof, attempt: Attempt, *, proven: bool) -> _Verdict:
        """Record what an experiment says about a media file; `proven`: there is a first proof, an interval old."""
        try:
            attempt.require_time()
            if media in proof.found:
                if proven:
                    self._records.remove_proof(media)
                return _Verdict(detail="getMedia finds the media file")
            if media not in proof.absent:
                return _Verdict(reason=proof.reason, detail=proof.detail, retry_after_s=proof.retry_after_s)
            if not proven:
                self._records.put_proof(media)
                return self._proven_once(0)
        except DependencyUnavailable as error:
            return _not_verified(error)
        confirmed_ms = system_clock_ms()
        confirmation = Confirmation(Outcome.ALREADY_GONE, Reason.VERIFIED_ABSENT, None, confirmed_ms)
        self._records.confirm(media, confirmation)
        return _Verdict(confirmed_ms)

    def _proven_once(self, age_s: float) -> _Verdict:
        return _Verdict(detail="absence proven once of twice", retry_after_s=ceil(self._interval_s - age_s))


def _key(media: Media) -> tuple[str, str]:
    return media.business_phone, media.media_id


def _not_verified(error: DependencyUnavailable) -> _Verdict:
    return _Verdict(detail=f"absence not verified: {error}")


def _apply(verdict: _Verdict, result: Result) -> Result:
    if verdict.confirmed_ms is not None:
        return replace(
            result,
            outcome=Outcome.ALREADY_GONE,
            reason=Reason.VERIFIED_ABSENT,
            detail=None,
            retry_after_s=None,
            confirmed_ms=verdict.confirmed_ms,
        )
    return replace(result, reason=verdict.reason, detail=verdict.detail, retry_after_s=verdict.retry_after_s)
