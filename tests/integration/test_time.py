"""No work outlives the invocation, however many media files an object has, and however slow DynamoDB is."""

import json
from functools import cache
from typing import Any

import pytest

from delete_media import app as delete_media_app
from index_media import app as index_media_app
from media_cleanup import sweep_index
from media_cleanup.aws import media_index
from media_cleanup.aws.clients import AwsClients
from media_cleanup.model import Link, Media, S3Object
from media_cleanup.settings import SweepIndexSettings
from sweep_index import app as sweep_index_app
from tests.conftest import PHONE, Context
from tests.integration.conftest import AWS, BUCKET, TABLE, Environment, failed_ids, sqs_event

KEY = "photos/house.jpg"
OBJECT = {"bucket": BUCKET, "key": KEY}


class SlowContext(Context):
    """Lambda's context in a time of its own: each call of these clients takes `call_ms`, and `spend` takes more."""

    def __init__(self, clients: AwsClients, call_ms: int, services: tuple[str, ...] = ("dynamodb",)) -> None:
        super().__init__()
        self._left_ms = 60_000.0
        for service in services:
            client = getattr(clients, service)
            client.meta.events.register(
                "before-call", lambda **_: self.spend(call_ms / 1000), unique_id=f"slow {id(self)}"
            )

    def spend(self, seconds: float) -> None:
        self._left_ms -= seconds * 1000

    def get_remaining_time_in_millis(self) -> int:
        return int(self._left_ms)


def write_links(environment: Environment, media: int, versions: int = 1) -> list[str]:
    """Link an object that does not exist to so many media files, each in so many versions."""
    media_ids = [environment.fake_nxcloud.provider.add_media(PHONE) for _ in range(media)]
    for media_id in media_ids:
        for version in range(versions):
            link = Link(S3Object(BUCKET, KEY, f"v{version}"), None, Media(PHONE, media_id))
            names = {"media_id": media_id, "business_phone": PHONE, "version_id": f"v{version}"}
            # Not by MediaIndex.put, which takes moto three times as long
            item = media_index._key(link) | {name: {"S": value} for name, value in names.items()}  # noqa: SLF001 (as the index has it)
            AWS.dynamodb.put_item(TableName=TABLE, Item=item)
    return media_ids


def test_object_with_1000_media_is_deleted_over_several_receives(environment: Environment) -> None:
    media_ids = write_links(environment, 1000)
    deleted: list[int] = []
    for receive in (1, 2):
        context = SlowContext(environment.delete_media_clients, 500)
        response = delete_media_app.lambda_handler(sqs_event(OBJECT, receives=receive), context)
        assert context.get_remaining_time_in_millis() >= 0
        assert failed_ids(response) == ["message-0"]
        deleted.append(len(environment.deletion_calls))
    assert deleted[0] > 0
    assert deleted == sorted(set(deleted))  # each receive goes further
    left = {link["media_id"] for link in environment.links()}
    assert left == set(media_ids) - set(environment.deletion_calls)


@pytest.mark.parametrize("call_ms", [500, 1000])
def test_links_of_many_versions_are_removed_while_there_is_time(environment: Environment, call_ms: int) -> None:
    [media_id] = write_links(environment, 1, versions=200)
    context = SlowContext(environment.delete_media_clients, call_ms)
    assert failed_ids(delete_media_app.lambda_handler(sqs_event(OBJECT), context)) == []
    assert 0 <= context.get_remaining_time_in_millis() <= 2_000
    assert environment.deletion_calls == [media_id]
    assert 0 < len(environment.links()) < 200
    environment.delete_media(sqs_event(OBJECT))  # as the sweep requests it
    assert environment.links() == []
    assert environment.deletion_calls == [media_id]


@pytest.mark.parametrize("handler", [delete_media_app, index_media_app], ids=["deletion", "index"])
def test_message_of_5000_parts_ends_in_time(environment: Environment, handler: Any) -> None:  # noqa: ANN401 (a module)
    name = "ObjectRemoved:Delete" if handler is delete_media_app else "ObjectCreated:Put"
    records = [
        {
            "eventSource": "aws:s3",
            "eventName": name,
            "s3": {"bucket": {"name": BUCKET}, "object": {"key": f"photos/{number}.jpg"}},
        }
        for number in range(5000)
    ]
    of_deletion = handler is delete_media_app
    clients = environment.delete_media_clients if of_deletion else environment.index_media_clients
    context = SlowContext(clients, 1000, ("dynamodb", "s3"))
    assert failed_ids(handler.lambda_handler(sqs_event({"Records": records}), context)) == ["message-0"]
    # What is left is for the log lines of all parts
    assert context.get_remaining_time_in_millis() >= 5000 * 2
    assert environment.dead_letters() == []


def test_thousands_of_rejected_parts_are_one_dead_letter(environment: Environment) -> None:
    records = [{"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete", "s3": number} for number in range(4999)]
    assert failed_ids(environment.delete_media(sqs_event({"Records": records}))) == []
    [(body, attributes)] = environment.dead_letters()
    assert json.loads(body) == {"Records": records}
    assert attributes["rejected_parts"] == "4999"


def test_sweep_ends_in_time_and_goes_on(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(150):
        names = {"object": f"{BUCKET}/{number}.jpg", "link": "0", "media_id": f"{number}", "business_phone": PHONE}
        AWS.dynamodb.put_item(TableName=TABLE, Item={name: {"S": value} for name, value in names.items()})
    contexts: list[SlowContext] = []

    def spend(seconds: float) -> None:
        contexts[-1].spend(seconds)

    class SlowSweep(sweep_index.SweepIndex):
        def __init__(self, settings: SweepIndexSettings, clients: AwsClients) -> None:
            super().__init__(settings, clients, sleep=spend)

    monkeypatch.setattr(sweep_index_app, "_sweep_index", cache(SlowSweep))
    requested: list[int] = []
    while len(requested) < 60 and sum(requested) < 150:
        contexts.append(SlowContext(environment.sweep_index_clients, 1000))
        counts = sweep_index_app.lambda_handler({}, contexts[-1])  # type: ignore[arg-type]  # as much of it as is used
        requested.append(counts["SweptGone"])
        assert contexts[-1].get_remaining_time_in_millis() >= 0
    assert sum(requested) == 150
    assert all(requested)
