"""Writes docs/settings.md from the template's parameters: `python -m tools.settings_page`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[1]
TEMPLATE, PAGE = ROOT / "template.yaml", ROOT / "docs/settings.md"
OTHERS = "Other settings"
INTRODUCTION = """\
<!-- Generated from template.yaml by `python -m tools.settings_page`. Change the descriptions there. -->

# Settings

Settings are parameters of the stack. Pass them to `sam deploy --guided`, or with `--parameter-overrides`:

```sh
sam deploy --parameter-overrides \\
  SourceBucketName=my-bucket AlarmEmail=ops@example.com
```

A parameter that you do not pass keeps its last value, unless `samconfig.toml` has another one: `sam deploy --guided`
saves all answers there, and each later `sam deploy` sends them again. So change saved values with `--guided`, or in the
file.
"""
SEE_ALSO = {
    "CredentialsSecretArn": "[Deploy](deploy.md#store-the-credentials)",
    "SourceBucketName": "[Connect a bucket](connect-a-bucket.md)",
    "CreateSourceBucket": "[Connect a bucket](connect-a-bucket.md)",
    "TrustedAccounts": "[Buckets in other accounts and Regions](other-accounts.md)",
    "ObjectKeyPrefix": "[Connect a bucket](connect-a-bucket.md#narrow-the-objects)",
    "ObjectKeyPattern": "[Link media files](link-media-files.md#link-with-the-key)",
    "DryRun": "[Deploy](deploy.md#start-with-a-dry-run)",
    "VerifyAbsence": "[Verified absence](outcomes.md#verified-absence)",
    "SweepEveryDays": "[Backfill existing files](backfill.md#find-missed-events-with-the-sweep)",
    "MaxConcurrency": "[Scale](scale.md#recommended-settings)",
    "ConcurrentCalls": "[Benchmarks](benchmarks.md)",
    "AlarmEmail": "[Operations](operations/index.md)",
    "AlarmTopicArn": "[Operations](operations/index.md#notifications)",
    "PermissionsBoundaryArn": "[Deploy](deploy.md#roles-and-tags)",
    "RolePath": "[Deploy](deploy.md#roles-and-tags)",
    "OutcomeEventBusName": "[Evidence](evidence.md#outcome-events)",
    "LagObjectiveSeconds": "[Lag](operations/lag.md)",
    "CallsPerSecond": "[Flow control](outcomes.md#flow-control)",
    "MaxDeletionsPerHour": "[Flow control](outcomes.md#flow-control)",
    "UndoSeconds": "[Flow control](outcomes.md#flow-control)",
    "DeploymentPreference": "[Deploy](deploy.md#roll-out-new-versions)",
    "SnapStart": "[Cost](cost.md#idle-stack)",
    "KmsKeyArn": "[Encryption with your own key](kms.md)",
}


def settings_page(template: dict[str, Any]) -> str:
    """The page's Markdown, in the order of the template's parameter groups."""
    parameters = template["Parameters"]
    parts = [INTRODUCTION]
    for title, names in _groups(template):
        parts.append(f"## {title}\n")
        parts += [_section(name, parameters[name]) for name in names]
    return "\n".join(parts)


def _groups(template: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The parameter groups that the console shows, then the parameters that belong to none."""
    interface = template.get("Metadata", {}).get("AWS::CloudFormation::Interface", {})
    ungrouped = list(template["Parameters"])
    for group in interface.get("ParameterGroups", []):
        names = [name for name in group["Parameters"] if name in ungrouped]
        ungrouped = [name for name in ungrouped if name not in names]
        yield group["Label"]["default"], names
    if ungrouped:
        yield OTHERS, ungrouped


def _section(name: str, parameter: dict[str, Any]) -> str:
    lines = [f"### `{name}`\n", f"{_escaped(parameter['Description']).rstrip('.')}.\n"]
    lines += [f"- {fact}" for fact in _facts(name, parameter)]
    return "\n".join(lines) + "\n"


def _facts(name: str, parameter: dict[str, Any]) -> Iterator[str]:
    default = parameter.get("Default", "")
    yield "Default: none" if default == "" else f"Default: `{default}`"
    if "AllowedValues" in parameter:
        yield f"Allowed values: {', '.join(f'`{value}`' for value in parameter['AllowedValues'])}"
    elif "MinValue" in parameter and "MaxValue" in parameter:
        yield f"Allowed values: {parameter['MinValue']} to {parameter['MaxValue']}"
    elif "ConstraintDescription" in parameter:
        yield f"Constraint: {_escaped(parameter['ConstraintDescription'])}"
    if name in SEE_ALSO:
        yield f"See: {SEE_ALSO[name]}"


def _escaped(text: str) -> str:
    """Text of the template, in which Markdown would take an asterisk or an angle bracket for markup."""
    return text.replace("<", "&lt;").replace("*", r"\*")


def main() -> None:
    """Writes the page."""
    PAGE.write_text(settings_page(yaml_parse(TEMPLATE.read_text())))


if __name__ == "__main__":
    main()
