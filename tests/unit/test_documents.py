"""The documentation agrees with the code: commands, policies, settings and names."""

import json
import re
import shlex
from typing import Any

import botocore.session
import jq
import pytest
from botocore.validate import validate_parameters
from samcli.yamlhelper import yaml_parse

from media_cleanup.triggers.outcome_events import DELETED, FAILED, SOURCE
from media_cleanup.triggers.parsing import S3_BATCH_SCHEMA
from tests.conftest import EVENTS
from tests.unit.test_template import ALL_RESOURCES, TEMPLATE, permissions
from tools.settings_page import PAGE, settings_page

ROOT = EVENTS.parent
CONNECT = (ROOT / "docs/connect-a-bucket.md").read_text()
BACKFILL = (ROOT / "docs/backfill.md").read_text()
TESTS = ROOT / "tests"
CREATIONS = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:thumbnails", "Events": ["s3:ObjectCreated:*"]}
OTHER = {"LambdaFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:other", "Events": ["s3:ObjectTagging:*"]}
EXISTING = {"QueueConfigurations": [CREATIONS], "LambdaFunctionConfigurations": [OTHER]}
ARN = "arn:aws:lambda:us-east-1:123456789012:function:DeleteMedia"


def merged(program: str, existing: list[object]) -> Any:  # noqa: ANN401 (whatever jq makes of it)
    """A bucket's configuration after a jq program of the page; without one, the AWS CLI prints nothing."""
    [text] = re.findall(rf"jq -s[^']*'([^']*{program}[^']*)'", CONNECT)
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
    [command] = re.findall(r"aws s3control create-job (.*?)\n```", BACKFILL, flags=re.DOTALL)
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
    folder = permissions("BackfillRole")["ReadManifestAndWriteReport"]["Resource"]["Fn::Sub"]
    assert folder.endswith(f"/{asked['Report']['Prefix']}/*")


def test_the_keys_policy_admits_the_services_that_send_to_queues_and_topic() -> None:
    [text] = re.findall(r"```json\n(.*?)```", (ROOT / "docs/kms.md").read_text(), flags=re.DOTALL)
    _, senders, logs = json.loads(text)["Statement"]
    policies = [one for _, one in ALL_RESOURCES if one["Type"].endswith(("QueuePolicy", "TopicPolicy"))]
    sending = set(re.findall(r'"Service": "([a-z0-9.]+)"', json.dumps(policies)))
    assert set(senders["Principal"]["Service"]) == sending >= {"s3.amazonaws.com", "events.amazonaws.com"}
    assert set(senders["Action"]) == {"kms:GenerateDataKey", "kms:Decrypt"}
    [pattern] = logs["Condition"]["ArnLike"].values()
    for group in ("DeleteMediaLogGroup", "IndexMediaLogGroup"):
        name = TEMPLATE["Resources"][group]["Properties"]["LogGroupName"]["Fn::Sub"][0]
        prefix = pattern.split(":log-group:")[1].removesuffix("*")
        assert name.replace("${AWS::StackName}", "whatsapp-media-cleanup").startswith(prefix)


def test_example_rules_are_ones_that_eventbridge_takes() -> None:
    page = (ROOT / "docs/evidence.md").read_text()
    model = botocore.session.get_session().get_service_model("events")
    commands = re.findall(
        r"aws events (put-rule|put-targets|create-archive) (.*?)(?=\naws|\n```)", page, flags=re.DOTALL
    )
    assert [name for name, _ in commands] == ["put-rule", "put-targets", "put-rule", "put-targets", "create-archive"]
    for name, text in commands:
        words = shlex.split(text.replace("\\\n", " "))
        given: dict[str, Any] = dict(zip([word.strip("-") for word in words[::2]], words[1::2], strict=True))
        if "targets" in given:
            given["targets"] = [dict(pair.split("=") for pair in given["targets"].split(","))]
        if "retention-days" in given:
            given["retention-days"] = int(given["retention-days"])
        shape = model.operation_model(name.title().replace("-", "")).input_shape
        assert shape
        parameters = {word.title().replace("-", ""): value for word, value in given.items()}
        validate_parameters(parameters, shape)
        if "event-pattern" in given:
            pattern = json.loads(given["event-pattern"])
            assert pattern["source"] == [SOURCE]
            assert set(pattern.get("detail-type", [DELETED, FAILED])) <= {DELETED, FAILED}


def test_settings_page_is_generated_from_template() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    assert PAGE.read_text() == settings_page(template), "run `python -m tools.settings_page`"
    for name in template["Parameters"]:
        assert f"### `{name}`\n" in PAGE.read_text()


def test_readme_fits_its_size_limit() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 9_000


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md", "tests/traps.md", "events/README.md"]
)
def test_relative_links_of_page_exist(page: str) -> None:  # those within docs/ are checked by `mkdocs build --strict`
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    relative = [link for link in links if "://" not in link and not link.startswith("../../actions/")]  # of GitHub
    assert [link for link in relative if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_navigation_names_every_page() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert set(re.findall(r"[a-z/-]+\.md", (ROOT / "mkdocs.yml").read_text())) == pages


@pytest.mark.parametrize("page", ["README.md", "traps.md"])
def test_each_test_named_in_page_of_tests_exists(page: str) -> None:
    references = set(re.findall(r"`([a-z_/0-9]+\.py)::([A-Za-z_0-9]+)`", (TESTS / page).read_text()))
    assert references
    missing = [
        f"{file}::{name}" for file, name in sorted(references) if f"def {name}(" not in (TESTS / file).read_text()
    ]
    assert missing == []


def test_tests_readme_names_each_folder_of_tests() -> None:
    readme = (TESTS / "README.md").read_text()
    folders = {path.parent.name for path in TESTS.glob("*/__init__.py")}
    assert [folder for folder in sorted(folders) if f"| `{folder}/` |" not in readme] == []


@pytest.mark.parametrize("page", ["README.md", "traps.md"])
def test_each_file_named_in_page_of_tests_exists(page: str) -> None:
    files = re.findall(
        r"`((?:unit|integration|e2e|model|flow_model|redelivery_model|absence_model|chaos|mutation)/[a-z_0-9/]*(?:\.[a-z]+)?)",
        (TESTS / page).read_text(),
    )
    assert files
    assert [file for file in files if not (TESTS / file).exists()] == []


def test_longest_stack_name_leaves_room_for_the_queues() -> None:
    properties = [resource.get("Properties", {}) for _, resource in ALL_RESOURCES]
    names = [each["QueueName"]["Fn::Sub"][0] for each in properties if "QueueName" in each]
    end_of_uuid = "f" * 12  # hexadecimal digits
    fixed = max(len(name.replace("${AWS::StackName}", "").replace("${Id}", end_of_uuid)) for name in names)
    assert f"Stack names of more than {80 - fixed} characters" in (ROOT / "docs/limitations.md").read_text()
