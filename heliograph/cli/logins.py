"""``heliograph people`` and ``heliograph smpp-customers``"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.access.logins import LoginKeeper, LoginKind
    from heliograph.model import Credential

__all__ = ["people", "smpp_customers"]

people = typer.Typer(no_args_is_help=True, help="People who may log in. Works while the server runs.")
smpp_customers = typer.Typer(no_args_is_help=True, help="Customers who may bind by SMPP. Works while the server runs.")

Account: TypeAlias = Annotated[str, typer.Option(help="Where.")]
Email: TypeAlias = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address.")]
SystemId: TypeAlias = Annotated[str, typer.Argument(metavar="SYSTEM_ID", help="The name that the customer binds with.")]
Role: TypeAlias = Annotated[str, typer.Option(help="owner, developer, operator, marketer or viewer.")]
Name: TypeAlias = Annotated[str, typer.Option(help="What people call it.")]
Allow: TypeAlias = Annotated[list[str] | None, typer.Option(help="A range (CIDR) from which it may bind. Repeatable.")]
Binds: TypeAlias = Annotated[int, typer.Option(min=1, max=100, help="Sessions at the same time.")]
Window: TypeAlias = Annotated[int, typer.Option(min=1, max=1000, help="Requests in a session that wait for an answer.")]

Work = Callable[["LoginKeeper"], Awaitable[Any]]


# --- people ---------------------------------------------------------------------------------------
@people.command("create")
def create_person(
    email: Email, role: Role = "viewer", account: Account = "default", name: Name = "", config: Config = None
) -> None:
    """Let a person in, with a password that is shown once."""
    _create(_people(), config, email, account, {"role": role}, name, ())


@people.command("list")
def list_people(config: Config = None, json: Json = False) -> None:
    """List the people who may log in."""
    _list(_people(), config, json, ("role",))


@people.command("change")
def change_person(email: Email, role: Role, config: Config = None) -> None:
    """Give a person another role."""
    _run(_people(), config, lambda keeper: keeper.change(_actor(), email, None, settings={"role": role}))
    print(f"{email} is {role} now.")


@people.command("password")
def renew_person(email: Email, config: Config = None) -> None:
    """Give a person another password, which is shown once."""
    _renew(_people(), config, email)


@people.command("end")
def end_person(email: Email, config: Config = None) -> None:
    """Let a person in no more."""
    _end(_people(), config, email)


# --- SMPP customers -------------------------------------------------------------------------------
@smpp_customers.command("create")
def create_customer(
    system_id: SystemId,
    account: Account = "default",
    name: Name = "",
    allow: Allow = None,
    binds: Binds = 2,
    window: Window = 10,
    config: Config = None,
) -> None:
    """Let an SMPP customer in, with a password that is shown once."""
    _create(_customers(), config, system_id, account, {"binds": binds, "window": window}, name, tuple(allow or ()))


@smpp_customers.command("list")
def list_customers(config: Config = None, json: Json = False) -> None:
    """List the SMPP customers who may bind."""
    _list(_customers(), config, json, ("binds", "window"))


@smpp_customers.command("password")
def renew_customer(system_id: SystemId, config: Config = None) -> None:
    """Give an SMPP customer another password, which is shown once."""
    _renew(_customers(), config, system_id)


@smpp_customers.command("end")
def end_customer(system_id: SystemId, config: Config = None) -> None:
    """Let an SMPP customer in no more."""
    _end(_customers(), config, system_id)


# --- common ---------------------------------------------------------------------------------------
def _people() -> LoginKind:
    from heliograph.access.logins import PEOPLE

    return PEOPLE


def _customers() -> LoginKind:
    from heliograph.access.logins import SMPP_CUSTOMERS

    return SMPP_CUSTOMERS


def _actor() -> Any:
    from heliograph.cli.actor import command_actor

    return command_actor()


def _run(kind: LoginKind, config: Any, work: Work) -> Any:
    from heliograph.access.logins import LoginKeeper
    from heliograph.access.passwords import Passwords
    from heliograph.cli.stores import with_store

    passwords = Passwords()
    try:
        return with_store(
            config, lambda store: work(LoginKeeper(kind, store, passwords, lambda: time.time_ns() // 1000))
        )
    finally:
        passwords.close()


def _create(
    kind: LoginKind,
    config: Any,
    name: str,
    account: str,
    settings: dict[str, Any],
    title: str,
    addresses: tuple[str, ...],
) -> None:
    async def work(keeper: LoginKeeper) -> tuple[Credential, str | None]:
        account_id = await keeper.account_id(_actor(), account, 0)
        return await keeper.create(_actor(), account_id, name, settings, title=title, addresses=addresses)

    made, password = _run(kind, config, work)
    print(f"{kind.called(made)} may come in. The password, shown this once: {password}")


def _list(kind: LoginKind, config: Any, json: bool, settings: tuple[str, ...]) -> None:
    from heliograph.cli.output import print_json, print_table

    found = _run(kind, config, lambda keeper: keeper.list(_actor()))
    if json:
        shown = [
            {kind.field: kind.called(one), "name": one.name, "account_id": one.account_id, **one.settings}
            for one in found
        ]
        print_json({"logins": shown})
        return
    rows = [[kind.called(one), one.name, *(one.settings.get(word) for word in settings)] for one in found]
    print_table((kind.field, "name", *settings), rows, empty="Nobody: create lets somebody in.")


def _renew(kind: LoginKind, config: Any, name: str) -> None:
    _, password = _run(kind, config, lambda keeper: keeper.renew(_actor(), name))
    print(f"The new password of {name}, shown this once: {password}")


def _end(kind: LoginKind, config: Any, name: str) -> None:
    _run(kind, config, lambda keeper: keeper.end(_actor(), name))
    print(f"{name} comes in no more.")
