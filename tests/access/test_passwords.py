"""Passwords: argon2id with stated parameters, the same work for a name that nobody has, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from heliograph.access.passwords import MEMORY_KIB, PASSES, Passwords, Verdict
from heliograph.errors import RequestRejected


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(memory_kib=64, passes=1)
    yield made
    made.close()


async def test_a_password_is_kept_as_argon2id_with_its_parameters() -> None:
    passwords = Passwords()
    kept = await passwords.hash("correct horse battery staple")
    assert kept.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$")
    assert "horse" not in kept
    assert await passwords.check("correct horse battery staple", kept) == Verdict.RIGHT
    passwords.close()


async def test_the_same_password_is_never_kept_alike(passwords: Passwords) -> None:
    assert await passwords.hash("secret") != await passwords.hash("secret")


@pytest.mark.parametrize("wrong", ["", "Secret", "secret ", "sécret", "x" * 1_000])
async def test_another_password_is_wrong(passwords: Passwords, wrong: str) -> None:
    assert await passwords.check(wrong, await passwords.hash("secret")) == Verdict.WRONG


async def test_a_name_that_nobody_has_is_wrong_after_the_same_work(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await passwords.hash("secret")
    verify, seen = type(passwords._hasher).verify, []

    def counted(hasher: object, hashed: str, password: str) -> bool:
        seen.append(hashed.rpartition("$")[0].rpartition("$")[0])
        return verify(hasher, hashed, password)  # type: ignore[arg-type]

    monkeypatch.setattr(type(passwords._hasher), "verify", counted)
    assert await passwords.check("wrong", kept) == Verdict.WRONG
    assert await passwords.check("wrong", None) == Verdict.WRONG
    assert len(seen) == 2
    assert seen[0] == seen[1]


async def test_old_parameters_are_told(passwords: Passwords) -> None:
    stronger = Passwords(memory_kib=128, passes=1)
    kept = await passwords.hash("secret")
    assert await stronger.check("secret", kept) == Verdict.OLD
    assert await stronger.check("wrong", kept) == Verdict.WRONG
    stronger.close()


@pytest.mark.parametrize(
    "damaged", ["x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=64,t=1,p=1$"]
)
async def test_a_damaged_hash_opens_for_nobody(passwords: Passwords, damaged: str) -> None:
    assert await passwords.check("secret", damaged) == Verdict.WRONG


async def test_a_flood_is_asked_to_come_again(passwords: Passwords) -> None:
    kept = await passwords.hash("secret")
    found = await asyncio.gather(*(passwords.check("secret", kept) for _ in range(100)), return_exceptions=True)
    refused = [one for one in found if isinstance(one, RequestRejected)]
    assert len(refused) == 66
    assert {(one.code, one.status, one.retry_after_s) for one in refused} == {("overloaded", 503, 2)}
    assert found.count(Verdict.RIGHT) == 34
    assert await passwords.check("secret", kept) == Verdict.RIGHT


async def test_who_gives_up_waiting_leaves_no_place_taken(passwords: Passwords) -> None:
    for _ in range(34):
        asked = asyncio.create_task(passwords.hash("secret"))
        await asyncio.sleep(0)
        asked.cancel()
    while passwords._waiting:
        await asyncio.sleep(0.001)
    assert await passwords.check("secret", await passwords.hash("secret")) == Verdict.RIGHT
