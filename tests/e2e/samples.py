"""The tables in events/README.md: the outcomes of each sample event."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from localdev.stack import MESSAGES

README = Path(__file__).parents[2] / "events/README.md"
_ROW = re.compile(r"^\| `events/(?P<name>[a-z0-9/-]+)\.json` \|[^|]*\| (?P<outcomes>[^|]*) \|", re.MULTILINE)


def promised() -> dict[str, list[str]]:
    """For each sample, by name, the outcomes of its requests, with the first word of the reason where there is one."""
    return {row["name"]: re.findall(r"`([^`]+)`", row["outcomes"]) for row in _ROW.finditer(README.read_text())}


def kept(log: Iterable[str]) -> list[str]:
    """The same of what a function logged."""
    entries = [json.loads(text) for text in log if text.startswith("{")]
    lines = [entry for entry in entries if entry.get("message") in MESSAGES.values()]
    words = [_words(line) for line in lines]
    return [f"{outcome}: {reason}" if reason else outcome for outcome, reason in words]


def _words(line: dict[str, Any]) -> tuple[str, str]:
    if line["message"] == "index_sweep":
        return "swept", f"{line['counts']['SweptGone']} gone"
    return line["outcome"], line.get("reason", "").partition(":")[0]
