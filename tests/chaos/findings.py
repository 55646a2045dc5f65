"""What became of everything after a storm, from the provider, the queues, the logs and the tables."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

from localdev.cloud import LocalCloud
from localdev.stack import Stack
from tests.chaos.fault_profile import FaultyNxCloud
from tests.chaos.fault_proxy import Strait, record_id
from tests.chaos.plan import PHONES, Case, Plan

DEATH = "Worker process died"
BROKEN = re.compile(r"Task timed out|Traceback|Runtime\.|\[ERROR\]|failed processing SQS batch|Unhandled")


@dataclass(frozen=True)
class DeadLetter:
    """A message in the dead-letter queue: its text, and its attributes as texts."""

    body: str
    attributes: dict[str, str]

    @property
    def reason(self) -> str:
        """Why it lies there; empty where nobody said."""
        return self.attributes.get("reason", "")


@dataclass
class Findings:
    """The figures of a storm. Those of `must_be_none` are lists of what should not have happened."""

    media: int
    left_alone: int
    seconds: float
    calls: int
    gone: int
    dead_letters: Counter[str]
    outcomes: Counter[str]
    faults: dict[str, int]
    aws_faults: Counter[str]
    kills: Counter[str]
    longest_call_s: float
    must_be_none: dict[str, list[str]] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing happened that must not."""
        return not any(self.must_be_none.values())


def found(  # noqa: PLR0917 (whatever a storm leaves behind)
    stack: Stack, fake_nxcloud: FaultyNxCloud, strait: Strait, plan: Plan, secrets: list[str], seconds: float, left: int
) -> Findings:
    """The findings. `secrets` must appear nowhere; `left` is how many messages were still in the queues."""
    cloud, kept = stack.cloud, fake_nxcloud.provider.media
    letters = [*_dead_letters(stack, "DeletionDeadLetterQueue"), *_dead_letters(stack, "IndexDeadLetterQueue")]
    printed = _printed(cloud)
    told = [line for line in map(_parsed, printed) if line.get("message") == "media_deletion"]
    held = [case for case in plan.asked if (case.business_phone, case.media_id) in kept]
    lost = [case for case in held if not _lies_with_reason(case, letters)]
    findings = Findings(
        media=len(plan.asked),
        left_alone=len(plan.left_alone),
        seconds=seconds,
        calls=fake_nxcloud.deletions_called,
        gone=len(plan.asked) - len(held),
        dead_letters=Counter(letter.reason.partition(":")[0] or "(none)" for letter in letters),
        outcomes=Counter(_kind(line) for line in told),
        faults=fake_nxcloud.faults,
        aws_faults=strait.faults,
        kills=strait.kills,
        longest_call_s=fake_nxcloud.longest_s,
    )
    findings.must_be_none = {
        "lost: still at NXCloud, and in no dead-letter queue with a reason": sorted(
            (_history(case, told) for case in lost), key=lambda story: "verified_absent" in story
        ),
        "declared gone while it was still there": _declared_gone_early(fake_nxcloud, told),
        "wrongly deleted: never asked for": [
            case.media_id for case in plan.left_alone if (case.business_phone, case.media_id) not in kept
        ],
        "called again after a confirmation that was heard": _called_again(fake_nxcloud, strait.excused),
        "time-outs, internal errors, deaths of nobody's doing": _broken(printed, cloud, strait.kills.total()),
        "dead-lettered without a reason": [letter.body[:200] for letter in letters if not letter.reason],
        "secrets and whole numbers in logs, attributes, records": _leaks(stack, letters, printed, secrets),
        "messages left in the queues": [f"{left} messages"] * bool(left),
    }
    return findings


def _declared_gone_early(fake_nxcloud: FaultyNxCloud, told: list[dict[str, Any]]) -> list[str]:
    """The media that were logged as gone before NXCloud deleted them, or though it never did; a repeat may hide it."""
    calls = list(fake_nxcloud.provider.calls)
    deleted_ms = {call.media_id: call.received_ms for call in calls if call.action == "deleteMedia" and call.code == 0}
    return [
        f"{line['media_id']}: {line['attempt']}. {_kind(line)}"
        for line in told
        if line["outcome"] == "already_gone"
        and datetime.fromisoformat(line["timestamp"]).timestamp() * 1000 < deleted_ms.get(line["media_id"], inf)
    ]


