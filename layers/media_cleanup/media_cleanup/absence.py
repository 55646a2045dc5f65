"""Tells a media that is gone from a provider that is unwell: NXCloud answers both with codes that say nothing."""

from threading import Lock

from media_cleanup.media import Media

PROOF_OF_LIFE_S = 60.0
MOST_REMEMBERED = 10_000


class Evidence:
    """What NXCloud has shown to this execution environment, for concurrent workers. Times are a monotonic clock's.

    A media that can neither be deleted nor found counts as gone if NXCloud has answered something with code 0 within
    the last minute, and either that answer lies between two such failures of the media, or no call about any other
    has failed within that minute. Code 0 alone may be the last before an outage, in which everything looks gone.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._confirmed_at: float | None = None
        self._failed_at: dict[Media, float] = {}
        self._missed_at: dict[Media, float] = {}

    def confirmed(self, media: Media, asked_at: float) -> None:
        """Notes an answer with code 0, by the time of its request: it may have been long on its way."""
        with self._lock:
            self._confirmed_at = max(asked_at, self._confirmed_at or asked_at)
            self._missed_at.pop(media, None)

    def failed(self, media: Media, at: float) -> None:
        """Notes a call about this media that failed."""
        with self._lock:
            self._failed_at.pop(media, None)  # so that the latest stands last
            self._failed_at[media] = at
            _keep_within_bounds(self._failed_at)

    def is_alive(self, now: float) -> bool:
        """Whether NXCloud has lately answered anything with code 0."""
        return self._confirmed_at is not None and now < self._confirmed_at + PROOF_OF_LIFE_S

    def is_absent(self, media: Media, now: float) -> bool:
        """Whether a media is gone that has just been neither deleted nor found."""
        with self._lock:
            missed_at = self._missed_at.setdefault(media, now)
            _keep_within_bounds(self._missed_at)
            if self._confirmed_at is None or not self.is_alive(now):
                return False
            return missed_at < self._confirmed_at or self._is_calm(media, now)

    def _is_calm(self, media: Media, now: float) -> bool:
        latest_at = next((at for other, at in reversed(self._failed_at.items()) if other != media), None)
        return latest_at is None or latest_at + PROOF_OF_LIFE_S <= now


def _keep_within_bounds(times: dict[Media, float]) -> None:
    """Forgets what was noted first where there is very much."""
    if len(times) > MOST_REMEMBERED:
        del times[next(iter(times))]
