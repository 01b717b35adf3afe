import os
import signal
import sys
import time
from pathlib import Path

import pytest

from heliograph.bench.processes import BenchError, Child, cores_of, cpu_seconds, resident_mib, tree

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "while True: sum(range(1000))"])
print("ready", flush=True)
child.wait()
"""


def _child(tmp_path: Path, code: str) -> Child:
    return Child("a child", [sys.executable, "-c", code], tmp_path / "out")


def test_a_tree_is_measured_and_killed_whole(tmp_path: Path) -> None:
    child = _child(tmp_path, PARENT)
    child.line("ready", 10)
    family = tree(child.pid)
    assert len(family) == 2
    until = time.monotonic() + 10
    while cpu_seconds(child.pid) < 0.05 and time.monotonic() < until:
        os.sched_yield()
    assert cpu_seconds(child.pid) >= 0.05
    assert resident_mib(child.pid) > 5
    child.kill()
    assert not child.alive
    for pid in family[1:]:
        status = Path(f"/proc/{pid}/stat")
        assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_child_that_ends_early_says_why(tmp_path: Path) -> None:
    child = _child(tmp_path, "raise SystemExit('no paper')")
    with pytest.raises(BenchError, match="no paper"):
        child.line("ready", 10)


def test_a_signal_makes_it_answer(tmp_path: Path) -> None:
    code = (
        "import signal\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('{\"a\": 1}', flush=True))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()"
    )
    child = _child(tmp_path, code)
    child.line("ready", 10)
    assert child.ask(timeout_s=10) == {"a": 1}
    assert child.stop() == -signal.SIGTERM


def test_cores_are_lists_and_ranges() -> None:
    assert cores_of("0,2-4") == {0, 2, 3, 4}


def test_what_stands_behind_a_line_is_still_there_for_who_comes_next(tmp_path: Path) -> None:
    one = _child(tmp_path, "print('ready'); print('{\"one\": 1}'); print('{\"two\": 2}')")
    one.wait(10)
    assert one.line("ready", 10) == "ready"
    assert one.result(10) == {"one": 1}
    assert one.lines() == ['{"two": 2}']
    assert one.lines() == []
