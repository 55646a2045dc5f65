"""Answers callers that have no queue behind them: S3, EventBridge, SNS, or a payload straight to the function."""

from collections.abc import Callable
from itertools import chain
from typing import Any

from media_cleanup.events import requests_in, trigger_of
from media_cleanup.observability import Delivery, report
from media_cleanup.outcome import Result
from media_cleanup.task import Task, carry_out_all


class RequestsFailedError(Exception):
    """Requests without a queue failed: Lambda retries the event, and then keeps it at its failure destination."""


def answer_caller(event: object, task: Task, time_left_ms: Callable[[], int]) -> dict[str, Any]:
    """Carries out all requests of an event, then answers with their log lines; raises RequestsFailedError."""
    delivery = Delivery(trigger=trigger_of(event))
    requests = requests_in(event, task.settings.default_business_phone)
    outcomes = carry_out_all(task, requests, [delivery.attempt] * len(requests), time_left_ms)
    lines = [report(task.story, outcome, delivery) for outcome in chain(*outcomes)]
    failed = [line for line in lines if line["outcome"] in {Result.REJECTED, Result.UNAVAILABLE}]
    if failed:
        what = "; ".join(sorted({f"{line['outcome']}: {_why(line)}" for line in failed}))
        raise RequestsFailedError(f"{len(failed)} of {len(lines)} requests failed: {what}")
    return {"results": lines}


def _why(line: dict[str, Any]) -> str:
    code = line["provider_code"]
    return line["reason"] if code is None else f"{line['reason']} (code {code}: {line['provider_message']})"
