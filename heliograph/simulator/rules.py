"""Handsets' owners: who answers what, how late, and who wants no more."""

from __future__ import annotations

from random import Random
from typing import Final, TypeVar

from heliograph.simulator.behaviours import HandsetRule
from heliograph.simulator.handsets import HandsetMessage

__all__ = ["Owners"]

_Key = TypeVar("_Key")

_REMEMBERED_MAX: Final = 100_000
"""(handset, sender) pairs that are remembered by rules; the oldest is forgotten beyond it."""


class Owners:
    """Decides what handsets answer, from a seed. No clock, no I/O."""

    def __init__(self, seed: int) -> None:
        self.after_opt_out = 0
        """Messages that came to a handset from a sender that it had opted out of."""
        self._random = Random(f"{seed} owners")
        self._opted_out: dict[tuple[str, str], None] = {}
        self._answered: dict[tuple[str, str, HandsetRule], None] = {}

    def answer(self, message: HandsetMessage, rules: tuple[HandsetRule, ...]) -> tuple[str, float] | None:
        """(text, seconds to wait) of what the owner of the handset writes back, or nothing."""
        pair = (message.to, message.sender)
        if pair in self._opted_out:
            self.after_opt_out += 1
            return None
        for rule in rules:
            if not _meets(rule, message) or (rule.once and (*pair, rule) in self._answered):
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            if rule.once:
                _remember(self._answered, (*pair, rule))
            if rule.opt_out:
                _remember(self._opted_out, pair)
            return rule.reply, rule.after_ms / 1000
        return None

    @property
    def opted_out(self) -> int:
        """How many (handset, sender) pairs there are that want no more."""
        return len(self._opted_out)


def _meets(rule: HandsetRule, message: HandsetMessage) -> bool:
    if not message.to.startswith(rule.prefix):
        return False
    if not (rule.keyword or rule.contains):
        return True
    text = (message.text or "").casefold()
    words = text.split(None, 1)
    keyword_fits = not rule.keyword or (bool(words) and words[0] == rule.keyword.casefold())
    return keyword_fits and rule.contains.casefold() in text


def _remember(kept: dict[_Key, None], key: _Key) -> None:
    if len(kept) >= _REMEMBERED_MAX:
        del kept[next(iter(kept))]
    kept[key] = None
