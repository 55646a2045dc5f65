"""The template keeps AWS's rules, and agrees with the code."""

from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from media_cleanup.settings import DEFAULT_OBJECT_KEY_PATTERN, Settings
from tests.conftest import EVENTS

ROOT = EVENTS.parent
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES = {name: resource.get("Properties", {}) for name, resource in TEMPLATE["Resources"].items()}
FUNCTION = RESOURCES["DeleteMediaFunction"]
MAPPING = FUNCTION["Events"]["Deletions"]["Properties"]


def test_the_names_that_others_rely_on() -> None:
    assert {
        *("DeleteMediaFunction", "DeletionQueue", "DeletionDeadLetterQueue", "CredentialsSecret", "SourceBucket"),
    } <= TEMPLATE["Resources"].keys()
    assert {
        *("CredentialsSecretArn", "NxCloudBaseUrl", "SignatureAlgorithm", "SourceBucketName", "CreateSourceBucket"),
        *("ObjectKeyPrefix", "ObjectKeyPattern", "DefaultBusinessPhone", "DryRun", "MaxConcurrency"),
        *("LogRetentionDays", "Architecture"),
    } == TEMPLATE["Parameters"].keys()
    assert {
        *("DeletionQueueUrl", "DeletionDeadLetterQueueUrl", "CredentialsSecretArn", "SourceBucketName"),
        "DeleteMediaFunctionArn",
    } == TEMPLATE["Outputs"].keys()


def test_the_queue_hides_a_message_for_six_times_the_functions_timeout() -> None:
    assert RESOURCES["DeletionQueue"]["VisibilityTimeout"] >= 6 * FUNCTION["Timeout"]


def test_the_dead_letter_queue_keeps_longer_and_takes_larger_messages() -> None:
    queue, dead = RESOURCES["DeletionQueue"], RESOURCES["DeletionDeadLetterQueue"]
    assert dead["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]
    assert dead["MaximumMessageSize"] > queue["MaximumMessageSize"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 20


def test_partial_failures_are_on_and_concurrency_is_capped_at_the_mapping() -> None:
    assert MAPPING["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert MAPPING["ScalingConfig"]["MaximumConcurrency"]
    assert "ReservedConcurrentExecutions" not in FUNCTION
    assert "FilterCriteria" not in MAPPING  # messages that a filter rejects are deleted


def test_events_without_a_queue_have_a_failure_destination() -> None:
    destination = FUNCTION["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert destination == {"Type": "SQS", "Destination": {"Fn::GetAtt": ["DeletionDeadLetterQueue", "Arn"]}}
    [target] = RESOURCES["DeletedObjectsRule"]["Targets"]
    assert target["DeadLetterConfig"]


def test_the_bucket_tells_of_both_families_of_deletions() -> None:
    notifications = RESOURCES["SourceBucket"]["NotificationConfiguration"]["QueueConfigurations"]
    assert {each["Event"] for each in notifications} == {"s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"}
    assert TEMPLATE["Resources"]["SourceBucket"]["DependsOn"] == "DeletionQueuePolicy"


def test_every_setting_that_the_code_reads_is_set_and_none_besides() -> None:
    class Recorder(dict[str, str]):
        read: set[str] = set()  # noqa: RUF012 (one recorder, one test)

        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # a narrower get
            self.read.add(name)
            return super().get(name, default)

    required = {"NXCLOUD_BASE_URL": "https://example.com", "NXCLOUD_SECRET_ID": "s", "DEAD_LETTER_QUEUE_URL": "q"}
    Settings.from_environment(Recorder(required))
    variables = FUNCTION["Environment"]["Variables"]
    assert variables.pop("AWS_ENDPOINT_URL") == {"Ref": "AWS::NoValue"}  # not set: named for `sam local` alone
    assert variables.keys() == Recorder.read


def test_the_default_pattern_is_the_codes_own() -> None:
    assert TEMPLATE["Parameters"]["ObjectKeyPattern"]["Default"] == DEFAULT_OBJECT_KEY_PATTERN


def test_the_role_may_do_no_more_than_it_needs() -> None:
    statements = RESOURCES["DeleteMediaRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    plain = [statement.get("Fn::If", [None, statement])[1] for statement in statements]
    assert {statement["Sid"]: statement["Action"] for statement in plain} == {
        "ReadQueue": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "DeadLetter": "sqs:SendMessage",
        "ReadCredentials": "secretsmanager:GetSecretValue",
        "WriteLogs": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "LookAtObjects": "s3:GetObject",
        "TellMissingObjects": "s3:ListBucket",
    }
    assert all(statement["Resource"] != "*" for statement in plain)


@pytest.mark.parametrize("name", ["SourceBucket", "CredentialsSecret", "DeletionDeadLetterQueue"])
def test_what_holds_data_outlives_the_stack(name: str) -> None:
    assert TEMPLATE["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert TEMPLATE["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_nothing_has_a_name_that_two_stacks_of_one_account_would_share() -> None:
    kinds = {"AWS::SQS::Queue": "QueueName", "AWS::Serverless::Function": "FunctionName", "AWS::IAM::Role": "RoleName"}
    for resource in TEMPLATE["Resources"].values():
        assert kinds.get(resource["Type"]) not in resource.get("Properties", {})
    assert "${AWS::StackName}" in RESOURCES["DeleteMediaLogGroup"]["LogGroupName"]["Fn::Sub"]
    [_, variables] = RESOURCES["SourceBucket"]["BucketName"]["Fn::Sub"]
    assert variables["Id"]["Fn::Select"][1]["Fn::Split"][1] == {"Ref": "AWS::StackId"}
