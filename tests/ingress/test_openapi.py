"""The document is whole: an example of every body, answer and problem, each as its schema says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from heliograph.ingress.rest.answers import codes_of
from heliograph.ingress.rest.api import OPERATIONS
from heliograph.ingress.rest.openapi import document
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import PROBLEMS

DOCUMENT: Mapping[str, Any] = msgspec.json.decode(msgspec.json.encode(document(OPERATIONS)))
BEFORE_ANY = {"method_not_allowed"}
"""Codes that belong to no operation."""


def described(operation: Operation) -> dict[str, Any]:
    """An operation in the document."""
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def check(schema: Mapping[str, Any], value: Any) -> None:
    """Whether a value is as a schema of the document says."""
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    assert [error.message for error in validator.iter_errors(value)] == []


def name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def answers(operation: Operation) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(status, media type, content) of all that an operation can say."""
    for status, answer in described(operation)["responses"].items():
        for media, content in answer.get("content", {}).items():
            yield status, media, content


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
def test_every_body_and_every_answer_has_an_example_that_is_right(operation: Operation) -> None:
    body = described(operation).get("requestBody")
    assert (body is None) == (operation.body is None)
    if body is not None:
        for content in body["content"].values():
            assert content["example"]
            check(content["schema"], content["example"])
    for _, media, content in answers(operation):
        if media == "application/json":
            check(content["schema"], content["example"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
def test_every_problem_of_an_operation_is_under_its_status_with_an_example(operation: Operation) -> None:
    told: dict[str, str] = {}
    for status, media, content in answers(operation):
        if media == "application/problem+json":
            told |= dict.fromkeys(content["examples"], status)
            for code, reference in content["examples"].items():
                assert reference == {"$ref": f"#/components/examples/{code}"}
    assert told == {code: str(PROBLEMS[code][0]) for code in codes_of(operation)}


def test_every_code_has_an_example_and_an_operation() -> None:
    examples = DOCUMENT["components"]["examples"]
    assert set(examples) == set(PROBLEMS)
    for code, example in examples.items():
        assert example["value"]["code"] == code
        check({"$ref": "#/components/schemas/Problem"}, example["value"])
    assert {code for operation in OPERATIONS for code in codes_of(operation)} == set(PROBLEMS) - BEFORE_ANY


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [described(operation)["operationId"] for operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(one.isidentifier() for one in names)


def test_the_document_is_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
