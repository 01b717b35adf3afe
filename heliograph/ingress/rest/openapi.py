"""The OpenAPI 3.1 document, made from the same values that read and write the bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from heliograph import __version__
from heliograph.ingress.rest.answers import problem_examples, problem_responses
from heliograph.ingress.rest.examples import example_of
from heliograph.ingress.rest.fields import CHOICES, FIELDS
from heliograph.ingress.rest.oauth import TOKEN_PATH
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import PROBLEMS, Problem
from heliograph.model import SCOPES

__all__ = ["document"]


_ID_EXAMPLE = "m0r4q8kd1v7e2n5b9s3f"
_NAMES = {
    "name": "The name that the answer had when it was made.",
    "number": "Its digits, with or without +.",
    "subject": "What is limited: account:NAME or key:ID.",
    "email": "The person's address.",
    "system_id": "The name that the customer binds with.",
}
_LISTS = {"events": "EventList", "keys": "KeyList", "limits": "LimitList"} | {
    "people": "PersonList",
    "smpp_customers": "SmppCustomerList",
}
_SCHEMES: dict[str, Any] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, or an access token."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "For clients that can do no other: the id of an API key as user, the key as password.",
    },
    "publishable": {
        "type": "http",
        "scheme": "bearer",
        "description": "A publishable token: for web pages, good for one message.",
    },
    "oauth": {
        "type": "oauth2",
        "description": "A token for a key: its id is client_id, the key client_secret.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": TOKEN_PATH,
                "scopes": {one: f"What keys with {one} may do." for one in SCOPES},
            }
        },
    },
}
_TEXTS: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 512}
_BATCH_REPLY: dict[str, Any] = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/components/schemas/SendReply"}, {"$ref": "#/components/schemas/Problem"}]},
        }
    },
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    schemas = _schemas(operations)
    _add_examples(paths, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heliograph",
            "version": __version__,
            "summary": "Send text messages, follow them to the handset, hear the replies.",
        },
        "security": [{"key": []}, {"basic": []}, {"oauth": []}],
        "paths": paths,
        "components": {
            "securitySchemes": _SCHEMES,
            "responses": {"Problem": _problem()},
            "examples": problem_examples(),
            "schemas": schemas,
        },
    }


def _add_examples(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
    """An example of each answer in JSON beside its schema."""
    for operation in (one for methods in paths.values() for one in methods.values()):
        for answer in operation["responses"].values():
            content = answer.get("content", {}).get("application/json")
            if content is not None:
                content["example"] = example_of(content["schema"], schemas)


# --- values -----------------------------------------------------------------------------------------


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    structs = [one for operation in operations for one in (operation.body, operation.answer) if one is not None]
    _, schemas = msgspec.json.schema_components([*structs, Problem], ref_template="#/components/schemas/{name}")
    schemas["Problem"]["properties"]["code"]["enum"] = sorted(PROBLEMS)
    for (name, field), words in CHOICES.items():
        schemas[name]["properties"][field]["enum"] = list(words)
    schemas["BatchBody"] = _batch_body(schemas["SendBody"])
    schemas["BatchReply"] = _BATCH_REPLY
    for operation in operations:
        if operation.list_name is not None:
            schemas[_LISTS[operation.list_name]] = _list(operation)
    for name, schema in [*schemas.items(), *((one["title"], one) for one in schemas["BatchBody"]["anyOf"])]:
        for field, meaning in FIELDS.get(name, {}).items():
            schema["properties"][field] = {**schema["properties"][field], "description": meaning}
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].replace("``", "").split())
    return schemas


def _batch_body(send: dict[str, Any]) -> dict[str, Any]:
    """Either different messages, or one message to many."""
    properties = {
        name: {**schema, "description": FIELDS["SendBody"][name]} for name, schema in send["properties"].items()
    }
    properties["to"] = {"type": "array", "items": {"type": "string", "maxLength": 64}, "minItems": 1}
    many = {**send, "title": "OneToMany", "description": "One text to many.", "properties": properties}
    different = {
        "type": "object",
        "title": "Different",
        "description": "Messages that have nothing in common.",
        "required": ["messages"],
        "additionalProperties": False,
        "properties": {
            "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/SendBody"}}
        },
    }
    return {"description": "Different messages, or one text to many.", "anyOf": [different, many]}


def _list(operation: Operation) -> dict[str, Any]:
    assert operation.answer is not None
    assert operation.list_name is not None
    items = {"$ref": f"#/components/schemas/{operation.answer.__name__}"}
    properties = {operation.list_name: {"type": "array", "items": items}}
    return {"type": "object", "required": [operation.list_name], "properties": properties}


# --- operations -------------------------------------------------------------------------------------


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": re.sub(r"[^a-z0-9]+", "_", operation.summary.lower()),
        "security": _security(operation.scope),
        "responses": {
            **{str(status): _answer(operation) for status in (operation.status, *operation.also)},
            **problem_responses(operation),
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if operation.body is not None:
        schema = {"$ref": f"#/components/schemas/{operation.body.__name__}"}
        content = {"schema": schema, "example": operation.example}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    if parameters := _parameters(operation):
        found["parameters"] = parameters
    return found


def _security(scope: str) -> list[dict[str, list[str]]]:
    """What a caller must show."""
    return [{name: [scope]} for name in ("key", "basic", "oauth")] if scope else [{"publishable": []}]


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found: list[dict[str, Any]] = []
    if "{id}" in operation.path:
        found.append({"name": "id", "in": "path", "required": True, "schema": text, "example": _ID_EXAMPLE})
        found[-1]["description"] = "The id that the answer had when it was made."
    for name in _NAMES:
        if f"{{{name}}}" in operation.path:
            example = operation.named or "demo.shop"
            found.append({"name": name, "in": "path", "required": True, "schema": text, "example": example})
            found[-1]["description"] = _NAMES[name]
    for name, meaning in operation.query.items():
        found.append({"name": name, "in": "query", "schema": _TEXTS, "description": meaning})
    if "dry_run" in operation.query and operation.method != "POST":
        meaning = "The ETag of what you read: where it has changed since, nothing is done (412)."
        found.append({"name": "If-Match", "in": "header", "schema": text, "description": meaning})
    if operation.method == "PUT":
        meaning = "*: only where there is none of this name yet (412)."
        found.append({"name": "If-None-Match", "in": "header", "schema": text, "description": meaning})
    if operation.method == "POST" and operation.scope:
        meaning = "The same request with the same key within 24 hours is done once."
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        found.append({"name": "Idempotency-Key", "in": "header", "schema": schema, "description": meaning})
    return found


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.status == 204:
        return {"description": "Done."}
    files: dict[str, Any] = {media: {"schema": {"type": "string"}} for media in operation.media}
    if operation.list_name is not None:
        name = _LISTS[operation.list_name]
    elif operation.answer is None and files:
        return {"description": operation.summary, "content": files}
    else:
        name = "BatchReply" if operation.answer is None else operation.answer.__name__
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"description": operation.summary, "content": {"application/json": {"schema": schema}, **files}}


def _problem() -> dict[str, Any]:
    codes = ", ".join(sorted(PROBLEMS))
    return {
        "description": f"A problem (RFC 9457). Its code is one of: {codes}.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
