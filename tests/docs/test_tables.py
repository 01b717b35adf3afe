"""Tables and figures that pages repeat from the code."""

from __future__ import annotations

import re

import pytest

from heliograph import app
from heliograph.contracts import Changes
from heliograph.delivery import ledger, submission, webhooks
from heliograph.delivery.eventwords import EVENT_TYPES
from heliograph.delivery.lane import LaneLimits, lane, permits
from heliograph.delivery.outbox import Bounds
from heliograph.delivery.rescue import RescueSettings
from heliograph.delivery.views import EventView, MessageView
from heliograph.errors import Retry
from heliograph.ingress.protocol import HEADER_OCTETS
from heliograph.model import END, SCOPES, State
from heliograph.model.ids import IdSource
from heliograph.rules import fairness, pacing, retry
from heliograph.rules.errorcodes import STAT_WORDS
from heliograph.rules.redelivery import MOST_AGE_US, RETRY_WAITS_S
from heliograph.rules.retry import PLANS, Plan
from heliograph.smpp import constants
from heliograph.store.groupcommit import MAX_ROWS
from tests.docs.pages import table_words, text

STATES = "docs/explanation/states.md"
EVENTS = "docs/reference/events.md"
RETRY = "docs/explanation/design/0004-retry.md"


def test_every_state_is_explained_with_its_rank_and_whether_it_is_an_end() -> None:
    page = text(STATES)
    for state in State:
        end = "yes" if state >= END else ""
        assert f"| `{state.word}` | {int(state)} | {end}".rstrip() in page


def test_every_word_of_a_receipt_is_explained() -> None:
    page = text(STATES)
    rows = dict(re.findall(r"^\| (`[A-Z`, ]+`)[^|]* \| `(\w+)`", page, re.MULTILINE))
    told = {word: state for words, state in rows.items() for word in re.findall(r"\w+", words)}
    assert told == {word: meant.state.word for word, meant in STAT_WORDS.items()}


def test_every_event_is_in_its_page() -> None:
    assert set(EVENT_TYPES.values()) | {"message.contradiction"} <= set(table_words(EVENTS))


def test_the_example_of_an_event_has_the_fields_of_an_event() -> None:
    page = text(EVENTS)
    for field in EventView.__struct_fields__:
        assert f'"{field}"' in page or f"| `{field}` |" in page
    always = [name for name in MessageView.__struct_encode_fields__ if name not in _NOT_IN_EVENTS]
    for field in always:
        assert f'"{field}"' in page


_NOT_IN_EVENTS = (
    "send_at",
    "schedule",
    "data",
    "udh",
    "segment_list",
    "attempts",
    "connector",
    "route",
    "route_reason",
    "carrier_status",
    "carrier_message_id",
    "text_changes",
    "sandbox",
    "account",
)


def test_every_scope_is_explained() -> None:
    page = text("docs/explanation/security.md")
    assert all(f"`{scope}`" in page for scope in SCOPES)


def status_names() -> dict[int, str]:
    """Each status with its name in the book."""
    names: dict[int, str] = {}
    for name, value in vars(constants).items():
        if name.startswith("ESME_R"):
            names.setdefault(value, name)
    return names


def follows(plan: Plan) -> str:
    """A plan in the words of the page."""
    if plan.retry is Retry.NEVER:
        return "the end: `rejected`"
    if plan.retry is Retry.LATER:
        doubling = f", doubling to {plan.longest_wait_s:g} s" if plan.longest_wait_s > plan.wait_s else ""
        then = ", then the next connector" if plan.then_elsewhere else ""
        return f"again after {plan.wait_s:g} s{doubling}; {plan.tries} tries in all{then}"
    without = f"; without one {plan.tries} tries, {plan.wait_s:g} s apart" if plan.tries > 1 else ""
    return f"the next connector at once{without}"


def test_the_table_of_retries_is_the_codes() -> None:
    rows = [
        (set(re.findall(r"\w+", names)), code, what.strip(), bool(lane_rests.strip()))
        for names, code, what, lane_rests in re.findall(
            r"^\| (`ESME_[^|]*) \| `(\w+)` \| ([^|]*) \|([^|]*)\|$", text(RETRY), re.MULTILINE
        )
    ]
    names = status_names()
    told = {name: row[1:] for row in rows for name in row[0]}
    assert told == {names[status]: (plan.code, follows(plan), plan.pauses_lane) for status, plan in PLANS.items()}
    assert f"| any other | `{retry.plan_of(retry.failure_of(0x7FFF)).code}` |" in text(RETRY)


