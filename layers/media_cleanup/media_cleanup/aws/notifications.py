"""Reads the event notification settings of buckets."""

from typing import Any

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.bucket_events import Destination, Notifications
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason

_DESTINATIONS = {
    "QueueConfigurations": "QueueArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
    "TopicConfigurations": "TopicArn",
}


class BucketNotifications:
    """The buckets of the account in this Region, and their notification settings."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def bucket_names(self) -> list[str]:
        """Return the names of all buckets. Raises DependencyUnavailable."""
        with unavailable_as(Reason.OBJECT_UNKNOWN, "S3 ListBuckets"):
            region = self._clients.s3.meta.region_name
            pages = self._clients.s3.get_paginator("list_buckets").paginate(BucketRegion=region)
            return [bucket["Name"] for page in pages for bucket in page["Buckets"]]

    def read(self, bucket: str) -> Notifications | None:
        """Return a bucket's settings; None where there is no such bucket. Raises DependencyUnavailable."""
        with unavailable_as(Reason.OBJECT_UNKNOWN, f"S3 GetBucketNotificationConfiguration of {bucket}"):
            try:
                return _parse(self._clients.s3.get_bucket_notification_configuration(Bucket=bucket))
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchBucket":
                    return None
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
                    raise DependencyUnavailable(Reason.OBJECT_UNKNOWN, _missing_permission(bucket)) from None
                raise


def _missing_permission(bucket: str) -> str:
    return f"S3 answered 403; the function's role needs s3:GetBucketNotification on the bucket {bucket}"


def _parse(response: Any) -> Notifications:  # noqa: ANN401 (a response of S3)
    destinations = [
        Destination(entry[arn], frozenset(entry["Events"]), *_filter(entry))
        for kind, arn in _DESTINATIONS.items()
        for entry in response.get(kind, [])
    ]
    return Notifications("EventBridgeConfiguration" in response, tuple(destinations))


def _filter(entry: Any) -> tuple[str, str]:  # noqa: ANN401 (a part of that response)
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    values = {rule["Name"].lower(): rule["Value"] for rule in rules}
    return values.get("prefix", ""), values.get("suffix", "")