def _called_again(fake_nxcloud: FaultyNxCloud, excused: set[str]) -> list[str]:
    """The media that were called for once more after NXCloud's confirmation had reached the function.

    Those are excused whose confirmation could not be remembered, since AWS failed or the function was killed.
    """
    confirmed: set[str] = set()
    again = []
    for call in list(fake_nxcloud.provider.calls):
        if call.action == "deleteMedia" and call.media_id in confirmed:
            again.append(f"{call.media_id}: code {call.code}")
        elif (
            call.action == "deleteMedia"
            and call.code == 0
            and not (
                call.media_id in fake_nxcloud.stormy.unheard or record_id(call.business_phone, call.media_id) in excused
            )
        ):
            confirmed.add(call.media_id)
    return again


def _lies_with_reason(case: Case, letters: list[DeadLetter]) -> bool:
    names = [case.media_id, *([case.key] if case.key else [])]
    return any(letter.reason and any(name in letter.body for name in names) for letter in letters)


def _history(case: Case, told: list[dict[str, Any]]) -> str:
    """The way that a media was asked for, and what the function said of it, time after time."""
    lines = [line for line in told if case.media_id in f"{line.get('media_id')} {line.get('object_key')}"]
    story = ", ".join(f"{line['attempt']}. {_kind(line)}" for line in lines)
    return f"{case.media_id} ({case.way}): {story or 'no line'}"


def _kind(line: dict[str, Any]) -> str:
    reason = str(line.get("reason") or "").partition(":")[0]
    return f"{line['outcome']}: {reason}" if reason else str(line["outcome"])


def _broken(printed: list[str], cloud: LocalCloud, killed: int) -> list[str]:
    """Lines that tell of a function that ended badly; the local cloud's own log tells it too, and of those killed."""
    own = [line for line in cloud.log.read_text(errors="replace").splitlines() if "failed processing SQS batch" in line]
    failures = [
        line
        for line in printed
        if BROKEN.search(line) or (_parsed(line).get("level") == "ERROR" and "outcome" not in _parsed(line))
    ]
    deaths = [line for line in own if DEATH in line]
    own = [line for line in own if DEATH not in line] + deaths[killed:]
    return [line[:300] for line in [*failures, *own]]


def _leaks(stack: Stack, letters: list[DeadLetter], printed: list[str], secrets: list[str]) -> list[str]:
    dynamodb = stack.cloud.client("dynamodb")
    places = {
        "a log": printed,
        "a dead letter's attributes": [json.dumps(letter.attributes) for letter in letters],
        "IdempotencyTable": _records(dynamodb, stack.resources["IdempotencyTable"]),
    }
    leaks = [
        f"{canary[:4]}… in {place}: {text[:200]}"
        for place, texts in places.items()
        for text in texts
        for canary in [*secrets, *PHONES]
        if canary in text
    ]
    numbered = {  # which hold numbers, and must
        "MediaIndexTable": _records(dynamodb, stack.resources["MediaIndexTable"]),
        "a dead letter": [letter.body for letter in letters],
    }
    return leaks + [
        f"{secret[:4]}… in {place}"
        for place, texts in numbered.items()
        for secret in secrets
        if any(secret in text for text in texts)
    ]


def _records(dynamodb: Any, table: str) -> list[str]:  # noqa: ANN401 (boto3's clients are made at run time)
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return [json.dumps(item, default=str) for page in pages for item in page["Items"]]


def _printed(cloud: LocalCloud) -> list[str]:
    """Every line of every log group."""
    logs = cloud.client("logs")
    return [
        line
        for group in logs.describe_log_groups()["logGroups"]
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for event in page["events"]
        for line in event["message"].splitlines()
    ]


def _dead_letters(stack: Stack, name: str) -> list[DeadLetter]:
    """All messages of a dead-letter queue, which are hidden from then on."""
    sqs, letters = stack.cloud.client("sqs"), []
    while messages := sqs.receive_message(
        QueueUrl=stack.resources[name], MaxNumberOfMessages=10, VisibilityTimeout=3600, MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            attributes = message.get("MessageAttributes", {})
            texts = {key: value["StringValue"] for key, value in attributes.items()}
            letters.append(DeadLetter(message["Body"], texts))
    return letters


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
