"""The functions in this process: their own code and libraries, moto for AWS, the fake NXCloud for the provider."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from moto import mock_aws

from delete_media import app as delete_media_app
from index_media import app as index_media_app
from localdev.fake_nxcloud import FakeNxCloud
from localdev.tables import create_idempotency_table, create_index_table
from media_cleanup.aws.clients import AwsClients
from media_cleanup.delete_media import DeleteMedia
from sweep_index import app as sweep_index_app
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE, Context, sample

REGION = "us-east-1"
BUCKET = "example-bucket"
KEY = f"{PHONE}/{MEDIA_ID}.jpg"
SECRET = "nxcloud/credentials"  # noqa: S105 (its name)
TABLE = "media-index"
RECORDS = "confirmed-deletions"
MASKED = "86158****1795"
MEDIA_MESSAGE = {"business_phone": PHONE, "media_id": MEDIA_ID}

AWS = AwsClients()  # the tests' own clients; no test may register a handler on them


class Environment:
    """The execution environments of the three functions, what they wrote, and the AWS resources they use."""

    def __init__(
        self,
        fake_nxcloud: FakeNxCloud,
        capsys: pytest.CaptureFixture[str],
        dead_letter_queue_url: str,
        deletion_queue_url: str,
    ) -> None:
        self.fake_nxcloud = fake_nxcloud
        self.dead_letter_queue_url = dead_letter_queue_url
        self.deletion_queue_url = deletion_queue_url
        self._capsys = capsys
        self.output = ""

    def delete_media(self, event: object, **context: Any) -> Any:  # noqa: ANN401 (any response)
        """Invoke the deletion function; `output` is its standard output."""
        return self._invoke(delete_media_app.lambda_handler, event, context)

    def index_media(self, event: object, **context: Any) -> Any:  # noqa: ANN401 (any response)
        """Invoke the index function; `output` is its standard output."""
        return self._invoke(index_media_app.lambda_handler, event, context)

    def sweep_index(self, **context: Any) -> Any:  # noqa: ANN401 (any response)
        """Invoke the sweep function; `output` is its standard output."""
        return self._invoke(sweep_index_app.lambda_handler, sample("sweep/schedule"), context)

    def _invoke(self, handler: Callable[..., Any], event: object, context: dict[str, Any]) -> Any:  # noqa: ANN401 (any response)
        try:
            return handler(event, Context(**context))
        finally:
            self.output = self._capsys.readouterr().out

    @property
    def delete_media_handler(self) -> DeleteMedia:
        """The deletion function's handler."""
        return delete_media_app.use_case()

    @property
    def delete_media_clients(self) -> AwsClients:
        """The deletion function's own clients."""
        return self.delete_media_handler.clients

    @property
    def index_media_clients(self) -> AwsClients:
        """The index function's own clients."""
        return index_media_app.use_case().clients

    @property
    def sweep_index_clients(self) -> AwsClients:
        """The sweep function's own clients."""
        return sweep_index_app.sweep().clients

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        """The structured log lines of the last invocation."""
        return [line for line in map(json.loads, self.output.splitlines()) if "message" in line]

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """Outcome and reason, without its detail, of each result of the last invocation."""
        lines = [line for line in self.log_lines if line["message"] in {"media_deletion", "media_linking"}]
        return [(line["outcome"], (line.get("reason") or "").partition(":")[0] or None) for line in lines]

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the last invocation, in CloudWatch's embedded metric format."""
        [metrics] = [line for line in map(json.loads, self.output.splitlines()) if "_aws" in line]
        return metrics  # type: ignore[no-any-return]  # any JSON

    @property
    def deletion_calls(self) -> list[str]:
        """The Media-IDs of the `deleteMedia` calls that NXCloud has received."""
        return [call.media_id for call in self.fake_nxcloud.provider.calls if call.action == "deleteMedia"]

    @property
    def actions(self) -> list[str]:
        """The actions of all calls that NXCloud has received."""
        return [call.action for call in self.fake_nxcloud.provider.calls]

    def links(self) -> list[dict[str, str]]:
        """Return the links in the media index, without their keys."""
        items = AWS.dynamodb.scan(TableName=TABLE)["Items"]
        links = [item for item in items if "media_id" in item]
        return [{name: value["S"] for name, value in item.items() if name not in {"object", "link"}} for item in links]

    def deletion_requests(self) -> list[dict[str, str]]:
        """Receive and delete the messages of the deletion queue."""
        received = AWS.sqs.receive_message(QueueUrl=self.deletion_queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in received:
            AWS.sqs.delete_message(QueueUrl=self.deletion_queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in received]

    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        """Receive body and attributes of each dead-lettered message."""
        received = AWS.sqs.receive_message(
            QueueUrl=self.dead_letter_queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            (message["Body"], {name: value["StringValue"] for name, value in message["MessageAttributes"].items()})
            for message in received.get("Messages", [])
        ]


@pytest.fixture(scope="package")
def _moto() -> Iterator[None]:
    """Replace AWS by moto, once for all tests of a worker process: boto3 then loads its service models only once."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            yield


@pytest.fixture
def empty_aws(_moto: None) -> None:
    """Remove all AWS resources of earlier tests."""
    # source: moto, "Moto APIs", "Reset API"
    requests.post("http://motoapi.amazonaws.com/moto-api/reset", timeout=10).raise_for_status()


@pytest.fixture
def environment(
    empty_aws: None,  # noqa: ARG001 (before the resources are created)
    fake_nxcloud: FakeNxCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Environment:
    """New execution environments of the functions, with the resources that the template gives them."""
    for app in (delete_media_app, index_media_app, sweep_index_app):
        for cached in vars(app).values():
            if hasattr(cached, "cache_clear"):  # the next invocation is the first of its execution environment
                cached.cache_clear()
    secret = {"accessKey": CREDENTIALS.access_key, "accessSecret": CREDENTIALS.access_secret}
    AWS.secretsmanager.create_secret(Name=SECRET, SecretString=json.dumps(secret))
    AWS.s3.create_bucket(Bucket=BUCKET)
    for definition in table_definitions():
        AWS.dynamodb.create_table(**definition)
    dead_letter_queue_url = AWS.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
    deletion_queue_url = AWS.sqs.create_queue(QueueName="deletions")["QueueUrl"]
    monkeypatch.setenv("NXCLOUD_BASE_URL", fake_nxcloud.url)
    monkeypatch.setenv("NXCLOUD_SECRET_ID", SECRET)
    monkeypatch.setenv("MEDIA_INDEX_TABLE", TABLE)
    monkeypatch.setenv("IDEMPOTENCY_TABLE", RECORDS)
    monkeypatch.setenv("DELETION_QUEUE_URL", deletion_queue_url)
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", dead_letter_queue_url)
    monkeypatch.setenv("CONCURRENT_CALLS", "1")  # one after another, so that faults and log lines have a known order
    return Environment(fake_nxcloud, capsys, dead_letter_queue_url, deletion_queue_url)


@cache
def table_definitions() -> list[dict[str, Any]]:
    """Return the parameters of `create_table` for the template's tables; parsing the template takes half a second."""
    definitions: list[dict[str, Any]] = []
    recorder = SimpleNamespace(create_table=lambda **parameters: definitions.append(parameters))
    create_index_table(recorder, TABLE)
    create_idempotency_table(recorder, RECORDS)
    return definitions


def sqs_event(*bodies: object, receives: int = 1) -> dict[str, Any]:
    """Return an SQS event as in the sample, with a message for each of these bodies."""
    record = sample("sqs-s3-removed")["Records"][0]
    record["attributes"]["ApproximateReceiveCount"] = str(receives)
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [record | {"messageId": f"message-{number}", "body": text} for number, text in enumerate(texts)]}


def failed_ids(response: dict[str, Any]) -> list[str]:
    """Return the ids of the messages that a partial batch response reports as failed."""
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def inject_aws_error(client: Any, operation: str, status: int, code: str = "Refused") -> None:  # noqa: ANN401 (any boto3 client)
    """Let an operation of this client fail with an AWS error; moto does not see the call."""
    client.meta.events.register(f"before-call.*.{operation}", lambda **_: aws_error(status, code))


def aws_error(status: int, code: str = "Refused") -> tuple[Any, dict[str, Any]]:
    """Return an error response of AWS as botocore's event `before-call` takes it."""
    response = SimpleNamespace(status_code=status, headers={}, content=b"")
    return response, {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
