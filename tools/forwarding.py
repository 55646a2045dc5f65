"""Buckets in other accounts and Regions: whether a rule forwards their events, and the policies that they need."""

from dataclasses import dataclass
from typing import Any

from tools.deployment import Deployment
from tools.notifications import rule_may_match

ROLES = ("DeleteMediaRole", "IndexMediaRole", "SweepIndexRole")


@dataclass(frozen=True, slots=True)
class Place:
    """An account and a Region."""

    account: str
    region: str

    @classmethod
    def of(cls, deployment: Deployment) -> "Place":
        """Return the account and the Region of a stack."""
        return cls(deployment.account, deployment.region)


def bus_arn(deployment: Deployment) -> str:
    """Return the ARN of the event bus on which the stack has its rules."""
    return f"arn:{deployment.partition}:events:{deployment.region}:{deployment.account}:event-bus/default"


def forwarding_rules(events: Any, deployment: Deployment, bucket: str) -> list[str]:  # noqa: ANN401 (boto3 creates clients at run time)
    """Return the names of the enabled rules that forward events of a bucket. `events` is a client at its place."""
    names = events.list_rule_names_by_target(TargetArn=bus_arn(deployment))["RuleNames"]
    rules = [events.describe_rule(Name=name) for name in names]
    return [
        rule["Name"]
        for rule in rules
        if rule["State"] == "ENABLED" and rule_may_match(rule.get("EventPattern"), bucket)
    ]


def deploy_command(deployment: Deployment, bucket: str, region: str) -> str:
    """Return the command that forwards a bucket's events, to be run with credentials of the bucket's account."""
    parameters = {"SourceBucketName": bucket, "EventBusArn": bus_arn(deployment)}
    if prefix := deployment.parameters.get("ObjectKeyPrefix"):
        parameters["ObjectKeyPrefix"] = prefix
    overrides = " ".join(f"{name}={value}" for name, value in parameters.items())
    return (
        f"aws cloudformation deploy --region {region} --template-file examples/forward-events.yaml "
        f"--stack-name forward-{deployment.name} --capabilities CAPABILITY_IAM --parameter-overrides {overrides}"
    )


def bucket_policy(deployment: Deployment, bucket: str) -> dict[str, Any]:
    """Return the bucket policy by which another account lets the roles of the stack read."""
    arn = f"arn:{deployment.partition}:s3:::{bucket}"
    objects = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "ReadObjects", **_roles_may(deployment, objects), "Resource": f"{arn}/*"},
            {
                "Sid": "ListBucketForNotFound",
                **_roles_may(deployment, ["s3:ListBucket", "s3:GetBucketNotification"]),
                "Resource": arn,
            },
        ],
    }


def key_policy_statement(deployment: Deployment, region: str) -> dict[str, Any]:
    """Return the statement for the policy of the KMS key that encrypts a bucket of another account."""
    statement = {"Sid": "DecryptThroughS3", **_roles_may(deployment, ["kms:Decrypt"]), "Resource": "*"}
    through = {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}
    return statement | {"Condition": statement["Condition"] | through}


def _roles_may(deployment: Deployment, actions: list[str]) -> dict[str, Any]:
    """The account as principal, since a policy that names a role is void once that role is created anew."""
    path = deployment.parameters.get("RolePath") or "/"
    account = f"arn:{deployment.partition}:iam::{deployment.account}"
    arns = [f"{account}:role{path}{deployment.physical_id(role)}" for role in ROLES]
    return {
        "Effect": "Allow",
        "Principal": {"AWS": f"{account}:root"},
        "Action": actions,
        "Condition": {"ArnEquals": {"aws:PrincipalArn": arns}},
    }
