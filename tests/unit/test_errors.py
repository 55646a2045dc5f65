"""NXCloud's errors by response code."""

import pytest

from nxcloud import (
    ApiError,
    ClockSkewError,
    CredentialsRefusedError,
    InvalidRequestError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
)
from nxcloud.errors import WRONG_SIGNATURE, error_type


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([-1, 9001], RequestFailedError),
        ([27, 28, 88], ThrottledError),
        ([1001, 1002, 9000, 9002, 9006], InvalidRequestError),
        ([1004], ClockSkewError),
        ([1000, 1003, 1005, 1006, 1009], CredentialsRefusedError),
        ([0, 999, 1010, 9003, 9004, 9005, 9007, 9099, 424242, -1003, -2, 26, 29], ApiError),
    ],
)
def test_code_maps_to_error_class(codes: list[int], kind: type[NxCloudError]) -> None:
    assert [error_type(code) for code in codes] == [kind] * len(codes)


@pytest.mark.parametrize(
    ("meta_codes", "kind"),
    [
        ([4, 80007, 130429, 131056], ThrottledError),
        ([100], RequestFailedError),
        ([1, 2, 10, 190, 200, 299, 131000, 0, -1, 424242], ApiError),
    ],
)
def test_meta_code_inside_9099_maps_to_error_class(meta_codes: list[int], kind: type[NxCloudError]) -> None:
    assert [error_type(9099, meta_code) for meta_code in meta_codes] == [kind] * len(meta_codes)


def test_meta_code_counts_inside_9099_alone() -> None:
    assert error_type(9003, 100) is ApiError
    assert error_type(9003, 4) is ApiError


def test_wrong_signature_has_its_code() -> None:
    assert WRONG_SIGNATURE == 1003  # as NXCloud documents it
