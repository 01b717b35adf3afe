"""The operations of a running server as its OpenAPI document tells them, and every place in them that takes a text.

Nothing here knows an endpoint: what lands in the document is asked by itself.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Operation", "Place", "Steps", "operations"]

Steps = tuple[str | int, ...]
_DEEPEST = 5


@dataclass(frozen=True)
class Place:
    """One thing of a request that can be set: a field of the body, a parameter, a header."""

    where: str
    name: str
    steps: Steps = ()


@dataclass(frozen=True)
class Operation:
    """One operation of the document."""

    method: str
    path: str
    raw: Mapping[str, Any] = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names(self) -> list[str]:
        """What stands in braces in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def collection(self) -> str:
        """The path of what the first name is one of."""
        return self.path.partition("/{")[0]

    @property
    def scopes(self) -> set[str]:
        """What a key needs."""
        return {scope for one in self.raw.get("security", ()) for scopes in one.values() for scope in scopes}

    @property
    def media(self) -> str | None:
        """What kind of body it takes."""
        content = self.raw.get("requestBody", {}).get("content", {})
        return next(iter(content), None)

    @property
    def example(self) -> Any:
        """A body that does something sensible; None where it takes none."""
        content = self.raw.get("requestBody", {}).get("content", {})
        return copy.deepcopy(content[self.media]["example"]) if self.media is not None else None

    def codes(self, status: int) -> set[str]:
        """The problems that it may answer with under a status."""
        content = self.raw["responses"].get(str(status), {}).get("content", {})
        return set(content.get("application/problem+json", {}).get("examples", ()))

    def parameters(self) -> list[Place]:
        """Its parameters in query and headers."""
        return [Place(one["in"], one["name"]) for one in self.raw.get("parameters", ()) if one["in"] != "path"]

    def fields(self) -> list[Place]:
        """Every field of its body that takes a text, however deep."""
        if self.media is None:
            return []
        schema = self.raw["requestBody"]["content"][self.media]["schema"]
        found = dict.fromkeys(self._texts(schema, (), 0))
        return [Place("body", ".".join(map(str, steps)), steps) for steps in found]

    def _texts(self, schema: Mapping[str, Any], steps: Steps, depth: int) -> Iterator[Steps]:
        if depth > _DEEPEST:
            return
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for arm in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from self._texts(arm, steps, depth)
        kind = schema.get("type")
        if kind == "string" and steps:
            yield steps
        elif kind == "array":
            yield from self._texts(schema.get("items", {}), (*steps, 0), depth + 1)
        elif kind == "object" or "properties" in schema:
            for name, inner in schema.get("properties", {}).items():
                yield from self._texts(inner, (*steps, name), depth + 1)
            if "properties" not in schema and steps:
                yield (*steps, "any")
        elif kind is None and not any(word in schema for word in ("anyOf", "oneOf", "enum")) and steps:
            yield steps

    def body_with(self, place: Place, value: Any) -> Any:
        """The example with one field set, and what it needs around itself."""
        return _set(self.example, place.steps, value)


def _set(holder: Any, steps: Steps, value: Any) -> Any:
    if not steps:
        return value
    step, *rest = steps
    if isinstance(step, int):
        inner = holder[0] if isinstance(holder, list) and holder else None
        return [_set(inner, tuple(rest), value)]
    known = dict(holder) if isinstance(holder, dict) else {}
    known[step] = _set(known.get(step), tuple(rest), value)
    return known


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """All of them, in the document's order."""
    return [
        Operation(method.upper(), path, raw, document)
        for path, methods in document["paths"].items()
        for method, raw in methods.items()
        if method in ("get", "put", "post", "patch", "delete")
    ]
