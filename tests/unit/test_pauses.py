"""Pauses after refused credentials: as wide as the refusal, a minute long, ended by any accepted call."""

from contextlib import suppress

import pytest

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from media_cleanup.provider.pauses import Pauses
from nxcloud import (
    ApiError,
    ClockSkewError,
    Credentials,
    CredentialsRefusedError,
    InvalidRequestError,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
)
from tests.conftest import CREDENTIALS, PHONE

OTHER_PHONE = "4915112345678"
OTHER_CREDENTIALS = Credentials("other", "other")


class FakeClock:
    """A clock in seconds, with pauses that use it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses = Pauses(lambda: self.now_s)

    def passes(self, credentials: Credentials = CREDENTIALS, phone: str = PHONE) -> bool:
        """Whether a call may be made."""
        try:
            self.pauses.raise_if_paused(credentials, phone)
        except DependencyUnavailable:
            return False
        return True

    def call(self, response: NxCloudError | None = None) -> None:
        """Make a call with this response, None for a success, a second after it began."""
        with suppress(NxCloudError), self.pauses.record_response(CREDENTIALS, PHONE):
            self.now_s += 1
            if response:
                raise response


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_wrong_signature_pauses_all_calls_with_the_credentials(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, None, 0)
    assert not clock.passes()
    assert not clock.passes(phone=OTHER_PHONE)
    assert clock.passes(OTHER_CREDENTIALS)


def test_pause_explains_itself(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, None, 0)
    with pytest.raises(DependencyUnavailable, match="refused the last call with these credentials") as caught:
        clock.pauses.raise_if_paused(CREDENTIALS, PHONE)
    assert caught.value.reason is Reason.CREDENTIALS_REFUSED


def test_missing_right_pauses_one_number_alone(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, PHONE, 0)
    assert not clock.passes()
    assert clock.passes(phone=OTHER_PHONE)


def test_one_request_probes_after_a_minute(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, None, 0)
    clock.now_s = 59.9
    assert not clock.passes()
    clock.now_s = 60
    assert [clock.passes(), clock.passes(), clock.passes(phone=OTHER_PHONE)] == [True, False, False]


def test_pause_is_over_after_more_than_a_minute(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, None, 0)
    clock.now_s = 1000
    assert [clock.passes(), clock.passes()] == [True, False]


@pytest.mark.parametrize("refused_first", [True, False])
def test_accepted_call_of_the_same_moment_ends_a_pause(clock: FakeClock, *, refused_first: bool) -> None:
    if refused_first:
        clock.pauses.record_refusal(CREDENTIALS, None, 5)
    clock.pauses.record_acceptance(CREDENTIALS, PHONE, 5)
    if not refused_first:
        clock.pauses.record_refusal(CREDENTIALS, None, 5)
    assert clock.passes()


def test_probe_without_response_is_repeated_after_a_minute(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, None, 0)
    clock.now_s = 60
    assert clock.passes()
    clock.now_s = 119
    assert not clock.passes()
    clock.now_s = 120
    assert clock.passes()


def test_accepted_call_ends_a_pause_at_once(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, None, 0)
    clock.pauses.record_refusal(CREDENTIALS, PHONE, 0)
    clock.pauses.record_acceptance(CREDENTIALS, PHONE, 1)
    assert clock.passes()
    assert clock.passes()


def test_accepted_call_of_another_number_ends_no_narrow_pause(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, PHONE, 0)
    clock.pauses.record_acceptance(CREDENTIALS, OTHER_PHONE, 1)
    assert not clock.passes()


def test_earlier_request_ends_no_pause(clock: FakeClock) -> None:
    clock.pauses.record_refusal(CREDENTIALS, None, 10)
    clock.pauses.record_acceptance(CREDENTIALS, PHONE, 9)  # its response came late
    assert not clock.passes()


def test_refusal_of_earlier_request_causes_no_pause(clock: FakeClock) -> None:
    clock.pauses.record_acceptance(CREDENTIALS, PHONE, 10)
    clock.pauses.record_refusal(CREDENTIALS, None, 9)
    clock.pauses.record_refusal(CREDENTIALS, PHONE, 9)
    assert clock.passes()


def test_scopes_are_bounded(clock: FakeClock) -> None:
    for number in range(10_005):
        clock.pauses.record_acceptance(CREDENTIALS, str(number), 0)
    assert len(clock.pauses._states) == 10_000  # noqa: SLF001 (its size is what is tested)


def test_refusal_and_acceptance_may_have_negative_times(clock: FakeClock) -> None:
    clock.now_s = -1000
    clock.pauses.record_refusal(CREDENTIALS, None, -1000)
    assert not clock.passes()
    clock.pauses.record_acceptance(CREDENTIALS, PHONE, -1000)
    assert clock.passes()


@pytest.mark.parametrize(("code", "others_pass"), [(1003, False), (1005, True)])
def test_refused_call_pauses_its_scope(clock: FakeClock, code: int, *, others_pass: bool) -> None:
    clock.call(CredentialsRefusedError("refused", provider_code=code))
    assert not clock.passes()
    assert clock.passes(phone=OTHER_PHONE) is others_pass


@pytest.mark.parametrize("response", [None, ApiError("any"), RequestFailedError("any"), InvalidRequestError("any")])
def test_call_with_accepted_credentials_ends_a_pause(clock: FakeClock, response: NxCloudError | None) -> None:
    clock.pauses.record_refusal(CREDENTIALS, None, 0)
    clock.call(response)
    assert clock.passes()


@pytest.mark.parametrize("response", [ClockSkewError("any"), NoResponseError("any")])
def test_other_response_says_nothing_about_credentials(clock: FakeClock, response: NxCloudError) -> None:
    clock.call(response)
    assert clock.passes()
    clock.pauses.record_refusal(CREDENTIALS, None, 0)
    clock.call(response)
    assert not clock.passes()


def test_responses_count_by_the_time_of_their_request(clock: FakeClock) -> None:
    clock.pauses.record_acceptance(CREDENTIALS, PHONE, 0.5)
    clock.call(CredentialsRefusedError("refused", provider_code=1003))
    assert clock.passes()
    clock.pauses.record_refusal(CREDENTIALS, PHONE, 1.5)
    clock.call()
    assert not clock.passes()


def test_failed_call_passes_its_error_on(clock: FakeClock) -> None:
    for error in (CredentialsRefusedError("any"), ClockSkewError("any"), ApiError("any")):
        with pytest.raises(type(error)), clock.pauses.record_response(CREDENTIALS, PHONE):
            raise error
