"""The master key over its life: made, missed, wrong, changed while webhooks are told."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from heliograph.access.sealing import KeyFile, MasterKeys, key_id_of
from heliograph.contracts import Acceptance, Changes
from heliograph.store import open_store
from heliograph.telemetry import journal
from tests.acceptance.test_bad_input_start import serve
from tests.accounts import ensure_account
from tests.dialogues.stage import Stage, eventually, stage
from tests.store.postgres.server import fresh_database


def base64_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


def heliograph(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "heliograph", *words, "--config", str(folder / "heliograph.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def secure(folder: Path, *lines: str) -> None:
    """Sets ``[security]`` of the configuration."""
    path = folder / "heliograph.toml"
    head, _, rest = path.read_text().partition("[security]")
    path.write_text(head + "[security]\n" + "\n".join(lines) + "\n[webhooks]" + rest.partition("[webhooks]")[2])


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("house.db*") if path.suffix != ".key")


async def a_house_with_a_webhook(folder: Path) -> str:
    async with stage(folder) as s, s.webhook() as sink:
        assert sink.secret is not None
        return sink.secret


async def told_and_verified(s: Stage, hook: object) -> None:
    """A message's events come, signed as the receiver knows it (it answers others with 4xx and keeps none)."""
    message_id = (await s.send())["id"]

    async def told() -> bool:
        return any(message_id in str(event) for event in hook.events)  # type: ignore[attr-defined]

    await eventually(told)


async def test_the_first_start_makes_a_key_and_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(journal, "master_key_made", lambda *told: said.append(told))
    secret = await a_house_with_a_webhook(tmp_path)
    file = KeyFile(tmp_path / "house.db.key")
    [key] = file()
    assert file.path.stat().st_mode & 0o777 == 0o600
    kept = file.path.read_bytes()
    assert secret.encode() not in everything(tmp_path)
    async with stage(tmp_path) as s:
        assert s.server.sealing.key_id == key_id_of(key)
        assert [one.secret for one in await s.server.store.endpoints()] == [secret]
    assert file.path.read_bytes() == kept
    assert said == [(str(file.path), key_id_of(key))]


async def test_a_key_that_is_missing_or_wrong_keeps_serve_from_starting_and_is_never_replaced(tmp_path: Path) -> None:
    secret = await a_house_with_a_webhook(tmp_path)
    path = tmp_path / "house.db.key"
    kept = path.read_text()

    path.unlink()
    told = await serve(tmp_path / "heliograph.toml")
    assert (told.code, told.out) == (1, "")
    assert "house.db.key: is not there, but secrets in the store are sealed under" in told.err
    assert "put back the copy" in told.err
    assert not path.exists()

    for octets, what in ((base64_of(bytes(32)), "is not known here"), (base64_of(bytes(31)), "no key of 32 octets")):
        path.write_text(octets)
        told = await serve(tmp_path / "heliograph.toml")
        assert (told.code, told.out) == (1, "")
        assert what in told.err
        assert "Traceback" not in told.err
        assert secret not in told.err
        assert octets not in told.err
        assert path.read_text() == octets
    path.write_text(base64_of(bytes(32)))
    checked = await asyncio.to_thread(heliograph, tmp_path, "store", "check")
    assert checked.returncode == 1
    assert "WRONG 1 webhooks with a secret that cannot be opened" in checked.stdout

    path.write_text(kept)
    async with stage(tmp_path) as s:
        assert [one.secret for one in await s.server.store.endpoints()] == [secret]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('master_key = "file:nowhere.key"', "the file nowhere.key cannot be read"),
        ('master_key = "env:NO_SUCH_KEY"', "NO_SUCH_KEY is not set"),
        ('master_key = "c2hvcnQ="', "master_key is no key of 32 octets in base64"),
        ('master_key = ""', "master_key is no key of 32 octets in base64"),
        (f'other_master_keys = ["{base64_of(bytes(32))}"]', "no master_key seals"),
        (f'master_key = "{base64_of(bytes(32))}"\nother_master_keys = ["x"]', "one of other_master_keys is no key"),
    ],
)
async def test_a_configured_key_that_is_none_is_told_with_its_line(tmp_path: Path, line: str, what: str) -> None:
    (tmp_path / "heliograph.toml").write_text(f'[store]\nurl = "sqlite:///{tmp_path}/house.db"\n[security]\n{line}\n')
    told = await serve(tmp_path / "heliograph.toml")
    assert (told.code, told.out) == (1, "")
    assert what in told.err
    assert f"heliograph.toml:{4 + line.count(chr(10))}:" in told.err
    assert "c2hvcnQ" not in told.err
    assert not (tmp_path / "house.db.key").exists()


