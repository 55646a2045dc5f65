"""The template keeps AWS's rules, and agrees with the code."""

from typing import Any, NamedTuple

import pytest
from samcli.yamlhelper import yaml_parse

from media_cleanup.settings import DEFAULT_OBJECT_KEY_PATTERN, DeletionSettings, LinkingSettings
from tests.conftest import EVENTS

ROOT = EVENTS.parent
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES = {name: resource.get("Properties", {}) for name, resource in TEMPLATE["Resources"].items()}


class Side(NamedTuple):
    """The names of what one function works with."""

    function: str
    queue: str
    dead: str
    rule: str


SIDES = [
    Side("DeleteMediaFunction", "DeletionQueue", "DeletionDeadLetterQueue", "DeletedObjectsRule"),
    Side("IndexMediaFunction", "IndexQueue", "IndexDeadLetterQueue", "StoredObjectsRule"),
]
on_both_sides = pytest.mark.parametrize("side", SIDES, ids=lambda side: side.function)


def test_the_names_that_others_rely_on() -> None:
    assert {
        *("DeleteMediaFunction", "DeletionQueue", "DeletionDeadLetterQueue", "CredentialsSecret", "SourceBucket"),
        *("IndexMediaFunction", "IndexQueue", "IndexDeadLetterQueue", "MediaIndexTable", "IdempotencyTable"),
    } <= TEMPLATE["Resources"].keys()
    assert {
        *("CredentialsSecretArn", "NxCloudBaseUrl", "SignatureAlgorithm", "SourceBucketName", "CreateSourceBucket"),
        *("ObjectKeyPrefix", "ObjectKeyPattern", "DefaultBusinessPhone", "DryRun", "MaxConcurrency"),
        *("LogRetentionDays", "Architecture", "VerifyAbsence", "ConcurrentCalls"),
    } == TEMPLATE["Parameters"].keys()
    assert {
        *("DeletionQueueUrl", "DeletionDeadLetterQueueUrl", "CredentialsSecretArn", "SourceBucketName"),
        *("IndexQueueUrl", "DeleteMediaFunctionArn"),
    } == TEMPLATE["Outputs"].keys()


@on_both_sides
def test_a_queue_hides_a_message_for_six_times_the_functions_timeout(side: Side) -> None:
    assert RESOURCES[side.queue]["VisibilityTimeout"] >= 6 * RESOURCES[side.function]["Timeout"]


@on_both_sides
def test_a_dead_letter_queue_keeps_longer_and_takes_larger_messages(side: Side) -> None:
    assert RESOURCES[side.dead]["MessageRetentionPeriod"] > RESOURCES[side.queue]["MessageRetentionPeriod"]
    assert RESOURCES[side.dead]["MaximumMessageSize"] > RESOURCES[side.queue]["MaximumMessageSize"]
    target = {"Fn::GetAtt": [side.dead, "Arn"]}
    assert RESOURCES[side.queue]["RedrivePolicy"] == {"deadLetterTargetArn": target, "maxReceiveCount": 20}


@on_both_sides
def test_partial_failures_are_on_and_concurrency_is_capped_at_the_mapping(side: Side) -> None:
    [event] = RESOURCES[side.function]["Events"].values()
    mapping = event["Properties"]
    assert mapping["Queue"] == {"Fn::GetAtt": [side.queue, "Arn"]}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"]
    assert "ReservedConcurrentExecutions" not in RESOURCES[side.function]
    assert "FilterCriteria" not in mapping  # messages that a filter rejects are deleted


@on_both_sides
def test_events_without_a_queue_have_a_failure_destination(side: Side) -> None:
    destination = RESOURCES[side.function]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert destination == {"Type": "SQS", "Destination": {"Fn::GetAtt": [side.dead, "Arn"]}}
    [target] = RESOURCES[side.rule]["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [side.queue, "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [side.dead, "Arn"]}}


@on_both_sides
def test_queues_admit_only_who_sends_to_them_and_by_tls(side: Side) -> None:
    by_rule = {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [side.rule, "Arn"]}},
        "StringEqualsIfExists": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }
    without_tls, by_s3, by_eventbridge = statements_about(side.queue)
    without_tls_either, by_eventbridge_either = statements_about(side.dead)
    assert by_s3["Condition"].keys() == {"StringEquals", "ArnEquals"}
    assert by_eventbridge["Condition"] == by_eventbridge_either["Condition"] == by_rule
    for statement in (by_s3, by_eventbridge, by_eventbridge_either):
        assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    for statement in (without_tls, without_tls_either):
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")


def statements_about(queue: str) -> list[Any]:
    """What a queue's policy says, whatever the conditions."""
    policy = RESOURCES[f"{queue}Policy"]
    assert policy["Queues"] == [{"Ref": queue}]
    statements = [each.get("Fn::If", [None, each])[1] for each in policy["PolicyDocument"]["Statement"]]
    assert all(statement["Resource"] == {"Fn::GetAtt": [queue, "Arn"]} for statement in statements)
    return statements


