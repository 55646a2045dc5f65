"""Calls pass the circuit and the pace over one clock."""

from contextlib import suppress

from media_cleanup.outcome import Reason
from media_cleanup.provider.flow_control import FlowControl
from media_cleanup.provider.pacing import MARGIN
from nxcloud import NoResponseError


def fail(flow: FlowControl) -> None:
    with suppress(NoResponseError), flow.admit(lambda: 60):
        raise NoResponseError("no complete answer")


def blocking_reason(flow: FlowControl, max_wait_s: float) -> Reason | None:
    error = flow.blocking_error(max_wait_s)
    return error.reason if error else None


def test_calls_without_rate_are_admitted_at_once() -> None:
    slept: list[float] = []
    flow = FlowControl(sleep=slept.append)
    flow.pacer.begin_invocation()
    with flow.admit(lambda: 0):
        assert blocking_reason(flow, 0) is None
    assert slept == []


def test_calls_wait_for_their_turns_until_the_circuit_opens() -> None:
    slept: list[float] = []
    flow = FlowControl(MARGIN / 2, lambda: 1000, slept.append, lambda: 0)
    for _ in range(5):
        assert blocking_reason(flow, 8) is None
        fail(flow)
    assert slept == [0, 2, 4, 6, 8]
    assert blocking_reason(flow, 60) is Reason.CIRCUIT_OPEN


def test_call_beyond_the_wait_is_refused_by_the_pace() -> None:
    flow = FlowControl(MARGIN / 2, lambda: 1000, lambda _: None, lambda: 0)
    fail(flow)
    assert blocking_reason(flow, 1.9) is Reason.PACED
