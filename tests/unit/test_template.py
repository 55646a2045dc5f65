"""The template, after SAM's transform, follows AWS's rules and agrees with the code."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import pytest

from localdev.cloud import ROOT
from localdev.expanded import PACKED, expanded, nested
from media_cleanup.aws.sweep_checkpoint import _KEY
from media_cleanup.provider.pacing import MARGIN
from media_cleanup.request import MIN_STEP_MS, QUEUE_RETENTION_S
from media_cleanup.settings import (
    BATCH_SIZE,
    DEFAULT_OBJECT_KEY_PATTERN,
    MIN_SHARE,
    DeleteMediaSettings,
    HourlyCheckSettings,
    IndexMediaSettings,
    SweepIndexSettings,
)
from media_cleanup.triggers.outcome_events import SOURCE
from sweep_index.app import CHECK
from tests.unit.test_backoff import MAX_RECEIVES

TEMPLATE = expanded()
NESTED = {
    name: nested(name) for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::CloudFormation::Stack"
}
ALL_RESOURCES = [(name, one) for each in (TEMPLATE, *NESTED.values()) for name, one in each["Resources"].items()]
RESOURCES = {name: resource.get("Properties", {}) for name, resource in ALL_RESOURCES}
assert len(RESOURCES) == len(ALL_RESOURCES)  # logical ids are unique over all templates


class Pipeline(NamedTuple):
    """The logical ids of a function that polls a queue, and of the resources around it."""

    function: str
    queue: str
    dead_letter_queue: str
    rule: str
    mapping: str


PIPELINES = [
    Pipeline(
        "DeleteMediaFunction",
        "DeletionQueue",
        "DeletionDeadLetterQueue",
        "DeletedObjectsRule",
        "DeleteMediaFunctionDeletions",
    ),
    Pipeline(
        "IndexMediaFunction", "IndexQueue", "IndexDeadLetterQueue", "StoredObjectsRule", "IndexMediaFunctionStores"
    ),
]
each_pipeline = pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.function)
SWEEP = "SweepIndexFunction"
FUNCTIONS = [*(pipeline.function for pipeline in PIPELINES), SWEEP]
each_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_public_names_of_template_are_unchanged() -> None:
    assert {
        *("DeleteMediaFunction", "DeletionQueue", "DeletionDeadLetterQueue", "CredentialsSecret", "SourceBucket"),
        *("IndexMediaFunction", "IndexQueue", "IndexDeadLetterQueue", "MediaIndexTable", "IdempotencyTable"),
    } <= TEMPLATE["Resources"].keys()
    assert {
        *("CredentialsSecretArn", "NxCloudBaseUrl", "SignatureAlgorithm", "SourceBucketName", "CreateSourceBucket"),
        "TrustedAccounts",
        *("ObjectKeyPrefix", "ObjectKeyPattern", "DefaultBusinessPhone", "DryRun", "MaxConcurrency"),
        *(
            "LogRetentionDays",
            "Architecture",
            "SnapStart",
            "VerifyAbsence",
            "ConcurrentCalls",
            "CallsPerSecond",
            "MaxDeletionsPerHour",
            "UndoSeconds",
            "LagObjectiveSeconds",
            "AlarmEmail",
        ),
        *("DeploymentPreference", "KmsKeyArn", "SweepEveryDays"),
        "OutcomeEventBusName",
        *("AlarmTopicArn", "PermissionsBoundaryArn", "RolePath", "MediaIndexTableName", "IdempotencyTableName"),
    } == TEMPLATE["Parameters"].keys()
    assert {
        *("DeletionQueueUrl", "DeletionDeadLetterQueueUrl", "CredentialsSecretArn", "SourceBucketName"),
        *("IndexQueueUrl", "IndexDeadLetterQueueUrl", "DeleteMediaFunctionArn"),
        *("IndexMediaFunctionArn", "SweepIndexFunctionArn", "BackfillRoleArn", "AlarmTopicArn", "DashboardName"),
        *("DeletionQueueArn", "DeletionDeadLetterQueueArn", "IndexQueueArn", "IndexDeadLetterQueueArn"),
        *("MediaIndexTableName", "IdempotencyTableName"),
        *("DeleteMediaLogGroupName", "IndexMediaLogGroupName", "SweepIndexLogGroupName"),
    } == TEMPLATE["Outputs"].keys()


@each_pipeline
def test_visibility_timeout_is_six_times_function_timeout(pipeline: Pipeline) -> None:
    assert RESOURCES[pipeline.queue]["VisibilityTimeout"] >= 6 * RESOURCES[pipeline.function]["Timeout"]


@each_pipeline
def test_dead_letter_queue_has_longer_retention_and_larger_size(pipeline: Pipeline) -> None:
    assert (
        RESOURCES[pipeline.dead_letter_queue]["MessageRetentionPeriod"]
        > RESOURCES[pipeline.queue]["MessageRetentionPeriod"]
    )
    assert RESOURCES[pipeline.dead_letter_queue]["MaximumMessageSize"] > RESOURCES[pipeline.queue]["MaximumMessageSize"]
    target = {"Fn::GetAtt": [pipeline.dead_letter_queue, "Arn"]}
    assert RESOURCES[pipeline.queue]["RedrivePolicy"] == {
        "deadLetterTargetArn": target,
        "maxReceiveCount": MAX_RECEIVES,
    }
    assert RESOURCES[pipeline.queue]["MessageRetentionPeriod"] == QUEUE_RETENTION_S


@each_pipeline
def test_dead_letter_queue_serves_its_own_queue_only(pipeline: Pipeline) -> None:
    assert RESOURCES[pipeline.queue]["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}
    allowed = RESOURCES[pipeline.dead_letter_queue]["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    name, variables = RESOURCES[pipeline.queue]["QueueName"]["Fn::Sub"]
    arn = f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{name}"
    assert allowed["sourceQueueArns"] == [{"Fn::Sub": [arn, variables]}]


@each_pipeline
def test_mapping_reports_partial_failures_and_caps_concurrency(pipeline: Pipeline) -> None:
    mapping = RESOURCES[pipeline.mapping]
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [pipeline.queue, "Arn"]}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"]
    assert "ReservedConcurrentExecutions" not in RESOURCES[pipeline.function]
    assert "FilterCriteria" not in mapping  # messages that a filter rejects are deleted


@each_pipeline
def test_event_without_queue_has_failure_destination(pipeline: Pipeline) -> None:
    destination = RESOURCES[f"{pipeline.function}EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert destination == {"Destination": {"Fn::GetAtt": [pipeline.dead_letter_queue, "Arn"]}}
    [target] = RESOURCES[pipeline.rule]["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [pipeline.queue, "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [pipeline.dead_letter_queue, "Arn"]}}


def statements_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy document, including those that depend on a condition."""
    return [each.get("Fn::If", [None, each])[1] for each in document["Statement"]]


