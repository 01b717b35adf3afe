"""Every kind of misbehaving carrier against a running house: what was accepted ends as the kind's table says."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from heliograph.simulator import MISBEHAVIOURS, CarrierSettings, Fate, Misbehaviour, VirtualCarrier
from heliograph.simulator.mischief.answering import ANSWERING
from heliograph.simulator.mischief.binding import BINDING
from heliograph.simulator.mischief.kinds import Moment
from heliograph.simulator.mischief.receipting import RECEIPTING
from heliograph.simulator.mischief.stream import STREAM
from tests.dialogues.stage import Stage, eventually, stage

SETTINGS = """
response_timeout_s = {response_timeout_s}
enquire_link_s = 0.2
enquire_timeout_s = 1
connect_timeout_s = 1
segments_per_second = 50
"""
"""Seconds instead of minutes, so that time-outs happen here: of a response only where the kind is about that."""
MESSAGES = 3
GROUPS = {
    "binding": BINDING[:8],
    "leaving": BINDING[8:],
    "answering": ANSWERING[:10],
    "refusing": ANSWERING[10:],
    "stream": STREAM[:10],
    "unasked": STREAM[10:],
    "receipting": RECEIPTING,
}
_ABOUT_BINDS = (Moment.BIND, Moment.OPEN)
_MOST_MEMORY_KIB = 150_000
_ONCE = 9
"""The number of the message that may be submitted only once."""
_ENDS = ("delivered", "unknown")
_OVERDUE_S = 12 * 86_400


def test_every_kind_is_in_a_group() -> None:
    assert sum(len(kinds) for kinds in GROUPS.values()) == len(MISBEHAVIOURS) >= 27


def number(at: int, message: int) -> str:
    """The recipient of a message that goes over the carrier of this place."""
    return f"+4917{at:02}12345{message}"


def routes(kinds: Sequence[Misbehaviour]) -> str:
    """One route a carrier, so that nobody helps out."""
    return "".join(
        f'[[routes]]\nname = "{kind.name}"\nprefixes = ["4917{at:02}"]\nconnectors = ["{kind.name}"]\n'
        for at, kind in enumerate(kinds)
    )


async def go_wrong(carrier: VirtualCarrier, kind: Misbehaviour) -> None:
    carrier.misbehave(kind.name)
    if kind.bind_status or any(moment in kind.does for moment in _ABOUT_BINDS):
        carrier.drop_links()


async def went_wrong(carriers: dict[str, VirtualCarrier]) -> None:
    """Wait until every kind has struck, and where it spoils each message for good, all of them."""

    async def look() -> bool:
        return all(
            carrier.mischief.done[name] >= (MESSAGES if MISBEHAVIOURS[name].fate is Fate.NO_NEWS else 1)
            for name, carrier in carriers.items()
        )

    try:
        await eventually(look)
    except TimeoutError:
        calm = [name for name, carrier in carriers.items() if not carrier.mischief.done[name]]
        raise AssertionError(f"these did nothing: {calm}") from None


async def ends(
    s: Stage, ids: dict[str, list[str]], only_once: dict[str, str], kinds: Sequence[Misbehaviour]
) -> dict[str, list[Any]]:
    """Every message as it is shown, by kind, once each is where its kind lets it end, and ``only_once`` were tried."""
    expected = {kind.name: "sent" if kind.fate is Fate.NO_NEWS else "delivered" for kind in kinds}
    shown: dict[str, list[Any]] = {}

    async def look() -> bool:
        s.clock.skip(10)  # lanes rest for seconds after a failure, messages for up to minutes
        for lane in s.server.pipeline.dispatch.lanes.values():
            lane.plan_turn()
            await lane.sweep()
        for name, messages in ids.items():
            if name not in shown or any(one["state"] != expected[name] for one in shown[name]):
                shown[name] = [await s.show(one) for one in messages]
        tried = [(await s.show(one))["state"] != "queued" for one in only_once.values()]
        return all(tried) and all(one["state"] == expected[name] for name, every in shown.items() for one in every)

    try:
        await eventually(look)
    except TimeoutError:
        wrong = {
            name: [(one["state"], one["error"], one.get("attempts")) for one in every if one["state"] != expected[name]]
            for name, every in shown.items()
        }
        found = {name: every for name, every in wrong.items() if every}
        raise AssertionError(found or "a message that may be submitted only once was never tried") from None
    return shown


@pytest.mark.parametrize("group", GROUPS)
async def test_a_misbehaving_carrier_harms_neither_the_house_nor_a_message(tmp_path: Path, group: str) -> None:
    kinds = GROUPS[group]
    carriers = {kind.name: VirtualCarrier(CarrierSettings(seed=7)) for kind in kinds}
    settings = {kind.name: SETTINGS.format(response_timeout_s=1 if kind.fate is Fate.AGAIN else 10) for kind in kinds}
    async with stage(tmp_path, carriers, settings=settings, more=routes(kinds)) as s:
        memory_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for kind in kinds:
            await go_wrong(carriers[kind.name], kind)
        sends = {
            kind.name: [await s.send(to=number(at, message), text=f"message {message}") for message in range(MESSAGES)]
            for at, kind in enumerate(kinds)
        }
        only_once = {
            kind.name: (await s.send(to=number(at, _ONCE), text="never twice", at_most_once=True))["id"]
            for at, kind in enumerate(kinds)
        }
        ids = {name: [one["id"] for one in messages] for name, messages in sends.items()}
        await went_wrong(carriers)

        for name, carrier in carriers.items():
            carrier.misbehave(None)
            if name == "stops_reading":
                carrier.drop_links()
        shown = await ends(s, ids, only_once, kinds)

        s.clock.skip(_OVERDUE_S)
        await s.server.pipeline.rescue.end_overdue()
        for at, kind in enumerate(kinds):
            if kind.fate is Fate.NO_NEWS:
                assert [(await s.show(one))["state"] for one in ids[kind.name]] == ["unknown"] * MESSAGES
            twice = [one["possible_duplicate"] for one in shown[kind.name]]
            handsets = carriers[kind.name].handsets
            times = [len(handsets.of(number(at, message))) for message in range(MESSAGES)]
            if kind.fate in (Fate.AGAIN, Fate.CUT):
                assert any(twice) or kind.fate is Fate.CUT, f"{kind.name}: {twice}"
                assert all(had >= 1 and (had == 1 or marked) for had, marked in zip(times, twice, strict=True)), kind
            else:
                assert (times, any(twice)) == ([1] * MESSAGES, False), kind.name
            assert len(handsets.of(number(at, _ONCE))) <= 1, kind.name
            once = await s.show(only_once[kind.name])
            assert (once["state"] in _ENDS, once["possible_duplicate"]) == (True, False), (kind.name, once)
        await s.bound()
        for lane in s.server.pipeline.dispatch.lanes.values():
            assert lane.connector.bound
            assert lane.depth == 0
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kib < _MOST_MEMORY_KIB
