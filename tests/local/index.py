"""The index table as the template has it, for tests and samples that run without the deployed template."""

from typing import Any

from samcli.yamlhelper import yaml_parse

from tests.local.cloud import ROOT


def create_index_table(dynamodb: Any, name: str) -> None:  # noqa: ANN401 (boto3's clients are made at run time)
    """Makes a table of this name with the template's own keys."""
    table = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["MediaIndexTable"]["Properties"]
    keys = {part: table[part] for part in ("AttributeDefinitions", "KeySchema", "BillingMode")}
    dynamodb.create_table(TableName=name, **keys)