async def test_postgresql_without_a_key_is_refused_with_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text(f'[store]\nurl = "{await fresh_database()}"\n')
    told = await serve(tmp_path / "heliograph.toml")
    assert (told.code, told.out) == (1, "")
    assert "security.master_key: is not set" in told.err
    assert "head -c 32 /dev/urandom | base64" in told.err


async def test_the_key_beside_the_database_is_changed_while_webhooks_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = KeyFile(tmp_path / "house.db.key")
    async with stage(tmp_path) as s, s.webhook() as sink:
        [first] = file()
        await told_and_verified(s, sink)
        done = await asyncio.to_thread(heliograph, tmp_path, "store", "rekey")
        assert done.returncode == 0, done.stderr
        second = key_id_of(file()[0])
        assert done.stdout == f"Sealed the secrets of 1 webhooks, connectors and tokens under the key {second}.\n"
        await told_and_verified(s, sink)
        async with s.webhook() as other:  # the server seals under the new key at once
            assert set(await s.server.store.sealed_under()) == {second}
            await told_and_verified(s, other)
        done = await asyncio.to_thread(heliograph, tmp_path, "store", "rekey", "--forget")
        assert f"Dropped the key {key_id_of(first)}." in done.stdout
        assert [key_id_of(key) for key in file()] == [second]
        secrets = [sink.secret, other.secret, *(base64_of(key) for key in (first, *file()))]
    async with stage(tmp_path) as s:
        assert sink.secret in [one.secret for one in await s.server.store.endpoints()]
    written = "".join(capfd.readouterr())
    assert "link_bound" in written, "the journal is heard"
    for secret in secrets:
        assert secret
        assert secret not in written
        assert secret not in done.stdout + done.stderr


async def test_a_configured_key_is_changed_by_reload_and_rekey(tmp_path: Path) -> None:
    from heliograph.config import load
    from heliograph.errors import ConfigError

    one, two = base64_of(b"1" * 32), base64_of(b"2" * 32)
    async with stage(tmp_path) as s, s.webhook() as sink:
        path = tmp_path / "heliograph.toml"
        secure(tmp_path, f'master_key = "{two}"')
        with pytest.raises(ConfigError, match="not known here"):
            await s.server.reload(load(path, {}))
        await told_and_verified(s, sink)  # with the keys that it had
        made = (tmp_path / "house.db.key").read_text().strip()
        secure(tmp_path, f'master_key = "{one}"', f'other_master_keys = ["{made}"]')
        await s.server.reload(load(path, {}))
        done = await asyncio.to_thread(heliograph, tmp_path, "store", "rekey")
        assert done.returncode == 0, done.stderr
        assert set(await s.server.store.sealed_under()) == {key_id_of(b"1" * 32)}
        secure(tmp_path, f'master_key = "{one}"')
        await s.server.reload(load(path, {}))
        await told_and_verified(s, sink)


async def test_a_secret_under_an_unknown_key_stops_no_other_and_is_loaded_when_the_key_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(journal, "secret_locked", said.append)
    file = tmp_path / "house.db.key"
    stranger = b"s" * 32
    async with stage(tmp_path) as s, s.webhook() as hook:
        [made] = await s.server.store.endpoints()
        locked = msgspec.structs.replace(made, id="we_locked", url="http://127.0.0.1:9/")
        other = open_store(s.server.config.store.url, serve=False, sealer=MasterKeys(lambda: [stranger]))
        await other.open()
        await other.commit(Changes(acceptances=[Acceptance((), endpoints=(locked,))]))
        await ensure_account(other, "more", 1)  # a change that every server hears of
        await other.close()

        async def told() -> bool:
            return bool(said)

        await eventually(told)
        assert "we_locked is sealed under the master key" in said[0]
        assert s.server.readiness.reason() is None
        await told_and_verified(s, hook)
        file.write_text(file.read_text() + base64_of(stranger))

        async def loaded() -> bool:
            return sum(s.server.outbox.healths().values()) == 2

        await eventually(loaded)
        assert len(said) == 1


async def test_a_restored_store_whose_key_is_not_here_is_said(tmp_path: Path) -> None:
    await a_house_with_a_webhook(tmp_path)
    backup = await asyncio.to_thread(heliograph, tmp_path, "store", "backup", str(tmp_path / "backup"))
    assert "The master key is not in it" in backup.stdout
    key = tmp_path / "house.db.key"
    kept = key.read_text()
    assert kept.strip().encode() not in (tmp_path / "backup").read_bytes()
    key.write_text(base64_of(bytes(32)))
    restored = await asyncio.to_thread(heliograph, tmp_path, "store", "restore", str(tmp_path / "backup"), "--force")
    assert restored.returncode == 0
    assert "1 secrets are sealed under the master key" in restored.stderr
    key.write_text(kept)
    restored = await asyncio.to_thread(heliograph, tmp_path, "store", "restore", str(tmp_path / "backup"), "--force")
    assert restored.stderr == ""
