"""Reads a deployed stack."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


def outputs_of(formation: "CloudFormationClient", stack: str) -> dict[str, str]:
    """Read the outputs of the stack with this name."""
    [description] = formation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}
