"""Each permission of the roles is required: without it, a request fails on a local cloud that enforces IAM."""

import base64
import copy
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.stack import Stack
from sweep_index.app import CHECK
from tests.conftest import PHONE
from tests.e2e.conftest import BUCKETS, QUEUES, ROLES, deployed

# MiniStack does not check a role that an AWS service uses itself (to poll, to write logs and traces, to run a batch
# job, to answer 404 instead of 403). Here these calls are made with the credentials of the role. The required actions
# are in the AWS managed policies AWSLambdaSQSQueueExecutionRole and AWSXRayDaemonWriteAccess, and in S3's documentation
# of HeadObject and of batch jobs. Nor does MiniStack check whether EventBridge may send to a queue, S3 may invoke a
# function, or a role may use a key: these statements rest on AWS's documentation, and on tests/unit/test_template.py.
TAGS = "team=offers"
DELETE, INDEX, SWEEP = "DeleteMediaFunction", "IndexMediaFunction", "SweepIndexFunction"


@dataclass(frozen=True)
class Stage:
    """A stack whose roles lose a permission for a while, and the requests that its functions then process."""

    stack: Stack
    nxcloud: FakeNxCloud

    @property
    def bucket(self) -> str:
        return self.stack.outputs["SourceBucketName"]

    def media(self) -> dict[str, str]:
        return {"business_phone": PHONE, "media_id": self.nxcloud.provider.add_media(PHONE)}

    def missing(self) -> dict[str, str]:
        return {"bucket": self.bucket, "key": f"{uuid.uuid4()}.jpg"}

    def stored(self, versioning: str = "Suspended") -> dict[str, str]:
        """A stored object, with its version if versioning is enabled."""
        s3, file = self.stack.cloud.client("s3"), self.missing()
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": versioning})
        version = s3.put_object(Bucket=self.bucket, Key=file["key"], Body=b"a picture", Tagging=TAGS).get("VersionId")
        return file | ({"version_id": version} if versioning == "Enabled" else {})

    def stored_without_versions(self) -> dict[str, str]:
        """A stored object of a bucket that never had versions: the bucket is made anew."""
        s3, file = self.stack.cloud.client("s3"), self.missing()
        notifications = s3.get_bucket_notification_configuration(Bucket=self.bucket)
        policy = s3.get_bucket_policy(Bucket=self.bucket)["Policy"]
        listed_versions = s3.list_object_versions(Bucket=self.bucket)
        for version in listed_versions.get("Versions", []) + listed_versions.get("DeleteMarkers", []):
            s3.delete_object(Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"])
        s3.delete_bucket(Bucket=self.bucket)
        s3.create_bucket(Bucket=self.bucket)
        s3.put_bucket_policy(Bucket=self.bucket, Policy=policy)
        s3.put_bucket_notification_configuration(
            Bucket=self.bucket,
            NotificationConfiguration={"QueueConfigurations": notifications["QueueConfigurations"]},
        )
        s3.put_object(Bucket=self.bucket, Key=file["key"], Body=b"a picture", Tagging=TAGS)
        return file

    def replaced_with_same_media(self) -> dict[str, str]:
        """A noncurrent version whose media file the current one keeps, by its metadata."""
        file, media = self.stored("Enabled"), self.media()
        labels = {"whatsapp-media-id": media["media_id"], "whatsapp-business-phone": PHONE}
        s3 = self.stack.cloud.client("s3")
        s3.put_object(Bucket=self.bucket, Key=file["key"], Body=b"another picture", Metadata=labels)
        return self.linked(file, media)

    def replaced(self) -> dict[str, str]:
        """A noncurrent version of an object."""
        file = self.stored("Enabled")
        self.stack.cloud.client("s3").put_object(Bucket=self.bucket, Key=file["key"], Body=b"another picture")
        return file

    def linked(self, file: dict[str, str], media: dict[str, str] | None = None) -> dict[str, str]:
        """The object, with a link in the index."""
        names = {"object": f"{file['bucket']}/{file['key']}", "link": "any"} | (media or self.media())
        names |= {"version_id": file["version_id"]} if "version_id" in file else {}
        item = {name: {"S": value} for name, value in names.items()}
        self.stack.cloud.client("dynamodb").put_item(TableName=self.stack.resources["MediaIndexTable"], Item=item)
        return file

    def prints(self, function: str, body: object, receives: int = 1) -> str:
        """The log output of a function for a message with this body."""
        record = {"messageId": str(uuid.uuid4()), "receiptHandle": "none", "body": json.dumps(body)}
        attributes = {"ApproximateReceiveCount": str(receives)}
        payload = {"Records": [record | {"eventSource": "aws:sqs", "attributes": attributes}]}
        answer = self.stack.cloud.client("lambda").invoke(
            FunctionName=self.stack.resources[function], Payload=json.dumps(payload), LogType="Tail"
        )
        assert "FunctionError" not in answer
        return base64.b64decode(answer["LogResult"]).decode()

    def sweeps(self, *files: dict[str, str]) -> str:
        """The log output and the answer of the sweep, where the index holds only links of these files."""
        dynamodb, table = self.stack.cloud.client("dynamodb"), self.stack.resources["MediaIndexTable"]
        for item in dynamodb.scan(TableName=table)["Items"]:
            dynamodb.delete_item(TableName=table, Key={key: item[key] for key in ("object", "link")})
        for file in files:
            self.linked(file)
        answer = self.stack.cloud.client("lambda").invoke(FunctionName=self.stack.resources[SWEEP], LogType="Tail")
        printed: bytes = base64.b64decode(answer["LogResult"]) + answer["Payload"].read()
        return printed.decode()

    def checks(self) -> str:
        """The log output and the answer of the hourly check, which reports what it may not read once."""
        key = {"object": {"S": "sweep"}, "link": {"S": "check"}}
        self.stack.cloud.client("dynamodb").delete_item(TableName=self.stack.resources["MediaIndexTable"], Key=key)
        answer = self.stack.cloud.client("lambda").invoke(
            FunctionName=self.stack.resources[SWEEP], Payload=json.dumps(CHECK), LogType="Tail"
        )
        return base64.b64decode(answer["LogResult"]).decode()

    def as_role(self, role: str, service: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        """A client with the credentials of a role, as AWS services assume it."""
        cloud = self.stack.cloud
        arn = cloud.client("iam").get_role(RoleName=self.stack.resources[role])["Role"]["Arn"]
        keys = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="a-service")["Credentials"]
        return cloud.client_of(service, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def decides(self, role: str, action: str) -> str:
        """IAM's decision about an action of a role, for a service that the local cloud does not have."""
        iam = self.stack.cloud.client("iam")
        arn = iam.get_role(RoleName=self.stack.resources[role])["Role"]["Arn"]
        [result] = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action])["EvaluationResults"]
        decision: str = result["EvalDecision"]
        return decision

    def starts_afresh(self) -> None:
        """Replaces the execution environments of the deletion function, and with them its cached credentials."""
        name = self.stack.resources[DELETE]
        self.stack.cloud.client("lambda").update_function_configuration(FunctionName=name, Timeout=60)

    @contextmanager
    def without(self, role: str, sid: str, action: str) -> Iterator[None]:
        """Removes an action from the statement of a role's policy, be it inline or managed, for a while."""
        [(policy, document)] = [
            (policy, document)
            for policy, document in self.stack.policies(role).items()
            if sid in {statement["Sid"] for statement in document["Statement"]}
        ]
        reduced = copy.deepcopy(document)
        for statement in reduced["Statement"]:
            if statement["Sid"] == sid:
                left = [each for each in listed(statement["Action"]) if each not in {action, f"{action}Batch"}]
                statement["Action"] = left or "sts:GetCallerIdentity"  # which needs no permission
        assert reduced != document
        self.stack.put_policy(role, policy, reduced)
        try:
            yield
        finally:
            self.stack.put_policy(role, policy, document)


