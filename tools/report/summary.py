"""The summary of a report: totals, lag, failures, what is still open, and the limits of the proof."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tools.deployment import Deployment
from tools.report.ledger import Ledger
from tools.report.scope import Scope, utc

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

OUTCOMES = {  # in the order of the report, with what they mean for those who do not know the application
    "deleted": "NXCloud confirmed the deletion.",
    "already_gone": "The media file was deleted earlier, or is proven to be absent.",
    "skipped": "There was nothing to delete, for example because the object still exists.",
    "rejected": "The deletion failed for good, and was dead-lettered.",
    "unavailable": "Not done yet: the request is repeated.",
}
QUEUES = {
    "DeletionQueue": "deletion requests",
    "DeletionDeadLetterQueue": "failed deletion requests (dead letters)",
    "IndexQueue": "link requests",
    "IndexDeadLetterQueue": "failed link requests (dead letters)",
}
_COUNTS: "tuple[QueueAttributeNameType, ...]" = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
LIMITS = (
    (
        "“deleted” means that NXCloud answered the signed request with code 0. What happens to NXCloud's own copy, to "
        "backups and to caches is not in its documentation."
    ),
    "Copies that recipients have received on their devices are not recalled, and no one can list them.",
    "“already_gone: verified_absent” follows from two experiments, an hour or more apart; it is not a confirmation.",
    (
        "A time of confirmation is that of its log line, which is written at most a minute later. Without a "
        "confirmation, the time of the request is that of its first log line."
    ),
    "“By” is what S3's event or the message says. Names in messages (requested_by) are not verified.",
    "Phone numbers are masked. Objects whose keys differ only in the masked digits cannot be distinguished.",
    "Only log lines that still exist are counted. Requests that S3 or a sender never sent are in no log.",
)


@dataclass(frozen=True, slots=True)
class QueueState:
    """The messages of a queue: visible, in flight (hidden until they are redelivered), and delayed."""

    name: str
    holds: str
    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary; `queues` is empty where there is no stack, `objective_s` and `slower` then have no value.

    `objective_s` includes UndoSeconds, for which the queue delays each request.
    """

    facts: Sequence[tuple[str, str]]
    lines: int
    outcomes: Mapping[str, int]
    failures: Mapping[str, int]
    open_requests: Mapping[str, int]
    lags_ms: Mapping[str, int]
    objective_s: int | None
    slower: int | None
    queues: Sequence[QueueState]

    @property
    def requests(self) -> int:
        """The number of requests."""
        return sum(self.outcomes.values())

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        gone = self.outcomes["deleted"] + self.outcomes["already_gone"]
        return (
            f"Of {self.requests:,} requests, {gone:,} ended with the media file deleted or gone, "
            f"{self.outcomes['skipped']:,} had nothing to delete, {self.outcomes['rejected']:,} failed, "
            f"and {self.outcomes['unavailable']:,} are still open."
        )


def summarize(
    ledger: Ledger, facts: Sequence[tuple[str, str]], deployment: Deployment | None, queues: Sequence[QueueState]
) -> Summary:
    """Summarize a ledger."""
    objective_s = _objective_s(deployment.parameters) if deployment else 0
    counts = ledger.counts()
    lags = {name: ledger.lag_ms(share) for name, share in (("half of them", 0.5), ("95 percent", 0.95), ("all", 1.0))}
    return Summary(
        facts=facts,
        lines=ledger.lines,
        outcomes={outcome: counts.get(outcome, 0) for outcome in OUTCOMES},
        failures=ledger.reasons("rejected"),
        open_requests=ledger.reasons("unavailable"),
        lags_ms={name: lag_ms for name, lag_ms in lags.items() if lag_ms is not None},
        objective_s=objective_s or None,
        slower=ledger.count_slower(objective_s * 1000) if objective_s else None,
        queues=queues,
    )


def _objective_s(parameters: Mapping[str, str]) -> int:
    """The lag objective, which counts from the end of UndoSeconds; 0 for none."""
    objective_s, undo_s = (int(parameters.get(name) or 0) for name in ("LagObjectiveSeconds", "UndoSeconds"))
    return objective_s and objective_s + undo_s


def facts_of(scope: Scope, group: str, deployment: Deployment | None, now: datetime) -> list[tuple[str, str]]:
    """What a report is about, as names and values."""
    facts = [*scope.texts, ("Log group", group), ("Made at", f"{utc(round(now.timestamp() * 1000))} UTC")]
    if deployment is None:
        return facts
    place = f"{deployment.account}, {deployment.region}"
    days = deployment.parameters.get("LogRetentionDays", "unknown")
    return [("Stack", deployment.name), ("Account, Region", place), *facts, ("Log lines are kept for", f"{days} days")]


def read_queues(sqs: "SQSClient", deployment: Deployment) -> list[QueueState]:
    """Read the approximate numbers of messages in the queues of a stack."""
    states = []
    for name, holds in QUEUES.items():
        attributes = sqs.get_queue_attributes(QueueUrl=deployment.physical_id(name), AttributeNames=list(_COUNTS))
        counts = [int(attributes["Attributes"].get(count, 0)) for count in _COUNTS]
        states.append(QueueState(name, holds, *counts))
    return states


def words(name: str) -> str:
    """A name of the vocabulary as words."""
    return name.replace("_", " ")


def duration(milliseconds: int) -> str:
    """A duration as reports show it."""
    seconds = milliseconds / 1000
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
