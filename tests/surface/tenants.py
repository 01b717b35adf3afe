"""What a stranger gets to know and to do: operations with somebody else's ids, beside the same with ids of nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.surface.asking import Answer, Asker, together
from tests.surface.operations import Operation, Place

__all__ = ["Crossing", "Owned", "cross", "own", "stranger_to", "uncovered"]

_MAKING: Mapping[str, Mapping[str, Any]] = {
    "/v1/messages": {"send_at": (datetime.now(UTC) + timedelta(days=40)).isoformat()},
    "/v1/accounts": {"parent": "alpha"},
    "/v1/people": {"email": "owned-by-alpha@example.com"},
}
"""What is added to a collection's example, so that what it makes stays as it is during the tests."""
_NAME = "owned-by-alpha"
"""Where an object has a name: one that stands in no example."""
_NAMES: Mapping[str, str] = {"/v1/limits": "account:alpha"}
"""Names with a form of their own, of what is made by PUT."""


_EACH_ITS_OWN = {("POST /v1/people", "email")}
"""Places for a name that each account gives itself: the same name there makes something else."""


@dataclass
class Owned:
    """Objects of one account: by the path of their collection, what stands for them in a path."""

    names: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Collections whose example made nothing, and why."""

    listed: set[str] = field(default_factory=set)
    """Collections that belong to no account, of which the first was taken."""

    @property
    def all(self) -> list[str]:
        """What stands for the account and its objects anywhere in a request."""
        return ["alpha", *sorted(name for path, name in self.names.items() if path not in self.listed)]


@dataclass(frozen=True)
class Crossing:
    """A stranger's request that was answered otherwise than the same for nobody's object."""

    label: str
    what: str
    theirs: Answer
    nobodys: Answer


def makers(known: list[Operation]) -> dict[str, Operation]:
    """What makes an object of each collection that has operations on single objects."""
    wanted = {operation.collection for operation in known if operation.names}
    return {one.path: one for one in known if one.method == "POST" and one.path in wanted}


def uncovered(known: list[Operation], owned: Owned) -> list[str]:
    """Operations on single objects of which there is none to try."""
    return [
        f"{one.label}: {owned.failed.get(one.collection, 'nothing makes such an object')}"
        for one in known
        if one.names and one.collection not in owned.names
    ]


async def own(asker: Asker, known: list[Operation], key: str) -> Owned:
    """An object of each kind, as the account whose key it is: made by the example of its POST or PUT, or listed."""
    owned = Owned()
    making = makers(known)
    for collection, name in {one.collection: one.names[0] for one in known if one.names}.items():
        if collection in making:
            answer = await _made(asker, making[collection], key)
        else:
            answer = await _listed(asker, collection, known, key)
        said = json.loads(answer.body)
        lists = [listed for listed in said.values() if isinstance(listed, list) and listed and collection not in making]
        first = lists[0][0] if lists else said
        found = next((first[one] for one in (name, "name", "id") if answer.status < 300 and one in first), None)
        if found is not None:
            owned.names[collection] = found
            owned.listed |= {collection} if lists else set()
        else:
            owned.failed[collection] = f"it was answered {answer.status} {answer.body[:200]!r}"
    return owned


async def _listed(asker: Asker, collection: str, known: list[Operation], key: str) -> Answer:
    """The list; where it is empty, what a PUT makes."""
    answer = await asker.raw("GET", collection, {"Authorization": f"Bearer {key}"})
    putting = [one for one in known if one.method == "PUT" and one.collection == collection]
    if answer.status == 200 and putting and not any(json.loads(answer.body).values()):
        return await asker.ask(putting[0], key, path=dict.fromkeys(putting[0].names, _NAMES.get(collection, _NAME)))
    return answer


async def _made(asker: Asker, maker: Operation, key: str) -> Answer:
    body = {**maker.example, **_MAKING.get(maker.path, {})}
    if "name" in body:
        body["name"] = _NAME
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return await asker.raw("POST", maker.path, headers, json.dumps(body).encode())


def stranger_to(name: str) -> str:
    """A name of the same form that nobody has."""
    last = name[-1]
    other = {"0": "1"}.get(last, "0") if last.isdigit() else {"a": "b"}.get(last, "a")
    return name[:-2] + other + last if len(name) > 2 and name[-2] != other else name[:-1] + other


async def cross(asker: Asker, known: list[Operation], owned: Owned, key: str) -> tuple[int, list[Crossing]]:
    """(pairs of requests made, those that were answered differently)."""
    if "/v1/people" in (making := makers(known)):
        await asker.ask(making["/v1/people"], key)  # the one of the example is taken, whoever is named beside it
    pairs = [pair for one in known for pair in _pairs(asker, one, owned, key)]
    answered = await together(_both(*pair) for pair in pairs)
    return len(pairs), [one for one in answered if one is not None]


def _pairs(asker: Asker, operation: Operation, owned: Owned, key: str) -> Iterator[tuple[Any, ...]]:
    if operation.names and operation.collection in owned.names:
        yield asker, operation, key, owned.names[operation.collection], None
    for place in (*operation.fields(), *operation.parameters()):
        if place.name != "Idempotency-Key" and (operation.label, place.name) not in _EACH_ITS_OWN:
            for name in owned.all:
                yield asker, operation, key, name, place


async def _both(asker: Asker, operation: Operation, key: str, name: str, place: Place | None) -> Crossing | None:
    theirs, nobodys = [await _one(asker, operation, key, one, place) for one in (name, stranger_to(name))]
    if place is None:
        same = theirs == nobodys and theirs.status >= 400  # byte for byte
    elif theirs.status >= 400:
        same = theirs.without(name) == nobodys.without(stranger_to(name))
    else:
        same = theirs.status == nobodys.status  # what was made has an id and a time of its own
    what = "path" if place is None else f"{place.where} {place.name}"
    return None if same else Crossing(operation.label, what, theirs, nobodys)


async def _one(asker: Asker, operation: Operation, key: str, name: str, place: Place | None) -> Answer:
    if place is None:
        return await asker.ask(operation, key, path=dict.fromkeys(operation.names, name))
    return await asker.ask(operation, key, place=place, value=name)