def listed(action: str | list[str]) -> list[str]:
    return [action] if isinstance(action, str) else action


def without_version(file: dict[str, str]) -> dict[str, str]:
    return {"bucket": file["bucket"], "key": file["key"]}


def tagging_of(file: dict[str, str]) -> dict[str, Any]:
    """S3's notification that a file was tagged."""
    version = {"versionId": file["version_id"]} if "version_id" in file else {}
    s3 = {"bucket": {"name": file["bucket"]}, "object": {"key": file["key"], **version}}
    return {"Records": [{"eventVersion": "2.3", "eventSource": "aws:s3", "eventName": "ObjectTagging:Put", "s3": s3}]}


def refused_deletion(stage: Stage) -> str:
    stage.nxcloud.misbehave(Fault("code", code=9002))
    return stage.prints(DELETE, stage.linked(stage.missing()))


def a_failed_deletion(stage: Stage) -> str:
    stage.nxcloud.misbehave(Fault("status", status=503))
    return stage.prints(DELETE, stage.media())


def a_failed_deletion_and_its_repeat(stage: Stage) -> str:
    stage.nxcloud.misbehave(Fault("status", status=503))
    return "".join(stage.prints(DELETE, media) for media in [stage.media()] * 2)


def a_first_deletion(stage: Stage) -> str:
    stage.starts_afresh()
    try:
        return stage.prints(DELETE, stage.media())
    finally:
        stage.starts_afresh()  # an unreadable secret is cached for a while, too


