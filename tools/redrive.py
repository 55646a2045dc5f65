"""`make redrive STACK=… QUEUE=deletion`: sends dead letters back to the queue that they came from, after a repair."""

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
HIDDEN_S = 300  # while its letter is being moved; one that this tool could not move is there again after that


def main() -> int:
    """Moves all dead letters of a stack's queue."""
    parser = argparse.ArgumentParser(prog="python -m tools.redrive", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--queue", required=True, choices=QUEUES, help="where the letters came from")
    options = parser.parse_args()
    dead_url, queue_url = urls(boto3.client("cloudformation"), options.stack, options.queue)
    with Progress() as progress:
        task = progress.add_task("moved", total=None)
        for moved in redrive(boto3.client("sqs"), dead_url, queue_url):
            progress.update(task, completed=moved, description=f"moved {moved}")
    return 0


def urls(formation: "CloudFormationClient", stack: str, queue: str) -> tuple[str, str]:
    """The URLs of a dead-letter queue and of the queue that it belongs to, as the stack's outputs tell them."""
    outputs = outputs_of(formation, stack)
    dead, alive = QUEUES[queue]
    return outputs[dead], outputs[alive]


def redrive(sqs: "SQSClient", dead_url: str, queue_url: str) -> Iterator[int]:
    """Moves letters until none is left to see, and tells how many it has moved so far.

    A letter is deleted only after its message is on the queue, so one may arrive twice, and none is lost. Its
    attributes stay behind: they tell of the failure that has been repaired.
    """
    moved = 0
    while letters := _letters(sqs, dead_url):
        for letter in letters:
            sqs.send_message(QueueUrl=queue_url, MessageBody=letter["Body"])
            sqs.delete_message(QueueUrl=dead_url, ReceiptHandle=letter["ReceiptHandle"])
            moved += 1
        yield moved


def _letters(sqs: "SQSClient", dead_url: str) -> "list[MessageTypeDef]":
    answer = sqs.receive_message(
        QueueUrl=dead_url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_S, WaitTimeSeconds=2
    )
    return answer.get("Messages", [])


if __name__ == "__main__":
    sys.exit(main())
