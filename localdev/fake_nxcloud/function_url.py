"""Serves the fake NXCloud behind a Lambda function URL, for `make verify` on a sandbox account: template.yaml."""

import base64
import os
import time
from collections.abc import Iterator, MutableMapping
from email.message import Message
from functools import lru_cache
from typing import Any

import boto3

from localdev.fake_nxcloud.provider import Provider

KEEP_S = 24 * 3600  # then DynamoDB removes a media file that was left behind


class TableMedia(MutableMapping[tuple[str, str], dict[str, str]]):
    """Media files in a DynamoDB table, which all execution environments share."""

    def __init__(self, table: Any) -> None:  # noqa: ANN401 (boto3 creates resources at run time)
        self._table = table

    def __getitem__(self, media: tuple[str, str]) -> dict[str, str]:
        item = self._table.get_item(Key={"media": "/".join(media)}, ConsistentRead=True).get("Item")
        if item is None:
            raise KeyError(media)
        file: dict[str, str] = item["file"]
        return file

    def __setitem__(self, media: tuple[str, str], file: dict[str, str]) -> None:
        self._table.put_item(Item={"media": "/".join(media), "file": file, "expiration": int(time.time()) + KEEP_S})

    def __delitem__(self, media: tuple[str, str]) -> None:
        self._table.delete_item(Key={"media": "/".join(media)})

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for item in self._table.scan(ConsistentRead=True)["Items"]:
            business_phone, _, media_id = item["media"].partition("/")
            yield business_phone, media_id

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=1)
def _provider() -> Provider:
    provider = Provider(os.environ["ACCESS_KEY"], os.environ["ACCESS_SECRET"])
    provider.media = TableMedia(boto3.resource("dynamodb").Table(os.environ["TABLE"]))
    return provider


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the response to a request in the function URL's format (payload version 2.0)."""
    headers = Message()  # finds names in any case
    for name, value in event["headers"].items():
        headers[name] = value
    text = event.get("body") or ""
    body = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    reply = _provider().answer(event["rawPath"], headers, body)  # type: ignore[arg-type]  # a Message has a mapping's methods, but is not declared as one
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": reply.json().decode()}