def resources_of(kind: str) -> list[dict[str, Any]]:
    """The properties of all resources of a type."""
    return [one["Properties"] for _, one in ALL_RESOURCES if one["Type"] == kind]


def queue_statements(queue: str, effect: str) -> dict[str, dict[str, Any]]:
    """The statements of a queue's policy with an effect, by Sid."""
    [policy] = [one for one in resources_of("AWS::SQS::QueuePolicy") if {"Ref": queue} in one["Queues"]]
    statements = statements_of(policy["PolicyDocument"])
    assert all(one["Resource"] == {"Fn::GetAtt": [queue, "Arn"]} for one in statements)
    return {one["Sid"]: one for one in statements if one["Effect"] == effect}


@each_pipeline
def test_queue_admits_only_s3_and_its_rule(pipeline: Pipeline) -> None:
    rule_arn = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${SenderName}-"
    suffix = RESOURCES[pipeline.rule]["Name"]["Fn::Sub"][0].rpartition("-")[2]
    by_rule = {
        "ArnEquals": {"aws:SourceArn": {"Fn::Sub": f"{rule_arn}{suffix}"}},
        "StringEqualsIfExists": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }
    senders = queue_statements(pipeline.queue, "Allow")
    assert senders.keys() == {"AllowS3Notifications", "AllowEventBridgeRule"}
    from_s3, from_rule = senders["AllowS3Notifications"], senders["AllowEventBridgeRule"]
    assert from_s3["Action"] == from_rule["Action"] == "sqs:SendMessage"
    assert from_s3["Principal"] == {"Service": "s3.amazonaws.com"}
    assert from_s3["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert from_s3["Condition"]["ArnEquals"] == {
        "aws:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${SenderName}"}
    }
    assert from_rule["Principal"] == {"Service": "events.amazonaws.com"}
    assert from_rule["Condition"] == by_rule
    [to_dead_letters] = queue_statements(pipeline.dead_letter_queue, "Allow").values()
    assert to_dead_letters == from_rule | {"Resource": {"Fn::GetAtt": [pipeline.dead_letter_queue, "Arn"]}}


def test_senders_have_names_that_queue_policies_admit() -> None:
    sender = TEMPLATE["Resources"]["QueuePolicies"]["Properties"]["Parameters"]["SenderName"]
    assert RESOURCES["SourceBucket"]["BucketName"] == sender
    name, variables = sender["Fn::Sub"]
    assert variables == {"Id": {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}}  # its UUID
    for pipeline in PIPELINES:
        rule_name, rule_variables = RESOURCES[pipeline.rule]["Name"]["Fn::Sub"]
        assert rule_name.startswith(f"{name}-")
        assert len(rule_name.replace("${Id}", "x" * 36)) <= 64  # EventBridge's limit
        assert rule_variables == variables


@pytest.mark.parametrize("name", ["SourceBucket", "DeletedObjectsRule", "StoredObjectsRule"])
def test_sender_exists_only_after_queue_policies(name: str) -> None:
    assert TEMPLATE["Resources"][name]["DependsOn"] == "QueuePolicies"


