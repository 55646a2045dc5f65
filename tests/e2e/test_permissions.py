"""Each permission of the roles is needed: without one of them, on a local cloud that enforces IAM, something fails."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import PHONE
from tests.e2e.conftest import QUEUES, ROLES, deployed
from tests.local.cloud import LocalCloud
from tests.local.stack import Stack
from tests.simulator import Fault, Simulator

# MiniStack's poller, log writer and tracer, which stand for Lambda's own use of a role, ask IAM for nothing (source of
# what is needed: AWS's managed policies AWSLambdaSQSQueueExecutionRole and AWSXRayDaemonWriteAccess). It says 404 to
# everyone, where S3 says 403 to a role without s3:ListBucket. Nor does it ask whether EventBridge may send to a queue,
# and S3 invoke a function.
NOT_ENFORCED = {
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    *("logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    "s3:ListBucket",
}
DELETE, INDEX = "DeleteMediaFunction", "IndexMediaFunction"


@dataclass(frozen=True)
class Stage:
    """A stack whose roles lose a permission for a while, and what its functions are asked to do meanwhile."""

    stack: Stack
    nxcloud: Simulator

    @property
    def bucket(self) -> str:
        return self.stack.outputs["SourceBucketName"]

    def media(self) -> dict[str, str]:
        return {"business_phone": PHONE, "media_id": self.nxcloud.provider.add_media(PHONE)}

    def missing(self) -> dict[str, str]:
        return {"bucket": self.bucket, "key": f"{uuid.uuid4()}.jpg"}

    def stored(self, versioning: str = "Suspended") -> dict[str, str]:
        """A file that can be read, with its version where the bucket is to keep versions."""
        s3, file = self.stack.cloud.client("s3"), self.missing()
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": versioning})
        version = s3.put_object(Bucket=self.bucket, Key=file["key"], Body=b"a picture").get("VersionId")
        return file | ({"version_id": version} if versioning == "Enabled" else {})

    def linked(self, file: dict[str, str]) -> dict[str, str]:
        """The file, linked in the index."""
        names = {"object": f"{file['bucket']}/{file['key']}", "link": "any"} | self.media()
        item = {name: {"S": value} for name, value in names.items()}
        self.stack.cloud.client("dynamodb").put_item(TableName=self.stack.resources["MediaIndexTable"], Item=item)
        return file

    def prints(self, function: str, body: object) -> str:
        """What a function prints about a message with this body."""
        record = {"messageId": str(uuid.uuid4()), "receiptHandle": "none", "body": json.dumps(body)}
        payload = {"Records": [record | {"eventSource": "aws:sqs", "attributes": {}}]}
        answer = self.stack.cloud.client("lambda").invoke(
            FunctionName=self.stack.resources[function], Payload=json.dumps(payload), LogType="Tail"
        )
        assert "FunctionError" not in answer
        return base64.b64decode(answer["LogResult"]).decode()

    def starts_afresh(self) -> None:
        """The deletion function loses its execution environments, and with them what they remember."""
        name = self.stack.resources[DELETE]
        self.stack.cloud.client("lambda").update_function_configuration(FunctionName=name, Timeout=60)

    @contextmanager
    def without(self, role: str, sid: str, action: str) -> Iterator[None]:
        whole, lacking = self.stack.policy(role), self.stack.policy(role)
        for statement in lacking["Statement"]:
            if statement["Sid"] == sid:
                left = [each for each in listed(statement["Action"]) if each not in {action, f"{action}Batch"}]
                statement["Action"] = left or "sts:GetCallerIdentity"  # which everyone may
        assert lacking != whole
        self.stack.put_policy(role, lacking)
        try:
            yield
        finally:
            self.stack.put_policy(role, whole)


def listed(action: str | list[str]) -> list[str]:
    return [action] if isinstance(action, str) else action


def tagging_of(file: dict[str, str]) -> dict[str, Any]:
    """S3's notification that a file was tagged."""
    version = {"versionId": file["version_id"]} if "version_id" in file else {}
    s3 = {"bucket": {"name": file["bucket"]}, "object": {"key": file["key"], **version}}
    return {"Records": [{"eventVersion": "2.3", "eventSource": "aws:s3", "eventName": "ObjectTagging:Put", "s3": s3}]}


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
        stage.starts_afresh()  # an unreadable secret is remembered for a while, too