def span(seconds: float) -> str:
    """Seconds in the words of the pages: 5 s, 30 min, 10 h."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def retry_words() -> str:
    """The waits of a webhook's tries."""
    *waits, last = (span(wait) for wait in RETRY_WAITS_S)
    return f"{', '.join(waits)} and {last}"


FIGURES = (
    ("docs/howto/webhooks.md", retry_words()),
    ("docs/howto/webhooks.md", f"{MOST_AGE_US // 3_600_000_000} hours"),
    ("docs/howto/webhooks.md", f"up to {webhooks._MOST_ENDPOINTS} webhooks"),
    ("docs/howto/first-message.md", f"for {submission.CLAIM_LIFE_US // 3_600_000_000} hours"),
    ("docs/explanation/flow.md", f"{LaneLimits().account_segments:,} of one class and account"),
    (
        "docs/explanation/flow.md",
        "one-time codes have {} parts, transactional messages {}, promotional ones {}".format(*fairness.SHARES),
    ),
    ("docs/explanation/flow.md", f"{fairness._QUANTUM} segments each"),
    ("docs/explanation/flow.md", f"{Bounds().waiting:,} events an endpoint, {Bounds().waiting_all:,} in all"),
    ("docs/explanation/flow.md", f"after {RescueSettings().parts_wait_s / 3600:g} hours"),
    ("docs/explanation/flow.md", f"{RescueSettings().receipt_grace_s / 3600:g} h past their validity"),
    ("docs/explanation/flow.md", f"| {span(RescueSettings().lanes_every_s)} | work in the store"),
    ("docs/explanation/flow.md", f"| {span(RescueSettings().expiry_every_s)} | messages waiting"),
    ("docs/explanation/flow.md", f"| {span(RescueSettings().overdue_every_s)} | messages still open"),
    ("docs/explanation/flow.md", f"| {RescueSettings().purge_every_s:g} s | what is past"),
    ("docs/explanation/flow.md", f"no link for {lane._UNBOUND_S:g} s"),
    ("docs/explanation/durability.md", f"at most {permits._MOST_AHEAD:,} segments"),
    ("docs/explanation/durability.md", f"{permits._PACED_AHEAD_S * 1000:g} ms of the pace"),
    ("docs/explanation/durability.md", f"longer than {ledger._PATIENCE_S:g} s for a busy store"),
    ("docs/explanation/durability.md", f"carriers have up to {app._DRAIN_S:g} s"),
    ("docs/explanation/security.md", f"headers ({HEADER_OCTETS // 1024} KiB)"),
    ("docs/explanation/design/0002-wire-rows-per-lane.md", f"at\nmost {permits._MOST_AHEAD:,} segments"),
    ("docs/explanation/design/0005-outbox-positions.md", f"Above {Bounds().waiting:,} waiting facts"),
    ("docs/explanation/design/0006-one-batch-a-turn.md", f"({MAX_ROWS:,})"),
    (RETRY, f"gives back a {'twentieth' if pacing.RECOVERY_STEPS == 20 else '?'}"),
)


@pytest.mark.parametrize(("page", "words"), FIGURES, ids=lambda part: part[-40:])
def test_a_figure_in_a_page_is_the_codes(page: str, words: str) -> None:
    assert words in text(page)


def test_the_page_of_ids_says_what_ids_are() -> None:
    [made] = IdSource().take(1, 1_800_000_000_000_000)
    assert (len(made), made[0]) == (20, "m")
    assert "`m` and 19 digits of base 32" in text("docs/explanation/design/0001-message-ids.md")


def test_the_glossary_has_the_words_of_the_rows() -> None:
    page = text("docs/glossary.md")
    fields = set(Changes.__dataclass_fields__)
    for word, field in (("attempt", "attempts"), ("correlation", "correlations"), ("orphan", "orphans")):
        assert field in fields
        assert f"**{word}**" in page
