"""``[oauth]`` and ``[[issuers]]``: what is read, and every fault with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph.config import load
from heliograph.config.addresses import is_origin, is_trustworthy
from heliograph.errors import ConfigError

GOOD = {
    "name": '"login"',
    "issuer": '"https://login.example.com/realms/a"',
    "audience": '"https://sms.example.com"',
    "account": '"shop"',
}


def written(folder: Path, *issuers: dict[str, str], head: str = "") -> Path:
    path = folder / "heliograph.toml"
    tables = ["\n".join(["[[issuers]]", *(f"{key} = {value}" for key, value in one.items())]) for one in issuers]
    path.write_text("\n".join([head, *tables]))
    return path


def test_an_issuer_is_read_with_what_customers_may_do(tmp_path: Path) -> None:
    [found] = load(written(tmp_path, GOOD), {}).issuers
    assert (found.name, found.account, found.token_types) == ("login", "shop", ("at+jwt",))
    assert "admin" not in found.scopes
    assert found.scope_claim == "scope"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": '"a b"'}, "cannot name an issuer"),
        ({"name": f'"{"x" * 33}"'}, "cannot name an issuer"),
        ({"issuer": '"http://login.example.com"'}, "is no address of an issuer"),
        ({"issuer": '"login.example.com"'}, "is no address of an issuer"),
        ({"issuer": '"https://"'}, "is no address of an issuer"),
        ({"issuer": '"https://a:b@login.example.com"'}, "is no address of an issuer"),
        ({"issuer": '"https://login.example.com?a=b"'}, "is no address of an issuer"),
        ({"issuer": '"https://login.example.com/\\n"'}, "is no address of an issuer"),
        ({"jwks_url": '"ftp://login.example.com/keys"'}, "is no address of keys"),
        ({"audience": '""'}, "audience is empty"),
        ({"account": '""'}, "needs one of account and account_claim"),
        ({"account_claim": '"tenant"'}, "needs one of account and account_claim"),
        ({"accounts": '["a"]'}, "accounts stands without account_claim"),
        ({"scopes": '["messages:sned"]'}, 'there is no scope "messages:sned"'),
        ({"scopes": "[]"}, "lets nothing through"),
        ({"token_types": '["id"]'}, '"id" is no type of token'),
        ({"token_types": "[]"}, "lets nothing through"),
        ({"audiense": '"x"'}, 'did you mean "audience"?'),
    ],
)
def test_what_an_issuer_cannot_be_is_told_with_its_line(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    path = written(tmp_path, GOOD | changes)
    with pytest.raises(ConfigError) as told:
        load(path, {})
    assert said in str(told.value)
    assert str(path) in str(told.value)


def test_issuers_are_different_and_none_is_ourselves(tmp_path: Path) -> None:
    own = '[oauth]\nissuer = "https://sms.example.com"'
    us = GOOD | {"issuer": '"https://sms.example.com"', "name": '"us"'}
    with pytest.raises(ConfigError) as told:
        load(written(tmp_path, GOOD, GOOD, us, head=own), {})
    assert len(told.value.faults) == 3


@pytest.mark.parametrize(
    ("text", "origin", "trustworthy"),
    [
        ("https://sms.example.com", True, True),
        ("https://sms.example.com:8443", True, True),
        ("http://127.0.0.1:8080", True, True),
        ("http://[::1]:8080", True, True),
        ("http://localhost", True, True),
        ("https://sms.example.com/", False, True),
        ("https://sms.example.com/a?b", False, True),
        ("https://sms.example.com#a", False, False),
        ("http://sms.example.com", False, False),
        ("http://127.0.0.1.example.com", False, False),
        ("http://localhost.example.com", False, False),
        ("https://a@b", False, False),
        ("https://a b", False, False),
        ("https://a\\b", False, False),
        ("https://a:0", False, False),
        ("https://a:70000", False, False),
        ("https://[::1", False, False),
        ("https://ä.example", False, False),
        ("https://" + "a" * 600, False, False),
        ("sms.example.com", False, False),
        ("", False, False),
    ],
)
def test_an_address_is_trusted_where_it_can_be(text: str, origin: bool, trustworthy: bool) -> None:
    assert (is_origin(text), is_trustworthy(text)) == (origin, trustworthy)


def test_who_we_are_has_no_path(tmp_path: Path) -> None:
    path = tmp_path / "heliograph.toml"
    path.write_text('[oauth]\nissuer = "https://sms.example.com/api"\ntoken_lifetime_s = 86401\n')
    with pytest.raises(ConfigError) as told:
        load(path, {})
    assert "60 to 86400" in str(told.value)
    path.write_text('[oauth]\nissuer = "https://sms.example.com/api"\n')
    with pytest.raises(ConfigError, match="without a path"):
        load(path, {})
