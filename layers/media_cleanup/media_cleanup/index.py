"""The media index: which media an object stood for, kept in a DynamoDB table.

One item per link. `object` (partition key) is bucket/key; `link` (sort key) is a digest of version or eTag and media:
the same link is the same item however often it is written, and versions do not overwrite each other. One more item,
whose `object` no object can have, says how far the sweep has come.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.aws import Aws
from media_cleanup.links import Link
from media_cleanup.media import InvalidMediaError, InvalidObjectError, Media, S3Object
from media_cleanup.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


PAGE_ITEMS = 250
_SWEEP = {"object": {"S": "sweep"}, "link": {"S": "sweep"}}


class IndexUnreachableError(Exception):
    """DynamoDB did not do what it was asked this time."""


class Place(NamedTuple):
    """An item's place in the table, by its keys."""

    object: str
    link: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass of the sweep has come: behind a place, None where it has seen nothing yet, or to its end.

    `began_s` is when the pass began, as Unix seconds.
    """

    began_s: int
    after: Place | None = None
    ended: bool = False


class MediaIndex:
    """The links in the table of this name. Each method raises IndexUnreachableError."""

    def __init__(self, aws: Aws, table: str) -> None:
        self._aws = aws
        self._table = table

    def links_of(self, file: S3Object) -> list[Link]:
        """All links of an object, of whatever version; what was written before is seen. Senseless items are logged."""
        pages = self._call(
            lambda dynamodb: list(
                dynamodb.get_paginator("query").paginate(
                    TableName=self._table,
                    ConsistentRead=True,
                    KeyConditionExpression="#object = :object",
                    ExpressionAttributeNames={"#object": "object"},
                    ExpressionAttributeValues={":object": {"S": _object(file)}},
                )
            )
        )
        links = [_link_in(item, file.bucket, file.key) for page in pages for item in page["Items"]]
        return [link for link in links if link]

    def write(self, link: Link) -> None:
        """Writes a link. A sequencer that an earlier event brought stays when the same link comes without one."""
        fields = {
            "business_phone": link.media.business_phone,
            "media_id": link.media.media_id,
            "version_id": link.file.version_id,
            "etag": link.etag,
            "sequencer": link.sequencer,
        }
        known = {name: value for name, value in fields.items() if value}
        self._call(
            lambda dynamodb: dynamodb.update_item(
                TableName=self._table,
                Key=_key(link),
                UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in known),
                ExpressionAttributeValues={f":{name}": {"S": value} for name, value in known.items()},
            )
        )

    def remove(self, link: Link) -> None:
        """Removes a link; one that is not there is no error."""
        self._call(lambda dynamodb: dynamodb.delete_item(TableName=self._table, Key=_key(link)))

    def walk(self, after: Place | None) -> Iterator[tuple[Place, Link]]:
        """All links behind a place, in the table's own order; what is written or removed meanwhile may be missed."""
        page = self._page(after and _keys(after))
        while True:
            for item in page["Items"]:
                place = Place(item["object"]["S"], item["link"]["S"])
                bucket, _, key = place.object.partition("/")
                if key and (link := _link_in(item, bucket, key)):
                    yield place, link
            if "LastEvaluatedKey" not in page:
                return
            page = self._page(page["LastEvaluatedKey"])

    def _page(self, after: Any) -> Any:  # noqa: ANN401 (DynamoDB's own words)
        start = {"ExclusiveStartKey": after} if after else {}
        return self._call(lambda dynamodb: dynamodb.scan(TableName=self._table, Limit=PAGE_ITEMS, **start))

    def progress(self) -> Progress | None:
        """How far the sweep has come, None before the first."""
        item = self._call(
            lambda dynamodb: dynamodb.get_item(TableName=self._table, Key=_SWEEP, ConsistentRead=True)
        ).get("Item")
        if item is None:
            return None
        after = Place(item["after_object"]["S"], item["after_link"]["S"]) if "after_object" in item else None
        return Progress(int(item["began_s"]["N"]), after, item["ended"]["BOOL"])

    def remember(self, progress: Progress) -> None:
        """Remembers how far the sweep has come."""
        after = progress.after
        place = {"after_object": {"S": after.object}, "after_link": {"S": after.link}} if after else {}
        item = _SWEEP | {"began_s": {"N": str(progress.began_s)}, "ended": {"BOOL": progress.ended}} | place
        self._call(lambda dynamodb: dynamodb.put_item(TableName=self._table, Item=item))

    def _call(self, operation: Callable[[Any], Any]) -> Any:  # noqa: ANN401 (whatever the operation answers)
        try:
            return operation(self._aws.dynamodb)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise IndexUnreachableError(f"DynamoDB answered {code} for the table {self._table}") from None
        except BotoCoreError as error:
            raise IndexUnreachableError(f"the table {self._table} did not answer: {type(error).__name__}") from None


def _object(file: S3Object) -> str:
    return f"{file.bucket}/{file.key}"


def _key(link: Link) -> "dict[str, AttributeValueTypeDef]":
    name = " ".join([link.file.version_id or link.etag or "", link.media.business_phone, link.media.media_id])
    return _keys(Place(_object(link.file), hashlib.sha256(name.encode()).hexdigest()))


def _keys(place: Place) -> "dict[str, AttributeValueTypeDef]":
    return {"object": {"S": place.object}, "link": {"S": place.link}}


def _link_in(item: Mapping[str, Any], bucket: str, key: str) -> Link | None:
    fields = {name: value.get("S") for name, value in item.items()}
    try:
        return Link(
            file=S3Object.checked(bucket, key, fields.get("version_id")),
            etag=fields.get("etag"),
            media=Media.checked(fields.get("business_phone"), fields.get("media_id")),
            sequencer=fields.get("sequencer"),
        )
    except (InvalidMediaError, InvalidObjectError) as error:
        logger.error("index_item_not_understood", extra={"bucket": bucket, "link": fields["link"], "error": error})
        return None
