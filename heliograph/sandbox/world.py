"""The world of one sandbox: a virtual carrier on a loopback port, and an ordinary SMPP connector to it."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Final

from heliograph.connectors.smpp.connector import SmppConnector
from heliograph.connectors.smpp.settings import SmppSettings
from heliograph.rules.magic import MAGIC, MAGIC_PREFIX
from heliograph.simulator import CarrierSettings, ReceiptSettings, VirtualCarrier
from heliograph.simulator.behaviours import HandsetRule, NumberRange

__all__ = ["KEPT_MESSAGES", "SandboxWorld", "carrier_settings", "connector_name", "connector_settings"]

KEPT_MESSAGES: Final = 200
"""Messages that a sandbox shows: the newest ones."""

_LOOPBACK: Final = "127.0.0.1"
_SYSTEM_ID: Final = "sandbox"
_SEGMENTS_PER_SECOND: Final = 100.0
"""Enough for every test; and a test that runs wild takes some hundredths of a core from everybody else."""
_WINDOW: Final = 50
_ANSWER_S: Final = 5.0
"""How long the connector waits for an answer: longer than the slowest magic number takes."""
_RECEIPT_MS: Final = 50.0
_USED_AGAIN_S: Final = 60.0
"""So long after its last use a sandbox is never closed to make room."""


def connector_name(account_id: int) -> str:
    """The name of a sandbox's connector in the store; no configured connector can have it."""
    return f"sandbox/{-account_id}"


def carrier_settings(password: str) -> CarrierSettings:
    """The virtual carrier, as the table of magic numbers wants it. Numbers that are not magic are delivered."""
    return CarrierSettings(
        host=_LOOPBACK,
        name="SANDBOX",
        system_id=_SYSTEM_ID,
        password=password,
        receipts=ReceiptSettings(delay_ms=_RECEIPT_MS),
        keep_messages=KEPT_MESSAGES,
        keep_facts=0,
        ranges=tuple(
            NumberRange(outcome=one.does, prefix=MAGIC_PREFIX + one.code, err=one.err) for one in MAGIC.values()
        ),
        rules=tuple(
            HandsetRule(reply=one.reply, prefix=MAGIC_PREFIX + one.code, after_ms=2 * _RECEIPT_MS)
            for one in MAGIC.values()
            if one.reply
        ),
    )


def connector_settings(name: str, port: int, password: str) -> SmppSettings:
    """An ordinary SMPP connector to that carrier; it has words for the carrier's own codes, as any may have."""
    magic = MAGIC.values()
    return SmppSettings(
        name=name,
        host=_LOOPBACK,
        port=port,
        system_id=_SYSTEM_ID,
        password=password,
        window=_WINDOW,
        segments_per_second=_SEGMENTS_PER_SECOND,
        response_timeout_s=_ANSWER_S,
        reconnect_min_s=0.05,
        reconnect_max_s=1.0,
        receipt_unknown="unknown",
        statuses={one.does: f"never:{one.means}" for one in magic if one.means and one.does.startswith("0x")},
        receipt_error_codes={one.err: one.means for one in magic if one.means and one.err},
    )


class SandboxWorld:
    """One running world. ``account_id`` is the sandbox's, below 0."""

    def __init__(self, account_id: int, connector_id: int) -> None:
        password = secrets.token_hex(4)
        self.account_id = account_id
        self.connector_id = connector_id
        self.carrier = VirtualCarrier(carrier_settings(password))
        self.since_us = time.time_ns() // 1000
        """When it was opened: messages that handsets had before are not known any more."""
        self._password = password
        self._connector: SmppConnector | None = None
        self._used = asyncio.get_running_loop().time()

    @property
    def connector(self) -> SmppConnector:
        """The way to the carrier, once it listens."""
        if self._connector is None:
            settings = connector_settings(connector_name(self.account_id), self.carrier.port, self._password)
            self._connector = SmppConnector(settings, self.connector_id)
        return self._connector

    def used(self) -> None:
        """Somebody sends."""
        self._used = asyncio.get_running_loop().time()

    @property
    def last_used(self) -> float:
        """When somebody sent last, by the loop's clock."""
        return self._used

    @property
    def idle(self) -> bool:
        """Whether nobody has sent for a while and nothing is on its way back."""
        unused_s = asyncio.get_running_loop().time() - self._used
        return unused_s > _USED_AGAIN_S and not self.carrier.unfinished
