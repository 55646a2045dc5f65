"""A job of S3 Batch Operations over a few objects: the manifest, the request, and the event that Lambda receives."""

import json
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus

MANIFEST_FOLDER = "media-cleanup-backfill"  # where the stack's backfill role may read
SCHEMA = "2.0"


def manifest(bucket: str, keys: Sequence[str]) -> bytes:
    """Return the CSV manifest of a job, with form-encoded keys."""
    return "".join(f"{bucket},{quote_plus(key, safe='/')}\n" for key in keys).encode()


def job_request(  # noqa: PLR0913 (the facts of a job)
    *, account: str, role_arn: str, function_arn: str, manifest_arn: str, manifest_etag: str, token: str
) -> dict[str, Any]:
    """Return the parameters of `CreateJob`."""
    return {
        "AccountId": account,
        "ClientRequestToken": token,
        "ConfirmationRequired": False,
        "Description": "make verify",
        "Priority": 1,
        "RoleArn": role_arn,
        "Operation": {"LambdaInvoke": {"FunctionArn": function_arn, "InvocationSchemaVersion": SCHEMA}},
        "Manifest": {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
            "Location": {"ObjectArn": manifest_arn, "ETag": manifest_etag},
        },
        "Report": {"Enabled": False},
    }


def job_event(bucket: str, keys: Sequence[str]) -> str:
    """Return the event with which S3 Batch Operations invokes the function for these objects."""
    tasks = [
        {"taskId": str(number), "s3Key": quote_plus(key, safe="/"), "s3VersionId": None, "s3Bucket": bucket}
        for number, key in enumerate(keys)
    ]
    job = {"id": str(uuid.uuid4()), "userArguments": {}}
    return json.dumps(
        {"invocationSchemaVersion": SCHEMA, "invocationId": str(uuid.uuid4()), "job": job, "tasks": tasks}
    )