@pytest.mark.parametrize("queue", [name for one in PIPELINES for name in (one.queue, one.dead_letter_queue)])
def test_queue_denies_insecure_transport(queue: str) -> None:
    [deny] = queue_statements(queue, "Deny").values()
    assert (deny["Principal"], deny["Action"]) == ("*", "sqs:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_source_bucket_denies_insecure_transport() -> None:
    [deny] = statements_of(RESOURCES["SourceBucketPolicy"]["PolicyDocument"])
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert deny["Resource"] == [{"Fn::GetAtt": ["SourceBucket", "Arn"]}, {"Fn::Sub": "${SourceBucket.Arn}/*"}]


def test_source_bucket_sends_all_kinds_of_events() -> None:
    notifications = RESOURCES["SourceBucket"]["NotificationConfiguration"]["QueueConfigurations"]
    assert {each["Event"]: each["Queue"]["Fn::GetAtt"][0] for each in notifications} == {
        "s3:ObjectRemoved:*": "DeletionQueue",
        "s3:LifecycleExpiration:*": "DeletionQueue",
        "s3:ObjectCreated:*": "IndexQueue",
        "s3:ObjectTagging:Put": "IndexQueue",
    }
    only = [{"Name": "prefix", "Value": {"Ref": "ObjectKeyPrefix"}}]
    by_prefix = {"Fn::If": ["HasObjectKeyPrefix", {"S3Key": {"Rules": only}}, {"Ref": "AWS::NoValue"}]}
    assert [each["Filter"] for each in notifications] == [by_prefix] * 4  # S3 has one filter for each configuration


def test_source_bucket_keeps_old_versions_for_a_while() -> None:
    bucket = RESOURCES["SourceBucket"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert (rule["Status"], rule["ExpiredObjectDeleteMarker"]) == ("Enabled", True)
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


@each_pipeline
def test_rule_matches_only_objects_with_prefix(pipeline: Pipeline) -> None:
    by_prefix = {"key": [{"prefix": {"Ref": "ObjectKeyPrefix"}}]}
    detail = RESOURCES[pipeline.rule]["EventPattern"]["detail"]
    assert detail["object"] == {"Fn::If": ["HasObjectKeyPrefix", by_prefix, {"Ref": "AWS::NoValue"}]}


def test_rules_match_event_types_that_functions_process() -> None:
    kinds = {rule: RESOURCES[rule]["EventPattern"]["detail-type"] for rule in (pipeline.rule for pipeline in PIPELINES)}
    assert kinds == {
        "DeletedObjectsRule": ["Object Deleted"],
        "StoredObjectsRule": ["Object Created", "Object Tags Added"],
    }


@pytest.mark.parametrize("name", ["MediaIndexTable", "IdempotencyTable"])
def test_table_is_backed_up_and_encrypted(name: str) -> None:
    table = RESOURCES[name]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    of_customer = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "KmsKeyArn"}}
    assert table["SSESpecification"] == {"Fn::If": ["HasKmsKey", of_customer, {"Ref": "AWS::NoValue"}]}  # AWS owns it


@pytest.mark.parametrize("name", ["MediaIndexTable", "IdempotencyTable"])
def test_existing_table_replaces_created_one_everywhere(name: str) -> None:
    condition = TEMPLATE["Resources"][name]["Condition"]
    assert TEMPLATE["Conditions"][condition] == {"Fn::Equals": [{"Ref": f"{name}Name"}, ""]}
    either = {"Fn::If": [condition, {"Ref": name}, {"Ref": f"{name}Name"}]}
    assert TEMPLATE["Outputs"][f"{name}Name"]["Value"] == either
    assert TEMPLATE["Resources"]["Roles"]["Properties"]["Parameters"][f"{name}Name"] == either
    unguarded = json.dumps(TEMPLATE["Resources"]).replace(json.dumps(either), "")
    assert f'"{name}"' not in unguarded.replace(f'"{name}": {{"Type"', "")


@pytest.mark.parametrize(
    ("function", "settings"),
    [*zip(FUNCTIONS, (DeleteMediaSettings, IndexMediaSettings, SweepIndexSettings), strict=True)],
)
def test_environment_has_exactly_the_settings_that_code_reads(
    function: str, settings: type[DeleteMediaSettings | IndexMediaSettings | SweepIndexSettings]
) -> None:
    read: set[str] = set()

    class Recorder(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # a narrower get
            read.add(name)
            return super().get(name, default)

        def __getitem__(self, name: str) -> str:
            read.add(name)
            return super().__getitem__(name)

    queues = {"DELETION_QUEUE_URL": "q", "DEAD_LETTER_QUEUE_URL": "d"}
    required = {
        "NXCLOUD_BASE_URL": "https://example.com",
        "NXCLOUD_SECRET_ID": "s",
        "MEDIA_INDEX_TABLE": "t",
        "IDEMPOTENCY_TABLE": "i",
    }
    settings.from_environment(Recorder(required | queues))
    if function == SWEEP:
        HourlyCheckSettings.from_environment(Recorder(required | queues))
    variables = dict(RESOURCES[function]["Environment"]["Variables"])
    assert variables.pop("AWS_ENDPOINT_URL") == {"Ref": "AWS::NoValue"}  # not set: named for `sam local` alone
    assert variables.pop("POWERTOOLS_SERVICE_NAME") == {"Ref": "AWS::StackName"}  # read when telemetry.py is imported
    assert variables.keys() == read - {"ABSENCE_PROOF_INTERVAL_S"}  # which only tests set


def test_function_may_publish_its_outcomes_on_the_named_bus_alone() -> None:
    statement = permissions("DeleteMediaRole")["PublishOutcomes"]
    assert statement["Resource"]["Fn::Sub"].endswith(":${AWS::AccountId}:event-bus/${OutcomeEventBusName}")
    assert statement["Condition"] == {"ForAllValues:StringEquals": {"events:source": [SOURCE]}}


def test_least_share_of_calls_fits_into_an_invocation() -> None:
    assert RESOURCES["DeleteMediaFunctionDeletions"]["BatchSize"] == BATCH_SIZE
    turns = 1 + BATCH_SIZE  # the first call waits for up to two intervals
    assert turns * MARGIN / MIN_SHARE + MIN_STEP_MS / 1000 <= RESOURCES["DeleteMediaFunction"]["Timeout"]


def test_default_key_pattern_is_that_of_code() -> None:
    assert TEMPLATE["Parameters"]["ObjectKeyPattern"]["Default"] == DEFAULT_OBJECT_KEY_PATTERN


def permissions(role: str) -> dict[str, dict[str, Any]]:
    """The statements of a role, by Sid: of its inline policies and of its managed policies."""
    managed = [RESOURCES[arn["Ref"]] for arn in RESOURCES[role].get("ManagedPolicyArns", []) if "Ref" in arn]
    policies = [*RESOURCES[role]["Policies"], *managed]
    statements = [one for policy in policies for one in statements_of(policy["PolicyDocument"])]
    assert all(statement["Effect"] == "Allow" for statement in statements)
    by_sid = {statement["Sid"]: statement for statement in statements}
    assert len(by_sid) == len(statements)
    return by_sid


SHARED = {
    "WriteLogs": ["logs:CreateLogStream", "logs:PutLogEvents"],
    "SendTraces": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    "ListBucketForNotFound": "s3:ListBucket",
    "UseCustomerManagedKey": ["kms:Decrypt", "kms:GenerateDataKey"],
    "DecryptObjectsOfTrustedAccounts": "kms:Decrypt",
}


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        (
            "DeleteMediaRole",
            {
                "PollQueue": [
                    "sqs:ReceiveMessage",
                    "sqs:DeleteMessage",
                    "sqs:ChangeMessageVisibility",
                    "sqs:GetQueueAttributes",
                ],
                "SendDeadLetters": "sqs:SendMessage",
                "PublishOutcomes": "events:PutEvents",
                "WriteIdempotencyRecords": [
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DeleteItem",
                ],
                "ReadCredentials": "secretsmanager:GetSecretValue",
                "DecryptCredentials": "kms:Decrypt",
                "ReadAndWriteLinks": ["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
                "ReadObjects": [
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:GetObjectTagging",
                    "s3:GetObjectVersionTagging",
                ],
            },
        ),
        (
            "IndexMediaRole",
            {
                "PollQueue": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                "SendDeadLetters": "sqs:SendMessage",
                "SendDeletionRequests": "sqs:SendMessage",
                "ReadAndWriteLinks": ["dynamodb:Query", "dynamodb:UpdateItem"],
                "ReadObjects": [
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:GetObjectTagging",
                    "s3:GetObjectVersionTagging",
                ],
            },
        ),
        (
            "SweepIndexRole",
            {
                "SendDeletionRequests": "sqs:SendMessage",
                "ReadLinks": ["dynamodb:Scan", "dynamodb:Query", "dynamodb:GetItem"],
                "WriteSweepCheckpoint": "dynamodb:PutItem",
                "ReadObjects": ["s3:GetObject", "s3:GetObjectVersion"],
                "ReadNotificationSettings": "s3:GetBucketNotification",
                "FindBucketsOfPattern": "s3:ListAllMyBuckets",
            },
        ),
    ],
)
def test_role_allows_only_required_actions(role: str, actions: dict[str, object]) -> None:
    allowed = permissions(role)
    assert {sid: statement["Action"] for sid, statement in allowed.items()} == SHARED | actions
    wildcards = {sid for sid, statement in allowed.items() if "*" in json.dumps(statement["Resource"])}
    without_resources = {"SendTraces", "FindBucketsOfPattern"}  # these actions have none; objects are those of a bucket
    assert wildcards - without_resources == {"ReadObjects", "DecryptObjectsOfTrustedAccounts"}


