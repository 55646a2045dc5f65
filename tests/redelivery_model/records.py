"""The table of confirmed deletions as Powertools uses it, its times moved from the machine's clock to the world's."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.redelivery_model.queue import Clock

MAY_BE_REPLACED = (
    "attribute_not_exists(#id) OR #expiry < :now OR (#status = :inprogress AND "
    "attribute_exists(#in_progress_expiry) AND #in_progress_expiry < :now_in_millis)"
)
_MS = {"expiration": 1000, "in_progress_expiration": 1, ":now": 1000, ":now_in_millis": 1, ":expiry": 1000}


class Records:
    """A client of DynamoDB with one table.

    Powertools asks the machine what time it is, and takes no other clock. So what it writes and compares is moved by as
    much as the world's clock was ahead when it asked, and what it reads is moved back. `call` surrounds each effect.
    """

    def __init__(self, clock: Clock, call: Callable[[str], AbstractContextManager[None]]) -> None:
        self._clock = clock
        self._call = call
        self._items: dict[str, dict[str, Any]] = {}

    def put_item(self, **asked: Any) -> None:  # noqa: ANN401 (boto3's own words, as below)
        """Writes a record, unless one is there that may not be replaced."""
        ahead_ms = self._ahead_ms()
        key, item = asked["Item"]["id"]["S"], _moved(asked["Item"], ahead_ms)
        values = _moved(asked["ExpressionAttributeValues"], ahead_ms)
        if asked["ConditionExpression"] != MAY_BE_REPLACED:
            raise AssertionError(f"Powertools has changed its condition: {asked['ConditionExpression']}")
        with self._call("put_item"):
            there = self._items.get(key)
            if there and not _may_be_replaced(there, values):
                error = {"Error": {"Code": "ConditionalCheckFailedException"}}
                old = _moved(there, -self._ahead_ms())
                raise ClientError(error | {"Item": old}, "PutItem")  # type: ignore[arg-type]  # as DynamoDB has it
            self._items[key] = item

    def update_item(self, **asked: Any) -> None:  # noqa: ANN401
        """Sets a record's attributes."""
        values, names = _moved(asked["ExpressionAttributeValues"], self._ahead_ms()), asked["ExpressionAttributeNames"]
        sets = [pair.split(" = ") for pair in asked["UpdateExpression"].removeprefix("SET ").split(", ")]
        with self._call("update_item"):
            item = self._items.setdefault(asked["Key"]["id"]["S"], dict(asked["Key"]))
            item |= {names[name]: values[value] for name, value in sets}

    def delete_item(self, **asked: Any) -> None:  # noqa: ANN401
        """Removes a record."""
        with self._call("delete_item"):
            self._items.pop(asked["Key"]["id"]["S"], None)

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """The index knows no links: it has tests of its own."""
        return SimpleNamespace(paginate={"query": lambda **_: [{"Items": []}]}[operation])

    def _ahead_ms(self) -> int:
        return self._clock.now_s * 1000 - time.time_ns() // 1_000_000


def _moved(values: dict[str, Any], by_ms: int) -> dict[str, Any]:
    """The same attributes, those that are times by so much later."""
    return {
        name: {"N": str(float(value["N"]) + by_ms / _MS[name])} if name in _MS else value
        for name, value in values.items()
    }


def _may_be_replaced(there: dict[str, Any], values: dict[str, Any]) -> bool:
    """What the condition says of the record that is there."""
    if float(there["expiration"]["N"]) < float(values[":now"]["N"]):
        return True
    in_progress = there["status"] == values[":inprogress"] and "in_progress_expiration" in there
    return in_progress and float(there["in_progress_expiration"]["N"]) < float(values[":now_in_millis"]["N"])
