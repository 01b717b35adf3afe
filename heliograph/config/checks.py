"""What no single value can tell: names that refer to nothing, things said twice, impossible addresses."""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from heliograph.config.addresses import is_origin
from heliograph.config.lines import Path
from heliograph.config.settings import (
    AccountSettings,
    HttpSettings,
    NumberSettings,
    OAuthSettings,
    RetentionSettings,
    RouteSettings,
    SecuritySettings,
    StoreSettings,
)
from heliograph.rules.accountwords import faults_of

__all__ = ["FaultCollector", "check", "check_carriers"]

FaultCollector = Callable[[Path, str, str], None]
"""Takes the path of a key, what is wrong with it, and the remedy."""

_NUMBER: Final = re.compile(r"\+?[0-9]{3,15}")
_PREFIX: Final = re.compile(r"[0-9]{0,15}")
_LISTEN: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\s:\[\]]+):([0-9]{1,5})")
_OF_SANDBOXES: Final = "sandbox/"
_KEY_OCTETS: Final = 32
_STORES: Final = ("sqlite:///", "postgresql://", "postgres://")


def check(
    parts: Mapping[str, Any],
    connectors: Sequence[tuple[Path, str]],
    routes: Sequence[tuple[Path, RouteSettings]],
    numbers: Sequence[tuple[Path, NumberSettings]],
    fault: FaultCollector,
) -> None:
    """Hands ``fault`` everything that the parts of a configuration have wrong together.

    ``parts`` are the sections (None where one has faults of its own) and accounts; ``connectors`` the
    names of all connectors in the file, also of those with faults.
    """
    _check_http(parts["http"], fault)
    _check_store(parts["store"], fault)
    _check_security(parts["security"], fault)
    _check_oauth(parts["oauth"], fault)
    _check_retention(parts["retention"], fault)
    for name, account in parts["accounts"].items():
        _check_account(name, account, fault)
    check_carriers(connectors, routes, numbers, fault)


def check_carriers(
    connectors: Sequence[tuple[Path, str]],
    routes: Sequence[tuple[Path, RouteSettings]],
    numbers: Sequence[tuple[Path, NumberSettings]],
    fault: FaultCollector,
) -> None:
    """Hands ``fault`` what connectors, routes and numbers have wrong together, wherever they were declared."""
    _check_twice("connectors", connectors, fault)
    for path, name in connectors:
        if name.startswith(_OF_SANDBOXES):
            fault(path, f'"{name:.60}" is a name for connectors of sandboxes', f"leave out {_OF_SANDBOXES}")
    _check_twice("routes", [((*path, "name"), route.name) for path, route in routes], fault)
    known = [name for _, name in connectors]
    for path, route in routes:
        _check_route(path, route, known, fault)
    _check_numbers(numbers, known, fault)


def _check_http(http: HttpSettings | None, fault: FaultCollector) -> None:
    if http is None:
        return
    match = _LISTEN.fullmatch(http.listen)
    if match is None:
        fault(("http", "listen"), f'"{http.listen:.60}" is no address and port', 'such as "127.0.0.1:8080"')
    elif int(match[2]) > 65_535:
        fault(("http", "listen"), f"there is no port {match[2]}", "0 to 65535")
    elif http.tls_certificate is None and not http.on_loopback and not http.allow_plain_http:
        fault(
            ("http", "listen"),
            f"{http.listen} is open to others, and keys and texts would pass unencrypted",
            "set tls_certificate, or allow_plain_http = true behind a proxy that speaks TLS",
        )
    if http.tls_key is not None and http.tls_certificate is None:
        fault(("http", "tls_key"), "tls_key stands without a certificate", "set tls_certificate, too")


def _check_store(store: StoreSettings | None, fault: FaultCollector) -> None:
    if store is None:
        return
    if not store.url.startswith(_STORES) or store.url in _STORES:
        fault(("store", "url"), "url names no store", 'such as "sqlite:///heliograph.db" or "postgresql://host/name"')


