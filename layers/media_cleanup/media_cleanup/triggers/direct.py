"""Direct invocation, without a queue: S3, EventBridge, SNS, or a caller's payload."""

import time
from collections.abc import Sequence
from typing import Any, Protocol

from media_cleanup.errors import RequestsFailedError
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import Delivery, report
from media_cleanup.request import FINISH_MS_PER_REQUEST, Attempt, Deadline
from media_cleanup.result import WorkItem
from media_cleanup.triggers.outcome_events import publications, publish
from media_cleanup.triggers.parsing import detect_trigger, parse_payload
from media_cleanup.triggers.runner import RequestHandler, handle_all


class Invocation(Deadline, Protocol):
    """The invocation; Lambda's context is one. Lambda retries an asynchronous event with the same id."""

    @property
    def aws_request_id(self) -> str:
        """The id of the invocation."""


def process_direct_invocation(event: object, use_case: RequestHandler, invocation: Invocation) -> dict[str, Any]:
    """Handle all requests of an event, and return their log fields. Raises RequestsFailedError if any failed."""
    delivery = Delivery(trigger=detect_trigger(event))
    requests = parse_payload(event, use_case.settings.default_business_phone)
    attempt = Attempt(delivery.receive_count, invocation, reserve_ms=FINISH_MS_PER_REQUEST * len(requests))
    work = [WorkItem(request, attempt) for request in requests]
    handle_all(use_case, work)
    lines = [report(use_case.log_profile, result, delivery) for each in work for result in each.results]
    failed = [line for line in lines if line["outcome"] in {Outcome.REJECTED, Outcome.UNAVAILABLE}]
    errors = _publish(use_case, work, delivery, invocation)
    if failed:
        causes = "; ".join(sorted({f"{line['outcome']}: {_cause(line)}" for line in failed}))
        raise RequestsFailedError(f"{len(failed)} of {len(lines)} requests failed: {causes}")
    if errors:
        raise RequestsFailedError(
            f"{len(errors)} outcome events were not accepted by the event bus {use_case.event_bus}: "
            f"{'; '.join(sorted(set(errors.values())))}. The deletions are done; invoke again to publish them"
        )
    return {"results": lines}


def _publish(
    use_case: RequestHandler, work: Sequence[WorkItem], delivery: Delivery, invocation: Invocation
) -> dict[int, str]:
    """Publish the events of all final outcomes. Returns the errors of those that are not accepted."""
    if use_case.event_bus is None:
        return {}
    items = publications(work, delivery, invocation.aws_request_id, round(time.time() * 1000))
    return publish(use_case, use_case.event_bus, items, invocation)


def _cause(line: dict[str, Any]) -> str:
    code = line["provider_code"]
    return line["reason"] if code is None else f"{line['reason']} (code {code}: {line['provider_message']})"
