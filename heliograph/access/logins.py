"""Credentials that are a name and a password: people, found by their e-mail, and SMPP customers, by their system_id.

Whoever makes one sees the password once; what is kept is its argon2id hash. An end is no deletion: the name stays with
its account, and can be opened again there.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from heliograph.access.accounts import Accounts
from heliograph.access.actors import Actor
from heliograph.access.allowing import AllowList
from heliograph.access.emails import email_of
from heliograph.access.keys import KeyRing
from heliograph.access.passwords import MOST_PASSWORD_OCTETS, Passwords, Verdict
from heliograph.access.wishes import checked_name, checked_ranges
from heliograph.contracts import Administration, Claim, Store
from heliograph.delivery.idempotency import claim_of, earlier, same
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected, VersionConflict
from heliograph.model import ROLES, Credential, scopes_of_role

__all__ = ["LEAST_PASSWORD", "MOST_LOGINS", "PEOPLE", "SMPP_CUSTOMERS", "LoginKeeper", "LoginKind", "Logins"]

MOST_LOGINS: Final = 500
"""Open ones of a kind in an account."""
LEAST_PASSWORD: Final = 12
"""Characters of a password that a person chooses. Source: NIST SP 800-63B §5.1.1 asks for 8, OWASP for 12 and more."""

_ALPHABET: Final = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""No letter that is easily taken for another: it may be read out."""
_SYSTEM_ID: Final = re.compile(r"[\x21-\x7e]{1,15}")
"""Source: SMPP 3.4 §5.2.1 (16 octets with the terminator)."""


class LoginKind(Struct, frozen=True, kw_only=True):
    """What is special of one kind. ``name`` gives the one spelling of a name, ``check`` raises for settings that are

    none; both raise ``RequestRejected``. ``generated`` is the length of passwords that are made here, ``chosen``
    whether they may be chosen.
    """

    kind: str
    what: str
    field: str
    listed: str
    name: Callable[[str], str]
    check: Callable[[Mapping[str, Any]], None]
    generated: int
    chosen: bool
    of_account: bool
    """Whether each account has names of its own: a person can be in several, and none learns of the others."""

    def kept(self, account_id: int, name: str) -> str:
        """What the store finds it by."""
        return f"{account_id}:{name}" if self.of_account else name

    def called(self, one: Credential) -> str:
        """Its name."""
        return one.prefix.partition(":")[2] if self.of_account else one.prefix


def _person(settings: Mapping[str, Any]) -> None:
    if settings.get("role") not in ROLES:
        raise RequestRejected("field_invalid", f"role must be one of {', '.join(ROLES)}.", field="role")


def _system_id(text: str) -> str:
    if not _SYSTEM_ID.fullmatch(text):
        raise RequestRejected(
            "field_invalid", "system_id must have 1 to 15 ASCII characters without blanks.", field="system_id"
        )
    return text


PEOPLE: Final = LoginKind(
    kind="person",
    what="person",
    field="email",
    listed="/v1/people",
    name=email_of,
    check=_person,
    generated=20,
    chosen=True,
    of_account=True,
)
SMPP_CUSTOMERS: Final = LoginKind(
    kind="smpp",
    what="SMPP customer",
    field="system_id",
    listed="/v1/smpp-customers",
    name=_system_id,
    check=lambda settings: None,
    generated=8,
    chosen=False,
    of_account=False,
)
"""Passwords have 8 characters. Source: SMPP 3.4 §5.2.2 (9 octets with the terminator)."""


