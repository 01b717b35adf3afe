"""Our stable words, and what a receipt's words mean."""

from __future__ import annotations

import re

import pytest

from heliograph.model import State
from heliograph.rules.errorcodes import ERROR_CODES, GSM_MAP_ERRORS, STAT_WORDS, Reported, reported
from heliograph.smpp.constants import MESSAGE_STATES


def test_every_word_is_plain_and_has_a_sentence() -> None:
    for code, sentence in ERROR_CODES.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
        assert sentence[0].isupper()
        assert sentence.endswith(".")


def test_every_failure_that_a_receipt_can_report_has_a_word() -> None:
    for meaning in STAT_WORDS.values():
        if meaning.state in (State.SENT, State.DELIVERED):
            assert meaning.error is None
        else:
            assert meaning.error in ERROR_CODES


@pytest.mark.parametrize(
    ("stat", "state"),
    [
        ("DELIVRD", State.DELIVERED),
        ("delivrd", State.DELIVERED),
        (" Delivered ", State.DELIVERED),
        ("UNDELIV", State.UNDELIVERED),
        ("EXPIRED", State.EXPIRED),
        ("REJECTD", State.REJECTED),
        ("DELETED", State.CANCELED),
        ("SKIPPED", State.UNDELIVERED),
        ("ACCEPTD", State.SENT),
        ("ENROUTE", State.SENT),
        ("UNKNOWN", State.SENT),
        ("FAILED", State.UNDELIVERED),
        ("PONDERING", State.SENT),
        ("", State.SENT),
    ],
)
def test_what_a_stat_means(stat: str, state: State) -> None:
    assert reported(stat).state is state


def test_every_message_state_of_the_standard_has_a_meaning() -> None:
    assert set(MESSAGE_STATES.values()) <= set(STAT_WORDS)


def test_an_unknown_word_is_news_but_never_an_end() -> None:
    assert reported("WHATEVER") == Reported(State.SENT)


def test_causes_of_the_network_have_words_of_ours() -> None:
    assert set(GSM_MAP_ERRORS.values()) <= set(ERROR_CODES)
