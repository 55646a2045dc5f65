"""The client as a package of its own: its wheel and sdist are complete, reproducible, and in step with the layer."""

import re
import shutil
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from localdev.cloud import ROOT
from tools.client_package import CLIENT, build_client, check_sdist, check_wheel
from tools.program import ToolError

README_LINES = 66  # one printed page


def project(path: Path) -> Any:  # noqa: ANN401 (any TOML)
    return tomllib.loads(path.read_text())


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build_client(tmp_path_factory.mktemp("dist"))


def test_version_is_in_step_with_the_layer() -> None:
    assert (
        project(CLIENT / "pyproject.toml")["project"]["version"]
        == project(ROOT / "pyproject.toml")["project"]["version"]
    )


def test_libraries_of_the_layer_satisfy_the_package() -> None:
    wanted = [Requirement(text) for text in project(CLIENT / "pyproject.toml")["project"]["dependencies"]]
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (CLIENT / "requirements.txt").read_text(), flags=re.MULTILINE))
    assert {each.name: each.specifier.contains(pinned[each.name]) for each in wanted} == {
        "requests": True,
        "urllib3": True,
    }


def test_licence_is_that_of_the_project() -> None:
    assert (CLIENT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_readme_is_one_page() -> None:
    assert len((CLIENT / "README.md").read_text().splitlines()) <= README_LINES


def test_build_backend_is_that_of_make() -> None:
    [backend] = project(CLIENT / "pyproject.toml")["build-system"]["requires"]
    uv = project(ROOT / "pyproject.toml")["tool"]["uv"]["required-version"].removeprefix("==")
    assert Requirement(backend).specifier.contains(uv)


def test_two_builds_are_identical(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    again = build_client(tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in distributions]


def test_wheel_without_type_marker_is_refused(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    wheel = tmp_path / distributions[0].name
    with zipfile.ZipFile(distributions[0]) as source, zipfile.ZipFile(wheel, "w") as target:
        for name in source.namelist():
            if not name.endswith("py.typed"):
                target.writestr(name, source.read(name))
    with pytest.raises(ToolError, match=r"lacks nxcloud/py\.typed"):
        check_wheel(wheel)


def test_sdist_with_a_foreign_module_is_refused(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    sdist = tmp_path / distributions[1].name
    with tarfile.open(distributions[1]) as source:
        source.extractall(tmp_path, filter="data")
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    shutil.copy(folder / "nxcloud/clock.py", folder / "conftest.py")
    with tarfile.open(sdist, "w:gz") as target:
        target.add(folder, folder.name)
    with pytest.raises(ToolError, match=r"holds conftest\.py"):
        check_sdist(sdist)
