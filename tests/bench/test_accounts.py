from collections import Counter
from pathlib import Path

import pytest

from heliograph.bench.accounts import Balance, CarrierSide, Kept, balance, read_carrier
from heliograph.model import State

DELIVERED = int(State.DELIVERED)


def _balance(
    store: dict[str, Kept],
    submits: dict[str, int],
    *,
    wires: set[str] = frozenset(),  # type: ignore[assignment]
    receipts: dict[str, str] | None = None,
    replies: set[str] = frozenset(),  # type: ignore[assignment]
    orphans: set[str] = frozenset(),  # type: ignore[assignment]
) -> Balance:
    side = CarrierSide(Counter(submits), receipts or {}, {"hello"})
    return balance({"+1"}, store, side, wires, replies or {"hello"}, orphans)


def _kept(state: int = DELIVERED, *, marked: bool = False, once: bool = False) -> dict[str, Kept]:
    return {"+1": Kept("k1", state, marked, once)}


def test_one_segment_for_one_message_is_good() -> None:
    assert _balance(_kept(), {"+1": 1}, receipts={"9": "+1"}).good


def test_a_marked_repetition_that_a_wire_row_named_is_good() -> None:
    found = _balance(_kept(marked=True), {"+1": 2}, wires={"k1"})
    assert found.good
    assert (found.repeated, found.marked) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("lost", _balance(_kept(), {})),
        ("missing", _balance({}, {"+1": 1})),
        ("open", _balance(_kept(int(State.SENT)), {"+1": 1})),
        ("repeated_unmarked", _balance(_kept(), {"+1": 2}, wires={"k1"})),
        ("marked_outside", _balance(_kept(marked=True), {"+1": 1}, wires={"k2"})),
        ("once_repeated", _balance(_kept(marked=True, once=True), {"+1": 2}, wires={"k1"})),
        ("receipts_lost", _balance(_kept(int(State.UNKNOWN)), {"+1": 1}, receipts={"9": "+1"})),
        ("replies_lost", _balance(_kept(), {"+1": 1}, replies={"other"})),
    ],
)
def test_each_broken_promise_is_seen(fault: str, found: Balance) -> None:
    assert not found.good
    assert getattr(found, fault) == 1
    assert found.examples[fault]


def test_at_most_once_may_end_unknown_from_the_wire_and_only_from_there() -> None:
    unknown = _kept(int(State.UNKNOWN), once=True)
    assert _balance(unknown, {}, wires={"k1"}).good
    assert _balance(unknown, {}).lost == 1


def test_a_receipt_that_found_no_message_is_kept_as_an_orphan() -> None:
    store = _kept(int(State.UNKNOWN), once=True)
    assert _balance(store, {"+1": 1}, receipts={"9": "+1"}, orphans={"9"}).good


def test_the_carriers_log_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        '{"fact":"submit","at":1,"to":"+1","id":"7"}\n'
        '{"fact":"submit","at":1,"to":"+2","status":88}\n'
        '{"fact":"receipt_response","at":1,"to":"+1","from":"123","id":"7"}\n'
        '{"fact":"mo","at":1,"to":"123","from":"+1","text":"a"}\n{"fact":"mo","at":1,"to":"123","from":"+1","text":"b"}\n'
        '{"fact":"mo_response","at":1,"to":"123","from":"+1"}\n{"fact":"submit","at":1,"to":"+3'
    )
    side = read_carrier(log)
    assert side.submits == {"+1": 1}
    assert side.receipts == {"7": "+1"}
    assert side.replies == {"a"}
