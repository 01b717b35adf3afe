"""What we promise beyond OpenAPI, checked at every answer that schemathesis gets."""

from __future__ import annotations

from typing import Any

import schemathesis

__all__ = ["a_problem_is_one_of_the_operation", "what_a_schema_allows_is_read"]

_OUTSIDE = {"method_not_allowed", "not_found"}
"""What is answered before an operation is found: schemathesis also asks for methods and paths that there are not."""
_UNREADABLE = {"json_invalid", "http_invalid", "field_unknown"}
"""What a schema can rule out, and so must not happen to what it allows."""


@schemathesis.check
def a_problem_is_one_of_the_operation(ctx: Any, response: Any, case: Any) -> None:
    """The code of a refusal is among those that the document lists for the operation under this very status."""
    if response.status_code < 400:
        return
    code = response.json()["code"]
    answers = case.operation.definition.raw["responses"]
    content = answers.get(str(response.status_code), {}).get("content", {}).get("application/problem+json", {})
    if code not in content.get("examples", {}) and code not in _OUTSIDE:
        raise AssertionError(f"{response.status_code} {code} is not documented for {case.operation.label}")


@schemathesis.check
def what_a_schema_allows_is_read(ctx: Any, response: Any, case: Any) -> None:
    """A request that is as the document says is understood, even where its values are refused."""
    made = case.meta.generation.mode if case.meta is not None else None
    if response.status_code < 400 or made is None or not made.is_positive:
        return
    code = response.json()["code"]
    if code in _UNREADABLE:
        raise AssertionError(f"{code} for a request that the document allows: {response.json()['detail']}")
