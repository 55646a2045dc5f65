"""The media index: links between objects and media files, in a DynamoDB table.

One item per link. `object` (partition key) is bucket/key; `link` (sort key) is a digest of version or eTag and media
file: writing the same link again changes nothing, and links of different versions are different items.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.errors import InvalidMediaError, InvalidObjectError
from media_cleanup.model import Content, Link, Media, S3Object
from media_cleanup.outcome import Reason
from media_cleanup.telemetry import logger, masked

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

PAGE_ITEMS = 250


class ItemKey(NamedTuple):
    """The key of an item in the table."""

    object: str
    link: str


class MediaIndex:
    """The links in the table of this name. Each method raises DependencyUnavailable."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def prepare(self) -> None:
        """Connect to DynamoDB, by a query for a key that no object can have."""
        self.get_links(S3Object("initialization", ""))

    def get_links(self, obj: S3Object) -> list[Link]:
        """Return all links of the object's key, of every version, by a consistent read. Invalid items are logged."""
        with self._translated_errors():
            pages = list(
                self._clients.dynamodb.get_paginator("query").paginate(
                    TableName=self._table,
                    ConsistentRead=True,
                    KeyConditionExpression="#object = :object",
                    ExpressionAttributeNames={"#object": "object"},
                    ExpressionAttributeValues={":object": {"S": _partition(obj)}},
                )
            )
        links = [_parse_link(item, obj.bucket, obj.key) for page in pages for item in page["Items"]]
        return [link for link in links if link]

    def put(self, link: Link) -> None:
        """Write a link. The sequencer of an earlier event stays where the same link is written without one."""
        values = {
            "business_phone": link.media.business_phone,
            "media_id": link.media.media_id,
            "version_id": link.obj.version_id,
            "sequencer": link.sequencer,
        } | _content_fields(link.content)
        present = {name: value for name, value in values.items() if value}
        with self._translated_errors():
            self._clients.dynamodb.update_item(
                TableName=self._table,
                Key=_key(link),
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in present) + " REMOVE refused",
                ExpressionAttributeNames={f"#{name}": name for name in present},  # `size` is a reserved word
                ExpressionAttributeValues={f":{name}": {"S": value} for name, value in present.items()},
            )

    def mark_refused(self, link: Link) -> None:
        """Mark a link whose media file NXCloud permanently refused to delete; writing the link again clears it.

        A link that has been removed meanwhile stays removed.
        """
        with self._translated_errors():
            try:
                self._clients.dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(link),
                    UpdateExpression="SET refused = :yes",
                    ConditionExpression="attribute_exists(media_id)",
                    ExpressionAttributeValues={":yes": {"S": "yes"}},
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise

    def remove(self, link: Link) -> None:
        """Remove a link; a missing one is not an error."""
        with self._translated_errors():
            self._clients.dynamodb.delete_item(TableName=self._table, Key=_key(link))

    def scan(self, after: ItemKey | None) -> Iterator[tuple[ItemKey, Link]]:
        """Scan all links after an item, in the table's order; links written or removed meanwhile may be missed."""
        page = self._scan_page(after and _attributes(after))
        while True:
            for item in page["Items"]:
                item_key = ItemKey(item["object"]["S"], item["link"]["S"])
                bucket, _, key = item_key.object.partition("/")
                if key and (link := _parse_link(item, bucket, key)):  # the sweep's checkpoint has no key
                    yield item_key, link
            if "LastEvaluatedKey" not in page:
                return
            page = self._scan_page(page["LastEvaluatedKey"])

    def _scan_page(self, after: Any) -> Any:  # noqa: ANN401 (DynamoDB's own types)
        start = {"ExclusiveStartKey": after} if after else {}
        with self._translated_errors():
            return self._clients.dynamodb.scan(TableName=self._table, Limit=PAGE_ITEMS, **start)

    def _translated_errors(self) -> "AbstractContextManager[None]":
        return unavailable_as(Reason.INDEX_UNREACHABLE, f"the table {self._table}")


def _partition(obj: S3Object) -> str:
    return f"{obj.bucket}/{obj.key}"


def _key(link: Link) -> "dict[str, AttributeValueTypeDef]":
    etag = link.content.etag if link.content else ""
    name = " ".join([link.obj.version_id or etag, link.media.business_phone, link.media.media_id])
    return _attributes(ItemKey(_partition(link.obj), hashlib.sha256(name.encode()).hexdigest()))


def _attributes(item_key: ItemKey) -> "dict[str, AttributeValueTypeDef]":
    return {"object": {"S": item_key.object}, "link": {"S": item_key.link}}


def _content_fields(content: Content | None) -> dict[str, str | None]:
    if content is None:
        return {}
    size = None if content.size is None else str(content.size)
    return {"etag": content.etag, "size": size, "etag_is_digest": str(content.etag_is_digest).lower()}


def _parse_content(fields: Mapping[str, Any]) -> Content | None:
    etag, size = fields.get("etag"), fields.get("size") or ""
    if not etag:
        return None
    return Content(etag, int(size) if size.isdecimal() else None, fields.get("etag_is_digest") != "false")


def _parse_link(item: Mapping[str, Any], bucket: str, key: str) -> Link | None:
    fields = {name: value.get("S") for name, value in item.items()}
    try:
        return Link(
            obj=S3Object.parse(bucket, key, fields.get("version_id")),
            content=_parse_content(fields),
            media=Media.parse(fields.get("business_phone"), fields.get("media_id")),
            sequencer=fields.get("sequencer"),
            refused="refused" in fields,
        )
    except (InvalidMediaError, InvalidObjectError) as error:
        logger.error("index_item_invalid", extra={"bucket": masked(bucket), "link": fields["link"], "error": error})
        return None
