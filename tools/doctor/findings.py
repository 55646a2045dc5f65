"""Findings of the doctor, and the pure decisions that make them from what AWS and NXCloud answered."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from media_cleanup.aws.credentials import Accounts
from media_cleanup.masking import mask_number, mask_numbers
from nxcloud import (
    ClockSkewError,
    Credentials,
    CredentialsRefusedError,
    InvalidRequestError,
    InvalidResponseError,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
)
from tools.forwarding import Place
from tools.notifications import DELETION_EVENTS, EVENTBRIDGE, TARGETS, Configuration, Owner

BUCKET_PROFILE = "for a bucket of another account, pass BUCKET_PROFILE=… (docs/other-accounts.md)"
STORE_CREDENTIALS = "store the credentials (docs/deploy.md)"


class Health(StrEnum):
    """The state of what was checked."""

    OK = "ok"
    WARNING = "warning"  # it works, and may not be what you want
    PROBLEM = "problem"
    UNKNOWN = "unknown"  # it could not be read


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was checked, its state, what was found, and how to fix it."""

    check: str
    health: Health
    text: str
    fix: str = ""


def event_bus(name: str, *, exists: bool) -> Finding:
    """Judge the event bus for outcome events: without it, no message is ever done."""
    if exists:
        return Finding("Events", Health.OK, f"outcomes are published on the event bus {name}")
    fix = f"create it: aws events create-event-bus --name {name}, or set OutcomeEventBusName"
    return Finding("Events", Health.PROBLEM, f"there is no event bus {name}, so no message is done", fix)


def exit_status(findings: Sequence[Finding]) -> int:
    """Return 1 if there is a problem, else 0."""
    return int(any(finding.health is Health.PROBLEM for finding in findings))


def stack_status(name: str, status: str) -> Finding:
    """Judge the status of the stack."""
    if status.endswith("_IN_PROGRESS"):
        return Finding("Stack", Health.WARNING, f"{name}: {status}", "run this command again after the deployment")
    if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}:
        return Finding("Stack", Health.OK, f"{name}: {status}")
    return Finding("Stack", Health.PROBLEM, f"{name}: {status}", "read the stack's events, and deploy again")


def mode(*, dry_run: bool, sweep_days: int) -> Finding:
    """Say in words what the stack does."""
    if dry_run:
        return Finding(
            "Mode",
            Health.WARNING,
            "dry run: requests are processed, and nothing is deleted",
            "to delete, deploy with DryRun=false (docs/deploy.md)",
        )
    sweep = f"a sweep every {sweep_days} days" if sweep_days else "no sweep for missed events"
    return Finding("Mode", Health.OK, f"live: media files are deleted; {sweep}")


def is_number(name: str) -> bool:
    """Whether a name in the secret's accounts can be a business phone."""
    return re.fullmatch("[0-9]{5,15}", name) is not None


def secret(secret_id: str, accounts: Accounts) -> Iterator[Finding]:
    """Say whose credentials a secret holds, and which of its entries no business phone can use."""
    if not accounts.own:
        yield Finding("Secret", Health.OK, f"{secret_id} holds an access key and an access secret")
        return
    common = accounts.common
    others = "a common pair for all others" if isinstance(common, Credentials) else f"no common pair ({common.detail})"
    yield Finding("Secret", Health.OK, f"{secret_id} has accounts of {len(accounts.own)} business phones, and {others}")
    for name in accounts.own:
        if not is_number(name):
            text = f"{secret_id} has an account for {mask_numbers(name)!r}, which is not a business phone"
            yield Finding("Secret", Health.PROBLEM, text, "name it by the digits of the number, with its country code")


def number(business_phone: str, error: NxCloudError | None) -> Finding:
    """Judge the response to `getMedia` of a random id under a business phone."""
    shown = mask_number(business_phone)
    text = mask_numbers(str(error), business_phone)  # NXCloud's message may name the number
    match error:
        case None | RequestFailedError():
            return Finding("NXCloud", Health.OK, f"answers for {shown}, and accepts the credentials")
        case ThrottledError():
            return Finding("NXCloud", Health.WARNING, f"throttles calls for {shown}: {text}", "wait, and run it again")
        case CredentialsRefusedError():
            fix = "store the access key and access secret that NXCloud shows (docs/operations/authentication.md)"
            return Finding("NXCloud", Health.PROBLEM, f"refuses the credentials for {shown}: {text}", fix)
        case ClockSkewError():
            fix = "correct the clock of this machine; the functions correct theirs"
            return Finding("NXCloud", Health.WARNING, f"refuses this machine's time: {text}", fix)
        case InvalidRequestError():
            fix = "have NXCloud bind the number to the application, or correct DefaultBusinessPhone"
            return Finding("NXCloud", Health.PROBLEM, f"refuses the number {shown}: {text}", fix)
        case NoResponseError() | InvalidResponseError():
            fix = "check NxCloudBaseUrl, and the network of this machine, which may differ from that of the functions"
            return Finding("NXCloud", Health.PROBLEM, f"does not answer as its API does: {text}", fix)
    return Finding("NXCloud", Health.WARNING, f"answers for {shown}: {text}", "run it again")


def bucket(name: str, configuration: Configuration, owner: Owner, *, own: bool, stack: str) -> Finding:
    """Judge whether a bucket's events reach the stack: by EventBridge, or its own entries for all deletions."""
    fix = f"make connect STACK={stack} BUCKET={name}"
    if EVENTBRIDGE in configuration and not own:
        return Finding("Bucket", Health.OK, f"{name}: connected by EventBridge")
    sent = {
        event
        for list_name, field in TARGETS.items()
        for entry in configuration.get(list_name, [])
        if owner.owns(entry[field])
        for event in entry["Events"]
    }
    missing = [event for event in DELETION_EVENTS if event not in sent]
    if missing:
        return Finding("Bucket", Health.PROBLEM, f"{name}: not connected ({', '.join(missing)})", fix)
    return Finding("Bucket", Health.OK, f"{name}: connected {'to the queues' if own else 'directly'}")


