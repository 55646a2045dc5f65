"""Gathers the findings of a chaos test from NXCloud, the queues, the logs and the tables."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

from localdev.cloud import LocalCloud
from localdev.stack import Stack
from media_cleanup.provider.absence import CONTROL_FILE_NAME
from tests.chaos.deploy import DEBUG_MARK, HOUR_S
from tests.chaos.fault_profile import FaultyNxCloud
from tests.chaos.fault_proxy import FaultProxy, record_id
from tests.chaos.outcome_events import ReceivedEvent, event_violations
from tests.chaos.plan import PHONES, Case, Plan

WORKER_DIED = "Worker process died"  # in the local cloud's own log
FUNCTION_ERROR = re.compile(r"Task timed out|Traceback|Runtime\.|\[ERROR\]|failed processing SQS batch|Unhandled")


@dataclass(frozen=True)
class DeadLetter:
    """A message in a dead-letter queue, with its attributes as text."""

    body: str
    attributes: dict[str, str]

    @property
    def reason(self) -> str:
        """The reason attribute; empty if there is none."""
        return self.attributes.get("reason", "")


@dataclass
class Findings:
    """The figures of a chaos test. `violations` has the cases that violate each guarantee."""

    requested: int
    bystanders: int
    seconds: float
    calls: int
    deleted: int
    dead_letters: Counter[str]
    outcomes: Counter[str]
    faults: dict[str, int]
    aws_faults: Counter[str]
    kills: Counter[str]
    longest_call_s: float
    expired: int
    controls: int
    events: int
    distinct_events: int
    violations: dict[str, list[str]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no guarantee was violated."""
        return not any(self.violations.values())


def gather_findings(  # noqa: PLR0917 (all that a chaos test leaves behind)
    stack: Stack,
    fake_nxcloud: FaultyNxCloud,
    proxy: FaultProxy,
    plan: Plan,
    secrets: list[str],
    seconds: float,
    messages_left: int,
    events: list[ReceivedEvent],
) -> Findings:
    """Gather the findings. `secrets` must appear nowhere; `messages_left` were still in the queues."""
    cloud, remaining = stack.cloud, fake_nxcloud.provider.media
    dead_letters = [*_dead_letters(stack, "DeletionDeadLetterQueue"), *_dead_letters(stack, "IndexDeadLetterQueue")]
    logs = _all_logs(cloud)
    lines = [line for line in map(_parse_json, logs) if line.get("message") == "media_deletion"]
    not_deleted = [case for case in plan.to_delete if (case.business_phone, case.media_id) in remaining]
    lost = [case for case in not_deleted if not _is_dead_lettered(case, dead_letters)]
    findings = Findings(
        requested=len(plan.to_delete),
        bystanders=len(plan.bystanders),
        seconds=seconds,
        calls=fake_nxcloud.deletion_calls,
        deleted=len(plan.to_delete) - len(not_deleted),
        dead_letters=Counter(letter.reason.partition(":")[0] or "(none)" for letter in dead_letters),
        outcomes=Counter(_outcome_and_reason(line) for line in lines),
        faults=fake_nxcloud.faults | +fake_nxcloud.provider.troubles,
        expired=len(fake_nxcloud.provider.expired),
        controls=sum(file["file_name"] == CONTROL_FILE_NAME for file in fake_nxcloud.provider.media.values()),
        events=len(events),
        distinct_events=len({event.detail["id"] for event in events}),
        aws_faults=proxy.faults,
        kills=proxy.kills,
        longest_call_s=fake_nxcloud.longest_s,
    )
    findings.violations = {
        "lost: neither deleted nor dead-lettered with a reason": sorted(
            (_history(case, lines) for case in lost), key=lambda history: "verified_absent" in history
        ),
        "reported as gone before the deletion": _reported_gone_early(fake_nxcloud, lines),
        "wrongly deleted: a bystander": [
            case.media_id for case in plan.bystanders if (case.business_phone, case.media_id) not in remaining
        ],
        "called again after a received confirmation": _repeated_calls(fake_nxcloud, proxy.repeats_allowed),
        "function errors: timeouts, internal errors, crashes": _function_errors(logs, cloud, proxy.kills.total()),
        "dead-lettered without a reason": [letter.body[:200] for letter in dead_letters if not letter.reason],
        "secrets or whole phone numbers in logs, attributes, records, events": _leaks(
            stack, dead_letters, logs, [json.dumps(event.detail) for event in events], secrets
        ),
        "logs without lines at DEBUG, which may hold more": [] if any(DEBUG_MARK in line for line in logs) else ["all"],
        "messages left in the queues": [f"{messages_left} messages"] * bool(messages_left),
    } | event_violations(
        events, lines, fake_nxcloud, {letter.attributes.get("source_message_id", "") for letter in dead_letters}
    )
    return findings


def _reported_gone_early(fake_nxcloud: FaultyNxCloud, lines: list[dict[str, Any]]) -> list[str]:
    """The media files that were logged as gone before NXCloud deleted them, or although it never did.

    A repeated request may delete such a media file later, which would hide the error.
    """
    calls = list(fake_nxcloud.provider.calls)
    deleted_ms = {call.media_id: call.received_ms for call in calls if call.action == "deleteMedia" and call.code == 0}
    expired = {media_id for _, media_id in fake_nxcloud.provider.expired}
    return [
        f"{line['media_id']}: {_attempt(line)}"
        for line in lines
        if line["outcome"] == "already_gone"
        and line["media_id"] not in expired
        and datetime.fromisoformat(line["timestamp"]).timestamp() * 1000 < deleted_ms.get(line["media_id"], inf)
    ]


