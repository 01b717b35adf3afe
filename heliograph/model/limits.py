"""Limits of accounts and keys, and what was used of them, as values."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

__all__ = ["LIMIT_NAMES", "LimitSet", "Usage", "UsageRow"]

Rate = Annotated[int, Meta(ge=1, le=1_000_000)]
Quota = Annotated[int, Meta(ge=0, le=10**12)]
Money = Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]
"""A decimal number as text, to the millionth: binary fractions of money do not add up."""

Prefix = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{0,7}$")]


class LimitSet(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an account or a key may use at most; None is without limit. Days and months are those of UTC.

    ``price`` is that of a segment, ``prices`` those of segments to numbers that begin so: the longest beginning
    holds. Both are needed for the spends alone, in any one currency.
    """

    requests_per_second: Rate | None = None
    requests_per_day: Quota | None = None
    requests_per_month: Quota | None = None
    segments_per_second: Rate | None = None
    segments_per_day: Quota | None = None
    segments_per_month: Quota | None = None
    spend_per_day: Money | None = None
    spend_per_month: Money | None = None
    price: Money | None = None
    prices: Annotated[dict[Prefix, Money], Meta(max_length=500)] = {}


LIMIT_NAMES: Final = tuple(name for name in LimitSet.__struct_fields__ if "_per_" in name)


class Usage(Struct, frozen=True, gc=False):
    """What one commit uses: ``subject`` is ``account:ID`` or ``key:PREFIX``, ``period`` ``day`` or ``month``.

    ``start_us`` is when the period began; ``spend`` counts millionths of the currency.
    """

    subject: str
    period: str
    start_us: int
    requests: int
    segments: int
    spend: int = 0


class UsageRow(Struct, frozen=True):
    """What a node has used in all, of the newest period that it knows."""

    subject: str
    period: str
    node_id: int
    start_us: int
    requests: int
    segments: int
    spend: int = 0
