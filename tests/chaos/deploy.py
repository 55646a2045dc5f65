"""The template on a local cloud as `sam deploy` puts it there, with the layers' clocks running faster."""

import re
import shutil
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

from localdev.cloud import ROOT, LocalCloud
from localdev.stack import Stack, build, deploy

LAYER = "MediaCleanupLayer/python/media_cleanup"
# Thirty times faster, so that delays stand to one another as they do in AWS; the longest alone is cut shorter
FASTER = {
    "triggers/backoff.py": {"FIRST_DELAY_S": "1", "MAX_DELAY_S": "4"},
    "aws/credentials.py": {"CACHE_S": "10", "PAUSE_S": "2", "RETRY_AFTER_FAILURE_S": "1"},
    "provider/absence.py": {"PROOF_OF_LIFE_S": "2.0"},
}
QUEUES = ("DeletionQueueUrl", "IndexQueueUrl")


def deploy_faster(cloud: LocalCloud, name: str, folder: Path, aws_url: str, timeout_s: int, **parameters: str) -> Stack:
    """Builds the template, turns the clocks of a copy in this folder, and deploys that copy.

    Its functions reach AWS by this address, and may take so many seconds.
    """
    build()
    copy = folder / "build"
    shutil.copytree(ROOT / ".aws-sam/build", copy, ignore=shutil.ignore_patterns("__pycache__"))
    for file, constants in FASTER.items():
        for constant, value in constants.items():
            _set(copy / LAYER / file, constant, value)
    _set_in_template(copy / "template.yaml", aws_url, timeout_s)
    stack = deploy(cloud, name, copy / "template.yaml", **parameters)
    for queue in QUEUES:  # what a killed function held comes again soon after its time would have been over
        cloud.client("sqs").set_queue_attributes(
            QueueUrl=stack.outputs[queue], Attributes={"VisibilityTimeout": str(timeout_s + 2)}
        )
    return stack


def _set_in_template(file: Path, aws_url: str, timeout_s: int) -> None:
    template = yaml_parse(file.read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["Timeout"] = timeout_s
            resource["Properties"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = aws_url
    file.write_text(yaml_dump(template))


def _set(file: Path, constant: str, value: str) -> None:
    """Gives a module's constant another value. Raises LookupError where the module has no such constant."""
    text, found = re.subn(rf"^{constant} = .*$", f"{constant} = {value}", file.read_text(), flags=re.MULTILINE)
    if found != 1:
        raise LookupError(f"{file.name} has no constant {constant}; update tests/chaos/deploy.py")
    file.write_text(text)
