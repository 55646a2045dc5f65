"""AWS clients, each made once on first use, with the time and the attempts that one call may take spelled out."""

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

# boto3's own defaults are 5 attempts of up to 60 s each
_CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})


@cache
def s3() -> "S3Client":
    """The client of S3."""
    return boto3.client("s3", config=_CONFIG)


@cache
def secretsmanager() -> "SecretsManagerClient":
    """The client of Secrets Manager."""
    return boto3.client("secretsmanager", config=_CONFIG)


@cache
def sqs() -> "SQSClient":
    """The client of SQS."""
    return boto3.client("sqs", config=_CONFIG)
