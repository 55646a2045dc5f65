"""Builds the template with `sam build`, and deploys it to a local cloud with `sam deploy`, as a user would to AWS."""

import fcntl
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_dump, yaml_parse

from localdev.cloud import REGION, ROOT, LocalCloud
from tools.program import ToolError

MESSAGES = {  # of their log lines
    "DeleteMediaFunction": "media_deletion",
    "IndexMediaFunction": "media_linking",
    "SweepIndexFunction": "index_sweep",
}


def function_for(event: Path) -> str:
    """The function that a sample is for, told by its folder: events/index, events/sweep or events itself."""
    return {"index": "IndexMediaFunction", "sweep": "SweepIndexFunction"}.get(event.parent.name, "DeleteMediaFunction")


# MiniStack 1.5.33 forgets the ARNs of a nested stack's unchanged resources when it updates the stack, not their names
ALARM_ARN = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:"
ROLE_ARN = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role${RolePath}"

OFTEN = {"Delay": 0.1, "MaxAttempts": 600}
PACKAGES = "sam-packages"
BUILT = ROOT / ".aws-sam/build/template.yaml"


class SamError(ToolError):
    """A command of sam ended with another status than 0; the message holds what it printed."""


@dataclass(frozen=True)
class Stack:
    """The deployed template: its outputs, and the physical ids of its resources and of those of nested stacks."""

    cloud: LocalCloud
    name: str
    outputs: dict[str, str]
    resources: dict[str, str]

    def store_credentials(self, access_key: str, access_secret: str) -> None:
        """Puts NXCloud's credentials into the stack's secret, as its owner does after the first deployment."""
        self.store_secret({"accessKey": access_key, "accessSecret": access_secret})

    def store_secret(self, fields: object) -> None:
        """Puts this JSON into the stack's secret."""
        secrets = self.cloud.client("secretsmanager")
        secrets.put_secret_value(SecretId=self.outputs["CredentialsSecretArn"], SecretString=json.dumps(fields))

    def policies(self, role: str) -> dict[str, Any]:
        """The policy documents of a role: of inline policies by name, of managed policies by ARN."""
        iam, name = self.cloud.client("iam"), self.resources[role]
        documents = {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        }
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            arn = attached["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            documents[arn] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        return documents

    def put_policy(self, role: str, policy: str, document: object) -> None:
        """Replaces the document of a role's policy, which `policies` names. A managed policy changes for all roles."""
        iam, text = self.cloud.client("iam"), json.dumps(document)
        if not policy.startswith("arn:"):
            iam.put_role_policy(RoleName=self.resources[role], PolicyName=policy, PolicyDocument=text)
            return
        replaced = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        iam.create_policy_version(PolicyArn=policy, PolicyDocument=text, SetAsDefault=True)
        iam.delete_policy_version(PolicyArn=policy, VersionId=replaced)  # IAM keeps at most five

    def log_lines(self, function: str = "DeleteMediaFunction") -> list[dict[str, object]]:
        """A function's structured log lines about requests, oldest first."""
        settings = self.cloud.client("lambda").get_function_configuration(FunctionName=self.resources[function])
        reader = self.cloud.client("logs").get_paginator("filter_log_events")
        pages = reader.paginate(logGroupName=settings["LoggingConfig"]["LogGroup"])
        texts = [line for page in pages for event in page["events"] for line in event["message"].splitlines()]
        lines = [json.loads(text) for text in texts if text.startswith("{")]
        return [line for line in lines if line.get("message") == MESSAGES[function]]


def sam(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """What a command of sam prints, run in the project's root. Raises SamError."""
    command = [str(Path(sys.executable).with_name("sam")), *arguments]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2", **(environment or {})},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        raise SamError(f"{' '.join(['sam', *arguments])} ended with status {done.returncode}:\n{done.stdout}")
    return done.stdout


@cache
def build() -> None:
    """Builds what `sam deploy` and `sam local invoke` use, in .aws-sam; once for all processes of a test run."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    stamp = ROOT / ".aws-sam/test-run"
    stamp.parent.mkdir(exist_ok=True)
    with stamp.open("a+") as built_for:
        fcntl.flock(built_for, fcntl.LOCK_EX)
        built_for.seek(0)
        if run is None or built_for.read() != run:
            sam("build")
            built_for.truncate(0)
            built_for.write(run or "")


def code_directory(function: str) -> Path:
    """The directory of a function's code, which `sam build` leaves where it is."""
    properties = yaml_parse((ROOT / "template.yaml").read_text())["Resources"][function]["Properties"]
    return ROOT / str(properties["CodeUri"])


def for_local_cloud(template: Path) -> Path:
    """A copy of a built template, and of nested ones, without what MiniStack lacks: saved queries and metric math."""
    whole = yaml_parse(template.read_text())
    whole.pop("Metadata", None)  # names LICENSE and README.md, which sam would look for beside a moved template
    resources = whole["Resources"]
    unknown = [name for name, one in resources.items() if one["Type"] == "AWS::Logs::QueryDefinition"]
    unknown += [name for name, one in resources.items() if "Metrics" in one.get("Properties", {})]
    whole["Resources"] = {name: one for name, one in resources.items() if name not in unknown}
    for resource in whole["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::CloudFormation::Stack":
            properties["TemplateURL"] = str(for_local_cloud(template.parent / properties["TemplateURL"]))
        if resource["Type"] == "AWS::CloudWatch::Dashboard":
            body = properties["DashboardBody"]
            for name in unknown:  # an alarm's place on the dashboard, where another follows or precedes it
                place = re.escape(f'"${{{name}.Arn}}"')
                body["Fn::Sub"] = re.sub(rf"{place},\s*|,\s*{place}", "", body["Fn::Sub"])
            body["Fn::Sub"] = re.sub(r"\$\{(\w+Alarm)[.]Arn\}", rf"{ALARM_ARN}${{\1}}", body["Fn::Sub"])
    for output in whole.get("Outputs", {}).values():
        match output["Value"]:
            case {"Fn::GetAtt": [role, "Arn"]} if resources[role]["Type"] == "AWS::IAM::Role":
                output["Value"] = {"Fn::Sub": f"{ROLE_ARN}${{{role}}}"}
    copy = template.with_name(f"local-{os.getpid()}.yaml")  # several processes may do so at once
    copy.write_text(yaml_dump(whole))
    return copy


def deploy(cloud: LocalCloud, name: str, template: Path = BUILT, /, **parameters: str) -> Stack:
    """Deploys what was built, or a built template elsewhere."""
    sam(
        "deploy",
        "--template-file",
        str(for_local_cloud(template)),
        "--config-file",
        str(ROOT / "samconfig.toml"),
        "--no-confirm-changeset",
        "--stack-name",
        name,
        "--region",
        REGION,
        "--parameter-overrides",
        *(f"{key}={value}" for key, value in parameters.items()),
        environment=cloud.environment,
    )
    return _describe(cloud, name)


def create_stack(cloud: LocalCloud, name: str, /, **parameters: str) -> Stack:
    """Creates a stack from what was built, without `sam deploy`, which takes eight times as long."""
    formation = cloud.client("cloudformation")
    change_set = {"StackName": name, "ChangeSetName": "create"}
    formation.create_change_set(
        **change_set,
        ChangeSetType="CREATE",
        TemplateBody=_package(cloud),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    formation.get_waiter("change_set_create_complete").wait(**change_set, WaiterConfig=OFTEN)
    formation.execute_change_set(**change_set)
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=OFTEN)
    return _describe(cloud, name)


@cache
def _package(cloud: LocalCloud) -> str:
    """The template that `sam package` makes of what was built; its files are in a bucket of the local cloud."""
    cloud.client("s3").create_bucket(Bucket=PACKAGES)
    packaged = BUILT.with_name(f"packaged-{os.getpid()}.yaml")
    sam(
        "package",
        "--template-file",
        str(for_local_cloud(BUILT)),
        "--s3-bucket",
        PACKAGES,
        "--region",
        REGION,
        "--output-template-file",
        str(packaged),
        environment=cloud.environment,
    )
    return packaged.read_text()


def _describe(cloud: LocalCloud, name: str) -> Stack:
    """A stack that is there."""
    formation = cloud.client("cloudformation")
    outputs = formation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    return Stack(
        cloud=cloud,
        name=name,
        outputs={output["OutputKey"]: output["OutputValue"] for output in outputs},
        resources=_resources(formation, name),
    )


def _resources(formation: Any, stack: str) -> dict[str, str]:  # noqa: ANN401 (boto3's clients are made at run time)
    """The physical ids of a stack's resources, and of those of the stacks nested in it, by logical id."""
    resources = formation.describe_stack_resources(StackName=stack)["StackResources"]
    ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    nested = [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::CloudFormation::Stack"]
    return ids | {name: value for inner in nested for name, value in _resources(formation, inner).items()}
