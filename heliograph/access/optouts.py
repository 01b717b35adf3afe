"""What the audit log tells of opt-outs that somebody adds or takes back; those of handsets are traffic."""

from __future__ import annotations

from typing import Final

from heliograph.contracts import OptOutTrail, Recorder

__all__ = ["opted_in", "opted_out"]

_LISTED: Final = {"opted_out": True}


def opted_out(by: Recorder, at_us: int) -> OptOutTrail:
    """An entry for each number that ``by`` puts on an account's list."""
    return lambda pairs: [by(at_us, "create", "opt_out", to, account_id, after=_LISTED) for account_id, to in pairs]


def opted_in(by: Recorder, at_us: int) -> OptOutTrail:
    """An entry for each number that ``by`` takes off an account's list."""
    return lambda pairs: [by(at_us, "delete", "opt_out", to, account_id, before=_LISTED) for account_id, to in pairs]
