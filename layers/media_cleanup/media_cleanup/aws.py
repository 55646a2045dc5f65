"""AWS's clients, each made once on first use, with the time and the attempts that one call may take spelled out."""

from functools import cached_property
from typing import TYPE_CHECKING

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
    """The clients of an execution environment, kept with their connections for its life."""

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """The client of DynamoDB."""
        return boto3.client("dynamodb", config=_CONFIG)

    @cached_property
    def s3(self) -> "S3Client":
        """The client of S3."""
        return boto3.client("s3", config=_CONFIG)

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        """The client of Secrets Manager."""
        return boto3.client("secretsmanager", config=_CONFIG)

    @cached_property
    def sqs(self) -> "SQSClient":
        """The client of SQS."""
        return boto3.client("sqs", config=_CONFIG)
