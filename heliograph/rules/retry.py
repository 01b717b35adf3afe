"""What follows when a carrier does not take a segment: again, elsewhere, or the end.

One table says for each SMPP ``command_status`` which of our words it means and what is done about it. A connector
may say otherwise for single codes. Waiting is bounded twice: by a number of tries, and by the message's validity.
Source: SMPP 3.4 §5.1.3, SMPP 5.0 §4.7.6, and what gateways and carriers do with each (docs/reference/errors.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from heliograph.errors import Retry, SubmitFailed
from heliograph.rules.errorcodes import ERROR_CODES
from heliograph.smpp import constants as c

__all__ = [
    "PLANS",
    "Again",
    "Elsewhere",
    "GiveUp",
    "Override",
    "Overrides",
    "Plan",
    "failure_of",
    "next_step",
    "parse_override",
    "parse_overrides",
    "plan_of",
]


class Plan(Struct, frozen=True, kw_only=True):
    """What one status means for a segment.

    ``LATER``: ``tries`` submissions over the same connector in all, then elsewhere where ``then_elsewhere``, else the
    end. ``ELSEWHERE``: another connector at once; where there is none, ``tries`` as above. The wait before a further
    try begins with ``wait_s`` and doubles up to ``longest_wait_s``.
    """

    code: str
    retry: Retry
    tries: int = 1
    wait_s: float = 30.0
    longest_wait_s: float = 30.0
    then_elsewhere: bool = False
    pauses_lane: bool = False
    is_fault: bool = False
    """The set-up of the connector is wrong: the operator should hear of it."""


def _never(code: str) -> Plan:
    return Plan(code=code, retry=Retry.NEVER)


def _later(code: str, tries: int, wait_s: float, longest_wait_s: float = 0.0, *, pauses_lane: bool = False) -> Plan:
    return Plan(
        code=code,
        retry=Retry.LATER,
        tries=tries,
        wait_s=wait_s,
        longest_wait_s=max(wait_s, longest_wait_s),
        then_elsewhere=True,
        pauses_lane=pauses_lane,
    )


def _elsewhere(code: str, tries: int = 1) -> Plan:
    return Plan(code=code, retry=Retry.ELSEWHERE, tries=tries)


def _fault(*, pauses_lane: bool = False) -> Plan:
    """A wrong set-up: another connector may do; without one, three slow tries while somebody repairs it."""
    return Plan(
        code="carrier_setup",
        retry=Retry.ELSEWHERE,
        tries=3,
        wait_s=60.0,
        longest_wait_s=60.0,
        pauses_lane=pauses_lane,
        is_fault=True,
    )


_NOT_BOUND: Final = Plan(
    code="carrier_setup",
    retry=Retry.LATER,
    tries=3,
    wait_s=30.0,
    longest_wait_s=60.0,
    then_elsewhere=True,
    pauses_lane=True,
    is_fault=True,
)
_MALFORMED: Final = _never("message_refused")

PLANS: Final[Mapping[int, Plan]] = {
    c.ESME_RINVMSGLEN: _MALFORMED,
    c.ESME_RINVCMDLEN: _fault(),
    c.ESME_RINVCMDID: _fault(),
    c.ESME_RINVBNDSTS: _NOT_BOUND,
    c.ESME_RALYBND: _NOT_BOUND,
    c.ESME_RINVPRTFLG: _MALFORMED,
    c.ESME_RINVREGDLVFLG: _MALFORMED,
    c.ESME_RSYSERR: _later("carrier_error", 3, 30),
    c.ESME_RINVSRCADR: _never("sender_refused"),
    c.ESME_RINVDSTADR: _never("recipient_invalid"),
    c.ESME_RINVMSGID: _MALFORMED,
    c.ESME_RBINDFAIL: _fault(pauses_lane=True),
    c.ESME_RINVPASWD: _fault(pauses_lane=True),
    c.ESME_RINVSYSID: _fault(pauses_lane=True),
    c.ESME_RCANCELFAIL: _MALFORMED,
    c.ESME_RREPLACEFAIL: _MALFORMED,
    c.ESME_RMSGQFUL: _later("carrier_throttled", 12, 5, 180, pauses_lane=True),
    c.ESME_RINVSERTYP: _fault(),
    c.ESME_RINVNUMDESTS: _MALFORMED,
    c.ESME_RINVDLNAME: _MALFORMED,
    c.ESME_RINVDESTFLAG: _MALFORMED,
    c.ESME_RINVSUBREP: _MALFORMED,
    c.ESME_RINVESMCLASS: _MALFORMED,
    c.ESME_RCNTSUBDL: _MALFORMED,
    c.ESME_RSUBMITFAIL: _elsewhere("carrier_refused"),
    c.ESME_RINVSRCTON: _fault(),
    c.ESME_RINVSRCNPI: _fault(),
    c.ESME_RINVDSTTON: _fault(),
    c.ESME_RINVDSTNPI: _fault(),
    c.ESME_RINVSYSTYP: _fault(),
    c.ESME_RINVREPFLAG: _MALFORMED,
    c.ESME_RINVNUMMSGS: _MALFORMED,
    c.ESME_RTHROTTLED: _later("carrier_throttled", 60, 1, 30, pauses_lane=True),
    c.ESME_RINVSCHED: _MALFORMED,
    c.ESME_RINVEXPIRY: _MALFORMED,
    c.ESME_RINVDFTMSGID: _MALFORMED,
    c.ESME_RX_T_APPN: _later("carrier_error", 3, 30),
    c.ESME_RX_P_APPN: _never("carrier_refused"),
    c.ESME_RX_R_APPN: _never("carrier_refused"),
    c.ESME_RQUERYFAIL: _never("carrier_error"),
    c.ESME_RINVOPTPARSTREAM: _MALFORMED,
    c.ESME_ROPTPARNOTALLWD: _MALFORMED,
    c.ESME_RINVPARLEN: _MALFORMED,
    c.ESME_RMISSINGOPTPARAM: _MALFORMED,
    c.ESME_RINVOPTPARAMVAL: _MALFORMED,
    c.ESME_RDELIVERYFAILURE: _later("carrier_error", 3, 30),
    c.ESME_RUNKNOWNERR: _later("carrier_error", 2, 30),
    c.ESME_RSERTYPUNAUTH: _elsewhere("carrier_setup"),
    c.ESME_RPROHIBITED: _elsewhere("carrier_refused"),
    c.ESME_RSERTYPUNAVAIL: _elsewhere("carrier_setup"),
    c.ESME_RSERTYPDENIED: _elsewhere("carrier_setup"),
    c.ESME_RINVDCS: _elsewhere("content_unsupported"),
    **dict.fromkeys(range(c.ESME_RINVSRCADDRSUBUNIT, c.ESME_RINVBCASTCHANIND + 1), _MALFORMED),
}
"""``command_status`` to what follows. ESME_RSUBMITFAIL is how some carriers say that a number is blocked."""

_UNLISTED: Final = _elsewhere("carrier_refused", tries=2)
"""Vendors' own codes and all others: another connector; without one a single further try, then the end."""