def _check_security(security: SecuritySettings | None, fault: FaultCollector) -> None:
    if security is None:
        return
    remedy = "make one with: head -c 32 /dev/urandom | base64"
    if security.master_key is not None and not _is_key(security.master_key):
        fault(("security", "master_key"), "master_key is no key of 32 octets in base64", remedy)
    if not all(map(_is_key, security.other_master_keys)):
        fault(("security", "other_master_keys"), "one of other_master_keys is no key of 32 octets in base64", remedy)
    if security.other_master_keys and security.master_key is None:
        what = "other_master_keys open, but no master_key seals"
        fault(("security", "other_master_keys"), what, "set master_key, too")


def _check_oauth(oauth: OAuthSettings | None, fault: FaultCollector) -> None:
    if oauth is None or oauth.issuer is None:
        return
    if not is_origin(oauth.issuer):
        fault(
            ("oauth", "issuer"),
            f"{oauth.issuer[:80]!r} is no address of an API",
            "https://, a host and if need be a port, without a path: https://sms.example.com (http on loopback alone)",
        )


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_OCTETS
    except ValueError:
        return False


def _check_retention(retention: RetentionSettings | None, fault: FaultCollector) -> None:
    if retention is not None and retention.contents_days > retention.records_days:
        fault(
            ("retention", "contents_days"),
            "contents_days is longer than records_days",
            "a text goes with its record at the latest: make it shorter",
        )


def _check_account(name: str, account: AccountSettings, fault: FaultCollector) -> None:
    for setting, what, remedy in faults_of(account.words):
        fault(("accounts", name, setting), what, remedy)


def _check_twice(what: str, names: Iterable[tuple[Path, str]], fault: FaultCollector) -> None:
    seen: set[str] = set()
    for path, name in names:
        if name in seen:
            fault(path, f'"{name:.60}" names two {what}', "give each a name of its own")
        seen.add(name)


def _check_connectors(path: Path, asked: Iterable[str], known: list[str], fault: FaultCollector) -> None:
    for name in asked:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1, 0.6)
            remedy = f'did you mean "{close[0]}"?' if close else "declare it with [[connectors]]"
            fault((*path, "connectors"), f'there is no connector "{name:.60}"', remedy)


def _check_route(path: Path, route: RouteSettings, known: list[str], fault: FaultCollector) -> None:
    if not route.name:
        fault((*path, "name"), "name is empty", 'such as name = "default"')
    if not route.connectors:
        fault((*path, "connectors"), f'the route "{route.name}" leads to no connector', 'such as connectors = ["main"]')
    if not route.prefixes:
        fault((*path, "prefixes"), f'the route "{route.name}" is for no number', 'prefixes = [""] is for all')
    for prefix in route.prefixes:
        if not _PREFIX.fullmatch(prefix):
            fault(
                (*path, "prefixes"), f'"{prefix:.30}" is no beginning of a number', 'digits without "+", such as "49"'
            )
    _check_connectors(path, route.connectors, known, fault)


def _check_numbers(numbers: Iterable[tuple[Path, NumberSettings]], known: list[str], fault: FaultCollector) -> None:
    """A number is one account's on each connector: otherwise nobody knows whose a reply is."""
    taken: dict[str, list[set[str]]] = {}
    for path, number in numbers:
        if not _NUMBER.fullmatch(number.number):
            fault((*path, "number"), f'"{number.number:.30}" is no number', "3 to 15 digits, with or without +")
        if not number.account:
            fault((*path, "account"), "account is empty", "the name of the account that gets the replies")
        _check_connectors(path, number.connectors, known, fault)
        here = set(number.connectors)
        others = taken.setdefault(number.number.lstrip("+"), [])
        if any(not here or not there or here & there for there in others):
            fault((*path, "number"), f"{number.number} is declared twice", "once for each connector")
        others.append(here)