def call(role: str, service: str, operation: str, **words: Callable[[Stage], object]) -> Callable[[Stage], str]:
    """A call with the credentials of a role, which returns AWS's error message, or "done"."""

    def do(stage: Stage) -> str:
        try:
            getattr(stage.as_role(role, service), operation)(**{name: word(stage) for name, word in words.items()})
        except ClientError as error:
            return str(error)
        return "done"

    return do


def running_a_function(role: str, queue: str | None, logs: str) -> "Proofs":
    """Calls by Lambda with a function's role: polling the queue, writing logs, sending traces."""
    group = {"logGroupName": named(logs), "logStreamName": lambda _: str(uuid.uuid4())}
    event = {"logEvents": lambda _: [{"timestamp": 0, "message": "a line"}]}
    bucket = {"Bucket": lambda stage: stage.bucket}
    calls = {
        ("WriteLogs", "logs:CreateLogStream"): call(role, "logs", "create_log_stream", **group),
        ("WriteLogs", "logs:PutLogEvents"): call(role, "logs", "put_log_events", **group, **event),
        ("ListBucketForNotFound", "s3:ListBucket"): call(role, "s3", "list_objects_v2", **bucket),
    }
    if queue:
        url = {"QueueUrl": named(queue)}
        handle = {"ReceiptHandle": lambda _: "none"}
        calls |= {
            ("PollQueue", "sqs:ReceiveMessage"): call(role, "sqs", "receive_message", **url),
            ("PollQueue", "sqs:DeleteMessage"): call(role, "sqs", "delete_message", **url, **handle),
            ("PollQueue", "sqs:GetQueueAttributes"): call(role, "sqs", "get_queue_attributes", **url),
        }
    return {
        **{(role, *what): (do, NOT_AUTHORIZED) for what, do in calls.items()},
        **{
            (role, "SendTraces", action): (partial(Stage.decides, role=role, action=action), "implicitDeny")
            for action in ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
        },
    }


def running_a_job(role: str) -> "Proofs":
    """Calls by S3 Batch Operations: listing objects, reading manifests, invoking the function, writing reports."""
    ours, folder = {"Bucket": lambda stage: stage.bucket}, "media-cleanup-backfill"
    listing = {
        "Id": "backfill",
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::lists", "Format": "CSV"}},
    }
    lists = {"Id": lambda _: "backfill", "InventoryConfiguration": lambda _: listing}
    key = {"Key": lambda _: f"{folder}/manifest.csv"}
    function = {"FunctionName": lambda stage: stage.stack.outputs["IndexMediaFunctionArn"]}
    empty = {"Payload": lambda _: b"{}"}
    keep = "ReadManifestAndWriteReport"
    calls = {
        ("InvokeIndexFunction", "lambda:InvokeFunction"): call(role, "lambda", "invoke", **function, **empty),
        ("GenerateManifest", "s3:PutInventoryConfiguration"): call(
            role, "s3", "put_bucket_inventory_configuration", **ours, **lists
        ),
        (keep, "s3:GetObject"): call(role, "s3", "get_object", **ours, **key),
        (keep, "s3:GetObjectVersion"): call(role, "s3", "get_object", **ours, **key, VersionId=lambda _: "any"),
        (keep, "s3:PutObject"): call(role, "s3", "put_object", **ours, **key),
    }
    return {(role, *what): (do, NOT_AUTHORIZED) for what, do in calls.items()}


