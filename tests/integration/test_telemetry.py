"""Logs and metrics whatever the environment says: nothing leaks at DEBUG, and no line is missing above INFO."""

import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from localdev.cloud import ROOT
from media_cleanup.telemetry import LIBRARIES
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE, sample
from tests.integration.conftest import AWS, BUCKET, KEY, MEDIA_MESSAGE, Environment, sqs_event

PATHS = [ROOT, *(ROOT / part for part in ("layers/nxcloud", "layers/media_cleanup", "functions"))]
# As Lambda does in its JSON log format: the root logger's level is set before the function is imported
PROGRAM = """
import json, logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from {function}.app import lambda_handler
from media_cleanup.errors import SettingsError
from media_cleanup.telemetry import logger, metrics
from tests.conftest import Context
for _ in range(2):  # Powertools samples from the second invocation on
    try:
        lambda_handler({{"business_phone": "8615800001795"}}, Context())
    except SettingsError:
        pass
logger.info("a record")
metrics.add_metric("Deleted", "Count", 1)
metrics.flush_metrics()
names = ("boto3.resources", "botocore.parsers", "urllib3.connectionpool", "requests", "aws_lambda_powertools.metrics")
print(json.dumps([name for name in names if logging.getLogger(name).isEnabledFor(logging.DEBUG)]))
"""


def run(function: str, **environment: str) -> tuple[str, list[Any]]:
    """Import and invoke a function in a process of its own; its output, and its lines of JSON."""
    path = os.pathsep.join(map(str, PATHS))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(function=function)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, [json.loads(line) for line in done.stdout.splitlines() if line[0] in "[{"]


@pytest.mark.parametrize("function", ["delete_media", "index_media", "sweep_index"])
def test_environment_neither_drops_records_nor_prints_more(function: str) -> None:
    output, lines = run(
        function,
        LOG_LEVEL="ERROR",
        POWERTOOLS_LOG_LEVEL="ERROR",
        POWERTOOLS_LOGGER_LOG_EVENT="true",
        POWERTOOLS_LOGGER_SAMPLE_RATE="0.000001",
        POWERTOOLS_DEBUG="true",
    )
    assert PHONE not in output
    assert "a record" in [line.get("message") for line in lines if isinstance(line, dict)]
    assert lines[-1] == []  # no library logs at DEBUG, though the root logger does


@pytest.mark.parametrize(("level", "written"), [("DEBUG", "INFO"), ("WARN", "WARNING"), ("FATAL", "CRITICAL")])
def test_record_and_metrics_have_the_level_that_lambda_asks_for(level: str, written: str) -> None:
    _, lines = run("delete_media", AWS_LAMBDA_LOG_LEVEL=level)
    [record] = [line for line in lines if isinstance(line, dict) and line.get("message") == "a record"]
    [metrics] = [line for line in lines if isinstance(line, dict) and "_aws" in line]
    assert record["level"] == written
    assert metrics.get("level", "INFO") == written
    assert ("timestamp" in metrics) == (written != "INFO")


def test_no_function_prints_secrets_or_numbers_at_debug(
    environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    metadata = {"whatsapp-media-id": MEDIA_ID, "whatsapp-business-phone": PHONE}
    AWS.s3.put_object(Bucket=BUCKET, Key=KEY, Metadata=metadata)
    environment.index_media(sqs_event({"bucket": BUCKET, "key": KEY}))
    environment.sweep_index()
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.outcomes == [("deleted", None)]
    for canary in (CREDENTIALS.access_key, CREDENTIALS.access_secret, PHONE):
        assert canary not in caplog.text


def test_libraries_at_debug_would_print_secrets(environment: Environment, caplog: pytest.LogCaptureFixture) -> None:
    for name in LIBRARIES:  # so the test above can fail
        caplog.set_level(logging.DEBUG, logger=name)
    environment.delete_media(sample("direct-media"))
    assert CREDENTIALS.access_secret in caplog.text
