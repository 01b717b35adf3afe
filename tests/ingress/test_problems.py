"""The table of problems is complete: every code that is used stands in it, and on its page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from heliograph.ingress.rest.problems import PROBLEMS
from heliograph.ingress.rest.reference import page

ROOT = Path(__file__).parents[2]


def refuses(call: ast.Call, inside: str) -> bool:
    """Whether a call makes a refusal: by name, or in the constructor of a class that is one."""
    name = getattr(call.func, "id", "")
    return name in ("RequestRejected", "problem_of") or (
        inside == "RequestRejected" and ast.unparse(call.func) == "super().__init__"
    )


def calls(tree: ast.AST, inside: str = "") -> Iterator[tuple[ast.Call, str]]:
    """Every call, with the first base of the class that it stands in."""
    for node in ast.iter_child_nodes(tree):
        base = getattr(node.bases[0], "id", "") if isinstance(node, ast.ClassDef) and node.bases else inside
        if isinstance(node, ast.Call):
            yield node, inside
        yield from calls(node, base)


def used_codes() -> Iterator[tuple[str, str]]:
    """(file, code) of every refusal in the source whose code is written out."""
    for path in (ROOT / "heliograph").rglob("*.py"):
        for node, inside in calls(ast.parse(path.read_text(encoding="utf-8"))):
            if refuses(node, inside):
                arms = [node.args[0]] if node.args else []
                if arms and isinstance(arms[0], ast.IfExp):
                    arms = [arms[0].body, arms[0].orelse]
                for arm in arms:
                    if isinstance(arm, ast.Constant):
                        yield path.name, str(arm.value)


def test_every_code_that_is_used_is_in_the_table() -> None:
    unknown = [(name, code) for name, code in used_codes() if code not in PROBLEMS]
    assert unknown == []


def test_every_code_of_the_table_is_used() -> None:
    by_table = {"number_malformed", "number_impossible"}  # through the table of intake's numbers
    by_variable = {"method_not_allowed", "not_found"}
    assert set(PROBLEMS) - {code for _, code in used_codes()} - by_table - by_variable == set()


def test_the_page_of_errors_is_complete() -> None:
    made = "python -m heliograph.ingress.rest.reference > docs/reference/errors.md"
    assert (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8") == page(), made
