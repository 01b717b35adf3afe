"""Carriers' message ids: the form under which a response's id is kept, and the forms in which its receipt may say it.

Carriers answer a submission with ``00B8BE19`` and report on ``B8BE19``, ``b8be19`` or ``12107289``. A response's id is
kept under one key, whatever the relation is; a receipt's id gives the keys to look under, the surest first. An id with
a dash or a letter beyond f is a name and no number: only its case may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["ID_CODECS", "IdCodec"]

ID_CODECS: Final = {
    "auto": "found out from the first pairs of response and receipt",
    "raw": "exactly as it is",
    "case": "the same but for upper and lower case",
    "zeros": "the same but for case and leading zeros",
    "decimal_receipts": "hexadecimal in the response, decimal in the receipt",
    "hex_receipts": "decimal in the response, hexadecimal in the receipt",
}
"""Every codec with what it says of a receipt's id. Keys do not depend on it but for ``raw`` and ``case``."""

_HEX: Final = re.compile(r"[0-9a-fA-F]{1,20}\Z")
"""Twenty digits are 80 bits: longer ones are nobody's counter, and are names."""

_LETTERED: Final = re.compile(r"[0-9]*[a-fA-F][0-9a-fA-F]*\Z")

_PAIRS: Final = 20
"""Pairs, or receipts beside as many responses, that settle the relation."""

_RECENT_MAX: Final = 20_000
"""Responses remembered while the relation is not settled."""


def _exact(raw: str) -> str:
    return raw


def _folded(raw: str) -> str:
    return raw.strip().lower()


def _number(raw: str) -> str:
    """Lower case, and without leading zeros where it can be a number."""
    word = raw.strip().lower()
    return word.lstrip("0") or "0" if word and _HEX.match(word) else word


def _key(raw: str) -> str:
    """:func:`_number`, at little cost for the usual id."""
    return raw if raw.isdecimal() and raw[0] != "0" else _number(raw)


def _same(raw: str) -> tuple[str, ...]:
    return (raw,) if raw.isdecimal() and raw[0] != "0" else (_number(raw),)


def _decimal_receipt(raw: str) -> tuple[str, ...]:
    """A decimal receipt of a hexadecimal response; as it is after that."""
    key = _number(raw)
    return (f"{int(key):x}", key) if key.isdecimal() and len(key) <= 20 else (key,)


def _hex_receipt(raw: str) -> tuple[str, ...]:
    key = _number(raw)
    return (str(int(key, 16)), key) if _HEX.match(key) else (key,)


def _any(raw: str) -> tuple[str, ...]:
    """As it is, as a decimal receipt, as a hexadecimal one: for as long as nothing is known."""
    key = _number(raw)
    if not _HEX.match(key):
        return (key,)
    from_hex = str(int(key, 16))
    return (key, f"{int(key):x}", from_hex) if key.isdecimal() else (key, from_hex)


_KEYS: Final[dict[str, Callable[[str], str]]] = {"raw": _exact, "case": _folded}
_CANDIDATES: Final[dict[str, Callable[[str], tuple[str, ...]]]] = {
    "raw": lambda raw: (raw,),
    "case": lambda raw: (_folded(raw),),
    "zeros": _same,
    "decimal_receipts": _decimal_receipt,
    "hex_receipts": _hex_receipt,
}


_RELATIONS: Final = ("zeros", "decimal_receipts", "hex_receipts")


class IdCodec:
    """One connector's codec. ``relation`` is its name in ``ID_CODECS``: with ``auto``, until it is settled.

    What teaches: receipts whose id explains a recent response in exactly one way, pairs that others proved, and letters
    that are common on one side and never seen on the other.
    """

    __slots__ = (
        "_candidates",
        "_key",
        "_lettered_receipts",
        "_lettered_responses",
        "_pairs",
        "_receipts",
        "_recent",
        "_responses",
        "relation",
    )

    def __init__(self, relation: str = "auto") -> None:
        self.relation = relation
        self._key: Callable[[str], str] = self._observed if relation == "auto" else _KEYS.get(relation, _key)
        self._candidates: Callable[[str], tuple[str, ...]] = _CANDIDATES.get(relation, self._unsettled)
        self._responses = self._lettered_responses = 0
        self._receipts = self._lettered_receipts = 0
        self._recent: dict[str, None] = {}
        self._pairs = dict.fromkeys(_RELATIONS, 0)

    def for_response(self, raw: str) -> str:
        """The key under which a response's id is kept: one for ever, also when the relation is settled later."""
        return self._key(raw)

    def for_receipt(self, raw: str) -> tuple[str, ...]:
        """The keys to look for a receipt's id under, in this order."""
        return self._candidates(raw)

    def paired(self, response_id: str, receipt_id: str) -> None:
        """These two proved to belong together. Pairs that more than one relation explains prove nothing."""
        if self.relation == "auto":
            key = _number(response_id)
            self._learn([name for name in _RELATIONS if _CANDIDATES[name](receipt_id)[0] == key])

    def _observed(self, raw: str) -> str:
        """The key of a response's id, watching what the ids look like."""
        key = _key(raw)
        self._responses += 1
        self._recent[key] = None
        if len(self._recent) > _RECENT_MAX:
            del self._recent[next(iter(self._recent))]
        if _LETTERED.match(key):
            self._lettered_responses += 1
        return key

    def _unsettled(self, raw: str) -> tuple[str, ...]:
        """Keys of a receipt's id, watching what the ids look like.

        A dense counter makes wrong pairs: a decimal 16 is some hexadecimal response too. But where letters are common
        on one side and never seen on the other, the relation is sure.
        """
        self._receipts += 1
        if _LETTERED.match(raw):
            self._lettered_receipts += 1
        recent = self._recent
        self._learn([name for name in _RELATIONS if _CANDIDATES[name](raw)[0] in recent])
        if self._receipts >= _PAIRS and self._responses >= _PAIRS:
            if self._lettered_responses * 5 >= self._responses and not self._lettered_receipts:
                self._settle("decimal_receipts")
            elif self._lettered_receipts * 5 >= self._receipts and not self._lettered_responses:
                self._settle("hex_receipts")
        return _any(raw) if self.relation == "auto" else self._candidates(raw)

    def _learn(self, explanations: list[str]) -> None:
        if len(explanations) != 1 or self.relation != "auto":
            return
        self._pairs[explanations[0]] += 1
        if sum(self._pairs.values()) >= _PAIRS:
            name, count = max(self._pairs.items(), key=lambda item: item[1])
            if count * 10 >= _PAIRS * 9:
                self._settle(name)
            else:
                self._pairs = dict.fromkeys(_RELATIONS, 0)

    def _settle(self, relation: str) -> None:
        self.relation = relation
        self._candidates = _CANDIDATES[relation]
        self._key = _key
        self._recent = {}
