"""`make disconnect STACK=… BUCKET=…`: removes a stack's entries from a bucket, also those of a deleted stack."""

import argparse
import sys
from typing import Any

from botocore.exceptions import ClientError
from rich import print as show

from tools.bucket import Bucket
from tools.command import client
from tools.deployment import Deployment, read_deployment
from tools.notifications import EVENTBRIDGE, Owner, foreign_stacks, rule_may_match, without_owner
from tools.program import ToolError, one_line_errors


def other_rules(events: Any, bucket: str, own: frozenset[str]) -> list[str]:  # noqa: ANN401 (boto3 creates clients at run time)
    """Return the names of other enabled EventBridge rules that may match events of the bucket."""
    pages = events.get_paginator("list_rules").paginate()
    rules = [rule for page in pages for rule in page["Rules"] if rule["Name"] not in own]
    return [
        rule["Name"]
        for rule in rules
        if rule.get("State") != "DISABLED" and rule_may_match(rule.get("EventPattern"), bucket)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Disconnect a bucket. 1 if the user declined."""
    parser = argparse.ArgumentParser(prog="make disconnect", description=__doc__)
    parser.add_argument("--stack", required=True, help="the name of the stack, deployed or deleted")
    parser.add_argument("--bucket", required=True, help="a bucket that was connected")
    parser.add_argument("--bucket-profile", help="an AWS profile of the bucket's account, if it is another one")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    if not options.bucket:
        parser.error("name a BUCKET")
    with one_line_errors(parser.prog):
        return _disconnect(options)


def _disconnect(options: argparse.Namespace) -> int:
    bucket = Bucket(client("s3", profile=options.bucket_profile), options.bucket)
    before = bucket.read()
    deployment = _deployment(options.stack)
    owner = deployment.owner if deployment else Owner(options.stack)
    events = client("events", profile=options.bucket_profile, region=bucket.region())
    keep_eventbridge = EVENTBRIDGE in before and _eventbridge_is_used(events, deployment, bucket.name)
    after = without_owner(before, owner, keep_eventbridge=keep_eventbridge)
    show(f"Disconnect {bucket.name} from {options.stack}{'' if deployment else ', which is not deployed'}:")
    if others := foreign_stacks(before, owner):
        show(f"  Entries of other stacks stay; pass STACK=… to remove them: {', '.join(others)}")
    # Without validation: S3 would refuse the change while the targets of remaining entries are gone
    return 0 if bucket.change(before, after, validate=False, yes=options.yes) else 1


def _deployment(stack: str) -> Deployment | None:
    try:
        return read_deployment(client("cloudformation"), stack)
    except ToolError:
        return None  # deleted; its name is enough


def _eventbridge_is_used(events: Any, deployment: Deployment | None, bucket: str) -> bool:  # noqa: ANN401 (boto3 creates clients at run time)
    """Whether other rules may need the bucket's events; where that cannot be read, true."""
    resources = deployment.resources.values() if deployment else ()
    own = frozenset(one.physical_id for one in resources if one.kind == "AWS::Events::Rule")
    try:
        others = other_rules(events, bucket, own)
    except ClientError as error:
        show(f"  EventBridge stays on: its rules cannot be read ({error.response['Error']['Code']})")
        return True
    if others:
        show(f"  EventBridge stays on for other rules: {', '.join(others)}")
    return bool(others)


if __name__ == "__main__":
    sys.exit(main())
