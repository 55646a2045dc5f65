"""Which event types of a bucket reach the application, by the bucket's notification settings."""

import pytest

from media_cleanup.bucket_events import DELETIONS, STORES, Destination, Expectation, Notifications

QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/deletions"
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:deletions"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:DeleteMedia:live"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:uploads"


def expectation(*, prefix: str = "", eventbridge: bool = True, events: frozenset[str] = DELETIONS) -> Expectation:
    return Expectation(events, prefix, frozenset({QUEUE_URL}), frozenset({FUNCTION}), eventbridge)


def sent_to(arn: str, *events: str, prefix: str = "", suffix: str = "") -> Notifications:
    return Notifications(eventbridge=False, destinations=(Destination(arn, frozenset(events), prefix, suffix),))


@pytest.mark.parametrize("arn", [QUEUE, FUNCTION, TOPIC])
def test_own_destination_or_topic_receives_events(arn: str) -> None:
    assert expectation().missing_events(sent_to(arn, *DELETIONS)) == frozenset()


@pytest.mark.parametrize(
    "arn",
    [
        QUEUE.replace("deletions", "thumbnails"),
        QUEUE.replace("123456789012", "210987654321"),
        FUNCTION.removesuffix(":live"),  # which bypasses the alias
    ],
)
def test_foreign_destination_does_not_count(arn: str) -> None:
    assert expectation().missing_events(sent_to(arn, *DELETIONS)) == DELETIONS


def test_eventbridge_counts_only_where_rules_exist() -> None:
    notifications = Notifications(eventbridge=True)
    assert expectation(eventbridge=True).missing_events(notifications) == frozenset()
    assert expectation(eventbridge=False).missing_events(notifications) == DELETIONS


def test_no_notification_misses_all_events() -> None:
    assert expectation(events=DELETIONS | STORES).missing_events(Notifications(eventbridge=False)) == DELETIONS | STORES


@pytest.mark.parametrize("kind", ["ObjectRemoved", "LifecycleExpiration"])
def test_all_kinds_of_an_event_type_count_as_the_type(kind: str) -> None:
    kinds = [f"s3:{kind}:Delete", f"s3:{kind}:DeleteMarkerCreated"]
    assert f"s3:{kind}:*" not in expectation().missing_events(sent_to(QUEUE, *kinds))
    assert f"s3:{kind}:*" in expectation().missing_events(sent_to(QUEUE, kinds[0]))


@pytest.mark.parametrize(
    ("filtered", "missing"),
    [({"prefix": "off"}, False), ({"prefix": "offers/2026/"}, True), ({"suffix": ".jpg"}, True), ({}, False)],
)
def test_narrower_filter_misses_events(filtered: dict[str, str], *, missing: bool) -> None:
    notifications = sent_to(QUEUE, *DELETIONS, **filtered)
    assert bool(expectation(prefix="offers/").missing_events(notifications)) == missing
