"""The clock that requests are signed with, and its correction by the provider's `Date`."""

import time

import pytest

from nxcloud import CorrectedClock, system_clock_ms
from nxcloud.clock import http_date_ms

NOW_MS = 1_768_469_213_000  # Thu, 15 Jan 2026 09:26:53 GMT
DAY_MS = 86_400_000


def test_system_clock_counts_milliseconds() -> None:
    before_s = time.time()
    now_ms = system_clock_ms()
    assert isinstance(now_ms, int)
    assert int(before_s * 1000) <= now_ms <= time.time() * 1000


@pytest.mark.parametrize("off_ms", [0, 61_000, -61_000, DAY_MS, -DAY_MS])
def test_correction_holds_until_the_next(off_ms: int) -> None:
    system_ms = NOW_MS
    clock = CorrectedClock(lambda: system_ms)
    assert clock() == NOW_MS
    assert clock.correct(NOW_MS + off_ms)
    system_ms += 5
    assert clock() == NOW_MS + off_ms + 5
    assert clock.correct(system_ms)
    assert clock() == system_ms


@pytest.mark.parametrize("server_ms", [None, 0, NOW_MS + DAY_MS + 1, NOW_MS - DAY_MS - 1])
def test_correction_missing_or_over_a_day_off_is_refused(server_ms: int | None) -> None:
    clock = CorrectedClock(lambda: NOW_MS)
    assert not clock.correct(server_ms)
    assert clock() == NOW_MS


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("Thu, 15 Jan 2026 09:26:53 GMT", NOW_MS),
        ("Thu, 15 Jan 2026 10:26:53 +0100", NOW_MS),
        ("Thu, 15 Jan 2026 09:26:53", NOW_MS),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Thu, 99 Jan 2026 09:26:53 GMT", None),
        ("Thu, 15 Jan 99999 09:26:53 GMT", None),
        ("120", None),
    ],
)
def test_http_date_is_parsed_or_none(text: str | None, time_ms: int | None) -> None:
    assert http_date_ms(text) == time_ms
