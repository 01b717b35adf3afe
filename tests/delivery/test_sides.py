"""Live messages never reach a virtual connector, those of a sandbox never a real one, however they are led."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.delivery.directory import Directory
from heliograph.delivery.lane.sides import belongs
from heliograph.delivery.submission import Accepted, Submission
from heliograph.errors import RequestRejected, Retry, SubmitFailed
from heliograph.model import Account, Number, Route, State, sandbox_of
from heliograph.rules.magic import SANDBOX_SENDER
from heliograph.rules.routing import Choice
from heliograph.rules.schedule import Wish
from tests.delivery.support import HandClock, House, MemoryCarrier, house

REAL, VIRTUAL = (1, 2), (3, 4)
SANDBOXES = {3: -1, 4: -2}
NUMBERS = ("+4915112345678", "+14155550123", "+9991000000", "+9993120000")


def carriers() -> list[MemoryCarrier]:
    return [MemoryCarrier(number, f"c{number}") for number in (*REAL, *VIRTUAL)]


async def send(here: House, account: Account, **fields: Any) -> Accepted | RequestRejected:
    asked = Submission(account=account, text="hello", **{"to": NUMBERS[0], "sender": "Shop", **fields})
    return (await here.pipeline.intake.accept([asked])).results[0]


# --- decided in intake -------------------------------------------------------------------------------------------


def test_a_virtual_connector_is_in_no_route() -> None:
    directory = Directory()
    directory.set_routes([Route(name="all", prefixes=("",), connectors=(1, 3, 2), accounts=())])
    directory.set_sandboxes(SANDBOXES)
    assert directory.choose(7, "49") == Choice("all", (1, 2), "route all: no longer prefix matches")
    assert directory.connector_after(7, "all", 1) == 2
    directory.set_routes([Route(name="sandbox", prefixes=("49",), connectors=(3, 2))])
    assert directory.choose(7, "49").connectors == (2,)  # type: ignore[union-attr]
    assert directory.choose(-1, "49").connectors == (3,)  # type: ignore[union-attr]
    assert directory.connector_after(-1, "sandbox", 3) is None
    assert directory.choose(-3, "49") is None


def test_a_virtual_connector_is_for_a_sandbox() -> None:
    with pytest.raises(ValueError, match="sandboxes only"):
        Directory().set_sandboxes({3: 1})


def test_every_number_on_a_virtual_connector_is_its_sandboxs() -> None:
    directory = Directory()
    directory.set_numbers([Number(number="+4930", account_id=1), Number(number="777", account_id=1)])
    directory.set_sandboxes(SANDBOXES)
    assert directory.owner("+4930", 4) == -2
    assert directory.owner("nobody's", 3) == -1
    assert directory.owner("+4930", 1) == 1
    assert (directory.default_sender(1), directory.default_sender(-1)) == ("+4930", "+4930")
    assert (directory.default_sender(2), directory.default_sender(-2)) == (None, SANDBOX_SENDER)


# --- and once more before the wire -------------------------------------------------------------------------------


def test_who_belongs_where() -> None:
    assert [belongs(account, 0) for account in (1, 0, -1)] == [True, False, False]
    assert [belongs(account, -1) for account in (1, 0, -1, -2)] == [False, False, True, False]


@pytest.mark.parametrize(("account_id", "connector_id"), [(-1, 1), (1, 3), (-2, 3)])
@pytest.mark.parametrize("dated", [False, True], ids=["at once", "dated"])
async def test_a_message_that_was_led_astray_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account_id: int, connector_id: int, dated: bool
) -> None:
    all_of_them, clock = carriers(), HandClock()
    async with house(tmp_path / "s.db", all_of_them[:2], clock=clock) as here:
        here.pipeline.directory.set_sandboxes(SANDBOXES)
        for virtual in all_of_them[2:]:
            await here.pipeline.dispatch.add(virtual)
        monkeypatch.setattr(Directory, "choose", lambda *_: Choice("astray", (connector_id,), "a fault of ours"))
        account = Account(id=account_id, name="demo")
        wish = Wish(at_us=clock.wall_us + 3_600_000_000) if dated else None
        sent = await send(here, account, wish=wish, to=NUMBERS[0])
        other = await send(here, Account(id=SANDBOXES.get(connector_id, 1), name="right"), to=NUMBERS[1])
        assert isinstance(sent, Accepted)
        assert isinstance(other, Accepted)
        clock.move(3_600)

        async def ended() -> bool:
            record = await here.store.message(account_id, sent.message.id)
            assert record is not None
            assert record.progress.sent_us is None
            return record.progress.state == State.FAILED and record.progress.error == "no_route"

        async with asyncio.timeout(20):
            while not await ended():
                await asyncio.sleep(0.01)
        assert here.pipeline.dispatch.lanes[connector_id].depth == 0
        written = [one.live.message.id for carrier in all_of_them for one in carrier.written]
        assert written == [other.message.id]
        assert here.pipeline.dispatch._metrics.labelled["heliograph_troubles"] == {"sides": 1}


# --- whatever is configured ----------------------------------------------------------------------------------------

connectors = st.lists(st.sampled_from((*REAL, *VIRTUAL)), min_size=1, max_size=4, unique=True).map(tuple)
routes = st.builds(
    Route,
    name=st.sampled_from(("default", "sandbox", "other")),
    prefixes=st.lists(st.sampled_from(("", "49", "1", "999", "9991")), min_size=1, max_size=2).map(tuple),
    connectors=connectors,
    accounts=st.sampled_from(((), (1,), (-1,), (-1, 2))),
)
sends = st.tuples(
    st.just("send"), st.sampled_from((1, 2, -1, -2, -3)), st.sampled_from(NUMBERS), st.sampled_from((0, 60))
)
steps = st.lists(
    st.one_of(
        sends,
        sends,
        st.tuples(st.just("routes"), st.lists(routes, min_size=1, max_size=3)),
        st.tuples(st.just("connectors"), st.lists(st.sampled_from(REAL), unique=True)),
        st.tuples(st.just("refuse"), st.sampled_from((*REAL, *VIRTUAL)), st.sampled_from(Retry)),
        st.tuples(st.just("close"), st.sampled_from(VIRTUAL)),
        st.tuples(st.just("open"), st.sampled_from(VIRTUAL)),
        st.tuples(st.just("wait"), st.sampled_from((31, 62, 120))),
    ),
    min_size=4,
    max_size=14,
)


class World:
    """A pipeline whose configuration changes under its messages."""

    def __init__(self, here: House, all_of_them: list[MemoryCarrier]) -> None:
        self.here = here
        self.carriers = {one.id: one for one in all_of_them}
        self.open = dict(SANDBOXES)

    async def do(self, what: str, *how: Any) -> None:
        here, pipeline = self.here, self.here.pipeline
        if what == "send":
            account_id, to, in_s = how
            wish = Wish(at_us=here.clock.wall_us + in_s * 1_000_000) if in_s else None
            account = Account(id=account_id, name="demo", recipients="possible")
            await send(here, account, to=to, wish=wish, sender=None if account_id < 0 else "Shop")
        elif what == "routes":
            pipeline.directory.set_routes(how[0])
        elif what == "connectors":
            await pipeline.set_connectors([self.carriers[one] for one in how[0]], drain_s=0.0)
            for one in how[0]:
                self.carriers[one].bound = True
        elif what == "refuse":
            self.carriers[how[0]].answer = self.carriers[how[0]].refuse(SubmitFailed("carrier_error", 0x45, how[1]))
        elif what == "close" and self.open.pop(how[0], 0):
            await pipeline.dispatch.remove(how[0], 0.0)
            pipeline.directory.set_sandboxes(self.open)
        elif what == "open" and how[0] not in self.open:
            self.open[how[0]] = SANDBOXES[how[0]]
            self.carriers[how[0]].bound = True
            pipeline.directory.set_sandboxes(self.open)
            await pipeline.dispatch.add(self.carriers[how[0]])
        elif what == "wait":
            here.clock.move(how[0])
            await pipeline.dispatch.sweep()
        await asyncio.sleep(0.005)


@settings(max_examples=15, deadline=None)
@given(steps)
def test_no_configuration_leads_a_message_to_the_other_side(plan: list[tuple[Any, ...]]) -> None:
    async def run(folder: Path) -> None:
        all_of_them = carriers()
        async with house(folder / "s.db", all_of_them[:2]) as here:
            world = World(here, all_of_them)
            here.pipeline.directory.set_sandboxes(world.open)
            for virtual in all_of_them[2:]:
                await here.pipeline.dispatch.add(virtual)
            for step in (*plan, ("wait", 31), ("wait", 31)):
                await world.do(*step)
            for one in all_of_them:
                for submission in one.written:
                    assert belongs(submission.live.message.account_id, SANDBOXES.get(one.id, 0))
            assert here.pipeline.dispatch._metrics.labelled["heliograph_troubles"] == {}

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


def test_a_sandbox_is_its_account_with_another_number() -> None:
    account = Account(id=7, name="demo", default_region="DE", national_tables=True)
    assert sandbox_of(account) == Account(id=-7, name="demo", default_region="DE", national_tables=True)
    assert sandbox_of(account).is_sandbox
    assert not account.is_sandbox