class Logins:
    """Checks a name and its password: an unknown name takes as long as a wrong password, and is answered alike.

    ``keys`` are those of this process: who tries one kind of credential waits at the others, too, by the same guard,
    and the audit log tells who was refused.
    """

    def __init__(self, store: Store, passwords: Passwords, keys: KeyRing) -> None:
        self._store = store
        self._passwords = passwords
        self._keys = keys

    async def check(
        self, kind: LoginKind, name: str, password: str, peer: str | None, account: str | None = None
    ) -> Credential | None:
        """Whose they are, for a caller at ``peer``; None where nobody's.

        ``account`` names the one that a person in several means; without it the oldest is meant. So every attempt is
        one look at one password, and its time tells nothing.

        Raises ``RequestRejected``: 429 ``too_many_failures``, as :class:`Guard` says it, without a look at the password
        or at the answer; 403 ``address_not_allowed``, which only who has the password hears; 503 under a flood.
        """
        try:
            spelled = kind.name(name)
        except RequestRejected:
            spelled = ""
        counted = f"{kind.kind}:{spelled}"
        guard = self._keys.guard
        guard.check(peer, counted)
        found = await self._whose(kind, spelled, password, account)
        if found is None:
            guard.failed(peer, counted)
            return None
        # others may have failed here meanwhile: who guesses side by side learns nothing
        guard.passed(peer, counted)
        if found.addresses and not AllowList(found.addresses).admits(peer):
            self._keys.refusals.refused(
                kind.called(found), kind.kind, peer, "credential", "address_not_allowed", account_id=found.account_id
            )
            raise RequestRejected(
                "address_not_allowed",
                f"This {kind.what} may not come from this address: use one of its own, or let the operator add this.",
                status=403,
            )
        return found

    async def _whose(self, kind: LoginKind, name: str, password: str, account: str | None) -> Credential | None:
        if len(password.encode()) > MOST_PASSWORD_OCTETS:
            return None
        await self._keys.refresh()  # an account may have been closed a moment ago
        accounts = self._keys.accounts
        found = next(
            (
                one
                for one in await self._store.logins(kind.kind, name)
                if one.revoked_us is None
                and accounts.open(one.account_id) is not None
                and account in (None, accounts.name(one.account_id))
            ),
            None,
        )
        verdict = await self._passwords.check(password, None if found is None else found.hash.decode())
        return None if verdict == Verdict.WRONG else found