_ASKED: Final[Mapping[Retry, Plan]] = {
    Retry.NEVER: _never("carrier_refused"),
    Retry.LATER: _later("carrier_error", 10, 30, 900),
    Retry.ELSEWHERE: _elsewhere("carrier_refused"),
}
"""What a connector's own word for a code means where the table's plan is of another kind."""

_LEAST_WAIT_S: Final = 1.0
"""Shorter than this, a further try before the validity ends is not worth the carrier's time."""


class Override(Struct, frozen=True):
    """What a connector says of one status, instead of the table. ``wait_s`` None: the table's."""

    retry: Retry
    wait_s: float | None = None
    code: str | None = None


Overrides = Mapping[int, Override]


class Again(Struct, frozen=True):
    """Submit over the same connector, not before ``at_us`` (wall time)."""

    at_us: int


class Elsewhere(Struct, frozen=True):
    """Submit over the route's next connector, now."""


class GiveUp(Struct, frozen=True):
    """The segment has ended; ``code`` is our stable word."""

    code: str


_ELSEWHERE: Final = Elsewhere()


def parse_override(text: str) -> Override:
    """An operator's ``never``, ``later``, ``elsewhere``, with ``:seconds`` and ``:our_code`` behind it in any order.

    Raises ``ValueError`` with a sentence.
    """
    verdict, *details = (part.strip() for part in text.lower().split(":"))
    try:
        retry = Retry(verdict)
    except ValueError:
        raise ValueError(f"{verdict!r} is not never, later or elsewhere") from None
    wait_s = code = None
    for detail in details:
        if detail in ERROR_CODES:
            code = detail
        elif detail.replace(".", "", 1).isdecimal():
            wait_s = float(detail)
        else:
            raise ValueError(f"{detail!r} is neither seconds nor one of our error codes")
    return Override(retry, wait_s, code)


