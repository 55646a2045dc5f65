"""The pages of the documentation name paths, outcomes and reasons that exist."""

import re

import pytest

from localdev.cloud import ROOT
from media_cleanup.outcome import Outcome, Reason

FOLDERS = (ROOT, ROOT / "layers/media_cleanup/media_cleanup", ROOT / "layers/nxcloud/nxcloud")


@pytest.mark.parametrize(
    "page", ["docs/code-tour.md", "docs/deletion-rules.md", "docs/decisions.md", "CONTRIBUTING.md"]
)
def test_each_path_named_in_page_exists(page: str) -> None:
    paths = re.findall(r"`([a-z_0-9/]+(?:\.py|\.md|\.yaml|/))`", (ROOT / page).read_text())
    assert paths
    assert [path for path in paths if not any((folder / path).exists() for folder in FOLDERS)] == []


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
