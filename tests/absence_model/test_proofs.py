"""Whatever NXCloud answers, media that it holds is declared gone only after both proofs went as they must.

The oracle reads the calls alone, one letter each, and knows nothing of the code under test.
"""

import re
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome
from media_cleanup.provider.absence import AbsenceExperiments
from media_cleanup.provider.flow_control import FlowControl
from media_cleanup.provider.gateway import NxCloudGateway
from media_cleanup.request import Attempt, Request
from media_cleanup.result import Result, WorkItem
from media_cleanup.verify_absence import VerifyAbsence
from nxcloud import (
    ApiError,
    ApiResponse,
    CorrectedClock,
    Credentials,
    CredentialsRefusedError,
    InvalidRequestError,
    InvalidResponseError,
    MediaClient,
    MediaFile,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
)
from tests.absence_model.clock import Clock
from tests.absence_model.provider import failure
from tests.absence_model.simulation import INTERVAL_S, FakeRecords
from tests.absence_model.simulation import Credentials as StoredCredentials
from tests.conftest import PHONE, Context

MEDIA = (Media(PHONE, "first"), Media(PHONE, "second"))
ABSENT = (failure(-1), failure(9001), failure(9099, 100))
UNCLEAR: tuple[NxCloudError, ...] = (
    ThrottledError("", provider_code=28, http_status=200),
    ThrottledError("", http_status=429),
    ApiError("", provider_code=9003, http_status=200),
    ApiError("", provider_code=9099, meta_code=190, http_status=200),
    ApiError("", provider_code=0, http_status=200),
    RequestFailedError("", provider_code=-1, http_status=404),
    RequestFailedError("", provider_code=-1, http_status=200, retry_after_s=1),
    CredentialsRefusedError("", provider_code=1005, http_status=200),
    InvalidRequestError("", provider_code=9002, http_status=200),
    InvalidResponseError("", http_status=500),
    NoResponseError(""),
)
SUCCESS, HONEST = "success", "honest"
Answer = str | NxCloudError

# Each call is a letter. Of the media file: (f)ound, (m)issing. Of the control: (U)ploaded, (F)ound, (M)issing,
# (D)eleted. Any other answer is an x. Answers about other media files are left out, except for x.
PROOF = re.compile("mUFmFmFDF{0,2}M|mFmFmFDF{0,2}M")


@dataclass
class ScriptedClient:
    """NXCloud's client with answers by script; an honest answer is that of a service that works, and has lost MEDIA.

    `calls` are those of each media file's receives, as letters.
    """

    answers: list[Answer]
    calls: dict[Media, str] = field(default_factory=dict)
    control: str | None = None
    uploads: int = 0

    def delete_media(self, _: Credentials, phone: str, media_id: str, *, deadline_s: float) -> ApiResponse:  # noqa: ARG002 (no call is that slow)
        """Delete a media file."""
        media = Media(phone, media_id)
        self._answer(media, honest=SUCCESS if media_id == self.control else ABSENT[0], letters=("D", "x"))
        self.control = None if media_id == self.control else self.control
        return ApiResponse(0, "success", {"success": True}, 200)

    def get_media(self, _: Credentials, phone: str, media_id: str, *, deadline_s: float) -> MediaFile:  # noqa: ARG002 (no call is that slow)
        """Look a media file up."""
        media = Media(phone, media_id)
        letters = ("f", "m") if media in MEDIA else ("F", "M")
        self._answer(media, honest=SUCCESS if media_id == self.control else ABSENT[0], letters=letters)
        return MediaFile("image/png", "", "")

    def upload_media(self, _: Credentials, phone: str, *file: object, deadline_s: float) -> str:  # noqa: ARG002 (its content does not matter)
        """Upload a media file."""
        self._answer(Media(phone, "new"), honest=SUCCESS, letters=("U", "x"))
        self.uploads += 1
        self.control = f"control-{self.uploads}"
        return self.control

    def _answer(self, media: Media, honest: Answer, letters: tuple[str, str]) -> None:
        answer = self.answers.pop(0) if self.answers else HONEST
        answer = honest if answer == HONEST else answer
        letter = letters[0] if answer == SUCCESS else letters[1] if answer in ABSENT else "x"
        for each in MEDIA:
            if letter == "x" or media not in MEDIA or media == each:
                self.calls[each] = self.calls.get(each, "") + letter
        if isinstance(answer, NxCloudError):
            raise answer


@dataclass(frozen=True)
class Receive:
    """What happened at a receive: when, the letters of the verification, and the outcome."""

    at_s: float
    letters: str
    outcome: Outcome


