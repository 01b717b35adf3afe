"""Texts that mean something to a database, a header, a log, a spreadsheet, a template or a page, in every place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.surface.asking import Answer, Asker, together
from tests.surface.operations import Operation, Place, Steps

__all__ = ["SETS", "Injected", "Injection", "inject", "injections"]

SETS: Mapping[str, tuple[str, ...]] = {
    "sql": ("'; DROP TABLE messages; --", '" OR ""="', "1) UNION SELECT hash FROM api_keys --"),
    "header": ("a\r\nX-Injected: yes\r\n\r\n<html>", "a\nSet-Cookie: injected=yes"),
    "log": ('x\n{"event": "injected", "level": "info"}', "\x1b[2Jinjected\x00"),
    "csv": ("=cmd|' /C calc'!A0", "@SUM(1+1)*injected"),
    "template": ("{{7*7}}${7*7}{% injected %}", "%s%n{0.__class__}"),
    "html": ("<script>injected()</script>", "\"><img src=x onerror='injected()'>"),
}
_SAID_AS = ("application/json", "application/problem+json", "text/csv", "application/x-ndjson")


class Injection(NamedTuple):
    """One text in one place of one operation; ``place`` None: in its path."""

    operation: Operation
    place: Place | None
    text: str

    @property
    def label(self) -> str:
        where = "path" if self.place is None else f"{self.place.where} {self.place.name}"
        return f"{self.operation.label}, {where}: {self.text!r}"


def injections(known: list[Operation]) -> list[Injection]:
    """All of them. Control characters are no part of a header: no client sends any, and HTTP takes none."""
    return [
        Injection(operation, place, text)
        for operation in known
        for place in _places(operation)
        for texts in SETS.values()
        for text in texts
        if place is None or place.where != "header" or text.isprintable()
    ]


def _places(operation: Operation) -> Iterator[Place | None]:
    if operation.names:
        yield None
    yield from operation.parameters()
    yield from operation.fields()


class Injected(NamedTuple):
    """What came of them: how many were kept as they were, and what was wrong."""

    kept: int
    faults: list[str]


async def inject(asker: Asker, asked: list[Injection], names: Mapping[str, str], key: str) -> Injected:
    """Asks all. ``names``: an object of each collection, so that its fields are looked at."""
    found = await together(_one(asker, one, names, key) for one in asked)
    faults = [f"{one.label}: {fault}" for one, (_, faults) in zip(asked, found, strict=True) for fault in faults]
    return Injected(sum(kept for kept, _ in found), faults)


async def _one(asker: Asker, one: Injection, names: Mapping[str, str], key: str) -> tuple[bool, list[str]]:
    operation, place, text = one
    name = "nothing" if operation.method == "DELETE" else names.get(operation.collection, "nothing")
    path = dict.fromkeys(operation.names, text if place is None else name)
    answer = await asker.ask(operation, key, path=path, place=place, value=text)
    faults = list(_faults(operation, answer))
    if place is None or place.where != "body" or answer.status >= 300:
        return False, faults
    kept = await _kept(asker, one, answer, key)
    return bool(kept), faults + [f"kept as {value!r}" for value in kept if value != text]


def _faults(operation: Operation, answer: Answer) -> Iterator[str]:
    headers = dict(answer.headers)
    if answer.status >= 500:
        yield f"answered {answer.status} {answer.body[:300]!r}"
    if any("injected" in name + said for name, said in answer.headers):
        yield f"headers {headers}"
    said_as = headers.get("content-type", "").partition(";")[0]
    if answer.status != 204 and said_as not in _SAID_AS:
        yield f"answered as {said_as}"
    if answer.status >= 400 and answer.code not in operation.codes(answer.status) | {"not_found", "method_not_allowed"}:
        yield f"{answer.status} {answer.code} is not documented"


async def _kept(asker: Asker, one: Injection, answer: Answer, key: str) -> list[str]:
    """What the answer, and then the object that was made, have in the place."""
    assert one.place is not None
    said = json.loads(answer.body or b"{}")
    shown = [said]
    made = said.get("id") if isinstance(said, dict) else None
    if one.operation.method == "POST" and made is not None and not one.operation.names:
        again = await asker.raw("GET", f"{one.operation.path}/{made}", {"Authorization": f"Bearer {key}"})
        shown += [json.loads(again.body)] if again.status == 200 else []
    return [kept for value in shown for kept in _at(value, one.place.steps)]


def _at(value: Any, steps: Steps) -> list[str]:
    """The text that stands there, if one does."""
    for step in steps:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return []
    return [value] if isinstance(value, str) else []