def named(resource: str) -> Callable[[Stage], object]:
    """The name of a resource of the stack."""
    return lambda stage: stage.stack.resources[resource]


@pytest.fixture(scope="module")
def stage(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stage:
    cloud.client("events").create_event_bus(Name="least-outcomes")
    stack = deployed(cloud, nxcloud, "least", CreateSourceBucket="true", OutcomeEventBusName="least-outcomes")
    return Stage(stack, nxcloud)


NO_DYNAMODB, NO_S3 = "answered AccessDeniedException", "S3 answered 403 to {}; the function's role needs {} "
NOT_AUTHORIZED = "is not authorized to perform"
Proofs = dict[tuple[str, str, str], tuple[Callable[[Stage], str], str]]
PROOFS: Proofs = {
    **running_a_function("DeleteMediaRole", "DeletionQueue", "DeleteMediaLogGroup"),
    **running_a_function("IndexMediaRole", "IndexQueue", "IndexMediaLogGroup"),
    **running_a_function("SweepIndexRole", None, "SweepIndexLogGroup"),
    **running_a_job("BackfillRole"),
    ("DeleteMediaRole", "PollQueue", "sqs:ChangeMessageVisibility"): (
        a_failed_deletion,
        '"error":"answered AccessDenied',  # of visibility_timeout_failed; with the permission, the handle is invalid
    ),
    ("DeleteMediaRole", "SendDeadLetters", "sqs:SendMessage"): (
        lambda stage: stage.prints(DELETE, {}),
        "dead_letter_send_failed",
    ),
    ("DeleteMediaRole", "PublishOutcomes", "events:PutEvents"): (
        lambda stage: stage.prints(DELETE, stage.media()),
        "outcome_event_not_accepted",
    ),
    ("DeleteMediaRole", "ReadCredentials", "secretsmanager:GetSecretValue"): (
        a_first_deletion,
        "answered AccessDeniedException",
    ),
    ("DeleteMediaRole", "ReadAndWriteLinks", "dynamodb:Query"): (
        lambda stage: stage.prints(DELETE, stage.missing()),
        NO_DYNAMODB,
    ),
    ("DeleteMediaRole", "ReadAndWriteLinks", "dynamodb:UpdateItem"): (refused_deletion, "link_not_marked"),
    ("DeleteMediaRole", "ReadAndWriteLinks", "dynamodb:DeleteItem"): (
        lambda stage: stage.prints(DELETE, stage.linked(stage.missing())),
        "link_not_removed",
    ),
    ("DeleteMediaRole", "WriteIdempotencyRecords", "dynamodb:GetItem"): (
        lambda stage: stage.prints(DELETE, stage.media(), receives=2),
        "idempotency_unreachable",
    ),
    ("DeleteMediaRole", "WriteIdempotencyRecords", "dynamodb:PutItem"): (
        lambda stage: stage.prints(DELETE, stage.media()),
        "idempotency_unreachable",
    ),
    ("DeleteMediaRole", "WriteIdempotencyRecords", "dynamodb:UpdateItem"): (
        lambda stage: stage.prints(DELETE, stage.media()),
        "idempotency_record_not_saved",
    ),
    ("DeleteMediaRole", "WriteIdempotencyRecords", "dynamodb:DeleteItem"): (
        a_failed_deletion_and_its_repeat,
        "in_progress",
    ),
    ("DeleteMediaRole", "ReadObjects", "s3:GetObject"): (
        lambda stage: stage.prints(DELETE, stage.linked(stage.stored())),
        NO_S3.format("HeadObject", "s3:GetObject"),
    ),
    ("DeleteMediaRole", "ReadObjects", "s3:GetObjectVersion"): (
        lambda stage: stage.prints(DELETE, stage.replaced_with_same_media()),
        NO_S3.format("HeadObject", "s3:GetObjectVersion"),
    ),
    ("DeleteMediaRole", "ReadObjects", "s3:GetObjectTagging"): (
        lambda stage: stage.prints(DELETE, stage.linked(stage.stored_without_versions())),
        NO_S3.format("GetObjectTagging", "s3:GetObjectTagging"),
    ),
    ("DeleteMediaRole", "ReadObjects", "s3:GetObjectVersionTagging"): (
        lambda stage: stage.prints(DELETE, stage.linked(without_version(stage.stored("Enabled")))),
        NO_S3.format("GetObjectTagging", "s3:GetObjectVersionTagging"),
    ),
    ("IndexMediaRole", "SendDeletionRequests", "sqs:SendMessage"): (
        lambda stage: stage.prints(INDEX, stage.missing() | stage.media()),
        "deletion_not_asked",
    ),
    ("IndexMediaRole", "SendDeadLetters", "sqs:SendMessage"): (
        lambda stage: stage.prints(INDEX, {}),
        "dead_letter_send_failed",
    ),
    ("IndexMediaRole", "ReadAndWriteLinks", "dynamodb:Query"): (
        lambda stage: stage.prints(INDEX, stage.missing()),
        NO_DYNAMODB,
    ),
    ("IndexMediaRole", "ReadAndWriteLinks", "dynamodb:UpdateItem"): (
        lambda stage: stage.prints(INDEX, stage.stored() | stage.media()),
        NO_DYNAMODB,
    ),
    ("IndexMediaRole", "ReadObjects", "s3:GetObject"): (
        lambda stage: stage.prints(INDEX, stage.stored() | stage.media()),
        NO_S3.format("HeadObject", "s3:GetObject"),
    ),
    ("IndexMediaRole", "ReadObjects", "s3:GetObjectVersion"): (
        lambda stage: stage.prints(INDEX, stage.stored("Enabled") | stage.media()),
        NO_S3.format("HeadObject", "s3:GetObjectVersion"),
    ),
    ("IndexMediaRole", "ReadObjects", "s3:GetObjectTagging"): (
        lambda stage: stage.prints(INDEX, tagging_of(stage.stored_without_versions())),
        NO_S3.format("GetObjectTagging", "s3:GetObjectTagging"),
    ),
    ("IndexMediaRole", "ReadObjects", "s3:GetObjectVersionTagging"): (
        lambda stage: stage.prints(INDEX, tagging_of(stage.stored("Enabled"))),
        NO_S3.format("GetObjectTagging", "s3:GetObjectVersionTagging"),
    ),
    ("SweepIndexRole", "ReadLinks", "dynamodb:GetItem"): (lambda stage: stage.sweeps(), NO_DYNAMODB),
    ("SweepIndexRole", "ReadLinks", "dynamodb:Scan"): (lambda stage: stage.sweeps(), NO_DYNAMODB),
    ("SweepIndexRole", "ReadLinks", "dynamodb:Query"): (lambda stage: stage.sweeps(stage.missing()), NO_DYNAMODB),
    ("SweepIndexRole", "WriteSweepCheckpoint", "dynamodb:PutItem"): (lambda stage: stage.sweeps(), NO_DYNAMODB),
    ("SweepIndexRole", "SendDeletionRequests", "sqs:SendMessage"): (
        lambda stage: stage.sweeps(stage.missing()),
        "SQS answered AccessDenied",
    ),
    ("SweepIndexRole", "ReadNotificationSettings", "s3:GetBucketNotification"): (
        Stage.checks,
        "the function's role needs s3:GetBucketNotification on the bucket",
    ),
    ("SweepIndexRole", "ReadObjects", "s3:GetObject"): (
        lambda stage: stage.sweeps(stage.stored()),
        NO_S3.format("HeadObject", "s3:GetObject"),
    ),
    ("SweepIndexRole", "ReadObjects", "s3:GetObjectVersion"): (
        lambda stage: stage.sweeps(stage.replaced()),
        NO_S3.format("HeadObject", "s3:GetObjectVersion"),
    ),
}


def test_each_permission_has_proof(stage: Stage) -> None:
    given = {
        (role, statement["Sid"], action)
        for role in (*ROLES, "BackfillRole")
        for document in stage.stack.policies(role).values()
        for statement in document["Statement"]
        for action in listed(statement["Action"])
        if not action.endswith("Batch")  # of the local cloud alone: conftest.py
    }
    assert given == PROOFS.keys()


@pytest.mark.usefixtures("well_behaved")
@pytest.mark.parametrize(("role", "sid", "action"), PROOFS)
def test_request_without_permission_fails(stage: Stage, role: str, sid: str, action: str) -> None:
    do, complaint = PROOFS[role, sid, action]
    assert complaint not in do(stage)
    stage.nxcloud.behave()
    with stage.without(role, sid, action):
        assert complaint in do(stage)


@pytest.mark.parametrize("queue", QUEUES)
def test_queue_refuses_notifications_until_policy_is_restored(stage: Stage, queue: str) -> None:
    s3, sqs, url = stage.stack.cloud.client("s3"), stage.stack.cloud.client("sqs"), stage.stack.resources[queue]
    answer = s3.get_bucket_notification_configuration(Bucket=stage.bucket)
    notifications = {"QueueConfigurations": answer["QueueConfigurations"]}
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    s3.put_bucket_notification_configuration(Bucket=stage.bucket, NotificationConfiguration=notifications)
    reduced = json.loads(policy)
    reduced["Statement"] = [each for each in reduced["Statement"] if each["Sid"] != "AllowS3Notifications"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(reduced)})
    with pytest.raises(ClientError, match="Unable to validate the following destination"):
        s3.put_bucket_notification_configuration(Bucket=stage.bucket, NotificationConfiguration=notifications)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    s3.put_bucket_notification_configuration(Bucket=stage.bucket, NotificationConfiguration=notifications)


