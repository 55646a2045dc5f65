"""`make pause STACK=…` and `make resume STACK=…`: stop and resume the processing of deletion requests."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import print as show

from tools.command import client
from tools.deployment import Deployment, read_deployment
from tools.program import ToolError, one_line_errors

ENABLED = {"Enabled", "Enabling", "Creating", "Updating"}


def deletion_mapping(functions: Any, deployment: Deployment) -> dict[str, Any]:  # noqa: ANN401 (boto3 creates clients at run time)
    """Return the event source mapping of the deletion queue. Raises ToolError if there is none."""
    name = f"{deployment.physical_id('DeleteMediaFunction')}:live"
    mappings: list[dict[str, Any]] = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    queue_arn = deployment.queue_arn("DeletionQueue")
    mapping = next((one for one in mappings if one.get("EventSourceArn") == queue_arn), None)
    if mapping is None:
        raise ToolError(f"the function of {deployment.name} reads no deletion queue: deploy the stack again")
    return mapping


def kept_until(now: datetime, retention_s: int) -> str:
    """Return until when SQS keeps a message that is sent now, in words."""
    return f"{now + timedelta(seconds=retention_s):%Y-%m-%d %H:%M} UTC ({retention_s / 86_400:g} days)"


def main(arguments: list[str] | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Pause or resume a stack."""
    parser = argparse.ArgumentParser(prog="make pause", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--resume", action="store_true", help="resume the processing")
    options = parser.parse_args(arguments)
    with one_line_errors("make resume" if options.resume else "make pause"):
        deployment = read_deployment(client("cloudformation"), options.stack)
        functions = client("lambda")
        mapping = deletion_mapping(functions, deployment)
        if (mapping["State"] in ENABLED) != options.resume:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=options.resume)
        _report(deployment, now(), paused=not options.resume)
    return 0


def _report(deployment: Deployment, now: datetime, *, paused: bool) -> None:
    names = ["MessageRetentionPeriod", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = deployment.physical_id("DeletionQueue")
    attributes = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    waiting = int(attributes["ApproximateNumberOfMessages"])
    hidden = int(attributes["ApproximateNumberOfMessagesNotVisible"])
    if not paused:
        show(f"Resumed {deployment.name}: {waiting} messages are visible, {hidden} are hidden until their redelivery")
        return
    show(f"Paused {deployment.name}: deletion requests wait in the queue ({waiting} visible, {hidden} hidden)")
    show(f"  A message that is sent now is kept until {kept_until(now, int(attributes['MessageRetentionPeriod']))};")
    show("  one that was sent earlier, for as many days from then. SQS then deletes it without notice.")
    show("  Batches that are being processed come to their end. Direct invocations are not paused.")
    show(f"  Resume: make resume STACK={deployment.name}")


if __name__ == "__main__":
    sys.exit(main())
