"""What the tools ask of a deployed stack."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


def outputs_of(formation: "CloudFormationClient", stack: str) -> dict[str, str]:
    """The outputs of the stack of this name."""
    [described] = formation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
