"""S3 Batch Operations: handles the tasks of a job, and answers each with a result code."""

from collections.abc import Mapping, Sequence
from typing import Any

from media_cleanup.errors import MalformedError
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import Delivery, report
from media_cleanup.request import Attempt, Deadline
from media_cleanup.result import Result, WorkItem
from media_cleanup.triggers.parsing import S3_BATCH_SCHEMA, parse_batch_tasks
from media_cleanup.triggers.runner import RequestHandler, handle_all

MAX_RESULT_CHARACTERS = 1024


def process_s3_batch(event: Mapping[str, Any], use_case: RequestHandler, deadline: Deadline) -> dict[str, Any]:
    """Handle the tasks of an invocation. Raises MalformedError, which the job's report shows.

    S3 retries temporary failures, and lists failures in the job's report (source: Amazon S3 User Guide, "Invoke AWS
    Lambda function").
    """
    delivery = Delivery(trigger="s3_batch")
    try:
        tasks = parse_batch_tasks(event)
    except MalformedError as error:
        malformed = Result(outcome=Outcome.REJECTED, reason=Reason.NOT_UNDERSTOOD, detail=str(error))
        report(use_case.log_profile, malformed, delivery)
        raise
    attempt = Attempt(delivery.receive_count, deadline)
    work = {task_id: WorkItem(request, attempt) for task_id, request in tasks.items()}
    handle_all(use_case, list(work.values()))
    lines = {
        task_id: [report(use_case.log_profile, result, delivery) for result in handled.results]
        for task_id, handled in work.items()
    }
    return {
        "invocationSchemaVersion": S3_BATCH_SCHEMA,
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": event["invocationId"],
        "results": [_task_result(task_id, its_lines) for task_id, its_lines in lines.items()],
    }


def _task_result(task_id: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    outcomes = {line["outcome"] for line in lines}
    code = "Succeeded"
    if outcomes & {Outcome.UNAVAILABLE, Outcome.REJECTED}:
        code = "TemporaryFailure" if Outcome.UNAVAILABLE in outcomes else "PermanentFailure"
    text = "; ".join(f"{line['outcome']}: {line['reason'] or line['media_id']}" for line in lines)
    return {"taskId": task_id, "resultCode": code, "resultString": text[:MAX_RESULT_CHARACTERS]}
