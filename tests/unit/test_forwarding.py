"""Buckets in other accounts and Regions: rules that forward their events, and the policies that the docs show."""

import json
import re
from types import SimpleNamespace

import pytest
from samcli.yamlhelper import yaml_parse

from localdev.cloud import ROOT
from tools.connect import require_fit
from tools.deployment import Deployment, Resource
from tools.forwarding import Place, bucket_policy, deploy_command, forwarding_rules, key_policy_statement
from tools.notifications import rule_may_match
from tools.program import ToolError

STACK = "whatsapp-media-cleanup"
NAMES = ("DeleteMediaRole", "IndexMediaRole", "SweepIndexRole")
DEPLOYMENT = Deployment(
    name=STACK,
    arn=f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{STACK}/0",
    status="CREATE_COMPLETE",
    parameters={"TrustedAccounts": "111122223333,444455556666", "RolePath": "/"},
    outputs={"SourceBucketName": "team-*"},
    resources={role: Resource("AWS::IAM::Role", f"{STACK}-{role}") for role in NAMES},
)
PAGE = (ROOT / "docs/other-accounts.md").read_text()
EXAMPLE = yaml_parse((ROOT / "examples/forward-events.yaml").read_text())["Resources"]


def test_page_shows_policies_and_command_of_the_tool() -> None:
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)]
    assert shown == [bucket_policy(DEPLOYMENT, "team-photos"), key_policy_statement(DEPLOYMENT, "eu-west-1")]
    assert deploy_command(DEPLOYMENT, "team-photos", "eu-west-1") in re.sub(r" \\\n +", " ", PAGE)


def test_policy_lets_the_roles_alone_read() -> None:
    for statement in bucket_policy(DEPLOYMENT, "b")["Statement"]:
        assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
        assert statement["Condition"]["ArnEquals"]["aws:PrincipalArn"] == [
            f"arn:aws:iam::123456789012:role/{STACK}-{role}" for role in NAMES
        ]
        assert not [action for action in statement["Action"] if "Put" in action or "Delete" in action or "*" in action]


def test_rule_of_the_example_forwards_its_buckets_only() -> None:
    pattern = json.dumps(EXAMPLE["ForwardedEventsRule"]["Properties"]["EventPattern"])
    pattern = pattern.replace('{"Ref": "SourceBucketName"}', '"team-*"')
    assert rule_may_match(pattern, "team-photos")
    assert not rule_may_match(pattern, "other")


def test_example_may_put_events_on_one_bus_only() -> None:
    [policy] = EXAMPLE["ForwardingRole"]["Properties"]["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement == {"Effect": "Allow", "Action": "events:PutEvents", "Resource": {"Ref": "EventBusArn"}}


def test_disabled_rules_do_not_forward() -> None:
    rules = {"off": {"State": "DISABLED"}, "on": {"State": "ENABLED", "EventPattern": '{"source": ["aws.s3"]}'}}
    bus = "arn:aws:events:eu-central-1:123456789012:event-bus/default"
    events = SimpleNamespace(
        list_rule_names_by_target=lambda TargetArn: {"RuleNames": [*rules] if TargetArn == bus else []},  # noqa: N803 (boto3's own name)
        describe_rule=lambda Name: {"Name": Name, **rules[Name]},  # noqa: N803 (boto3's own name)
    )
    assert forwarding_rules(events, DEPLOYMENT, "team-photos") == ["on"]


@pytest.mark.parametrize(
    ("place", "direct"),
    [
        (Place("123456789012", "eu-central-1"), True),
        (Place("123456789012", "eu-west-1"), False),
        (Place("444455556666", "eu-central-1"), False),
    ],
)
def test_bucket_elsewhere_is_connected_by_eventbridge(place: Place, *, direct: bool) -> None:
    require_fit(DEPLOYMENT, "team-photos", place, direct=direct)


@pytest.mark.parametrize(
    ("place", "direct", "reason"),
    [
        (Place("123456789012", "eu-west-1"), True, "leave DIRECT out"),
        (Place("444455556666", "eu-central-1"), True, "leave DIRECT out"),
        (Place("777788889999", "eu-central-1"), False, "TrustedAccounts=111122223333,444455556666,777788889999"),
    ],
)
def test_bucket_that_cannot_reach_the_stack_is_refused(place: Place, reason: str, *, direct: bool) -> None:
    with pytest.raises(ToolError, match=reason):
        require_fit(DEPLOYMENT, "team-photos", place, direct=direct)
