"""The template on a local cloud as `sam deploy` puts it there, with the layers' clocks running faster."""

import re
import shutil
from pathlib import Path

from tests.local.cloud import REGION, ROOT, LocalCloud
from tests.local.stack import Stack, build, sam

LAYER = "MediaCleanupLayer/python/media_cleanup"
# Thirty times faster, so that delays stand to one another as they do in AWS; the longest alone is cut shorter
FASTER = {
    "redelivery.py": {"FIRST_DELAY_S": "1", "LONGEST_DELAY_S": "4"},
    "credentials.py": {"MAX_AGE_S": "10", "PAUSE_S": "2", "AFTER_FAILURE_S": "1"},
    "provider.py": {"PROOF_OF_LIFE_S": "2.0"},
}
VISIBILITY_S = {"DeletionQueueUrl": "40", "IndexQueueUrl": "5"}


def deploy_faster(cloud: LocalCloud, name: str, folder: Path, **parameters: str) -> Stack:
    """Builds the template, turns the clocks of a copy in this folder, and deploys that copy."""
    build()
    copy = folder / "build"
    shutil.copytree(ROOT / ".aws-sam/build", copy, ignore=shutil.ignore_patterns("__pycache__"))
    for file, constants in FASTER.items():
        for constant, value in constants.items():
            _set(copy / LAYER / file, constant, value)
    sam(
        "deploy",
        "--template-file",
        str(copy / "template.yaml"),
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
    formation = cloud.client("cloudformation")
    outputs = formation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    resources = formation.describe_stack_resources(StackName=name)["StackResources"]
    stack = Stack(
        cloud=cloud,
        name=name,
        outputs={output["OutputKey"]: output["OutputValue"] for output in outputs},
        resources={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
    )
    for queue, seconds in VISIBILITY_S.items():
        cloud.client("sqs").set_queue_attributes(
            QueueUrl=stack.outputs[queue], Attributes={"VisibilityTimeout": seconds}
        )
    return stack


def _set(file: Path, constant: str, value: str) -> None:
    """Gives a module's constant another value. Raises LookupError where the module has no such constant."""
    text, found = re.subn(rf"^{constant} = .*$", f"{constant} = {value}", file.read_text(), flags=re.MULTILINE)
    if found != 1:
        raise LookupError(f"{file.name} has no constant {constant}; tests/soak/stage.py must follow it")
    file.write_text(text)
