"""NXCloud's errors by response code."""

import pytest

from nxcloud import ApiError, ClockSkewError, CredentialsRefusedError, InvalidRequestError
from nxcloud.errors import error_for_code


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([1001, 1002, 9000, 9002, 9006], InvalidRequestError),
        ([1004], ClockSkewError),
        ([1000, 1003, 1005, 1006, 1009], CredentialsRefusedError),
        ([-1, 0, 9001, 999, 1010, 9003, 424242, -1003], ApiError),
    ],
)
def test_code_maps_to_error_class(codes: list[int], kind: type[ApiError]) -> None:
    for code in codes:
        error = error_for_code(code, "message", 200)
        assert type(error) is kind
        assert (error.provider_code, error.provider_message, error.http_status) == (code, "message", 200)
