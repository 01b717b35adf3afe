"""The comparison on a small scale: each gateway that is here takes everything and calls back for all of it."""

from __future__ import annotations

import shutil

import pytest

from heliograph.bench.compare import compare
from heliograph.bench.options import Options


def test_heliograph_is_measured_and_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    figures, text, good = compare(Options(messages=200, warmup=20, connections=8))
    assert good
    [ours] = figures
    assert (ours.called_back, ours.refused) == (200, 0)
    assert ours.cpu_us > 0
    assert "apt-get install kannel" in text
    assert "Jasmin is not installed" in text


def test_whoever_is_installed_is_compared() -> None:
    figures, text, _ = compare(Options(messages=100, warmup=10, connections=8))
    names = [one.gateway for one in figures]
    assert ("Kannel, spool on disk" in names) == bool(shutil.which("bearerbox"))
    assert ("Jasmin, RabbitMQ" in names) == bool(shutil.which("jasmind.py"))
    assert [one.called_back for one in figures] == [100] * len(names)
    assert all(name in text for name in names)
