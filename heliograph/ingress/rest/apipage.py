"""The page of all operations, made from the API's own document: ``python -m heliograph.ingress.rest.apipage``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from heliograph.ingress.rest.api import OPERATIONS
from heliograph.ingress.rest.openapi import document

__all__ = ["page"]

_HEAD = """# API

Every operation takes an API key as `Authorization: Bearer hg_live_…` with the scope that stands beside it. Bodies are
JSON; a field that is not in the tables is refused by name. What is refused is answered with a [problem](errors.md).
The same as OpenAPI 3.1 is at `/openapi.json` of a running server, and readable at `/docs`.
"""

_PREFIX = "#/components/schemas/"


def page() -> str:
    """The whole page as Markdown."""
    schema = document(OPERATIONS)
    schemas = schema["components"]["schemas"]
    parts = [_HEAD, "\n## Operations\n"]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parts.extend(_operation(method.upper(), path, operation))
    parts.append("\n## Objects\n")
    for name in sorted(_used(schema)):
        parts.extend(_object(name, schemas[name]))
    return "".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    security, *_ = operation["security"]
    scopes = ", ".join(f"`{one}`" for one in security.get("key", ()))
    wanted = f"scope {scopes}" if scopes else "a publishable token"
    yield f"\n### {operation['summary']}\n\n`{method} {path}` · {wanted}\n"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "\n| parameter | in | meaning |\n|---|---|---|\n"
        for one in parameters:
            yield f"| `{one['name']}` | {one['in']} | {_cell(one.get('description', ''))} |\n"
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        yield f"\nBody: {_type(content['schema'])}\n"
        if content.get("example") is not None:
            example = msgspec.json.format(msgspec.json.encode(_dated(content["example"])), indent=2).decode()
            yield f"\n```json\n{example}\n```\n"
    status, answer = next(iter(operation["responses"].items()))
    kinds = [_type(one["schema"]) if media == "application/json" else f"`{media}`" for media, one in
             answer.get("content", {}).items()]  # fmt: skip
    yield f"\nAnswer: `{status}`{', ' + ', or '.join(kinds) if kinds else ''}\n"
    yield f"\nProblems: {', '.join(f'`{code}`' for code in _codes(operation))}\n"


def _codes(operation: dict[str, Any]) -> Iterator[str]:
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).get("application/problem+json", {}).get("examples", ())


def _dated(example: Any) -> Any:
    """The running server's examples are always ahead of today; a page has a date of its own."""
    return example | {"send_at": "2027-03-01T09:00:00+01:00"} if "send_at" in example else example


def _object(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"\n### {name}\n"
    if "description" in schema:
        yield f"\n{schema['description']}\n"
    for choice in schema.get("anyOf", ()):
        yield f"\n**{choice['title']}.** {choice['description']}\n"
        yield from _fields(choice)
    yield from _fields(schema)


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    if not schema.get("properties"):
        return
    yield "\n| field | kind | meaning |\n|---|---|---|\n"
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        needed = " (required)" if name in required and schema.get("additionalProperties") is False else ""
        yield f"| `{name}` | {_type(field)}{needed} | {_cell(field.get('description', ''))} |\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_PREFIX)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(f"`{one}`" for one in schema["enum"]) if len(schema["enum"]) < 12 else "text"
    if schema.get("type") == "array":
        items = schema.get("items") or {}
        return f"list of {_type(items)}" if items else "list"
    words = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false", "null": "null"}
    return words.get(str(schema.get("type")), "any JSON" if schema.get("type") is None else str(schema["type"]))


def _used(schema: dict[str, Any]) -> set[str]:
    """Objects that an operation names, and those that these name."""
    schemas = schema["components"]["schemas"]
    found: set[str] = set()
    waiting = list(_named([schema["paths"], schema["components"]["responses"]]))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_named(schemas[name]))
    return found


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str) and inner.startswith(_PREFIX):
                yield inner.removeprefix(_PREFIX)
            else:
                yield from _named(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