@pytest.fixture(scope="module")
def stage(cloud: LocalCloud, nxcloud: Simulator) -> Stage:
    return Stage(deployed(cloud, nxcloud, "least", CreateSourceBucket="true"), nxcloud)


NO_DYNAMODB, NO_S3 = "DynamoDB answered AccessDenied", "S3 answered 403 to {}; the function's role needs {} "
PROOFS: dict[tuple[str, str, str], tuple[Callable[[Stage], str], str]] = {
    ("DeleteMediaRole", "ReadQueue", "sqs:ChangeMessageVisibility"): (
        a_failed_deletion,
        '"error":"ClientError","queue_url"',  # of delaying_failed; with the permission, it is the handle that fails
    ),
    ("DeleteMediaRole", "DeadLetter", "sqs:SendMessage"): (
        lambda stage: stage.prints(DELETE, {}),
        "dead_lettering_failed",
    ),
    ("DeleteMediaRole", "ReadCredentials", "secretsmanager:GetSecretValue"): (
        a_first_deletion,
        "Secrets Manager answered AccessDenied",
    ),
    ("DeleteMediaRole", "ReadIndex", "dynamodb:Query"): (
        lambda stage: stage.prints(DELETE, stage.missing()),
        NO_DYNAMODB,
    ),
    ("DeleteMediaRole", "ReadIndex", "dynamodb:DeleteItem"): (
        lambda stage: stage.prints(DELETE, stage.linked(stage.missing())),
        "link_not_removed",
    ),
    ("DeleteMediaRole", "RememberDeletions", "dynamodb:PutItem"): (
        lambda stage: stage.prints(DELETE, stage.media()),
        "idempotency_unreachable",
    ),
    ("DeleteMediaRole", "RememberDeletions", "dynamodb:UpdateItem"): (
        lambda stage: stage.prints(DELETE, stage.media()),
        "deletion_not_remembered",
    ),
    ("DeleteMediaRole", "RememberDeletions", "dynamodb:DeleteItem"): (a_failed_deletion_and_its_repeat, "in_progress"),
    ("DeleteMediaRole", "LookAtObjects", "s3:GetObject"): (
        lambda stage: stage.prints(DELETE, stage.linked(stage.stored())),
        NO_S3.format("HeadObject", "s3:GetObject"),
    ),
    ("IndexMediaRole", "AskForDeletions", "sqs:SendMessage"): (
        lambda stage: stage.prints(INDEX, stage.missing() | stage.media()),
        "deletion_not_asked",
    ),
    ("IndexMediaRole", "DeadLetter", "sqs:SendMessage"): (
        lambda stage: stage.prints(INDEX, {}),
        "dead_lettering_failed",
    ),
    ("IndexMediaRole", "WriteIndex", "dynamodb:Query"): (
        lambda stage: stage.prints(INDEX, stage.missing() | stage.media()),
        NO_DYNAMODB,
    ),
    ("IndexMediaRole", "WriteIndex", "dynamodb:UpdateItem"): (
        lambda stage: stage.prints(INDEX, stage.stored() | stage.media()),
        NO_DYNAMODB,
    ),
    ("IndexMediaRole", "LookAtObjects", "s3:GetObject"): (
        lambda stage: stage.prints(INDEX, stage.stored() | stage.media()),
        NO_S3.format("HeadObject", "s3:GetObject"),
    ),
    ("IndexMediaRole", "LookAtObjects", "s3:GetObjectVersion"): (
        lambda stage: stage.prints(INDEX, stage.stored("Enabled") | stage.media()),
        NO_S3.format("HeadObject", "s3:GetObjectVersion"),
    ),
    ("IndexMediaRole", "LookAtObjects", "s3:GetObjectTagging"): (
        lambda stage: stage.prints(INDEX, tagging_of(stage.stored())),
        NO_S3.format("GetObjectTagging", "s3:GetObjectTagging"),
    ),
    ("IndexMediaRole", "LookAtObjects", "s3:GetObjectVersionTagging"): (
        lambda stage: stage.prints(INDEX, tagging_of(stage.stored("Enabled"))),
        NO_S3.format("GetObjectTagging", "s3:GetObjectVersionTagging"),
    ),
}


