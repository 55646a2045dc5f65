"""The functions in this process: their own code and libraries, moto for AWS, the fake NXCloud for the provider."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from delete_media import app
from index_media import app as index_app
from localdev.fake_nxcloud import FakeNxCloud
from localdev.tables import create_idempotency_table, create_index_table
from media_cleanup.aws.clients import AwsClients
from media_cleanup.settings import DeleteMediaSettings, IndexMediaSettings, SweepIndexSettings
from sweep_index import app as sweep_app
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE, Context, sample

REGION = "us-east-1"
BUCKET = "example-bucket"
KEY = f"{PHONE}/{MEDIA_ID}.jpg"
SECRET = "nxcloud/credentials"  # noqa: S105 (its name)
TABLE = "media-index"
RECORDS = "confirmed-deletions"
MASKED = "86158****1795"
MEDIA_MESSAGE = {"business_phone": PHONE, "media_id": MEDIA_ID}


class World:
    """The function's surroundings, and what it said and did in them."""

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

    @property
    def aws(self) -> AwsClients:
        """The deletion function's own clients."""
        return app._deletion(DeleteMediaSettings.from_environment(os.environ)).aws  # noqa: SLF001 (the way in)

    def invoke(self, event: object, **context: Any) -> Any:  # noqa: ANN401 (whatever the function answers)
        """Invokes the deletion function; what it printed is in `output` afterwards."""
        return self._invoke(app.lambda_handler, event, context)

    def index(self, event: object, **context: Any) -> Any:  # noqa: ANN401 (whatever the function answers)
        """Invokes the index function, likewise."""
        return self._invoke(index_app.lambda_handler, event, context)

    def sweep(self, **context: Any) -> Any:  # noqa: ANN401 (likewise)
        """Invokes the sweep function, likewise."""
        return self._invoke(sweep_app.lambda_handler, sample("sweep/schedule"), context)

    def _invoke(self, handler: Callable[..., Any], event: object, context: dict[str, Any]) -> Any:  # noqa: ANN401 (likewise)
        try:
            return handler(event, Context(**context))
        finally:
            self.output = self._capsys.readouterr().out

    @property
    def index_aws(self) -> AwsClients:
        """The index function's own clients."""
        return index_app._linking(IndexMediaSettings.from_environment(os.environ)).aws  # noqa: SLF001 (likewise)

    @property
    def sweep_aws(self) -> AwsClients:
        """The sweep function's own clients."""
        return sweep_app._sweep(SweepIndexSettings.from_environment(os.environ))._aws  # noqa: SLF001 (likewise)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The structured log lines of the last invocation."""
        return [line for line in map(json.loads, self.output.splitlines()) if "message" in line]

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """Outcome and first word of the reason of each request of the last invocation."""
        lines = [line for line in self.lines if line["message"] in {"media_deletion", "media_linking"}]
        return [(line["outcome"], (line.get("reason") or "").partition(":")[0] or None) for line in lines]

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the last invocation, in CloudWatch's embedded format."""
        [metrics] = [line for line in map(json.loads, self.output.splitlines()) if "_aws" in line]
        return metrics  # type: ignore[no-any-return]

    @property
    def calls(self) -> list[str]:
        """The Media-IDs whose deletion was asked for."""
        return [call.media_id for call in self.fake_nxcloud.provider.calls if call.action == "deleteMedia"]

    def links(self) -> list[dict[str, str]]:
        """The items of the index that are links, without their keys."""
        items = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
        links = [item for item in items if "media_id" in item]
        return [{name: value["S"] for name, value in item.items() if name not in {"object", "link"}} for item in links]

    def asked(self) -> list[dict[str, str]]:
        """The messages on the deletion queue, which are then gone."""
        sqs, url = boto3.client("sqs"), self.deletion_queue_url
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in received:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in received]

    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        """Body and attributes of each dead-lettered message."""
        received = boto3.client("sqs").receive_message(
            QueueUrl=self.dead_letter_queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            (message["Body"], {name: value["StringValue"] for name, value in message["MessageAttributes"].items()})
            for message in received.get("Messages", [])
        ]


@pytest.fixture
def world(
    fake_nxcloud: FakeNxCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        app._deletion.cache_clear()  # noqa: SLF001 (a new execution environment)
        index_app._linking.cache_clear()  # noqa: SLF001 (likewise)
        sweep_app._sweep.cache_clear()  # noqa: SLF001 (likewise)
        secret = {"accessKey": CREDENTIALS.access_key, "accessSecret": CREDENTIALS.access_secret}
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(secret))
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        queue_url = boto3.client("sqs").create_queue(QueueName="dead-letters")["QueueUrl"]
        monkeypatch.setenv("NXCLOUD_BASE_URL", fake_nxcloud.url)
        monkeypatch.setenv("NXCLOUD_SECRET_ID", SECRET)
        create_index_table(boto3.client("dynamodb"), TABLE)
        monkeypatch.setenv("MEDIA_INDEX_TABLE", TABLE)
        create_idempotency_table(boto3.client("dynamodb"), RECORDS)
        monkeypatch.setenv("IDEMPOTENCY_TABLE", RECORDS)
        monkeypatch.setenv("CONCURRENT_CALLS", "1")  # one after the other, for faults and lines in a known order
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue_url)
        deletion_queue_url = boto3.client("sqs").create_queue(QueueName="deletions")["QueueUrl"]
        monkeypatch.setenv("DELETION_QUEUE_URL", deletion_queue_url)
        yield World(fake_nxcloud, capsys, queue_url, deletion_queue_url)


def sqs(*bodies: object, receives: int = 1) -> dict[str, Any]:
    """An SQS event like the sample, with these bodies."""
    record = sample("sqs-s3-removed")["Records"][0]
    record["attributes"]["ApproximateReceiveCount"] = str(receives)
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [record | {"messageId": f"message-{number}", "body": text} for number, text in enumerate(texts)]}


def failed(answer: dict[str, Any]) -> list[str]:
    """The ids of the messages that must come again."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def forbid(client: Any, operation: str, status: int, code: str = "Refused") -> None:  # noqa: ANN401 (any boto3 client)
    """Lets AWS answer an operation of this client with an error, before moto sees it."""

    class Answer:
        status_code = status
        headers: dict[str, str] = {}  # noqa: RUF012 (read by botocore, written by nobody)
        content = b""

    def answer(**_: object) -> tuple[Answer, dict[str, Any]]:
        error = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return Answer(), error

    client.meta.events.register(f"before-call.*.{operation}", answer)
