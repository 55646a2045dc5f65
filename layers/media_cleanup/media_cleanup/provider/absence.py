"""Verified absence: proves by an experiment that media files are gone, since NXCloud has no code for it.

NXCloud answers "request failed" for a media file that is gone or expired, and for a service in trouble. The experiment
asks for the media files between questions about a control, a picture that it uploads under the same business phone:

1. `getMedia` fails for each media file; those that it finds leave the experiment, here and below.
2. Upload the control; a second later `getMedia` finds it.
3. Twice: `getMedia` fails for each media file, then finds the control.
4. `deleteMedia` deletes the control at the first call; `getMedia` then fails for it, too.

One call at a time: side by side, a rate limit could hit the media files and spare the control. The first other response
ends the experiment without a proof.
"""

import base64
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Reason
from media_cleanup.provider.classification import may_mean_absent
from media_cleanup.provider.pacing import Pacer
from media_cleanup.request import Attempt
from nxcloud import Credentials, InvalidResponseError, MediaClient, NoResponseError, NxCloudError

CALL_S = 2.0
FINISH_S = 8.0  # after the experiment: records, links, log lines, dead letters, answer
PROCESSING_S = 1.0  # NXCloud processes an upload
ROUNDS = 2
MAX_CHECKS = 3  # of the deleted control
CHECK_INTERVAL_S = 1.0
CONTROL_CALLS = 1 + 1 + ROUNDS + 1 + MAX_CHECKS
SAFETY = 1.5  # later calls may take longer than the first ones
MAX_USELESS_CONTROLS = 3
PAUSE_S = 600
MAX_CONTROL_AGE_S = 3600  # of a control that is not found: it may have been deleted by hand
MAX_NUMBERS = 10_000
CONTROL_FILE_NAME = "media-cleanup-control-please-delete.png"
# One transparent pixel
CONTROL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of an experiment: the media files proven absent, those found, and why nothing is known of the others.

    `retry_after_s` is NXCloud's `Retry-After`, in seconds.
    """

    absent: frozenset[Media] = frozenset()
    found: frozenset[Media] = frozenset()
    reason: Reason = Reason.PROVIDER_FAILED
    detail: str = "absence not verified: too little time left in the invocation"
    retry_after_s: int = 0


@dataclass(slots=True)
class _PhoneState:
    """The state of a business phone with its credentials: the control that was left, and useless ones in a row.

    `maybe_deleted`: the control's deletion had no response, so that it may have been carried out.
    """

    control_id: str | None = None
    uploaded_at: float = -inf
    maybe_deleted: bool = False
    useless_controls: int = 0
    paused_until: float = -inf
    last_detail: str = ""


class _NoProofError(Exception):
    """The experiment ended without a proof: by NXCloud's response (`useless` control), or for lack of time."""

    def __init__(self, step: str, error: NxCloudError | None = None, *, useless: bool = True) -> None:
        super().__init__(f"absence not verified: {step}{f': {error}' if error else ''}")
        self.useless = useless
        self.retry_after_s = (error and error.retry_after_s) or 0


class _ControlMissingError(_NoProofError):
    """`getMedia` does not find the control."""


class AbsenceExperiments:
    """Verifies absence for one execution environment, in one thread. `clock` and `sleep` count seconds.

    `pacer` gives its calls their turns. They never cause a pause, an open circuit, a refresh of the credentials, or an
    alarm.
    """

    def __init__(
        self,
        client: MediaClient,
        credentials: CredentialsStore,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        pacer: Pacer | None = None,
    ) -> None:
        self._pacer = pacer or Pacer()
        self._client = client
        self._credentials = credentials
        self._clock = clock
        self._sleep = sleep
        self._numbers: dict[tuple[Credentials, str], _PhoneState] = {}

    def prove(self, business_phone: str, media_files: Sequence[Media], attempt: Attempt) -> Proof:
        """Run one experiment on media files of one business phone. Never raises for NXCloud's responses."""
        try:
            credentials = self._credentials.get(business_phone)
        except DependencyUnavailable as error:
            return Proof(detail=f"absence not verified: {error}")
        number = self._number(credentials, business_phone)
        if self._clock() < number.paused_until:
            return Proof(reason=Reason.VERIFICATION_PAUSED, detail=number.last_detail)
        experiment = _Experiment(
            self._client, credentials, business_phone, attempt, number, self._pacer, self._clock, self._sleep
        )
        try:
            absent = experiment.run(media_files)
        except _NoProofError as error:
            if error.useless:
                self._count_useless(number, str(error))
            return Proof(found=frozenset(experiment.found), detail=str(error), retry_after_s=error.retry_after_s)
        number.useless_controls = 0
        return Proof(absent, frozenset(experiment.found))

    def _number(self, credentials: Credentials, business_phone: str) -> _PhoneState:
        number = self._numbers.pop((credentials, business_phone), None) or _PhoneState()
        self._numbers[credentials, business_phone] = number  # the latest is last
        if len(self._numbers) > MAX_NUMBERS:
            del self._numbers[next(iter(self._numbers))]
        return number

    def _count_useless(self, number: _PhoneState, detail: str) -> None:
        number.useless_controls += 1
        if number.useless_controls >= MAX_USELESS_CONTROLS:
            number.useless_controls = 0
            number.paused_until = self._clock() + PAUSE_S
            number.last_detail = f"{MAX_USELESS_CONTROLS} experiments in a row proved nothing; the last: {detail}"


