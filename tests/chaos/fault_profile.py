"""NXCloud in a storm: the fake NXCloud with faults drawn at random, and a record of the answers that got lost."""

from collections.abc import Mapping
from enum import Enum
from random import Random
from threading import Lock, local

from localdev.fake_nxcloud import FakeNxCloud, Fault, Provider
from localdev.fake_nxcloud.provider import Reply

FAULTY = 0.35  # the share of calls that go wrong in rough weather


class Weather(Enum):
    """How NXCloud behaves."""

    CALM = "calm"
    ROUGH = "rough"  # a third of the calls go wrong, each in its own way
    RESETTING = "down: resets"
    REFUSING = "down: code -1"


class StormyProvider(Provider):
    """The provider, and the media whose deletion it carried out without its answer being heard."""

    def __init__(self, access_key: str, access_secret: str) -> None:
        super().__init__(access_key, access_secret)
        self.unheard: set[str] = set()
        self.handling = local()  # each request is answered in a thread of its own

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answers, and remembers which deletions nobody will hear of."""
        reply = super().answer(path, headers, body)
        if getattr(self.handling, "lost", False) and reply.code == 0:
            self.unheard |= {call.media_id for call in self.calls[-50:] if call.body == body and call.code == 0}
        return reply


class FaultyNxCloud(FakeNxCloud):
    """NXCloud on loopback, with `weather` in place of a list of faults. It counts the calls and the faults.

    `slowest_s`: how long the slowest answers hang or drip.
    """

    def __init__(self, access_key: str, access_secret: str, seed: int, slowest_s: float) -> None:
        self.stormy = StormyProvider(access_key, access_secret)
        super().__init__(provider=self.stormy)
        self.weather = Weather.CALM
        self.deletions_called = 0
        self.faults: dict[str, int] = {}
        self._slowest_s = slowest_s
        self._chance = Random(seed)  # noqa: S311 (repeatable on purpose)
        self._drawing = Lock()

    def next_fault(self, action: str) -> Fault | None:
        """The fault that the weather has for this call, if any."""
        with self._drawing:
            fault = self._drawn(action)
            self.deletions_called += action == "deleteMedia"
            if fault:
                self.faults[fault.kind] = self.faults.get(fault.kind, 0) + 1
        self.stormy.handling.lost = fault is not None and fault.kind == "lost"
        return fault

    def _drawn(self, action: str) -> Fault | None:
        if action == "uploadMedia":
            return None
        match self.weather:
            case Weather.RESETTING:
                return Fault("reset")
            case Weather.REFUSING:
                return Fault("code", code=-1)
            case Weather.ROUGH if self._chance.random() < FAULTY:
                return self._some_fault(action)
            case _:
                return None

    def _some_fault(self, action: str) -> Fault:
        """Any fault. Codes hit deletions alone: where `getMedia` answers likewise, nothing tells it from absence."""
        chance = self._chance
        faults = [
            Fault("latency", seconds=chance.uniform(0.05, 0.8)),
            Fault("status", status=429, retry_after=chance.choice([None, 1, 2, 3600])),
            Fault("status", status=chance.choice([500, 502, 503, 504])),
            Fault("reset"),
            Fault("lost"),
            Fault("close"),
            Fault("truncated"),
            Fault("oversized"),
            Fault("redirect", location="http://127.0.0.1:9/elsewhere"),
        ]
        if action == "deleteMedia":
            faults += [
                Fault("code", code=-1),
                Fault("code", code=9001),
                Fault("code", code=chance.choice([4711, -2])),
                Fault("unconfirmed"),
            ]
        if chance.random() < 0.03:  # few, for each takes a worker some seconds
            kind = chance.choice(["hang", "drip_headers", "drip_body"])
            faults = [Fault(kind, seconds=chance.choice([1.0, self._slowest_s]))]  # type: ignore[arg-type]  # three of the kinds
        elif chance.random() < 0.01 and action == "deleteMedia":  # can never succeed, says NXCloud
            faults = [Fault("code", code=9002)]
        return chance.choice(faults)
