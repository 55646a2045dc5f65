"""Calls pass the circuit, the pace and the pauses over one clock."""

from contextlib import suppress

import pytest

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from media_cleanup.provider.flow_control import FlowControl
from media_cleanup.provider.pacing import MARGIN
from media_cleanup.request import Attempt
from nxcloud import CredentialsRefusedError, NoResponseError, NxCloudError
from tests.conftest import CREDENTIALS, PHONE, Context

DOWN = NoResponseError("no complete answer")


def call(flow: FlowControl, time_left_ms: int, error: NxCloudError | None = None) -> None:
    """Make a call that ends with this error."""
    attempt = Attempt(1, Context(time_left_ms=time_left_ms))
    with suppress(NxCloudError), flow.admit(CREDENTIALS, PHONE, attempt):
        if error:
            raise error


def blocking_reason(flow: FlowControl, time_left_ms: int) -> Reason | None:
    error = flow.blocking_error(Attempt(1, Context(time_left_ms=time_left_ms)))
    return error.reason if error else None


def test_calls_without_rate_are_admitted_at_once() -> None:
    slept: list[float] = []
    flow = FlowControl(sleep=slept.append)
    flow.pacer.begin_invocation()
    call(flow, 6_000)
    assert blocking_reason(flow, 6_000) is None
    assert slept == []


def test_calls_wait_for_their_turns_until_the_circuit_opens() -> None:
    slept: list[float] = []
    flow = FlowControl(MARGIN / 2, lambda: 1000, slept.append, lambda: 0)
    for _ in range(5):
        assert blocking_reason(flow, 60_000) is None
        call(flow, 60_000, DOWN)
    assert slept == [0, 2, 4, 6, 8]
    assert blocking_reason(flow, 60_000) is Reason.CIRCUIT_OPEN


def test_call_without_turn_in_its_time_is_refused() -> None:
    flow = FlowControl(MARGIN / 2.5, lambda: 1000, lambda _: None, lambda: 0)
    call(flow, 60_000)
    assert blocking_reason(flow, 8_499) is Reason.PACED  # 6 s are for the call, and the next turn is in 2.5 s
    with pytest.raises(DependencyUnavailable, match="paced"):
        call(flow, 8_499)
    assert blocking_reason(flow, 8_500) is None
    call(flow, 8_500)


def test_refused_call_begins_a_pause() -> None:
    flow = FlowControl(clock=lambda: 1000)
    call(flow, 60_000, CredentialsRefusedError("no right", provider_code=1005))
    with pytest.raises(DependencyUnavailable, match="credentials_refused"):
        flow.pauses.raise_if_paused(CREDENTIALS, PHONE)
