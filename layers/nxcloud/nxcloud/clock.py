"""The time to sign with: the system clock, corrected by the provider's where the two differ."""

import time
from collections.abc import Callable
from datetime import timezone
from email.utils import parsedate_to_datetime

MAX_CORRECTION_MS = 24 * 3600 * 1000


def system_clock_ms() -> int:
    """Return the system time as Unix milliseconds."""
    return time.time_ns() // 1_000_000


class CorrectedClock:
    """A clock in Unix milliseconds; a correction holds until the next one."""

    def __init__(self, system_ms: Callable[[], int] = system_clock_ms) -> None:
        self._system_ms = system_ms
        self._correction_ms = 0

    def __call__(self) -> int:
        """Return the corrected time."""
        return self._system_ms() + self._correction_ms

    def correct(self, server_time_ms: int | None) -> bool:
        """Adopt a server's time, unless it is missing or more than a day off. Returns whether it was adopted."""
        if server_time_ms is None or abs(server_time_ms - self._system_ms()) > MAX_CORRECTION_MS:
            return False
        self._correction_ms = server_time_ms - self._system_ms()
        return True


def http_date_ms(text: str | None) -> int | None:
    """Parse an HTTP date, such as that of `Date`, to Unix milliseconds; None where there is none."""
    try:
        moment = parsedate_to_datetime(text or "")
        return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
