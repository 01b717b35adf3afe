"""The OpenAPI 3.1 document, made from the same values that read and write the bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from heliograph import __version__
from heliograph.ingress.rest.problems import PROBLEMS, Problem

__all__ = ["Operation", "document"]


class Operation(Struct, frozen=True):
    """One operation: its body and answer are Structs; ``many``: the answer is a list of them under one name."""

    method: str
    path: str
    summary: str
    body: type | None
    answer: type | None
    status: int = 200
    many: bool = False
    query: tuple[str, ...] = ()


_BATCH_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "results": {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/components/schemas/SendReply"}, {"$ref": "#/components/schemas/Problem"}]},
        }
    },
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document."""
    structs = [one for operation in operations for one in (operation.body, operation.answer) if one is not None]
    _, schemas = msgspec.json.schema_components([*structs, Problem], ref_template="#/components/schemas/{name}")
    schemas["BatchBody"] = _batch_body(schemas)
    schemas["Problem"]["properties"]["code"]["enum"] = sorted(PROBLEMS)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heliograph",
            "version": __version__,
            "summary": "Send text messages, follow them to the handset, hear the replies.",
        },
        "security": [{"key": []}],
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}, "schemas": schemas},
    }


def _batch_body(schemas: dict[str, Any]) -> dict[str, Any]:
    """Either different messages, or one message to many."""
    send = schemas["SendBody"]
    many = {**send, "title": "OneToMany", "properties": {**send["properties"]}}
    many["properties"]["to"] = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    different = {
        "type": "object",
        "title": "Different",
        "required": ["messages"],
        "additionalProperties": False,
        "properties": {
            "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/SendBody"}}
        },
    }
    return {"anyOf": [different, many]}


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.summary.lower().replace(",", "").replace(" ", "_"),
        "responses": {str(operation.status): _answer(operation), "default": _problem()},
    }
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in operation.query]
    if "{id}" in operation.path:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "string"}})  # type: ignore[dict-item]
    if operation.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{operation.body.__name__}"}}},
        }
    if operation.method == "POST":
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "maxLength": 255},
                "description": "The same request with the same key within 24 hours is done once.",
            }
        )
    if parameters:
        found["parameters"] = parameters
    return found


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.status == 204:
        return {"description": "Done."}
    if operation.answer is None:
        schema = _BATCH_ANSWER
    else:
        schema = {"$ref": f"#/components/schemas/{operation.answer.__name__}"}
        if operation.many:
            name = operation.path.rsplit("/", 1)[-1]
            schema = {"type": "object", "properties": {name: {"type": "array", "items": schema}}}
    return {"description": operation.summary, "content": {"application/json": {"schema": schema}}}


def _problem() -> dict[str, Any]:
    codes = ", ".join(sorted(PROBLEMS))
    return {
        "description": f"A problem (RFC 9457). Its code is one of: {codes}.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
