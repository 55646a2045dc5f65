"""Creates the template's tables for tests and samples that run without the deployed template."""

from typing import Any

from samcli.yamlhelper import yaml_parse

from localdev.cloud import ROOT


def create_index_table(dynamodb: Any, name: str) -> None:  # noqa: ANN401 (boto3 creates clients at run time)
    """Create a table of this name with the keys of the template's media index table."""
    _create("MediaIndexTable", dynamodb, name)


def create_idempotency_table(dynamodb: Any, name: str) -> None:  # noqa: ANN401 (boto3 creates clients at run time)
    """Create a table of this name with the keys of the template's idempotency table."""
    _create("IdempotencyTable", dynamodb, name)


def _create(resource: str, dynamodb: Any, name: str) -> None:  # noqa: ANN401 (boto3 creates clients at run time)
    table = yaml_parse((ROOT / "template.yaml").read_text())["Resources"][resource]["Properties"]
    keys = {part: table[part] for part in ("AttributeDefinitions", "KeySchema", "BillingMode")}
    dynamodb.create_table(TableName=name, **keys)
