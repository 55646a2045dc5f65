"""A small storm, so that every run of the tests weathers one."""

from tests.chaos.scenario import raise_storm


def test_a_small_storm_loses_nothing_and_takes_nothing_too_much() -> None:
    findings = raise_storm(60, seed=1)
    assert {what: cases for what, cases in findings.must_be_none.items() if cases} == {}
    assert findings.kills
    assert findings.aws_faults
    assert findings.gone >= 0.9 * findings.media
