"""heliograph/store/postgres/store.py on its own; what every store promises is in tests/conformance."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.contracts import Acceptance, Changes, Claim, Correlation, ListFilter
from heliograph.errors import StoreError
from heliograph.model import Attempt, LoggedEvent, OptOut, State
from heliograph.store.postgres import PostgresStore
from tests.accounts import ensure_account
from tests.store.postgres.making import accept, fact, made, new, now_us, step
from tests.store.settling import settled


async def test_a_message_lives_through_its_whole_life(store: PostgresStore) -> None:
    account = await ensure_account(store, "demo", now_us())
    first = new(owner=store.node_id, account_id=account.id, metadata='{"a": "\\"é\\u0000"}')
    await store.commit(accept(first, wires={1: (first.message.id,)}))
    record = await store.message(account.id, first.message.id)
    assert record is not None
    assert (record.message, record.progress, record.content) == (first.message, first.progress, first.content)
    assert record.on_wire
    live = made(first)
    sent = step(live, state=State.SENT, owner=0, sent_us=now_us(), sent_seq=2, last_seq=2, carrier_message_id='a"\\b\n')
    link = Correlation(1, "ab", account.id, live.message.id, 1, 1)
    done = await store.commit(Changes(updates=[sent], correlations=[link], facts=[fact(live)], wires={1: ()}))
    assert not done.stale
    assert done.position > 0
    assert await store.correlate([(1, "ab"), (1, "zz")]) == {(1, "ab"): link}
    await settled(store, done.position)
    page = await store.outbox(0, 10)
    assert [(at, [one.message_id for one in facts]) for at, facts in page.rows] == [(done.position, [live.message.id])]
    assert (await store.live([(account.id, live.message.id)]))[live.message.id].progress == live.progress
    assert [record.progress for record in (await store.messages(account.id, ListFilter())).records] == [live.progress]


async def test_a_stale_update_takes_its_rows_with_it_and_nothing_else(store: PostgresStore) -> None:
    await ensure_account(store, "demo", now_us())
    one, two = new(owner=1), new(owner=1)
    await store.commit(accept(one, two))
    stale, good = made(one), made(two)
    await store.commit(Changes(updates=[step(made(one), state=State.SENT)]))
    wrong = store.commit(
        Changes(
            updates=[step(stale, state=State.FAILED)],
            facts=[fact(stale)],
            logged=[LoggedEvent(message_id=one.message.id, account_id=1, sequence=3, at_us=1, kind="x")],
        )
    )
    right = store.commit(Changes(updates=[step(good, state=State.SENT)], facts=[fact(good)]))
    answers = await asyncio.gather(wrong, right)
    assert [answer.stale for answer in answers] == [{one.message.id}, set()]
    await settled(store, max(answer.position for answer in answers))
    assert [fact.message_id for _, facts in (await store.outbox(0, 10)).rows for fact in facts] == [two.message.id]
    assert await store.logged(1, one.message.id) == []
    assert (await store.live([(1, one.message.id)]))[one.message.id].progress.state == State.SENT


async def test_the_first_claim_of_a_key_wins(store: PostgresStore) -> None:
    now = now_us()

    def claim(key: str, until: int = now + 10_000_000) -> Claim:
        return Claim(
            account_id=1, scope="http", key=key, body_hash=b"h" * 32, created_us=now, expires_us=until, made="{}"
        )

    def asked(key: str, until: int = now + 10_000_000) -> Changes:
        return Changes(acceptances=[Acceptance([new()], claim=claim(key, until))])

    answers = await asyncio.gather(*(store.commit(asked(key)) for key in "aba"))
    assert [bool(answer.lost) for answer in answers] == [False, False, True]
    assert answers[2].lost[0] == claim("a")
    again = await asyncio.gather(store.commit(asked("b")), store.commit(asked("c", now)))
    assert again[0].lost == {0: claim("b")}
    assert not again[1].lost
    assert not (await store.commit(asked("c"))).lost  # the earlier one has expired
    assert (await store.claims([(1, "http", "a"), (1, "http", "z")], now)).keys() == {(1, "http", "a")}


async def test_claimers_share_the_backlog_and_release_gives_it_back(store: PostgresStore, url: str) -> None:
    await ensure_account(store, "demo", now_us())
    waiting = [new() for _ in range(20)]
    await store.commit(accept(*waiting))
    other = PostgresStore(url)
    await other.open()
    try:
        assert other.node_id != store.node_id
        assert [(one.type, one.account_id) for one in await store.backlog(1, now_us())] == [(1, 1)]
        assert await store.waiting() == {(1, 1, 1)}
        taken = await asyncio.gather(
            *(node.claim(1, 1, 1, now_us=now_us(), limit=5) for node in (store, other, store, other))
        )
        ids = [live.message.id for part in taken for live, _ in part]
        assert sorted(ids) == sorted(message.message.id for message in waiting)
        assert taken[0][0][1] == waiting[0].content
        assert await store.waiting() == set()
        mine = [live for part in taken[::2] for live, _ in part]
        assert {live.progress.owner for live in mine} == {store.node_id}
        await store.commit(Changes(wires={1: (mine[0].message.id,)}))
        assert [live.message.id for live in await store.release()] == [mine[0].message.id]
        again = await store.claim(1, 1, 1, now_us=now_us(), limit=50)
        assert sorted(live.message.id for live, _ in again) == sorted(live.message.id for live in mine[1:])
    finally:
        await other.close()


async def test_a_restarted_process_recovers_what_its_number_had(url: str) -> None:
    first = PostgresStore(url)
    await first.open()
    await ensure_account(first, "demo", now_us())
    born, waiting = [new(owner=first.node_id) for _ in range(3)], new()
    await first.commit(accept(*born, waiting, wires={1: (born[1].message.id,)}))
    await first.claim(1, 1, 1, now_us=now_us(), limit=1)
    await first._raise_marks()
    await first.commit(accept(new()))
    assert first._born.written > ""
    await first.close()
    second = PostgresStore(url)
    await second.open()
    try:
        assert second.node_id == first.node_id
        assert [live.message.id for live in await second.release()] == [born[1].message.id]
        back = await second.claim(1, 1, 1, now_us=now_us(), limit=10)
        assert {born[0].message.id, born[2].message.id, waiting.message.id} < {live.message.id for live, _ in back}
        assert all(check.ok for check in await second.check())
    finally:
        await second.close()


async def test_rows_that_cannot_be_kept_fail_alone(store: PostgresStore) -> None:
    good, bad = new(), new(client_ref="no\0zero")
    answers = await asyncio.gather(store.commit(accept(good)), store.commit(accept(bad)), return_exceptions=True)
    assert not isinstance(answers[0], BaseException)
    assert isinstance(answers[1], StoreError)
    assert await store.message(1, bad.message.id) is None
    assert await store.message(1, good.message.id) is not None


async def test_an_opt_out_after_the_gather_step_stops_the_commit(store: PostgresStore, url: str) -> None:
    other = PostgresStore(url, serve=False)
    await other.open()
    try:
        assert not store.may_be_opted_out(1, "+491")
        assert await other.add_opt_outs([OptOut(account_id=1, recipient="+491", created_us=1)] * 2) == 1
        answers = await asyncio.gather(
            store.commit(accept(new(recipient="+491"))), store.commit(accept(new(recipient="+492")))
        )
        assert [answer.opted_out for answer in answers] == [{0: frozenset({"+491"})}, {}]
        await store._refresh_opt_outs(1e9)
        assert store.may_be_opted_out(1, "+491")
        assert await store.opted_out([(1, "+491"), (2, "+491")]) == {(1, "+491")}
        assert await other.remove_opt_outs([(1, "+491")]) == 1
        assert not (await store.commit(accept(new(recipient="+491")))).opted_out
    finally:
        await other.close()


async def test_long_messages_keep_their_segments_and_attempts(store: PostgresStore) -> None:
    long = new(segments=3, owner=1)
    await store.commit(accept(long))
    live = made(long)
    assert live.segments is not None
    changed = live.segments[1].__class__(number=2, state=State.SENT, connector_id=1, carrier_message_id="x")
    attempt = Attempt(message_id=live.message.id, account_id=1, segment=2, number=1, connector_id=1, at_us=5, status=88)
    await store.commit(Changes(updates=[step(live)], segments=[(live.message.id, 1, changed)], attempts=[attempt]))
    record = await store.message(1, live.message.id)
    assert record is not None
    assert record.segments == (live.segments[0], changed, live.segments[2])
    assert record.attempts == (attempt,)
    assert (await store.live([(1, live.message.id)]))[live.message.id].segments == list(record.segments)


@pytest.mark.parametrize("asked", [ListFilter(recipient="+491"), ListFilter(states=(State.SENT,))])
async def test_lists_are_filtered_and_newest_first(store: PostgresStore, asked: ListFilter) -> None:
    messages = [new(recipient=recipient, owner=1) for recipient in ("+491", "+492", "+491", "+492")]
    await store.commit(accept(*messages))
    await store.commit(Changes(updates=[step(made(one), state=State.SENT) for one in messages[::2]]))
    page = (await store.messages(1, asked)).records
    assert [record.message.id for record in page] == [messages[2].message.id, messages[0].message.id]
    assert (await store.messages(2, asked)).records == ()