def test_each_permission_is_proven_to_be_needed_or_said_to_be_unproven(stage: Stage) -> None:
    given = {
        (role, statement["Sid"], action)
        for role in ROLES
        for statement in stage.stack.policy(role)["Statement"]
        for action in listed(statement["Action"])
    }
    enforced = {each for each in given if each[2] not in NOT_ENFORCED}
    assert enforced == PROOFS.keys() | {("DeleteMediaRole", "ReadQueue", "sqs:ChangeMessageVisibilityBatch")}


@pytest.mark.usefixtures("well_behaved")
@pytest.mark.parametrize(("role", "sid", "action"), PROOFS)
def test_without_a_permission_something_fails(stage: Stage, role: str, sid: str, action: str) -> None:
    do, complaint = PROOFS[role, sid, action]
    assert complaint not in do(stage)
    stage.nxcloud.behave()
    with stage.without(role, sid, action):
        assert complaint in do(stage)


@pytest.mark.parametrize("queue", QUEUES)
def test_s3_reaches_a_queue_by_its_policy_alone(stage: Stage, queue: str) -> None:
    s3, sqs, url = stage.stack.cloud.client("s3"), stage.stack.cloud.client("sqs"), stage.stack.resources[queue]
    answer = s3.get_bucket_notification_configuration(Bucket=stage.bucket)
    notifications = {"QueueConfigurations": answer["QueueConfigurations"]}
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    s3.put_bucket_notification_configuration(Bucket=stage.bucket, NotificationConfiguration=notifications)
    lacking = json.loads(policy)
    lacking["Statement"] = [each for each in lacking["Statement"] if each["Sid"] != "FromSourceBucket"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(lacking)})
    with pytest.raises(ClientError, match="Unable to validate the following destination"):
        s3.put_bucket_notification_configuration(Bucket=stage.bucket, NotificationConfiguration=notifications)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


@dataclass(frozen=True)
class Visitor:
    """Somebody of the account who may do everything, by TLS or, as the local cloud is told, without."""

    cloud: LocalCloud
    keys: dict[str, str]

    def client(self, service: str, protocol: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        client = self.cloud.client(service, **self.keys)

        def tell(request: Any, **_: object) -> None:  # noqa: ANN401 (botocore's request)
            request.headers["X-Forwarded-Proto"] = protocol

        client.meta.events.register("before-sign", tell)
        return client


@pytest.fixture(scope="module")
def visitor(cloud: LocalCloud) -> Visitor:
    iam, name = cloud.client("iam"), "visitor"
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(everything))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Visitor(cloud, {"access_key": key["AccessKeyId"], "access_secret": key["SecretAccessKey"]})


@pytest.mark.parametrize("queue", ["DeletionQueue", "DeletionDeadLetterQueue", "IndexQueue", "IndexDeadLetterQueue"])
def test_a_queue_is_reached_by_tls_only(stage: Stage, visitor: Visitor, queue: str) -> None:
    def look(protocol: str) -> None:
        sqs = visitor.client("sqs", protocol)
        sqs.receive_message(QueueUrl=stage.stack.resources[queue], VisibilityTimeout=0)

    look("https")
    with pytest.raises(ClientError, match="AccessDenied"):
        look("http")


def test_the_stacks_bucket_is_reached_by_tls_only(stage: Stage, visitor: Visitor) -> None:
    visitor.client("s3", "https").put_object(Bucket=stage.bucket, Key="a", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        visitor.client("s3", "http").put_object(Bucket=stage.bucket, Key="a", Body=b"")
