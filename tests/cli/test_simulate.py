"""``heliograph simulate``"""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import typer

from heliograph.cli.simulate import receipt_settings, refusal
from heliograph.simulator import MISBEHAVIOURS, WORLDS, ReceiptSettings, Refusal, VirtualCarrier, read_log
from tests.cli.conftest import Run, running
from tests.simulator.support import client, submit


async def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    log = tmp_path / "carrier.jsonl"
    words = ["--receipts", "before,ids=hex", "--refuse", "0x0B:1:+1", "--log", str(log), "--system-id", "someone"]
    with running("simulate", "--port", "0", "--first-id", "255", *words) as (_, address):
        host, _, port = address.rpartition(":")
        assert host == "127.0.0.1"
        far = VirtualCarrier(port=int(port), system_id="someone")
        async with client(far) as (link, ear):
            link.submit([(submit(), None), (submit("+14155550123"), None)])
            await ear.hears("receipt", 1)
            responses = await ear.hears("response", 2)
    assert [response.status for response in responses] == [0, 0x0B]
    assert responses[0].message_id == "255"
    assert ear.receipts[0].message_id == "ff"
    assert [fact.status for fact in read_log(log, ["submit"])] == [0, 0x0B]


def test_refusals_are_read() -> None:
    assert refusal("0x0B") == Refusal(status=11)
    assert refusal("20:0.5:+49:99") == Refusal(status=20, fraction=0.5, prefix="+49", suffix="99")
    with pytest.raises(typer.BadParameter, match="status and a share"):
        refusal("often")


def test_words_about_receipts_are_read() -> None:
    assert receipt_settings("") == ReceiptSettings()
    assert receipt_settings("none") == ReceiptSettings(send=False)
    assert receipt_settings("delay=20, jitter=5,before,other,ids=hex") == ReceiptSettings(
        delay_ms=20, jitter_ms=5, before_response=True, bind="other", style="hex"
    )
    assert receipt_settings("DELIVRD=0.9,UNDELIV=0.1").final_states == (("DELIVRD", 0.9), ("UNDELIV", 0.1))
    with pytest.raises(typer.BadParameter, match="soon is none of"):
        receipt_settings("soon")


def test_impossible_settings_are_told(run: Run) -> None:
    told = run("simulate", "--port", "0", "--ids", "roman")
    assert (told.code, told.out) == (1, "")
    assert told.err == (
        "Error: simulator.ids: is no style of ids (one of decimal, hex, hex_upper, decimal_padded, hex_padded)\n"
    )


def test_a_port_in_use_is_told(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = run("simulate", "--port", str(taken.getsockname()[1]))
    assert told.code == 1
    assert "choose another port" in told.err


def test_a_world_runs_and_is_changed_by_commands(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "world.toml"
    path.write_text('control_port = 0\n[[carriers]]\nname = "one"\n[[carriers]]\nname = "two"\n')
    with running("simulate", "--world", str(path)) as (process, _):
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready ")
        control = ("--control", process.stdout.readline().removeprefix("control ").strip())
        told = run("simulate", "state", *control)
        assert [line.split()[0] for line in told.out.splitlines()] == ["one", "two"]
        assert "garbage in 50%" in run("simulate", "misbehave", "one", "garbage", "--share", "0.5", *control).out
        assert "behaves" in run("simulate", "behave", "one", *control).out
        run("simulate", "change", "two", "latency_ms=5", "reply_order=shuffled", *control)
        shown = json.loads(run("simulate", "state", "two", "--json", *control).out)
        assert (shown["settings"]["latency_ms"], shown["settings"]["reply_order"]) == (5, "shuffled")
        assert " down " in run("simulate", "down", "two", *control).out
        assert " up " in run("simulate", "up", "two", *control).out
        assert " up " in run("simulate", "cut", "two", *control).out
        assert run("simulate", "write", "one", "+14155550123", "12345", "hello", *control).out == (
            "+14155550123 wrote to 12345.\n"
        )
        assert run("simulate", "messages", "one", *control).out == ""
        told = run("simulate", "misbehave", "one", "garbag", *control)
        assert (told.code, told.out) == (1, "")
        assert 'did you mean "garbage"?' in told.err
        assert 'there is no carrier called "three"' in run("simulate", "cut", "three", *control).err
        assert run("simulate", "change", "one", "latency_ms", *control).code == 2


def test_worlds_and_misbehaviours_are_listed(run: Run) -> None:
    assert [line.split()[0] for line in run("simulate", "worlds").out.splitlines()] == list(WORLDS)
    assert [one["name"] for one in json.loads(run("simulate", "worlds", "--json").out)] == list(WORLDS)
    assert [one["kind"] for one in json.loads(run("simulate", "kinds", "--json").out)] == list(MISBEHAVIOURS)
    assert len(run("simulate", "kinds").out.splitlines()) == len(MISBEHAVIOURS)
    assert run("simulate", "check", "calm").out == "calm is right.\n  carriers: calm\n"


def test_where_no_world_is_that_is_told(run: Run) -> None:
    told = run("simulate", "state", "--control", "http://127.0.0.1:9")
    assert (told.code, told.err) == (
        1,
        "Error: no world answers at http://127.0.0.1:9: run heliograph simulate --world calm.\n",
    )
    assert "no address of a control API" in run("simulate", "state", "--control", "ftp://x").err
