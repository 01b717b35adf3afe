"""What follows a refusal: the table, overrides, and the bounds on waiting."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.errors import Retry, SubmitFailed
from heliograph.rules.errorcodes import ERROR_CODES
from heliograph.rules.retry import (
    PLANS,
    Again,
    Elsewhere,
    GiveUp,
    Override,
    failure_of,
    next_step,
    parse_override,
    parse_overrides,
)
from heliograph.smpp import constants as c

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000


def step(failure: SubmitFailed, attempts: int = 1, elsewhere: bool = False, left_us: int = DAY) -> object:
    return next_step(
        failure, attempts=attempts, tried_elsewhere_possible=elsewhere, now_us=NOW, expires_us=NOW + left_us
    )


ROWS = [
    # status, attempts, another connector?, what follows
    (c.ESME_RINVMSGLEN, 1, True, GiveUp("message_refused")),
    (c.ESME_RINVDSTADR, 1, True, GiveUp("recipient_invalid")),
    (c.ESME_RINVSRCADR, 1, True, GiveUp("sender_refused")),
    (c.ESME_RX_P_APPN, 1, True, GiveUp("carrier_refused")),
    (c.ESME_RSYSERR, 1, True, Again(NOW + 30_000_000)),
    (c.ESME_RSYSERR, 3, True, Elsewhere()),
    (c.ESME_RSYSERR, 3, False, GiveUp("carrier_error")),
    (c.ESME_RTHROTTLED, 1, True, Again(NOW + 1_000_000)),
    (c.ESME_RTHROTTLED, 3, False, Again(NOW + 4_000_000)),
    (c.ESME_RTHROTTLED, 20, False, Again(NOW + 30_000_000)),
    (c.ESME_RTHROTTLED, 60, False, GiveUp("carrier_throttled")),
    (c.ESME_RMSGQFUL, 12, True, Elsewhere()),
    (c.ESME_RMSGQFUL, 7, True, Again(NOW + 180_000_000)),
    (c.ESME_RSUBMITFAIL, 1, True, Elsewhere()),
    (c.ESME_RSUBMITFAIL, 1, False, GiveUp("carrier_refused")),
    (c.ESME_RINVDSTTON, 1, True, Elsewhere()),
    (c.ESME_RINVDSTTON, 1, False, Again(NOW + 60_000_000)),
    (c.ESME_RINVDSTTON, 3, False, GiveUp("carrier_setup")),
    (c.ESME_RINVBNDSTS, 1, True, Again(NOW + 30_000_000)),
    (c.ESME_RUNKNOWNERR, 1, True, Again(NOW + 30_000_000)),
    (c.ESME_RUNKNOWNERR, 2, True, Elsewhere()),
    (c.ESME_RINVOPTPARAMVAL, 1, True, GiveUp("message_refused")),
    (0x401, 1, True, Elsewhere()),
    (0x401, 1, False, Again(NOW + 30_000_000)),
    (0x401, 2, False, GiveUp("carrier_refused")),
    (0xDEADBEEF, 2, False, GiveUp("carrier_refused")),
]


@pytest.mark.parametrize(("status", "attempts", "elsewhere", "expected"), ROWS)
def test_what_follows_a_status(status: int, attempts: int, elsewhere: bool, expected: object) -> None:
    assert step(failure_of(status), attempts, elsewhere) == expected


def test_a_vendor_code_is_carried_as_a_number() -> None:
    assert failure_of(0x4A1).status == 0x4A1


def test_throttling_and_a_full_queue_pause_the_lane_and_a_bad_number_does_not() -> None:
    assert failure_of(c.ESME_RTHROTTLED).pauses_lane
    assert failure_of(c.ESME_RMSGQFUL).pauses_lane
    assert not failure_of(c.ESME_RINVDSTADR).pauses_lane


def test_every_status_of_the_standards_has_a_plan_and_a_documented_word() -> None:
    assert set(PLANS) == set(c.STATUSES) - {c.ESME_ROK}
    assert {plan.code for plan in PLANS.values()} <= set(ERROR_CODES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("never", Override(Retry.NEVER)),
        ("later", Override(Retry.LATER)),
        ("later:5", Override(Retry.LATER, 5.0)),
        (" Elsewhere ", Override(Retry.ELSEWHERE)),
        ("never:content_refused", Override(Retry.NEVER, None, "content_refused")),
        ("later:2.5:carrier_throttled", Override(Retry.LATER, 2.5, "carrier_throttled")),
    ],
)
def test_an_override_is_read(text: str, expected: Override) -> None:
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["", "sometimes", "later:soon", "never:1:2x"])
def test_a_bad_override_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is (not never|neither)"):
        parse_override(text)


def test_overrides_are_keyed_by_number() -> None:
    table = parse_overrides({"0x401": "never:content_refused", "88": "elsewhere"})
    assert table == {0x401: Override(Retry.NEVER, None, "content_refused"), 88: Override(Retry.ELSEWHERE)}
    with pytest.raises(ValueError, match="no status"):
        parse_overrides({"ESME_X": "never"})


def test_a_connector_s_own_word_beats_the_table() -> None:
    overrides = parse_overrides({"0x58": "elsewhere", "0x0B": "later:7", "0x401": "never:content_refused"})
    assert step(failure_of(0x58, overrides), elsewhere=True) == Elsewhere()
    assert step(failure_of(0x0B, overrides)) == Again(NOW + 7_000_000)
    assert step(failure_of(0x401, overrides), elsewhere=True) == GiveUp("content_refused")
    assert step(failure_of(0x402, overrides), elsewhere=True) == Elsewhere()


def test_a_wait_beyond_the_validity_becomes_half_of_what_is_left() -> None:
    assert step(failure_of(c.ESME_RSYSERR), left_us=20_000_000) == Again(NOW + 10_000_000)
    assert step(failure_of(c.ESME_RSYSERR), left_us=1_900_000) == GiveUp("expired")
    assert step(failure_of(c.ESME_RSYSERR), left_us=-5) == GiveUp("expired")


@given(
    status=st.sampled_from([*PLANS, 0x400, 0x7FFFFFFF]),
    verdict=st.sampled_from([None, "never", "later", "later:0", "later:100000", "elsewhere"]),
    elsewhere=st.booleans(),
    left_us=st.integers(-DAY, 7 * DAY),
)
@settings(max_examples=150, deadline=None)
def test_every_refusal_ends_and_no_wait_is_empty_or_beyond_the_validity(
    status: int, verdict: str | None, elsewhere: bool, left_us: int
) -> None:
    failure = failure_of(status, None if verdict is None else {status: parse_override(verdict)})
    now = NOW
    for attempts in range(1, 200):
        match next_step(
            failure,
            attempts=attempts,
            tried_elsewhere_possible=elsewhere and attempts < 5,
            now_us=now,
            expires_us=NOW + left_us,
        ):
            case GiveUp(code):
                assert code in ERROR_CODES
                return
            case Again(at_us):
                assert now + 1_000_000 <= at_us <= NOW + left_us
                now = at_us
    pytest.fail("the tries never ended")
