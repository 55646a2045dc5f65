"""Expands the templates as CloudFormation does: for tests, and as a file for checkers."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

from localdev.cloud import REGION, ROOT

PACKED = {"CodeUri": "s3://packages/function", "ContentUri": "s3://packages/layer"}  # as `sam deploy` names them


class _NoManagedPolicies:
    """An empty set of AWS managed policies: the template uses none, so IAM need not be called."""

    def load(self) -> dict[str, str]:
        return {}


def expanded(packed: Mapping[str, str] = PACKED, **parameters: str) -> dict[str, Any]:
    """Return the root template after SAM's transform, with these packages, and these parameters over the defaults."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        properties.update({name: uri for name, uri in packed.items() if name in properties})
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)  # the transform requires a region
    document: dict[str, Any] = transform(template, parameters, _NoManagedPolicies())
    return document


def monitoring() -> dict[str, Any]:
    """Return the nested template with its parameters replaced by the values that the root template passes."""
    values = expanded()["Resources"]["Monitoring"]["Properties"]["Parameters"]

    def resolved(part: Any) -> Any:  # noqa: ANN401 (any part of a template)
        match part:
            case {"Ref": name} if name in values:
                return values[name]
            case dict():
                return {name: resolved(inner) for name, inner in part.items()}
            case list():
                return [resolved(inner) for inner in part]
        return part

    document: dict[str, Any] = resolved(yaml_parse((ROOT / "monitoring.yaml").read_text()))
    return document


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # the transform warns of feature toggles that only AWS has
    Path(sys.argv[1]).write_text(json.dumps(expanded(), indent=1))