def _repeated_calls(fake_nxcloud: FaultyNxCloud, repeats_allowed: set[str]) -> list[str]:
    """The media files that were deleted once more after NXCloud's confirmation had reached the function.

    Allowed for those whose confirmation could not be recorded, because AWS failed or the function was killed.
    """
    confirmed: set[str] = set()
    repeated = []
    for call in list(fake_nxcloud.provider.calls):
        if call.action == "deleteMedia" and call.media_id in confirmed:
            repeated.append(f"{call.media_id}: code {call.code}")
        elif (
            call.action == "deleteMedia"
            and call.code == 0
            and call.media_id not in fake_nxcloud.recording_provider.lost_confirmations
            and record_id(call.business_phone, call.media_id) not in repeats_allowed
        ):
            confirmed.add(call.media_id)
    return repeated


def deletions_over_limit(fake_nxcloud: FaultyNxCloud, plan: Plan, limit: int) -> list[str]:
    """The hours, of a few seconds each, by whose end NXCloud had carried out more deletions than the limit allows.

    A call may arrive an hour or more after it was counted, and the first one may have been counted in the hour before.
    """
    media = {case.media_id for case in plan.to_delete}
    calls = [call for call in list(fake_nxcloud.provider.calls) if call.action == "deleteMedia" and call.code == 0]
    hours = Counter(call.received_ms // 1000 // HOUR_S for call in calls if call.media_id in media)
    ends = [(hour - min(hours) + 2, sum(count for each, count in hours.items() if each <= hour)) for hour in hours]
    return [f"{count} deletions in {number} hours" for number, count in sorted(ends) if count > limit * number]


def _is_dead_lettered(case: Case, dead_letters: list[DeadLetter]) -> bool:
    """Whether a dead letter with a reason names the media file or its object."""
    names = [case.media_id, *([case.key] if case.key else [])]
    return any(letter.reason and any(name in letter.body for name in names) for letter in dead_letters)


def _history(case: Case, lines: list[dict[str, Any]]) -> str:
    """The route of a media file's deletion, and the result of each attempt."""
    its_lines = [line for line in lines if case.media_id in f"{line.get('media_id')} {line.get('object_key')}"]
    return f"{case.media_id} ({case.route}): {', '.join(map(_attempt, its_lines)) or 'no log line'}"


def _attempt(line: dict[str, Any]) -> str:
    return f"{line['attempt']}. {_outcome_and_reason(line)}"


def _outcome_and_reason(line: dict[str, Any]) -> str:
    reason = str(line.get("reason") or "").partition(":")[0]
    return f"{line['outcome']}: {reason}" if reason else str(line["outcome"])


def _function_errors(logs: list[str], cloud: LocalCloud, killed: int) -> list[str]:
    """The log lines of function errors, and those of the local cloud's own log, except for `killed` processes."""
    cloud_log = cloud.log.read_text(errors="replace").splitlines()
    batch_errors = [line for line in cloud_log if "failed processing SQS batch" in line]
    errors = [
        line
        for line in logs
        if FUNCTION_ERROR.search(line)
        or (_parse_json(line).get("level") == "ERROR" and "outcome" not in _parse_json(line))
    ]
    crashes = [line for line in batch_errors if WORKER_DIED in line]
    others = [line for line in batch_errors if WORKER_DIED not in line]
    return [line[:300] for line in [*errors, *others, *crashes[killed:]]]


def _leaks(
    stack: Stack, dead_letters: list[DeadLetter], logs: list[str], events: list[str], secrets: list[str]
) -> list[str]:
    dynamodb = stack.cloud.client("dynamodb")
    places = {
        "a log": logs,
        "an event": events,
        "a dead letter's attributes": [json.dumps(letter.attributes) for letter in dead_letters],
        "IdempotencyTable": _items(dynamodb, stack.resources["IdempotencyTable"]),
    }
    leaks = [
        f"{canary[:4]}… in {place}: {text[:200]}"
        for place, texts in places.items()
        for text in texts
        for canary in [*secrets, *PHONES]
        if canary in text
    ]
    places_with_phones = {  # phone numbers belong there
        "MediaIndexTable": _items(dynamodb, stack.resources["MediaIndexTable"]),
        "a dead letter": [letter.body for letter in dead_letters],
    }
    return leaks + [
        f"{secret[:4]}… in {place}"
        for place, texts in places_with_phones.items()
        for secret in secrets
        if any(secret in text for text in texts)
    ]


def _items(dynamodb: Any, table: str) -> list[str]:  # noqa: ANN401 (boto3 creates clients at run time)
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return [json.dumps(item, default=str) for page in pages for item in page["Items"]]


def _all_logs(cloud: LocalCloud) -> list[str]:
    """All lines of all log groups."""
    logs = cloud.client("logs")
    return [
        line
        for group in logs.describe_log_groups()["logGroups"]
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for event in page["events"]
        for line in event["message"].splitlines()
    ]


def _dead_letters(stack: Stack, name: str) -> list[DeadLetter]:
    """Receive all messages of a dead-letter queue, which hides them."""
    sqs, dead_letters = stack.cloud.client("sqs"), []
    while messages := sqs.receive_message(
        QueueUrl=stack.resources[name], MaxNumberOfMessages=10, VisibilityTimeout=3600, MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            attributes = message.get("MessageAttributes", {})
            texts = {key: value["StringValue"] for key, value in attributes.items()}
            dead_letters.append(DeadLetter(message["Body"], texts))
    return dead_letters


def _parse_json(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
