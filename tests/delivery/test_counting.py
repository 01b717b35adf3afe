"""What the counter makes of facts is what a recount of the messages gives, to the unit, whatever befell them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.contracts import TallyRow
from heliograph.delivery.counting import _dimensions, tallies_of
from heliograph.delivery.figures import METRICS, Totals, grouped
from heliograph.model import END, Direction, Fact, IdSource, Live, Message, Progress, SegmentProgress, State
from heliograph.rules.delays import bucket_of
from heliograph.rules.lifecycle import News, advance, fact_of

HOUR = 3_600_000_000
NOW = 1_800_000_000_000_000
ERRORS = ("recipient_invalid", "expired")

ends = st.sampled_from((State.UNKNOWN, State.EXPIRED, State.UNDELIVERED, State.REJECTED, State.DELIVERED, State.READ))
lives = st.lists(
    st.tuples(
        st.integers(1, 3),  # segments
        st.integers(0, 2 * HOUR),  # when it was accepted
        st.booleans(),  # handed over
        st.lists(st.tuples(ends, st.integers(1, 9_000_000), st.sampled_from(ERRORS)), max_size=4),
    ),
    max_size=12,
)


def lived(ids: IdSource, life: Any) -> tuple[Live, list[Fact], int]:
    """A message after its news, its facts, and the state that was told of it last."""
    segments, after_us, sent, news = life
    at_us = NOW + after_us
    message = Message(
        id=ids.take(1, at_us)[0], account_id=1, sender="A", recipient="+1", accepted_us=at_us, expires_us=0,
        segments=segments, country=("DE", None)[segments % 2],
    )  # fmt: skip
    parts = [SegmentProgress(number=n + 1) for n in range(segments)] if segments > 1 else None
    live = Live(message, Progress(), segments=parts)
    facts = [fact_of(message, 1, State.QUEUED, at_us, 1)]
    told = 0
    steps = [(n + 1, State.SENT, at_us + n, None) for n in range(segments)] if sent else []
    for state, later, error in news:
        why = "receipt_missing" if state == State.UNKNOWN else error
        steps += [(n + 1, state, at_us + later, why) for n in range(segments)]
    for number, state, when, error in steps:
        step = advance(live, News(number, state, when, 1, "c", None, error))
        if step.progress is None:
            continue
        live.progress = step.progress
        if step.segment is not None and live.segments is not None:
            live.segments[number - 1] = step.segment
        if step.fact is not None:
            facts.append(step.fact)
            told = step.fact.state
    return live, facts, told


@given(lives)
@settings(max_examples=150, deadline=None)
def test_counts_of_facts_are_a_recount_of_messages(given: Any) -> None:
    ids = IdSource()
    counts: dict[int, Counter[Any]] = defaultdict(Counter)
    wanted: dict[int, Totals] = defaultdict(Totals)
    failures: Counter[str] = Counter()
    for life in sorted(given, key=lambda one: one[1]):
        live, facts, told = lived(ids, life)
        message, progress = live.message, live.progress
        hour = message.accepted_us - message.accepted_us % HOUR
        counts[hour].update(map(_dimensions, facts))
        of = wanted[hour]
        of.accepted += 1
        of.segments += message.segments
        if progress.sent_us is not None:
            of.sent += 1
            of.segments_sent += message.segments
        if told >= END:
            of._end(told, 1)
            if told < State.DELIVERED and told != State.UNKNOWN:
                failures[_error_told(facts)] += 1
        receipt = next((fact for fact in facts if fact.state > State.UNKNOWN), None)
        if receipt is not None and progress.sent_us is not None:
            of.receipts += 1
            of.waits[bucket_of(receipt.at_us - progress.sent_us)] += 1
    tallies = tallies_of(counts)
    rows = [
        TallyRow(at, None, None, None, None, None, None, None, event, was, waited, *counted)
        for (at, *_, event, was, _error, waited), counted in tallies.items()
    ]
    assert {group[0]: totals for group, totals in grouped(rows, ()).items()} == dict(wanted)
    for totals in wanted.values():
        assert totals.receipts <= totals.sent <= totals.accepted
        assert all(figure(totals) is not None for figure in METRICS.values() if totals.receipts)
    by_error = [
        TallyRow(0, None, None, None, None, None, None, error, event, was, waited, *counted)
        for (*_, event, was, error, waited), counted in tallies.items()
    ]
    assert {group[-1]: of.failed for group, of in grouped(by_error, ("error",)).items()} == dict(failures)


def _error_told(facts: list[Fact]) -> str:
    return next(fact.error or "" for fact in facts if fact.state >= END)


def test_a_reply_is_counted_and_its_sender_is_nobodys_figure() -> None:
    message = Message(
        id=IdSource().take(1, NOW)[0], account_id=7, sender="+49151", recipient="12345", accepted_us=NOW, expires_us=0,
        direction=Direction.IN,
    )  # fmt: skip
    [tally] = tallies_of({NOW: Counter(map(_dimensions, [fact_of(message, 1, State.RECEIVED, NOW, 2)]))})
    assert tally == (NOW, 7, Direction.IN, "", "", "", 2, 1, State.RECEIVED, 0, "", -1)
