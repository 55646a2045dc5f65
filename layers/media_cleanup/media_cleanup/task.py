"""What a function does with each request that reaches it, whoever sent it."""

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from media_cleanup.aws import Aws
from media_cleanup.events import Request, Subject
from media_cleanup.observability import Story
from media_cleanup.outcome import Outcome, Result
from media_cleanup.settings import Settings

TIME_FOR_A_REQUEST_MS = 3_000  # what is not begun by then comes again untouched


class Task(Protocol):
    """A function's work; kept for the life of the execution environment, with its connections.

    `time_left_ms` tells how many milliseconds the invocation has left, as Lambda's context does.
    """

    story: Story

    @property
    def aws(self) -> Aws:
        """The clients that it works with."""

    @property
    def settings(self) -> Settings:
        """What the template told it."""

    @property
    def queue_url(self) -> str | None:
        """The queue whose messages come again by the schedule of `redelivery`; None for the queue's own time."""

    def outcomes(self, subject: Subject, attempt: int, time_left_ms: Callable[[], int]) -> list[Outcome]:
        """What became of a request: one outcome, or one for each media that it comes to.

        `attempt` counts the receives of its message.
        """


def carry_out_all(
    task: Task, requests: Sequence[Request], attempts: Sequence[int], time_left_ms: Callable[[], int]
) -> list[list[Outcome]]:
    """What became of requests that are worked on concurrently; equal ones one after the other, as repeats are."""
    equal: dict[Subject, list[int]] = {}
    for number, request in enumerate(requests):
        equal.setdefault(request.subject, []).append(number)
    outcomes: list[list[Outcome]] = [[] for _ in requests]

    def work(numbers: list[int]) -> None:
        for number in numbers:
            outcomes[number] = carry_out(task, requests[number], attempts[number], time_left_ms)

    with ThreadPoolExecutor(task.settings.concurrent_calls) as workers:
        for done in [workers.submit(work, numbers) for numbers in equal.values()]:
            done.result()
    return outcomes


def carry_out(task: Task, request: Request, attempt: int, time_left_ms: Callable[[], int]) -> list[Outcome]:
    """What became of a request. Never raises, so that a fault in one request does not hold up its neighbours."""
    if time_left_ms() < TIME_FOR_A_REQUEST_MS:
        return [Outcome(result=Result.UNAVAILABLE, reason="out_of_time", happened_ms=request.happened_ms)]
    try:
        outcomes = task.outcomes(request.subject, attempt, time_left_ms)
    except Exception as error:  # noqa: BLE001 (a bug: its place is told, its text may hold what logs must not)
        outcomes = [Outcome(result=Result.UNAVAILABLE, reason=f"internal_error: {place_of(error)}")]
    return [replace(outcome, happened_ms=request.happened_ms) for outcome in outcomes]


def place_of(error: Exception) -> str:
    """What an error is and where it was raised, without its text."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, line {place.lineno}"
