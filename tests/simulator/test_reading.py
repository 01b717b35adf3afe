"""Worlds from TOML: the ready ones are right, and a wrong one is told all its faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.errors import ConfigError
from heliograph.simulator import WORLDS, CarrierSettings, RunningWorld, read_world
from heliograph.simulator.reading import part_of

WRONG = """sed = 1
[[carriers]]
name = "a"
misbehaviour = "no_respons"
windw = 3
window = 0
[[carriers.ranges]]
outcome = "delivred"
[carriers.receipts]
final_states = { DELIVRD = -1, GONE = 1 }
[[carriers.hours]]
begin = "25:00"
end = "10:00"
days = ["someday"]
[[carriers.outages]]
for_s = "x"
[[carriers.outages]]
for_s = 5
[carriers.drift]
best = 0.5
[[carriers.rules]]
reply = ""
"""


def faults_of(tmp_path: Path, text: str) -> list[tuple[int, str, str]]:
    path = tmp_path / "world.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as told:
        read_world(path)
    return [(int(fault.where.rpartition(":")[2]), fault.what, fault.remedy) for fault in told.value.faults]


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_that_is_ready_to_use_is_right_and_says_what_it_is(name: str) -> None:
    world = read_world(name)
    assert world.about
    assert world.carriers


def test_there_are_worlds_ready_to_use() -> None:
    assert set(WORLDS) >= {"calm", "busy-evening", "flaky-carrier", "hostile"}


def test_every_fault_is_told_with_its_line_and_a_remedy(tmp_path: Path) -> None:
    assert faults_of(tmp_path, WRONG) == [
        (1, 'unknown setting "sed"', 'did you mean "seed"?'),
        (4, 'unknown misbehaviour "no_respons"', 'did you mean "no_response"?'),
        (5, 'unknown setting "windw"', 'did you mean "window"?'),
        (6, "window cannot be 0", "1 to 100000"),
        (8, "outcome is no outcome: 'delivred'", 'did you mean "delivered"?'),
        (10, "the weight of DELIVRD cannot be -1", "0 to 1,000,000"),
        (10, 'unknown state "GONE"', "known are: ACCEPTD, DELETED, DELIVRD, EXPIRED, REJECTD, UNDELIV, UNKNOWN"),
        (12, "begin is no time of day: '25:00'", 'from "00:00" to "23:59", in UTC'),
        (14, "days has no day called 'someday'", "one of mon, tue, wed, thu, fri, sat, sun"),
        (16, "for_s must be a number, not 'x'", "such as for_s = 1.5"),
        (18, "for_s does not say when", "give one of after_s, at, and about_every_s"),
        (19, "period_s is missing", "From best to worst and back."),
        (22, "reply is empty or longer than 10,000 characters", 'such as reply = "STOP"'),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "carriers is missing"),
        ("carriers = 1", "carriers must be a list of tables"),
        ("[[carriers]]\nname='a'\n[[carriers]]\nname='a'", 'carriers has 2 carriers called "a"'),
        ("[[carriers]]\nname='a'\nport=9\n[[carriers]]\nname='b'\nport=9", "carriers has 2 carriers on port 9"),
        ("[[carriers]]\nreceipts = 3", "receipts must be a table"),
        ("[[carriers]]\n[carriers.receipts]\nfinal_states = { DELIVRD = 0 }", "final_states has no weight above 0"),
        ("[[carriers]]\n[carriers.receipts]\nfinal_states = [1]", "final_states must be a table of numbers"),
        ("control_host = '0.0.0.0'\n[[carriers]]", "control_host cannot be '0.0.0.0'"),
        ("[[carriers]]\nsilent = nan", "silent cannot be nan"),
        ("[[carriers]]\nname = 'a b'", "name cannot be 'a b'"),
        ("[[carriers]]\nreply_text = '" + "x" * 10_001 + "'", "reply_text is too long"),
        ("[[carriers]]\nport = 'file:/etc/hostname'", "port points elsewhere"),
        ("[[carriers]]\n[[carriers.hours]]\ndays = ['file:/etc/hostname']", "days points elsewhere"),
        ("[[carriers]\n", "is no TOML"),
        ("[[carriers]]\n" + "[[carriers.ranges]]\noutcome='slow'\n" * 1_001, "ranges has 1,001 entries"),
    ],
)
def test_what_a_world_cannot_be(tmp_path: Path, text: str, what: str) -> None:
    assert any(told.startswith(what) for _, told, _ in faults_of(tmp_path, text))


def test_a_world_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='did you mean "calm"'):
        read_world("clam")
    path = tmp_path / "octets.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_world(path)


def test_a_part_from_json_has_the_same_bounds() -> None:
    assert part_of(CarrierSettings, "receipts", {"delay_ms": 5}).delay_ms == 5
    with pytest.raises(ConfigError, match="latency_ms cannot be -1"):
        part_of(CarrierSettings, "latency_ms", -1)
    with pytest.raises(ConfigError, match='did you mean "latency_ms"'):
        part_of(CarrierSettings, "latency", 1)


def test_a_text_is_itself_and_no_file_is_read() -> None:
    assert part_of(CarrierSettings, "reply_text", "file:/etc/hostname") == "file:/etc/hostname"


def test_each_carrier_has_a_seed_that_comes_from_the_worlds(tmp_path: Path) -> None:
    path = tmp_path / "world.toml"
    path.write_text("seed = 5\n[[carriers]]\nname='a'\n[[carriers]]\nname='b'\n[[carriers]]\nname='c'\nseed=9\n")
    seeds = [settings.seed for settings in read_world(path).seeded()]
    assert seeds == [settings.seed for settings in read_world(path).seeded()]
    assert len(set(seeds)) == 3
    assert seeds[2] == 9


async def test_a_port_in_use_leaves_no_carrier_behind(tmp_path: Path) -> None:
    path = tmp_path / "world.toml"
    path.write_text("[[carriers]]\nname='a'\n")
    async with RunningWorld(read_world(path)) as world:
        port = world.carriers["a"].port
        path.write_text(f"[[carriers]]\nname='b'\n[[carriers]]\nname='c'\nport={port}\n")
        second = RunningWorld(read_world(path))
        with pytest.raises(OSError, match="address already in use"):
            await second.__aenter__()
        assert not second.carriers["b"].is_up


def test_the_command_tells_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "world.toml"
    path.write_text(WRONG)
    for words in (("check", str(path)), ("--world", str(path))):
        told = subprocess.run(
            [sys.executable, "-m", "heliograph", "simulate", *words], capture_output=True, text=True, check=False
        )
        assert told.returncode == 1
        assert told.stderr.count("Error: ") == 13
        assert f'{path}:5: unknown setting "windw" (did you mean "window"?)' in told.stderr
