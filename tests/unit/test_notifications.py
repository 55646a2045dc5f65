"""Notification configurations: entries are added and removed, and those of others stay as they are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_template import TEMPLATE
from tools.notifications import (
    DELETION_EVENTS,
    Configuration,
    Owner,
    changes,
    foreign_stacks,
    notifies_of,
    rule_may_match,
    with_eventbridge,
    with_functions,
    with_queues,
    without_owner,
)

STACK = "whatsapp-media-cleanup"
PLACE = "us-east-1:123456789012"
FUNCTION = f"arn:aws:lambda:{PLACE}:function:{STACK}-DeleteMediaFunction-a1B2c3D4e5F6:live"
QUEUE = f"arn:aws:sqs:{PLACE}:{STACK}-DeletionQueue-a1B2c3D4e5F6"
INDEX_QUEUE = f"arn:aws:sqs:{PLACE}:{STACK}-IndexQueue-a1B2c3D4e5F6"
INDEX_FUNCTION = f"arn:aws:lambda:{PLACE}:function:{STACK}-IndexMediaFunction-a1B2c3D4e5F6:live"
THUMBNAILS = {"Id": "thumbnails", "QueueArn": f"arn:aws:sqs:{PLACE}:thumbnails", "Events": ["s3:ObjectCreated:*"]}
RESIZE = {"LambdaFunctionArn": f"arn:aws:lambda:{PLACE}:function:resize", "Events": ["s3:ObjectTagging:*"]}
OURS = {"Id": "media-cleanup", "LambdaFunctionArn": FUNCTION, "Events": DELETION_EVENTS}
OWNER = Owner(STACK)


def test_eventbridge_is_added_to_other_entries() -> None:
    before: Configuration = {"QueueConfigurations": [THUMBNAILS]}
    assert with_eventbridge(before) == {"QueueConfigurations": [THUMBNAILS], "EventBridgeConfiguration": {}}


def test_function_is_added_to_other_entries() -> None:
    before: Configuration = {"QueueConfigurations": [THUMBNAILS], "LambdaFunctionConfigurations": [RESIZE]}
    assert with_functions(before, FUNCTION, None) == {
        "QueueConfigurations": [THUMBNAILS],
        "LambdaFunctionConfigurations": [RESIZE, OURS],
    }


def test_function_of_earlier_stack_is_replaced() -> None:
    earlier = OURS | {"LambdaFunctionArn": FUNCTION.replace("a1B2", "z9Y8")}
    assert with_functions({"LambdaFunctionConfigurations": [earlier]}, FUNCTION, None) == {
        "LambdaFunctionConfigurations": [OURS]
    }


def test_function_entry_is_limited_to_prefix() -> None:
    [entry] = with_functions({}, FUNCTION, None, "offers/")["LambdaFunctionConfigurations"]
    assert entry["Filter"] == {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "offers/"}]}}


def test_index_function_receives_stores_and_tags() -> None:
    _, entry = with_functions({}, FUNCTION, INDEX_FUNCTION)["LambdaFunctionConfigurations"]
    assert entry == {
        "Id": "media-cleanup-index",
        "LambdaFunctionArn": INDEX_FUNCTION,
        "Events": ["s3:ObjectCreated:*", "s3:ObjectTagging:Put"],
    }


def test_queues_receive_what_template_configures() -> None:
    notifications = TEMPLATE["Resources"]["SourceBucket"]["Properties"]["NotificationConfiguration"]
    arns = {"DeletionQueue": QUEUE, "IndexQueue": INDEX_QUEUE}
    expected = [(one["Event"], arns[one["Queue"]["Fn::GetAtt"][0]]) for one in notifications["QueueConfigurations"]]
    entries = with_queues({"QueueConfigurations": [THUMBNAILS]}, QUEUE, INDEX_QUEUE)["QueueConfigurations"]
    assert entries[0] == THUMBNAILS
    assert [(*one["Events"], one["QueueArn"]) for one in entries[1:]] == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (THUMBNAILS, True),
        (THUMBNAILS | {"Events": ["s3:ObjectCreated:Put"]}, True),
        (THUMBNAILS | {"Events": ["s3:ObjectRestore:*"]}, False),
        ({"QueueArn": INDEX_QUEUE, "Events": ["s3:ObjectCreated:*"]}, False),
    ],
)
def test_entry_of_others_for_same_events_is_found(entry: dict[str, Any], *, expected: bool) -> None:
    assert notifies_of({"QueueConfigurations": [entry]}, ["s3:ObjectCreated:*"], OWNER) is expected


def test_disconnection_removes_entries_of_stack_only() -> None:
    before: Configuration = {
        "QueueConfigurations": [
            {"QueueArn": QUEUE, "Events": ["s3:ObjectRemoved:*"]},
            THUMBNAILS,
            {"QueueArn": INDEX_QUEUE, "Events": ["s3:ObjectCreated:*"]},
        ],
        "LambdaFunctionConfigurations": [OURS],
        "EventBridgeConfiguration": {},
    }
    assert without_owner(before, OWNER, keep_eventbridge=False) == {"QueueConfigurations": [THUMBNAILS]}
    assert without_owner(before, OWNER, keep_eventbridge=True) == {
        "QueueConfigurations": [THUMBNAILS],
        "EventBridgeConfiguration": {},
    }


@pytest.mark.parametrize(
    ("arn", "owned"),
    [
        (QUEUE, True),
        (INDEX_QUEUE, True),
        (FUNCTION, True),
        (FUNCTION.removesuffix(":live"), True),
        (QUEUE.replace("arn:aws:", "arn:aws-cn:"), True),
        (f"arn:aws:sqs:{PLACE}:{STACK}-prod-DeletionQueue-a1B2c3D4e5F6", False),  # of another stack
        (f"arn:aws:sqs:{PLACE}:{STACK}-Reports-a1B2c3D4e5F6", False),
        (f"arn:aws:sqs:{PLACE}:{STACK}", False),
        (f"arn:aws:sqs:{PLACE}:my-{STACK}-DeletionQueue-a1B2c3D4e5F6", False),
    ],
)
def test_target_is_owned_by_name_of_stack(arn: str, *, owned: bool) -> None:
    assert OWNER.owns(arn) is owned


def test_target_of_deployed_stack_is_owned_by_arn() -> None:
    arn = f"arn:aws:sqs:{PLACE}:renamed"
    assert Owner(STACK, frozenset({arn})).owns(arn)


def test_target_with_cut_name_is_owned() -> None:
    stack = "a-long-name-" * 8
    name = f"{stack[:54]}-DeletionQueue-a1B2c3D4e5F"
    assert len(name) == 80
    assert Owner(stack).owns(f"arn:aws:sqs:{PLACE}:{name}")


def test_other_stacks_of_application_are_named() -> None:
    other = {"QueueArn": QUEUE.replace(STACK, f"{STACK}-prod"), "Events": ["s3:ObjectRemoved:*"]}
    assert foreign_stacks({"QueueConfigurations": [other, THUMBNAILS]}, OWNER) == [f"{STACK}-prod"]


def test_changes_name_each_entry() -> None:
    before: Configuration = {"QueueConfigurations": [THUMBNAILS], "LambdaFunctionConfigurations": [OURS]}
    after: Configuration = {"QueueConfigurations": [THUMBNAILS], "EventBridgeConfiguration": {}}
    assert changes(before, after) == [
        f"- s3:LifecycleExpiration:*, s3:ObjectRemoved:* → {FUNCTION}",
        "+ all events → EventBridge",
        f"= s3:ObjectCreated:* → {THUMBNAILS['QueueArn']}",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (None, False),  # a schedule
        ({"source": ["aws.ec2"]}, False),
        ({"source": ["aws.s3"]}, True),
        ({"source": [{"prefix": "aws."}]}, True),
        ({"detail-type": ["Object Deleted"]}, True),
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": ["other"]}}}, False),
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": ["other", "my-bucket"]}}}, True),
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": [{"wildcard": "my-*"}]}}}, True),
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": [{"wildcard": "team-*"}]}}}, False),
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": [{"prefix": "my"}]}}}, True),
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": [{"suffix": "photos"}]}}}, False),
        ({"source": ["aws.s3"], "detail": {"bucket": {"name": [{"anything-but": ["my-bucket"]}]}}}, True),  # in doubt
        ({"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "offers/"}]}}}, True),
        ({"replay-name": [{"exists": False}]}, True),  # an archive
    ],
)
def test_rule_that_may_match_bucket_is_found(pattern: dict[str, Any] | None, *, expected: bool) -> None:
    text = None if pattern is None else json.dumps(pattern)
    assert rule_may_match(text, "my-bucket") is expected


names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
events = st.lists(st.sampled_from(["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]), min_size=1)


def lists_of(field: str, service: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    entry = st.fixed_dictionaries(
        {"Id": names, field: names.map(f"arn:aws:{service}:{PLACE}:".__add__), "Events": events}
    )
    return st.lists(entry, min_size=1, max_size=3)


others = st.fixed_dictionaries(
    {},
    optional={
        "QueueConfigurations": lists_of("QueueArn", "sqs"),
        "TopicConfigurations": lists_of("TopicArn", "sns"),
        "LambdaFunctionConfigurations": lists_of("LambdaFunctionArn", "lambda"),
        "EventBridgeConfiguration": st.just({}),
    },
)


@given(others)
def test_connection_twice_is_connection_once(configuration: Configuration) -> None:
    once = with_eventbridge(configuration)
    assert with_eventbridge(once) == once
    once = with_functions(configuration, FUNCTION, INDEX_FUNCTION)
    assert with_functions(once, FUNCTION, INDEX_FUNCTION) == once
    once = with_queues(configuration, QUEUE, INDEX_QUEUE)
    assert with_queues(once, QUEUE, INDEX_QUEUE) == once
    assert not [line for line in changes(once, once) if not line.startswith("=")]


@given(others)
def test_disconnection_restores_configuration(configuration: Configuration) -> None:
    connected = with_queues(
        with_functions(with_eventbridge(configuration), FUNCTION, INDEX_FUNCTION), QUEUE, INDEX_QUEUE
    )
    keep = "EventBridgeConfiguration" in configuration
    assert without_owner(connected, OWNER, keep_eventbridge=keep) == configuration


@given(others)
def test_disconnection_changes_nothing_of_others(configuration: Configuration) -> None:
    assert without_owner(configuration, OWNER, keep_eventbridge=True) == configuration
