"""``heliograph inspect``"""

from __future__ import annotations

import io
import json

import pytest

from tests.cli.conftest import Run


def test_a_short_text_is_one_segment(run: Run) -> None:
    told = run("inspect", "hello")
    assert told.code == 0
    assert told.out.startswith("gsm7, 5 septets, 1 segment of up to 160\n")
    assert "155 septets left" in told.out


def test_what_forced_unicode_is_named(run: Run) -> None:
    told = run("inspect", "price: 5 ₴ or 6 ₴")
    assert told.out.startswith("ucs2, 17 UTF-16 units, 1 segment of up to 70\n")
    assert "because of '₴' U+20B4 HRYVNIA SIGN, character 10, 17" in told.out


def test_json_has_all_of_it(run: Run) -> None:
    found = json.loads(run("inspect", "x" * 161, "--json").out)
    assert (found["encoding"], found["unit"], found["length"]) == ("gsm7", "septets", 161)
    assert [segment["length"] for segment in found["segments"]] == [153, 8]


def test_a_text_may_come_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe"))
    assert "'from a pipe'" in run("inspect", "-").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("ж", "--encoding", "gsm7"), 1, "has no 'ж'"),
        (("x" * 40_000,), 1, "make it shorter"),
        (("x", "--encoding", "latin1"), 2, "auto, gsm7 or ucs2"),
    ],
)
def test_what_cannot_be_sent_is_told(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    told = run("inspect", *arguments)
    assert told.code == code
    assert words in told.err
