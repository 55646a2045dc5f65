"""The hourly check: disconnected buckets are counted, unreadable ones reported once, and days of a dry run counted."""

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from media_cleanup.aws.clients import AwsClients
from media_cleanup.bucket_events import DELETIONS
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.hourly_check import DAY_S, HourlyCheck
from media_cleanup.settings import HourlyCheckSettings
from sweep_index import app
from tests.conftest import Context
from tests.integration.conftest import AWS, BUCKET, TABLE, Environment, inject_aws_error

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:DeleteMedia:live"


class Check:
    """The hourly check with a clock of its own; its metrics and log lines are printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], **settings: Any) -> None:  # noqa: ANN401 (any setting)
        fields: dict[str, Any] = {"own_bucket": "", "existing_buckets": "", "object_key_prefix": "", "dry_run": False}
        fields |= {"queue_urls": frozenset(), "function_arns": frozenset({FUNCTION}), "media_index_table": TABLE}
        self.clients = AwsClients()
        self.now_s = 1_000_000
        self._capsys = capsys
        self._check = HourlyCheck(HourlyCheckSettings(**(fields | settings)), self.clients, lambda: self.now_s)
        self.lines: list[dict[str, Any]] = []

    def run(self) -> dict[str, int]:
        counts = self._check.check()
        lines = map(json.loads, self._capsys.readouterr().out.splitlines())
        self.lines = [line for line in lines if "message" in line]
        return counts


def counts(disconnected: int = 0, not_checked: int = 0, days: int = 0) -> dict[str, int]:
    return {"Disconnected": disconnected, "NotChecked": not_checked, "DryRunDays": days}


def configure(bucket: str, configuration: Any) -> None:  # noqa: ANN401 (boto3's own type)
    AWS.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def to_queue(environment: Environment) -> dict[str, Any]:
    """The notifications of a bucket that notifies the deletion queue of all deletions."""
    return {
        "QueueConfigurations": [{"QueueArn": queue_arn(environment.deletion_queue_url), "Events": sorted(DELETIONS)}]
    }


def queue_arn(url: str) -> str:
    attributes = AWS.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return attributes["QueueArn"]


def test_bucket_without_notifications_is_disconnected(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    check = Check(capsys, existing_buckets=BUCKET, queue_urls=frozenset({environment.deletion_queue_url}))
    assert check.run() == counts(disconnected=1)
    [line] = check.lines
    assert (line["message"], line["level"], line["bucket"]) == ("bucket_disconnected", "WARNING", BUCKET)
    assert line["reason"] == "no notification of s3:LifecycleExpiration:*, s3:ObjectRemoved:*"
    configure(BUCKET, to_queue(environment))  # moto does not keep EventBridge's setting; the end-to-end tests use it
    assert check.run() == counts()
    assert check.lines == []


@pytest.mark.usefixtures("environment")
def test_missing_bucket_is_disconnected(capsys: pytest.CaptureFixture[str]) -> None:
    check = Check(capsys, existing_buckets="no-such-bucket")
    assert check.run() == counts(disconnected=1)
    assert check.lines[0]["reason"] == "there is no such bucket"


@pytest.mark.usefixtures("environment")
def test_stack_without_bucket_checks_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert Check(capsys).run() == counts()


def test_each_bucket_of_pattern_is_checked(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("team-a", "team-b", "other"):
        AWS.s3.create_bucket(Bucket=name)
    configure("team-a", to_queue(environment))
    check = Check(capsys, existing_buckets="team-*", queue_urls=frozenset({environment.deletion_queue_url}))
    assert check.run() == counts(disconnected=1)
    assert check.lines[0]["bucket"] == "team-b"


def test_own_bucket_must_notify_both_queues(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    index_url = AWS.sqs.create_queue(QueueName="index")["QueueUrl"]
    urls = (environment.deletion_queue_url, index_url)
    arns = [queue_arn(url) for url in urls]
    check = Check(capsys, own_bucket=BUCKET, queue_urls=frozenset(urls))
    deletions: dict[str, Any] = {"QueueArn": arns[0], "Events": sorted(DELETIONS)}
    stores: dict[str, Any] = {"QueueArn": arns[1], "Events": ["s3:ObjectCreated:*", "s3:ObjectTagging:Put"]}
    configure(BUCKET, {"QueueConfigurations": [deletions]})
    assert check.run() == counts(disconnected=1)
    assert check.lines[0]["reason"] == "no notification of s3:ObjectCreated:*, s3:ObjectTagging:Put"
    configure(BUCKET, {"QueueConfigurations": [deletions, stores]})
    assert check.run() == counts()


@pytest.mark.usefixtures("environment")
def test_unreadable_bucket_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    check = Check(capsys, existing_buckets=BUCKET)
    inject_aws_error(check.clients.s3, "GetBucketNotificationConfiguration", 403)
    assert check.run() == counts(not_checked=1)
    [line] = check.lines
    assert (line["message"], line["bucket"]) == ("bucket_not_checked", BUCKET)
    assert "s3:GetBucketNotification" in line["reason"]
    assert check.run() == counts(not_checked=1)
    assert check.lines == []
    assert Check(capsys, existing_buckets=BUCKET).run() == counts(disconnected=1)  # it is readable again
    assert check.run() == counts(not_checked=1)
    assert [line["message"] for line in check.lines] == ["bucket_not_checked"]


@pytest.mark.usefixtures("environment")
def test_unlistable_buckets_of_pattern_are_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    check = Check(capsys, existing_buckets="team-*")
    inject_aws_error(check.clients.s3, "ListBuckets", 403)
    assert check.run() == counts(not_checked=1)
    assert [line["bucket"] for line in check.lines] == ["team-*"]
    assert check.run() == counts(not_checked=1)
    assert check.lines == []


@pytest.mark.usefixtures("environment")
def test_days_of_dry_run_count_from_first_check(capsys: pytest.CaptureFixture[str]) -> None:
    check = Check(capsys, dry_run=True)
    assert check.run() == counts(days=0)
    check.now_s += 31 * DAY_S
    assert check.run() == counts(days=31)
    live = Check(capsys)
    assert live.run() == counts()
    check.now_s += DAY_S
    assert check.run() == counts(days=0)  # another dry run


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("operation", ["GetItem", "PutItem"])
def test_unreachable_table_fails_the_check(capsys: pytest.CaptureFixture[str], operation: str) -> None:
    check = Check(capsys, dry_run=True)
    inject_aws_error(check.clients.dynamodb, operation, 400)
    with pytest.raises(DependencyUnavailable, match=f"the table {TABLE} answered Refused"):
        check.run()


def test_schedule_input_selects_check(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXISTING_BUCKETS", BUCKET)
    app._hourly_check.cache_clear()  # noqa: SLF001 (the next invocation is a cold start)
    assert app.lambda_handler(app.CHECK, cast("LambdaContext", Context())) == counts(disconnected=1)
    assert environment.links() == []


def test_record_of_check_is_no_link(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    Check(capsys, dry_run=True).run()
    assert environment.sweep_index()["SweptLinks"] == 0
    assert "index_item_invalid" not in [line["message"] for line in environment.log_lines]
