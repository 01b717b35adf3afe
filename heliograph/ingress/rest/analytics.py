"""``GET /v1/analytics``: counts by time and by what they are told apart by, within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import Request
from msgspec import UNSET, Struct, UnsetType

from heliograph.access import Principal
from heliograph.access.accounts import TREE
from heliograph.contracts import COUNTED_BY, TallyFilter
from heliograph.delivery.figures import METRICS, Group, Totals, grouped
from heliograph.delivery.instants import iso
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.asking import moment_us, parameters, words
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.model import TrafficType

__all__ = ["ANALYTICS_OPERATIONS", "Analytics", "AnalyticsRow", "AnalyticsView"]

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_USUAL_US = 7 * _DAY_US
_LONGEST_US = 400 * _DAY_US
_STEPS = {"hour": _HOUR_US, "day": _DAY_US, "all": 0}
_MOST_STEPS = 1_000
_MOST_ROWS = 2_000
_MOST_TALLIES = 50_000
"""Rows that the store gives for one answer: a tenth of a second of work."""
_TYPES = {int(one): one.word for one in TrafficType}

_QUERY = {
    "metric": f"Which figures, with commas between them: {', '.join(METRICS)}. All by default.",
    "group_by": f"What they are told apart by, with commas: {', '.join(COUNTED_BY)}. error only for failed, "
    "connector with the scope routes:read.",
    "from": "From this hour on: ISO 8601 with its zone, or a day in UTC; seven days before to by default.",
    "to": "Until before this hour; the hour that is running is in it by default.",
    "step": "hour, day (in UTC; the default) or all: what one row spans.",
    "accounts": "tree: of your account and all below it; the name of one of them; all: of every account, only with the "
    "scope admin.",
}


class AnalyticsRow(Struct, frozen=True, omit_defaults=True):
    """Figures of one step and group. Those that were not asked for are left out."""

    at: str | UnsetType = UNSET
    account: str | UnsetType = UNSET
    connector: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
    network: str | UnsetType | None = UNSET
    sender: str | UnsetType | None = UNSET
    type: str | UnsetType = UNSET
    error: str | UnsetType | None = UNSET
    accepted: int | UnsetType = UNSET
    segments: int | UnsetType = UNSET
    sent: int | UnsetType = UNSET
    segments_sent: int | UnsetType = UNSET
    delivered: int | UnsetType = UNSET
    failed: int | UnsetType = UNSET
    unknown: int | UnsetType = UNSET
    delivery_rate: float | UnsetType | None = UNSET
    coverage: float | UnsetType | None = UNSET
    receipt_p50_ms: int | UnsetType | None = UNSET
    receipt_p95_ms: int | UnsetType | None = UNSET
    replies: int | UnsetType = UNSET
    opt_outs: int | UnsetType = UNSET


class AnalyticsView(Struct, frozen=True, rename={"from_": "from"}):
    """Counts of the whole hours from ``from`` until before ``to``."""

    from_: str
    to: str
    step: str
    rows: list[AnalyticsRow]


ANALYTICS_OPERATIONS = (
    Operation(
        "GET",
        "/v1/analytics",
        "Count messages",
        "messages:read",
        None,
        AnalyticsView,
        query=_QUERY,
        problems=("answer_too_large",),
    ),
)


@dataclass(frozen=True)
class _Asked:
    metrics: tuple[str, ...]
    by: tuple[str, ...]
    step: str
    from_us: int
    to_us: int


class Analytics:
    """The endpoint of counts. ``caller`` says who asks, or refuses."""

    def __init__(self, services: Services, caller: Callable[[Request, str], Principal]) -> None:
        self._services = services
        self._caller = caller

    async def show(self, request: Request) -> Reply:
        """The figures that were asked for."""
        principal = self._caller(request, "messages:read")
        given = parameters(request, _QUERY)
        asked = _asked(given, time.time_ns() // 1000)
        names = await self._accounts(given, asked, principal)
        rows = await self._services.store.tallies(
            TallyFilter(
                accounts=tuple(names),
                from_us=asked.from_us,
                to_us=asked.to_us,
                step_us=_STEPS[asked.step],
                by=asked.by,
                limit=_MOST_TALLIES + 1,
            )
        )
        found = grouped(rows, asked.by)
        if len(rows) > _MOST_TALLIES or len(found) > _MOST_ROWS:
            raise _too_large(f"The answer would have more than {_MOST_ROWS} rows")
        if not asked.by:
            found = _filled(found, asked)
        views = [_row(group, totals, asked, names, self._services.connectors) for group, totals in found.items()]
        return Reply(200, _encode(AnalyticsView(iso(asked.from_us), iso(asked.to_us), asked.step, views)))

    async def _accounts(self, given: Mapping[str, str], asked: _Asked, principal: Principal) -> dict[int, str]:
        """Whose counts: id → name. Raises ``RequestRejected`` for what the key may not see."""
        if "connector" in asked.by and "routes:read" not in principal.scopes:
            raise _forbidden("connectors", "routes:read", "group_by")
        admin, word = "admin" in principal.scopes, given.get("accounts")
        if word is None and "account" in asked.by:
            word = "all" if admin else TREE
        if word == "all":
            if not admin:
                raise _forbidden("all accounts", "admin", "accounts")
            return {account.id: account.name for account in await self._services.store.accounts()}
        accounts = self._services.keys.accounts
        found = accounts.asked(principal.account.id, word, "accounts")
        return {one: accounts.name(one) for one in found}


_encode = msgspec.json.Encoder().encode


def _asked(given: Mapping[str, str], now_us: int) -> _Asked:
    """The parameters, within their bounds. Raises ``RequestRejected``."""
    metrics = words(given, "metric", METRICS) or tuple(METRICS)
    by = words(given, "group_by", COUNTED_BY)
    if "error" in by and "metric" not in given:
        metrics = ("failed",)
    if "error" in by and metrics != ("failed",):
        raise RequestRejected(
            "field_invalid", "By error only failed can be counted: give metric=failed.", field="metric"
        )
    step = given.get("step", "day")
    if step not in _STEPS:
        raise RequestRejected("field_invalid", f"step must be one of {', '.join(_STEPS)}.", field="step")
    to_us, from_us = moment_us(given, "to"), moment_us(given, "from")
    end_us = _hour_up(now_us + 1 if to_us is None else to_us)
    start_us = _down(end_us - _USUAL_US, _DAY_US) if from_us is None else _down(from_us, _HOUR_US)
    if not 0 <= start_us < end_us:
        raise RequestRejected("field_invalid", "from must be before to, and not before 1970.", field="from")
    if end_us - start_us > _LONGEST_US:
        raise _too_large("An answer spans at most 400 days")
    span_us = _STEPS[step]
    if span_us and (end_us - start_us) // span_us > _MOST_STEPS:
        raise _too_large(f"An answer has at most {_MOST_STEPS} steps")
    return _Asked(metrics, by, step, start_us, end_us)


def _down(at_us: int, step_us: int) -> int:
    return at_us - at_us % step_us


def _hour_up(at_us: int) -> int:
    return -_down(-at_us, _HOUR_US) if at_us % _HOUR_US else at_us


def _filled(found: dict[Group, Totals], asked: _Asked) -> dict[Group, Totals]:
    """Every step of the time has its row, also where nothing was counted."""
    span_us = _STEPS[asked.step]
    starts: Iterable[int] = range(_down(asked.from_us, span_us), asked.to_us, span_us) if span_us else (0,)
    groups: list[Group] = [(at_us, None, None, None, None, None, None, None) for at_us in starts]
    return {group: found.get(group) or Totals() for group in groups}


def _row(
    group: Group, totals: Totals, asked: _Asked, accounts: Mapping[int, str], connectors: Mapping[int, str]
) -> AnalyticsRow:
    at_us, account, country, network, sender, connector, kind, error = group
    values: dict[str, Any] = {
        "account": accounts.get(account or 0, UNSET),
        "country": country or None,
        "network": network or None,
        "sender": sender or None,
        "connector": connectors.get(connector or 0),
        "type": _TYPES.get(kind or 0, UNSET),
        "error": error or None,
    }
    found = {name: values[name] for name in asked.by}
    found |= {name: METRICS[name](totals) for name in asked.metrics}
    return AnalyticsRow(at=UNSET if asked.step == "all" else iso(max(at_us, asked.from_us)), **found)


def _too_large(why: str) -> RequestRejected:
    return RequestRejected(
        "answer_too_large",
        f"{why}: choose step=day or step=all, a shorter time (from, to), or less in group_by.",
        field="step",
    )


def _forbidden(what: str, scope: str, field: str) -> RequestRejected:
    return RequestRejected("forbidden", f"Only a key with the scope {scope} sees {what}.", field=field, status=403)