def parse_overrides(table: Mapping[str, str]) -> dict[int, Override]:
    """Statuses in decimal or ``0x`` hexadecimal to what :func:`parse_override` reads. Raises ``ValueError``."""
    overrides = {}
    for status, text in table.items():
        try:
            number = int(status, 0)
        except ValueError:
            raise ValueError(f"{status!r} is no status: write a number such as 1025 or 0x401") from None
        overrides[number] = parse_override(text)
    return overrides


def failure_of(status: int, overrides: Overrides | None = None) -> SubmitFailed:
    """The failure that a response with ``status`` (not 0) means on a connector with these overrides."""
    plan = PLANS.get(status, _UNLISTED)
    override = overrides.get(status) if overrides else None
    if override is None:
        wait_s = plan.wait_s if plan.retry is Retry.LATER else None
        return SubmitFailed(plan.code, status, plan.retry, wait_s, plan.pauses_lane)
    code = override.code or (_ASKED[override.retry] if plan is _UNLISTED else plan).code
    pauses_lane = plan.pauses_lane and override.retry is Retry.LATER
    return SubmitFailed(code, status, override.retry, override.wait_s, pauses_lane)


def plan_of(failure: SubmitFailed) -> Plan:
    """The table's plan for the failure, or the general one where its verdict is not the table's."""
    plan = _UNLISTED if failure.status is None else PLANS.get(failure.status, _UNLISTED)
    return plan if plan.retry is failure.retry else _ASKED[failure.retry]


def next_step(
    failure: SubmitFailed, *, attempts: int, tried_elsewhere_possible: bool, now_us: int, expires_us: int
) -> Again | Elsewhere | GiveUp:
    """What is done with a segment that was refused.

    ``attempts`` counts its submissions, from 1; ``tried_elsewhere_possible`` says whether its route has a connector
    that was not tried yet. A further try is never later than ``expires_us``: where the wait would be, half of the time
    that is left is waited instead, and with less than 2 s left the end is ``expired``.
    """
    if failure.retry is Retry.NEVER:
        return GiveUp(failure.code)
    plan = plan_of(failure)
    if failure.retry is Retry.ELSEWHERE and tried_elsewhere_possible:
        return _ELSEWHERE
    if attempts >= plan.tries:
        return _ELSEWHERE if plan.then_elsewhere and tried_elsewhere_possible else GiveUp(failure.code)
    left_us = expires_us - now_us
    if left_us < 2 * _LEAST_WAIT_S * 1e6:
        return GiveUp("expired")
    return Again(now_us + min(int(_wait_s(plan, failure.retry_after_s, attempts) * 1e6), left_us // 2))


def _wait_s(plan: Plan, asked_s: float | None, attempts: int) -> float:
    """The wait after so many attempts; what the carrier asked for is the least of it."""
    first_s = max(plan.wait_s if asked_s is None else asked_s, _LEAST_WAIT_S)
    return min(first_s * float(1 << min(attempts - 1, 20)), max(plan.longest_wait_s, first_s))