@dataclass(frozen=True)
class AccountUser:
    """A user of the account with all permissions, whose requests claim to come by https or by http."""

    cloud: LocalCloud
    keys: dict[str, str]

    def client(self, service: str, protocol: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        client = self.cloud.client_of(service, **self.keys)

        def claim(request: Any, **_: object) -> None:  # noqa: ANN401 (botocore's request)
            request.headers["X-Forwarded-Proto"] = protocol

        client.meta.events.register("before-sign", claim)
        return client


@pytest.fixture(scope="module")
def user(cloud: LocalCloud) -> AccountUser:
    iam, name = cloud.client("iam"), "account-user"
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(everything))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return AccountUser(cloud, {"access_key": key["AccessKeyId"], "access_secret": key["SecretAccessKey"]})


@pytest.mark.parametrize("queue", ["DeletionQueue", "DeletionDeadLetterQueue", "IndexQueue", "IndexDeadLetterQueue"])
def test_queue_denies_http(stage: Stage, user: AccountUser, queue: str) -> None:
    def look(protocol: str) -> None:
        sqs = user.client("sqs", protocol)
        sqs.receive_message(QueueUrl=stage.stack.resources[queue], VisibilityTimeout=0)

    look("https")
    with pytest.raises(ClientError, match="AccessDenied"):
        look("http")


def test_source_bucket_denies_http(stage: Stage, user: AccountUser) -> None:
    user.client("s3", "https").put_object(Bucket=stage.bucket, Key="a", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        user.client("s3", "http").put_object(Bucket=stage.bucket, Key="a", Body=b"")


def test_check_without_permission_to_list_buckets_reports_pattern(
    existing_buckets: Stack, nxcloud: FakeNxCloud
) -> None:
    stage = Stage(existing_buckets, nxcloud)
    assert "bucket_not_checked" not in stage.checks()
    with stage.without("SweepIndexRole", "FindBucketsOfPattern", "s3:ListAllMyBuckets"):
        assert f'"bucket":"{BUCKETS}"' in stage.checks()