def test_the_bucket_tells_of_both_families_of_deletions_and_of_stores_and_tags() -> None:
    notifications = RESOURCES["SourceBucket"]["NotificationConfiguration"]["QueueConfigurations"]
    assert {each["Event"]: each["Queue"]["Fn::GetAtt"][0] for each in notifications} == {
        "s3:ObjectRemoved:*": "DeletionQueue",
        "s3:LifecycleExpiration:*": "DeletionQueue",
        "s3:ObjectCreated:*": "IndexQueue",
        "s3:ObjectTagging:Put": "IndexQueue",
    }
    assert TEMPLATE["Resources"]["SourceBucket"]["DependsOn"] == ["DeletionQueuePolicy", "IndexQueuePolicy"]


def test_the_rules_let_through_what_the_functions_understand() -> None:
    kinds = {rule: RESOURCES[rule]["EventPattern"]["detail-type"] for rule in (side.rule for side in SIDES)}
    assert kinds == {
        "DeletedObjectsRule": ["Object Deleted"],
        "StoredObjectsRule": ["Object Created", "Object Tags Added"],
    }


@pytest.mark.parametrize("name", ["MediaIndexTable", "IdempotencyTable"])
def test_the_tables_are_kept_safe(name: str) -> None:
    table = RESOURCES[name]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}


@pytest.mark.parametrize(
    ("function", "settings"), [("DeleteMediaFunction", DeletionSettings), ("IndexMediaFunction", LinkingSettings)]
)
def test_every_setting_that_the_code_reads_is_set_and_none_besides(
    function: str, settings: type[DeletionSettings | LinkingSettings]
) -> None:
    read: set[str] = set()

    class Recorder(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # a narrower get
            read.add(name)
            return super().get(name, default)

    queues = {"DELETION_QUEUE_URL": "q", "DEAD_LETTER_QUEUE_URL": "d"}
    required = {
        "NXCLOUD_BASE_URL": "https://example.com",
        "NXCLOUD_SECRET_ID": "s",
        "MEDIA_INDEX_TABLE": "t",
        "IDEMPOTENCY_TABLE": "i",
    }
    settings.from_environment(Recorder(required | queues))
    variables = dict(RESOURCES[function]["Environment"]["Variables"])
    assert variables.pop("AWS_ENDPOINT_URL") == {"Ref": "AWS::NoValue"}  # not set: named for `sam local` alone
    assert variables.keys() == read


def test_the_default_pattern_is_the_codes_own() -> None:
    assert TEMPLATE["Parameters"]["ObjectKeyPattern"]["Default"] == DEFAULT_OBJECT_KEY_PATTERN


SHARED = {
    "ReadQueue": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
    "DeadLetter": "sqs:SendMessage",
    "WriteLogs": ["logs:CreateLogStream", "logs:PutLogEvents"],
    "TellMissingObjects": "s3:ListBucket",
}


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        (
            "DeleteMediaRole",
            {
                "ReadQueue": [
                    "sqs:ReceiveMessage",
                    "sqs:DeleteMessage",
                    "sqs:ChangeMessageVisibility",
                    "sqs:GetQueueAttributes",
                ],
                "RememberDeletions": [
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DeleteItem",
                ],
                "ReadCredentials": "secretsmanager:GetSecretValue",
                "ReadIndex": ["dynamodb:Query", "dynamodb:DeleteItem"],
                "LookAtObjects": "s3:GetObject",
            },
        ),
        (
            "IndexMediaRole",
            {
                "AskForDeletions": "sqs:SendMessage",
                "WriteIndex": ["dynamodb:Query", "dynamodb:UpdateItem"],
                "LookAtObjects": [
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:GetObjectTagging",
                    "s3:GetObjectVersionTagging",
                ],
            },
        ),
    ],
)
def test_a_role_may_do_no_more_than_it_needs(role: str, actions: dict[str, object]) -> None:
    statements = RESOURCES[role]["Policies"][0]["PolicyDocument"]["Statement"]
    plain = [statement.get("Fn::If", [None, statement])[1] for statement in statements]
    assert {statement["Sid"]: statement["Action"] for statement in plain} == SHARED | actions
    assert all(statement["Resource"] != "*" for statement in plain)


@pytest.mark.parametrize(
    "name",
    [
        "SourceBucket",
        "CredentialsSecret",
        "DeletionDeadLetterQueue",
        "IndexDeadLetterQueue",
        "MediaIndexTable",
        "IdempotencyTable",
    ],
)
def test_what_holds_data_outlives_the_stack(name: str) -> None:
    assert TEMPLATE["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert TEMPLATE["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_nothing_has_a_name_that_two_stacks_of_one_account_would_share() -> None:
    kinds = {"AWS::SQS::Queue": "QueueName", "AWS::Serverless::Function": "FunctionName", "AWS::IAM::Role": "RoleName"}
    for resource in TEMPLATE["Resources"].values():
        assert kinds.get(resource["Type"]) not in resource.get("Properties", {})
        assert "TableName" not in resource.get("Properties", {})
    for group in ("DeleteMediaLogGroup", "IndexMediaLogGroup"):
        assert "${AWS::StackName}" in RESOURCES[group]["LogGroupName"]["Fn::Sub"]
    [_, variables] = RESOURCES["SourceBucket"]["BucketName"]["Fn::Sub"]
    assert variables["Id"]["Fn::Select"][1]["Fn::Split"][1] == {"Ref": "AWS::StackId"}