def test_keys_of_trusted_accounts_are_used_through_s3_only() -> None:
    condition = permissions("IndexMediaRole")["DecryptObjectsOfTrustedAccounts"]["Condition"]
    passed_on = {"Fn::Join": [",", {"Ref": "TrustedAccounts"}]}
    assert condition == {
        "StringEquals": {"aws:ResourceAccount": {"Fn::Split": [",", passed_on]}},
        "StringLike": {"kms:ViaService": "s3.*.amazonaws.com"},
    }


def test_trusted_accounts_may_forward_events_of_s3_only() -> None:
    policy = TEMPLATE["Resources"]["TrustedAccountsPolicy"]
    assert policy["Condition"] == "HasTrustedAccounts"
    statement = policy["Properties"]["Statement"]
    assert (statement["Action"], statement["Principal"]) == ("events:PutEvents", {"AWS": {"Ref": "TrustedAccounts"}})
    assert statement["Condition"]["ForAllValues:StringEquals"] == {
        "events:source": "aws.s3",
        "events:detail-type": ["Object Deleted", "Object Created", "Object Tags Added"],
    }


BUCKET_NAME = {"Fn::If": ["CreatesBucket", {"Ref": "SourceBucket"}, {"Ref": "SourceBucketName"}]}
BUCKET_ARN = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}"}


@pytest.mark.parametrize("stack", ["Roles", "Backfill"])
def test_nested_stack_gets_name_of_source_bucket(stack: str) -> None:
    assert TEMPLATE["Resources"][stack]["Properties"]["Parameters"]["BucketName"] == BUCKET_NAME


