"""Issuers of access tokens that the operator trusts, as the file declares them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from heliograph.config.addresses import is_trustworthy
from heliograph.config.fields import setting
from heliograph.config.lines import Path
from heliograph.model import CUSTOMER_SCOPES, SCOPES

__all__ = ["IssuerSettings", "check_issuers"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_TYPES: Final = ("at+jwt", "jwt")

Fault = Callable[[Path, str, str], None]


@dataclass(frozen=True, kw_only=True)
class IssuerSettings:
    """An issuer outside whose access tokens are taken like keys."""

    name: str = setting(doc="Name of the issuer; the audit log and the journal tell it.")
    issuer: str = setting(doc="Its address exactly as its tokens say it (`iss`), such as `https://login.example.com`.")
    audience: str = setting(doc="What its tokens for this API say whom they are for (`aud`).")
    account: str | None = setting(None, "Name of the account that its tokens act for.")
    account_claim: str | None = setting(None, "Instead: the claim of a token that names its account.")
    accounts: tuple[str, ...] = setting((), "The accounts that `account_claim` may name; none means all.")
    scopes: tuple[str, ...] = setting(CUSTOMER_SCOPES, "What its tokens may do at most.")
    scope_claim: str = setting(
        "scope",
        "The claim that names a token's scopes (a text with blanks, or a list); empty: every token has `scopes`.",
    )
    token_types: tuple[str, ...] = setting(
        ("at+jwt",), "What its tokens say that they are (`typ`): `at+jwt` by RFC 9068; some issuers only say `jwt`."
    )
    jwks_url: str | None = setting(None, "Where its keys are; without it, its metadata tell.")


def check_issuers(own: str | None, rows: Iterable[tuple[Path, IssuerSettings]], fault: Fault) -> None:
    """Hands ``fault`` what the issuers have wrong, alone and together. ``own`` is who we are, where that is set."""
    names: set[str] = set()
    issuers = {own}
    for path, row in rows:
        _check_one(path, row, fault)
        if row.name in names:
            fault((*path, "name"), f'"{row.name:.60}" names two issuers', "give each a name of its own")
        if row.issuer in issuers:
            fault(
                (*path, "issuer"), f"{row.issuer[:80]!r} is declared twice", "once for each issuer, and never our own"
            )
        names.add(row.name)
        issuers.add(row.issuer)


def _check_one(path: Path, row: IssuerSettings, fault: Fault) -> None:
    if not _NAME.fullmatch(row.name):
        fault((*path, "name"), f"{row.name!r:.60} cannot name an issuer", "up to 32 letters, digits and _ . -")
    if not is_trustworthy(row.issuer) or "?" in row.issuer:
        fault((*path, "issuer"), f"{row.issuer[:80]!r} is no address of an issuer", "https:// (http on loopback alone)")
    if row.jwks_url is not None and not is_trustworthy(row.jwks_url):
        fault((*path, "jwks_url"), f"{row.jwks_url[:80]!r} is no address of keys", "https:// (http on loopback alone)")
    if not row.audience:
        fault((*path, "audience"), "audience is empty", "what the issuer calls this API, such as its address")
    if (row.account is None) == (row.account_claim is None) or "" in (row.account, row.account_claim):
        fault(path, f'the issuer "{row.name:.60}" needs one of account and account_claim', 'such as account = "shop"')
    if row.accounts and row.account_claim is None:
        fault((*path, "accounts"), "accounts stands without account_claim", "set account_claim, or leave accounts out")
    for scope in row.scopes:
        if scope not in SCOPES:
            fault((*path, "scopes"), f'there is no scope "{scope:.60}"', f"choose from {', '.join(SCOPES)}")
    for kind in row.token_types:
        if kind not in _TYPES:
            fault((*path, "token_types"), f'"{kind:.60}" is no type of token', f"choose from {', '.join(_TYPES)}")
    if not row.scopes or not row.token_types:
        fault(
            path, f'the issuer "{row.name:.60}" lets nothing through', "give scopes and token_types, or leave them out"
        )
