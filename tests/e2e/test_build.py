"""The files that `sam build` puts into the layers, and the modules that a cold start imports."""

import _imp  # importlib.util.source_hash knows this Python's magic number alone
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localdev.cloud import ROOT
from localdev.stack import build, code_directory, sam

LAYERS = [ROOT / ".aws-sam/build" / name / "python" for name in ("NxCloudLayer", "MediaCleanupLayer")]
PYTHON_313_MAGIC = (3571).to_bytes(2, "little") + b"\r\n"
UNCHECKED_HASH = (0b01).to_bytes(4, "little")


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    build()


def files(layer: Path, pattern: str) -> list[Path]:
    return sorted(layer.rglob(pattern))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.parent.name)
def test_layer_module_has_unchecked_byte_code_of_runtime(layer: Path) -> None:
    if not files(layer, "*.pyc"):
        pytest.skip("built without Python 3.13, which this machine does not have")
    for module in files(layer, "*.py"):
        compiled = (module.parent / "__pycache__" / f"{module.stem}.cpython-313.pyc").read_bytes()
        assert compiled[:16] == PYTHON_313_MAGIC + UNCHECKED_HASH + _hash(module.read_bytes())


def _hash(source: bytes) -> bytes:
    return _imp.source_hash(int.from_bytes(PYTHON_313_MAGIC, "little"), source)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.parent.name)
def test_layer_contains_runtime_files_only(layer: Path) -> None:
    names = {path.relative_to(layer).parts[0] for path in layer.iterdir()}
    assert not names & {"bin", "boto3", "botocore", "tests", "pip", "setuptools"}
    baggage = [path.name for path in files(layer, "*.dist-info/**/*") if path.is_file()]
    assert {name for name in baggage if name != "METADATA" and "licen" not in name.lower()} <= {"NOTICE"}
    assert "METADATA" in baggage


def test_two_builds_are_identical(tmp_path: Path) -> None:
    sam("build", "--build-dir", str(tmp_path))
    for layer in LAYERS:
        again = tmp_path / layer.parent.name / "python"
        assert _contents(again) == _contents(layer)


def _contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (int(path.stat().st_mtime), path.read_bytes()) for path in paths}


# Each of these costs a cold start tens of milliseconds, and no function needs it for its first request
NEVER = {"aws_xray_sdk", "pydantic", "aws_lambda_powertools.event_handler", "boto3.s3.inject"}
NEVER |= {"aws_lambda_powertools.utilities.parameters", "aws_lambda_powertools.utilities.parser", "moto", "unittest"}
OF_DELETIONS = {"nxcloud", "requests", "aws_lambda_powertools.utilities.idempotency"}


@pytest.mark.parametrize(
    ("function", "not_imported"),
    [
        ("DeleteMediaFunction", NEVER),
        ("IndexMediaFunction", NEVER | OF_DELETIONS),
        ("SweepIndexFunction", NEVER | OF_DELETIONS),
    ],
)
def test_cold_start_imports_only_required_modules(function: str, not_imported: set[str]) -> None:
    imported = _imported_by(function)
    assert "media_cleanup" in imported
    assert not imported & not_imported


def _imported_by(function: str) -> set[str]:
    """The modules that importing a built function's entry point loads, without any of Lambda's environment."""
    program = "import json, sys, app; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=code_directory(function),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, LAYERS)),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(answer.stdout))
