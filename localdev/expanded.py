"""Expands the templates as CloudFormation does: for tests, and as a file for checkers."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
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
    template = deepcopy(_root_template())
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        properties.update({name: uri for name, uri in packed.items() if name in properties})
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)  # the transform requires a region
    document: dict[str, Any] = transform(template, parameters, _NoManagedPolicies())
    return document


@cache
def _with_defaults() -> dict[str, Any]:
    return expanded()


@cache
def _root_template() -> dict[str, Any]:
    document: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return document


def nested(name: str) -> dict[str, Any]:
    """Return a nested template with its parameters replaced by the values that the root template passes.

    `name` is its logical id. References within Fn::Sub stay as they are.
    """
    stack = _with_defaults()["Resources"][name]["Properties"]
    values = stack["Parameters"]

    def resolved(part: Any) -> Any:  # noqa: ANN401 (any part of a template)
        match part:
            case {"Ref": name} if name in values:
                return values[name]
            case dict():
                return {name: resolved(inner) for name, inner in part.items()}
            case list():
                return [resolved(inner) for inner in part]
        return part

    document: dict[str, Any] = resolved(yaml_parse((ROOT / stack["TemplateURL"]).read_text()))
    return document


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # the transform warns of feature toggles that only AWS has
    Path(sys.argv[1]).write_text(json.dumps(expanded(), indent=1))