def forwarding(name: str, place: Place, rules: Sequence[str], command: str) -> Finding:
    """Judge whether the events of a bucket in another account or Region are forwarded to the stack."""
    where = f"{name}, in account {place.account}, {place.region}"
    if rules:
        return Finding("Region", Health.OK, f"{where}: forwarded by {', '.join(rules)}")
    return Finding("Region", Health.PROBLEM, f"{where}: no rule forwards its events to the stack", command)


def partition(name: str, region: str, alarms_missing: Sequence[str]) -> Finding:
    """Say what the partition lacks."""
    lacks = f"; not in this partition: {', '.join(alarms_missing)}" if alarms_missing else ""
    return Finding("Region", Health.OK, f"{region} (partition {name}){lacks}")


def permissions(role: str, denied: Sequence[str]) -> Finding:
    """Judge the simulation of a role's permissions."""
    if not denied:
        return Finding("Permissions", Health.OK, f"{role}: all are present")
    fix = "deploy the stack again; then check permissions boundary and service control policies"
    return Finding("Permissions", Health.PROBLEM, f"{role} may not {', '.join(denied)}", fix)


def subscriptions(topic: str, found: Sequence[Mapping[str, str]]) -> Finding:
    """Judge the subscriptions of the alarm topic."""
    confirmed = [one for one in found if one["SubscriptionArn"] not in {"PendingConfirmation", "Deleted"}]
    pending = [one for one in found if one["SubscriptionArn"] == "PendingConfirmation"]
    if confirmed:
        return Finding("Alarms", Health.OK, f"{len(confirmed)} subscriptions of {topic}")
    if pending:
        fix = "confirm the e-mail; if its link has expired, remove AlarmEmail, deploy, set it and deploy again"
        return Finding("Alarms", Health.WARNING, f"{pending[0]['Endpoint']} has not confirmed its subscription", fix)
    return Finding(
        "Alarms", Health.WARNING, f"{topic} has no subscription", "deploy with AlarmEmail=…, or subscribe to it"
    )


def alarm_states(names: Sequence[str]) -> Finding:
    """Judge which alarms are in the state ALARM."""
    if names:
        return Finding("Alarms", Health.WARNING, f"in ALARM: {', '.join(sorted(names))}", "docs/operations/index.md")
    return Finding("Alarms", Health.OK, "none is in ALARM")


def pause(mapping: Mapping[str, Any] | None, retention_s: int, stack: str) -> Finding | None:
    """Return a problem if the mapping of the deletion queue is disabled, with the time for which messages are kept."""
    if mapping is None or mapping["State"] not in {"Disabled", "Disabling"}:
        return None
    text, since = "paused: no deletion request is processed", mapping.get("LastModified")
    if since:
        end = since + timedelta(seconds=retention_s)
        text += f"; messages sent at its start, {since:%Y-%m-%d %H:%M}, are kept until {end:%Y-%m-%d %H:%M}"
    return Finding("Queues", Health.PROBLEM, text, f"make resume STACK={stack}")


def queue_mapping(function: str, mapping: Mapping[str, Any] | None) -> Finding:
    """Judge the event source mapping of a function."""
    if mapping is None:
        return Finding("Queues", Health.PROBLEM, f"{function} reads no queue", "deploy the stack again")
    if mapping["State"] in {"Enabled", "Enabling", "Updating", "Creating"}:
        return Finding("Queues", Health.OK, f"{function} reads its queue")
    fix = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled"
    return Finding("Queues", Health.PROBLEM, f"{function} does not read its queue ({mapping['State']})", fix)


def dead_letters(queue: str, messages: int, stack: str) -> Finding:
    """Judge the number of dead letters."""
    if not messages:
        return Finding("Queues", Health.OK, f"no dead letters of the {queue} queue")
    fix = f"docs/operations/dead-letters.md, then make redrive STACK={stack} QUEUE={queue}"
    return Finding("Queues", Health.WARNING, f"{messages} dead letters of the {queue} queue", fix)


def concurrency(account_limit: int, wanted: int) -> Finding:
    """Judge whether the account's concurrency suffices for both queues and the sweep."""
    if account_limit >= wanted:
        return Finding("Concurrency", Health.OK, f"the account has {account_limit}, the stack uses at most {wanted}")
    fix = "request a higher quota of concurrent executions for Lambda, or deploy with a lower MaxConcurrency"
    text = f"the account has {account_limit}, the stack may use {wanted}"
    return Finding("Concurrency", Health.WARNING, text, fix)


def version(function: str, configuration: Mapping[str, Any], latest: str, weights: Mapping[str, float]) -> Finding:
    """Say which version of a function is live."""
    live = configuration["Version"]
    text = f"{function}: version {live}, {configuration.get('Runtime')}, {configuration.get('Architectures', ['?'])[0]}"
    if weights:
        return Finding("Version", Health.WARNING, f"{text}; a deployment is shifting traffic to {', '.join(weights)}")
    if latest not in {live, ""}:
        fix = "read the last deployment in CodeDeploy, and deploy again"
        return Finding("Version", Health.WARNING, f"{text}; version {latest} is not live", fix)
    return Finding("Version", Health.OK, text)