@dataclass(frozen=True, slots=True)
class _Experiment:
    """One experiment, step by step; each step raises _NoProofError at the first unexpected response.

    `found` are the media files that `getMedia` has found.
    """

    client: MediaClient
    credentials: Credentials
    business_phone: str
    attempt: Attempt
    number: _PhoneState
    pacer: Pacer
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    found: set[Media] = field(default_factory=set)

    def run(self, media_files: Sequence[Media]) -> frozenset[Media]:
        """Run the experiment. Returns the media files that are proven absent, by this experiment alone."""
        suspects = self._select(media_files)
        if not suspects:
            return frozenset()
        kept = self.number.control_id is not None
        if not kept:
            self._upload_control()
        try:
            suspects = self._question(suspects)
        except _NoProofError as error:
            with suppress(_NoProofError):  # what cannot be deleted is used next time
                self._delete_control()
            if kept and isinstance(error, _ControlMissingError):
                self._forget_deleted_control()
            raise
        self._miss(self._delete_control())
        return frozenset(suspects)

    def _select(self, media_files: Sequence[Media]) -> list[Media]:
        """Ask for media files, as many as there is time for in the whole experiment. Returns those not found."""
        suspects: list[Media] = []
        started_at = self.clock()
        for asked, each in enumerate(media_files, 1):
            suspects += self._misses([each])
            calls_s = SAFETY * (self.clock() - started_at) / asked * (CONTROL_CALLS + ROUNDS * (len(suspects) + 1))
            if self._remaining_s() < calls_s + PROCESSING_S + MAX_CHECKS * CHECK_INTERVAL_S:
                break
        return suspects

    def _question(self, suspects: list[Media]) -> list[Media]:
        """Ask for the media files between questions about the control. Returns those that were never found."""
        self.sleep(PROCESSING_S)
        self._find_control()
        for _ in range(ROUNDS):
            suspects = self._misses(suspects)
            self._find_control()
        return suspects

    def _misses(self, media_files: Sequence[Media]) -> list[Media]:
        """Ask for media files, one by one. Returns those that `getMedia` does not find."""
        found = {each for each in media_files if self._is_found(each.media_id)}
        self.found.update(found)
        return [each for each in media_files if each not in found]

    def _upload_control(self) -> None:
        """Upload a control, if there is time to find and to delete it."""
        upload = (CONTROL, CONTROL_FILE_NAME, "image/png")
        try:
            self.number.control_id = self._call(
                self.client.upload_media, *upload, reserve_s=PROCESSING_S + self._paced_call_s + self._paced_call_s
            )
        except NxCloudError as error:
            raise _NoProofError("uploadMedia of the control", error) from None
        self.number.uploaded_at, self.number.maybe_deleted = self.clock(), False

    def _find_control(self) -> None:
        try:
            self._call(self.client.get_media, self.number.control_id)
        except NxCloudError as error:
            kind = _ControlMissingError if may_mean_absent(error) else _NoProofError
            raise kind("getMedia of the control", error) from None

    def _is_found(self, media_id: str, *, reserve_s: float | None = None) -> bool:
        try:
            self._call(self.client.get_media, media_id, reserve_s=reserve_s)
        except NxCloudError as error:
            if may_mean_absent(error):
                return False
            raise _NoProofError("getMedia", error) from None
        return True

    def _delete_control(self) -> str:
        """Delete the control at the first call. Returns its Media-ID."""
        control_id = self.number.control_id or ""
        try:
            self._call(self.client.delete_media, control_id, reserve_s=0)
        except NxCloudError as error:
            self.number.maybe_deleted |= isinstance(error, NoResponseError | InvalidResponseError)
            raise _NoProofError("deleteMedia of the control", error) from None
        self.number.control_id = None
        return control_id

    def _forget_deleted_control(self) -> None:
        """Forget a control that `getMedia` does not find, where its deletion had no response, or after an hour."""
        if self.number.maybe_deleted or self.clock() >= self.number.uploaded_at + MAX_CONTROL_AGE_S:
            self.number.control_id = None

    def _miss(self, control_id: str) -> None:
        """Check that `getMedia` fails for the deleted control."""
        for _ in range(MAX_CHECKS):
            if not self._is_found(control_id, reserve_s=0):
                return
            self.sleep(CHECK_INTERVAL_S)
        raise _NoProofError("getMedia still finds the deleted control")

    def _call(self, call: Callable[..., Any], *arguments: object, reserve_s: float | None = None) -> Any:  # noqa: ANN401 (the call's response)
        """Make one call in its turn, if there is time for it and `reserve_s`: that for the control's removal."""
        reserve_s = self._paced_call_s if reserve_s is None else reserve_s
        try:
            self.pacer.wait_for_turn(self._remaining_s() - CALL_S - reserve_s)
            if self._remaining_s() < CALL_S + reserve_s:
                raise _NoProofError("too little time left in the invocation", useless=False)
            return call(self.credentials, self.business_phone, *arguments, deadline_s=CALL_S)
        except DependencyUnavailable as error:
            raise _NoProofError(str(error), useless=False) from None

    @property
    def _paced_call_s(self) -> float:
        """The time of one call and its turn."""
        return self.pacer.interval_s + CALL_S

    def _remaining_s(self) -> float:
        return self.attempt.remaining_ms / 1000 - FINISH_S
