"""A fake of NXCloud's client in virtual time, with the troubles that NXCloud can be in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from media_cleanup.model import Media
from nxcloud import ApiResponse, Credentials, MediaFile, NoResponseError, NxCloudError, ThrottledError
from nxcloud.errors import error_type
from tests.absence_model.clock import Clock

DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Call:
    """A call as NXCloud receives it; `uploaded_s` is the time of the media file's upload, None where there is none."""

    action: str
    business_phone: str
    now_s: float
    uploaded_s: float | None


class Trouble(Protocol):
    """A trouble of NXCloud."""

    def __call__(self, call: Call) -> NxCloudError | None:
        """Return the error of a call, None where this trouble does not concern it."""


def failure(code: int, meta_code: int | None = None) -> NxCloudError:
    """Return the error of a response with this code and HTTP 200."""
    return error_type(code, meta_code)("", provider_code=code, meta_code=meta_code, http_status=200)


def http_429() -> NxCloudError:
    """Return the error of HTTP 429."""
    return ThrottledError("", http_status=429)


class TokenBucket:
    """A rate limit for all calls: `rate` calls a second, up to `burst` at once."""

    def __init__(self, rate: float, burst: int, error: Callable[[], NxCloudError]) -> None:
        self._rate, self._burst, self._error = rate, burst, error
        self._tokens, self._filled_s = float(burst), 0.0

    def __call__(self, call: Call) -> NxCloudError | None:
        """Take a token, or return the error."""
        self._tokens = min(self._burst, self._tokens + (call.now_s - self._filled_s) * self._rate)
        self._filled_s = call.now_s
        if self._tokens < 1:
            return self._error()
        self._tokens -= 1
        return None


@dataclass
class RandomFailures:
    """Failures of a share of the calls, at random, with any of these errors."""

    share: float
    random: Random
    errors: tuple[NxCloudError, ...] = (failure(-1), failure(9001))

    def __call__(self, call: Call) -> NxCloudError | None:  # noqa: ARG002 (any call)
        """Return an error at random."""
        return self.random.choice(self.errors) if self.random.random() < self.share else None


@dataclass
class Outages:
    """Outages from and to these times in seconds, of one business phone, of one action, or of everything."""

    periods: list[tuple[float, float]]
    business_phone: str | None = None
    action: str | None = None
    code: int = 9001

    def __call__(self, call: Call) -> NxCloudError | None:
        """Return the error of calls that an outage concerns."""
        if self.business_phone not in {None, call.business_phone} or self.action not in {None, call.action}:
            return None
        return failure(self.code) if any(start <= call.now_s < end for start, end in self.periods) else None


@dataclass
class Flapping:
    """An API that fails for `seconds`, then works for as long, and so on."""

    seconds: float

    def __call__(self, call: Call) -> NxCloudError | None:
        """Return the error of calls in the odd periods."""
        return failure(-1) if call.now_s // self.seconds % 2 else None


@dataclass
class OldMediaTrouble:
    """Media files that are older than a day are not found from and to these times; new ones are."""

    periods: list[tuple[float, float]]

    def __call__(self, call: Call) -> NxCloudError | None:
        """Return the error of calls about old media files."""
        if call.uploaded_s is None or call.now_s - call.uploaded_s < DAY_S:
            return None
        return failure(-1) if any(start <= call.now_s < end for start, end in self.periods) else None


@dataclass
class Provider:
    """NXCloud's media files, with the times of their uploads, and its troubles.

    `processing_s`: the time after the upload in which a media file is not found; the control has none. `lose` decides
    whether the response of a call is lost that was carried out.
    """

    clock: Clock
    troubles: list[Trouble] = field(default_factory=list)
    media: dict[Media, float] = field(default_factory=dict)
    processing_s: dict[Media, float] = field(default_factory=dict)
    lose: Callable[[], bool] = lambda: False
    calls: int = 0
    uploads: int = 0

    def check(self, action: str, media: Media) -> None:
        """Receive a call. Raises the error of its response."""
        self.calls += 1
        uploaded_s, now_s = self.media.get(media), self.clock.now_s
        call = Call(action, media.business_phone, now_s, uploaded_s)
        for trouble in self.troubles:
            if error := trouble(call):
                raise error
        if action == "uploadMedia":
            return
        if uploaded_s is None or now_s < uploaded_s + self.processing_s.get(media, 0):
            raise failure(-1)


class FakeMediaClient:
    """NXCloud's client of one execution environment; a call takes `latency_s`, where that is set."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self.latency_s: Callable[[], float] | None = None

    def delete_media(self, _: Credentials, business_phone: str, media_id: str, *, deadline_s: float) -> ApiResponse:  # noqa: ARG002 (no call is that slow)
        """Delete a media file."""
        media = Media(business_phone, media_id)
        self._call("deleteMedia", media)
        del self._provider.media[media]
        self._respond()
        return ApiResponse(0, "success", {"success": True}, 200)

    def get_media(self, _: Credentials, business_phone: str, media_id: str, *, deadline_s: float) -> MediaFile:  # noqa: ARG002 (no call is that slow)
        """Look a media file up."""
        self._call("getMedia", Media(business_phone, media_id))
        return MediaFile("image/png", "", "")

    def upload_media(self, _: Credentials, business_phone: str, *file: object, deadline_s: float) -> str:  # noqa: ARG002 (its content does not matter)
        """Upload a media file."""
        self._provider.uploads += 1
        media = Media(business_phone, f"control-{self._provider.uploads}")
        self._call("uploadMedia", media)
        self._provider.media[media] = self._clock.now_s
        self._respond()
        return media.media_id

    def _respond(self) -> None:
        if self._provider.lose():
            raise NoResponseError("the response was lost")

    def _call(self, action: str, media: Media) -> None:
        """Let half of the latency pass before NXCloud receives the call, and half after."""
        latency_s = self.latency_s() if self.latency_s else 0
        self._clock.sleep(latency_s / 2)
        try:
            self._provider.check(action, media)
        finally:
            self._clock.sleep(latency_s / 2)
