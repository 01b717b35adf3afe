"""What a crash leaves behind, and that every message ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from heliograph.contracts import PUBLISHABLE, Administration, AuditFilter, Changes
from heliograph.model import DEAD_FROM_US, AuditEntry, Credential, PendingDelivery, State
from heliograph.telemetry import journal
from tests.accounts import ensure_account
from tests.delivery.support import HandClock, MemoryCarrier, house


async def test_after_a_crash_only_what_may_have_been_on_the_wire_is_marked(tmp_path: Path) -> None:
    """The first house burns down: nothing of it is stopped in order, its store is only closed."""
    path = tmp_path / "s.db"
    carrier = MemoryCarrier(1, window=2)
    carrier.answer = carrier.keep_open
    carrier.stop = _burn  # type: ignore[method-assign, assignment]
    async with house(path, [carrier]) as here:
        here.pipeline.stop = _burn  # type: ignore[method-assign, assignment]
        sent = [await here.send(to=f"+4915112345{number:03}") for number in range(20)]
        once = await here.send(to="+4915112346001", at_most_once=True)
        await here.until(lambda: len(carrier.open) == 2)
        named = set(here.pipeline.dispatch.lanes[1].wire)
        await here.pipeline.rescue.stop()
    assert {one.live.message.id for one in carrier.written} <= named
    assert len(named) <= 4

    carrier = MemoryCarrier(1, window=100)
    async with house(path, [carrier]) as here:
        records = [await here.ends(one.message.id, State.SENT) for one in [*sent, once]]
        marked = {one.message.id for one in records if one.progress.possible_duplicate}
        assert marked == named
        assert len(carrier.written) == 21


async def test_at_most_once_that_was_on_the_wire_at_a_crash_ends_as_unknown(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    carrier = MemoryCarrier(1)
    carrier.answer = carrier.keep_open
    carrier.stop = _burn  # type: ignore[method-assign, assignment]
    async with house(path, [carrier]) as here:
        here.pipeline.stop = _burn  # type: ignore[method-assign, assignment]
        accepted = await here.send(at_most_once=True)
        await here.until(lambda: carrier.open)
        await here.pipeline.rescue.stop()
    carrier = MemoryCarrier(1)
    async with house(path, [carrier]) as here:
        record = await here.ends(accepted.message.id, State.UNKNOWN)
        assert record.progress.error == "outcome_unknown"
        assert carrier.written == []


async def test_a_message_whose_receipt_never_comes_ends_as_unknown_and_a_late_one_corrects_it(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        accepted = await here.send(validity_s=600)
        await here.ends(accepted.message.id, State.SENT)
        clock.move(600 + 3600)
        assert await here.pipeline.rescue.end_overdue() == 0
        clock.move(48 * 3600)
        assert await here.pipeline.rescue.end_overdue() == 1
        record = await here.ends(accepted.message.id, State.UNKNOWN)
        assert record.progress.error == "receipt_missing"
        carrier.receipt("c1", State.DELIVERED)
        await here.ends(accepted.message.id, State.DELIVERED)


async def test_a_message_that_everybody_forgot_ends_as_expired(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.submit = lambda batch: None  # type: ignore[method-assign]  # swallowed, never answered
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        accepted = await here.send(validity_s=600)
        clock.move(600 + 25 * 3600)
        assert await here.pipeline.rescue.end_overdue() == 1
        record = await here.ends(accepted.message.id, State.EXPIRED)
        assert record.progress.error == "expired"


async def test_too_many_dead_letters_of_one_webhook_lose_their_oldest_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, int]] = []
    monkeypatch.setattr(journal, "dead_letters_dropped", lambda endpoint, count: said.append((endpoint, count)))
    clock = HandClock()
    now_us = clock.now_us()

    def dead(endpoint: str, count: int) -> list[PendingDelivery]:
        plain = PendingDelivery(
            endpoint_id=endpoint, id="", account_id=1, events=(), tries=7, next_us=0, first_us=now_us
        )
        return [replace(plain, id=f"{endpoint}-{n}", next_us=DEAD_FROM_US + now_us + n) for n in range(count)]

    async with house(tmp_path / "s.db", [MemoryCarrier(1)], clock=clock, dead_letters=600) as here:
        await here.store.commit(Changes(deliveries=[*dead("many", 1700), *dead("few", 600)]))
        assert await here.pipeline.rescue.purge() == 1100
        left = await here.store.deliveries("many", DEAD_FROM_US, 2 * DEAD_FROM_US - 1, 5000)
        assert [one.id for one in left] == [f"many-{n}" for n in reversed(range(1100, 1700))]
        assert len(await here.store.deliveries("few", DEAD_FROM_US, 2 * DEAD_FROM_US - 1, 5000)) == 600
        assert await here.pipeline.rescue.purge() == 0
        assert here.pipeline.rescue._metrics.counts["heliograph_dropped_dead_letters"] == 1100
    assert said == [("many", 1100)]


async def test_receipts_find_their_message_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with house(path, [MemoryCarrier(1)]) as here:
        accepted = await here.send()
        await here.ends(accepted.message.id, State.SENT)
    carrier = MemoryCarrier(1)
    async with house(path, [carrier]) as here:
        carrier.receipt("c1", State.DELIVERED, handle="late")
        await here.ends(accepted.message.id, State.DELIVERED)
        await here.until(lambda: carrier.acknowledged)
        assert carrier.acknowledged == [("late", True)]


async def test_a_receipt_for_nothing_is_kept_and_matched_when_its_submission_is_known(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "s.db", [carrier]) as here:
        carrier.receipt("c1", State.DELIVERED, handle="orphan")
        await here.until(lambda: carrier.acknowledged)
        here.pipeline.receipts._parked.clear()  # as after a restart
        accepted = await here.send()
        await here.ends(accepted.message.id, State.SENT)
        assert await here.pipeline.receipts.match_orphans() == 1
        await here.ends(accepted.message.id, State.DELIVERED)
        assert await here.pipeline.receipts.match_orphans() == 0


async def _burn(*_: object, **__: object) -> None:
    """Nothing is stopped in order."""


async def test_the_audit_log_is_kept_for_as_long_as_is_set(tmp_path: Path) -> None:
    clock = HandClock()
    async with house(tmp_path / "audit.db", [], clock=clock) as here:
        entries = [
            AuditEntry(at_us=clock.now_us() + at, actor="x", action="make", object_kind="key", object_name=str(at))
            for at in range(3)
        ]
        await here.store.administer(Administration(at_us=clock.now_us(), audit=entries))
        clock.wall_us += 730 * 86_400 * 1_000_000 + 1
        await here.pipeline.rescue.purge()
        assert [one.object_name for one in await here.store.audit(AuditFilter())] == ["2", "1"]


async def test_a_token_for_browsers_goes_a_day_after_its_end(tmp_path: Path) -> None:
    clock = HandClock()
    async with house(tmp_path / "tokens.db", [], clock=clock) as here:
        account = await ensure_account(here.store, "shop", clock.now_us())
        tokens = [
            Credential(
                id=0, account_id=account.id, prefix=f"hg_pub_live_{at}", hash=bytes([at]) * 32, scopes=(),
                kind=PUBLISHABLE, created_us=clock.now_us(), expires_us=clock.now_us() + at * 1_000_000,
            )
            for at in range(3)
        ]  # fmt: skip
        change = Administration(at_us=clock.now_us(), credentials=[(one, 0) for one in tokens])
        await here.store.administer(change)
        for skipped_us, left in ((86_400_000_000, 3), (1, 2), (1_000_000, 1)):
            clock.wall_us += skipped_us
            await here.pipeline.rescue.purge()
            assert len(await here.store.credentials(PUBLISHABLE)) == left