@pytest.mark.parametrize("role", ["DeleteMediaRole", "IndexMediaRole", "SweepIndexRole"])
def test_role_reads_only_source_buckets(role: str) -> None:
    allowed = permissions(role)
    objects = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}/*"}
    assert allowed["ReadObjects"]["Resource"] == objects
    assert allowed["ListBucketForNotFound"]["Resource"] == BUCKET_ARN


@pytest.mark.parametrize(
    ("role", "sid", "services"),
    [
        *((role, "UseCustomerManagedKey", {"sqs", "dynamodb", "s3"}) for role in ("DeleteMediaRole", "IndexMediaRole")),
        ("SweepIndexRole", "UseCustomerManagedKey", {"sqs", "dynamodb", "s3"}),
        ("DeleteMediaRole", "DecryptCredentials", {"secretsmanager"}),
        ("BackfillRole", "UseCustomerManagedKey", {"s3"}),
    ],
)
def test_role_uses_key_only_through_services(role: str, sid: str, services: set[str]) -> None:
    statement = permissions(role)[sid]
    assert statement["Resource"] == {"Ref": "KmsKeyArn"}
    through = json.dumps(statement["Condition"]["StringEquals"]["kms:ViaService"])
    assert set(re.findall(r'"([a-z0-9]+)[.]\$\{AWS::Region\}[.]amazonaws[.]com"', through)) == services  # in China, too


def test_managed_policy_belongs_to_functions_only() -> None:
    holders = {name for name, one in RESOURCES.items() if {"Ref": "FunctionPolicy"} in one.get("ManagedPolicyArns", [])}
    assert holders == {"DeleteMediaRole", "IndexMediaRole", "SweepIndexRole"}
    [policy] = resources_of("AWS::IAM::ManagedPolicy")
    assert policy.keys() == {"Path", "PolicyDocument"}  # not attached to other roles, users or groups


def test_sweep_writes_only_its_checkpoint() -> None:
    allowed = permissions("SweepIndexRole")["WriteSweepCheckpoint"]
    assert allowed["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [_KEY["object"]["S"]]}}


@pytest.mark.parametrize("name", [name for name, one in ALL_RESOURCES if one["Type"] == "AWS::IAM::Role"])
def test_role_has_given_path_and_boundary(name: str) -> None:
    boundary = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
    assert (RESOURCES[name]["Path"], RESOURCES[name]["PermissionsBoundary"]) == ({"Ref": "RolePath"}, boundary)


def test_sam_creates_no_role() -> None:
    for preference in PREFERENCES:
        resources = expanded(DeploymentPreference=preference)["Resources"].values()
        assert not [one for one in resources if one["Type"] == "AWS::IAM::Role"]


def test_asynchronous_sweep_events_expire_within_a_minute() -> None:
    invocation = RESOURCES[f"{SWEEP}EventInvokeConfig"]
    assert (invocation["MaximumEventAgeInSeconds"], invocation["MaximumRetryAttempts"]) == (60, 0)


def test_hourly_check_is_scheduled_with_its_own_input() -> None:
    rule = RESOURCES["SweepIndexFunctionHourlyCheck"]
    [target] = rule["Targets"]
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert "State" not in rule
    assert json.loads(target["Input"]) == CHECK
    assert target["Arn"] == {"Ref": f"{SWEEP}Aliaslive"}


def test_layers_are_named_after_stack_and_deleted_with_it() -> None:
    layers = [one for _, one in ALL_RESOURCES if one["Type"] == "AWS::Lambda::LayerVersion"]
    names = {one["Properties"]["LayerName"]["Fn::Sub"] for one in layers}
    assert names == {"${AWS::StackName}-nxcloud", "${AWS::StackName}-media-cleanup"}
    assert {one["DeletionPolicy"] for one in layers} == {"Delete"}


@each_function
def test_function_is_traced_except_in_china(function: str) -> None:
    assert RESOURCES[function]["TracingConfig"] == {"Mode": {"Fn::If": ["IsInChina", "PassThrough", "Active"]}}
    assert TEMPLATE["Conditions"]["IsInChina"] == {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]}


def test_sweep_schedule_is_enabled_by_parameter() -> None:
    rule = RESOURCES["SweepIndexFunctionNextSlice"]
    assert rule["State"] == {"Fn::If": ["SweepEnabled", "ENABLED", "DISABLED"]}
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": f"{SWEEP}Aliaslive"}]
    assert TEMPLATE["Conditions"]["SweepEnabled"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SweepEveryDays"}, "0"]}]}
    assert TEMPLATE["Parameters"]["SweepEveryDays"]["Default"] == 0


def test_batch_job_is_trusted_in_own_account() -> None:
    [trust] = RESOURCES["BackfillRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "batchoperations.s3.amazonaws.com"}
    assert trust["Condition"] == {"StringEqualsIfExists": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_batch_job_invokes_function_and_uses_own_prefix_only() -> None:
    allowed = permissions("BackfillRole")
    assert {sid: statement["Action"] for sid, statement in allowed.items()} == {
        "InvokeIndexFunction": "lambda:InvokeFunction",
        "GenerateManifest": "s3:PutInventoryConfiguration",
        "ReadManifestAndWriteReport": ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
        "UseCustomerManagedKey": ["kms:Decrypt", "kms:GenerateDataKey"],
    }
    invoked = allowed["InvokeIndexFunction"]["Resource"]
    assert invoked == {"Ref": "IndexMediaFunctionAliaslive"} == TEMPLATE["Outputs"]["IndexMediaFunctionArn"]["Value"]
    assert allowed["GenerateManifest"]["Resource"] == BUCKET_ARN
    folder = "arn:${AWS::Partition}:s3:::${BucketName}/media-cleanup-backfill/*"
    assert allowed["ReadManifestAndWriteReport"]["Resource"] == {"Fn::Sub": folder}


@pytest.mark.parametrize(
    "name",
    [
        "SourceBucket",
        "CredentialsSecret",
        "DeletionDeadLetterQueue",
        "IndexDeadLetterQueue",
        "MediaIndexTable",
        "IdempotencyTable",
        "DeleteMediaLogGroup",
        "IndexMediaLogGroup",
        "SweepIndexLogGroup",
    ],
)
def test_resource_with_data_is_retained(name: str) -> None:
    assert TEMPLATE["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert TEMPLATE["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_no_resource_name_is_shared_by_two_stacks() -> None:
    uuid = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    part_of_uuid = {"Fn::Select": [4, {"Fn::Split": ["-", uuid]}]}
    kinds = {"AWS::Lambda::Function": "FunctionName", "AWS::IAM::Role": "RoleName", "AWS::DynamoDB::Table": "TableName"}
    for _, resource in ALL_RESOURCES:
        assert kinds.get(resource["Type"]) not in resource.get("Properties", {})
    for group in ("DeleteMediaLogGroup", "IndexMediaLogGroup", "SweepIndexLogGroup"):
        name, variables = RESOURCES[group]["LogGroupName"]["Fn::Sub"]
        assert name.startswith("/aws/lambda/${AWS::StackName}-")
        assert (name.endswith("-${Id}"), variables) == (True, {"Id": part_of_uuid})  # unlike a deleted stack's
    for pipeline in PIPELINES:
        name, variables = RESOURCES[pipeline.queue]["QueueName"]["Fn::Sub"]
        assert (name, variables) == (f"${{AWS::StackName}}-{pipeline.queue}-${{Id}}", {"Id": part_of_uuid})


@each_pipeline
def test_function_is_invoked_by_live_alias(pipeline: Pipeline) -> None:
    live = {"Ref": f"{pipeline.function}Aliaslive"}
    assert RESOURCES[pipeline.mapping]["FunctionName"] == live
    assert RESOURCES[f"{pipeline.function}EventInvokeConfig"]["Qualifier"] == "live"
    assert RESOURCES["DirectInvocationPermission"]["FunctionName"] == {"Ref": "DeleteMediaFunctionAliaslive"}
    assert RESOURCES["DirectIndexingPermission"]["FunctionName"] == {"Ref": "IndexMediaFunctionAliaslive"}
    assert TEMPLATE["Outputs"]["DeleteMediaFunctionArn"]["Value"] == {"Ref": "DeleteMediaFunctionAliaslive"}


def referred(part: object) -> Iterator[str]:
    """The names that a part of the template refers to, by Ref or in a Sub."""
    if isinstance(part, str):
        yield from re.findall(r"\$\{(\w+)\}", part)
    if isinstance(part, dict):
        if "Ref" in part:
            yield part["Ref"]
        for inner in part.values():
            yield from referred(inner)
    if isinstance(part, list):
        for inner in part:
            yield from referred(inner)


def parameters_in(part: object) -> set[str]:
    """The parameters that a part of the template refers to, also by a version of the settings."""
    names = set(referred(part))
    for settings in names & {"DeleteMediaSettings", "IndexMediaSettings", "SweepIndexSettings"}:
        names |= set(referred(RESOURCES[settings]["Content"]))
    return names & set(TEMPLATE["Parameters"])


@each_function
def test_changed_setting_publishes_version(function: str) -> None:
    [version] = versions_of(function, TEMPLATE)
    settings = TEMPLATE["Parameters"].keys() & set(referred(RESOURCES[function]))
    assert settings
    assert settings == parameters_in(RESOURCES[version]["Description"])  # no more: an unchanged function is refused


@each_function
def test_version_description_is_short_and_shows_no_number(function: str) -> None:
    [version] = versions_of(function, TEMPLATE)
    names = set(referred(RESOURCES[version]["Description"]))
    assert "DefaultBusinessPhone" not in names
    lengths = [TEMPLATE["Parameters"].get(name, {}).get("MaxLength", 10) for name in names]
    assert sum(lengths) + len("settings") + len(names) <= 256


def test_default_business_phone_is_only_where_functions_read_it() -> None:
    places = {name for name, resource in RESOURCES.items() if "DefaultBusinessPhone" in set(referred(resource))}
    assert places == {"DeleteMediaFunction", "IndexMediaFunction", "DeleteMediaSettings", "IndexMediaSettings"}
    for function in ("DeleteMediaFunction", "IndexMediaFunction"):
        rest = {name: value for name, value in RESOURCES[function].items() if name != "Environment"}
        assert "DefaultBusinessPhone" not in set(referred(rest))
    assert "DefaultBusinessPhone" not in set(referred(TEMPLATE["Outputs"]))


@each_function
def test_longest_settings_fit_into_the_environment(function: str) -> None:
    variables = RESOURCES[function]["Environment"]["Variables"]
    longest = {
        name: value.get("MaxLength", 10 if value["Type"] == "Number" else 128)
        for name, value in TEMPLATE["Parameters"].items()
    }
    sizes = [len(name) + sum(longest.get(each, 200) for each in referred(value)) for name, value in variables.items()]
    assert sum(sizes) <= 4096  # bytes (source: AWS Lambda Developer Guide, "Lambda quotas")


@each_function
@pytest.mark.parametrize("package", PACKED)
def test_changed_function_or_layer_code_publishes_version(function: str, package: str) -> None:
    assert versions_of(function, TEMPLATE) == versions_of(function, expanded())
    changed = expanded(PACKED | {package: "s3://packages/changed"})
    assert versions_of(function, TEMPLATE) != versions_of(function, changed)


def versions_of(function: str, template: dict[str, Any]) -> list[str]:
    kinds = {name: resource["Type"] for name, resource in template["Resources"].items()}
    return [name for name in kinds if kinds[name] == "AWS::Lambda::Version" and name.startswith(function)]


PREFERENCES = TEMPLATE["Parameters"]["DeploymentPreference"]["AllowedValues"]


def test_each_deployment_preference_is_mapped() -> None:
    assert [*TEMPLATE["Mappings"]["DeploymentPreferences"]["UsesCodeDeploy"]] == PREFERENCES
    assert {"None", "AllAtOnce"} < set(PREFERENCES)


@pytest.mark.parametrize("preference", PREFERENCES)
def test_codedeploy_is_used_only_by_preference(preference: str) -> None:
    template = expanded(DeploymentPreference=preference)
    groups = {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CodeDeploy::DeploymentGroup"
    }
    if preference == "None":
        assert "AWS::CodeDeploy::" not in json.dumps(template["Resources"])
        return
    assert groups.keys() == {f"{function}DeploymentGroup" for function in FUNCTIONS}
    for group in groups.values():
        assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": preference}
        assert group["AutoRollbackConfiguration"]["Enabled"]
        assert group["ServiceRoleArn"] == {"Fn::GetAtt": ["Roles", "Outputs.CodeDeployRoleArn"]}
        alarms = [alarm["Name"]["Fn::GetAtt"] for alarm in group["AlarmConfiguration"]["Alarms"]]
        names = [name.removeprefix("Outputs.") for _, name in alarms]
        assert {stack for stack, _ in alarms} == {"Monitoring"}
        assert names == [name for name in NESTED["Monitoring"]["Outputs"] if "Version" in name]
    assert "Aliaslive" not in json.dumps(template["Resources"]["Monitoring"])  # whose alarms the aliases depend on


@each_function
def test_rollback_alarm_sees_newest_version_only(function: str) -> None:
    [version] = versions_of(function, TEMPLATE)
    name = function.removesuffix("Function")
    number = {"Fn::GetAtt": [version, "Version"]}
    errors = RESOURCES[f"{name}VersionErrorsAlarm"]
    assert {each["Name"]: each["Value"] for each in errors["Dimensions"]} == {
        "FunctionName": {"Ref": function},
        "Resource": {"Fn::Sub": f"${{{name}FunctionName}}:live"},
        "ExecutedVersion": number,
    }
    alarms = [errors]
    if function != SWEEP:  # whose bugs fail the invocation
        bugs = RESOURCES[f"{name}VersionInternalErrorsAlarm"]
        assert {each["Name"]: each["Value"] for each in bugs["Dimensions"]} == {
            "service": {"Ref": "AWS::StackName"},
            "function_name": {"Ref": function},
            "function_version": number,
        }
        alarms.append(bugs)
    for alarm in alarms:
        assert f"${{{name}Version}}" in alarm["AlarmName"]["Fn::Sub"]  # another version has another alarm
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 60  # within five minutes of a canary
        assert "AlarmActions" not in alarm


def dependencies(part: object) -> Iterator[str]:
    """The logical ids and parameters that a part of the template depends on."""
    if isinstance(part, str):
        yield from re.findall(r"\$\{(\w+)[.}]", part)
    if isinstance(part, dict):
        yield from [part["Ref"]] if "Ref" in part else []
        yield from part["Fn::GetAtt"][:1] if "Fn::GetAtt" in part else []
        depends_on = part.get("DependsOn", [])
        yield from [depends_on] if isinstance(depends_on, str) else depends_on
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from dependencies(inner)


@pytest.mark.parametrize("preference", PREFERENCES)
def test_resources_have_no_circular_dependencies(preference: str) -> None:
    resources = expanded(DeploymentPreference=preference)["Resources"]
    graph = {name: set(dependencies(one)) & resources.keys() - {name} for name, one in resources.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the resources
    if preference != "None":
        assert "Monitoring" in graph["DeleteMediaFunctionDeploymentGroup"]
        assert "DeleteMediaFunctionDeploymentGroup" in graph["DeleteMediaFunctionAliaslive"]


def key_of_table(encryption: dict[str, Any]) -> dict[str, Any]:
    """The choice of a table's key."""
    condition, given, otherwise = encryption["Fn::If"]
    return {"Fn::If": [condition, given["KMSMasterKeyId"], otherwise]}


KEY = {"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}


def test_data_is_encrypted_with_customer_managed_key_if_given() -> None:
    where: dict[str, Callable[[Any], Any]] = {
        "AWS::SQS::Queue": lambda queue: queue["KmsMasterKeyId"],
        "AWS::DynamoDB::Table": lambda table: key_of_table(table["SSESpecification"]),
        "AWS::SecretsManager::Secret": lambda secret: secret["KmsKeyId"],
        "AWS::Logs::LogGroup": lambda group: group["KmsKeyId"],
        "AWS::S3::Bucket": lambda bucket: bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
            "ServerSideEncryptionByDefault"
        ]["KMSMasterKeyID"],
        "AWS::SNS::Topic": lambda topic: topic["KmsMasterKeyId"],
    }
    held = [resource for _, resource in ALL_RESOURCES if resource["Type"] in where]
    assert len(held) >= 10
    assert [where[resource["Type"]](resource["Properties"]) for resource in held] == [KEY] * len(held)
    for queue in (queue for pipeline in PIPELINES for queue in (pipeline.queue, pipeline.dead_letter_queue)):
        assert RESOURCES[queue]["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", False, True]}


def test_function_has_log_group_with_retention() -> None:
    functions = [each for each in TEMPLATE["Resources"].values() if each["Type"] == "AWS::Lambda::Function"]
    groups = [function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] for function in functions]
    assert len(set(groups)) == len(functions)
    assert all(RESOURCES[group]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups)


def test_each_parameter_has_group_and_description() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(TEMPLATE["Parameters"])
    for parameter in TEMPLATE["Parameters"].values():
        assert parameter["Description"]
        assert ("AllowedPattern" in parameter) <= ("ConstraintDescription" in parameter)


def test_application_has_version_and_license_of_project() -> None:
    application = TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"]
    # source: AWS SAM Developer Guide, "Metadata section properties", Author
    assert re.fullmatch(r"[a-z0-9](-?[a-z0-9])*", application["Author"])
    assert len(application["Author"]) <= 127
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert application["SemanticVersion"] == project["version"]
    assert application["SpdxLicenseId"] == (ROOT / application["LicenseUrl"]).read_text()[:3] == "MIT"


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_samconfig_overrides_existing_parameters(environment: str) -> None:
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text())
    settings = configuration[environment]["deploy"]["parameters"]
    assert settings["stack_name"] != configuration["default"]["global"]["parameters"]["stack_name"]
    for override in settings["parameter_overrides"].split():
        name, value = override.split("=")
        assert value in map(str, TEMPLATE["Parameters"][name]["AllowedValues"])


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        ("NxCloudBaseUrl", "https://api2.nxcloud.com", True),
        ("NxCloudBaseUrl", "http://127.0.0.1:8080", True),
        ("NxCloudBaseUrl", "http://host.docker.internal:8080/", True),
        ("NxCloudBaseUrl", "http://api2.nxcloud.com", False),
        ("NxCloudBaseUrl", "http://localhost.example.com", False),
        ("NxCloudBaseUrl", "http://127.0.0.1.example.com", False),
        ("NxCloudBaseUrl", "https://api2.nxcloud.com /", False),
        ("NxCloudBaseUrl", "https://key@api2.nxcloud.com", False),
        ("NxCloudBaseUrl", "https://api2.nxcloud.com/?a=b", False),
        ("NxCloudBaseUrl", "https://api2.nxcloud.com?", False),
        ("NxCloudBaseUrl", "https://api2.nxcloud.com/#", False),
        ("NxCloudBaseUrl", "https://api2.nxcloud.com/" + "a" * 256, False),
        ("SourceBucketName", "", True),
        ("SourceBucketName", "team-*", True),
        ("SourceBucketName", "*-offers", True),
        ("SourceBucketName", "*team*-*", True),
        ("SourceBucketName", "*", False),
        ("SourceBucketName", "team-**", False),
        ("SourceBucketName", "**team", False),
        ("SourceBucketName", "team" * 16, False),
        ("SourceBucketName", "Team", False),
        ("CredentialsSecretArn", "", True),
        ("CredentialsSecretArn", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:nxcloud-AbCdEf", True),
        ("CredentialsSecretArn", "nxcloud", False),
        ("CredentialsSecretArn", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:nxcloud", False),
        ("KmsKeyArn", "", True),
        ("KmsKeyArn", "arn:aws:kms:eu-central-1:123456789012:key/fd81acff-eea8-4d9d-acc9-6c62904d6615", True),
        ("KmsKeyArn", "arn:aws:kms:eu-central-1:123456789012:alias/media", False),
        ("DefaultBusinessPhone", "", True),
        ("DefaultBusinessPhone", "+8615800001795", True),
        ("DefaultBusinessPhone", "86158 0000 1795", False),
        ("ObjectKeyPrefix", "", True),
        ("ObjectKeyPrefix", "offers/2026/", True),
        ("ObjectKeyPrefix", "offers and more/", False),
        ("ObjectKeyPrefix", "offers+more/", False),
        ("AlarmTopicArn", "arn:aws-cn:sns:cn-north-1:123456789012:alarms", True),
        ("AlarmTopicArn", "alarms", False),
        ("PermissionsBoundaryArn", "arn:aws:iam::123456789012:policy/boundary", True),
        ("PermissionsBoundaryArn", "arn:aws:iam::aws:policy/PowerUserAccess", True),
        ("PermissionsBoundaryArn", "boundary", False),
        ("RolePath", "/", True),
        ("RolePath", "/team/media/", True),
        ("RolePath", "team", False),
        ("MediaIndexTableName", "old-MediaIndexTable-1ABC", True),
        ("MediaIndexTableName", "arn:aws:dynamodb:eu-central-1:123456789012:table/old", False),
        ("ObjectKeyPattern", DEFAULT_OBJECT_KEY_PATTERN, True),
        ("ObjectKeyPattern", "/([^/]*)$", False),
        ("ObjectKeyPattern", "(?P<media_id>" + "a" * 512 + ")", False),
        ("ObjectKeyPrefix", "/offers", False),
        ("ObjectKeyPrefix", "a" * 201, False),
    ],
)
def test_parameter_limits_accept_only_valid_values(parameter: str, value: str, *, accepted: bool) -> None:
    limits = TEMPLATE["Parameters"][parameter]
    matches = re.fullmatch(limits["AllowedPattern"], value) is not None
    assert (matches and len(value) <= limits.get("MaxLength", 4096)) == accepted


@pytest.mark.parametrize(
    ("parameters", "broken"),
    [
        ({}, []),
        ({"SourceBucketName": "team-*"}, []),
        ({"CreateSourceBucket": "true", "SweepEveryDays": "7"}, []),
        ({"SourceBucketName": "team-*", "SweepEveryDays": "7"}, []),
        ({"SourceBucketName": "team-*", "CreateSourceBucket": "true"}, ["OneBucketSource"]),
        ({"SweepEveryDays": "7"}, ["SweepNeedsBucket"]),
        ({"CallsPerSecond": "1"}, ["PaceFitsConcurrency"]),
        ({"CallsPerSecond": "1", "MaxConcurrency": "4"}, []),
        ({"CallsPerSecond": "2"}, []),
    ],
)
def test_rules_reject_invalid_combinations(parameters: dict[str, str], broken: list[str]) -> None:
    defaults = {name: str(parameter.get("Default")) for name, parameter in TEMPLATE["Parameters"].items()}

    def holds(rule: Any) -> Any:  # noqa: ANN401 (a part of a rule)
        match rule:
            case {"Ref": name}:
                return (defaults | parameters)[name]
            case {"Fn::Equals": [one, other]}:
                return holds(one) == holds(other)
            case {"Fn::Not": [part]}:
                return not holds(part)
            case {"Fn::Or": parts}:
                return any(map(holds, parts))
            case {"Fn::Contains": [values, value]}:
                return holds(value) in values
        return rule

    rules = TEMPLATE["Rules"].items()
    asked = [(name, rule) for name, rule in rules if holds(rule["RuleCondition"])]
    assert [name for name, rule in asked if not all(holds(one["Assert"]) for one in rule["Assertions"])] == broken
