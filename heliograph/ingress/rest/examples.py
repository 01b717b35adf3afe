"""Examples of answers, made from their schemas: a value for each name, else one for each type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["example_of"]

Schema = Mapping[str, Any]

_MOMENT: Final = "2027-03-01T09:00:00.000Z"
_VALUES: Final[Mapping[str, Any]] = {
    "id": "m0r4q8kd1v7e2n5b9s3f",
    "message_id": "m0r4q8kd1v7e2n5b9s3f",
    "to": "+14155550123",
    "from": "12345",
    "sender": "12345",
    "recipient": "+14155550123",
    "text": "Your table is ready.",
    "state": "delivered",
    "encoding": "gsm7",
    "country": "US",
    "currency": "EUR",
    "url": "https://example.com/sms",
    "type": "transactional",
    "client_ref": "order-4711",
    "time_zone": "Europe/Berlin",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "cursor": "b64AAAAAAAAAAAo",
    "next": None,
    "days": ["mon", "fri"],
    "hours": ["09:00-18:00"],
    "holidays": "DE-BY",
    "segments": 1,
    "segments_delivered": 1,
    "name": "main",
    "email": "ada@example.com",
    "description": "What it is for",
}
_BY_TYPE: Final[Mapping[str, Any]] = {"string": "text", "integer": 1, "number": 1.0, "boolean": False, "null": None}
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
}
_DEEPEST: Final = 8


def example_of(schema: Schema, schemas: Mapping[str, Schema], name: str = "", depth: int = 0) -> Any:
    """A value that ``schema`` allows. Optional fields are in it where their name has a value of its own."""
    if "example" in schema:
        return schema["example"]
    if "$ref" in schema:
        return example_of(schemas[str(schema["$ref"]).rpartition("/")[2]], schemas, name, depth)
    if "anyOf" in schema:
        return _first_arm(schema, schemas, name, depth)
    if "enum" in schema:
        return _VALUES[name] if _VALUES.get(name) in schema["enum"] else schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, schemas, depth)
    if name in _VALUES and _fits(_VALUES[name], kind):
        return _VALUES[name]
    if kind == "array":
        item = schema.get("items", {})
        return [example_of(item, schemas, name.removesuffix("s"), depth + 1)] if depth < _DEEPEST and item else []
    if kind == "string" and (schema.get("format") == "date-time" or name.endswith(("_at", "_until", "_since", "at"))):
        return _MOMENT
    if kind in ("integer", "number") and "minimum" in schema:
        return schema["minimum"]
    return _BY_TYPE.get(str(kind), "text")


def _first_arm(schema: Schema, schemas: Mapping[str, Schema], name: str, depth: int) -> Any:
    arms = [one for one in schema["anyOf"] if one.get("type") != "null"]
    nullable = len(arms) < len(schema["anyOf"])
    if nullable and ((name in _VALUES and _VALUES[name] is None) or depth >= _DEEPEST):
        return None
    return example_of(arms[0], schemas, name, depth)


def _object(schema: Schema, schemas: Mapping[str, Schema], depth: int) -> dict[str, Any]:
    if depth >= _DEEPEST:
        return {}
    required = schema.get("required", ())
    return {
        field: example_of(one, schemas, field, depth + 1)
        for field, one in schema.get("properties", {}).items()
        if field in required or field in _VALUES
    }


def _fits(value: Any, kind: Any) -> bool:
    return isinstance(value, _TYPES.get(kind, ()))
