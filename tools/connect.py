"""`make connect STACK=… BUCKET=…`: sends a bucket's events to a stack, and keeps its other notifications."""

import argparse
import sys

from rich import print as show

from tools.bucket import Bucket
from tools.command import ToolError, client, errors_in_one_line
from tools.deployment import Deployment, read_deployment
from tools.notifications import with_eventbridge, with_function


def require_fit(deployment: Deployment, bucket: str, region: str) -> None:
    """Raise ToolError unless events of the bucket can reach the stack."""
    if not deployment.covers(bucket):
        pattern = deployment.bucket_pattern
        state = f"is connected to {pattern}" if pattern else "is connected to no bucket"
        raise ToolError(
            f"the stack {deployment.name} {state}, so its rules ignore {bucket}: "
            f"run `sam deploy --parameter-overrides SourceBucketName={bucket}` first"
        )
    if region != deployment.region:
        raise ToolError(f"{bucket} is in {region} and the stack in {deployment.region}: deploy a stack in {region}")


def main(arguments: list[str] | None = None) -> int:
    """Connect a bucket. 1 if the user declined."""
    parser = argparse.ArgumentParser(prog="make connect", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--bucket", required=True, help="an existing bucket")
    parser.add_argument("--direct", action="store_true", help="S3 invokes the function directly, without EventBridge")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    if not options.bucket:
        parser.error("name a BUCKET")
    with errors_in_one_line("make connect"):
        return _connect(options)


def _connect(options: argparse.Namespace) -> int:
    deployment = read_deployment(client("cloudformation"), options.stack)
    bucket = Bucket(client("s3"), options.bucket)
    before = bucket.read()
    require_fit(deployment, bucket.name, bucket.region())
    if deployment.creates_bucket and not options.direct:
        show(f"{bucket.name} was created by {deployment.name}: the template keeps it connected.")
        return 0
    after = with_eventbridge(before)
    if options.direct:
        function_arn = deployment.outputs["DeleteMediaFunctionArn"]
        after = with_function(before, function_arn, deployment.parameters.get("ObjectKeyPrefix", ""))
    show(f"Connect {bucket.name} to {deployment.name}:")
    # EventBridge has no target to check, and a dead target of another entry must not stop it
    return 0 if bucket.change(before, after, validate=options.direct, yes=options.yes) else 1


if __name__ == "__main__":
    sys.exit(main())
