"""`make connect STACK=… BUCKET=…`: sends a bucket's events to a stack, and keeps its other notifications."""

import argparse
import json
import sys

from rich import print as show

from tools.bucket import Bucket
from tools.command import client
from tools.deployment import Deployment, read_deployment
from tools.forwarding import Place, bucket_policy, deploy_command, forwarding_rules
from tools.notifications import (
    STORE_EVENTS,
    Configuration,
    notifies_of,
    with_eventbridge,
    with_functions,
    with_queues,
)
from tools.program import ToolError, one_line_errors


def require_fit(deployment: Deployment, bucket: str, place: Place, *, direct: bool) -> None:
    """Raise ToolError unless events of the bucket can reach the stack."""
    if not deployment.covers(bucket):
        pattern = deployment.bucket_pattern
        state = f"is connected to {pattern}" if pattern else "is connected to no bucket"
        raise ToolError(
            f"the stack {deployment.name} {state}, so its rules ignore {bucket}: "
            f"run `sam deploy --parameter-overrides SourceBucketName={bucket}` first"
        )
    if direct and place != Place.of(deployment):
        where = f"in account {place.account}, Region {place.region}"
        raise ToolError(f"{bucket} is {where}, where S3 cannot invoke the functions: leave DIRECT out")
    trusted = [account for account in deployment.parameters.get("TrustedAccounts", "").split(",") if account]
    if place.account not in {deployment.account, *trusted}:
        accounts = ",".join([*trusted, place.account])
        raise ToolError(
            f"{bucket} belongs to account {place.account}, from which the stack {deployment.name} takes no events: "
            f"run `sam deploy --parameter-overrides TrustedAccounts={accounts}` first"
        )


def main(arguments: list[str] | None = None) -> int:
    """Connect a bucket. 1 if the user declined."""
    parser = argparse.ArgumentParser(prog="make connect", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--bucket", required=True, help="an existing bucket")
    parser.add_argument("--direct", action="store_true", help="S3 invokes the function directly, without EventBridge")
    parser.add_argument("--bucket-profile", help="an AWS profile of the bucket's account, if it is another one")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    if not options.bucket:
        parser.error("name a BUCKET")
    with one_line_errors(parser.prog):
        return _connect(options)


def _connect(options: argparse.Namespace) -> int:
    deployment = read_deployment(client("cloudformation"), options.stack)
    profile = options.bucket_profile
    bucket = Bucket(client("s3", profile=profile), options.bucket)
    before = bucket.read()
    account = client("sts", profile=profile).get_caller_identity()["Account"]
    place = Place(account, bucket.region(account))
    require_fit(deployment, bucket.name, place, direct=options.direct)
    after = connected(before, deployment, direct=options.direct)
    show(f"Connect {bucket.name} to {deployment.name}:")
    # EventBridge has no target to check, and a dead target of another entry must not stop it
    validate = options.direct or deployment.creates_bucket
    if not bucket.change(before, after, validate=validate, yes=options.yes):
        return 1
    if place != Place.of(deployment):
        events = client("events", profile=profile, region=place.region)
        show_remaining(deployment, bucket.name, place, forwarding_rules(events, deployment, bucket.name))
    return 0


def show_remaining(deployment: Deployment, bucket: str, place: Place, rules: list[str]) -> None:
    """Say what a bucket in another account or Region needs besides EventBridge (docs/other-accounts.md)."""
    if rules:
        show(f"Its events are forwarded by {', '.join(rules)} in {place.region}.")
    else:
        show(f"No rule in {place.region} forwards its events yet. With credentials of account {place.account}, run:")
        print(f"  {deploy_command(deployment, bucket, place.region)}")
    if place.account != deployment.account:
        show("The bucket's policy must have these statements (docs/other-accounts.md; more, if a KMS key encrypts it):")
        print(json.dumps(bucket_policy(deployment, bucket), indent=2))


def connected(before: Configuration, deployment: Deployment, *, direct: bool) -> Configuration:
    """Return the configuration with the entries that the stack needs. Raises ToolError.

    The bucket that the template created has no EventBridge rules, but may send to the queues.
    """
    prefix = deployment.parameters.get("ObjectKeyPrefix", "")
    if deployment.creates_bucket:
        if direct:
            raise ToolError("the functions do not admit the bucket that the stack created: leave DIRECT out")
        return with_queues(before, deployment.queue_arn("DeletionQueue"), deployment.queue_arn("IndexQueue"), prefix)
    if not direct:
        return with_eventbridge(before)
    index_arn: str | None = deployment.outputs["IndexMediaFunctionArn"]
    if "DirectIndexingPermission" not in deployment.resources or notifies_of(before, STORE_EVENTS, deployment.owner):
        show(
            "  IndexMediaFunction receives no events, since another entry has them: link by message, or use EventBridge"
        )
        index_arn = None
    return with_functions(before, deployment.outputs["DeleteMediaFunctionArn"], index_arn, prefix)


if __name__ == "__main__":
    sys.exit(main())
