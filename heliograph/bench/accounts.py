"""The balance after a crash: what was promised, against what the carrier saw and the store says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from heliograph.bench.view import StoreView
from heliograph.model import END, Direction, State

__all__ = ["Balance", "CarrierSide", "Kept", "balance", "kept", "orphans_in", "read_carrier", "replies_in"]


class Kept(msgspec.Struct, frozen=True):
    """A message to a handset as the store has it. ``key`` is its id as wire rows name it."""

    key: str
    state: int
    marked: bool
    once: bool


class CarrierSide(msgspec.Struct):
    """What the carrier's log says."""

    submits: Counter[str]
    """Recipient → segments taken."""
    receipts: dict[str, str]
    """Carrier's id → recipient, of receipts that we have answered for good."""
    replies: set[str]
    """Texts of handsets' replies that we have answered for good."""
    tenths: Counter[int] = msgspec.field(default_factory=Counter)
    """Tenth of a second → segments taken."""

    @property
    def peak_per_s(self) -> int:
        """Segments a second in the busiest tenth of one."""
        return 10 * max(self.tenths.values(), default=0)


class Balance(msgspec.Struct, kw_only=True):
    """Everything that must be nothing, and what was looked at. Each list holds up to ten examples."""

    accepted: int = 0
    repeated: int = 0
    marked: int = 0
    on_wire: int = 0
    """Named by a wire row at a kill."""
    receipts: int = 0
    replies: int = 0
    lost: int = 0
    """Accepted and neither at the carrier, nor (asking for ``at_most_once``) ended as unknown from the wire."""
    missing: int = 0
    """Accepted and not in the store."""
    open: int = 0
    """In the store and not ended, when nothing moved any more."""
    repeated_unmarked: int = 0
    marked_outside: int = 0
    """Marked, though no wire row named them: the backlog, for instance."""
    once_repeated: int = 0
    """``at_most_once`` and at the carrier more than once."""
    receipts_lost: int = 0
    """Answered to the carrier, and neither told by the message nor kept as a receipt that found none."""
    replies_lost: int = 0
    examples: dict[str, list[str]] = {}

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not any(getattr(self, name) for name in FAULTS)


FAULTS: Final = (
    "lost",
    "missing",
    "open",
    "repeated_unmarked",
    "marked_outside",
    "once_repeated",
    "receipts_lost",
    "replies_lost",
)


def balance(
    accepted: Collection[str], store: Mapping[str, Kept], carrier: CarrierSide, wires: Collection[str],
    replies: Collection[str], orphans: Collection[str] = (),
) -> Balance:  # fmt: skip
    """``accepted``: recipients answered with a 2xx. ``wires``: ids that wire rows named at the kills.

    ``replies``: texts of the inbound messages in the store. ``orphans``: carrier's ids of kept receipts that found no
    message (their submission's response was lost with the crash). Recipients are all different.
    """
    submits = carrier.submits
    found: dict[str, list[str]] = {
        "missing": [to for to in accepted if to not in store],
        "lost": [to for to in accepted if not submits[to] and not _lost_on_the_wire(store.get(to), wires)],
        "open": [to for to, one in store.items() if one.state < END],
        "repeated_unmarked": [to for to, one in store.items() if submits[to] > 1 and not one.marked],
        "marked_outside": [to for to, one in store.items() if one.marked and one.key not in wires],
        "once_repeated": [to for to, one in store.items() if one.once and submits[to] > 1],
        "receipts_lost": [
            f"{to}/{id}" for id, to in carrier.receipts.items() if id not in orphans and not _delivered(store.get(to))
        ],
        "replies_lost": [text for text in carrier.replies if text not in replies],
    }
    return Balance(
        accepted=len(accepted),
        repeated=sum(count - 1 for count in submits.values() if count > 1),
        marked=sum(one.marked for one in store.values()),
        on_wire=len(wires),
        receipts=len(carrier.receipts),
        replies=len(carrier.replies),
        examples={name: sorted(some)[:10] for name, some in found.items() if some},
        **{name: len(found[name]) for name in FAULTS},
    )


def _lost_on_the_wire(one: Kept | None, wires: Collection[str]) -> bool:
    """Whether a message may end without having been seen by the carrier: it asked for that, and may have been there."""
    return one is not None and one.once and one.state == State.UNKNOWN and one.key in wires


def _delivered(one: Kept | None) -> bool:
    return one is not None and one.state in (State.DELIVERED, State.READ)


def kept(store: StoreView) -> dict[str, Kept]:
    """Every message to a handset in the store, by recipient."""
    rows = store.query(
        f"SELECT recipient, {store.id_column}, state, possible_duplicate, at_most_once FROM messages "
        f"WHERE direction = {int(Direction.OUT)}"
    )
    return {to: Kept(str(key), state, bool(marked), bool(once)) for to, key, state, marked, once in rows}


def replies_in(store: StoreView) -> set[str]:
    """The texts of all messages from handsets in the store."""
    join = "c.key = m.key" if store.id_column == "key" else "c.account_id = m.account_id AND c.message_id = m.id"
    rows = store.query(
        f"SELECT c.octets FROM messages m JOIN contents c ON {join} WHERE m.direction = {int(Direction.IN)}"
    )
    return {bytes(octets).decode() for (octets,) in rows}


def orphans_in(store: StoreView) -> set[str]:
    """The carrier's ids of kept receipts that found no message."""
    return {canonical for (canonical,) in store.query("SELECT canonical FROM orphans")}


class _Line(msgspec.Struct):
    fact: str
    at: float = 0.0
    id: str = ""
    to: str = ""
    sender: str = msgspec.field(default="", name="from")
    status: int = 0
    text: str = ""


_decode: Final = msgspec.json.Decoder(_Line).decode


def read_carrier(log: Path) -> CarrierSide:
    """The carrier's side of its log; a last line that was cut short does not count."""
    side = CarrierSide(Counter(), {}, set())
    sent: dict[str, list[str]] = {}
    answered: Counter[str] = Counter()
    for line in _lines(log):
        fact = _decode(line)
        if fact.fact == "submit" and not fact.status:
            side.submits[fact.to] += 1
            side.tenths[int(fact.at * 10)] += 1
        elif fact.fact == "receipt_response" and not fact.status:
            side.receipts[fact.id] = fact.to if fact.to in side.submits else fact.sender
        elif fact.fact == "mo":
            sent.setdefault(fact.sender, []).append(fact.text)
        elif fact.fact == "mo_response" and not fact.status:
            answered[fact.sender] += 1
    for handset, count in answered.items():
        side.replies.update(sent.get(handset, [])[:count])
    return side


def _lines(log: Path) -> Iterable[bytes]:
    with log.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield line
