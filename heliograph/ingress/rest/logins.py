"""The endpoints of people and of SMPP customers: who gets in with a name and a password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Request
from msgspec import UNSET, Meta, Struct, UnsetType

from heliograph.access import Principal
from heliograph.access.actors import OPERATOR_SCOPE, Actor
from heliograph.access.logins import PEOPLE, SMPP_CUSTOMERS, LoginKeeper, LoginKind
from heliograph.delivery.instants import iso
from heliograph.ingress.rest.asking import peer_of
from heliograph.ingress.rest.calls import decode, idempotency_of
from heliograph.ingress.rest.endpoints import NOT_KEPT, REPLAYED, Answerer, Caller, Reader
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.versions import etag, expected_of
from heliograph.model import Credential

__all__ = ["LOGIN_OPERATIONS", "LoginEndpoints", "login_endpoints"]

_SCOPE: Final = "accounts"
Role = Literal["owner", "developer", "operator", "marketer", "viewer"]
Title = Annotated[str, Meta(max_length=64)]
Account = Annotated[str, Meta(min_length=1, max_length=128)]
Secret = Annotated[str, Meta(max_length=1024)]
Ranges = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=32)]
Binds = Annotated[int, Meta(ge=1, le=100)]
Window = Annotated[int, Meta(ge=1, le=1000)]


class PersonBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A person to let in. Without ``password`` one is made, and shown once."""

    email: Annotated[str, Meta(min_length=3, max_length=254)]
    role: Role
    name: Title = ""
    password: Secret | None = None
    account: Account | None = None


class PersonPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a person; what is not there stays."""

    role: Role | UnsetType = UNSET
    name: Title | UnsetType = UNSET
    password: Secret | UnsetType = UNSET


class PersonView(Struct, frozen=True, omit_defaults=True):
    """A person. ``password`` only when it is made here; a replay has ``secret_shown`` false."""

    email: str
    role: str
    name: str
    account: str
    created_at: str
    version: int
    password: str | UnsetType = UNSET
    secret_shown: bool | UnsetType = UNSET


class SmppCustomerBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An SMPP customer to let in. The password is made here, and shown once."""

    system_id: Annotated[str, Meta(min_length=1, max_length=15)]
    name: Title = ""
    addresses: Ranges = []
    binds: Binds = 2
    window: Window = 10
    account: Account | None = None


class SmppCustomerPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of an SMPP customer; what is not there stays."""

    name: Title | UnsetType = UNSET
    addresses: Ranges | UnsetType = UNSET
    binds: Binds | UnsetType = UNSET
    window: Window | UnsetType = UNSET


class SmppCustomerView(Struct, frozen=True, omit_defaults=True):
    """An SMPP customer. ``password`` only when it is made; a replay has ``secret_shown`` false."""

    system_id: str
    name: str
    account: str
    addresses: list[str]
    binds: int
    window: int
    created_at: str
    version: int
    password: str | UnsetType = UNSET
    secret_shown: bool | UnsetType = UNSET


def _operations(
    kind: LoginKind, parameter: str, named: str, bodies: tuple[type, type, type], example: Any, patch: Any
) -> tuple[Operation, ...]:
    body, change, view = bodies
    scope = _SCOPE if kind is PEOPLE else OPERATOR_SCOPE
    path = f"{kind.listed}/{{{parameter}}}"
    many = "people" if kind is PEOPLE else "SMPP customers"
    article = "a person" if kind is PEOPLE else "an SMPP customer"
    made = ("conflict", "not_found")
    return (
        Operation("POST", kind.listed, f"Let {article} in", scope, body, view, 201, example=example, problems=made),
        Operation("GET", kind.listed, f"List {many}", scope, None, view, list_name=many.replace(" ", "_").lower()),
        Operation("GET", path, f"Show {article}", scope, None, view, named=named),
        Operation(
            "PATCH", path, f"Change {article}", scope, change, view, example=patch, named=named,
            problems=("conflict", "version_mismatch"),
        ),
        Operation(
            "POST", f"{path}/password", f"Give {article} another password", scope, None, view, named=named,
            problems=("version_mismatch",),
        ),
        Operation(
            "DELETE", path, f"Let {article} in no more", scope, None, None, 204, named=named,
            problems=("conflict", "version_mismatch"),
        ),
    )  # fmt: skip


LOGIN_OPERATIONS: Final = (
    *_operations(
        PEOPLE,
        "email",
        "ada@example.com",
        (PersonBody, PersonPatch, PersonView),
        {"email": "ada@example.com", "role": "developer", "name": "Ada"},
        {"role": "viewer"},
    ),
    *_operations(
        SMPP_CUSTOMERS,
        "system_id",
        "acme1",
        (SmppCustomerBody, SmppCustomerPatch, SmppCustomerView),
        {"system_id": "acme1", "binds": 2, "window": 10, "addresses": ["203.0.113.0/24"]},
        {"binds": 4},
    ),
)

_encode: Final = msgspec.json.Encoder().encode


class _Words(Struct, frozen=True, kw_only=True):
    """How one kind is said: its bodies, and what they ask of a :class:`LoginKeeper`."""

    kind: LoginKind
    parameter: str
    list_name: str
    body: msgspec.json.Decoder[Any]
    patch: msgspec.json.Decoder[Any]
    fields: tuple[str, ...]
    scopes: tuple[str, ...]
    settings: tuple[str, ...]
    """The fields that are settings of the kind."""
    view: Callable[[Credential, str], Any]


_PERSON: Final = _Words(
    kind=PEOPLE,
    parameter="email",
    list_name="people",
    body=msgspec.json.Decoder(PersonBody),
    patch=msgspec.json.Decoder(PersonPatch),
    fields=PersonBody.__struct_fields__,
    scopes=(_SCOPE, OPERATOR_SCOPE),
    settings=("role",),
    view=lambda one, account: PersonView(
        PEOPLE.called(one), str(one.settings.get("role")), one.name, account, iso(one.created_us), one.version
    ),
)
_SMPP_CUSTOMER: Final = _Words(
    kind=SMPP_CUSTOMERS,
    parameter="system_id",
    list_name="smpp_customers",
    body=msgspec.json.Decoder(SmppCustomerBody),
    patch=msgspec.json.Decoder(SmppCustomerPatch),
    fields=SmppCustomerBody.__struct_fields__,
    scopes=(OPERATOR_SCOPE,),
    settings=("binds", "window"),
    view=lambda one, account: SmppCustomerView(
        one.prefix,
        one.name,
        account,
        list(one.addresses),
        int(one.settings["binds"]),
        int(one.settings["window"]),
        iso(one.created_us),
        one.version,
    ),
)


class LoginEndpoints:
    """Those of one kind. ``caller`` says who asks, or raises; ``read`` reads a body under a bound."""

    def __init__(
        self,
        words: _Words,
        services: Services,
        caller: Caller,
        read: Reader,
    ) -> None:
        self._words = words
        self._services = services
        self._caller = caller
        self._read = read
        self._keeper = LoginKeeper(words.kind, services.store, services.passwords, services.now_us)

    def answers(self) -> dict[tuple[str, str], Answerer]:
        """(method, path) → what answers."""
        listed = self._words.kind.listed
        one = f"{listed}/{{{self._words.parameter}}}"
        return {
            ("POST", listed): self.create,
            ("GET", listed): self.list,
            ("GET", one): self.show,
            ("PATCH", one): self.change,
            ("POST", f"{one}/password"): self.renew,
            ("DELETE", one): self.end,
        }

    def _who(self, request: Request) -> tuple[Principal, Actor]:
        principal = self._caller(request, *self._words.scopes)
        return principal, Actor.of(principal, peer_of(request))

    def _name(self, request: Request) -> str:
        name: str = request.path_params[self._words.parameter]
        return name

    async def create(self, request: Request) -> Reply:
        principal, actor = self._who(request)
        call = await self._read(request, self._services.bounds.body_octets)
        body = decode(call, self._words.body, self._words.fields)
        given = msgspec.structs.asdict(body)
        account_id = await self._keeper.account_id(actor, given.pop("account"), principal.account.id)
        chosen = given.get("password") is not None
        made, password = await self._keeper.create(
            actor,
            account_id,
            given[self._words.parameter],
            {name: given[name] for name in self._words.settings},
            title=given["name"],
            addresses=given.get("addresses", ()),
            password=given.get("password"),
            idempotency=idempotency_of(call, principal),
        )
        headers = (etag(made.version), *NOT_KEPT)
        if password is None and not chosen:
            return Reply(201, await self._shown(made, secret_shown=False), (*headers, *REPLAYED))
        return Reply(201, await self._shown(made, password=password or UNSET), headers)

    async def list(self, request: Request) -> Reply:
        _, actor = self._who(request)
        names = {one.id: one.name for one in await self._services.store.accounts()}
        found = [self._words.view(one, names.get(one.account_id, "")) for one in await self._keeper.list(actor)]
        return Reply(200, _encode({self._words.list_name: found}))

    async def show(self, request: Request) -> Reply:
        _, actor = self._who(request)
        found = await self._keeper.get(actor, self._name(request))
        return Reply(200, await self._shown(found), (etag(found.version),))

    async def change(self, request: Request) -> Reply:
        _, actor = self._who(request)
        call = await self._read(request, self._services.bounds.body_octets)
        body = decode(call, self._words.patch, self._words.fields)
        given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
        settings = {name: given[name] for name in self._words.settings if name in given}
        changed = await self._keeper.change(
            actor,
            self._name(request),
            expected_of(request),
            settings=settings or None,
            title=given.get("name"),
            addresses=given.get("addresses"),
            password=given.get("password"),
        )
        return Reply(200, await self._shown(changed), (etag(changed.version),))

    async def renew(self, request: Request) -> Reply:
        principal, actor = self._who(request)
        call = await self._read(request, self._services.bounds.body_octets)
        made, password = await self._keeper.renew(
            actor, self._name(request), expected_of(request), idempotency_of(call, principal)
        )
        headers = (etag(made.version), *NOT_KEPT)
        if password is None:
            return Reply(200, await self._shown(made, secret_shown=False), (*headers, *REPLAYED))
        return Reply(200, await self._shown(made, password=password), headers)

    async def end(self, request: Request) -> Reply:
        _, actor = self._who(request)
        await self._keeper.end(actor, self._name(request), expected_of(request))
        return Reply(204, b"")

    async def _shown(self, one: Credential, **more: Any) -> bytes:
        names = {account.id: account.name for account in await self._services.store.accounts()}
        return _encode(msgspec.structs.replace(self._words.view(one, names.get(one.account_id, "")), **more))


def login_endpoints(services: Services, caller: Caller, read: Reader) -> tuple[LoginEndpoints, ...]:
    """Those of people and of SMPP customers."""
    return tuple(LoginEndpoints(words, services, caller, read) for words in (_PERSON, _SMPP_CUSTOMER))
