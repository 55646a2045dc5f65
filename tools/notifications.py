"""Notification configurations of buckets: pure functions that add this application's entries, and remove only these.

S3 keeps all notifications of a bucket in one configuration, and each write replaces it as a whole. A configuration is
the dictionary that boto3 returns, without `ResponseMetadata`.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Configuration = dict[str, Any]

EVENTBRIDGE = "EventBridgeConfiguration"
TARGETS = {  # the lists of a configuration, and the field that names each entry's target
    "QueueConfigurations": "QueueArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
    "TopicConfigurations": "TopicArn",
}
ENTRY_ID = "media-cleanup"  # of direct invocation; also in docs/connect-a-bucket.md
DELETION_EVENTS = ["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"]  # ObjectRemoved does not include expirations
STORE_EVENTS = ["s3:ObjectCreated:*", "s3:ObjectTagging:Put"]
_OUR_TARGETS = "DeletionQueue|IndexQueue|DeleteMediaFunction|IndexMediaFunction"
_TARGET_NAME = re.compile(rf"(?P<stack>.+)-(?:{_OUR_TARGETS})-[A-Za-z0-9]+")  # CloudFormation's names
_LONGEST_NAMES = (64, 80)  # of functions and queues; CloudFormation cuts longer ones


@dataclass(frozen=True, slots=True)
class Owner:
    """A stack, deployed or deleted: its name and, where it is deployed, the ARNs of its queues and functions."""

    stack: str
    arns: frozenset[str] = frozenset()

    def owns(self, target_arn: str) -> bool:
        """Whether an ARN names a queue or a function of this stack, also one that no longer exists."""
        return target_arn in self.arns or _is_name_of(self.stack, target_arn)


def _is_name_of(stack: str, target_arn: str) -> bool:
    name = resource_name(target_arn)
    match = _TARGET_NAME.fullmatch(name)
    if match is None:
        return False
    cut = len(name) in _LONGEST_NAMES and stack.startswith(match["stack"])
    return match["stack"] == stack or cut


def resource_name(arn: str) -> str:
    """Return the name of a queue, topic or function in its ARN, without a function's alias."""
    parts = arn.split(":")
    return parts[6] if parts[2:3] == ["lambda"] and len(parts) > 6 else parts[-1]


def with_eventbridge(configuration: Configuration) -> Configuration:
    """Return the configuration with events for EventBridge turned on, and all else as it is."""
    return {**configuration, EVENTBRIDGE: {}}


def with_functions(
    configuration: Configuration, delete_arn: str, index_arn: str | None, prefix: str = ""
) -> Configuration:
    """Return the configuration with direct invocation of the functions for objects below a prefix.

    `index_arn` is None for a stack whose index function does not admit S3.
    """
    entries = [_entry(ENTRY_ID, "LambdaFunctionArn", delete_arn, DELETION_EVENTS, prefix)]
    if index_arn:
        entries.append(_entry(f"{ENTRY_ID}-index", "LambdaFunctionArn", index_arn, STORE_EVENTS, prefix))
    return _with_entries(configuration, "LambdaFunctionConfigurations", entries)


def with_queues(configuration: Configuration, deletion_arn: str, index_arn: str, prefix: str = "") -> Configuration:
    """Return the configuration with the entries that the template writes for the stack's own bucket."""
    targets_of_events = dict.fromkeys(DELETION_EVENTS, deletion_arn) | dict.fromkeys(STORE_EVENTS, index_arn)
    entries = [
        _entry(f"{ENTRY_ID}-{number}", "QueueArn", arn, [event], prefix)
        for number, (event, arn) in enumerate(targets_of_events.items())
    ]
    return _with_entries(configuration, "QueueConfigurations", entries)


def notifies_of(configuration: Configuration, events: Collection[str], owner: Owner) -> bool:
    """Whether an entry of another application has one of these events, or a kind of it: S3 refuses a second one."""
    theirs = [
        event
        for name, field in TARGETS.items()
        for entry in configuration.get(name, [])
        if not owner.owns(entry[field])
        for event in entry["Events"]
    ]
    return any(one.split(":")[1] == other.split(":")[1] for one in theirs for other in events)


