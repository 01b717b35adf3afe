"""Whose traffic somebody may see: the accounts as they stand, and which of them are below whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from heliograph.errors import RequestRejected
from heliograph.model import Account
from heliograph.rules.inheritance import resolved, tree_of
from heliograph.rules.tree import Tree

__all__ = ["TREE", "Accounts", "no_account"]

TREE = "tree"
"""The word for an account and everyone below it, where a name of an account could stand."""


class Accounts:
    """All accounts of one version of the configuration. Never changed; replaced as a whole."""

    def __init__(self, kept: Iterable[Account] = ()) -> None:
        self.kept: Mapping[int, Account] = {one.id: one for one in kept}
        """As the store has them, by id."""
        self.tree: Tree = tree_of(self.kept.values())
        self.known: Mapping[int, Account] = resolved(self.kept.values(), self.tree)
        """With all settings that hold for them, by id."""
        self.named: Mapping[str, int] = {one.name: one.id for one in self.kept.values()}

    def open(self, account_id: int) -> Account | None:
        """An account that is not closed, nor below one that is."""
        found = self.known.get(account_id)
        return None if found is None or found.closed_us is not None else found

    def name(self, account_id: int) -> str:
        """The name of an account, or of that whose sandbox it is; empty for one that is new since."""
        found = self.kept.get(abs(account_id))
        return "" if found is None else found.name

    def sees(self, root: int | None, account_id: int) -> bool:
        """Whether an account is ``root`` or below it; None is the operator, who sees all."""
        return root is None or self.tree.holds(root, account_id)

    def within(self, root: int) -> Sequence[int]:
        """The account and everyone below; below a sandbox are sandboxes alone."""
        return self.tree.within(root) if root > 0 else [-one for one in self.tree.within(-root)]

    def below(self, root: int | None, name: str) -> Account:
        """The account of this name, if it is ``root`` or below it (None: wherever it is). Raises ``RequestRejected``

        404: a stranger's name and one that nobody has are answered alike.
        """
        account_id = self.named.get(name)
        if account_id is None or not self.sees(root, account_id):
            raise no_account()
        return self.kept[account_id]

    def asked(self, root: int, word: str | None, field: str = "account") -> Sequence[int]:
        """The ids that a filter names: None is the asker alone, ``tree`` all that it may see, else one of them by name.

        Raises ``RequestRejected`` for a name that is none of those, whoever else has it.
        """
        if word is None:
            return (root,)
        if word == TREE:
            return self.within(root)
        account_id = self.named.get(word)
        if account_id is None or not self.tree.holds(abs(root), account_id):
            raise RequestRejected(
                "field_invalid",
                f"You have no account {word[:64]} below you: give {field}=tree for all of them, or a name of "
                "GET /v1/accounts.",
                field=field,
            )
        return (account_id if root > 0 else -account_id,)


def no_account() -> RequestRejected:
    """The answer for an account that is not there, or that the caller may not know of."""
    return RequestRejected("not_found", "There is no such account: GET /v1/accounts lists yours.", status=404)
