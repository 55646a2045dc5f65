"""The template on a local cloud as `sam deploy` puts it there, with the layers' clocks running faster."""

import re
import shutil
from pathlib import Path

from tests.local.cloud import ROOT, LocalCloud
from tests.local.stack import Stack, build, deploy

LAYER = "MediaCleanupLayer/python/media_cleanup"
# Thirty times faster, so that delays stand to one another as they do in AWS; the longest alone is cut shorter
FASTER = {
    "redelivery.py": {"FIRST_DELAY_S": "1", "LONGEST_DELAY_S": "4"},
    "credentials.py": {"MAX_AGE_S": "10", "PAUSE_S": "2", "AFTER_FAILURE_S": "1"},
    "absence.py": {"PROOF_OF_LIFE_S": "2.0"},
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
    stack = deploy(cloud, name, copy / "template.yaml", **parameters)
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
