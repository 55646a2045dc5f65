"""The template of the evidence store: what the local cloud does not show."""

from typing import Any

from samcli.yamlhelper import yaml_parse

from localdev.cloud import ROOT
from media_cleanup.triggers.outcome_events import SOURCE

TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "examples/evidence.yaml").read_text())
RESOURCES: dict[str, Any] = {name: one.get("Properties", {}) for name, one in TEMPLATE["Resources"].items()}


def test_bucket_locks_each_object_and_keeps_its_versions() -> None:
    bucket = RESOURCES["EvidenceBucket"]
    assert bucket["ObjectLockEnabled"] is True
    retention = {"Mode": {"Ref": "RetentionMode"}, "Days": {"Ref": "RetentionDays"}}
    assert bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == retention
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert TEMPLATE["Resources"]["EvidenceBucket"]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_rule_takes_outcome_events_of_this_account_alone() -> None:
    assert RESOURCES["OutcomesRule"]["EventPattern"] == {"source": [SOURCE], "account": [{"Ref": "AWS::AccountId"}]}
    [target] = RESOURCES["OutcomesRule"]["Targets"]
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["UndeliveredQueue", "Arn"]}


def test_roles_may_neither_read_nor_delete_objects() -> None:
    actions = {
        action
        for role in ("RuleRole", "StreamRole")
        for policy in RESOURCES[role]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert {action for action in actions if action.startswith("s3:")} == {
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:GetBucketLocation",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
    }
    assert actions >= {"firehose:PutRecord", "firehose:PutRecordBatch", "logs:PutLogEvents"}
