"""Reads a deployed stack."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tools.program import ToolError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


def outputs_of(formation: "CloudFormationClient", stack: str, *required: str) -> dict[str, str]:
    """Read the outputs of the stack with this name. Raises ToolError if it is missing, or a required output is."""
    try:
        [description] = formation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        region = formation.meta.region_name
        raise ToolError(f"there is no stack {stack!r} in {region}; set STACK, and the Region or AWS_PROFILE") from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
    if missing := [name for name in required if name not in outputs]:
        raise ToolError(
            f"the stack {stack!r} ({description['StackStatus']}) has no output {missing[0]}; name a deployed stack of "
            "this application"
        )
    return outputs
