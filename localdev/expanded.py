"""The template as CloudFormation sees it, after SAM's transform: for tests, and as a file for checkers."""

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

PACKED = {"CodeUri": "s3://packages/function", "ContentUri": "s3://packages/layer"}  # as `sam deploy` would have it


class _NoManagedPolicies:
    """The template names none of AWS's managed policies, so nobody has to ask IAM for them."""

    def load(self) -> dict[str, str]:
        return {}


def expanded(packed: Mapping[str, str] = PACKED, **parameters: str) -> dict[str, Any]:
    """The template after SAM's transform, with these packages, and these parameters besides the defaults."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        properties.update({name: where for name, where in packed.items() if name in properties})
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)  # the transform asks for one
    document: dict[str, Any] = transform(template, parameters, _NoManagedPolicies())
    return document


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # the transform misses toggles that AWS keeps for itself
    Path(sys.argv[1]).write_text(json.dumps(expanded(), indent=1))