def receives(answers: list[Answer], gaps_s: list[float]) -> list[dict[Media, Receive]]:
    """Handle MEDIA in one message each, redelivered after these gaps, until they are done."""
    clock, client = Clock(), ScriptedClient(list(answers))
    media_client = cast("MediaClient", client)
    gateway = NxCloudGateway(media_client, CorrectedClock(), StoredCredentials, FlowControl(clock=clock))
    records = cast("DeletionRecords", FakeRecords(clock))
    verification = VerifyAbsence(
        AbsenceExperiments(media_client, StoredCredentials, clock, clock.sleep), records, INTERVAL_S
    )
    left, history = list(MEDIA), []
    for number, gap_s in enumerate(gaps_s, 3):
        attempt = Attempt(number, Context())
        handled = [WorkItem(Request(media), attempt, [delete(gateway, media, attempt)]) for media in left]
        client.calls.clear()
        verification.verify(handled)
        ends = zip(left, handled, strict=True)
        receive = {m: Receive(clock.now_s, client.calls.get(m, ""), h.results[0].outcome) for m, h in ends}
        history.append(receive)
        left = [media for media in left if receive[media].outcome is Outcome.UNAVAILABLE]
        clock.sleep(gap_s)
    return history


def delete(gateway: NxCloudGateway, media: Media, attempt: Attempt) -> Result:
    """Call NXCloud, unless calls pause."""
    try:
        return gateway.delete(media, attempt)
    except DependencyUnavailable as error:
        return Result.unavailable(error, media)


def is_proven(history: list[Receive]) -> bool:
    """Whether the last of these receives ended with a proof, an hour or more after another, nothing found between."""
    *earlier, last = history
    if not PROOF.fullmatch(last.letters):
        return False
    for each in reversed(earlier):
        if "f" in each.letters:
            return False
        if PROOF.fullmatch(each.letters) and last.at_s - each.at_s >= INTERVAL_S:
            return True
    return False


def deviations() -> st.SearchStrategy[list[Answer]]:
    """Mostly honest answers, with others at any place."""
    answer: st.SearchStrategy[Answer] = st.sampled_from([SUCCESS, *ABSENT, *UNCLEAR])
    honest: st.SearchStrategy[Answer] = st.just(HONEST)
    place = st.tuples(st.integers(0, 60), answer)

    def place_all(places: list[tuple[int, Answer]]) -> list[Answer]:
        answers: list[Answer] = [HONEST] * 61
        for index, each in places:
            answers[index] = each
        return answers

    return st.lists(place, max_size=6).map(place_all) | st.lists(honest | answer, max_size=60)


GAPS = st.lists(st.sampled_from([30.0, 1800.0, 3590.0, 3600.0, 4000.0, 14_400.0]), min_size=6, max_size=10)


@settings(max_examples=400, deadline=None)
@given(deviations(), GAPS)
@example([], [3600.0] * 6)
@example([], [30.0] * 6)
def test_media_is_declared_gone_only_after_two_whole_proofs(answers: list[Answer], gaps_s: list[float]) -> None:
    history = receives(answers, gaps_s)
    for media in MEDIA:
        own = [receive[media] for receive in history if media in receive]
        for number, receive in enumerate(own, 1):
            if receive.outcome is Outcome.ALREADY_GONE:
                assert is_proven(own[:number])


def outcomes_of(answers: list[Answer], gap_s: float, count: int = 3) -> list[Outcome]:
    """The first media file's outcomes, at receives with this gap."""
    history = receives(answers, [gap_s] * count)
    return [receive[MEDIA[0]].outcome for receive in history if MEDIA[0] in receive]


def test_two_proofs_an_hour_apart_declare_media_gone() -> None:
    assert outcomes_of([], 3600.0) == [Outcome.UNAVAILABLE, Outcome.ALREADY_GONE]


def test_two_proofs_in_less_than_an_hour_do_not() -> None:
    assert outcomes_of([], 1000.0) == [Outcome.UNAVAILABLE] * 3


def test_every_call_of_an_experiment_decides() -> None:
    whole = receives([], [3600.0] * 2)[0][MEDIA[0]].letters
    assert PROOF.fullmatch(whole)
    before = 2  # the deletions of both media files
    calls = before + len(whole) + 3  # and the questions about the other media file
    for place in range(before, calls):
        for answer in UNCLEAR:
            answers: list[Answer] = [*[HONEST] * place, answer]
            assert outcomes_of(answers, 3600.0, 2) == [Outcome.UNAVAILABLE] * 2, f"call {place}: {answer!r}"


@pytest.mark.parametrize("question", [0, 4, 7])  # of the first media file in "mmUFmmFmmFDM"
def test_media_found_once_in_the_second_proof_is_not_gone(question: int) -> None:
    first, deletions = 2 + len("mmUFmmFmmFDM"), 2
    answers: list[Answer] = [*[HONEST] * (first + deletions + question), SUCCESS]
    assert outcomes_of(answers, 3600.0, 2) == [Outcome.UNAVAILABLE] * 2


def test_media_found_in_between_needs_two_new_proofs() -> None:
    first = 2 + len("mmUFmmFmmFDM")
    answers: list[Answer] = [*[HONEST] * (first + 2), SUCCESS]  # getMedia, at the second receive
    assert outcomes_of(answers, 3600.0, 4) == [Outcome.UNAVAILABLE] * 3 + [Outcome.ALREADY_GONE]
