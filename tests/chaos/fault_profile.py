"""The fake NXCloud with random faults, and with a record of the confirmations that did not reach the client."""

from collections.abc import Mapping
from enum import Enum
from random import Random
from threading import Lock, local

from localdev.fake_nxcloud import FakeNxCloud, Fault, Provider
from localdev.fake_nxcloud.provider import Reply

FAULT_SHARE = 0.35  # of the calls, in the profile `MIXED`


class FaultProfile(Enum):
    """The faults that NXCloud injects."""

    NONE = "none"
    MIXED = "mixed"  # random faults of all kinds, in a third of the calls
    OUTAGE_RESET = "outage: resets"
    OUTAGE_CODE = "outage: code -1"


class RecordingProvider(Provider):
    """The provider, with the media files whose deletion was carried out but not confirmed to the client."""

    def __init__(self, access_key: str, access_secret: str) -> None:
        super().__init__(access_key, access_secret)
        self.lost_confirmations: set[str] = set()
        self.current_call = local()  # each call is handled in its own thread

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Carry out a call, and record a deletion whose response will be lost."""
        reply = super().answer(path, headers, body)
        if getattr(self.current_call, "response_lost", False) and reply.code == 0:
            deleted = {call.media_id for call in self.calls[-50:] if call.body == body and call.code == 0}
            self.lost_confirmations |= deleted
        return reply


class FaultyNxCloud(FakeNxCloud):
    """The fake NXCloud with a fault profile instead of a list of faults. It counts the calls and the faults.

    `slowest_s`: the duration of the slowest responses, in seconds.
    """

    def __init__(self, access_key: str, access_secret: str, seed: int, slowest_s: float) -> None:
        self.recording_provider = RecordingProvider(access_key, access_secret)
        super().__init__(provider=self.recording_provider)
        self.profile = FaultProfile.NONE
        self.deletion_calls = 0
        self.faults: dict[str, int] = {}
        self._slowest_s = slowest_s
        self._random = Random(seed)  # noqa: S311 (repeatable on purpose)
        self._draw_lock = Lock()

    def next_fault(self, action: str) -> Fault | None:
        """Return the fault to inject into the current call, if any."""
        with self._draw_lock:
            fault = self._draw_fault()
            self.deletion_calls += action == "deleteMedia"
            if fault:
                self.faults[fault.kind] = self.faults.get(fault.kind, 0) + 1
        self.recording_provider.current_call.response_lost = fault is not None and fault.kind == "lost"
        return fault

    def _draw_fault(self) -> Fault | None:
        match self.profile:
            case FaultProfile.OUTAGE_RESET:
                return Fault("reset")
            case FaultProfile.OUTAGE_CODE:
                return Fault("code", code=-1)
            case FaultProfile.MIXED if self._random.random() < FAULT_SHARE:
                return self._draw_mixed_fault()
            case _:
                return None

    def _draw_mixed_fault(self) -> Fault:
        """Draw any fault."""
        random = self._random
        faults = [
            Fault("latency", seconds=random.uniform(0.05, 0.8)),
            Fault("status", status=429, retry_after=random.choice([None, 1, 2, 3600])),
            Fault("status", status=random.choice([500, 502, 503, 504])),
            Fault("reset"),
            Fault("lost"),
            Fault("close"),
            Fault("truncated"),
            Fault("oversized"),
            Fault("redirect", location="http://127.0.0.1:9/elsewhere"),
            Fault("interim", status=random.choice([102, 103])),
            Fault("code", code=-1),
            Fault("code", code=9001),
            Fault("code", code=random.choice([28, 9003, 9007, 4711, -2])),
            Fault("unconfirmed"),
        ]
        if random.random() < 0.03:  # rare, because each occupies a worker for seconds
            kind = random.choice(["hang", "drip_headers", "drip_body"])
            faults = [Fault(kind, seconds=random.choice([1.0, self._slowest_s]))]  # type: ignore[arg-type]  # three of the kinds
        elif random.random() < 0.01:  # NXCloud refuses the request for good
            faults = [Fault("code", code=9002)]
        return random.choice(faults)
