"""Runs requests through a use case: concurrently, and so that one request's error does not affect the others."""

import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from media_cleanup.aws.clients import AwsClients
from media_cleanup.errors import DependencyUnavailable, RequestRejectedError
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import LogProfile
from media_cleanup.request import Action, Attempt, Request
from media_cleanup.result import Result, WorkItem
from media_cleanup.settings import RequestSettings
from media_cleanup.telemetry import count_internal_error, logger

if TYPE_CHECKING:  # Powertools' idempotency, which the index function does not use
    from media_cleanup.aws.idempotency import DeletionRecords
    from media_cleanup.aws.wait_records import WaitRecords


class RequestHandler(Protocol):
    """What a function does with requests; kept for the life of the execution environment, with its connections."""

    log_profile: LogProfile

    @property
    def clients(self) -> AwsClients:
        """The AWS clients."""

    @property
    def settings(self) -> RequestSettings:
        """The function's settings."""

    @property
    def queue_url(self) -> str | None:
        """The queue whose messages are redelivered by the backoff schedule; None for its own visibility timeout."""

    @property
    def event_bus(self) -> str | None:
        """The event bus for outcome events; None for no events."""

    @property
    def letter_records(self) -> "DeletionRecords | None":
        """The records of messages that are dead-lettered before their events are accepted; None for no events."""

    @property
    def wait_records(self) -> "WaitRecords | None":
        """The records of receives that only waited; None where no request ever waits."""

    def begin_invocation(self, requests: int) -> None:
        """Begin an invocation with this many requests."""

    def handle(self, action: Action, attempt: Attempt) -> list[Result]:
        """Handle a request; one result, or one for each of its media files.

        Raises DependencyUnavailable and RequestRejectedError.
        """

    def verify(self, handled: Sequence[WorkItem]) -> None:
        """Replace results that further questions improve, after all requests have been handled."""

    def on_event_accepted(self, result: Result, attempt: Attempt) -> None:
        """Do what has to wait for the acceptance of a result's outcome event."""


def handle_all(use_case: RequestHandler, work: Sequence[WorkItem]) -> None:
    """Handle requests concurrently, and fill in their results; then verify which media files are gone."""
    use_case.begin_invocation(len(work))
    with ThreadPoolExecutor(use_case.settings.concurrent_calls) as workers:
        futures = [workers.submit(handle_safely, use_case, each.request, each.attempt) for each in work]
    for each, future in zip(work, futures, strict=True):
        each.results.extend(future.result())
    _verify_safely(use_case, work)


def handle_safely(use_case: RequestHandler, request: Request, attempt: Attempt) -> list[Result]:
    """Handle one request. Never raises."""
    try:
        attempt.require_time()
        results = use_case.handle(request.action, attempt)
    except DependencyUnavailable as error:
        results = [Result.unavailable(error)]
    except RequestRejectedError as error:
        results = [Result.rejected(error)]
    except Exception as error:  # noqa: BLE001 (a bug: its location is reported, its text may hold secrets)
        results = [Result(outcome=Outcome.UNAVAILABLE, reason=Reason.INTERNAL_ERROR, detail=error_location(error))]
    return [result.of_request(request) for result in results]


def _verify_safely(use_case: RequestHandler, work: Sequence[WorkItem]) -> None:
    try:
        use_case.verify(work)
    except Exception as error:  # noqa: BLE001 (a bug, which leaves the results as they are)
        logger.error("verification_failed", extra={"error": error_location(error)})
        count_internal_error()


def error_location(error: Exception) -> str:
    """Return an error's type and where it was raised, without its text."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}, line {frame.lineno}"
