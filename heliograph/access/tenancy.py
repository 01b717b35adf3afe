"""Accounts and limits as a file says them: what that changes, checked on the whole of them.

Accounts never end, and limits of keys stay with their keys, so a file that is silent about one says nothing of it.
Source: docs/explanation/design/0043-account-tree.md, 0045-limits.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from heliograph.access.actors import Actor
from heliograph.access.changes import Change, Difference
from heliograph.access.limiting import LIMIT, limits_in
from heliograph.access.managing import MOST_NAME_CHARACTERS, NAME, shown_account
from heliograph.config.stored import LIMITS, SaidAccount
from heliograph.contracts import NEW_ACCOUNT, Administration
from heliograph.errors import ConfigFault
from heliograph.model import Account, ConfigObject, LimitSet
from heliograph.rules.inheritance import said_by, saying
from heliograph.rules.tree import misplaced

__all__ = ["Tenancy", "said_accounts", "said_limits"]

_ACCOUNT: Final = "account"


class _Written(Struct, frozen=True):
    """One of them: what is there and what is wanted, None where there is nothing; whom it concerns."""

    kind: str
    name: str
    account_id: int
    before: Account | ConfigObject | None
    after: Account | ConfigObject | None

    def difference(self) -> Difference:
        """As it is told."""
        before, after = _shown(self.before), _shown(self.after)
        action = "create" if before is None else "delete" if after is None else "change"
        return Difference(action=action, kind=self.kind, name=self.name, before=before, after=after)


class Tenancy:
    """What a change makes of the accounts and limits that are there; ``keys`` says whose each API key is.

    ``named`` are accounts that routes and numbers name, to be made where nobody says more of them.
    """

    def __init__(
        self,
        wanted: Change,
        accounts: Sequence[Account],
        limits: Sequence[ConfigObject],
        keys: Mapping[str, int],
        named: Iterable[str],
        now_us: int,
    ) -> None:
        self.faults: list[ConfigFault] = []
        self._known = {one.name: one for one in accounts}
        self._made: dict[str, Account] = {}
        self._written: list[_Written] = []
        said = {**dict.fromkeys(named, SaidAccount({})), **wanted.accounts}
        for name in sorted(said):  # so whoever is above comes first
            self._account(name, said[name], now_us)
        self._check_places()
        self._limits(wanted, {one.name: one for one in limits}, keys)
        self.differences = [one.difference() for one in self._written]
        """What would be different."""

    def write(self, change: Administration, by: Actor) -> None:
        """Adds all of it, with its trail."""
        for one, found in zip(self._written, self.differences, strict=True):
            if isinstance(one.after, Account):
                change.accounts.append((one.after, 0 if one.before is None else one.before.version))
            elif one.after is not None:
                change.objects.append((one.after, 0 if one.before is None else one.before.version))
            elif one.before is not None:
                change.deleted.append((one.kind, one.name, one.before.version))
            entry = by.entry(
                change.at_us, found.action, one.kind, one.name, one.account_id, before=found.before, after=found.after
            )
            change.audit.append(entry)

    # --- accounts ----------------------------------------------------------------------------------

    def _account(self, name: str, said: SaidAccount, now_us: int) -> None:
        before = self._known.get(name)
        if before is None:
            self._new(name, said, now_us)
            return
        after = _closed(saying(before, said.words), said.closed, now_us)
        if (said_by(after), after.closed_us) != (said_by(before), before.closed_us):
            self._made[name] = after
            self._written.append(_Written(_ACCOUNT, name, before.id, before, after))

    def _new(self, name: str, said: SaidAccount, now_us: int) -> None:
        above, _, own = name.rpartition(".")
        parent = self._made.get(above) or self._known.get(above)
        if (what := _unfit(name, own)) is not None:
            self._fault(name, what, "letters, digits, _ and -, and a dot behind each name above it")
        elif above and parent is None:
            self._fault(name, f"there is no account {above} above it", f'say [accounts."{above}"], too')
        else:
            stand_in = NEW_ACCOUNT + len(self._written)
            made = Account(id=stand_in, name=name, created_us=now_us, parent_id=None if parent is None else parent.id)
            self._made[name] = made
            new = _closed(replace(saying(made, said.words), id=0), said.closed, now_us)
            self._written.append(_Written(_ACCOUNT, name, stand_in, None, new))

    def _check_places(self) -> None:
        """Bounds that no account has for itself alone: each new one is looked at as if those before it were there."""
        tops = Counter(name.partition(".")[0] for name in self._known)
        for name in [name for name in self._made if name not in self._known]:
            top, is_below, _ = name.partition(".")
            tops[top] += 1
            below, beside = (tops[top] - 1, 0) if is_below else (0, len(tops))
            wrong = misplaced(level=name.count(".") + 1, below=below, tops=beside)
            if wrong is not None:
                self._fault(name, *wrong)

    def _fault(self, name: str, what: str, remedy: str) -> None:
        self.faults.append(ConfigFault(f"accounts.{name}", what, remedy))

    # --- limits ------------------------------------------------------------------------------------

    def _limits(self, wanted: Change, there: Mapping[str, ConfigObject], keys: Mapping[str, int]) -> None:
        for name, limits in wanted.limits.items():
            if (owner := self._owner(name, keys)) is None:
                continue
            before = there.get(name)
            if before is None or limits_in(before) != limits:
                document = msgspec.json.encode(limits).decode()
                after = ConfigObject(kind=LIMIT, name=name, document=document, account_id=owner)
                self._written.append(_Written(LIMIT, name, owner, before, after))
        for name in _ending(there, wanted) if wanted.whole else ():
            self._written.append(_Written(LIMIT, name, there[name].account_id, there[name], None))

    def _owner(self, name: str, keys: Mapping[str, int]) -> int | None:
        kind, _, whose = name.partition(":")
        if kind == "key" and whose in keys:
            return keys[whose]
        account = self._made.get(whose) or self._known.get(whose)
        if kind == _ACCOUNT and account is not None:
            return account.id
        remedy = {
            _ACCOUNT: f'say [accounts."{whose}"], too',
            "key": "keys are no part of a file: make it first (heliograph keys create), or leave its limits out",
        }[kind]
        self.faults.append(ConfigFault(f"{LIMITS[kind]}.{whose}", f"there is no {kind} {whose}", remedy))
        return None


def said_accounts(accounts: Iterable[Account], but: Collection[str] = ()) -> dict[str, SaidAccount]:
    """Accounts as a file would say them, by name; not those called ``but``."""
    return {
        one.name: SaidAccount(said_by(one), True if one.closed_us is not None else None)
        for one in sorted(accounts, key=lambda one: one.name)
        if one.name not in but
    }


def said_limits(limits: Iterable[ConfigObject], accounts: Iterable[Account]) -> dict[str, LimitSet]:
    """Limits of these accounts as a file would say them, by name."""
    names = {f"{_ACCOUNT}:{one.name}" for one in accounts}
    return {one.name: limits_in(one) for one in sorted(limits, key=lambda one: one.name) if one.name in names}


def _ending(there: Mapping[str, ConfigObject], wanted: Change) -> Iterator[str]:
    return (name for name in sorted(there) if name.startswith(f"{_ACCOUNT}:") and name not in wanted.limits)


def _closed(account: Account, closed: bool | None, now_us: int) -> Account:
    if closed is None:
        return account
    return replace(account, closed_us=(account.closed_us or now_us) if closed else None)


def _unfit(name: str, own: str) -> str | None:
    if len(name) > MOST_NAME_CHARACTERS:
        return f"a name has at most {MOST_NAME_CHARACTERS} characters"
    return None if NAME.fullmatch(own) else f"{own!r:.60} cannot name an account"


def _shown(one: Account | ConfigObject | None) -> Mapping[str, Any] | None:
    if one is None:
        return None
    if isinstance(one, Account):
        return shown_account(one)
    found: Mapping[str, Any] = msgspec.to_builtins(limits_in(one))
    return found
