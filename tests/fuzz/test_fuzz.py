"""A short round of every fuzz target, and the engine itself."""

import random
import time

import pytest

from tests.fuzz import engine
from tests.fuzz.__main__ import main
from tests.fuzz.engine import Target, fuzz, mutate, peak_mib, targets

TARGETS = {target.name: target for target in targets()}


@pytest.mark.parametrize("name", TARGETS)
def test_any_octets_are_taken_in_bounded_memory(name: str) -> None:
    before = peak_mib()
    figures = fuzz([TARGETS[name]], seconds=10, most=400)
    assert figures.findings == []
    assert figures.cases[name] >= 400
    assert peak_mib() - before < 64


def test_an_exception_is_a_finding_with_its_octets() -> None:
    def refuses_sevens(octets: bytes) -> None:
        assert b"7" not in octets

    figures = fuzz([Target(name="sevens", run=refuses_sevens)], seconds=5, most=5_000)
    assert figures.findings
    assert all(b"7" in finding.octets for finding in figures.findings)


def test_a_case_without_end_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(octets: bytes) -> None:
        while len(octets) > 2:
            time.monotonic()

    monkeypatch.setattr(engine, "CASE_SECONDS", 0.01)
    figures = fuzz([Target(name="waits", run=waits)], seconds=0)
    assert figures.findings[0].error.startswith("TooSlow")


def test_the_same_seed_gives_the_same_cases() -> None:
    def cases(seed: int) -> list[bytes]:
        seen: list[bytes] = []
        fuzz([Target(name="any", run=seen.append)], seconds=10, seed=seed, most=300)
        return seen

    assert cases(1) == cases(1) != cases(2)


def test_mutations_are_bounded() -> None:
    chance = random.Random(3)
    octets = b"seed"
    for _ in range(2_000):
        octets = mutate(octets, chance, [octets, b"other"])
        assert len(octets) <= engine.MAX_OCTETS


def test_the_command_tells_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "0.1", "--only", "sms.udh"]) == 0
    assert "0 findings" in capsys.readouterr().out
