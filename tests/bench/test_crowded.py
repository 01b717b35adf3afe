"""Small runs with a crowd: what is measured must be there; the ratios are a quiet machine's to judge."""

from pathlib import Path

import msgspec
import pytest

from heliograph.bench.crowded import Waiting, waiting
from heliograph.bench.options import Options


def test_what_waited_for_a_carrier_that_was_down_arrives_when_it_comes(tmp_path: Path) -> None:
    options = Options(
        waiting=2_000, messages=200, warmup=50, connections=8, window=500, folder=str(tmp_path), timeout_s=30
    )
    found, text, _ = waiting(options)
    assert {report.load.accepted for report in found.before + found.after} == {200}
    assert [report.rows.states for report in found.before] == [{"queued": 200}] * 3
    assert (found.drained, found.lost) == (50 + 600 + 2_000 + 600, 0)
    assert found.full_mib > 10
    assert "drained" in text


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Waiting:
    folder = str(tmp_path_factory.mktemp("crowd"))
    return waiting(Options(waiting=100, messages=50, warmup=10, connections=4, folder=folder, timeout_s=30))[0]


def test_the_verdict_looks_at_all_that_has_a_target(found: Waiting) -> None:
    even = msgspec.structs.replace(found, after=found.before, empty_mib=100.0, full_mib=150.0, lost=0)
    assert (even.cpu_ratio, even.p99_ratio, even.good) == (1.0, 1.0, True)
    slow = [
        msgspec.structs.replace(one, load=msgspec.structs.replace(one.load, p99_ms=one.load.p99_ms * 1.3))
        for one in found.before
    ]
    assert not msgspec.structs.replace(even, after=slow).good
    assert not msgspec.structs.replace(even, full_mib=161.0).good
    assert not msgspec.structs.replace(even, lost=1).good
