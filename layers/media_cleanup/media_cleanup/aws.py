"""AWS's clients, each made once on first use, with the time and the attempts that one call may take spelled out."""

from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

# boto3's own defaults are 5 attempts of up to 60 s each
_CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})


class Aws:
    """The clients of an execution environment, kept with their connections for its life; for concurrent workers."""

    def __init__(self) -> None:
        self._lock = Lock()  # boto3 makes clients in one thread at a time
        self._clients: dict[str, Any] = {}

    @property
    def dynamodb(self) -> "DynamoDBClient":
        """The client of DynamoDB."""
        return self._client("dynamodb")  # type: ignore[no-any-return]  # as the signature has it

    @property
    def s3(self) -> "S3Client":
        """The client of S3."""
        return self._client("s3")  # type: ignore[no-any-return]  # as the signature has it

    @property
    def secretsmanager(self) -> "SecretsManagerClient":
        """The client of Secrets Manager."""
        return self._client("secretsmanager")  # type: ignore[no-any-return]  # as the signature has it

    @property
    def sqs(self) -> "SQSClient":
        """The client of SQS."""
        return self._client("sqs")  # type: ignore[no-any-return]  # as the signature has it

    def _client(self, service: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]  # literals
            return self._clients[service]
