"""The pages of the documentation name paths, functions, outcomes and reasons that exist."""

import ast
import re
from pathlib import Path

import pytest

from localdev.cloud import ROOT
from media_cleanup.outcome import Outcome, Reason

FOLDERS = (
    ROOT,
    ROOT / "layers/media_cleanup/media_cleanup",
    ROOT / "layers/nxcloud/nxcloud",
    ROOT / "layers/nxcloud",
)
# The tour's first reading: ten minutes for the words on the page, the lines of code, and 5 s to find each function
MAX_FILES, MAX_MINUTES = 5, 10
WORDS_PER_MINUTE, LINES_PER_MINUTE, JUMPS_PER_MINUTE = 200, 27, 12


@pytest.mark.parametrize(
    "page",
    ["docs/code-tour.md", "docs/development.md", "docs/deletion-rules.md", "docs/decisions.md", "CONTRIBUTING.md"],
)
def test_each_path_named_in_page_exists(page: str) -> None:
    paths = re.findall(r"`([a-z_0-9/]+(?:\.py|\.md|\.yaml|/))`", (ROOT / page).read_text())
    assert paths
    assert [path for path in paths if not any((folder / path).exists() for folder in FOLDERS)] == []


def function_lines(path: Path, name: str) -> int:
    """The number of a function's lines, with its decorators."""
    functions = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.FunctionDef)]
    [function] = [each for each in functions if each.name == name]
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    return (function.end_lineno or first) - first + 1


def functions_of_chain(chain: str) -> list[tuple[Path, str]]:
    """The functions that a chain names, with their files."""
    lines = [line.split(maxsplit=1) for line in chain.splitlines()]
    paths = [(next(folder / file for folder in FOLDERS if (folder / file).exists()), names) for file, names in lines]
    return [(path, name) for path, names in paths for name in names.split(" → ")]


def test_call_chains_of_code_tour_exist_and_the_first_is_short() -> None:
    page = (ROOT / "docs/code-tour.md").read_text()
    first, second = map(functions_of_chain, re.findall(r"\n\n```\n(.*?)\n```\n", page, re.DOTALL))
    words = page.partition("\n## Second reading")[0].split()
    lines = sum(function_lines(path, name) for path, name in first)
    assert len({path for path, _ in first}) <= MAX_FILES
    assert len(words) / WORDS_PER_MINUTE + lines / LINES_PER_MINUTE + len(first) / JUMPS_PER_MINUTE <= MAX_MINUTES
    assert all(function_lines(path, name) for path, name in second)


def test_outcomes_page_lists_each_outcome_and_reason() -> None:
    page = (ROOT / "docs/outcomes.md").read_text()
    assert [word for word in (*Outcome, *Reason) if f"`{word}`" not in page] == []
    reasons = page.partition("\n## Reasons\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", reasons, re.MULTILINE)) == set(Reason)


OPERATIONS = sorted(path.name for path in (ROOT / "docs/operations").glob("*.md") if path.name != "index.md")


@pytest.mark.parametrize("page", OPERATIONS)
def test_operations_page_names_evidence_of_its_repairs(page: str) -> None:
    text = (ROOT / "docs/operations" / page).read_text()
    evidence = text.partition("\n## Evidence\n")[2]
    items = [item for item in evidence.split("\n- ") if item.strip()]
    assert items
    for item in items:
        assert "`tests/" in item or "'s word (" in item or "`make capacity`" in item
    for file, name in re.findall(r"`(tests/[a-z_0-9/]+\.py)(?:::([a-z_0-9]+))?`", evidence):
        assert f"def {name}" in (ROOT / file).read_text()
