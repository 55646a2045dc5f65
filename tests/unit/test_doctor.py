"""The doctor's decisions: the state of each finding, and its fix."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from media_cleanup.aws.credentials import parse_secret
from nxcloud import (
    ApiError,
    ClockSkewError,
    CredentialsRefusedError,
    InvalidRequestError,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
)
from tests.conftest import PHONE
from tools.doctor import findings
from tools.doctor.findings import Finding, Health, exit_status
from tools.doctor.needs import needs
from tools.forwarding import Place
from tools.notifications import Owner, with_functions, with_queues

PLACE = "us-east-1:123456789012"
FUNCTION = f"arn:aws:lambda:{PLACE}:function:app-DeleteMediaFunction-AbCdEf123456:live"
QUEUES = (f"arn:aws:sqs:{PLACE}:app-DeletionQueue-0123", f"arn:aws:sqs:{PLACE}:app-IndexQueue-0123")
OWNER = Owner("app")


@pytest.mark.parametrize(
    ("status", "health"),
    [
        ("CREATE_COMPLETE", Health.OK),
        ("UPDATE_COMPLETE", Health.OK),
        ("UPDATE_IN_PROGRESS", Health.WARNING),
        ("UPDATE_ROLLBACK_COMPLETE", Health.PROBLEM),
        ("ROLLBACK_FAILED", Health.PROBLEM),
    ],
)
def test_stack_status_is_judged(status: str, health: Health) -> None:
    assert findings.stack_status("app", status).health is health


def test_dry_run_is_a_warning_in_words() -> None:
    finding = findings.mode(dry_run=True, sweep_days=7)
    assert (finding.health, finding.text) == (
        Health.WARNING,
        "dry run: requests are processed, and nothing is deleted",
    )
    assert findings.mode(dry_run=False, sweep_days=7).text == "live: media files are deleted; a sweep every 7 days"


@pytest.mark.parametrize(
    ("error", "health"),
    [
        (None, Health.OK),
        (RequestFailedError("no such media file"), Health.OK),
        (ThrottledError(f"too fast for {PHONE}"), Health.WARNING),
        (ClockSkewError(f"two minutes for {PHONE}"), Health.WARNING),
        (ApiError(f"code 9003 for {PHONE}"), Health.WARNING),
        (CredentialsRefusedError(f"code 1003 for {PHONE}"), Health.PROBLEM),
        (InvalidRequestError(f"code 9006 for {PHONE}"), Health.PROBLEM),
        (NoResponseError(f"no route for {PHONE}"), Health.PROBLEM),
    ],
)
def test_response_for_number_is_judged_and_masked(error: NxCloudError | None, health: Health) -> None:
    finding = findings.number(PHONE, error)
    assert finding.health is health
    assert PHONE not in finding.text
    assert bool(finding.fix) is (health is not Health.OK)


def test_accounts_are_counted_and_odd_names_are_a_problem() -> None:
    entry = {"accessKey": "k", "accessSecret": "s"}
    text = json.dumps({"accounts": {PHONE: entry, "+86 158 0000 1796": entry}})
    held, odd = findings.secret("my-secret", parse_secret("my-secret", text))
    assert held.health is Health.OK
    assert "accounts of 2 business phones, and no common pair (secret my-secret has no text" in held.text
    assert (odd.health, "1796" in odd.text, "0000" in odd.text) == (Health.PROBLEM, True, False)


def test_common_pair_alone_is_held() -> None:
    [finding] = findings.secret("my-secret", parse_secret("my-secret", '{"accessKey": "k", "accessSecret": "s"}'))
    assert (finding.health, finding.text) == (Health.OK, "my-secret holds an access key and an access secret")


@pytest.mark.parametrize(
    ("configuration", "own", "health"),
    [
        ({}, False, Health.PROBLEM),
        ({"EventBridgeConfiguration": {}}, False, Health.OK),
        ({"EventBridgeConfiguration": {}}, True, Health.PROBLEM),  # the stack's own bucket has no rules
        (with_functions({}, FUNCTION, None), False, Health.OK),
        (with_queues({}, *QUEUES), True, Health.OK),
        (
            {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectRemoved:*"]}]},
            False,
            Health.PROBLEM,
        ),
        (with_queues({}, f"arn:aws:sqs:{PLACE}:other-DeletionQueue-0123", QUEUES[1]), True, Health.PROBLEM),
    ],
)
def test_connection_of_bucket_is_judged(configuration: dict[str, Any], *, own: bool, health: Health) -> None:
    finding = findings.bucket("my-bucket", configuration, OWNER, own=own, stack="app")
    assert finding.health is health
    assert finding.fix == ("make connect STACK=app BUCKET=my-bucket" if health is Health.PROBLEM else "")


def test_bucket_elsewhere_must_be_forwarded() -> None:
    place = Place("111122223333", "eu-west-1")
    finding = findings.forwarding("b", place, ["forward-app-events"], "aws …")
    assert (finding.health, finding.fix) == (Health.OK, "")
    finding = findings.forwarding("b", place, [], "aws …")
    assert (finding.health, finding.fix) == (Health.PROBLEM, "aws …")
    assert "account 111122223333, eu-west-1" in finding.text


@pytest.mark.parametrize(
    ("subscriptions", "health"),
    [
        ([], Health.WARNING),
        (["PendingConfirmation"], Health.WARNING),
        (["PendingConfirmation", "arn:aws:sns:us-east-1:123456789012:topic:id"], Health.OK),
    ],
)
def test_subscriptions_are_judged(subscriptions: list[str], health: Health) -> None:
    found = [{"SubscriptionArn": arn, "Endpoint": "ops@example.com"} for arn in subscriptions]
    assert findings.subscriptions("topic", found).health is health


def test_disabled_mapping_is_fixed_by_its_id() -> None:
    finding = findings.queue_mapping("DeleteMediaFunction", {"State": "Disabled", "UUID": "1b2c"})
    assert (finding.health, finding.fix) == (
        Health.PROBLEM,
        "aws lambda update-event-source-mapping --uuid 1b2c --enabled",
    )
    assert findings.queue_mapping("DeleteMediaFunction", {"State": "Enabled", "UUID": "1b2c"}).health is Health.OK
    assert findings.queue_mapping("DeleteMediaFunction", None).health is Health.PROBLEM


def test_pause_is_a_problem_with_the_time_for_which_messages_are_kept() -> None:
    since = datetime(2026, 1, 15, 9, 26, tzinfo=UTC)
    finding = findings.pause({"State": "Disabled", "LastModified": since}, 864_000, "app")
    assert finding
    assert finding.health is Health.PROBLEM
    assert finding.text.endswith("sent at its start, 2026-01-15 09:26, are kept until 2026-01-25 09:26")
    assert finding.fix == "make resume STACK=app"
    assert findings.pause({"State": "Enabled"}, 864_000, "app") is None
    assert findings.pause(None, 864_000, "app") is None


def test_small_concurrency_of_account_is_a_warning() -> None:
    assert findings.concurrency(10, 11).health is Health.WARNING
    assert findings.concurrency(1000, 11).health is Health.OK


@pytest.mark.parametrize(
    ("latest", "weights", "health"),
    [("7", {}, Health.OK), ("8", {}, Health.WARNING), ("8", {"8": 0.1}, Health.WARNING)],
)
def test_live_version_is_compared_with_latest(latest: str, weights: dict[str, float], health: Health) -> None:
    configuration = {"Version": "7", "Runtime": "python3.13", "Architectures": ["arm64"]}
    finding = findings.version("DeleteMediaFunction", configuration, latest, weights)
    assert finding.health is health
    assert finding.text.startswith("DeleteMediaFunction: version 7, python3.13, arm64")


def test_missing_event_bus_is_a_problem_with_the_command() -> None:
    assert findings.event_bus("outcomes", exists=True).health is Health.OK
    missing = findings.event_bus("outcomes", exists=False)
    assert missing.health is Health.PROBLEM
    assert "aws events create-event-bus --name outcomes" in missing.fix


def test_dead_letters_are_a_warning() -> None:
    assert findings.dead_letters("deletion", 0, "app").health is Health.OK
    assert "make redrive STACK=app QUEUE=deletion" in findings.dead_letters("deletion", 2, "app").fix


def test_exit_status_is_1_for_problems_only() -> None:
    assert (
        exit_status([Finding("a", Health.OK, ""), Finding("b", Health.WARNING, ""), Finding("c", Health.UNKNOWN, "")])
        == 0
    )
    assert exit_status([Finding("a", Health.OK, ""), Finding("b", Health.PROBLEM, "")]) == 1


def test_needs_leave_out_buckets_of_stack_without() -> None:
    queues = ("DeletionQueue", "DeletionDeadLetterQueue", "IndexQueue", "IndexDeadLetterQueue")
    arns = dict.fromkeys((*queues, "CredentialsSecret", "MediaIndexTable", "IdempotencyTable"), "arn")
    without, with_bucket = needs(arns, None, "aws"), needs(arns, "my-bucket", "aws-cn")
    assert "s3:" not in str(without)
    assert all((["s3:ListBucket"], "arn:aws-cn:s3:::my-bucket") in each for each in with_bucket.values())
