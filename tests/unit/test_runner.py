"""Requests run through a use case: results get the object, and no exception passes."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from media_cleanup.errors import DependencyUnavailable, RequestRejectedError
from media_cleanup.model import Media, S3Object
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import Action, Attempt, ObjectEvent, ObjectEventType, Request
from media_cleanup.result import Result
from media_cleanup.triggers.runner import RequestHandler, handle_safely
from tests.conftest import MEDIA_ID, PHONE, Context

MEDIA = Media(PHONE, MEDIA_ID)
REMOVED = ObjectEvent(ObjectEventType.REMOVED, "ObjectRemoved:Delete", S3Object("bucket", "key", "version"))


@dataclass
class FakeUseCase:
    """A use case that returns `results`, or raises `failure`."""

    results: tuple[Result, ...] = ()
    failure: Exception | None = None

    def handle(self, _action: Action, _attempt: Attempt) -> list[Result]:
        if self.failure:
            raise self.failure
        return list(self.results)


def handle(use_case: FakeUseCase, request: Request, **context: Any) -> list[Result]:  # noqa: ANN401 (Context's own fields)
    return handle_safely(cast("RequestHandler", use_case), request, Attempt(1, Context(**context)))


def test_each_result_gets_the_requests_object_and_event_time() -> None:
    results = (Result(outcome=Outcome.DELETED, media=MEDIA), Result(outcome=Outcome.ALREADY_GONE, media=MEDIA))
    handled = handle(FakeUseCase(results), Request(REMOVED, 7))
    assert [result.outcome for result in handled] == [Outcome.DELETED, Outcome.ALREADY_GONE]
    assert {(result.bucket, result.key, result.occurred_ms) for result in handled} == {("bucket", "key", 7)}


def test_result_of_a_request_without_object_has_none() -> None:
    [result] = handle(FakeUseCase((Result(outcome=Outcome.DELETED, media=MEDIA),)), Request(MEDIA))
    assert result == Result(outcome=Outcome.DELETED, media=MEDIA)


def test_dependency_unavailable_becomes_an_unavailable_result() -> None:
    failure = DependencyUnavailable(Reason.INDEX_UNREACHABLE, "the table t answered Throttling")
    [result] = handle(FakeUseCase(failure=failure), Request(REMOVED, 7))
    assert (result.outcome, result.reason_text) == (
        Outcome.UNAVAILABLE,
        "index_unreachable: the table t answered Throttling",
    )
    assert (result.bucket, result.key, result.occurred_ms) == ("bucket", "key", 7)


def test_rejected_request_becomes_a_rejected_result() -> None:
    failure = RequestRejectedError(Reason.SSE_C_OBJECT, "the way out")
    [result] = handle(FakeUseCase(failure=failure), Request(REMOVED, 7))
    assert (result.outcome, result.reason_text) == (Outcome.REJECTED, "sse_c_object: the way out")


def test_unexpected_exception_is_reported_by_its_location() -> None:
    [result] = handle(FakeUseCase(failure=ValueError("text that may hold a secret")), Request(REMOVED))
    assert (result.outcome, result.reason, result.key) == (Outcome.UNAVAILABLE, Reason.INTERNAL_ERROR, "key")
    assert result.detail is not None
    assert result.detail.startswith("ValueError in handle, line ")
    assert "secret" not in result.detail


@pytest.mark.parametrize(("remaining_ms", "reason"), [(5_999, Reason.OUT_OF_TIME), (6_000, None)])
def test_request_with_too_little_time_left_is_not_started(remaining_ms: int, reason: Reason | None) -> None:
    [result] = handle(FakeUseCase((Result(outcome=Outcome.DELETED),)), Request(MEDIA), time_left_ms=remaining_ms)
    assert result.reason is reason


def test_reserve_for_finishing_the_batch_is_no_time_left() -> None:
    attempt = Attempt(1, Context(time_left_ms=10_000), reserve_ms=5_000)
    assert attempt.remaining_ms == 5_000
    with pytest.raises(DependencyUnavailable, match="out_of_time"):
        attempt.require_time()
    attempt.require_time(5_000)