class LoginKeeper:
    """Makes, changes and ends them. Every method raises ``RequestRejected`` for what the actor may not, and
    ``VersionConflict``. Who is no operator keeps those of its own account and the ones below."""

    def __init__(self, kind: LoginKind, store: Store, passwords: Passwords, now_us: Callable[[], int]) -> None:
        self.kind = kind
        self._store = store
        self._passwords = passwords
        self._now_us = now_us

    async def list(self, actor: Actor) -> list[Credential]:
        """Those that the actor may see and that are not ended, by name."""
        accounts = Accounts(await self._store.accounts())
        found = [
            one
            for one in await self._all()
            if one.revoked_us is None and accounts.sees(actor.account_id, one.account_id)
        ]
        return sorted(found, key=self.kind.called)

    async def get(self, actor: Actor, name: str) -> Credential:
        """One by its name; a stranger's is not there."""
        kind = self.kind
        found = [one for one in await self.list(actor) if name in (kind.called(one), one.prefix)]
        if len(found) > 1:
            raise RequestRejected(
                "conflict", f"Several accounts have a {kind.what} of this name: ask with a key of the one.", status=409
            )
        if found:
            return found[0]
        raise RequestRejected("not_found", f"There is no {kind.what} of this name: GET {kind.listed}.", status=404)

    async def account_id(self, actor: Actor, name: str | None, own: int) -> int:
        """The account that a request is about: the named one, where the actor acts for it, or its own."""
        if name is None:
            return own
        accounts = Accounts(await self._store.accounts())
        account_id = accounts.named.get(name)
        if account_id is None or not accounts.sees(actor.account_id, account_id):
            raise RequestRejected("not_found", "There is no account of this name.", field="account", status=404)
        return account_id

    async def create(
        self,
        actor: Actor,
        account_id: int,
        name: str,
        settings: Mapping[str, Any],
        *,
        title: str = "",
        addresses: Sequence[str] = (),
        password: str | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[Credential, str | None]:
        """A new one with the password that was made for it; None for one that was chosen, and in a replay."""
        if (done := await self._earlier(actor, idempotency)) is not None:
            return done, None
        spelled, known = self.kind.kept(account_id, self.kind.name(name)), await self._all()
        self._check(actor, settings)
        before = next((one for one in known if one.prefix == spelled), None)
        if before is not None and (before.revoked_us is None or before.account_id != account_id):
            raise RequestRejected(
                "conflict", f"This {self.kind.field} is taken: choose another.", field=self.kind.field, status=409
            )
        if sum(one.revoked_us is None and one.account_id == account_id for one in known) >= MOST_LOGINS:
            raise RequestRejected(
                "conflict", f"An account has at most {MOST_LOGINS} of them: end one first.", status=409
            )
        made, shown_password = self._password(password)
        now_us = self._now_us()
        wanted = Credential(
            id=0 if before is None else before.id,
            account_id=account_id,
            prefix=spelled,
            hash=(await self._passwords.hash(made)).encode(),
            scopes=(),
            created_us=now_us if before is None else before.created_us,
            name=checked_name(title),
            addresses=checked_ranges(addresses),
            kind=self.kind.kind,
            settings=dict(settings),
        )
        expected = 0 if before is None else before.version
        change = Administration(at_us=now_us, credentials=[(wanted, expected)])
        change.audit.append(self._entry(actor, now_us, "create", None, wanted))
        if idempotency is not None:
            change.claim = claim_of(idempotency, msgspec.json.encode({"name": spelled}).decode(), now_us)
        try:
            done_now = await self._store.administer(change)
        except VersionConflict:
            raise RequestRejected(
                "conflict", f"This {self.kind.field} is taken: choose another.", field=self.kind.field, status=409
            ) from None
        if done_now.taken is not None:
            return await self._of(actor, same(done_now.taken, idempotency)), None
        return done_now.credentials[0], shown_password

    async def change(
        self,
        actor: Actor,
        name: str,
        expected: int | None,
        *,
        settings: Mapping[str, Any] | None = None,
        title: str | None = None,
        addresses: Sequence[str] | None = None,
        password: str | None = None,
    ) -> Credential:
        """What is given is changed."""
        before = await self._touchable(actor, name)
        after = before
        if settings is not None:
            merged = {**before.settings, **settings}
            self._check(actor, merged)
            after = replace(after, settings=merged)
        if title is not None:
            after = replace(after, name=checked_name(title))
        if addresses is not None:
            after = replace(after, addresses=checked_ranges(addresses))
        if password is not None:
            made, _ = self._password(password)
            after = replace(after, hash=(await self._passwords.hash(made)).encode())
        return await self._put(actor, "change", before, after, expected, await self._other_owner(before, after))

    async def renew(
        self, actor: Actor, name: str, expected: int | None = None, idempotency: IdempotencyKey | None = None
    ) -> tuple[Credential, str | None]:
        """Another password, made here (None in a replay); the old one holds no longer."""
        if (done := await self._earlier(actor, idempotency)) is not None:
            return done, None
        before = await self._touchable(actor, name)
        made, _ = self._password(None)
        after = replace(before, hash=(await self._passwords.hash(made)).encode())
        now_us = self._now_us()
        change = Administration(
            at_us=now_us,
            credentials=[(after, before.version if expected is None else expected)],
            audit=[self._entry(actor, now_us, "rotate", before, after)],
        )
        if idempotency is not None:
            change.claim = claim_of(idempotency, msgspec.json.encode({"name": after.prefix}).decode(), now_us)
        written = await self._store.administer(change)
        if written.taken is not None:
            return await self._of(actor, same(written.taken, idempotency)), None
        return written.credentials[0], made

    async def end(self, actor: Actor, name: str, expected: int | None = None) -> Credential:
        """Nobody gets in with it any more."""
        before = await self._touchable(actor, name)
        after = replace(before, revoked_us=self._now_us(), hash=f"ended:{before.prefix}".encode())
        return await self._put(actor, "revoke", before, after, expected, await self._other_owner(before, after))

    # --- common -----------------------------------------------------------------------------------

    async def _all(self) -> Sequence[Credential]:
        return await self._store.credentials(self.kind.kind)

    async def _touchable(self, actor: Actor, name: str) -> Credential:
        found = await self.get(actor, name)
        if self.kind is PEOPLE:
            actor.check_scopes(sorted(scopes_of_role(str(found.settings.get("role")))), "role")
        return found

    def _check(self, actor: Actor, settings: Mapping[str, Any]) -> None:
        self.kind.check(settings)
        if self.kind is PEOPLE:
            actor.check_scopes(sorted(scopes_of_role(str(settings["role"]))), "role")

    async def _other_owner(self, before: Credential, after: Credential) -> Credential | None:
        """An account that had an owner keeps one: somebody must be able to let the others in.

        Gives the one who stays, to be written with the change: two owners who end each other at once are told apart.
        """
        if not _owns(before) or _owns(after):
            return None
        for one in await self._all():
            if one.account_id == before.account_id and one.id != before.id and _owns(one):
                return one
        raise RequestRejected(
            "conflict", "This is the account's last owner: make somebody else an owner first.", status=409
        )

    def _password(self, chosen: str | None) -> tuple[str, str | None]:
        """The password to be kept, and what of it is shown."""
        if chosen is None:
            made = "".join(secrets.choice(_ALPHABET) for _ in range(self.kind.generated))
            return made, made
        if not self.kind.chosen:
            raise RequestRejected("field_invalid", "The password is made here: leave it away.", field="password")
        if len(chosen) < LEAST_PASSWORD or len(chosen.encode()) > MOST_PASSWORD_OCTETS:
            raise RequestRejected(
                "field_invalid",
                f"password must have {LEAST_PASSWORD} characters or more, up to {MOST_PASSWORD_OCTETS} octets.",
                field="password",
            )
        return chosen, None

    async def _put(
        self,
        actor: Actor,
        action: str,
        before: Credential,
        after: Credential,
        expected: int | None,
        witness: Credential | None = None,
    ) -> Credential:
        now_us = self._now_us()
        version = before.version if expected is None else expected
        change = Administration(
            at_us=now_us,
            credentials=[(after, version), *([] if witness is None else [(witness, witness.version)])],
            audit=[self._entry(actor, now_us, action, before, after)],
        )
        return (await self._store.administer(change)).credentials[0]

    def _entry(self, actor: Actor, at_us: int, action: str, before: Credential | None, after: Credential) -> Any:
        old, new = None if before is None else _shown(before), _shown(after)
        if before is not None and before.hash != after.hash and after.revoked_us is None:
            new["password"] = "changed"
        return actor.entry(
            at_us, action, self.kind.kind, self.kind.called(after), after.account_id, before=old, after=new
        )

    async def _earlier(self, actor: Actor, idempotency: IdempotencyKey | None) -> Credential | None:
        claim = await earlier(self._store, idempotency, self._now_us())
        return None if claim is None else await self._of(actor, claim)

    async def _of(self, actor: Actor, claim: Claim) -> Credential:
        return await self.get(actor, msgspec.json.decode(claim.made or "{}").get("name", ""))


def _owns(one: Credential) -> bool:
    return one.kind == PEOPLE.kind and one.revoked_us is None and one.settings.get("role") == "owner"


def _shown(one: Credential) -> dict[str, Any]:
    """What the trail shows: never the hash."""
    return {
        "name": one.name,
        "account_id": one.account_id,
        "addresses": one.addresses,
        "settings": one.settings,
        "revoked_us": one.revoked_us,
    }
