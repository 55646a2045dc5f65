"""The results of steps, and what follows from them: a table, and the exit status."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape
from rich.table import Table

from media_cleanup.masking import mask_numbers
from nxcloud import NxCloudError
from tools.program import ToolError, explain


class Status(StrEnum):
    """Whether a step held."""

    HELD = "held"
    FAILED = "failed"
    NOT_RUN = "not run"  # it does not apply to this stack; the detail says why


class StepFailedError(Exception):
    """The stack did not do what the step expects; the message says what it did instead."""


class NotApplicableError(Exception):
    """A step does not apply to this stack; the message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a step: what held, what failed, or why the step was not run."""

    step: str
    status: Status
    detail: str
    seconds: float = 0


def run_step(step: str, action: Callable[[], str], now_s: Callable[[], float] = time.monotonic) -> Result:
    """Run a step, which returns what held."""
    started_s = now_s()
    try:
        status, detail = Status.HELD, action()
    except NotApplicableError as reason:
        status, detail = Status.NOT_RUN, str(reason)
    except NxCloudError as error:
        status, detail = Status.FAILED, mask_numbers(explain(error))  # NXCloud's message may name the business phone
    except (StepFailedError, ToolError, ClientError, BotoCoreError) as error:
        status, detail = Status.FAILED, explain(error)
    return Result(step, status, detail, now_s() - started_s)


def run_steps(steps: Sequence[tuple[str, Callable[[], str]]]) -> Iterator[Result]:
    """Run all steps. Where the first one fails, the others have nothing to work with, and are not run."""
    first, *others = steps
    opening = run_step(*first)
    yield opening
    for name, action in others:
        if opening.status is Status.FAILED:
            yield Result(name, Status.NOT_RUN, f"because of: {opening.step}")
        else:
            yield run_step(name, action)


def exit_status(results: Sequence[Result]) -> int:
    """Return 0 if no step failed, else 1."""
    return int(any(result.status is Status.FAILED for result in results))


def summary(results: Sequence[Result]) -> str:
    """Return the numbers of steps in one line, and the names of those that failed."""
    counts = ", ".join(f"{sum(one.status is status for one in results)} {status}" for status in Status)
    failed = [result.step for result in results if result.status is Status.FAILED]
    return f"{counts}. Failed: {', '.join(failed)}" if failed else f"{counts}."


def table(results: Sequence[Result]) -> Table:
    """Return the results as a table."""
    styles = {Status.HELD: "green", Status.FAILED: "bold red", Status.NOT_RUN: "dim"}
    view = Table("Step", "Result", "Detail", "Seconds", box=None, pad_edge=False)
    view.columns[-1].justify = "right"
    for result in results:
        style = styles[result.status]
        view.add_row(result.step, f"[{style}]{result.status}[/]", escape(result.detail), f"{result.seconds:.1f}")
    return view
