"""The file after sealing: nothing in clear is left in any of its octets, nor in the log beside it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from heliograph.access.actors import Actor
from heliograph.access.sealing import KeyFile, MasterKeys
from heliograph.contracts import Acceptance, AuditFilter, Changes
from heliograph.store.sqlite import SqliteStore
from tests.conformance.values import NOW, Make

BY = Actor(kind="command", name="second").entry
CLEAR = "whsec_" + "c" * 43 + "="
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from heliograph.access.actors import Actor
from heliograph.access.rekeying import rekey
from heliograph.access.sealing import KeyFile, MasterKeys
from heliograph.store.sqlite import SqliteStore, secrets, store as module

BY = Actor(kind="command", name="first").entry

secrets.STEP = 4
steps = 0

def step(db, *, sealer, after, real=secrets.seal_step):
    global steps
    steps += 1
    if steps == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(db, sealer=sealer, after=after)

async def main():
    module.secrets.seal_step = step
    keys = MasterKeys(KeyFile(Path(sys.argv[1] + ".key")))
    store = SqliteStore(sys.argv[1], serve=False, sealer=keys)
    await store.open()
    await rekey(store, keys, forget=False, by=BY)

asyncio.run(main())
"""


def octets_of(path: str) -> bytes:
    return b"".join(one.read_bytes() for one in Path(path).parent.glob(f"{Path(path).name}*") if one.suffix != ".key")


async def keep(store: SqliteStore, *endpoints: object) -> None:
    await store.commit(Changes(acceptances=[Acceptance((), endpoints=endpoints)]))  # type: ignore[arg-type]


async def test_nothing_in_clear_is_left_in_the_file_after_sealing(path: str, make: Make) -> None:
    store = SqliteStore(path, serve=True)
    await store.open()
    for turn in range(3):  # rows that grow, shrink, split pages and are rotated: their remains lie in free space
        for at in range(60):
            url = "https://example.org/" + "x" * ((at * 37 + turn * 101) % 300)
            old = f"{CLEAR}{at}-{turn - 1}" if turn % 2 else None
            await keep(store, make.endpoint(f"we_{at}", url=url, secret=f"{CLEAR}{at}-{turn}", old_secret=old))
    await store.commit(
        Changes(acceptances=[Acceptance((), deleted_endpoints=tuple((1, f"we_{at}", NOW) for at in range(0, 60, 3)))])
    )
    await store.close()
    assert b"whsec_" in octets_of(path)

    keys = MasterKeys(lambda: [bytes(32)])
    store = SqliteStore(path, serve=True, sealer=keys)
    await store.open()
    assert await store.seal() == 60
    assert b"whsec_" not in octets_of(path)
    assert len(await store.endpoints()) == 40
    assert (await store.endpoints())[0].secret.startswith(CLEAR)
    await keep(store, make.endpoint("we_new", secret=CLEAR))
    await store.close()
    assert b"whsec_" not in octets_of(path)


async def test_a_rekey_that_is_killed_loses_nothing_and_is_gone_on_with(path: str, make: Make) -> None:
    file = KeyFile(Path(path + ".key"))
    first = file.make()
    store = SqliteStore(path, serve=True, sealer=MasterKeys(file))
    await store.open()
    some = [make.endpoint(f"we_{at:02}", secret=f"{CLEAR}{at}") for at in range(20)]
    await keep(store, *some)
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, path], capture_output=True, timeout=30
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    keys = MasterKeys(file)
    second = keys.key_ids[0]
    assert keys.key_ids == (second, first)
    assert await store.sealed_under() == {second: 8, first: 12}
    assert await store.endpoints() == some, "the running server opens both"

    from heliograph.access.rekeying import rekey

    command = SqliteStore(path, serve=False, sealer=keys)
    await command.open()
    done = await rekey(command, keys, forget=False, by=BY)
    assert (done.key_id, done.changed, done.left) == (second, 12, {})
    done = await rekey(command, keys, forget=True, by=BY)
    assert (done.changed, done.dropped) == (0, (first,))
    await command.close()
    told = [(one.actor, one.action, one.object_name) for one in await store.audit(AuditFilter())]
    rekeys = [("second", "rekey", second)] * 2 + [("first", "rekey", second)]
    assert told == [("second", "forget", second), *rekeys], "one that was killed is told, too"
    assert await store.endpoints() == some
    await store.close()
