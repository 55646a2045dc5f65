"""The template, as CloudFormation sees it, keeps AWS's rules, and agrees with the code."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from localdev.cloud import ROOT
from localdev.expanded import PACKED, expanded
from media_cleanup.aws.sweep_checkpoint import _KEY
from media_cleanup.settings import (
    DEFAULT_OBJECT_KEY_PATTERN,
    DeleteMediaSettings,
    IndexMediaSettings,
    SweepIndexSettings,
)

TEMPLATE = expanded()
RESOURCES = {name: resource.get("Properties", {}) for name, resource in TEMPLATE["Resources"].items()}


class Side(NamedTuple):
    """The names of what one function works with."""

    function: str
    queue: str
    dead: str
    rule: str
    mapping: str


SIDES = [
    Side(
        "DeleteMediaFunction",
        "DeletionQueue",
        "DeletionDeadLetterQueue",
        "DeletedObjectsRule",
        "DeleteMediaFunctionDeletions",
    ),
    Side("IndexMediaFunction", "IndexQueue", "IndexDeadLetterQueue", "StoredObjectsRule", "IndexMediaFunctionStores"),
]
on_both_sides = pytest.mark.parametrize("side", SIDES, ids=lambda side: side.function)
SWEEP = "SweepIndexFunction"
FUNCTIONS = [*(side.function for side in SIDES), SWEEP]
each_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_the_names_that_others_rely_on() -> None:
    assert {
        *("DeleteMediaFunction", "DeletionQueue", "DeletionDeadLetterQueue", "CredentialsSecret", "SourceBucket"),
        *("IndexMediaFunction", "IndexQueue", "IndexDeadLetterQueue", "MediaIndexTable", "IdempotencyTable"),
    } <= TEMPLATE["Resources"].keys()
    assert {
        *("CredentialsSecretArn", "NxCloudBaseUrl", "SignatureAlgorithm", "SourceBucketName", "CreateSourceBucket"),
        *("ObjectKeyPrefix", "ObjectKeyPattern", "DefaultBusinessPhone", "DryRun", "MaxConcurrency"),
        *("LogRetentionDays", "Architecture", "VerifyAbsence", "ConcurrentCalls", "LagObjectiveSeconds", "AlarmEmail"),
        *("DeploymentPreference", "KmsKeyArn", "SweepEveryDays"),
    } == TEMPLATE["Parameters"].keys()
    assert {
        *("DeletionQueueUrl", "DeletionDeadLetterQueueUrl", "CredentialsSecretArn", "SourceBucketName"),
        *("IndexQueueUrl", "IndexDeadLetterQueueUrl", "DeleteMediaFunctionArn"),
        *("IndexMediaFunctionArn", "BackfillRoleArn"),
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
    mapping = RESOURCES[side.mapping]
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [side.queue, "Arn"]}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"]
    assert "ReservedConcurrentExecutions" not in RESOURCES[side.function]
    assert "FilterCriteria" not in mapping  # messages that a filter rejects are deleted


@on_both_sides
def test_events_without_a_queue_have_a_failure_destination(side: Side) -> None:
    destination = RESOURCES[f"{side.function}EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert destination == {"Destination": {"Fn::GetAtt": [side.dead, "Arn"]}}
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
    assert table["SSESpecification"]["SSEEnabled"]


@pytest.mark.parametrize(
    ("function", "settings"),
    [*zip(FUNCTIONS, (DeleteMediaSettings, IndexMediaSettings, SweepIndexSettings), strict=True)],
)
def test_every_setting_that_the_code_reads_is_set_and_none_besides(
    function: str, settings: type[DeleteMediaSettings | IndexMediaSettings | SweepIndexSettings]
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


BY_QUEUE = {
    "ReadQueue": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
    "DeadLetter": "sqs:SendMessage",
}
SHARED = {
    "WriteLogs": ["logs:CreateLogStream", "logs:PutLogEvents"],
    "TellMissingObjects": "s3:ListBucket",
    "UseOwnKey": ["kms:Decrypt", "kms:GenerateDataKey"],
    "SendTraces": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
}


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        (
            "DeleteMediaRole",
            BY_QUEUE
            | {
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
            BY_QUEUE
            | {
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
        (
            "SweepIndexRole",
            {
                "AskForDeletions": "sqs:SendMessage",
                "ReadIndex": ["dynamodb:Scan", "dynamodb:Query", "dynamodb:GetItem"],
                "RememberProgress": "dynamodb:PutItem",
                "LookAtObjects": ["s3:GetObject", "s3:GetObjectVersion"],
            },
        ),
    ],
)
def test_a_role_may_do_no_more_than_it_needs(role: str, actions: dict[str, object]) -> None:
    statements = RESOURCES[role]["Policies"][0]["PolicyDocument"]["Statement"]
    plain = [statement.get("Fn::If", [None, statement])[1] for statement in statements]
    assert {statement["Sid"]: statement["Action"] for statement in plain} == SHARED | actions
    for statement in plain:
        # X-Ray knows no resources; else a star stands for the objects of a bucket
        stars = statement["Sid"] in {"SendTraces", "LookAtObjects"}
        assert ("*" in json.dumps(statement["Resource"])) == stars


def test_the_sweep_writes_nothing_but_how_far_it_has_come() -> None:
    statements = RESOURCES["SweepIndexRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    [writing] = [each for each in statements if each.get("Sid") == "RememberProgress"]
    assert writing["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [_KEY["object"]["S"]]}}


def test_the_sweep_is_scheduled_where_it_is_asked_for() -> None:
    rule = RESOURCES["SweepIndexFunctionNextSlice"]
    assert rule["State"] == {"Fn::If": ["Sweep", "ENABLED", "DISABLED"]}
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": f"{SWEEP}Aliaslive"}]
    assert TEMPLATE["Conditions"]["Sweep"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SweepEveryDays"}, "0"]}]}
    assert TEMPLATE["Parameters"]["SweepEveryDays"]["Default"] == 0


def test_a_batch_job_may_hand_over_objects_and_keep_its_lists_and_no_more() -> None:
    role = RESOURCES["BackfillRole"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "batchoperations.s3.amazonaws.com"}
    assert trust["Condition"] == {"StringEqualsIfExists": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    hand_over, list_objects, keep, own_key = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert own_key["Fn::If"][0] == "OwnKey"
    assert hand_over["Action"] == "lambda:InvokeFunction"
    assert hand_over["Resource"] == {"Ref": "IndexMediaFunctionAliaslive"}
    assert TEMPLATE["Outputs"]["IndexMediaFunctionArn"]["Value"] == hand_over["Resource"]
    assert list_objects["Action"] == "s3:PutInventoryConfiguration"
    assert keep["Action"] == ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
    assert keep["Resource"]["Fn::Sub"][0] == "arn:${AWS::Partition}:s3:::${Bucket}/media-cleanup-backfill/*"


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
    kinds = {"AWS::SQS::Queue": "QueueName", "AWS::Lambda::Function": "FunctionName", "AWS::IAM::Role": "RoleName"}
    for resource in TEMPLATE["Resources"].values():
        assert kinds.get(resource["Type"]) not in resource.get("Properties", {})
        assert "TableName" not in resource.get("Properties", {})
    for group in ("DeleteMediaLogGroup", "IndexMediaLogGroup", "SweepIndexLogGroup"):
        assert "${AWS::StackName}" in RESOURCES[group]["LogGroupName"]["Fn::Sub"]
    [_, variables] = RESOURCES["SourceBucket"]["BucketName"]["Fn::Sub"]
    assert variables["Id"]["Fn::Select"][1]["Fn::Split"][1] == {"Ref": "AWS::StackId"}


@on_both_sides
def test_whoever_calls_a_function_calls_its_live_version(side: Side) -> None:
    live = {"Ref": f"{side.function}Aliaslive"}
    assert RESOURCES[side.mapping]["FunctionName"] == live
    assert RESOURCES[f"{side.function}EventInvokeConfig"]["Qualifier"] == "live"
    assert RESOURCES["DirectInvocationPermission"]["FunctionName"] == {"Ref": "DeleteMediaFunctionAliaslive"}
    assert TEMPLATE["Outputs"]["DeleteMediaFunctionArn"]["Value"] == {"Ref": "DeleteMediaFunctionAliaslive"}


def referred(part: object) -> Iterator[str]:
    """The names of whatever a part of the template refers to."""
    if isinstance(part, dict):
        if "Ref" in part:
            yield part["Ref"]
        if isinstance(text := part.get("Fn::Sub"), str):
            yield from re.findall(r"[$][{]([A-Za-z0-9]+)[}]", text)
        for inner in part.values():
            yield from referred(inner)
    if isinstance(part, list):
        for inner in part:
            yield from referred(inner)


def parameters_in(part: object) -> set[str]:
    """The parameters that a part of the template refers to, also by a version of the settings."""
    names = set(referred(part))
    for settings in names & {"DeleteMediaSettings", "IndexMediaSettings"}:
        names |= set(referred(RESOURCES[settings]["Content"]))
    return names & set(TEMPLATE["Parameters"])


@each_function
def test_changed_setting_publishes_a_new_version(function: str) -> None:
    [version] = versions_of(function, TEMPLATE)
    settings = TEMPLATE["Parameters"].keys() & set(referred(RESOURCES[function]))
    assert settings
    assert settings == parameters_in(RESOURCES[version]["Description"])  # no more: an unchanged function is refused


@each_function
def test_description_of_a_version_is_short_and_shows_no_number(function: str) -> None:
    [version] = versions_of(function, TEMPLATE)
    names = set(referred(RESOURCES[version]["Description"]))
    assert "DefaultBusinessPhone" not in names
    lengths = [TEMPLATE["Parameters"].get(name, {}).get("MaxLength", 10) for name in names]
    assert sum(lengths) + len("settings") + len(names) <= 256


def test_default_business_phone_is_where_functions_read_it_and_nowhere_else() -> None:
    places = {name for name, resource in RESOURCES.items() if "DefaultBusinessPhone" in set(referred(resource))}
    assert places == {"DeleteMediaFunction", "IndexMediaFunction", "DeleteMediaSettings", "IndexMediaSettings"}
    for function in ("DeleteMediaFunction", "IndexMediaFunction"):
        rest = {name: value for name, value in RESOURCES[function].items() if name != "Environment"}
        assert "DefaultBusinessPhone" not in set(referred(rest))
    assert "DefaultBusinessPhone" not in set(referred(TEMPLATE["Outputs"]))


@each_function
def test_longest_settings_fit_into_the_environment(function: str) -> None:
    variables = RESOURCES[function]["Environment"]["Variables"]
    longest = {name: value.get("MaxLength", 128) for name, value in TEMPLATE["Parameters"].items()}
    sizes = [len(name) + sum(longest.get(each, 200) for each in referred(value)) for name, value in variables.items()]
    assert sum(sizes) <= 4096  # bytes (source: AWS Lambda Developer Guide, "Lambda quotas")


@each_function
@pytest.mark.parametrize("package", PACKED)
def test_changed_code_makes_a_new_version_be_it_in_a_layer(function: str, package: str) -> None:
    assert versions_of(function, TEMPLATE) == versions_of(function, expanded())
    changed = expanded(PACKED | {package: "s3://packages/changed"})
    assert versions_of(function, TEMPLATE) != versions_of(function, changed)


def versions_of(function: str, template: dict[str, Any]) -> list[str]:
    kinds = {name: resource["Type"] for name, resource in template["Resources"].items()}
    return [name for name in kinds if kinds[name] == "AWS::Lambda::Version" and name.startswith(function)]


PREFERENCES = TEMPLATE["Parameters"]["DeploymentPreference"]["AllowedValues"]


@pytest.mark.parametrize("preference", PREFERENCES)
def test_codedeploy_shifts_only_where_it_is_asked_to(preference: str) -> None:
    template = expanded(DeploymentPreference=preference)
    groups = {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CodeDeploy::DeploymentGroup"
    }
    if preference == "None":
        assert "CodeDeploy" not in json.dumps(template["Resources"])
        return
    assert groups.keys() == {f"{function}DeploymentGroup" for function in FUNCTIONS}
    for group in groups.values():
        assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": preference}
        assert group["AutoRollbackConfiguration"]["Enabled"]
        alarms = [alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]]
        assert alarms == ["DeleteMediaErrorsAlarm", "IndexMediaErrorsAlarm", "SweepIndexErrorsAlarm"]


KEY = {"Fn::If": ["OwnKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}


def test_all_that_holds_data_is_encrypted_and_takes_an_own_key() -> None:
    where: dict[str, Callable[[Any], Any]] = {
        "AWS::SQS::Queue": lambda queue: queue["KmsMasterKeyId"],
        "AWS::DynamoDB::Table": lambda table: table["SSESpecification"]["KMSMasterKeyId"],
        "AWS::SecretsManager::Secret": lambda secret: secret["KmsKeyId"],
        "AWS::Logs::LogGroup": lambda group: group["KmsKeyId"],
        "AWS::S3::Bucket": lambda bucket: bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
            "ServerSideEncryptionByDefault"
        ]["KMSMasterKeyID"],
        "AWS::SNS::Topic": lambda topic: topic["KmsMasterKeyId"],
    }
    held = [resource for resource in TEMPLATE["Resources"].values() if resource["Type"] in where]
    assert len(held) >= 10
    assert [where[resource["Type"]](resource["Properties"]) for resource in held] == [KEY] * len(held)
    for queue in (queue for side in SIDES for queue in (side.queue, side.dead)):
        assert RESOURCES[queue]["SqsManagedSseEnabled"] == {"Fn::If": ["OwnKey", False, True]}


def test_every_function_logs_to_a_group_of_the_stack_that_forgets() -> None:
    functions = [each for each in TEMPLATE["Resources"].values() if each["Type"] == "AWS::Lambda::Function"]
    groups = [function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] for function in functions]
    assert len(set(groups)) == len(functions)
    assert all(RESOURCES[group]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups)


def test_the_console_shows_each_parameter_once_with_a_label() -> None:
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    shown = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(shown) == sorted(TEMPLATE["Parameters"]) == sorted(interface["ParameterLabels"])
    for parameter in TEMPLATE["Parameters"].values():
        assert parameter["Description"]
        assert ("AllowedPattern" in parameter) <= ("ConstraintDescription" in parameter)


def test_the_application_has_the_projects_version_and_licence() -> None:
    application = TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert application["SemanticVersion"] == project["version"]
    assert application["SpdxLicenseId"] == (ROOT / application["LicenseUrl"]).read_text()[:3] == "MIT"


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_the_environments_of_samconfig_override_what_there_is(environment: str) -> None:
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
        ("ObjectKeyPattern", DEFAULT_OBJECT_KEY_PATTERN, True),
        ("ObjectKeyPattern", "/([^/]*)$", False),
        ("ObjectKeyPattern", "(?P<media_id>" + "a" * 512 + ")", False),
        ("ObjectKeyPrefix", "", True),
        ("ObjectKeyPrefix", "offers/2026/", True),
        ("ObjectKeyPrefix", "/offers", False),
        ("ObjectKeyPrefix", "a" * 201, False),
    ],
)
def test_parameters_are_checked_before_anything_is_made(parameter: str, value: str, *, accepted: bool) -> None:
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
        ({"SourceBucketName": "team-*", "CreateSourceBucket": "true"}, ["OneKindOfBucket"]),
        ({"SweepEveryDays": "7"}, ["SweepNeedsBuckets"]),
    ],
)
def test_combinations_are_checked_too(parameters: dict[str, str], broken: list[str]) -> None:
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
        return rule

    rules = TEMPLATE["Rules"].items()
    asked = [(name, rule) for name, rule in rules if holds(rule["RuleCondition"])]
    assert [name for name, rule in asked if not all(holds(one["Assert"]) for one in rule["Assertions"])] == broken
