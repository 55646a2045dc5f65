"""The experiment that verifies absence: its calls, its control, its pauses, and its time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Lock
from time import sleep
from types import SimpleNamespace
from typing import cast

import pytest

from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Reason
from media_cleanup.provider.absence import CONTROL, AbsenceExperiments, Proof
from media_cleanup.provider.pacing import MARGIN, Pacer
from media_cleanup.request import Attempt
from nxcloud import (
    ApiError,
    ApiResponse,
    Credentials,
    InvalidResponseError,
    MediaClient,
    MediaFile,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
)
from tests.conftest import CREDENTIALS, PHONE

OTHER_PHONE = "4915112345678"
GONE = Media(PHONE, "gone")
ABSENT = RequestFailedError("NXCloud refused the call with code -1: request failed", http_status=200)
REFUSED = ApiError("NXCloud refused the call with code 1005: no right", provider_code=1005, http_status=200)
THROTTLED = ThrottledError("NXCloud refused the call with code 28: too fast", http_status=200, retry_after_s=700)
STORE = cast("CredentialsStore", SimpleNamespace(get=lambda _: CREDENTIALS))


@dataclass
class FakeNxCloudClient:
    """NXCloud's client in virtual time, with a verifier. `errors` are those of the calls with these numbers, from 0.

    `lost`: the calls that are carried out, but whose response is lost. `echoes`: how often a deleted control
    is still found. `calls` are those made, as text.
    """

    call_s: float = 0.0
    now_s: float = 1000.0
    ends_s: float = 1060.0
    media: set[str] = field(default_factory=set)
    errors: dict[int, NxCloudError] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    echoes: int = 0
    calls: list[str] = field(default_factory=list)
    files: list[tuple[object, ...]] = field(default_factory=list)
    deadlines_s: set[float] = field(default_factory=set)
    on_call: Callable[[], object] = lambda: None
    calls_per_s: float = 0
    called_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        pacer = Pacer(self.calls_per_s, lambda: self.now_s, self.sleep)
        self.verifier = AbsenceExperiments(cast("MediaClient", self), STORE, lambda: self.now_s, self.sleep, pacer)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.ends_s - self.now_s))

    def prove(self, *media_ids: str, phone: str = PHONE) -> Proof:
        """Run one experiment; each is in an invocation of its own, 60 s long."""
        self.calls.clear()
        return self.verifier.prove(phone, [Media(phone, media_id) for media_id in media_ids], Attempt(3, self))

    def upload_media(self, _: Credentials, __: str, *file: object, deadline_s: float) -> str:
        self.files.append(file)
        control = f"control-{len(self.files)}"
        self._call("upload", deadline_s, lambda: self.media.add(control))
        return control

    def get_media(self, _: Credentials, __: str, media_id: str, *, deadline_s: float) -> MediaFile:
        self._call(f"get {media_id}", deadline_s, lambda: self._require(media_id))
        return MediaFile("image/png", "", "")

    def delete_media(self, _: Credentials, __: str, media_id: str, *, deadline_s: float) -> ApiResponse:
        self._call(f"delete {media_id}", deadline_s, lambda: self._remove(media_id))
        return ApiResponse(0, "success", {"success": True}, 200)

    def _remove(self, media_id: str) -> None:
        self._require(media_id)
        self.media.discard(media_id)

    def _require(self, media_id: str) -> None:
        if media_id in self.media:
            return
        if not self.echoes or not media_id.startswith("control"):
            raise ABSENT
        self.echoes -= 1

    def _call(self, name: str, deadline_s: float, effect: Callable[[], object]) -> None:
        number = len(self.calls)
        self.calls.append(name)
        self.called_at.append(self.now_s)
        self.deadlines_s.add(deadline_s)
        self.on_call()
        self.now_s += self.call_s
        if number in self.errors:
            raise self.errors[number]
        effect()
        if number in self.lost:
            raise NoResponseError("no complete answer from NXCloud")


WHOLE = [
    "get gone",
    "upload",
    "get control-1",
    "get gone",
    "get control-1",
    "get gone",
    "get control-1",
    "delete control-1",
    "get control-1",
]


@pytest.fixture
def nxcloud() -> FakeNxCloudClient:
    return FakeNxCloudClient()


def test_experiment_makes_these_calls_in_this_order(nxcloud: FakeNxCloudClient) -> None:
    assert nxcloud.prove("gone").absent == {GONE}
    assert nxcloud.calls == WHOLE
    assert nxcloud.media == set()


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_experiment_makes_three_calls_per_media_and_six_for_the_control(count: int, nxcloud: FakeNxCloudClient) -> None:
    media_ids = [f"gone-{number}" for number in range(count)]
    assert len(nxcloud.prove(*media_ids).absent) == count
    assert len(nxcloud.calls) == 3 * count + 6
    assert (len(nxcloud.calls) <= 5 * count) == (count >= 3)


def test_control_is_a_small_picture_with_a_telling_name(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.prove("gone")
    assert nxcloud.files == [(CONTROL, "media-cleanup-control-please-delete.png", "image/png")]
    assert CONTROL.startswith(b"\x89PNG\r\n")
    assert len(CONTROL) < 100


def test_control_is_asked_for_a_second_after_its_upload(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.prove("gone")
    assert nxcloud.now_s == 1001


def test_each_call_has_a_deadline_of_two_seconds(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.prove("gone")
    assert nxcloud.deadlines_s == {2.0}


def test_calls_never_overlap(nxcloud: FakeNxCloudClient) -> None:
    running, overlaps = Lock(), []

    def call_slowly() -> None:
        overlaps.append(not running.acquire(blocking=False))
        sleep(0.01)  # long enough for another thread to call
        if not overlaps[-1]:
            running.release()

    nxcloud.on_call = call_slowly
    nxcloud.prove(*(f"gone-{number}" for number in range(5)))
    assert overlaps == [False] * (3 * 5 + 6)


@pytest.mark.parametrize("call", range(len(WHOLE)))
@pytest.mark.parametrize("error", [THROTTLED, REFUSED, InvalidResponseError("HTML"), NoResponseError("silence")])
def test_first_unexpected_answer_ends_without_proof(call: int, error: NxCloudError, nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {call: error}
    proof = nxcloud.prove("gone")
    assert proof.absent == set()
    assert proof.detail.startswith("absence not verified: ")
    assert proof.detail.endswith(str(error))
    cleaned_up = ["delete control-1"] if 2 <= call < 7 else []
    assert nxcloud.calls == WHOLE[: call + 1] + cleaned_up


@pytest.mark.parametrize("call", [1, 2, 4, 6, 7])
def test_control_that_fails_like_absent_media_ends_without_proof(call: int, nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {call: ABSENT}
    assert nxcloud.prove("gone").absent == set()


@pytest.mark.parametrize("missed", [(), (0,), (0, 4)])  # the questions about it that fail, before it is found
def test_found_media_leaves_the_experiment(missed: tuple[int, ...], nxcloud: FakeNxCloudClient) -> None:
    nxcloud.media.add("living")
    nxcloud.errors = dict.fromkeys(missed, ABSENT)
    proof = nxcloud.prove("living", "gone")
    assert proof.absent == {GONE}
    assert proof.found == {Media(PHONE, "living")}
    assert nxcloud.calls.count("get living") == len(missed) + 1


def test_no_control_is_uploaded_where_all_media_is_found(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.media.add("living")
    assert nxcloud.prove("living").found == {Media(PHONE, "living")}
    assert nxcloud.calls == ["get living"]


@pytest.mark.parametrize(("echoes", "proven"), [(1, True), (2, True), (3, False)])
def test_deleted_control_may_be_found_twice(echoes: int, nxcloud: FakeNxCloudClient, *, proven: bool) -> None:
    nxcloud.echoes = echoes
    assert bool(nxcloud.prove("gone").absent) == proven
    assert nxcloud.calls[-min(echoes + 1, 3) :] == ["get control-1"] * min(echoes + 1, 3)
    assert nxcloud.now_s == 1001 + echoes
    if not proven:
        assert len(nxcloud.prove("gone").absent) == 1  # with a new control
        assert len(nxcloud.files) == 2


# The control that stays


def test_control_that_cannot_be_deleted_is_used_next_time(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {7: ABSENT}
    assert nxcloud.prove("gone").absent == set()
    nxcloud.errors = {}
    assert nxcloud.prove("gone").absent == {GONE}
    assert "upload" not in nxcloud.calls
    assert (len(nxcloud.files), nxcloud.media) == (1, set())


def test_control_deleted_at_the_second_try_proves_nothing(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {4: ABSENT, 5: ABSENT}  # a question about the control, and its removal
    assert nxcloud.prove("gone").absent == set()
    nxcloud.errors = {2: REFUSED}
    proof = nxcloud.prove("gone")
    assert nxcloud.calls[-1] == "delete control-1"
    assert proof.absent == set()
    assert nxcloud.media == set()


def test_control_whose_deletion_had_no_response_is_replaced(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.lost = {7}
    assert nxcloud.prove("gone").absent == set()
    nxcloud.lost = set()
    assert nxcloud.prove("gone").absent == set()  # the control is missing
    assert nxcloud.prove("gone").absent == {GONE}
    assert len(nxcloud.files) == 2


@pytest.mark.parametrize("missed_after_s", [3597, 3597.5])
def test_missing_control_is_kept_for_an_hour(missed_after_s: float, nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {7: ABSENT}
    nxcloud.prove("gone")
    nxcloud.errors = {}
    nxcloud.media.clear()  # deleted by hand
    # From the upload at 1000: missing within the hour, then at the hour or after it, when it is forgotten
    for passed_s, uploads in ((missed_after_s, 1), (0, 1), (601, 2)):
        nxcloud.now_s += passed_s
        nxcloud.ends_s = nxcloud.now_s + 60
        nxcloud.prove("gone")
        assert len(nxcloud.files) == uploads


def test_new_control_whose_deletion_had_no_response_is_used_next_time(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {2: ABSENT, 3: NoResponseError("no complete answer from NXCloud")}
    nxcloud.prove("gone")
    nxcloud.errors = {}
    assert nxcloud.prove("gone").absent == {GONE}
    assert "upload" not in nxcloud.calls


def test_upload_without_response_is_not_known(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.lost = {1}
    assert nxcloud.prove("gone").absent == set()
    assert nxcloud.media == {"control-1"}  # it stays in the account
    nxcloud.lost = set()
    assert nxcloud.prove("gone").absent == {GONE}


# Pauses


def test_three_useless_controls_pause_the_number_for_ten_minutes(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {1: REFUSED}
    assert [nxcloud.prove("gone").reason for _ in range(3)] == [Reason.PROVIDER_FAILED] * 3
    proof = nxcloud.prove("gone")
    assert (proof.reason, nxcloud.calls) == (Reason.VERIFICATION_PAUSED, [])
    assert proof.detail == (
        "3 experiments in a row proved nothing; the last: absence not verified: uploadMedia of the control: "
        "NXCloud refused the call with code 1005: no right"
    )
    nxcloud.errors = {}
    nxcloud.now_s += 599
    nxcloud.ends_s += 600
    assert nxcloud.prove("gone").reason is Reason.VERIFICATION_PAUSED
    nxcloud.now_s += 1
    assert nxcloud.prove("gone").absent == {GONE}


def test_pause_is_of_that_number_alone(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {1: REFUSED}
    for _ in range(3):
        nxcloud.prove("gone")
    nxcloud.errors = {}
    assert nxcloud.prove("gone", phone=OTHER_PHONE).absent == {Media(OTHER_PHONE, "gone")}


def test_proof_between_useless_controls_starts_the_count_anew(nxcloud: FakeNxCloudClient) -> None:
    for call in (1, 1, None, 1, 1, 1):
        nxcloud.errors = {} if call is None else {call: REFUSED}
        assert nxcloud.prove("gone").reason is Reason.PROVIDER_FAILED
    assert nxcloud.prove("gone").reason is Reason.VERIFICATION_PAUSED


def test_pauses_take_three_useless_controls_each_time(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {1: REFUSED}
    for _ in range(2):
        assert [nxcloud.prove("gone").reason for _ in range(3)] == [Reason.PROVIDER_FAILED] * 3
        assert nxcloud.prove("gone").reason is Reason.VERIFICATION_PAUSED
        nxcloud.now_s += 600
        nxcloud.ends_s += 600


def test_experiment_without_retry_after_returns_none(nxcloud: FakeNxCloudClient) -> None:
    assert nxcloud.prove("gone").retry_after_s == 0
    nxcloud.errors = {1: REFUSED}
    assert nxcloud.prove("gone").retry_after_s == 0


def test_retry_after_of_an_experiment_is_returned(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.errors = {4: THROTTLED}
    assert nxcloud.prove("gone").retry_after_s == 700


def test_states_of_numbers_are_bounded(nxcloud: FakeNxCloudClient) -> None:
    nxcloud.media.add("living")
    for number in range(10_005):
        nxcloud.prove("living", phone=str(number))
    assert len(nxcloud.verifier._numbers) == 10_000  # noqa: SLF001 (its size is what is tested)


def test_missing_credentials_prove_nothing(nxcloud: FakeNxCloudClient) -> None:
    def fail(_: str) -> Credentials:
        raise DependencyUnavailable(Reason.SECRET_UNREACHABLE, "secret s was not read")

    store = cast("CredentialsStore", SimpleNamespace(get=fail))
    verifier = AbsenceExperiments(cast("MediaClient", nxcloud), store)
    proof = verifier.prove(PHONE, [GONE], Attempt(3, nxcloud))
    assert nxcloud.calls == []
    assert proof.absent == set()
    assert proof.detail == "absence not verified: secret_unreachable: secret s was not read"


def test_control_is_kept_for_its_credentials_alone(nxcloud: FakeNxCloudClient) -> None:
    pairs = [CREDENTIALS, Credentials("another-key", "s"), CREDENTIALS]
    store = cast("CredentialsStore", SimpleNamespace(get=lambda _: pairs.pop(0)))
    nxcloud.verifier = AbsenceExperiments(cast("MediaClient", nxcloud), store, lambda: nxcloud.now_s, nxcloud.sleep)
    nxcloud.errors = {7: REFUSED}  # deleteMedia of the control
    nxcloud.prove("gone")
    assert nxcloud.media == {"control-1"}
    nxcloud.errors = {}
    nxcloud.prove("gone")
    assert len(nxcloud.files) == 2  # another account cannot see the control
    nxcloud.prove("gone")
    assert len(nxcloud.files) == 2
    assert nxcloud.media == set()


# Time


@pytest.mark.parametrize("call_s", [0.0, 0.05, 0.2, 1.0, 1.9])
def test_experiment_ends_in_time_whatever_a_call_takes(call_s: float) -> None:
    nxcloud = FakeNxCloudClient(call_s=call_s)
    proof = nxcloud.prove(*(f"gone-{number}" for number in range(40)))
    assert len(proof.absent) == {0.0: 40, 0.05: 40, 0.2: 40, 1.0: 9, 1.9: 3}[call_s]
    assert nxcloud.now_s <= nxcloud.ends_s - 8
    assert nxcloud.media == set()


# Each call takes a second. After n questions, 51 - n seconds are left, or a millisecond fewer, and 19 + 3n are needed
@pytest.mark.parametrize(("ends_s", "asked"), [(60.0, 9), (59.999, 8)])
def test_experiment_takes_as_many_media_as_it_has_time_for(ends_s: float, asked: int) -> None:
    nxcloud = FakeNxCloudClient(call_s=1.0, now_s=1.0, ends_s=ends_s)
    nxcloud.prove(*(f"gone-{number}" for number in range(40)))
    assert nxcloud.calls.index("upload") == asked


@pytest.mark.parametrize(("left_s", "uploads"), [(15.0, 1), (14.999, 0)])
def test_control_is_uploaded_if_there_is_time_to_delete_it(left_s: float, uploads: int) -> None:
    nxcloud = FakeNxCloudClient(ends_s=1000 + left_s)
    nxcloud.prove("gone")
    assert len(nxcloud.files) == uploads


@pytest.mark.parametrize(
    ("call", "left_s", "last_call"),
    [
        (6, 10.0, "get control-1"),  # 8 s are for the rest of the batch, so that there is time for a call
        (6, 9.999, "get control-1"),
        (7, 10.0, "get control-1"),
        (7, 9.999, "delete control-1"),
    ],
)
def test_last_calls_are_made_while_there_is_time_for_one(call: int, left_s: float, last_call: str) -> None:
    client = FakeNxCloudClient()

    def pass_time() -> None:
        if len(client.calls) == call + 1:
            client.now_s = client.ends_s - left_s

    client.on_call = pass_time
    proven = client.prove("gone").absent == {GONE}
    assert (client.calls[-1], proven) == (last_call, left_s == 10.0)


def test_experiment_needs_no_positive_clock() -> None:
    assert FakeNxCloudClient(now_s=-1000.0, ends_s=-940.0).prove("gone").absent == {GONE}


@pytest.mark.parametrize("left_s", [0, 3, 8, 10, 12, 14, 16, 18, 20, 25, 30])
def test_control_never_stays_for_lack_of_time(left_s: float) -> None:
    nxcloud = FakeNxCloudClient(call_s=1.9, ends_s=1000 + left_s)
    proof = nxcloud.prove("gone")
    assert nxcloud.media == set()
    assert nxcloud.now_s <= max(1000, nxcloud.ends_s - 8)
    assert proof.absent == ({GONE} if left_s >= 30 else set())
    if not proof.absent:
        assert proof.detail == "absence not verified: too little time left in the invocation"


def test_calls_of_experiment_wait_for_their_turns() -> None:
    nxcloud = FakeNxCloudClient(calls_per_s=1, call_s=0.1)
    assert nxcloud.prove("gone").absent
    assert min(later - earlier for earlier, later in pairwise(nxcloud.called_at)) == pytest.approx(MARGIN)


@pytest.mark.parametrize("left_s", range(8, 60))
def test_paced_experiment_leaves_no_control(left_s: int) -> None:
    nxcloud = FakeNxCloudClient(calls_per_s=0.25, call_s=1.9, ends_s=1000 + left_s)
    nxcloud.prove("gone", "too")
    assert nxcloud.media == set()
    assert nxcloud.now_s <= max(1000, nxcloud.ends_s - 8)


# With a rate, the last of nine calls is made 33.6 s after the first, and takes 2 s; 8 s are for the rest of the batch
@pytest.mark.parametrize(("left_s", "proven"), [(43.7, True), (43.5, False)])
def test_paced_experiment_is_whole_if_its_last_turn_is_in_time(left_s: float, *, proven: bool) -> None:
    nxcloud = FakeNxCloudClient(calls_per_s=0.25, ends_s=1000 + left_s)
    assert (nxcloud.prove("gone").absent == {GONE}) is proven


@pytest.mark.parametrize("calls_per_s", [0, 0.25])
def test_lack_of_time_is_no_useless_control(calls_per_s: float) -> None:
    nxcloud = FakeNxCloudClient(calls_per_s=calls_per_s, call_s=1.9, ends_s=1020)
    for _ in range(4):
        nxcloud.now_s = 1000
        assert nxcloud.prove("gone").reason is Reason.PROVIDER_FAILED
