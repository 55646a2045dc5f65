"""Stores a file in a stack's bucket, uploads it to WhatsApp, and links both."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from nxcloud import MediaClient, NxCloudError
from nxcloud.client import BASE_URL
from nxcloud.files import load_file
from uploader import Account, Uploader, UploadError


def main(arguments: list[str] | None = None) -> int:
    """Upload one file. 1 if it failed; then nothing was uploaded, or the message names the media file."""
    parser = argparse.ArgumentParser(prog="python examples/uploader", description=__doc__)
    parser.add_argument("file", type=Path, help="the file to store and to upload")
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--phone", required=True, help="the business phone, with its country code")
    parser.add_argument("--key", help="the object's key (default: the file's name)")
    parser.add_argument("--bucket", help="the bucket, if the stack has a pattern of bucket names")
    options = parser.parse_args(arguments)
    try:
        print(upload(options))
    except (UploadError, NxCloudError, ClientError, BotoCoreError, OSError) as error:
        print("\n".join([f"{parser.prog}: {error}", *getattr(error, "__notes__", [])]), file=sys.stderr)
        return 1
    return 0


def upload(options: argparse.Namespace) -> str:
    """Store, upload and link. Returns the Media-ID."""
    file = load_file(options.file)  # refused before it is stored, if WhatsApp would not take it
    phone = options.phone.removeprefix("+")
    outputs = read_outputs(options.stack)
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=outputs["CredentialsSecretArn"])["SecretString"]
    uploader = Uploader(
        boto3.client("s3"),
        boto3.client("sqs"),
        MediaClient(os.environ.get("NXCLOUD_BASE_URL", BASE_URL)),
        Account.from_secret(phone, secret),
        outputs["IndexQueueUrl"],
    )
    obj = uploader.store(file, options.bucket or outputs["SourceBucketName"], options.key or file.name)
    return uploader.find_upload(obj) or uploader.upload(obj, file)


def read_outputs(stack: str) -> dict[str, Any]:
    """Return the outputs of the stack: its queue, its bucket and its secret."""
    [description] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


if __name__ == "__main__":
    sys.exit(main())
