"""A small chaos test, so that every test run includes one."""

from tests.chaos.scenario import run_scenario


def test_guarantees_under_faults_are_not_violated() -> None:
    findings = run_scenario(60, seed=1)
    assert {violation: cases for violation, cases in findings.violations.items() if cases} == {}
    assert findings.kills
    assert findings.aws_faults
    troubles = {"throttled", "number out of order", "media expired"}  # an action is refused for a short time only
    assert troubles <= findings.faults.keys()
    assert findings.events >= findings.distinct_events >= findings.deleted
    assert findings.deleted >= 0.9 * findings.requested
