"""Passive evidence of absence: NXCloud answers with the same codes for absent media files and for an outage."""

from threading import Lock

from media_cleanup.model import Media

PROOF_OF_LIFE_S = 60.0
MAX_REMEMBERED = 10_000


class Evidence:
    """The responses of NXCloud that this environment has seen, for concurrent workers. Times are of a monotonic clock.

    A media file that can neither be deleted nor found counts as absent if NXCloud has responded to another call with
    code 0 within the last minute, and either that response lies between two such failures of the media file, or no call
    for another has failed within that minute. One code 0 alone may be the last before an outage.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._confirmed_at: float | None = None
        self._failed_at: dict[Media, float] = {}
        self._missed_at: dict[Media, float] = {}

    def confirmed(self, media: Media, asked_at: float) -> None:
        """Record a response with code 0, by the time of its request: it may have been long under way."""
        with self._lock:
            self._confirmed_at = max(asked_at, self._confirmed_at or asked_at)
            self._missed_at.pop(media, None)

    def failed(self, media: Media, at: float) -> None:
        """Record a failed call for this media file."""
        with self._lock:
            self._failed_at.pop(media, None)  # so that the latest is last
            self._failed_at[media] = at
            _limit(self._failed_at)

    def is_alive(self, now: float) -> bool:
        """Whether NXCloud has recently responded to any call with code 0."""
        return self._confirmed_at is not None and now < self._confirmed_at + PROOF_OF_LIFE_S

    def is_absent(self, media: Media, now: float) -> bool:
        """Whether a media file is absent that has just been neither deleted nor found."""
        with self._lock:
            missed_at = self._missed_at.setdefault(media, now)
            _limit(self._missed_at)
            if self._confirmed_at is None or not self.is_alive(now):
                return False
            return missed_at < self._confirmed_at or self._is_calm(media, now)

    def _is_calm(self, media: Media, now: float) -> bool:
        latest_at = next((at for other, at in reversed(self._failed_at.items()) if other != media), None)
        return latest_at is None or latest_at + PROOF_OF_LIFE_S <= now


def _limit(times: dict[Media, float]) -> None:
    """Remove the oldest entry beyond the limit."""
    if len(times) > MAX_REMEMBERED:
        del times[next(iter(times))]
