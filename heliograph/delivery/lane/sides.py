"""Sides: the last look before the wire. A real connector takes live messages, a virtual one those of its sandbox.

Intake has led every message to its side already (``Directory.choose``); this holds whoever led it here.
Source: docs/explanation/design/0041-sandbox.md
"""

from __future__ import annotations

__all__ = ["belongs"]


def belongs(account_id: int, sandbox: int) -> bool:
    """Whether a message of this account may be written to a connector of this side.

    ``sandbox`` is the one account that a virtual connector is for, 0 for a real connector.
    """
    return account_id == sandbox if sandbox else account_id > 0
