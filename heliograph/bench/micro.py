"""The codec, the text functions and who calls alone: CPU of one call, the least of several rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from heliograph.bench.access import authentications
from heliograph.bench.report import aligned
from heliograph.smpp import codec
from heliograph.smpp.pdus import DeliverSm, SubmitSm
from heliograph.smpp.plain import read_receipt
from heliograph.smpp.receipts import parse_receipt
from heliograph.sms import encode, split

__all__ = ["Micro", "micro"]

_ROUNDS: Final = 7
_ROUND_S: Final = 0.15
_RECEIPT: Final = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 text:Your parcel"
)
_AUTHENTICATED_US: Final = {"access token never seen (ES256)": 250.0}
"""Targets that are not the 4 µs which authentication has together with limits."""
_TEXT: Final = "The quick brown fox jumps over the lazy dog; " * 4


class Micro(Struct, frozen=True):
    """One measurement: microseconds of CPU a call, beside what is allowed (0: no target)."""

    what: str
    cpu_us: float
    target_us: float


def micro() -> tuple[list[Micro], str, bool]:
    """All of them, the same as text, and whether every target is met."""
    submit = SubmitSm(
        source_addr_ton=1, source_addr_npi=1, source_addr="12345", dest_addr_ton=1, dest_addr_npi=1,
        destination_addr="4915112345678", registered_delivery=1, validity_period="000001000000000R",
        short_message=_TEXT[:100].encode(),
    )  # fmt: skip
    deliver = DeliverSm(
        source_addr_ton=1, source_addr_npi=1, source_addr="4915112345678", dest_addr_ton=1, dest_addr_npi=1,
        destination_addr="12345", esm_class=4, short_message=_RECEIPT, tlvs={0x1E: b"0123456789\0", 0x427: b"\2"},
    )  # fmt: skip
    frame, one, long = codec.encode(deliver, 1), _TEXT[:160], _TEXT + _TEXT[:100]

    def odd_receipt() -> None:
        decoded = codec.decode(frame).pdu
        assert isinstance(decoded, DeliverSm)
        parse_receipt(decoded)

    def segmented(text: str) -> Callable[[], object]:
        def cut() -> None:
            encoding, octets = encode(text)
            split(octets, encoding)

        return cut

    found = [
        Micro("submit_sm, encode", _cpu_us(lambda: codec.encode(submit, 7)), 1),
        Micro("deliver_sm with a receipt, decode and read", _cpu_us(lambda: read_receipt(frame)), 3),
        Micro("the same of a receipt that is not ordinary", _cpu_us(odd_receipt), 0),
        Micro("GSM-7, 160 characters, segmented", _cpu_us(segmented(one)), 3),
        Micro("GSM-7, 280 characters, two segments", _cpu_us(segmented(long)), 0),
        *(Micro(what, _cpu_us(call), _AUTHENTICATED_US.get(what, 4)) for what, call in authentications().items()),
    ]
    good = all(not each.target_us or each.cpu_us <= each.target_us for each in found)
    return found, aligned([(each.what, _worded(each)) for each in found]), good


def _worded(each: Micro) -> str:
    return f"{each.cpu_us:.2f} µs" + (f" (target {each.target_us:g} µs)" if each.target_us else "")


def _cpu_us(call: Callable[[], object]) -> float:
    """The quietest round counts: whatever disturbs only adds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        calls, begun = 0, time.process_time()
        while (used := time.process_time() - begun) < _ROUND_S:
            for _ in range(1000):
                call()
            calls += 1000
        best = min(best, used / calls)
    return best * 1e6
