"""Deletes media files in SQS batches, written as in tutorials, with the same features on the main path."""

import hashlib
import json
import os
import time
from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.typing import LambdaContext
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

logger = Logger(service="media-cleanup")
metrics = Metrics(namespace="MediaCleanup", service="media-cleanup")
processor = BatchProcessor(event_type=EventType.SQS)
persistence = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
config = IdempotencyConfig(expires_after_seconds=30 * 24 * 3600)
index = boto3.resource("dynamodb").Table(os.environ["MEDIA_INDEX_TABLE"])
s3 = boto3.client("s3")
sqs = boto3.client("sqs")


@idempotent_function(data_keyword_argument="media", persistence_store=persistence, config=config)
def delete_media(media: dict[str, str]) -> dict[str, Any]:
    secret = parameters.get_secret(os.environ["NXCLOUD_SECRET_ID"], max_age=300, transform="json")
    body = json.dumps({**media, "messaging_product": "whatsapp"})
    headers = {
        "accessKey": secret["accessKey"],
        "action": "deleteMedia",
        "bizType": "2",
        "ts": str(int(time.time() * 1000)),
    }
    text = "&".join(f"{name}={headers[name]}" for name in sorted(headers))
    text += f"&body={body}&accessSecret={secret['accessSecret']}"
    headers["sign"] = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    headers["Content-Type"] = "application/json"
    response = requests.post(
        os.environ["NXCLOUD_BASE_URL"] + "/api/wa/deleteMedia", data=body, headers=headers, timeout=10
    )
    response.raise_for_status()
    answer = response.json()
    if answer["code"] != 0 or not answer["data"]["success"]:
        raise RuntimeError(f"NXCloud answered {answer['code']}")
    metrics.add_metric(
        name="ProviderLatency", unit=MetricUnit.Milliseconds, value=response.elapsed.total_seconds() * 1000
    )
    return {"code": answer["code"]}


def media_of(message: dict[str, str]) -> list[dict[str, str]]:
    if "media_id" in message:
        return [{"business_phone": message["business_phone"], "Media-ID": message["media_id"]}]
    try:
        s3.head_object(Bucket=message["bucket"], Key=message["key"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        links = index.query(KeyConditionExpression=Key("object").eq(f"{message['bucket']}/{message['key']}"))
        return [{"business_phone": link["business_phone"], "Media-ID": link["media_id"]} for link in links["Items"]]
    return []


def record_handler(record: SQSRecord) -> None:
    for media in media_of(json.loads(record.body)):
        try:
            delete_media(media=media)
        except Exception:
            metrics.add_metric(name="Unavailable", unit=MetricUnit.Count, value=1)
            logger.exception("media_deletion failed")
            sqs.change_message_visibility(
                QueueUrl=os.environ["DELETION_QUEUE_URL"], ReceiptHandle=record.receipt_handle, VisibilityTimeout=30
            )
            raise
        lag_ms = int(time.time() * 1000) - int(record.attributes.sent_timestamp)
        metrics.add_metric(name="Deleted", unit=MetricUnit.Count, value=1)
        metrics.add_metric(name="DeletionLag", unit=MetricUnit.Milliseconds, value=lag_ms)
        logger.info("media_deletion", outcome="deleted", media_id=media["Media-ID"], lag_ms=lag_ms)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    config.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
