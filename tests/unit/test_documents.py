"""What README.md tells people to run does what it says, and docs/kms.md admits whom the template needs."""

import json
import re
import shlex
from typing import Any

import botocore.session
import jq
import pytest
from botocore.validate import validate_parameters

from media_cleanup.triggers.parsing import S3_BATCH_SCHEMA
from tests.conftest import EVENTS
from tests.unit.test_template import TEMPLATE

README = (EVENTS.parent / "README.md").read_text()
CREATIONS = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:thumbnails", "Events": ["s3:ObjectCreated:*"]}
OTHER = {"LambdaFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:other", "Events": ["s3:ObjectTagging:*"]}
EXISTING = {"QueueConfigurations": [CREATIONS], "LambdaFunctionConfigurations": [OTHER]}
ARN = "arn:aws:lambda:us-east-1:123456789012:function:DeleteMedia"


def merged(program: str, existing: list[object]) -> Any:  # noqa: ANN401 (whatever jq makes of it)
    """What a jq program of README.md makes of a bucket's configuration; without one, the AWS CLI prints nothing."""
    [text] = re.findall(rf"jq -s[^']*'([^']*{program}[^']*)'", README)
    return jq.compile(text, args={"arn": ARN}).input_value(existing).first()


@pytest.mark.parametrize("existing", [[], [EXISTING]])
def test_the_merging_command_keeps_what_a_bucket_has(existing: list[Any]) -> None:
    before = existing[0] if existing else {}
    assert merged("EventBridgeConfiguration", existing) == before | {"EventBridgeConfiguration": {}}
    direct = merged("LambdaFunctionConfigurations", existing)
    ours = {
        "Id": "media-cleanup",
        "LambdaFunctionArn": ARN,
        "Events": ["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"],
    }
    functions = [*before.get("LambdaFunctionConfigurations", []), ours]
    assert direct == before | {"LambdaFunctionConfigurations": functions}


def test_the_command_for_a_batch_job_is_one_that_s3_takes() -> None:
    [command] = re.findall(r"aws s3control create-job (.*?)\n```", README, flags=re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    [flag] = [word for word in words if word.startswith("--no-")]
    words.remove(flag)
    pairs = zip(words[::2], words[1::2], strict=True)
    given = {name.removeprefix("--").title().replace("-", ""): value for name, value in pairs}
    asked: dict[str, Any] = {name: json.loads(value) if "{" in value else value for name, value in given.items()}
    asked |= {"Priority": int(given["Priority"])}
    asked |= {"ConfirmationRequired": False, "ClientRequestToken": "made by the AWS CLI"}
    validate_parameters(
        asked, botocore.session.get_session().get_service_model("s3control").shape_for("CreateJobRequest")
    )
    invoke = asked["Operation"]["LambdaInvoke"]
    assert invoke["InvocationSchemaVersion"] == S3_BATCH_SCHEMA
    for placeholder in (invoke["FunctionArn"], asked["RoleArn"]):
        assert placeholder.strip("<>") in TEMPLATE["Outputs"]
    kept = TEMPLATE["Resources"]["BackfillRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][2]
    assert kept["Resource"]["Fn::Sub"][0].endswith(f"/{asked['Report']['Prefix']}/*")


def test_the_keys_policy_admits_the_services_that_send_to_queues_and_topic() -> None:
    [text] = re.findall(r"```json\n(.*?)```", (EVENTS.parent / "docs/kms.md").read_text(), flags=re.DOTALL)
    _, senders, logs = json.loads(text)["Statement"]
    policies = [one for one in TEMPLATE["Resources"].values() if one["Type"].endswith(("QueuePolicy", "TopicPolicy"))]
    sending = set(re.findall(r'"Service": "([a-z0-9.]+)"', json.dumps(policies)))
    assert set(senders["Principal"]["Service"]) == sending >= {"s3.amazonaws.com", "events.amazonaws.com"}
    assert set(senders["Action"]) == {"kms:GenerateDataKey", "kms:Decrypt"}
    [pattern] = logs["Condition"]["ArnLike"].values()
    for group in ("DeleteMediaLogGroup", "IndexMediaLogGroup"):
        name = TEMPLATE["Resources"][group]["Properties"]["LogGroupName"]["Fn::Sub"]
        assert pattern.split(":log-group:")[1].removesuffix("*") == name.replace(
            "${AWS::StackName}", "whatsapp-media-cleanup"
        ).removesuffix("DeleteMedia").removesuffix("IndexMedia")
