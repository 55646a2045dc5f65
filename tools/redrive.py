"""`make redrive STACK=… QUEUE=deletion`: moves dead letters back to their source queue, after a repair."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
from rich.progress import Progress

from tools.stacks import outputs_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

QUEUES = {
    "deletion": ("DeletionDeadLetterQueueUrl", "DeletionQueueUrl"),
    "index": ("IndexDeadLetterQueueUrl", "IndexQueueUrl"),
}
VISIBILITY_TIMEOUT_S = 300  # after that, a dead letter that could not be moved is visible again


def main() -> int:
    """Move all dead letters of a queue."""
    parser = argparse.ArgumentParser(prog="python -m tools.redrive", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--queue", required=True, choices=QUEUES, help="source queue of the dead letters")
    options = parser.parse_args()
    dead_letter_url, queue_url = urls(boto3.client("cloudformation"), options.stack, options.queue)
    with Progress() as progress:
        task = progress.add_task("moved", total=None)
        for moved in redrive(boto3.client("sqs"), dead_letter_url, queue_url):
            progress.update(task, completed=moved, description=f"moved {moved}")
    return 0


def urls(formation: "CloudFormationClient", stack: str, queue: str) -> tuple[str, str]:
    """Return the URLs of a dead-letter queue and of its source queue, from the stack's outputs."""
    outputs = outputs_of(formation, stack)
    dead_letter_queue, source_queue = QUEUES[queue]
    return outputs[dead_letter_queue], outputs[source_queue]


def redrive(sqs: "SQSClient", dead_letter_url: str, queue_url: str) -> Iterator[int]:
    """Move dead letters until none is visible. Yields the number moved so far.

    A dead letter is deleted only after its message is in the source queue, so that none is lost; a message may arrive
    twice. The attributes are not moved: they describe the failure that has been repaired.
    """
    moved = 0
    while letters := _receive(sqs, dead_letter_url):
        for letter in letters:
            sqs.send_message(QueueUrl=queue_url, MessageBody=letter["Body"])
            sqs.delete_message(QueueUrl=dead_letter_url, ReceiptHandle=letter["ReceiptHandle"])
            moved += 1
        yield moved


def _receive(sqs: "SQSClient", dead_letter_url: str) -> "list[MessageTypeDef]":
    response = sqs.receive_message(
        QueueUrl=dead_letter_url, MaxNumberOfMessages=10, VisibilityTimeout=VISIBILITY_TIMEOUT_S, WaitTimeSeconds=2
    )
    return response.get("Messages", [])


if __name__ == "__main__":
    sys.exit(main())
