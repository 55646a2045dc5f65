"""Deploys the template to a local cloud by `sam deploy`, with shorter delays and caches in the layers."""

import re
import shutil
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

from localdev.cloud import ROOT, LocalCloud
from localdev.stack import BUILT, Stack, build, deploy

LAYER = "MediaCleanupLayer/python/media_cleanup"
HOUR_S = 5  # of MaxDeletionsPerHour
# A thirtieth, so that the delays keep their proportions; the longest alone is shortened more
SHORT_TIMES = {
    "triggers/backoff.py": {"FIRST_DELAY_S": "1", "MAX_DELAY_S": "4"},
    "aws/credentials.py": {"CACHE_S": "10", "REFRESH_INTERVAL_S": "2", "RETRY_AFTER_FAILURE_S": "1"},
    "provider/pauses.py": {"PAUSE_S": "2"},
    "provider/breaker.py": {"OPEN_S": "2"},
    "brake.py": {"HOUR_S": str(HOUR_S)},
    "provider/absence.py": {
        "CALL_S": "1.0",
        "FINISH_S": "1.0",
        "PROCESSING_S": "0.1",
        "CHECK_INTERVAL_S": "0.1",
        "PAUSE_S": "2",
        "MAX_CONTROL_AGE_S": "10",
    },
    "request.py": {"MIN_STEP_MS": "2_000", "MIN_AWS_CALL_MS": "1_000"},
}
ABSENCE_PROOF_INTERVAL_S = "3"
DEBUG_MARK = "the root logger is at DEBUG"
DEBUG = f"""\
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, force=True)
logging.debug("{DEBUG_MARK}")
"""
QUEUES = ("DeletionQueueUrl", "IndexQueueUrl")


def deploy_with_short_times(
    cloud: LocalCloud, name: str, folder: Path, aws_url: str, timeout_s: int, **parameters: str
) -> Stack:
    """Build the template, replace the constants in a copy in this folder, and deploy the copy.

    Its functions call AWS at `aws_url`, and have a timeout of `timeout_s`.
    """
    build()
    copy = folder / "build"
    shutil.copytree(ROOT / ".aws-sam/build", copy, ignore=shutil.ignore_patterns("__pycache__"))
    for file, constants in SHORT_TIMES.items():
        for constant, value in constants.items():
            _replace_constant(copy / LAYER / file, constant, value)
    _configure_functions(copy / "template.yaml", aws_url, timeout_s)
    stack = deploy(cloud, name, copy / "template.yaml", **parameters)
    for queue in QUEUES:  # messages of a killed function are redelivered soon after its timeout
        cloud.client("sqs").set_queue_attributes(
            QueueUrl=stack.outputs[queue], Attributes={"VisibilityTimeout": str(timeout_s + 2)}
        )
    return stack


def _configure_functions(file: Path, aws_url: str, timeout_s: int) -> None:
    template = yaml_parse(file.read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["Timeout"] = timeout_s
            code = (BUILT.parent / resource["Properties"]["CodeUri"]).resolve()
            resource["Properties"]["CodeUri"] = str(_log_at_debug(code, file.parent / "functions"))
            variables = {"AWS_ENDPOINT_URL": aws_url, "ABSENCE_PROOF_INTERVAL_S": ABSENCE_PROOF_INTERVAL_S}
            resource["Properties"]["Environment"]["Variables"] |= variables
    file.write_text(yaml_dump(template))


def _log_at_debug(code: Path, folder: Path) -> Path:
    """Copy a function's code; the copy sets the root logger to DEBUG first, as Lambda's JSON log format does."""
    copy = Path(shutil.copytree(code, folder / code.name))
    entry_point = copy / "app.py"
    entry_point.write_text(DEBUG + entry_point.read_text())
    return copy


def _replace_constant(file: Path, constant: str, value: str) -> None:
    """Replace the value of a module's constant. Raises LookupError if the module has no such constant."""
    text, found = re.subn(rf"^{constant} = .*$", f"{constant} = {value}", file.read_text(), flags=re.MULTILINE)
    if found != 1:
        raise LookupError(f"{file.name} has no constant {constant}; update tests/chaos/deploy.py")
    file.write_text(text)
