"""Imports run one way, without cycles; importing any module has no effects and needs no environment variables."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from localdev.cloud import ROOT

SEARCH_PATHS = [ROOT / "layers/nxcloud", ROOT / "layers/media_cleanup", ROOT / "functions"]
AWS_LIBRARIES = ("boto3", "botocore", "aws_lambda_powertools", "mypy_boto3_")
USE_CASES = {f"media_cleanup.{name}" for name in ("delete_media", "index_media", "sweep_index", "hourly_check")}
USE_CASE_PARTS = {"media_cleanup.verify_absence"}  # the part of `delete_media` after a batch
OUTER = ("media_cleanup.aws", "media_cleanup.provider", "media_cleanup.triggers")


def find_modules() -> dict[str, Path]:
    """All modules of the layers and functions, by their names."""
    files = [(path, file) for path in SEARCH_PATHS for file in sorted(path.rglob("*.py"))]
    names = {file: ".".join(file.relative_to(path).with_suffix("").parts) for path, file in files}
    return {name.removesuffix(".__init__"): file for file, name in names.items()}


MODULES = find_modules()


def imports_of(name: str) -> set[str]:
    """The modules that a module imports anywhere in its text, those for type checking included."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}, line {node.lineno}: a relative import"
            assert node.module
            imported |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
    return imported


IMPORTS = {name: imports_of(name) for name in MODULES}


def modules_in(*packages: str) -> list[str]:
    return [name for name in MODULES if belongs(name, packages)]


def belongs(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


CORE = [name for name in modules_in("media_cleanup") if not belongs(name, (*OUTER, *USE_CASES, *USE_CASE_PARTS))]


def test_modules_of_all_layers_and_functions_are_found() -> None:
    assert USE_CASES | {"nxcloud.client", "media_cleanup", "media_cleanup.triggers.sqs"} <= MODULES.keys()
    assert [name for name in MODULES if name.endswith(".app")] == [
        f"{function}.app" for function in ("delete_media", "index_media", "sweep_index")
    ]
    assert {"media_cleanup.model", "media_cleanup.errors", "media_cleanup.telemetry"} < set(CORE)


def test_imports_have_no_cycles() -> None:
    own = {name: imported & MODULES.keys() for name, imported in IMPORTS.items()}
    TopologicalSorter(own).prepare()  # raises CycleError, which names the modules


@pytest.mark.parametrize("name", CORE)
def test_core_module_imports_core_modules_alone(name: str) -> None:
    own = {each for each in IMPORTS[name] if belongs(each, ("media_cleanup",))}
    assert own <= set(CORE)


@pytest.mark.parametrize("name", sorted(USE_CASES | USE_CASE_PARTS))
def test_use_case_imports_no_trigger_and_no_other_use_case(name: str) -> None:
    assert not [each for each in IMPORTS[name] if belongs(each, ("media_cleanup.triggers", *USE_CASES))]


@pytest.mark.parametrize("name", modules_in("media_cleanup.aws"))
def test_aws_module_imports_no_provider_trigger_or_use_case(name: str) -> None:
    forbidden = ("media_cleanup.provider", "media_cleanup.triggers", *USE_CASES)
    assert not [each for each in IMPORTS[name] if belongs(each, forbidden)]


@pytest.mark.parametrize("name", modules_in("media_cleanup.provider"))
def test_provider_module_imports_no_trigger_or_use_case(name: str) -> None:
    assert not [each for each in IMPORTS[name] if belongs(each, ("media_cleanup.triggers", *USE_CASES))]


@pytest.mark.parametrize("name", modules_in("media_cleanup.triggers"))
def test_trigger_module_imports_no_provider_or_use_case(name: str) -> None:
    assert not [each for each in IMPORTS[name] if belongs(each, ("media_cleanup.provider", *USE_CASES))]


@pytest.mark.parametrize("name", modules_in("nxcloud"))
def test_nxcloud_module_imports_no_media_cleanup_and_no_aws(name: str) -> None:
    assert not [each for each in IMPORTS[name] if each.startswith(("media_cleanup", *AWS_LIBRARIES))]


@pytest.mark.parametrize("function", ["delete_media", "index_media", "sweep_index"])
def test_function_imports_use_case_settings_and_triggers_alone(function: str) -> None:
    allowed = tuple(f"media_cleanup.{name}" for name in (function, "initialization", "settings", "telemetry"))
    # The use case of its second schedule, and the clients that both share
    second = ("media_cleanup.hourly_check", "media_cleanup.aws.clients") if function == "sweep_index" else ()
    imported = {each for each in IMPORTS[f"{function}.app"] if each.partition(".")[0] not in sys.stdlib_module_names}
    imported.remove("aws_lambda_powertools.utilities.typing")  # the type of Lambda's context
    assert {*allowed} <= imported
    assert not [each for each in imported if not belongs(each, (*allowed, *second, "media_cleanup.triggers"))]


@pytest.mark.parametrize(
    ("libraries", "packages"),
    [
        (("boto3", "botocore"), ("media_cleanup.aws",)),
        (("requests", "urllib3"), ("nxcloud",)),
    ],
)
def test_library_of_a_boundary_is_imported_there_alone(libraries: tuple[str, ...], packages: tuple[str, ...]) -> None:
    users = {name for name, imported in IMPORTS.items() if any(belongs(each, libraries) for each in imported)}
    assert users
    assert not [name for name in users if not belongs(name, packages)]


# Imports each module as the first of this project, in a process whose effects raise an error.
# Powertools and botocore are imported first: their own effects are not this project's.
IMPORT_EACH = """
import importlib
import sys
import threading

import aws_lambda_powertools, boto3, botocore.session, requests
import aws_lambda_powertools.metrics, aws_lambda_powertools.utilities.idempotency

FORBIDDEN = {
    "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.system", "os.putenv", "os.unsetenv", "shutil.rmtree",
    "socket.__new__", "socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "tempfile.mkstemp",
}


def forbid_effects(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event in FORBIDDEN or writes:
        raise RuntimeError(f"importing has an effect: {event} {arguments}")


def forbid_clients(*arguments, **options):
    raise RuntimeError(f"importing creates an AWS client: {arguments}")


sys.addaudithook(forbid_effects)
boto3.client = boto3.resource = boto3.Session = boto3.session.Session = forbid_clients
botocore.session.get_session = botocore.session.Session = forbid_clients
names = sys.argv[1:]
packages = {name.partition(".")[0] for name in names}
for name in names:
    for imported in [each for each in sys.modules if each.partition(".")[0] in packages]:
        del sys.modules[imported]
    module = importlib.import_module(name)
    assert threading.active_count() == 1, f"importing {name} starts a thread"
    for cached in vars(module).values():
        if hasattr(cached, "cache_info") and cached.__module__.partition(".")[0] in packages:
            assert cached.cache_info().currsize == 0, f"importing {name} calls {cached}"
"""


def test_importing_any_module_has_no_effects() -> None:
    environment = {"PYTHONPATH": ":".join(map(str, SEARCH_PATHS)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", IMPORT_EACH, *MODULES]
    finished = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
