"""Answers S3 Batch Operations, which names all objects of a bucket by jobs of its own: a result for each task."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from media_cleanup.events import S3_BATCH_SCHEMA, NotUnderstoodError, tasks_in
from media_cleanup.observability import Delivery, report
from media_cleanup.outcome import Outcome, Result
from media_cleanup.task import Task, carry_out_all

MAX_RESULT_CHARACTERS = 1024


def answer_job(event: Mapping[str, Any], task: Task, time_left_ms: Callable[[], int]) -> dict[str, Any]:
    """Carries out the tasks of an invocation. Raises NotUnderstoodError, whose text the job's report shows.

    S3 tries temporary failures again before the job ends, and tells of failures in its report (source: Amazon S3 User
    Guide, "Invoke AWS Lambda function").
    """
    delivery = Delivery(trigger="s3_batch")
    try:
        requests = tasks_in(event)
    except NotUnderstoodError as error:
        report(task.story, Outcome(result=Result.REJECTED, reason=f"not_understood: {error}"), delivery)
        raise
    outcomes = carry_out_all(task, list(requests.values()), [delivery.attempt] * len(requests), time_left_ms)
    lines = [[report(task.story, each, delivery) for each in its_outcomes] for its_outcomes in outcomes]
    return {
        "invocationSchemaVersion": S3_BATCH_SCHEMA,
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": event["invocationId"],
        "results": [_result(task_id, its_lines) for task_id, its_lines in zip(requests, lines, strict=True)],
    }


def _result(task_id: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    outcomes = {line["outcome"] for line in lines}
    code = "Succeeded"
    if outcomes & {Result.UNAVAILABLE, Result.REJECTED}:
        code = "TemporaryFailure" if Result.UNAVAILABLE in outcomes else "PermanentFailure"
    text = "; ".join(f"{line['outcome']}: {line['reason'] or line['media_id']}" for line in lines)
    return {"taskId": task_id, "resultCode": code, "resultString": text[:MAX_RESULT_CHARACTERS]}
