"""Verified absence: proves by an experiment that media files are gone, since NXCloud has no code for it.

NXCloud answers "request failed" for a media file that is gone or expired, and for a service in trouble. The experiment
asks about the media files between questions about a control, a picture that it uploads under the same business phone:

1. Upload the control; a second later `getMedia` finds it.
2. Twice: `getMedia` fails for each media file, then finds the control.
3. `deleteMedia` deletes the control at the first call; `getMedia` then fails for it, too.

One call at a time: side by side, a rate limit could hit the media files and spare the control. The first other response
ends the experiment without a proof.
"""

import base64
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Reason
from media_cleanup.provider.classification import may_mean_absent
from media_cleanup.request import Deadline
from nxcloud import Credentials, MediaClient, NxCloudError

CALL_S = 2.0
FINISH_S = 2.0  # after the experiment: records, links, log lines, answer
PROCESSING_S = 1.0  # NXCloud processes an upload
ROUNDS = 2
MAX_CHECKS = 3  # of the deleted control
CHECK_INTERVAL_S = 1.0
MIN_CALL_S, SAFETY = 0.01, 1.5  # for the number of media files that there is time for
MAX_USELESS_CONTROLS = 3
PAUSE_S = 600
CONTROL_FILE_NAME = "media-cleanup-control-please-delete.png"
# One transparent pixel
CONTROL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of an experiment: the media files proven absent; why there is no proof for the others."""

    absent: frozenset[Media] = frozenset()
    reason: Reason = Reason.PROVIDER_FAILED
    detail: str | None = None


@dataclass(slots=True)
class _Number:
    """The state of a business phone: the control that an earlier experiment left, and the useless ones in a row."""

    control_id: str | None = None
    useless_controls: int = 0
    paused_until: float = 0
    last_detail: str = ""


class _NoProofError(Exception):
    """The experiment ended without a proof: by NXCloud's response (`useless` control), or for lack of time."""

    def __init__(self, detail: str, *, useless: bool = True) -> None:
        super().__init__(f"absence not verified: {detail}")
        self.useless = useless


class AbsenceVerifier:
    """Verifies absence for one execution environment, in one thread. `clock` and `sleep` count seconds.

    Its calls never cause a pause, a refresh of the credentials, or an alarm.
    """

    def __init__(
        self,
        client: MediaClient,
        credentials: CredentialsStore,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._clock = clock
        self._sleep = sleep
        self._numbers: dict[str, _Number] = {}

    def prove(self, business_phone: str, media: Sequence[Media], deadline: Deadline) -> Proof:
        """Run one experiment on media files of one business phone. Never raises for NXCloud's responses."""
        number = self._numbers.setdefault(business_phone, _Number())
        if self._clock() < number.paused_until:
            return Proof(reason=Reason.VERIFICATION_PAUSED, detail=number.last_detail)
        try:
            credentials = self._credentials.get()
            experiment = _Experiment(
                self._client, credentials, business_phone, deadline, number, self._clock, self._sleep
            )
            absent = experiment.run(media)
        except DependencyUnavailable as error:
            return Proof(detail=f"absence not verified: {error}")
        except _NoProofError as error:
            if error.useless:
                self._count_useless(number, str(error))
            return Proof(detail=str(error))
        number.useless_controls = 0
        return Proof(absent, detail="getMedia found it, or there was no time to ask")

    def _count_useless(self, number: _Number, detail: str) -> None:
        number.useless_controls += 1
        if number.useless_controls >= MAX_USELESS_CONTROLS:
            number.useless_controls = 0
            number.paused_until = self._clock() + PAUSE_S
            number.last_detail = f"{MAX_USELESS_CONTROLS} controls in a row proved nothing; the last: {detail}"


@dataclass(frozen=True, slots=True)
class _Experiment:
    """One experiment, step by step; each step raises _NoProofError at the first unexpected response."""

    client: MediaClient
    credentials: Credentials
    business_phone: str
    deadline: Deadline
    number: _Number
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def run(self, media: Sequence[Media]) -> frozenset[Media]:
        """Run the experiment. Returns the media files that are proven absent, by this experiment alone."""
        self._upload_control()
        try:
            suspects = self._question(media)
        except _NoProofError:
            with suppress(_NoProofError):  # what cannot be deleted is used next time
                self._delete_control()
            raise
        control_id = self._delete_control()
        self._miss(control_id)
        return suspects

    def _question(self, media: Sequence[Media]) -> frozenset[Media]:
        """Ask for the media files between questions about the control. Returns those that were never found."""
        self.sleep(PROCESSING_S)
        asked_at = self.clock()
        self._find_control()
        suspects = [*media[: self._affordable(self.clock() - asked_at)]]
        for _ in range(ROUNDS):
            suspects = [each for each in suspects if not self._is_found(each.media_id)]
            self._find_control()
        return frozenset(suspects)

    def _affordable(self, call_s: float) -> int:
        """The number of media files that there is time for, by the duration of a call; at least one."""
        spare_s = self._remaining_s() - MAX_CHECKS * (CALL_S + CHECK_INTERVAL_S) - ROUNDS * CALL_S - CALL_S
        return max(1, int(spare_s / (ROUNDS * max(call_s, MIN_CALL_S) * SAFETY)))

    def _upload_control(self) -> None:
        if self.number.control_id is None:
            upload = (CONTROL_FILE_NAME, CONTROL, "image/png")
            try:
                self.number.control_id = self._call(self.client.upload_media, *upload)
            except NxCloudError as error:
                raise _NoProofError(f"uploadMedia of the control: {error}") from None

    def _find_control(self) -> None:
        try:
            self._call(self.client.get_media, self.number.control_id)
        except NxCloudError as error:
            raise _NoProofError(f"getMedia of the control: {error}") from None

    def _is_found(self, media_id: str, *, reserve_s: float = CALL_S) -> bool:
        try:
            self._call(self.client.get_media, media_id, reserve_s=reserve_s)
        except NxCloudError as error:
            if may_mean_absent(error):
                return False
            raise _NoProofError(f"getMedia: {error}") from None
        return True

    def _delete_control(self) -> str:
        """Delete the control at the first call. Returns its Media-ID."""
        control_id = self.number.control_id or ""
        try:
            self._call(self.client.delete_media, control_id, reserve_s=0)
        except NxCloudError as error:
            raise _NoProofError(f"deleteMedia of the control: {error}") from None
        self.number.control_id = None
        return control_id

    def _miss(self, control_id: str) -> None:
        for _ in range(MAX_CHECKS):
            if not self._is_found(control_id, reserve_s=0):
                return
            self.sleep(CHECK_INTERVAL_S)
        raise _NoProofError("getMedia still finds the deleted control")

    def _call(self, call: Callable[..., Any], *arguments: object, reserve_s: float = CALL_S) -> Any:  # noqa: ANN401 (the call's response)
        """Make one call, if there is time for it and `reserve_s`: for the control's removal."""
        if self._remaining_s() < CALL_S + reserve_s:
            raise _NoProofError("too little time left in the invocation", useless=False)
        return call(self.credentials, self.business_phone, *arguments, deadline_s=CALL_S)

    def _remaining_s(self) -> float:
        return self.deadline.get_remaining_time_in_millis() / 1000 - FINISH_S