def _entry(name: str, field: str, arn: str, events: list[str], prefix: str) -> Configuration:
    entry: Configuration = {"Id": name, field: arn, "Events": events}
    return entry | ({"Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": prefix}]}}} if prefix else {})


def _with_entries(configuration: Configuration, name: str, entries: list[Configuration]) -> Configuration:
    """Replace entries of an earlier call, and other entries with the same targets; a repetition changes nothing."""
    field = TARGETS[name]
    ids, arns = {entry["Id"] for entry in entries}, {entry[field] for entry in entries}
    others = [one for one in configuration.get(name, []) if one.get("Id") not in ids and one[field] not in arns]
    return {**configuration, name: [*others, *entries]}


def without_owner(configuration: Configuration, owner: Owner, *, keep_eventbridge: bool) -> Configuration:
    """Return the configuration without the entries whose target is the owner's, and all else as it is."""
    remaining = {name: value for name, value in configuration.items() if name not in {*TARGETS, EVENTBRIDGE}}
    for name, field in TARGETS.items():
        if others := [entry for entry in configuration.get(name, []) if not owner.owns(entry[field])]:
            remaining[name] = others
    if keep_eventbridge and EVENTBRIDGE in configuration:
        remaining[EVENTBRIDGE] = configuration[EVENTBRIDGE]
    return remaining


def foreign_stacks(configuration: Configuration, owner: Owner) -> list[str]:
    """Return the names of other stacks of this application that the configuration notifies."""
    others = [arn for arn in targets(configuration) if not owner.owns(arn)]
    matches = [_TARGET_NAME.fullmatch(resource_name(arn)) for arn in others]
    return sorted({match["stack"] for match in matches if match})


def describe(configuration: Configuration) -> list[str]:
    """Describe each entry of a configuration in one line."""
    lines = [
        f"{', '.join(sorted(entry['Events']))}{_filter(entry)} → {entry[field]}"
        for name, field in TARGETS.items()
        for entry in configuration.get(name, [])
    ]
    return lines + (["all events → EventBridge"] if EVENTBRIDGE in configuration else [])


def _filter(entry: Mapping[str, Any]) -> str:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return "".join(f" ({rule['Name'].lower()} {rule['Value']})" for rule in rules)


def changes(before: Configuration, after: Configuration) -> list[str]:
    """Describe a change, one line for each entry: `-` is removed, `+` is added, `=` stays."""
    old, new = describe(before), describe(after)
    return (
        [f"- {line}" for line in old if line not in new]
        + [f"+ {line}" for line in new if line not in old]
        + [f"= {line}" for line in new if line in old]
    )


def rule_may_match(event_pattern: str | None, bucket: str) -> bool:
    """Whether an EventBridge rule may match S3 events of a bucket; in doubt, true. A schedule has no event pattern."""
    if event_pattern is None:
        return False
    pattern = json.loads(event_pattern)
    sources = pattern.get("source")
    if sources is not None and "aws.s3" not in sources and all(isinstance(source, str) for source in sources):
        return False
    detail = pattern.get("detail")
    of_bucket = detail.get("bucket") if isinstance(detail, dict) else None
    names = of_bucket.get("name") if isinstance(of_bucket, dict) else None
    return names is None or any(_name_may_match(name, bucket) for name in names)


def _name_may_match(condition: Any, bucket: str) -> bool:  # noqa: ANN401 (any condition of EventBridge)
    match condition:
        case str():
            return condition == bucket
        case {"prefix": str(prefix)}:
            return bucket.startswith(prefix)
        case {"suffix": str(suffix)}:
            return bucket.endswith(suffix)
        case {"wildcard": str(wildcard)}:
            return fnmatchcase(bucket, wildcard)
    return True


def targets(configuration: Configuration) -> list[str]:
    """Return the ARNs of all targets of a configuration."""
    return [entry[field] for name, field in TARGETS.items() for entry in configuration.get(name, [])]
