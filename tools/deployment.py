"""A deployed stack as the tools see it: its parameters, outputs and resources, read from CloudFormation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from media_cleanup.errors import SettingsError
from media_cleanup.settings import DeleteMediaSettings
from tools.notifications import Owner
from tools.program import ToolError


@dataclass(frozen=True)
class Resource:
    """A resource of a stack, or of one nested in it."""

    kind: str
    physical_id: str


@dataclass(frozen=True)
class Deployment:
    """A deployed stack. `resources` holds those of nested stacks too, by logical id."""

    name: str
    arn: str
    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Resource] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """The partition of the stack: `aws`, `aws-cn` or `aws-us-gov`."""
        return self.arn.split(":")[1]

    @property
    def region(self) -> str:
        """The Region of the stack."""
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        """The account of the stack."""
        return self.arn.split(":")[4]

    @property
    def bucket_pattern(self) -> str | None:
        """The name of the stack's bucket or the name pattern of its buckets; None where it has none."""
        return self.outputs.get("SourceBucketName")

    @property
    def creates_bucket(self) -> bool:
        """Whether the template has created the bucket, and keeps its notifications."""
        return "SourceBucket" in self.resources

    @property
    def owner(self) -> Owner:
        """The stack as the owner of entries in notification configurations."""
        return Owner(self.name, frozenset(arn for arn in map(self._notified_arn, self.resources.values()) if arn))

    def covers(self, bucket: str) -> bool:
        """Whether the stack's rules and permissions include a bucket."""
        return self.bucket_pattern is not None and fnmatchcase(bucket, self.bucket_pattern)

    def physical_id(self, logical_id: str) -> str:
        """Return the physical id of a resource. Raises ToolError."""
        if logical_id not in self.resources:
            raise ToolError(f"the stack {self.name} has no {logical_id}: is it a stack of whatsapp-media-cleanup?")
        return self.resources[logical_id].physical_id

    def queue_arn(self, logical_id: str) -> str:
        """Return the ARN of a queue. Raises ToolError."""
        name = self.physical_id(logical_id).rpartition("/")[2]
        return f"arn:{self.partition}:sqs:{self.region}:{self.account}:{name}"

    def alarms(self) -> dict[str, str]:
        """Return the names of all metric alarms, by logical id."""
        return {
            logical_id: one.physical_id
            for logical_id, one in self.resources.items()
            if one.kind == "AWS::CloudWatch::Alarm"
        }

    def _notified_arn(self, resource: Resource) -> str | None:
        place = f"{self.region}:{self.account}"
        match resource.kind:
            case "AWS::SQS::Queue":
                return f"arn:{self.partition}:sqs:{place}:{resource.physical_id.rpartition('/')[2]}"
            case "AWS::Lambda::Function":
                return f"arn:{self.partition}:lambda:{place}:function:{resource.physical_id}:live"
        return None


def read_deployment(formation: Any, stack: str) -> Deployment:  # noqa: ANN401 (boto3 creates clients at run time)
    """Read a stack. Raises ToolError if there is none of this name."""
    try:
        [description] = formation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            region = formation.meta.region_name
            raise ToolError(f"there is no stack {stack} in {region}: pass STACK=…, or set AWS_REGION") from None
        raise
    return Deployment(
        name=description["StackName"],
        arn=description["StackId"],
        status=description["StackStatus"],
        parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in description.get("Parameters", [])},
        outputs={one["OutputKey"]: one["OutputValue"] for one in description.get("Outputs", [])},
        resources=_resources(formation, stack),
    )


def live_settings(functions: Any, deployment: Deployment) -> DeleteMediaSettings:  # noqa: ANN401 (boto3 creates clients at run time)
    """Read the settings of the live version of the deletion function. Raises ToolError."""
    name = deployment.physical_id("DeleteMediaFunction")
    configuration = functions.get_function_configuration(FunctionName=name, Qualifier="live")
    try:
        return DeleteMediaSettings.from_environment(configuration.get("Environment", {}).get("Variables", {}))
    except SettingsError as error:
        raise ToolError(f"{name}: {error}") from None


def _resources(formation: Any, stack: str) -> dict[str, Resource]:  # noqa: ANN401 (boto3 creates clients at run time)
    found: dict[str, Resource] = {}
    for page in formation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for one in page["StackResourceSummaries"]:
            resource = Resource(one["ResourceType"], one.get("PhysicalResourceId", ""))
            if resource.kind == "AWS::CloudFormation::Stack":
                found |= _resources(formation, resource.physical_id)
            found[one["LogicalResourceId"]] = resource
    return found
