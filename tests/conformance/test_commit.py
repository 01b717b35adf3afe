"""Commits: what was told as kept is there, what was named as refused is not, and nobody harms a stranger."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from heliograph.contracts import Acceptance, Changes, Committed, Store
from heliograph.errors import StoreError
from heliograph.model import Attempt, Content, ContentKind, Direction, LoggedEvent, OptOut, SegmentProgress, State
from heliograph.store import open_store
from tests.conformance.values import HOUR, NOW, Make
from tests.store.settling import settled


async def test_a_message_is_read_back_as_it_was_written(store: Store, make: Make) -> None:
    plain = make.born(octets="grüße".encode())
    full = make.new(
        account_id=7, sender="12345", recipient="54321", direction=Direction.IN, channel="sms", type=2, sender_kind=1,
        recipient_kind=1, encoding=1, segments=3, reference=200, at_most_once=True, flash=True, receipt_wanted=False,
        entrance="smpp", entrance_data='{"a":1}', client_ref="ref", tags='["x"]', metadata='{"k":"ü"}',
        callback='{"url":"https://x"}', route="r", route_reason="prefix", country="DE", network="26201",
        currency="EUR", price="0.075", state=State.HELD, version=4, connector_id=3, owner=9, due_us=NOW + 1,
        attempts=2, sent_us=NOW, ended_us=NOW + 5, sent_seq=2, ended_seq=3, last_seq=4, carrier_message_id="c-1",
        status=0x58, error="throttled", segments_delivered=1, possible_duplicate=True,
        content=Content(kind=ContentKind.DATA, octets=b"\x06\x05\x04\x00", udh_octets=2, key_id=5),
    )  # fmt: skip
    await store.commit(make.accept(plain, full))
    for new in (plain, full):
        record = await store.message(new.message.account_id, new.message.id)
        assert record is not None
        assert (record.message, record.progress, record.content) == (new.message, new.progress, new.content)
        assert record.segments == (new.segments or ())


@pytest.mark.parametrize("count", [1, 2, 3, 31, 129, 1_000])
async def test_many_messages_in_one_acceptance(store: Store, make: Make, count: int) -> None:
    news = [make.born(recipient=f"+49151{n:07}") for n in range(count)]
    await store.commit(make.accept(*news))
    lives = await store.live([(1, new.message.id) for new in news])
    assert {live.message.recipient for live in lives.values()} == {new.message.recipient for new in news}


async def test_what_is_told_is_durable(store: Store, make: Make) -> None:
    new = make.born()
    told: asyncio.Future[Committed | StoreError] = asyncio.get_running_loop().create_future()
    store.keep(make.accept(new), told.set_result)
    assert isinstance(await told, Committed)
    assert await store.message(1, new.message.id) is not None


async def test_ids_are_found_exactly(store: Store, make: Make) -> None:
    new = make.born()
    await store.commit(make.accept(new))
    last = "1" if new.message.id[-1] == "0" else "0"
    nearly = new.message.id[:-1] + last
    assert await store.message(1, nearly) is None
    assert await store.live([(1, nearly)]) == {}


async def test_strangers_find_nothing(store: Store, make: Make) -> None:
    new = make.born(account_id=1)
    event = LoggedEvent(message_id=new.message.id, account_id=1, sequence=5, at_us=NOW, kind="contradiction")
    await store.commit(make.accept(new, logged=[event]))
    assert await store.message(2, new.message.id) is None
    assert await store.records([(2, new.message.id)]) == {}
    assert await store.live([(2, new.message.id)]) == {}
    assert await store.logged(2, new.message.id) == []
    assert (await store.commit(Changes(updates=[replace(make.sent(new), account_id=2)]))).stale == {new.message.id}
    assert await store.logged(1, new.message.id) == [event]


async def test_updates_are_kept(store: Store, make: Make) -> None:
    new = make.born()
    await store.commit(make.accept(new))
    update = make.sent(new, carrier_message_id="c1", status=0, attempts=1)
    assert (await store.commit(Changes(updates=[update]))).stale == set()
    record = await store.message(1, new.message.id)
    assert record is not None
    assert record.progress == update.progress


async def test_a_stale_update_changes_nothing_and_takes_its_rows_along(store: Store, make: Make) -> None:
    one, two = make.born(segments=2), make.born()
    await store.commit(make.accept(one, two))
    await store.commit(Changes(updates=[make.sent(one)]))
    late = Changes(
        updates=[make.update(one, 1, state=State.FAILED), make.sent(two)],
        segments=[(one.message.id, 1, SegmentProgress(number=1, state=State.FAILED))],
        correlations=[make.correlation(one, "one"), make.correlation(two, "two")],
        facts=[make.fact(one), make.fact(two)],
    )
    committed = await store.commit(late)
    assert committed.stale == {one.message.id}
    lives = await store.live([(1, one.message.id), (1, two.message.id)])
    assert lives[one.message.id].progress.state == State.SENT
    assert lives[two.message.id].progress.state == State.SENT
    assert [segment.state for segment in lives[one.message.id].segments or ()] == [State.QUEUED, State.QUEUED]
    assert set(await store.correlate([(1, "one"), (1, "two")])) == {(1, "two")}
    await settled(store, committed.position)
    ((_, facts),) = (await store.outbox(0, 10)).rows
    assert [fact.message_id for fact in facts] == [two.message.id]


async def test_an_update_to_the_version_that_is_there_already_is_stale(store: Store, make: Make) -> None:
    new = make.born()
    await store.commit(make.accept(new))
    await store.commit(Changes(updates=[make.sent(new)]))
    assert (await store.commit(Changes(updates=[make.sent(new, error="other")]))).stale == {new.message.id}
    assert (await store.live([(1, new.message.id)]))[new.message.id].progress.error is None


async def test_an_update_of_a_message_that_is_not_there_is_stale(store: Store, make: Make) -> None:
    there, gone = make.born(), make.born()
    await store.commit(make.accept(there))
    committed = await store.commit(Changes(updates=[make.sent(there), make.sent(gone)]))
    assert committed.stale == {gone.message.id}
    assert await store.message(1, gone.message.id) is None


async def test_one_caller_stale_harms_no_other(store: Store, make: Make) -> None:
    news = [make.born() for _ in range(200)]
    await store.commit(make.accept(*news))
    await store.commit(Changes(updates=[make.sent(news[77])]))
    answers = await asyncio.gather(*(store.commit(Changes(updates=[make.sent(new)])) for new in news))
    assert [n for n, answer in enumerate(answers) if answer.stale] == [77]
    lives = await store.live([(1, new.message.id) for new in news])
    assert all(live.progress.version == 2 for live in lives.values())


async def test_response_and_receipt_at_once(store: Store, make: Make) -> None:
    new = make.born()
    await store.commit(make.accept(new))
    answers = await asyncio.gather(
        store.commit(Changes(updates=[make.sent(new)], correlations=[make.correlation(new, "c")])),
        store.commit(Changes(updates=[make.delivered(new)])),
    )
    assert [answer.stale for answer in answers] == [set(), set()]
    progress = (await store.live([(1, new.message.id)]))[new.message.id].progress
    assert (progress.state, progress.version, progress.ended_seq) == (State.DELIVERED, 3, 3)


async def test_commits_hold_in_the_order_of_the_calls(store: Store, make: Make) -> None:
    new = make.born()
    await store.commit(make.accept(new))
    calls = [store.commit(Changes(updates=[make.update(new, base, attempts=base)])) for base in range(1, 40)]
    assert all(not answer.stale for answer in await asyncio.gather(*calls))
    progress = (await store.live([(1, new.message.id)]))[new.message.id].progress
    assert (progress.version, progress.attempts) == (40, 39)


async def test_segments_and_attempts_are_shown(store: Store, make: Make) -> None:
    new = make.born(segments=3)
    await store.commit(make.accept(new))
    second = SegmentProgress(
        number=2, state=State.SENT, connector_id=1, attempts=2, sent_us=NOW, carrier_message_id="c2", status=0,
        error=None, possible_duplicate=True,
    )  # fmt: skip
    attempt = Attempt(
        message_id=new.message.id, account_id=1, segment=2, number=1, connector_id=1, at_us=NOW, status=0x58,
        error="throttled", carrier_message_id=None,
    )  # fmt: skip
    await store.commit(Changes(updates=[make.update(new)], segments=[(new.message.id, 1, second)], attempts=[attempt]))
    record = await store.message(1, new.message.id)
    assert record is not None
    assert record.segments == (SegmentProgress(number=1), second, SegmentProgress(number=3))
    assert record.attempts == (attempt,)
    live = (await store.live([(1, new.message.id)]))[new.message.id]
    assert live.segments == list(record.segments)
    assert live.parts == ()


async def test_logged_events_come_in_order(store: Store, make: Make) -> None:
    new = make.born()
    events = [
        LoggedEvent(
            message_id=new.message.id, account_id=1, sequence=n, at_us=NOW - n, kind="contradiction", detail="{}"
        )
        for n in (5, 3, 4)
    ]
    await store.commit(make.accept(new, logged=events[:2]))
    await store.commit(Changes(logged=events[2:]))
    assert [event.sequence for event in await store.logged(1, new.message.id)] == [3, 4, 5]


# --- idempotency ------------------------------------------------------------------------------------
async def test_a_key_is_taken_until_it_expires(store: Store, make: Make) -> None:
    first = make.claim(made='{"ids":["m1"]}')
    one, two, three = make.born(), make.born(), make.born()
    await store.commit(make.accept(one, claim=first))
    lost = await store.commit(make.accept(two, claim=make.claim(body_hash=b"x" * 32), facts=[make.fact(two)]))
    assert lost.lost == {0: first}
    assert await store.message(1, two.message.id) is None
    assert (await store.outbox(0, 10)).rows == ()
    later = make.claim(created_us=first.expires_us + 1, expires_us=first.expires_us + HOUR)
    assert (await store.commit(make.accept(three, claim=later))).lost == {}
    assert await store.claims([(1, "http", "k")], later.created_us) == {(1, "http", "k"): later}


async def test_two_of_one_key_at_once_have_one_winner(store: Store, make: Make) -> None:
    news = [make.born() for _ in range(20)]
    calls = [store.commit(make.accept(new, claim=make.claim(made=new.message.id))) for new in news]
    answers = await asyncio.gather(*calls)
    winners = [new for new, answer in zip(news, answers, strict=True) if not answer.lost]
    assert winners == news[:1]
    assert {answer.lost[0].made for answer in answers[1:]} == {news[0].message.id}
    assert set(await store.live([(1, new.message.id) for new in news])) == {news[0].message.id}


async def test_keys_are_each_accounts_own(store: Store, make: Make) -> None:
    claims = [make.claim(account_id=1), make.claim(account_id=2), make.claim(scope="inbound"), make.claim(key="K")]
    answers = await asyncio.gather(*(store.commit(make.accept(make.born(), claim=claim)) for claim in claims))
    assert all(not answer.lost for answer in answers)
    keys = [(claim.account_id, claim.scope, claim.key) for claim in claims]
    assert await store.claims([*keys, (3, "http", "k")], NOW) == dict(zip(keys, claims, strict=True))
    assert await store.claims(keys, claims[0].expires_us) == {}


async def test_a_lost_acceptance_harms_none_beside_it(store: Store, make: Make) -> None:
    await store.commit(make.accept(make.born(), claim=make.claim("taken")))
    free, lost, alone = make.born(), make.born(), make.born()
    changes = Changes(
        acceptances=[
            Acceptance([free], claim=make.claim("free")),
            Acceptance([lost], claim=make.claim("taken")),
            Acceptance([alone]),
        ]
    )
    answer = await store.commit(changes)
    assert set(answer.lost) == {1}
    found = await store.live([(1, new.message.id) for new in (free, lost, alone)])
    assert set(found) == {free.message.id, alone.message.id}


# --- opt-outs ---------------------------------------------------------------------------------------
async def test_who_opts_out_between_gather_and_commit_is_not_written_to(store: Store, make: Make) -> None:
    assert await store.opted_out([(1, "+49")]) == set()
    await store.add_opt_outs([OptOut(account_id=1, recipient="+49", created_us=NOW)])
    gone, kept = make.born(recipient="+49"), make.born(recipient="+50")
    stranger, inbound = make.born(recipient="+49", account_id=2), make.new(recipient="+49", direction=Direction.IN)
    changes = Changes(
        acceptances=[Acceptance([gone, make.born()]), Acceptance([kept]), Acceptance([stranger]), Acceptance([inbound])]
    )
    answer = await store.commit(changes)
    assert answer.opted_out == {0: frozenset({"+49"})}
    assert await store.message(1, gone.message.id) is None
    for new in (kept, stranger, inbound):
        assert await store.message(new.message.account_id, new.message.id) is not None


async def test_an_opt_out_by_another_process_holds_in_the_next_commit(store: Store, url: str, make: Make) -> None:
    command = open_store(url, serve=False)
    await command.open()
    await command.add_opt_outs([OptOut(account_id=1, recipient="+49", created_us=NOW)])
    answer = await store.commit(make.accept(make.born(recipient="+49")))
    assert answer.opted_out == {0: frozenset({"+49"})}
    await command.remove_opt_outs([(1, "+49")])
    assert (await store.commit(make.accept(make.born(recipient="+49")))).opted_out == {}
    await command.close()


async def test_nobody_who_opted_out_passes_the_filter(store: Store, url: str) -> None:
    rows = [OptOut(account_id=1 + n % 3, recipient=f"+49151{n:08}", created_us=NOW) for n in range(3_000)]
    assert await store.add_opt_outs(rows) == len(rows)
    assert await store.add_opt_outs(rows[:5]) == 0
    assert all(store.may_be_opted_out(row.account_id, row.recipient) for row in rows)
    others = [(4, row.recipient) for row in rows]
    assert sum(store.may_be_opted_out(*pair) for pair in others) < len(others) / 20
    asked = [(rows[0].account_id, rows[0].recipient), (9, rows[0].recipient)]
    assert await store.opted_out(asked) == {asked[0]}
    again = open_store(url, serve=False)
    await again.open()
    assert all(again.may_be_opted_out(row.account_id, row.recipient) for row in rows)
    await again.close()


# --- bounds and faults --------------------------------------------------------------------------------
async def test_rows_that_cannot_be_kept_fail_alone(store: Store, make: Make) -> None:
    good, twice = make.born(), make.born()
    bad = make.born(sender="\ud800")  # no UTF-8 has it
    await store.commit(make.accept(twice))
    calls = [make.accept(good), make.accept(bad), make.accept(twice), make.accept(make.born())]
    answers = await asyncio.gather(*(store.commit(call) for call in calls), return_exceptions=True)
    assert [isinstance(answer, StoreError) for answer in answers] == [False, True, True, False]
    assert await store.message(1, good.message.id) is not None


async def test_newest_id(store: Store, make: Make) -> None:
    assert await store.newest_id() is None
    news = [make.born() for _ in range(3)]
    for new in reversed(news):
        await store.commit(make.accept(new))
    assert await store.newest_id() == news[-1].message.id


async def test_an_empty_commit_is_one(store: Store) -> None:
    answer = await store.commit(Changes())
    assert (answer.position, answer.lost, answer.stale) == (0, {}, set())
