"""Direct invocation, without a queue: S3, EventBridge, SNS, or a caller's payload."""

from typing import Any

from media_cleanup.errors import RequestsFailedError
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import Delivery, report
from media_cleanup.request import FINISH_MS_PER_REQUEST, Attempt, Deadline
from media_cleanup.result import Handled
from media_cleanup.triggers.parsing import detect_trigger, parse_payload
from media_cleanup.triggers.runner import RequestHandler, handle_all


def process_direct_invocation(event: object, handler: RequestHandler, deadline: Deadline) -> dict[str, Any]:
    """Handle all requests of an event, and return their log fields. Raises RequestsFailedError if any failed."""
    delivery = Delivery(trigger=detect_trigger(event))
    requests = parse_payload(event, handler.settings.default_business_phone)
    attempt = Attempt(delivery.attempt, deadline, reserve_ms=FINISH_MS_PER_REQUEST * len(requests))
    work = [Handled(request, attempt) for request in requests]
    handle_all(handler, work)
    lines = [report(handler.log_profile, result, delivery) for each in work for result in each.results]
    failed = [line for line in lines if line["outcome"] in {Outcome.REJECTED, Outcome.UNAVAILABLE}]
    if failed:
        causes = "; ".join(sorted({f"{line['outcome']}: {_cause(line)}" for line in failed}))
        raise RequestsFailedError(f"{len(failed)} of {len(lines)} requests failed: {causes}")
    return {"results": lines}


def _cause(line: dict[str, Any]) -> str:
    code = line["provider_code"]
    return line["reason"] if code is None else f"{line['reason']} (code {code}: {line['provider_message']})"
