"""Connectors, routes and numbers that are changed in the store while the server runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from heliograph.access import make_key
from heliograph.access.actors import Actor
from heliograph.access.changes import Change, Difference
from heliograph.access.configuring import Configuring
from heliograph.access.sealing import MasterKeys, keys_from
from heliograph.app import Heliograph
from heliograph.config import Config, load
from heliograph.config.stored import Table
from heliograph.contracts import Administration
from heliograph.errors import ConfigError, RequestRejected, VersionConflict
from heliograph.model import ConfigObject
from heliograph.simulator import VirtualCarrier
from heliograph.store import open_store
from heliograph.telemetry import journal
from tests.accounts import ensure_account
from tests.dialogues.stage import Stage, configuration, eventually, stage
from tests.keys import keep_key

OPERATOR = Actor(kind="command", name="operator")


def connector(name: str, carrier: VirtualCarrier | int, **more: Any) -> Table:
    port = carrier if isinstance(carrier, int) else carrier.port
    values = {"kind": "smpp", "host": "127.0.0.1", "port": port, "system_id": "esme", "password": "secret"}
    quick = {"reconnect_min_s": 0.05, "reconnect_max_s": 0.2}
    return Table("connector", name, {**values, **quick, **more})


def route(name: str, *connectors: str, **more: Any) -> Table:
    return Table("route", name, {"connectors": list(connectors), **more})


async def change(s: Stage, *tables: Table, deleted: tuple[tuple[str, str], ...] = ()) -> list[Difference]:
    """As a command does it: by another connection to the store, of which the server hears nothing."""
    config = s.server.config
    sealer = sealer_of(config)
    store = open_store(config.store.url, serve=False, sealer=sealer)
    await store.open()
    try:
        configuring = Configuring(store, sealer, s.clock.now_us, lambda: config, {})
        return await configuring.change(Change(tables=tables, deleted=deleted), OPERATOR)
    finally:
        await store.close()


async def followed(s: Stage, names: set[str]) -> None:
    """Until the lanes are those of these connectors, and bound."""

    async def look() -> bool:
        connectors = [lane.connector for lane in s.server.pipeline.dispatch.lanes.values()]
        return {one.name for one in connectors} == names and all(one.bound for one in connectors)

    await eventually(look)


async def test_a_connector_from_the_store_is_followed_and_others_keep_their_links(tmp_path: Path) -> None:
    async with VirtualCarrier() as one, VirtualCarrier() as two, stage(tmp_path) as s:
        await change(s, connector("one", one), connector("two", two), route("us", "two", "one", prefixes=["1"]))
        await followed(s, {"main", "one", "two"})
        before = await s.send(text="before")
        assert before["connector"] == "two"
        await s.until(before["id"], "delivered")

        await change(s, connector("two", two, window=3))
        await two.bound(1)

        async def bound_again() -> bool:
            return two.log.counts["bind"] >= 2

        await eventually(bound_again)
        await followed(s, {"main", "one", "two"})
        after = await s.send(text="after")
        await s.until(after["id"], "delivered")
        for carrier in (one, s.carrier):
            assert (carrier.log.counts["bind"], carrier.log.counts["lost"]) == (1, 0)
        assert [message.text for message in two.messages] == ["before", "after"]

        await change(s, route("us", "one", prefixes=["1"]), deleted=(("connector", "two"),))
        await followed(s, {"main", "one"})
        assert (await s.send())["connector"] == "one"
        assert one.log.counts["bind"] == 1


async def test_a_change_holds_while_an_old_link_still_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.app._DRAIN_S", 60.0)
    async with VirtualCarrier(silent=1.0) as slow, VirtualCarrier() as other, stage(tmp_path) as s:
        await change(s, connector("slow", slow), route("us", "slow", prefixes=["1"]))
        await followed(s, {"main", "slow"})
        await s.send(text="nobody answers this")
        await slow.received(1)
        await change(s, connector("slow", slow, window=2))  # its old link waits for the answer

        async def ending() -> bool:
            return bool(s.server.pipeline._settling)

        await eventually(ending)
        await change(s, connector("other", other), route("us", "other", prefixes=["1"]))

        async def taken() -> bool:
            return (await s.send(text="goes elsewhere"))["connector"] == "other"

        await eventually(taken)
        assert await ending()
        await other.received(1)
        slow.drop_links()
        await followed(s, {"main", "slow", "other"})


def sealer_of(config: Config) -> MasterKeys:
    return MasterKeys(keys_from(None, (), config.store.file))


def faults(s: Stage) -> Mapping[tuple[str, str], Any]:
    return s.server.following.faults


async def test_one_that_does_not_hold_takes_no_other_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(journal, "configuration_faulty", lambda kind, name, why: told.append((kind, name, why)))
    monkeypatch.setattr(journal, "configuration_mended", lambda kind, name: told.append((kind, name)))
    monkeypatch.setenv("CARRIER_PASSWORD", "secret")
    async with VirtualCarrier() as good, VirtualCarrier() as bad, stage(tmp_path) as s:
        await s.server.configuring.change(
            Change(
                tables=[
                    connector("bad", bad),
                    connector("dark", bad, password="env:CARRIER_PASSWORD"),
                    connector("good", good),
                    route("us", "bad", "good", prefixes=["1"]),
                ]
            ),
            OPERATOR,
        )
        await followed(s, {"main", "bad", "dark", "good"})
        rows = {one.name: one for one in await s.server.store.objects("connector")}
        assert b"secret" not in b"".join(one.document.encode() for one in rows.values())

        # A secret that nobody can open, a reference that leads nowhere any more, and another object that is right.
        monkeypatch.delenv("CARRIER_PASSWORD")
        foreign = json.loads(rows["bad"].document) | {"password": f"sealed:1:{'0' * 16}:AAAA"}
        broken = ConfigObject(kind="connector", name="bad", document=json.dumps(foreign))
        await s.server.store.administer(Administration(at_us=1, objects=[(broken, None)]))
        await s.server.configuring.change(Change(tables=[connector("good", good, window=5)]), OPERATOR)
        await followed(s, {"main", "good"})
        assert set(faults(s)) == {("connector", "bad"), ("connector", "dark")}
        assert {one[:2] for one in told} == set(faults(s))
        assert "sealed under the master key 0000" in str(faults(s)["connector", "bad"])
        waits = await s.send(text="waits")  # as for a connector without a link
        assert waits["connector"] == "bad"
        assert s.carrier.log.counts["bind"] == 1

        mended = await change(s, connector("bad", bad, password="secret"))
        assert mended[0].after is not None
        assert mended[0].after["password"] == {"set": True, "changed": True}
        await s.until(waits["id"], "delivered")
        assert set(faults(s)) == {("connector", "dark")}
        assert ("connector", "bad") in told


async def test_it_starts_with_what_is_wrong_and_the_file_wins(tmp_path: Path) -> None:
    async with VirtualCarrier() as carrier:
        async with stage(tmp_path) as s:
            await change(
                s,
                connector("twin", carrier),
                connector("alone", carrier),
                route("us", "main", prefixes=["1"]),
                route("de", "main", "twin", prefixes=["49"]),
                Table("number", "777", {"account": "shop", "connectors": ["main"]}),
                Table("number", "778", {"account": "shop"}),
            )
            await followed(s, {"main", "twin", "alone"})
        carriers = {"twin": s.carrier}  # the file has another connector now, under a name that the store has, too
        config = configuration(tmp_path, carriers, settings={})
        async with Heliograph(config) as server:
            assert set(server.following.faults) == {
                ("connector", "twin"), ("route", "us"), ("route", "de"), ("number", "777"),
            }  # fmt: skip
            names = {lane.connector.name for lane in server.pipeline.dispatch.lanes.values()}
            assert names == {"twin", "alone"}
            twin = (await server.store.ensure_connectors(["twin"]))["twin"]
            assert server.directory.choose(1, "15550123").connectors == ()  # type: ignore[union-attr]
            assert server.directory.choose(1, "4915112").connectors == (twin,)  # type: ignore[union-attr]
            assert server.directory.choose(1, "331234").connectors == (twin,)  # type: ignore[union-attr]
            assert server.directory.owner("777", twin) is None
            assert server.directory.owner("778", twin) is not None
            # What is wrong hinders no change of something else, and can be deleted.
            done = await server.configuring.change(
                Change(tables=[route("fr", "alone", prefixes=["33"])], deleted=[("connector", "twin")]), OPERATOR
            )
            assert [(one.action, one.kind, one.name) for one in done] == [
                ("delete", "connector", "twin"), ("create", "route", "fr"),
            ]  # fmt: skip


async def test_messages_of_a_connector_that_is_removed_go_where_their_route_leads(tmp_path: Path) -> None:
    async with VirtualCarrier() as gone, VirtualCarrier() as stays, stage(tmp_path) as s:
        await change(s, connector("gone", gone), connector("stays", stays), route("us", "gone", prefixes=["1"]))
        await followed(s, {"main", "gone", "stays"})
        await gone.down()
        waiting = await s.send(text="waits for a carrier that never comes back")
        with pytest.raises(ConfigError, match=r"routes\.us\.connectors: there is no connector"):
            await change(s, deleted=(("connector", "gone"),))

        await change(s, route("us", "stays", prefixes=["1"]), deleted=(("connector", "gone"),))
        await followed(s, {"main", "stays"})

        async def sweep() -> bool:
            s.clock.skip(31)
            await s.server.pipeline.dispatch.sweep()
            return bool(stays.messages)

        await eventually(sweep)
        shown = await s.until(waiting["id"], "delivered")
        assert (shown["connector"], shown["possible_duplicate"]) == ("stays", False)


async def test_a_change_is_whole_or_not_at_all(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        good, bad = connector("good", 2775), connector("bad", 0)
        with pytest.raises(ConfigError) as refused:
            await change(s, good, bad, route("us", "good", "nowhere"))
        said = str(refused.value)
        assert "connectors.bad.port" in said
        assert 'routes.us.connectors: there is no connector "nowhere"' in said
        with pytest.raises(RequestRejected, match="managed_by_file"):
            await change(s, connector("main", 2775))
        with pytest.raises(RequestRejected, match="managed_by_file"):
            await change(s, deleted=(("number", "12345"),))
        with pytest.raises(RequestRejected, match="not_found"):
            await change(s, deleted=(("number", "999"),))
        assert await s.server.store.objects() == []

        await change(s, good)
        configuring = s.server.configuring
        for expected in (0, 2):
            with pytest.raises(VersionConflict):
                await configuring.change(
                    Change(tables=[connector("good", 2776)], expected={("connector", "good"): expected}), OPERATOR
                )
        assert await configuring.change(Change(tables=[connector("good", 2775)]), OPERATOR) == []
        dry = await configuring.change(
            Change(tables=[connector("good", 2776, password={"set": True}), connector("new", 1)], deleted=[]),
            OPERATOR,
            dry_run=True,
        )
        assert [(one.action, one.name) for one in dry] == [("change", "good"), ("create", "new")]
        assert "secret" not in str(dry)
        assert (await configuring.one("connector", "good")).version == 1


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"password": "env:HELIOGRAPH_SECURITY_MASTER_KEY"}, "this reference is not allowed"),
        ({"password": "file:../house.db.key"}, "this reference is not allowed"),
        ({"password": "file:secrets/../x"}, "this reference is not allowed"),
        ({"password": "env:NOT_SET_ANYWHERE"}, "is not set"),
        ({"password": {"set": True}}, "can't be kept"),
        ({"password": "sealed:1:0000:AAAA"}, "not known here"),
        ({"host": "env:HOME"}, "only a secret can be a reference"),
        ({"tlvs": {"0x1400": "file:/etc/passwd"}}, "only a secret can be a reference"),
        ({"host": 5}, "host must be a text"),
        ({"kind": "carrier-pigeon"}, "has the unknown kind"),
        ({"hots": "x"}, 'unknown setting "hots"'),
    ],
)
async def test_bad_settings_are_named(tmp_path: Path, values: dict[str, Any], what: str) -> None:
    (tmp_path / "empty.toml").write_text(f'[store]\nurl = "sqlite:///{tmp_path}/s.db"')
    config = load(tmp_path / "empty.toml", {})
    keys = keys_from(None, (), config.store.file)
    sealer = MasterKeys(keys)
    if sealer.file is not None:
        sealer.file.make()
    sealer.read()
    store = open_store(config.store.url, serve=False, sealer=sealer)
    await store.open()
    try:
        configuring = Configuring(store, sealer, lambda: time.time_ns() // 1000, lambda: config, {"HOME": "/root"})
        with pytest.raises(ConfigError) as refused:
            await configuring.change(Change(tables=[connector("one", 2775, **values)]), OPERATOR)
        assert what in str(refused.value)
        assert await store.objects() == []
    finally:
        await store.close()


async def test_changes_at_the_same_time_all_come_through(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await asyncio.gather(*(change(s, connector(f"c{at}", 2775)) for at in range(4)))
        assert len(await s.server.store.objects("connector")) == 4
        assert await s.server.configuring.version() == 4


async def test_an_operator_brings_a_carrier_in_over_http_and_takes_it_out_again(tmp_path: Path) -> None:
    async with VirtualCarrier() as carrier, stage(tmp_path) as s:
        customer = s.key
        account = await ensure_account(s.server.store, "house", s.clock.now_us())
        operator, kept = make_key(account.id, ("admin",), now_us=s.clock.now_us())
        await keep_key(s.server.store, kept)
        await s.server.keys.refresh()
        s.key = operator
        values = dict(connector("two", carrier).values)
        body = {"kind": values.pop("kind"), "settings": values}
        await s.ask("PUT", "/v1/connectors/two", body, status=201)
        route_body = {"connectors": ["two"], "prefixes": ["1"]}
        await s.ask("PUT", "/v1/routes/us", route_body, status=201)
        await s.ask("PUT", "/v1/numbers/777", {"account": "shop", "connectors": ["two"]}, status=201)

        async def bound() -> bool:
            return bool((await s.ask("GET", "/v1/connectors/two"))["bound"])

        await eventually(bound)
        s.key = customer
        sent = await s.send(sender="777")
        assert sent["connector"] == "two"
        await s.until(sent["id"], "delivered")

        s.key = operator
        broken = ConfigObject(kind="connector", name="two", document='{"kind":"smpp","host":""}')
        await s.server.store.administer(Administration(at_us=1, objects=[(broken, None)]))
        await s.ask("PUT", "/v1/routes/us", route_body | {"prefixes": ["1", "49"]}, status=200)

        async def told() -> str:
            return str((await s.ask("GET", "/v1/connectors/two")).get("problem", ""))

        assert "system_id is missing" in await eventually(told)
        assert (await s.ask("GET", "/readyz")) == {"status": "ready", "faults": 1}
        for path in ("numbers/777", "routes/us", "connectors/two"):
            await s.ask("DELETE", f"/v1/{path}", status=200)
        await followed(s, {"main"})
        assert s.carrier.log.counts["bind"] == 1
