"""E-mail addresses: one spelling each, and nothing that is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.access.emails import MOST_EMAIL_OCTETS, email_of
from heliograph.errors import RequestRejected


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada.Lovelace+sms@Example.COM ", "ada.lovelace+sms@example.com"),
        ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ("ju\u0308rgen@example.com", "jürgen@example.com"),
        ("o'neil@mail.example.co.uk", "o'neil@mail.example.co.uk"),
    ],
)
def test_an_address_has_one_spelling(given_text: str, kept: str) -> None:
    assert email_of(given_text) == kept
    assert email_of(kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "ada", "ada@", "@example.com", "ada@localhost", "ada@example..com", "ada@-example.com",
        "a b@example.com", ".ada@example.com", "ada.@example.com",
        "a..b@example.com", '"a b"@example.com', "ada@exa mple.com",
        "ada\n@example.com", "ada@example.com\r\nBcc: all@example.com", "ada\0@example.com", "<ada@example.com>",
        "ada,bob@example.com", "a" * 65 + "@example.com", "a@" + "b." * 150 + "com", "ada@example.com" + " " * 300,
        "ada@[127.0.0.1]", "\ud800@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RequestRejected) as refused:
        email_of(text)
    assert (refused.value.code, refused.value.field) == ("field_invalid", "email")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_an_address_within_bounds_or_refused(text: str) -> None:
    try:
        found = email_of(text)
    except RequestRejected:
        return
    assert len(found.encode()) <= MOST_EMAIL_OCTETS
    assert found.isprintable()
    assert email_of(found) == found
