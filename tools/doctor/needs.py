"""The permissions that each function's role needs, for a simulation by IAM."""

from collections.abc import Mapping, Sequence

Needs = Sequence[tuple[Sequence[str], str]]  # actions, and the ARN of the resource


def needs(arns: Mapping[str, str], bucket: str | None, partition: str) -> dict[str, Needs]:
    """Return each role's needs. `arns` holds the ARNs of queues, tables and the secret, by logical id."""
    objects = [] if bucket is None else [(["s3:GetObject"], f"arn:{partition}:s3:::{bucket}/object")]
    listing = [] if bucket is None else [(["s3:ListBucket"], f"arn:{partition}:s3:::{bucket}")]
    records = [f"dynamodb:{action}" for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem")]
    receive = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    return {
        "DeleteMediaRole": [
            ([*receive, "sqs:ChangeMessageVisibility"], arns["DeletionQueue"]),
            (["sqs:SendMessage"], arns["DeletionDeadLetterQueue"]),
            (["secretsmanager:GetSecretValue"], arns["CredentialsSecret"]),
            (["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], arns["MediaIndexTable"]),
            (records, arns["IdempotencyTable"]),
            *objects,
            *listing,
        ],
        "IndexMediaRole": [
            (receive, arns["IndexQueue"]),
            (["sqs:SendMessage"], arns["IndexDeadLetterQueue"]),
            (["sqs:SendMessage"], arns["DeletionQueue"]),
            (["dynamodb:Query", "dynamodb:UpdateItem"], arns["MediaIndexTable"]),
            *objects,
            *listing,
        ],
        "SweepIndexRole": [
            (["sqs:SendMessage"], arns["DeletionQueue"]),
            (["dynamodb:Scan", "dynamodb:Query", "dynamodb:GetItem"], arns["MediaIndexTable"]),
            *objects,
            *listing,
        ],
    }
