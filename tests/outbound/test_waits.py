"""Retry-After as peers write it."""

from __future__ import annotations

import pytest

from heliograph.outbound.waits import retry_after_s


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("9" * 400, 999_999_999.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_what_retry_after_says(value: str, seconds: float | None) -> None:
    assert retry_after_s(value, now_s=100.0) == seconds
