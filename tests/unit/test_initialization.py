"""What a function imports, and its garbage collection, in Lambda's initialization phase and outside of Lambda."""

import json
import subprocess
import sys
from typing import Any

import pytest

from localdev.cloud import ROOT

PATHS = ":".join(str(ROOT / path) for path in ("layers/nxcloud", "layers/media_cleanup", "functions"))
IN_LAMBDA = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
# Without settings, so that the initialization phase calls no AWS service
STATE = """
import gc, json, sys
from {function} import app
print(json.dumps({{"modules": sorted(sys.modules), "enabled": gc.isenabled(), "frozen": gc.get_freeze_count()}}))
"""


def state_after_import(function: str, environment: dict[str, str]) -> dict[str, Any]:
    """The state of a new process that has imported the function."""
    command = [sys.executable, "-c", STATE.format(function=function)]
    variables = {"PYTHONPATH": PATHS, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    printed = subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])  # type: ignore[no-any-return]  # any JSON


@pytest.mark.parametrize(
    ("function", "unused"),
    [
        ("delete_media", {"asyncio", "aws_lambda_powertools.utilities.batch", "snapshot_restore_py"}),
        ("index_media", {"asyncio", "boto3", "nxcloud", "requests", "snapshot_restore_py"}),
        ("sweep_index", {"asyncio", "boto3", "nxcloud", "requests", "snapshot_restore_py"}),
    ],
)
def test_function_imports_no_library_without_use(function: str, unused: set[str]) -> None:
    modules = set(state_after_import(function, IN_LAMBDA)["modules"])
    assert {"media_cleanup.initialization", "botocore.session"} < modules
    assert not unused & modules


def test_garbage_collection_resumes_after_initialization() -> None:
    state = state_after_import("index_media", IN_LAMBDA)
    assert state["enabled"]
    assert state["frozen"] > 10_000


def test_import_outside_lambda_leaves_garbage_collection_alone() -> None:
    state = state_after_import("index_media", {})
    assert (state["enabled"], state["frozen"]) == (True, 0)
